"""On a cluster: a scheduler of two nodes that share nothing but the files, and one that is a shell script.

The whole workflow runs once; what goes wrong is tried on one step of it.
"""

import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.workflow import slurm
from tests.workflow.conftest import environment, make_clone
from tests.workflow.test_workflow import results

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

INDEX = "data/smoke/videos/pretraining.csv"
"""Videos of the pre-training set, by SHA-256: a step of some seconds, on all cores of its node."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    missing = slurm.why_not()
    if missing:
        pytest.skip(f"NO CLUSTER WAS TRIED: {missing}")
    # A short path: sockets may have 107 bytes.
    with slurm.running(tmp_path_factory.mktemp("c")) as started:
        yield started


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path / "a cluster's clone")


def command(*targets):
    return [
        sys.executable, "-m", "snakemake", *targets, "--workflow-profile", "none", "--profile", "profiles/slurm",
        "--jobs", "8", "--max-threads", "2", "--default-resources", "mem_mb=1000", "runtime=30", "--latency-wait", "20",
        "--slurm-init-seconds-before-status-checks", "1", "--config", "scale=smoke",
    ]  # fmt: skip


def start(cluster, clone, *targets):
    variables = environment(clone, **cluster.environment)
    log = (clone.parent / "run.txt").open("ab")
    return subprocess.Popen(command(*targets), cwd=clone, env=variables, stdout=log, stderr=subprocess.STDOUT)


def finish(process, clone, seconds):
    try:
        process.wait(timeout=seconds)
    finally:
        process.kill()
    text = (clone.parent / "run.txt").read_text(errors="replace")
    logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in clone.rglob("slurm_logs/**/*.log"))
    return process.returncode, f"{text[-4000:]}\n{logs}"


def jobs(cluster):
    """Number, state and node of every job that the scheduler knows, the latest first."""
    rows = (line.split() for line in cluster.ask("squeue", "-h", "--states=all", "-o", "%i %T %N").splitlines())
    return sorted(((int(row[0]), row[1], row[2] if len(row) > 2 else "") for row in rows), reverse=True)


def running_step(cluster, clone, seconds=240):
    """The job that is at work on the step, once its process has begun to write."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        number, state, node = next(iter(jobs(cluster)), (0, "", ""))
        if state == "RUNNING" and any((clone / "data/smoke/videos").glob("pretraining/**/*.avi")):
            return number, node
        time.sleep(0.3)
    raise AssertionError(f"no job came to its step: {jobs(cluster)}\n{cluster.logs()}")


def videos_listed(clone):
    return (clone / INDEX).read_bytes()


@pytest.mark.timeout(3600)
def test_the_whole_workflow_on_two_nodes_ends_with_the_bytes_of_a_local_run(cluster, finished, clone):
    status, said = finish(start(cluster, clone), clone, 3000)
    assert status == 0, said
    assert results(clone) == results(finished)
    assert {node for _, state, node in jobs(cluster) if state == "COMPLETED"} == set(slurm.NODES)


def test_a_job_that_the_scheduler_kills_stops_the_run_with_its_state_and_the_next_run_goes_on(cluster, finished, clone):
    run = start(cluster, clone, INDEX)
    number, _ = running_step(cluster, clone)
    cluster.ask("scancel", str(number))
    status, said = finish(run, clone, 300)
    assert status != 0
    assert "CANCELLED" in said
    assert not (clone / INDEX).exists()
    status, said = finish(start(cluster, clone, INDEX), clone, 600)
    assert status == 0, said
    assert videos_listed(clone) == videos_listed(finished)
    assert not list((clone / "data").rglob(".*-????????-*")), "litter of the killed job is left"


def test_a_killed_run_is_started_again_while_its_job_is_still_at_work(cluster, finished, clone):
    run = start(cluster, clone, INDEX)
    running_step(cluster, clone)
    run.send_signal(signal.SIGKILL)
    run.wait()
    status, said = finish(start(cluster, clone, INDEX), clone, 600)
    assert status == 0, said
    assert videos_listed(clone) == videos_listed(finished)


def test_a_node_that_goes_away_costs_its_job_a_second_start(cluster, finished, clone):
    run = start(cluster, clone, INDEX)
    number, node = running_step(cluster, clone)
    cluster.lose_node(node)
    try:
        status, said = finish(run, clone, 900)
        assert status == 0, said
        assert videos_listed(clone) == videos_listed(finished)
        assert {job for job, _, _ in jobs(cluster) if job >= number} == {number}, "SLURM itself starts it again"
    finally:
        cluster.start_node(node)
        cluster.wait_for_nodes(120)


SUBMIT = """#!/bin/sh
# Another machine, as far as a job can see: its own process numbers, and nothing of the submitter's environment.
exec env -i PATH=/usr/bin:/bin HOME="{home}" {namespaces} sh "$1" > "{home}/job.txt" 2>&1 < /dev/null &
"""


def test_any_scheduler_with_a_command_to_submit_needs_no_change_of_code(finished, clone, tmp_path):
    if shutil.which("unshare") is None or subprocess.run([*slurm.NAMESPACES, "true"], check=False).returncode:
        pytest.skip("NO OTHER SCHEDULER WAS TRIED: no namespaces here")
    home = tmp_path / "home"
    home.mkdir()
    script = tmp_path / "submit"
    script.write_text(SUBMIT.format(home=home, namespaces=" ".join(slurm.NAMESPACES)))
    script.chmod(0o755)
    words = [
        sys.executable, "-m", "snakemake", INDEX, "--workflow-profile", "none", "--executor", "cluster-generic", "--jobs", "2",
        "--cluster-generic-submit-cmd", str(script), "--max-checksum-file-size", "1TB", "--latency-wait", "20",
        "--envvars", "PYTHONPATH", "--config", "scale=smoke",
    ]  # fmt: skip
    done = subprocess.run(words, cwd=clone, env=environment(clone), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}{(home / 'job.txt').read_text()[-3000:]}"
    assert videos_listed(clone) == videos_listed(finished)
