"""One function over many videos on all cores, where a crash or a hang of the decoder costs one video and names it.

tasks ─► workers (own processes) ─► outcome a task, in the tasks' order
             │ a worker dies
             └► the next tasks in order, of which it ran one, run again, each alone: the one that dies again is the
                culprit; then the rest goes on
"""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from tqdm import tqdm

from rescore.engine.errors import RescoreError
from rescore.engine.processes import exit_with_parent

Task = TypeVar("Task")
TIMEOUT = 600  # seconds a video may take; a decoder that hangs in C code can only be killed


@dataclass(frozen=True)
class Outcome:
    result: Any = None
    reason: str | None = None
    """Why there is no result: a RescoreError's message, or what the worker died of."""


def attempt(function: Callable[[Task], Any], task: Task, timeout: int) -> Outcome:
    """Run in a worker. SIGALRM's default action ends the process, in C code too, which the parent sees as a dead worker."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(timeout)
    try:
        return Outcome(result=function(task))
    except RescoreError as error:
        return Outcome(reason=str(error))
    finally:
        signal.alarm(0)


def run_once(
    function: Callable[[Task], Any], tasks: Sequence[Task], workers: int, timeout: int, progress: "tqdm[Any]"
) -> list[Outcome | None]:
    """An outcome a task; None where the pool broke before the task was done."""
    outcomes: list[Outcome | None] = [None] * len(tasks)
    # Fresh processes, not forked ones: the parent may hold threads (Arrow, BLAS) whose locks a fork would copy.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, initializer=exit_with_parent) as pool:
        try:
            waiting = {pool.submit(attempt, function, task, timeout): row for row, task in enumerate(tasks)}
            for future in as_completed(waiting):
                outcomes[waiting[future]] = future.result()
                progress.update()
        except BrokenProcessPool:
            pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def run_tasks(
    function: Callable[[Task], Any], tasks: Sequence[Task], workers: int, label: str, timeout: int = TIMEOUT
) -> list[Outcome]:
    """Run `function(task)` for every task in worker processes.

    Args:
        function: a module's function; its RescoreError becomes the task's reason, any other exception ends the run.
        label: shown beside the progress bar (none in a pipe).
        timeout: seconds a task may take.

    Returns:
        An outcome a task, in order.
    """
    workers = max(1, workers)
    outcomes: dict[int, Outcome] = {}
    waiting = list(range(len(tasks)))
    with tqdm(total=len(tasks), desc=label, unit="video", disable=None) as progress:
        while waiting:
            found = run_once(function, [tasks[row] for row in waiting], workers, timeout, progress)
            outcomes |= {row: outcome for row, outcome in zip(waiting, found, strict=True) if outcome is not None}
            waiting = [row for row in waiting if row not in outcomes]
            # Tasks start in order, so the culprit is one of the first; as many again may have been done but not reported.
            suspects, waiting = waiting[: 2 * workers], waiting[2 * workers :]
            for row in suspects:
                alone = run_once(function, [tasks[row]], 1, timeout, progress)[0]
                outcomes[row] = alone or Outcome(reason=f"the decoder crashed or took longer than {timeout} s")
    return [outcomes[row] for row in range(len(tasks))]
