"""Steps that a run's server runs do what they do without it, and end with whoever asked for them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rescore.engine import processes, step_record, step_server

RUN = """
import os, sys, time
from pathlib import Path
from rescore.engine import step_server
step_server.start(Path(".snakemake"))
print(os.environ[step_server.VARIABLE], flush=True)
time.sleep(600)
"""


@pytest.fixture
def run(tmp_path):
    """A run with its server: the process and the environment of its jobs."""
    (tmp_path / ".snakemake").mkdir()
    process = subprocess.Popen([sys.executable, "-c", RUN], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    yield process, os.environ | {step_server.VARIABLE: process.stdout.readline().strip()}
    process.kill()
    process.wait()


def call(words, directory, environment):
    command = [sys.executable, "-m", "rescore", "step", *words]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)


def recorded(function, directory, environment, name):
    """The record of a step."""
    log = Path("logs", "demo", f"{name}.log")
    words = ["--rule", "some", "--log", str(log), function, "--path", str(Path(__file__))]
    done = call(words, directory, environment)
    assert done.returncode == 0, done.stderr
    return json.loads((directory / step_record.record_path(log)).read_text())


def test_a_step_gives_the_same_record_with_and_without_a_server(tmp_path, run):
    _, environment = run
    served = recorded("engine.storage.sha256_file", tmp_path, environment, "served")
    alone = recorded("engine.storage.sha256_file", tmp_path, dict(os.environ), "alone")
    changing = {"seconds", "versions"}
    assert {k: v for k, v in served.items() if k not in changing} == {
        k: v for k, v in alone.items() if k not in changing
    }
    assert "pandas" in served["versions"]
    assert served["versions"].keys() > alone["versions"].keys(), "no server ran the first"


def test_steps_of_rooms_without_the_framework_never_have_it_in_memory(tmp_path, run):
    _, environment = run
    code = "from rescore.engine import step_server; import sys; sys.exit(step_server.forward(sys.argv[1], sys.argv[2:]) or 0)"
    for room, loaded in (("scoring", False), ("experiments", True), ("reporting", False)):
        # The command is what is run; the room that is asked for decides by which server.
        words = ["step", "--log", f"logs/demo/{room}.log", "engine.storage.sha256_file", "--path", str(Path(__file__))]
        subprocess.run(
            [sys.executable, "-c", code, f"{room}.some", *words], cwd=tmp_path, env=environment, check=True, timeout=60
        )
        record = json.loads((tmp_path / step_record.record_path(Path("logs", "demo", f"{room}.log"))).read_text())
        assert ("torch" in record["versions"]) is loaded


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["scoring.no_such.step"], 1, "no such step"),
        (["engine.storage.sha256_file"], 2, "--path"),
        (["engine.storage.sha256_file", "--path", "nowhere"], 1, "FileNotFoundError"),
    ],
)
def test_errors_come_back_with_their_status_and_words(tmp_path, run, words, status, said):
    _, environment = run
    done = call(words, tmp_path, environment)
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr


def started_step(tmp_path, environment):
    """A step that waits for a named pipe's content: its caller, and the pipe's other end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "rescore", "step", "engine.storage.sha256_file", "--path", str(pipe)]
    caller = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    return caller, opened_for_writing(pipe, caller)


def opened_for_writing(pipe, caller, seconds=120):
    """The other end of a named pipe, once somebody reads it: waiting for that would last for good where the step has failed."""
    end = time.monotonic() + seconds
    while caller.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError):  # nobody reads yet
            return os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0)
        time.sleep(0.05)
    caller.kill()
    raise AssertionError(f"the step has not opened its file: {caller.stderr.read()}")


def forks():
    """Processes of all step servers and their steps, by process number: that of their parent."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"\0serve\0" in words:
            found[int(entry.name)] = parent
    return found


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_step_ends_with_its_caller(tmp_path, run):
    _, environment = run
    caller, pipe = started_step(tmp_path, environment)
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    with pytest.raises(BrokenPipeError):  # nobody reads any more
        until(lambda: pipe.write(b"more") == 0)


def test_a_step_that_is_killed_fails_and_says_what_may_help(tmp_path, run):
    process, environment = run
    caller, pipe = started_step(tmp_path, environment)
    server = next(number for number, parent in forks().items() if parent == process.pid)
    (step,) = (number for number, parent in forks().items() if parent == server)
    os.kill(step, signal.SIGKILL)
    _, said = caller.communicate(timeout=20)
    pipe.close()
    assert caller.returncode == step_server.ENDED
    assert "engine.storage.sha256_file" in said
    assert "memory" in said


def test_servers_end_with_their_run_and_steps_go_on_without(tmp_path, run):
    process, environment = run
    assert call(["engine.storage.sha256_file", "--path", str(Path(__file__))], tmp_path, environment).returncode == 0
    children = {number for number, parent in forks().items() if parent == process.pid}
    assert children
    process.kill()
    process.wait()
    until(lambda: not children & forks().keys())
    assert not list((tmp_path / ".snakemake").glob("steps-*")), "sockets are left"
    assert call(["engine.storage.sha256_file", "--path", str(Path(__file__))], tmp_path, environment).returncode == 0


def test_where_sockets_cannot_be_made_steps_do_without(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(step_server.VARIABLE, raising=False)
    deep = tmp_path / ("a" * 120)  # a socket's path has 107 bytes at most
    deep.mkdir()
    step_server.start(deep)
    assert step_server.VARIABLE not in os.environ
    assert "one by one" in capsys.readouterr().err


def test_a_server_that_dies_before_it_accepts_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    monkeypatch.setenv(step_server.VARIABLE, os.pathsep.join((".", processes.place(), sys.prefix, "")))
    with step_server.listening(Path("plain")) as waiting:
        # It closes with the request in its queue: the caller's connection is reset.
        threading.Timer(0.5, waiting.close).start()
        assert step_server.forward("engine.storage.sha256_file", ["step"]) == step_server.ENDED
    assert "ended from outside" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "PBS_JOBID", "_CONDOR_JOB_AD"])
def test_a_schedulers_job_is_not_handed_to_a_server_outside_of_it(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(step_server.VARIABLE, os.pathsep.join((".", processes.place(), sys.prefix, "")))
    monkeypatch.setenv(name, "17")
    with step_server.listening(Path("plain")):
        assert step_server.forward("engine.storage.sha256_file", ["step"]) is None
