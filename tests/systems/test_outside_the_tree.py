"""docs/adding.md, done as it says: a lab's own system and paper, in folders of its own and in an installed distribution."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.systems.test_adding_a_system import FILE
from tests.workflow.conftest import environment, make_clone, snakemake

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/adding.md").read_text(encoding="utf-8")
TABLE = "results/smoke/tables/lab_routines.csv"


def block(before: str, kind: str) -> str:
    """The page's example behind some words."""
    (found,) = re.findall(rf"{re.escape(before)}[^`]*?\n```{kind}\n(.*?)^```", PAGE, re.M | re.S)
    return found


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def fill(folder: Path) -> Path:
    """The page's system and paper: systems/mean_score and papers/lab in a folder."""
    files = FILE.findall(PAGE)
    assert len(files) == 3
    for name, content in files:
        write(folder / "systems/mean_score" / Path(name).name, content)
    write(folder / "papers/lab/paper.yaml", block("`lab/papers/lab/paper.yaml`", "yaml"))
    write(folder / "papers/lab/tables/routines.csv", "row,column,value,n\n")
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A fresh clone beside the lab's folder, which its params.yaml names."""
    base = tmp_path_factory.mktemp("outside")
    clone, lab = make_clone(base / "clone"), fill(base / "my lab")
    named = block("params.yaml names the folders that hold such folders:", "yaml").replace("~/lab", "$LABS/my lab")
    params = clone / "params.yaml"
    text = re.sub(r"^outside:\n(  .*\n)+", lambda _: named, params.read_text(encoding="utf-8"), count=1, flags=re.M)
    params.write_text(text, encoding="utf-8")
    assert yaml.safe_load(text)["outside"]["systems"] == ["$LABS/my lab/systems"]
    assert (lab / "systems/mean_score/system.py").is_file()
    return clone


def rescore(clone, *words, **more):
    command = [sys.executable, "-m", "rescore", *words]
    more = {"LABS": str(clone.parent), **more}
    return subprocess.run(command, cwd=clone, env=environment(clone, **more), text=True, capture_output=True)


def test_it_takes_part_in_what_a_system_of_the_tree_does(clone):
    done = rescore(clone, "conform", "mean_score")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "all conform"), done.stdout + done.stderr
    planned = snakemake(clone, TABLE, "-n", LABS=str(clone.parent))
    assert "rule mean_score_rhythmic_gymnastics:" in planned.stdout, planned.stdout
    assert "papers/lab/paper.yaml" in planned.stdout


def test_its_settings_are_overridden_in_params_yaml_and_not_written_there(clone, tmp_path):
    before = (clone / "params.yaml").read_text()
    assert rescore(clone, "settings").stdout.strip() == "params.yaml says what systems declare"
    assert (clone / "params.yaml").read_text() == before
    assert "labels: [100]               # percent" in rescore(clone, "settings", "mean_score").stdout
    script = (
        "from rescore.engine import outside; outside.settle(); from rescore.systems import parameters; "
        "print([parameters.load(scale=name)[1]['mean_score']['labels'] for name in ('paper', 'demo', 'smoke')])"
    )

    def labels() -> str:
        found = environment(clone, LABS=str(clone.parent))
        done = subprocess.run([sys.executable, "-c", script], cwd=clone, env=found, text=True, capture_output=True)
        return done.stdout + done.stderr

    try:
        assert labels().strip() == "[[100], [100], [40]]"
        edited = before.replace("defaults:\n", "defaults:\n  mean_score: {labels: [60]}\n", 1)
        edited = edited.replace("  demo:\n", "  demo:\n    mean_score: {labels: [70]}\n", 1)
        (clone / "params.yaml").write_text(edited)
        assert labels().strip() == "[[60], [70], [70]]"
        (clone / "params.yaml").write_text(edited.replace("{labels: [60]}", "{label: [60]}").replace("[70]", "[700]"))
        said = labels()
        assert "defaults.mean_score: unknown key 'label', did you mean 'labels'?" in said
        assert "scales.demo.mean_score.labels.0: 700 is greater than the maximum of 100" in said
    finally:
        (clone / "params.yaml").write_text(before)


