"""A step's hash sees what the step can reach, and nothing else."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rescore.engine import provenance, step_server

ROOMS = [
    "engine",
    "sources",
    "manifests",
    "clips",
    "models",
    "features",
    "datasets",
    "training",
    "systems",
    "experiments",
    "scoring",
    "reporting",
    "judging",
]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package with the same name, so that the closure is read from files that the test may change."""
    files = {
        "__init__.py": "",
        "left.py": "VALUE = 1\n",
        "step.py": "def run():\n    from rescore import left\n    return left.VALUE\n",
        "right.py": "from rescore.step import run\n",
        "room/__init__.py": "",
        "room/inner.py": "import rescore.left\n",
    }
    for name, text in files.items():
        path = tmp_path / "rescore" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "rescore")
    forget()
    yield tmp_path / "rescore"
    forget()


def forget():
    for cached in vars(provenance).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


def rehash(module):
    forget()
    return provenance.code_hash(module)


def test_imports_inside_functions_count(package):
    names = [path.name for path in provenance.import_closure("rescore.step")]
    assert "left.py" in names
    assert "right.py" not in names


def test_a_change_to_what_is_reached_changes_the_hash(package):
    before = rehash("rescore.step"), rehash("rescore.room.inner")
    (package / "left.py").write_text("VALUE = 2\n")
    assert rehash("rescore.step") != before[0]
    assert rehash("rescore.room.inner") != before[1]


@pytest.mark.parametrize(
    "text",
    [
        "VALUE = 1  # a comment\n",
        '"""A docstring."""\n\n\nVALUE = 1\n',
        "VALUE = (\n    1\n)\n",
        'VALUE = 1\n"""What it is."""\n',
    ],
)
def test_words_and_layout_do_not_change_it(package, text):
    before = rehash("rescore.step")
    (package / "left.py").write_text(text)
    assert rehash("rescore.step") == before


def test_the_first_words_of_an_empty_module_do_not_change_it(package):
    before = rehash("rescore.room.inner")
    (package / "room" / "__init__.py").write_text('"""A room."""\n')
    assert rehash("rescore.room.inner") == before


@pytest.mark.parametrize("text", ["VALUE = 1.0\n", "VALUE = '1'\n", "VALUE = -1\n", "value = 1\n", "VALUE = True\n"])
def test_what_another_value_means_does(package, text):
    before = rehash("rescore.step")
    (package / "left.py").write_text(text)
    assert rehash("rescore.step") != before


def test_what_only_runs_steps_is_not_reached(package):
    (package / "engine").mkdir()
    (package / "engine" / "__init__.py").write_text("")
    (package / "engine" / "processes.py").write_text("EVERY = 1\n")
    (package / "left.py").write_text("from rescore.engine import processes\nVALUE = 1\n")
    before = rehash("rescore.step")
    (package / "engine" / "processes.py").write_text("EVERY = 2\n")
    assert rehash("rescore.step") == before


def test_templates_belong_to_the_module_that_loads_them(package):
    (package / "room" / "templates").mkdir()
    template = package / "room" / "templates" / "page.j2"
    template.write_text("one")
    (package / "room" / "page.py").write_text(
        "from jinja2 import PackageLoader\nLOADER = PackageLoader('rescore.room')\n"
    )
    before = rehash("rescore.room.page"), rehash("rescore.room.inner")
    template.write_text("two")
    assert rehash("rescore.room.page") != before[0]
    assert rehash("rescore.room.inner") == before[1]


def test_a_change_to_what_is_not_reached_does_not(package):
    before = rehash("rescore.step")
    (package / "right.py").write_text("from rescore.step import run  # changed\n")
    assert rehash("rescore.step") == before


def test_a_package_by_version_counts_by_its_version(package):
    athlete = package.parent / "synthetic_athlete"
    athlete.mkdir()
    (athlete / "__init__.py").write_text('"""The athlete."""\n__version__ = "1"\n')
    (athlete / "body.py").write_text("from rescore import left\nJOINTS = 17\n")
    (package / "step.py").write_text("from synthetic_athlete.body import JOINTS\n")
    assert provenance.module_of("synthetic_athlete.body.draw") == "synthetic_athlete.body"
    assert provenance.module_of("room.inner.run") == "rescore.room.inner"
    modules = ("synthetic_athlete.body", "rescore.step")
    before = [rehash(module) for module in modules]
    (athlete / "body.py").write_text("JOINTS = 18\n")
    (package / "left.py").write_text("VALUE = 2\n")
    assert [rehash(module) for module in modules] == before
    (athlete / "__init__.py").write_text('__version__ = "2"\n')
    assert not set(before) & {rehash(module) for module in modules}


