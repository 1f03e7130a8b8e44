"""Every training of a scale for two optimiser steps at full size, before its videos are there: what fits, and how long all takes.

    rescore rehearse --scale paper ─► a child a training (rehearsal_measures) ─► memory, seconds a step ─► hours, remedies

Data are made up and mean nothing; sizes of networks, batches, clips and feature tables are the scale's own. No framework is
imported here: a training that runs out of memory takes its child along and no more.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from rescore.engine import arithmetic
from rescore.engine.errors import RescoreError
from rescore.engine.parameters import merge
from rescore.engine.storage import canonical_json
from rescore.experiments import upstream
from rescore.systems import registry
from rescore.systems.declaration import Rehearsed

Settings = Mapping[str, Any]
STEPS = 2
MINUTES = 20.0
POLL = 0.1
"""Seconds between two looks at a child's memory."""
KEEP = 1 << 30
"""Bytes of the machine's memory that children leave alone."""


@dataclass(frozen=True)
class Outcome:
    """What became of a rehearsal."""

    name: str
    fits: bool
    said: str = ""
    """Why it does not, or what failed."""
    memory: bool = False
    """Whether memory was the reason."""
    device: str = ""
    process_bytes: float = 0.0
    device_bytes: float = 0.0
    optimisers: Sequence[tuple[str, float]] = ()
    """Class and seconds a step of each optimiser."""
    processor_seconds: float = math.nan
    """Of the slowest optimiser's step, of all threads together. Far below the clock's: the processor was busy elsewhere."""
    with_settings: str = ""
    """What of params.yaml had to be set for it."""


def families(settings: Settings) -> list[Rehearsed]:
    """Every training of a scale of videos: those before all systems, then each system's."""
    every = [*upstream.rehearsed(settings), *(one for _, one in registry.rehearsed(settings))]
    return [one for one in every if sum(one.steps(settings).values())]


def chosen(settings: Settings, only: Sequence[str]) -> list[Rehearsed]:
    """Those of some names; `extensions` stands for all of them.

    Raises:
        RescoreError: no training of the scale has such a name.
    """
    every = families(settings)
    unknown = [name for name in only if not any(matches(one.name, name) for one in every)]
    if unknown:
        raise RescoreError(f"no training {', '.join(unknown)} at this scale: {' | '.join(one.name for one in every)}")
    return [one for one in every if not only or any(matches(one.name, name) for name in only)]


def matches(name: str, wanted: str) -> bool:
    return wanted in (name, name.partition("/")[0])


def available_bytes() -> float:
    """Memory that the machine could give now, less what is left alone; infinite where Linux does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return math.inf
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return max(found[0] - KEEP, KEEP) if found else math.inf


def held_bytes(process: int) -> int:
    """Memory that is a process's own: pages of mapped files, which the kernel takes back as it likes, do not count."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def command(name: str, folder: Path, settings: Settings, steps: int, counts: str) -> list[str]:
    """A child, in the arithmetic and with the threads that the scale's rules have."""
    planned = arithmetic.planned(settings["arithmetic"], settings["threads"])
    options = {
        "name": name,
        "folder": folder / "data",
        "found": folder / "found.json",
        "steps": steps,
        "counts": counts,
    }
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    step = "experiments.rehearsal_measures.measure"
    given = ["--settings", canonical_json(settings)]
    return [sys.executable, "-m", "rescore", "step", "--code", f"rehearsal-{planned}", step, *words, *given]


def rehearse_one(
    name: str,
    settings: Settings,
    folder: Path,
    limit: float,
    minutes: float,
    steps: int = STEPS,
    counts: str = "official",
) -> Outcome:
    """One training in a process of its own.

    Args:
        folder: empty.
        limit: bytes of memory that the process may hold.
        minutes: after which it is ended.
    """
    (folder / "data").mkdir(parents=True)
    one_gpu = merge(settings, {"multitask": {"gpus": min(1, settings["multitask"]["gpus"])}})
    with open(folder / "log", "w+", encoding="utf-8") as log:
        child = subprocess.Popen(command(name, folder, one_gpu, steps, counts), stdout=log, stderr=log)
        try:
            peak, ended = watch(child, limit, minutes)
        finally:
            child.kill()
            child.wait()
        log.seek(0)
        last = ([line for line in log.read().splitlines() if line.strip()] or [""])[-1]
    if ended:
        return Outcome(name, False, ended, ended.startswith("memory"), process_bytes=peak)
    if child.returncode:
        # 9: the kernel's or the scheduler's answer to a process that wants too much.
        said = "killed, as a machine without memory does" if child.returncode == -9 else last.removeprefix("rescore: ")
        return Outcome(name, False, said, child.returncode == -9, process_bytes=peak)
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    if "memory" in found:
        return Outcome(name, False, found["memory"], True, process_bytes=peak)
    optimisers = [(kind, seconds) for kind, seconds, _ in found["optimisers"]]
    processor = max((seconds for *_, seconds in found["optimisers"]), default=math.nan)
    return Outcome(name, True, "", False, found["device"], peak, found["device_bytes"], optimisers, processor)


def watch(child: subprocess.Popen[Any], limit: float, minutes: float) -> tuple[float, str]:
    """Wait for a child: the most memory that it was seen to hold, and why it was not waited for to the end, if it was not."""
    peak, end = 0.0, time.monotonic() + 60 * minutes
    while child.poll() is None:
        peak = max(peak, held_bytes(child.pid))
        if peak > limit:
            return peak, f"memory: more than the {limit / 1e9:.1f} GB that it may hold"
        if time.monotonic() > end:
            return peak, f"not done after {minutes:g} minutes"
        time.sleep(POLL)
    return peak, ""


