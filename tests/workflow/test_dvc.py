"""`dvc repro` is the same run: one stage whose command is the workflow and whose outputs are the workflow's."""

import subprocess
import sys

import pytest

from tests.workflow.conftest import environment

pytestmark = pytest.mark.slow


def dvc(clone, *arguments):
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(
        command, cwd=clone, env=environment(clone), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_dvc_repro_runs_the_workflow_and_versions_what_it_made(edited):
    text = (edited / "params.yaml").read_text()
    (edited / "params.yaml").write_text(text.replace("\nscale: demo\n", "\nscale: smoke\n"))
    subprocess.run(["git", "init", "--quiet"], cwd=edited, check=True)
    done = dvc(edited, "repro")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Nothing to be done" in done.stdout  # the finished run is not redone
    assert (edited / "results/smoke/tables/aqa7_table2.csv").exists()
    assert "Data and pipelines are up to date" in dvc(edited, "status").stdout

    (edited / "runs/smoke/all_action/predictions.parquet").write_bytes(b"not a table")
    assert "modified" in dvc(edited, "status").stdout
