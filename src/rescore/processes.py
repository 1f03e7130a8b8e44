"""Runs that are killed: one run at a time in a directory, no stale locks, and no job that outlives its run.

`kill -9` gives the workflow engine no chance to clean up: its lock files stay, and jobs that it started go on writing.
Both are mended here, so that the next run goes on without hand work.
"""

import contextlib
import fcntl
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

RUN_VARIABLE = "RESCORE_RUN"
"""Environment variable with the process number of the run that a step belongs to."""


def prepare_environment() -> None:
    """What every job of a run inherits: `rescore` on the PATH.

    The command lies beside the Python that runs the workflow, whether or not its environment is activated. Threads that wait for
    each other sleep rather than spin: measured on two cores, a small training is then 1.48 times as fast beside a busy process,
    and 0.87 times on a quiet machine (bench/waiting_threads.py).
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


QUESTIONS = {
    "--dry-run",
    "--dryrun",
    "--lint",
    "--list",
    "--list-rules",
    "-l",
    "-D",
    "--detailed-summary",
    "--summary",
    "-S",
    "--dag",
    "--rulegraph",
    "--filegraph",
    "--unlock",
    "--report",
}


def only_asks(arguments: Sequence[str]) -> bool:
    """Whether a command line of the workflow engine asks for something (a dry run, a listing): only running needs the lock.

    `-n` may stand among other short flags, as in `-np`.
    """
    return any(word in QUESTIONS or re.fullmatch("-[Fkpq]*n[Fkpqr]*", word) for word in arguments)


START_PATIENCE = 2.0
"""Seconds that a starting run waits for a question that is just looking (`asking`)."""
_held: list[IO[str]] = []  # an open file keeps its lock; the kernel drops it however the process ends


def hold_run_lock(engine_directory: Path) -> bool:
    """Become the only run in this directory, and remove the engine's lock files if a killed run left them.

    The kernel ties an flock to the process, so whoever gets it knows that no other run is alive and that any lock file
    found is stale.

    Returns:
        False where another run is alive.
    """
    engine_directory.mkdir(parents=True, exist_ok=True)
    handle = (engine_directory / "rescore.lock").open("w")
    waited = 0.0
    while not _lock(handle, fcntl.LOCK_EX):
        if waited >= START_PATIENCE:
            handle.close()
            return False
        time.sleep(0.1)
        waited += 0.1
    shutil.rmtree(engine_directory / "locks", ignore_errors=True)
    _held.append(handle)
    os.environ[RUN_VARIABLE] = str(os.getpid())
    return True


def _lock(handle: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def asking(engine_directory: Path) -> Iterator[bool]:
    """Look at a directory while no run is at work in it; several may look at once.

    Yields:
        False where a run is alive: what it is writing is then not to be touched.
    """
    engine_directory.mkdir(parents=True, exist_ok=True)
    with (engine_directory / "rescore.lock").open("w") as handle:
        yield _lock(handle, fcntl.LOCK_SH)


def exit_with(process: int, every: float = 0.5) -> None:
    """End this process soon after another one has gone: a step with its run, a pool's worker with its step.

    Args:
        process: process number to watch.
        every: seconds between looks.
    """

    def watch() -> None:
        while is_alive(process):
            time.sleep(every)
        os._exit(137)

    threading.Thread(target=watch, daemon=True).start()


def exit_with_run() -> None:
    """`exit_with` the run that started this step, where one did."""
    if os.environ.get(RUN_VARIABLE, "").isdecimal():
        exit_with(int(os.environ[RUN_VARIABLE]))


def exit_with_parent() -> None:
    """`exit_with` the process that started this one: the initializer of every process pool."""
    exit_with(os.getppid())


def is_alive(process: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return False
        return _answers(process)
    return fields[0] != "Z"


def _answers(process: int) -> bool:
    """`is_alive` where there is no /proc (macOS)."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
