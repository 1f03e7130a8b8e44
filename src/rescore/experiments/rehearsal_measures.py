"""One training at full size for some optimiser steps, measured: what `rehearse` starts as a process of its own.

rescore step experiments.rehearsal_measures.measure --name c3d_avg --folder ... --found ... --settings JSON --steps 2
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_json
from rescore.experiments import upstream
from rescore.systems import registry
from rescore.systems.common import rehearsal
from rescore.systems.common.rehearsal import Stage

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "Unable to allocate", "MemoryError", "bad_alloc")
"""How torch, NumPy and C++ say it."""


def family(name: str, settings: dict[str, Any]) -> Callable[[Stage], list[Path]]:
    """The training that a name of `rehearse.families` stands for."""
    known = [("rescore.experiments", one) for one in upstream.rehearsed(settings)]
    package, one = next(pair for pair in (*known, *registry.rehearsed(settings)) if pair[1].name == name)
    return one.family.load(package)


@dataclass
class Clock:
    """When each optimiser of the process took its steps."""

    seen: WeakKeyDictionary[torch.optim.Optimizer, list[tuple[float, float]]] = field(default_factory=WeakKeyDictionary)
    stops: list[tuple[str, list[tuple[float, float]]]] = field(default_factory=list)
    """Class of each optimiser, in the order of their first steps, and when a step of it had ended: by the clock, and in
    seconds of the processor."""

    def stop(self, optimiser: torch.optim.Optimizer, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if optimiser not in self.seen:
            self.seen[optimiser] = []
            self.stops.append((type(optimiser).__name__, self.seen[optimiser]))
        self.seen[optimiser].append((time.perf_counter(), time.process_time()))

    @contextmanager
    def running(self) -> Iterator[None]:
        hook = register_optimizer_step_post_hook(self.stop)
        try:
            yield
        finally:
            hook.remove()

    def seconds(self) -> list[tuple[str, float, float]]:
        """Class of each optimiser, and the median seconds from one of its steps to the next, by the clock and of the processor,
        all threads together; those with one step are left out.
        """
        steps = [(name, np.median(np.diff(times, axis=0), axis=0)) for name, times in self.stops if len(times) > 1]
        return [(name, float(clock), float(processor)) for name, (clock, processor) in steps]


def measure(
    name: str, folder: Path, found: Path, settings: dict[str, Any], steps: int, counts: str = "official"
) -> None:
    """Rehearse a training and write what it took.

    Args:
        name: of `rehearse.families`.
        folder: empty; made-up data and results are written there.
        found: JSON to write: `device`, `optimisers` (class, seconds a step, of these the processor's), `device_bytes`; or
            `memory`, how memory ran out.
        settings: whole, resolved.
        steps: of each optimiser.
        counts: official | tiny, how large the data sets are.

    Raises:
        RescoreError: what the training says.
    """
    clock, sizes = Clock(), rehearsal.TINY if counts == "tiny" else rehearsal.OFFICIAL
    try:
        with clock.running():
            family(name, settings)(Stage(folder, settings, steps, sizes))
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RescoreError) or not any(words in repr(error) for words in OUT_OF_MEMORY):
            raise
        write_json(found, {"memory": str(error).splitlines()[0] if str(error) else type(error).__name__})
        return
    gpu = torch.cuda.is_available()
    write_json(
        found,
        {
            "device": torch.cuda.get_device_name() if gpu else f"CPU, {torch.get_num_threads()} thread(s)",
            "optimisers": clock.seconds(),
            "device_bytes": torch.cuda.max_memory_reserved() if gpu else 0,
        },
    )
