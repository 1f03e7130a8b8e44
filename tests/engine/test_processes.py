"""A killed run leaves neither stale locks nor jobs behind it; a live one is not disturbed."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from rescore.engine import processes
from rescore.engine.errors import RescoreError

HOLD = """
import sys, time
from pathlib import Path
from rescore.engine import processes
print(processes.hold_run_lock(Path(sys.argv[1])), flush=True)
time.sleep(60)
"""
STEP = "import time; from rescore.engine import processes\nprocesses.exit_with_run(); print('ready', flush=True); time.sleep(60)"


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
    "words",
    [
        "-n",
        "--cores all -np",
        "-pn",
        "--dry-run",
        "--lint",
        "all --rulegraph",
        "--unlock",
        "--dag=dot",
        "--report=x.html",
        "--lt",
    ],
)
def test_asking_needs_no_lock(words):
    assert processes.only_asks(words.split())


@pytest.mark.parametrize(
    "words", ["--cores all", "-c2", "--cores 2 -p --config scale=open", "-k --notemp", "--report-after-run", ""]
)
def test_running_does(words):
    assert not processes.only_asks(words.split())


def test_a_step_ends_with_its_run(tmp_path):
    run, _ = start(HOLD, str(tmp_path))
    step, answer = start(STEP, RESCORE_RUN=f"{run.pid}@{processes.place()}")
    assert answer == "ready"
    time.sleep(1.2)
    assert step.poll() is None
    run.kill()
    run.wait()
    assert step.wait(timeout=20) == 137


@pytest.mark.parametrize(
    "run",
    ["", "999999999@another-boot/4026531836", f"999999999@{processes.place().partition('/')[0]}/1", "999999999", "x@y"],
    ids=["no run", "another machine", "another namespace", "no place", "nonsense"],
)
def test_a_step_whose_run_cannot_be_seen_from_here_goes_on(run):
    step, answer = start(STEP, RESCORE_RUN=run)
    assert answer == "ready"
    time.sleep(1.2)
    assert step.poll() is None
    step.kill()
    step.wait()


def test_a_process_namespace_of_its_own_is_another_place():
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("no namespaces of process numbers here")
    step = [sys.executable, "-c", STEP.replace("time.sleep(60)", "time.sleep(2); print('done')")]
    variables = os.environ | {"RESCORE_RUN": f"{os.getpid()}@{processes.place()}"}
    done = subprocess.run([*command, *step], capture_output=True, text=True, env=variables, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["ready", "done"]), done.stderr
    told = subprocess.run(
        [*command, sys.executable, "-c", "from rescore.engine import processes; print(processes.place())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() != processes.place()


def test_a_step_says_why_it_ends(tmp_path):
    run, _ = start(HOLD, str(tmp_path))
    command = [sys.executable, "-c", STEP]
    variables = os.environ | {"RESCORE_RUN": f"{run.pid}@{processes.place()}"}
    step = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=variables)
    run.kill()
    run.wait()
    assert f"the run that started this step (process {run.pid}) has gone" in step.communicate(timeout=20)[1]


@pytest.fixture(params=["ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL", "EBADF", "EIO"])
def no_locks(request, monkeypatch):
    def refuse(handle, kind):
        raise OSError(getattr(errno, request.param), "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(processes, "_held", [])
    monkeypatch.setenv(processes.RUN_VARIABLE, "")


@pytest.mark.usefixtures("no_locks")
def test_without_file_locks_runs_and_questions_go_on_and_say_so(tmp_path, capsys):
    with processes.asking(tmp_path) as alone:
        assert alone
    assert processes.hold_run_lock(tmp_path)
    assert "two runs at once cannot be noticed" in capsys.readouterr().err
    with processes.asking(tmp_path) as alone:
        assert alone, "the run is this process"
    assert "two runs at once cannot be noticed" in capsys.readouterr().err


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(
    ("owner", "runs", "locks_stay"), [("alive", False, True), ("dead", True, False), ("elsewhere", True, True)]
)
def test_without_file_locks_the_last_run_of_this_machine_is_known(tmp_path, owner, runs, locks_stay):
    number = os.getppid() if owner == "alive" else 999_999_999
    place = "another-boot/1" if owner == "elsewhere" else processes.place()
    (tmp_path / processes.LOCK).write_text(f"{number}@{place}")
    (tmp_path / "locks").mkdir()
    with processes.asking(tmp_path) as alone:
        assert alone == runs
    assert processes.hold_run_lock(tmp_path) == runs
    assert (tmp_path / "locks").exists() == locks_stay


def test_a_run_where_nothing_may_be_written_is_one_sentence(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(RescoreError, match=r"cannot be written \(Read-only file system\), so nothing can be made here"):
        processes.hold_run_lock(tmp_path)
    with processes.asking(tmp_path) as alone:
        assert alone


def test_who_is_alive():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    deadline = time.monotonic() + 20
    while processes.is_alive(child.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes.is_alive(child.pid), "a zombie is not alive"
    child.wait()
    assert processes.is_alive(os.getpid())
    assert processes.is_alive(1)
    assert not processes.is_alive(999_999_999)


def test_no_search_path(monkeypatch):
    monkeypatch.delenv("PATH")
    processes.prepare_environment()
    assert os.environ["PATH"].startswith(os.path.dirname(sys.executable))
