"""Runs that are killed: one run at a time in a directory, no stale locks, and no job that outlives its run.

`kill -9` gives the workflow engine no chance to clean up: its lock files stay, and jobs that it started go on writing.
Both are mended here, so that the next run goes on without hand work.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import platform
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rescore.engine.errors import RescoreError

RUN_VARIABLE = "RESCORE_RUN"
"""Environment variable that names the run that a step belongs to: its process number, and where that number holds (`place`)."""


def prepare_environment() -> None:
    """What every job of a run inherits: `rescore` on the PATH.

    The command lies beside the Python that runs the workflow, whether or not its environment is activated. Threads that wait for
    each other sleep rather than spin: measured on two cores, a small training is then 1.48 times as fast beside a busy process,
    and 0.87 times on a quiet machine (bench/waiting_threads.py).
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


QUESTIONS = (
    "--dry-run --dryrun --lint --list --list-rules -l --list-target-rules --lt --list-changes --lc --list-input-changes --li "
    "--list-params-changes --lp --list-untracked --lu --list-conda-envs -D --detailed-summary --summary -S --dag --d3dag "
    "--rulegraph --filegraph --unlock --report --archive --export-cwl --containerize --print-compilation"
)


def only_asks(arguments: Sequence[str]) -> bool:
    """Whether a command line of the workflow engine asks for something (a dry run, a listing): only running needs the lock.

    `-n` may stand among other short flags, as in `-np`.
    """
    words = [word.partition("=")[0] for word in arguments]
    return any(word in QUESTIONS.split() or re.fullmatch("-[Fkpq]*n[Fkpqr]*", word) for word in words)


START_PATIENCE = 2.0
"""Seconds that a starting run waits for a question that is just looking (`asking`)."""
LOCK = "rescore.lock"
NO_LOCKS = "{}: this file system locks no files ({}), so two runs at once cannot be noticed. Start one only."
_held: list[int] = []  # an open file keeps its lock; the kernel drops it however the process ends


def hold_run_lock(engine_directory: Path) -> bool:
    """Become the only run in this directory, and remove the engine's lock files if a killed run left them.

    The kernel ties an flock to the process, so whoever gets it knows that no other run is alive and that any lock file
    found is stale.

    Returns:
        False where another run is alive.

    Raises:
        RescoreError: this user may not write here.
    """
    try:
        handle = _open_lock(engine_directory)
    except OSError as error:
        raise RescoreError(
            f"{engine_directory}: cannot be written ({error.strerror}), so nothing can be made here. "
            "Run in a clone of your own, or let the owner give you the right to write."
        ) from error
    waited = 0.0
    while not (alone := _lock(handle, fcntl.LOCK_EX, engine_directory)):
        if waited >= START_PATIENCE:
            os.close(handle)
            return False
        time.sleep(0.1)
        waited += 0.1
    if alone.certain:
        shutil.rmtree(engine_directory / "locks", ignore_errors=True)
    _held.append(handle)
    os.environ[RUN_VARIABLE] = f"{os.getpid()}@{place()}"
    with contextlib.suppress(OSError):  # a file of another user's that may only be read locks as well
        os.truncate(handle, 0)
        os.pwrite(handle, os.environ[RUN_VARIABLE].encode(), 0)
    return True


def _open_lock(engine_directory: Path) -> int:
    """The lock file, open for reading and writing (NFS asks for both), or for reading where no more is allowed."""
    path = engine_directory / LOCK
    try:
        engine_directory.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY)
        raise error


@dataclass(frozen=True)
class _Alone:
    """Whether no other run is alive, as far as can be seen; `certain` where stale files of a killed run may go."""

    alone: bool
    certain: bool = True

    def __bool__(self) -> bool:
        return self.alone


def _lock(handle: int, kind: int, engine_directory: Path) -> _Alone:
    """Take an flock if it is to be had.

    Where the file system has none (NFS, Lustre, some containers say so by various errors), that is said, and the lock file
    still names the last run: of one of this machine it is known whether it lives. Another machine's may be at work: then the
    engine's own lock files stay, which have to be removed by hand (`snakemake --unlock`) after a kill.
    """
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return _Alone(False)
    except OSError as error:
        print(NO_LOCKS.format(engine_directory, error.strerror), file=sys.stderr)
        last = os.pread(handle, 4096, 0).decode(errors="replace")
        number = _number_here(last)
        return _Alone(number in (None, os.getpid()) or not is_alive(number), certain=not last or number is not None)
    return _Alone(True)


@contextlib.contextmanager
def asking(engine_directory: Path) -> Iterator[bool]:
    """Look at a directory while no run is at work in it; several may look at once.

    Yields:
        False where a run is alive: what it is writing is then not to be touched.
    """
    try:
        handle = _open_lock(engine_directory)
    except OSError:
        yield True  # a read-only checkout in which nothing ever ran
        return
    try:
        yield bool(_lock(handle, fcntl.LOCK_SH, engine_directory))
    finally:
        os.close(handle)


@functools.cache
def place() -> str:
    """Where this process's number means this process: the machine since its last start, and its namespace of process numbers.

    On another machine of a cluster, or in a container, the same number is another process or none.
    """
    boot, numbers = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{boot.read_text(encoding='utf-8').strip()}/{numbers.stat().st_ino}"
    except OSError:
        return platform.node()  # macOS, and containers that hide these files


def place_hash() -> str:
    """`place` in 8 hexadecimal digits, for names of files."""
    return hashlib.sha256(place().encode()).hexdigest()[:8]


def _number_here(run: str) -> int | None:
    """Process number of a run (`RUN_VARIABLE`), if it is one of this place."""
    number, _, where = run.partition("@")
    return int(number) if number.isdecimal() and where == place() else None


def exit_with(process: int, every: float = 0.5, why: str = "") -> None:
    """End this process soon after another one has gone: a step with its run, a pool's worker with its step.

    Args:
        process: process number to watch.
        every: seconds between looks.
        why: what to say on standard error at the end.
    """

    def watch() -> None:
        while is_alive(process):
            time.sleep(every)
        with contextlib.suppress(OSError):
            os.write(2, why.encode())
        os._exit(137)

    threading.Thread(target=watch, daemon=True).start()


def exit_with_run() -> None:
    """`exit_with` the run that started this step, where one did on this machine.

    A cluster's jobs on other machines end by themselves or by the scheduler: from there nobody can see the run.
    """
    run = _number_here(os.environ.get(RUN_VARIABLE, ""))
    if run is not None:
        exit_with(run, why=f"rescore: the run that started this step (process {run}) has gone, so the step ends too\n")


def exit_with_parent() -> None:
    """`exit_with` the process that started this one: the initializer of every process pool."""
    exit_with(os.getppid())


def is_alive(process: int) -> bool:
    """Whether a process of this place exists and is not a zombie."""
    return _answers(process) and _state(process) != "Z"


def _state(process: int) -> str:
    """The letter that Linux gives a process's state; empty where it is not to be seen (macOS, another namespace's /proc)."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return ""
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
