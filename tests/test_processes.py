"""A killed run leaves neither stale locks nor jobs behind it; a live one is not disturbed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rescore import processes

HOLD = """
import sys, time
from pathlib import Path
from rescore import processes
print(processes.hold_run_lock(Path(sys.argv[1])), flush=True)
time.sleep(60)
"""
STEP = (
    "import time; from rescore import processes\nprocesses.exit_with_run(); print('ready', flush=True); time.sleep(60)"
)


def start(script, *arguments, **environment):
    command = [sys.executable, "-c", script, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
    return process, process.stdout.readline().strip()


def test_a_second_run_is_refused_while_the_first_lives_and_locks_of_a_killed_one_go(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").write_text("data")
    first, answer = start(HOLD, str(tmp_path))
    assert answer == "True"
    assert not (tmp_path / "locks").exists()
    (tmp_path / "locks").mkdir()
    second, answer = start(HOLD, str(tmp_path))
    assert answer == "False"
    assert (tmp_path / "locks").exists()
    first.send_signal(signal.SIGKILL)
    first.wait()
    third, answer = start(HOLD, str(tmp_path))
    assert answer == "True"
    assert not (tmp_path / "locks").exists()
    for process in (second, third):
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "words", ["-n", "--cores all -np", "-pn", "--dry-run", "--lint", "all --rulegraph", "--unlock"]
)
def test_asking_needs_no_lock(words):
    assert processes.only_asks(words.split())


@pytest.mark.parametrize("words", ["--cores all", "-c2", "--cores 2 -p --config scale=open", "-k --notemp", ""])
def test_running_does(words):
    assert not processes.only_asks(words.split())


def test_a_step_ends_with_its_run(tmp_path):
    run, _ = start(HOLD, str(tmp_path))
    step, answer = start(STEP, RESCORE_RUN=str(run.pid))
    assert answer == "ready"
    time.sleep(1.2)
    assert step.poll() is None
    run.kill()
    run.wait()
    assert step.wait(timeout=20) == 137


def test_a_step_of_no_run_goes_on():
    step, answer = start(STEP, RESCORE_RUN="")
    assert answer == "ready"
    time.sleep(1.2)
    assert step.poll() is None
    step.kill()
    step.wait()