def test_unknown_module(package):
    with pytest.raises(ValueError, match="not a module"):
        provenance.code_hash("rescore.nothing")


def sources():
    return sorted(provenance.ROOT.rglob("*.py"))


def room_of(path: Path) -> int:
    """Position of a module in the design's line: -1 for what lies left of all rooms, 99 for the command line."""
    first = path.relative_to(provenance.ROOT).parts[0]
    return ROOMS.index(first) if first in ROOMS else (99 if first in ("cli.py", "__main__.py") else -1)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(provenance.ROOT)))
def test_no_module_imports_from_its_right(path):
    targets = [target for target in provenance.imported_files(path) if target.is_relative_to(provenance.ROOT)]
    wrong = [str(target.relative_to(provenance.ROOT)) for target in targets if room_of(target) > room_of(path)]
    assert not wrong


def system_of(path: Path) -> str:
    """The system that a module belongs to; empty for what systems share and for all else."""
    parts = path.relative_to(provenance.ROOT).parts if path.is_relative_to(provenance.ROOT) else ()
    return parts[1] if parts[:1] == ("systems",) and len(parts) == 3 and parts[1] != "common" else ""


@pytest.mark.parametrize(
    "path",
    [path for path in sources() if "systems" in path.parts],
    ids=lambda path: str(path.relative_to(provenance.ROOT)),
)
def test_no_system_imports_from_another(path):
    named = {system_of(target) for target in provenance.imported_files(path)} - {""}
    # The controls run trainings of other systems, which their declaration is made of.
    assert named <= {system_of(path)} or path.name == "registry.py" or path.parts[-2:] == ("controls", "system.py")


def test_what_systems_declare_loads_no_framework():
    script = "from rescore.systems import registry; registry.experiments(); import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True).stdout.split()
    assert "rescore.systems.multitask.system" in loaded
    assert not {"torch", "cv2"} & set(loaded)


def test_what_a_run_keeps_of_files_is_theirs_by_their_bytes(package, tmp_path, monkeypatch):
    before, kept = rehash("rescore.step"), tmp_path / "sources.json"
    provenance.keep(kept)
    monkeypatch.setattr(provenance, "KEPT", {})
    monkeypatch.setattr(provenance, "analysed", lambda tree: pytest.fail("was kept"))
    forget()
    provenance.recall(kept)
    assert provenance.code_hash("rescore.step") == before
    times = (package / "left.py").stat()
    (package / "left.py").write_text("VALUE = 9\n")
    os.utime(package / "left.py", ns=(times.st_atime_ns, times.st_mtime_ns))  # as long and as old as it was
    monkeypatch.undo()
    monkeypatch.setattr(provenance, "ROOT", package)
    assert rehash("rescore.step") != before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": [1, 2]}'])
def test_kept_files_that_are_none_are_nothing(tmp_path, text, monkeypatch):
    monkeypatch.setattr(provenance, "KEPT", {})
    (tmp_path / "sources.json").write_text(text)
    provenance.recall(tmp_path / "sources.json")
    provenance.recall(tmp_path / "nothing.json")
    assert not provenance.KEPT


def test_what_is_scanned_counts_as_imported(package):
    (package / "room" / "one").mkdir()
    (package / "room" / "found.py").write_text('SCANS = "system"\n')
    (package / "room" / "one" / "system.py").write_text("TITLE = 1\n")
    before = rehash("rescore.room.found"), rehash("rescore.room.inner")
    (package / "room" / "one" / "system.py").write_text("TITLE = 2\n")
    assert rehash("rescore.room.found") != before[0]
    assert rehash("rescore.room.inner") == before[1]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(provenance.ROOT)))
def test_only_the_rooms_that_compute_import_torch(path):
    names = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    room = path.relative_to(provenance.ROOT).parts[0]
    assert room in step_server.FRAMEWORK_LAYERS or not names & {"torch", "torchvision"}