def rehearse(
    settings: Settings,
    only: Sequence[str] = (),
    memory: float | None = None,
    minutes: float = MINUTES,
    tell: Callable[[str], None] = print,
    counts: str = "official",
) -> list[Outcome]:
    """Rehearse a scale's trainings one after another; one that runs out of memory is tried again with less.

    Args:
        settings: whole, resolved.
        only: names of trainings; all without.
        memory: bytes that each may hold; None: what the machine has left when it starts.
        minutes: that each may take.
        tell: is told what begins and how it ended, so that an interrupted rehearsal is not lost.
        counts: official | tiny, how large the data sets are.

    Raises:
        RescoreError: an unknown name.
    """
    outcomes = []
    for one in chosen(settings, only):
        tell(f"{one.name} ...")
        change = one.smaller(settings)
        for override in ({}, change):
            with tempfile.TemporaryDirectory(prefix="rescore-rehearse-") as folder:
                given = merge(settings, override)
                limit = memory or available_bytes()
                found = rehearse_one(one.name, given, Path(folder), limit, minutes, counts=counts)
            if override:
                found = Outcome(**{**vars(found), "with_settings": dotted(override)})
            if not found.memory:
                break
        outcomes.append(found)
        tell(f"  {brief(found)}")
    return outcomes


def dotted(override: Mapping[str, Any], prefix: str = "") -> str:
    """`multitask.accumulate: 3, multitask.evaluation_batch: 1`."""
    parts = [
        dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else f"{prefix}{key}: {value}"
        for key, value in override.items()
    ]
    return ", ".join(parts)


def hours(one: Rehearsed, outcome: Outcome, settings: Settings) -> float:
    """What all trainings of a kind take, at the speed that was measured."""
    planned = one.steps(settings)
    if one.stacked:
        return sum(seconds * planned[""] for _, seconds in outcome.optimisers) / 3600
    by_class: dict[str, list[float]] = {}
    for kind, seconds in outcome.optimisers:
        by_class.setdefault(kind if kind in planned else "", []).append(seconds)
    return sum(planned[kind] * sum(every) / len(every) for kind, every in by_class.items()) / 3600


def describe(scale: str, outcomes: Sequence[Outcome], settings: Settings) -> str:
    """What was measured, the whole's hours, and what to do about what does not fit."""
    known = {one.name: one for one in families(settings)}
    table, total = [], 0.0
    for outcome in outcomes:
        mine = hours(known[outcome.name], outcome, settings) if outcome.fits else math.nan
        total += mine if outcome.fits else 0
        step = max((seconds for _, seconds in outcome.optimisers), default=math.nan)
        table.append(
            [
                outcome.name,
                verdict(outcome),
                f"{outcome.process_bytes / 1e9:.1f}",
                f"{outcome.device_bytes / 1e9:.1f}" if outcome.device_bytes else "",
                f"{step:.3g}" if outcome.fits else "",
                f"{outcome.processor_seconds:.3g}" if outcome.fits else "",
                f"{mine:.3g}" if outcome.fits else "",
            ]
        )
    headers = ["training", "", "process, GB", "GPU, GB", "seconds a step", "of a processor", "hours in all"]
    devices = sorted({outcome.device for outcome in outcomes if outcome.device})
    remarks = [remark(known[outcome.name], outcome, settings) for outcome in outcomes]
    lines = "\n".join(f"  - {line}" for line in remarks if line)
    return (
        f"scale {scale} on {', '.join(devices) or 'no device'}, {STEPS} optimiser steps of each training on made-up data\n\n"
        f"{tabulate(table, headers=headers, tablefmt='simple', disable_numparse=True)}\n\n"
        f"Together {total:.3g} hours of trainings that fit, one after another; videos, clips, features and tables come on top "
        f"(rescore plan --scale {scale})." + (f"\n{lines}" if lines else "")
    )


def brief(outcome: Outcome) -> str:
    """An outcome in a few words."""
    if not outcome.fits:
        return f"{verdict(outcome)}: {outcome.said}"
    step = max((seconds for _, seconds in outcome.optimisers), default=math.nan)
    held = f"{outcome.process_bytes / 1e9:.1f} GB" + (
        f", GPU {outcome.device_bytes / 1e9:.1f} GB" if outcome.device_bytes else ""
    )
    return f"{verdict(outcome)}: {held}, {step:.3g} s a step, {outcome.processor_seconds:.3g} s of a processor"


def verdict(outcome: Outcome) -> str:
    if outcome.fits:
        return "fits with less" if outcome.with_settings else "fits"
    return "does not fit" if outcome.memory else "failed"


def remark(one: Rehearsed, outcome: Outcome, settings: Settings) -> str:
    """What to do about a training, a sentence; empty where nothing is to be done."""
    if outcome.fits and not outcome.with_settings:
        return ""
    what = "" if one.same else ", which is another training than the paper's (say so where its numbers stand)"
    if outcome.fits:
        return f"{one.name}: set {outcome.with_settings} in params.yaml{what}."
    if not outcome.memory:
        return f"{one.name}: {outcome.said}"
    precision = ", multitask.precision: bfloat16" if settings["multitask"]["precision"] != "bfloat16" else ""
    more = f" Then try multitask.gpus with several GPUs{precision}." if one.spread else ""
    return f"{one.name}: {outcome.said}; also with {outcome.with_settings}. It needs more memory.{more}"
