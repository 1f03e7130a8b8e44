"""What lies outside of the tree is found, copied and counted, and what is wrong with it said in one message."""

import importlib.metadata
from pathlib import Path

import pytest

from rescore.engine import mounting, outside, provenance
from rescore.engine.errors import RescoreError
from tests.engine.test_provenance import forget

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder to fill, with nothing mounted yet; the process is in a checkout without params.yaml."""
    monkeypatch.setattr(mounting, "MOUNTED", {})
    monkeypatch.setattr(provenance, "ELSEWHERE", {})
    monkeypatch.delenv(outside.VARIABLE, raising=False)
    (tmp_path / "papers").mkdir()
    monkeypatch.chdir(tmp_path)
    forget()
    yield tmp_path
    forget()


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def settle_problems(**named) -> str:
    with pytest.raises(RescoreError) as error:
        outside.settle(named)
    return str(error.value)


def entry_points(monkeypatch, **values):
    """Entry points as if a distribution without a name of its own declared them."""
    found = {
        f"rescore.{kind}": [importlib.metadata.EntryPoint(name, value, f"rescore.{kind}") for name, value in of.items()]
        for kind, of in values.items()
    }
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found.get(group, []))


def test_all_wrong_folders_are_said_together(lab):
    write(lab / "file")
    write(lab / "empty/notes/readme.txt")
    write(lab / "one/gdlt/system.py")
    write(lab / "two/mine/system.py")
    write(lab / "three/mine/system.py")
    write(lab / "three/my-own/system.py")
    write(lab / "three/class/system.py")
    said = settle_problems(
        systems=["~/nowhere", "$NO_SUCH/x", "file", "empty", "one", "two", "three"], papers=["empty"]
    )
    assert "outside.systems: ~/nowhere: no such folder" in said
    assert "outside.systems: $NO_SUCH/x: no such folder" in said
    assert "outside.systems: file: a file, no folder" in said
    assert "outside.systems: empty: no folder in it has a system.py" in said
    assert "outside.papers: empty: no folder in it has a paper.yaml" in said
    assert "outside.systems: one: gdlt is in the tree (src/rescore/systems/gdlt) too; rename one" in said
    assert "outside.systems: three: mine is in outside.systems: two too; rename one" in said
    assert "'my-own' is no name of a Python package" in said
    assert "'class' is no name of a Python package" in said
    assert len(said.splitlines()) == 11
    assert not mounting.MOUNTED


def test_entry_points_that_do_not_load_are_said(lab, monkeypatch):
    monkeypatch.syspath_prepend(lab / "site")
    write(lab / "site/lab_things/empty/__init__.py")
    values = {"a": "lab_things.none", "b": "no_such_package.x", "c": "lab_things.empty", "d": "lab_things.empty:Class"}
    entry_points(monkeypatch, systems=values)
    said = settle_problems()
    assert "entry point a of rescore.systems: lab_things.none cannot be found (no such package)" in said
    assert "entry point b of rescore.systems: no_such_package.x cannot be found (no such package)" in said
    assert "entry point c of rescore.systems: package lab_things.empty has no system.py" in said
    assert "entry point d of rescore.systems: lab_things.empty:Class cannot be found (not the dotted name" in said


def test_a_paper_is_copied_kept_up_to_date_and_removed(lab, monkeypatch):
    write(lab / "params.yaml")
    declared = write(lab / "my papers/mine/paper.yaml", "title: one\n")
    write(lab / "my papers/mine/tables/table1.csv", "row,column,value,n\n")
    write(lab / "my papers/mine/__init__.py")
    write(lab / "papers/theirs/paper.yaml", "title: of the tree\n")
    monkeypatch.setenv("LAB", str(lab))
    outside.settle({"papers": ["$LAB/my papers"]})
    copy = lab / "papers/mine"
    assert {path.name for path in copy.rglob("*")} == {".gitignore", "paper.yaml", "tables", "table1.csv"}
    mark = (copy / ".gitignore").read_text()
    assert mark.endswith("\n*\n")
    assert str(lab) not in mark
    before = (copy / "tables/table1.csv").stat().st_mtime_ns
    declared.write_text("title: two\n")
    write(copy / "claims.yaml")
    outside.settle({"papers": ["my papers"]})
    assert (copy / "paper.yaml").read_text() == "title: two\n"
    assert (copy / "tables/table1.csv").stat().st_mtime_ns == before
    assert not (copy / "claims.yaml").exists()
    outside.settle({"papers": []})
    assert [path.name for path in (lab / "papers").iterdir()] == ["theirs"]


def test_a_paper_of_the_trees_name_is_refused_and_not_touched(lab):
    write(lab / "params.yaml")
    mine = write(lab / "papers/aqa7/paper.yaml", "title: mine\n")
    write(lab / "lab/aqa7/paper.yaml", "title: theirs\n")
    assert "outside.papers: lab: aqa7 is in the tree (papers/aqa7) too" in settle_problems(papers=["lab"])
    assert mine.read_text() == "title: mine\n"


def reached(lab, name, system, **files):
    """Hash of a step of a system in a folder of its own."""
    write(lab / name / "mine/system.py", "STEP = 'systems.mine.training.run'\n")
    write(lab / name / "mine/training.py", system)
    for file, text in files.items():
        write(lab / name / f"{file.replace('__', '/')}.py", text)
    mounting.MOUNTED.clear()
    provenance.ELSEWHERE.clear()
    outside.settle({"systems": [name]})
    forget()
    return provenance.code_hash("rescore.systems.mine.training")


def test_its_code_counts_wherever_it_lies_and_comments_do_not(lab):
    relative = "from . import network\nfrom ..shared import loss\nfrom rescore.engine.errors import RescoreError\n"
    parts = {"mine__network": "SIZE = 1\n", "shared__loss": "WEIGHT = 1\n"}
    first = reached(lab, "a", relative, **parts)
    assert reached(lab, "deeper/below", relative + "# a comment\n", **parts) == first
    assert reached(lab, "a", relative, **parts | {"mine__network": "SIZE = 2\n"}) != first
    assert reached(lab, "a", relative, **parts | {"shared__loss": "WEIGHT = 2\n"}) != first
    files = {
        provenance.place_of(path).as_posix() for path in provenance.import_closure("rescore.systems.mine.training")
    }
    assert {"rescore/systems/mine/network.py", "rescore/systems/shared/loss.py"} <= files


def test_what_reads_all_declarations_reads_those_outside(lab):
    write(lab / "params.yaml")
    before = provenance.code_hash("rescore.systems.registry")
    reached(lab, "a", "VALUE = 1\n")
    after = provenance.code_hash("rescore.systems.registry")
    assert after != before
    reached(lab, "a", "VALUE = 2\n")
    assert provenance.code_hash("rescore.systems.registry") == after
    assert list(mounting.origins("rescore.systems.registry")) == ["rescore.systems.mine"]


def test_a_distributions_other_modules_count_as_its_systems_own(lab, monkeypatch):
    monkeypatch.syspath_prepend(lab / "site")
    write(lab / "site/lab_things/mine/system.py")
    write(lab / "site/lab_things/mine/training.py", "from lab_things.shared import WEIGHT\n")
    shared = write(lab / "site/lab_things/shared.py", "WEIGHT = 1\n")
    entry_points(monkeypatch, systems={"mine": "lab_things.mine"})
    outside.settle({})
    before = provenance.code_hash("rescore.systems.mine.training")
    shared.write_text("WEIGHT = 2\n")
    forget()
    assert provenance.code_hash("rescore.systems.mine.training") != before
    assert provenance.place_of(shared).as_posix() == "lab_things/shared.py"


def test_what_has_not_the_sections_form_is_left_to_the_schema():
    for config in (None, {"outside": ["x"]}, {"outside": {"systems": "x"}}):
        assert outside.section(config) == {}
    assert outside.section({"outside": {"systems": ["x", 1], "papers": None}}) == {"systems": ["x"]}
