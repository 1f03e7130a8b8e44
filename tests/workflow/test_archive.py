"""A clone without account or remote: an archive in place of `dvc pull`, and the proof is clean."""

import shutil
import subprocess
import sys

import pytest

from rescore.engine import lock
from tests.workflow.conftest import environment, make_clone, snakemake

pytestmark = pytest.mark.slow


def rescore(clone, *words):
    return subprocess.run(
        [sys.executable, "-m", "rescore", *words],
        cwd=clone,
        env=environment(clone),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_after_an_import_nothing_is_left_to_run_and_the_proof_is_clean(finished, tmp_path):
    clone = make_clone(tmp_path / "clone")
    done = rescore(finished, "export", "--scale", "smoke", "--output", f"{clone}/smoke.tar")
    assert done.returncode == 0, done.stdout
    done = rescore(clone, "import", "smoke.tar")
    assert done.returncode == 0, done.stdout
    assert not list((clone / "data/smoke").glob("videos/*")), "videos are made again"
    done = rescore(clone, "verify")
    assert done.stdout.startswith("clean: "), done.stdout
    said = snakemake(clone, "-n", "--quiet", "progress")
    jobs = [line for line in said.stdout.splitlines() if line.startswith(("rule ", "localrule "))]
    assert said.returncode == 0, said.stdout
    assert [job for job in jobs if "overview" not in job and "all" not in job] == []
    # One lost checkpoint is seen, and comes back from the archive alone.
    lost = next(name for name in sorted(lock_of(clone)) if name.endswith("members.safetensors"))
    (clone / lost).unlink()
    assert f"{lost}: missing" in rescore(clone, "verify").stdout
    assert "1 files written" in rescore(clone, "import", "smoke.tar").stdout
    assert rescore(clone, "verify").returncode == 0
    shutil.rmtree(clone)


def lock_of(clone):
    text = (clone / lock.lock_path("smoke")).read_text()
    return [line.split('"path":"')[1].split('"')[0] for line in text.splitlines()]
