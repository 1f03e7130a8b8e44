"""`dvc repro` is the same run: one stage whose command is the workflow and whose outputs are the workflow's."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from rescore.engine import lock
from tests.workflow.conftest import ROOT, environment, make_clone, snakemake

pytestmark = pytest.mark.slow


def call(clone, *command):
    names = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        [sys.executable, "-m", *command] if command[0] != "git" else command,
        cwd=clone,
        env=environment(clone, **names),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def dvc(clone, *arguments):
    return call(clone, "dvc", *arguments)


def stage():
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["reproduce"]


def test_dvc_yaml_is_what_the_workflow_says(tmp_path):
    clone = make_clone(tmp_path)
    done = call(clone, "rescore", "dvc-yaml", "--check")
    assert done.returncode == 0, done.stdout
    (clone / "dvc.yaml").write_text((clone / "dvc.yaml").read_text().replace("runs/${scale}:", "runs/other:"))
    done = call(clone, "rescore", "dvc-yaml", "--check")
    assert done.returncode == 1
    assert "Remedy: rescore dvc-yaml" in done.stdout


def test_every_input_that_no_rule_makes_is_a_dependency_and_every_kept_output_an_output(finished):
    text = (finished / lock.lock_path("smoke")).read_text()
    records = [json.loads(line) for line in text.splitlines()]
    made = {record["path"] for record in records}
    leaves = {path for record in records for path in record["input"]} - made
    leaves = {path for path in leaves if not path.startswith("data/raw/")}  # fetched; a DVC project of its own
    assert leaves
    assert [path for path in leaves if not path.startswith(tuple(stage()["deps"]))] == []
    outs = [next(iter(out)).replace("${scale}", "smoke") for out in stage()["outs"]]
    kept = [path for path in made if lock.is_versioned(path)]
    assert [path for path in kept if not any(path == out or path.startswith(f"{out}/") for out in outs)] == []


@pytest.fixture(scope="module")
def repository(finished, tmp_path_factory):
    """The finished run as a git and DVC repository, committed."""
    clone = tmp_path_factory.mktemp("repository") / "clone"
    shutil.copytree(finished, clone, symlinks=True)
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace("\nscale: demo\n", "\nscale: smoke\n"))
    call(clone, "git", "init", "--quiet")
    done = dvc(clone, "repro")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Nothing to be done" in done.stdout  # the finished run is not redone
    call(clone, "git", "add", "--all")
    call(clone, "git", "commit", "--quiet", "--message", "results")
    return clone


def test_dvc_repro_versions_what_the_workflow_made(repository, tmp_path):
    assert "Data and pipelines are up to date" in dvc(repository, "status").stdout
    clone = tmp_path / "clone"
    shutil.copytree(repository, clone, symlinks=True)
    (clone / "runs/smoke/all_action/predictions.parquet").write_bytes(b"not a table")
    assert "modified" in dvc(clone, "status").stdout
    done = call(clone, "rescore", "verify")
    assert done.returncode == 1
    assert "runs/smoke/all_action/predictions.parquet: not the recorded file" in done.stdout
    assert "dvc status: reproduce" in done.stdout


def test_verify_is_clean_and_says_so(repository):
    done = call(repository, "rescore", "verify")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("clean: ")


def test_metrics_parameters_and_plots_are_shown(repository, tmp_path):
    shown = dvc(repository, "metrics", "show", "--json").stdout
    assert "aqa7_table2" in shown
    assert "average_correlations" in shown
    done = dvc(repository, "plots", "show", "--out", str(tmp_path / "plots"))
    assert done.returncode == 0, done.stdout
    page = (tmp_path / "plots/index.html").read_text()
    for title in (
        "Pre-training of the backbone: loss",
        "AQA-7, Figure 3",
        "Reported against reproduced",
        "C3D-AVG and MSCADC (seed 0): loss",
    ):
        assert title in page


def test_an_experiment_reruns_what_its_parameter_touches(repository, tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(repository, clone, symlinks=True)
    done = dvc(clone, "exp", "run", "--set-param", "scales.smoke.scoring.bootstrap=80")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "(Rule: scores)" in done.stdout
    assert "(Rule: all_action)" not in done.stdout
    assert "80" in dvc(clone, "exp", "show", "--csv").stdout
    assert "100" in dvc(clone, "params", "diff").stdout
    assert call(clone, "rescore", "verify").stdout.startswith("clean: ")


def test_without_dvc_verify_says_that_it_was_not_asked(edited):
    done = call(edited, "rescore", "verify")
    assert "DVC was not asked" in done.stdout


def test_what_is_edited_while_the_run_goes_on_is_not_locked(repository, tmp_path):
    """The reported numbers change while a job runs: the run ends with the reason, and DVC locks nothing."""
    clone = tmp_path / "clone"
    shutil.copytree(repository, clone, symlinks=True)
    locked = (clone / "dvc.lock").read_text()
    (clone / "runs/smoke/zero_shot/members.safetensors").unlink()
    step = clone / "src/rescore/systems/aqa7_lstm/zero_shot.py"
    first = "    numbers = seeds(settings)\n"
    assert first in step.read_text()
    edits = '    with open("params.yaml", "a", encoding="utf-8") as file:\n        file.write("\\n")\n'
    step.write_text(step.read_text().replace(first, edits + first))
    done = dvc(clone, "repro")
    assert done.returncode != 0
    assert "was edited while the run was going on" in done.stdout
    assert (clone / "dvc.lock").read_text() == locked


def test_touch_is_refused(edited):
    done = snakemake(edited, "--touch")
    assert done.returncode != 0
    assert "--touch makes old results look new" in done.stdout