BROKEN = {
    "system": ("system.py", "VALUE = 1\nimport no_such_library\n", "system.py, line 2: ModuleNotFoundError: No module"),
    "syntax": ("system.py", "VALUE = 1\ndef broken(:\n", "system.py, line 2: SyntaxError: invalid syntax"),
    "settings": (
        "settings.py",
        "SETTINGS = {'mine': 1 / 0}\n",
        "settings.py, line 1: ZeroDivisionError: division by zero",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_one_that_cannot_be_imported_is_one_sentence(clone, kind):
    name, text, said = BROKEN[kind]
    path = clone.parent / "my lab/systems/mean_score" / name
    before = path.read_text()
    try:
        path.write_text(text)
        done = rescore(clone, "plan", "--scale", "smoke")
        assert done.returncode == 1
        assert "outside.systems: $LABS/my lab/systems: " in done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        path.write_text(before)


def test_a_section_of_another_is_refused(clone):
    path = clone.parent / "my lab/systems/mean_score/settings.py"
    before = path.read_text()
    try:
        path.write_text(
            before.replace('{"mean_score": Settings}', '{"lstm": Settings, "gdlt": Settings, "no.x": Settings}')
        )
        said = rescore(clone, "plan", "--scale", "smoke").stderr
        for section in (
            "settings.py: section lstm is another's",
            "settings.py: section gdlt is another's",
            "section no.x: params.yaml has no section no",
        ):
            assert section in said
    finally:
        path.write_text(before)


DECLARED = {
    "mean_score/rhythmic_gymnastics": (
        "gdlt/rhythmic_gymnastics",
        "one name: gdlt/rhythmic_gymnastics (gdlt, mean_score)",
    ),
    "EXPERIMENTS = (": ("EXPERIMENTS = 1\nLOST = (", "mean_score/system.py: EXPERIMENTS is no tuple of Experiment"),
    "TRAININGS = {": (
        "TRAININGS = ['x']\nLOST = {",
        "mean_score/system.py: TRAININGS is no dictionary of Training by name",
    ),
}


@pytest.mark.parametrize("declared", DECLARED)
def test_declarations_that_cannot_be_are_one_sentence(clone, declared):
    new, said = DECLARED[declared]
    path = clone.parent / "my lab/systems/mean_score/system.py"
    before = path.read_text()
    try:
        path.write_text(before.replace(declared, new, 1))
        done = rescore(clone, "plan", "--scale", "smoke")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        path.write_text(before)


@pytest.mark.slow
def test_an_installed_distribution_runs_is_recorded_and_verified(tmp_path):
    clone, project, site = make_clone(tmp_path / "clone"), tmp_path / "project", tmp_path / "site"
    write(project / "pyproject.toml", block("`pyproject.toml` of one whose package `lab` holds both:", "toml"))
    fill(project / "lab")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", site, project],
        check=True,
        capture_output=True,
    )
    more = {"PYTHONPATH": f"{clone / 'src'}:{site}", "RESCORE_MIRROR": ""}
    done = snakemake(clone, TABLE, **more)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Mean score, 40 %" in (clone / TABLE).read_text()
    record = json.loads((clone / "runs/smoke/records/mean_score/rhythmic_gymnastics.json").read_text())
    assert record["code"]["outside"] == {"mean_score": "lab-systems 1.2"}
    recorded = [*(clone / "runs/smoke/records").rglob("*.json"), *(clone / "workflow/provenance").glob("*")]
    assert not [path for path in recorded if str(tmp_path) in path.read_text()]
    assert "Nothing to be done" in snakemake(clone, TABLE, "-n", **more).stdout
    module = site / "lab/systems/mean_score/training.py"
    module.write_text(f"{module.read_text()}# a comment\n")
    assert "Nothing to be done" in snakemake(clone, TABLE, "-n", **more).stdout
    module.write_text(f"{module.read_text()}VALUE = 1\n")
    said = rescore(clone, "verify", **more).stdout
    assert "would run mean_score_rhythmic_gymnastics (runs/smoke/mean_score" in said
    assert "would run gymnastics_features" not in said
