"""Clones of the checkout as it stands, in which the real workflow runs with the real rules at smoke scale."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

ROOT = Path(__file__).parents[2]


def environment(clone: Path, **more: str) -> dict[str, str]:
    """The environment of a run in a clone: this Python's tools, the clone's own sources; real data where a test asks for them."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {name: value for name, value in os.environ.items() if name not in ("RESCORE_RUN", "OMP_NUM_THREADS")}
    return {**inherited, "PATH": path, "PYTHONPATH": str(clone / "src"), "RESCORE_MIRROR": "", **more}


def snakemake(clone: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `snakemake` in a clone at smoke scale and return what it printed."""
    command = [sys.executable, "-m", "snakemake", "--cores", "all", *arguments]
    if "--config" not in arguments:
        command += ["--config", "scale=smoke"]
    return subprocess.run(
        command, cwd=clone, env=environment(clone, **more), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


REFERENCE = ("results/demo/", "results/open/", "workflow/provenance/", "dvc.lock")
"""The committed reference results and what describes them: runs of tests start without any."""


def make_clone(folder: Path) -> Path:
    """What a `git clone` of the present working tree would hold, but for the reference results."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True, capture_output=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(REFERENCE):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A clone in which the whole workflow has run once from scratch: one for all test processes, for reading only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    said = folder / "said.txt"
    with filelock.FileLock(f"{folder}.lock"):
        if not said.exists():
            done = snakemake(make_clone(folder / "clone"))
            said.write_text(f"{done.returncode}\n{done.stdout}")
    status, _, text = said.read_text().partition("\n")
    assert status == "0", text[-6000:]
    return folder / "clone"


@pytest.fixture
def edited(finished, tmp_path) -> Path:
    """A copy of the finished clone that a test may change: modification times are kept."""
    clone = tmp_path / "edited"
    shutil.copytree(finished, clone, symlinks=True)
    return clone
