"""Logs of trainings, read by what is declared of them: text by patterns, event files by TensorBoard's own reader.

    file ─► lines or events ─► epochs of runs ─► points (run, epoch, statistic, value, line)
                                    │
                                    └─► notes: what was left out and why

Nothing of a log is executed. A log that cannot be told apart into runs and epochs is refused; one that only ends early is read
as far as it goes, and says so.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rescore.engine.errors import RescoreError
from rescore.scoring.released.declared import RHO, TRAINING_RHO, Log

CORRELATIONS = (RHO, TRAINING_RHO)


@dataclass(frozen=True)
class Point:
    run: int
    """Counted from 0, in the file's order."""
    epoch: int
    statistic: str
    value: float
    """NaN where the log says so."""
    line: int
    """Of the file, from 1; of event files the record."""


@dataclass(frozen=True)
class Reading:
    points: tuple[Point, ...]
    notes: tuple[str, ...]


@dataclass
class Run:
    """The epochs of one training, as they come."""

    path: Path
    number: int
    epochs: dict[int, dict[str, tuple[float, int]]] = field(default_factory=dict)
    """By epoch and statistic: value and line."""
    current: int | None = None
    notes: list[str] = field(default_factory=list)

    def begin(self, epoch: int, line: int) -> None:
        """Go to an epoch.

        Raises:
            RescoreError: epochs begin anew, so that there are two runs and nothing says where the second begins.
        """
        if epoch == self.current:
            return
        first, last = min(self.epochs, default=epoch), max(self.epochs, default=epoch - 1)
        if epoch in self.epochs and epoch == first:
            raise RescoreError(
                f"{self.path}, line {line}: epochs begin again at {epoch}, so two runs are in one file. Declare which line "
                "begins a run (`run`), or split the file."
            )
        if epoch <= last:
            repeated = sorted(known for known in self.epochs if known >= epoch)
            self.notes.append(
                f"goes back to epoch {epoch} at line {line} (a restart): of {len(repeated)} repeated epochs the later ones count"
            )
            for known in repeated:
                del self.epochs[known]
        elif epoch > last + 1 and self.epochs:
            self.notes.append(f"jumps from epoch {last} to {epoch} at line {line}")
        self.current = epoch
        self.epochs[epoch] = {}

    def take(self, statistic: str, value: float, line: int) -> None:
        """Add a value to the epoch that it belongs to."""
        if self.current is None:
            self.begin(0, line)
        found = self.epochs[self.current or 0]
        if statistic in found:
            self.notes.append(f"epoch {self.current} has {statistic} twice (line {line}): the later one counts")
        found[statistic] = (value, line)


def read_log(log: Log, fold: int, folder: Path) -> Reading:
    """The points of one file of a log.

    Args:
        log: as declared.
        fold: which of its files.
        folder: of its source.

    Raises:
        RescoreError: the file is missing or unreadable, holds no test correlation, values that are no numbers or no correlations,
            or two runs that nothing tells apart.
    """
    path = folder / log.files[fold]
    if not path.is_file():
        raise RescoreError(f"{path}: no such file. Run `rescore fetch {log.source}`.")
    runs, notes = read_events(path, log) if log.kind == "events" else (read_text(path, log), [])
    whole = [run for run in runs if run.epochs]
    points = tuple(point for run in whole for point in points_of(run, log))
    if not any(point.statistic == RHO for point in points):
        wanted = log.values[RHO].tag if log.kind == "events" else pattern_text(log)
        raise RescoreError(
            f"{path}: no test correlation (nothing matches `{wanted}`). Correct `values.{RHO}` in "
            f"papers/{log.paper}/released.yaml, or declare no cell of this log."
        )
    told = [note for run in whole for note in named(run, len(whole))]
    return Reading(points, tuple([*notes, *told]))


def pattern_text(log: Log) -> str:
    pattern = log.values[RHO].pattern
    return pattern.pattern if pattern else ""


def named(run: Run, runs: int) -> Iterator[str]:
    """Notes of a run, with its number where there are several."""
    yield from (f"run {run.number + 1}: {note}" if runs > 1 else note for note in run.notes)


def read_text(path: Path, log: Log) -> list[Run]:
    """Runs of a text log, line by line.

    Raises:
        RescoreError: as `read_log`.
    """
    runs = [Run(path, 0)]
    for number, line in enumerate(lines_of(path), start=1):
        if log.run and log.run.search(line):
            runs.append(Run(path, len(runs) if runs[-1].epochs or len(runs) > 1 else 0))
        if log.epoch and (begun := log.epoch.search(line)):
            runs[-1].begin(int(begun["epoch"]), number)
        for statistic, value in log.values.items():
            if value.pattern is None or not (found := value.pattern.search(line)):
                continue
            if "epoch" in value.pattern.groupindex:
                runs[-1].begin(int(found["epoch"]), number)
            elif log.epoch is None and statistic == RHO:  # each test correlation is an epoch of its own
                runs[-1].begin(len(runs[-1].epochs), number)
            told = number_of(found["value"], f"{path}, line {number}", log)
            runs[-1].take(statistic, checked(told * value.factor, statistic, f"{path}, line {number}"), number)
    begun_runs = [run for run in runs if run.epochs]
    for place, run in enumerate(begun_runs):
        run.number = place
    return begun_runs


def lines_of(path: Path) -> list[str]:
    """Lines of a text file of any encoding: what is no UTF-8 stands for itself, since patterns read ASCII.

    Raises:
        RescoreError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror}). Run `rescore fetch`.") from error


def number_of(text: str, where: str, log: Log) -> float:
    """A number as a log writes it, `nan` among them.

    Raises:
        RescoreError: it is none.
    """
    try:
        return float(text)
    except ValueError as error:
        raise RescoreError(
            f"{where}: '{text}' is no number. Correct the pattern in papers/{log.paper}/released.yaml, or the file."
        ) from error


def checked(value: float, statistic: str, where: str) -> float:
    """The value, where it can be what it is called.

    Raises:
        RescoreError: a correlation is beyond -1 to 1, or a distance or loss is infinite.
    """
    if statistic in CORRELATIONS and not math.isnan(value) and abs(value) > 1 + 1e-6:
        raise RescoreError(f"{where}: {value:g} is no correlation. Declare a `factor` (0.01 of percentages).")
    if math.isinf(value):
        raise RescoreError(f"{where}: {statistic} is infinite. Leave the log out, or ask its authors.")
    return value


def points_of(run: Run, log: Log) -> Iterator[Point]:
    """A run's points, without a last epoch that was not finished, which a note says."""
    wanted = [name for name in log.values if any(name in found for found in run.epochs.values())]
    last = max(run.epochs)
    lacking = [name for name in wanted if name not in run.epochs[last]]
    if lacking and len(run.epochs) > 1:
        run.notes.append(f"ends in epoch {last}, before its {' and '.join(lacking)}: that epoch is left out")
        del run.epochs[last]
    for epoch, found in sorted(run.epochs.items()):
        for statistic, (value, line) in found.items():
            yield Point(run.number, epoch, statistic, value, line)


def records_in(path: Path) -> tuple[int, bool]:
    """How many records an event file holds by its own lengths, and whether it ends at the end of one.

    A record is its length (8 bytes), a checksum (4), the data and a checksum (4).
    """
    content, place, count = path.read_bytes(), 0, 0
    while place + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        if place + 16 + length > len(content):
            return count, False
        place, count = place + 16 + length, count + 1
    return count, place == len(content)


def read_events(path: Path, log: Log) -> tuple[list[Run], list[str]]:
    """The one run of an event file, and notes of its own damage.

    Raises:
        RescoreError: it is no event file, or has none of the declared tags.
    """
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        SCALARS,
        EventAccumulator,
    )
    from tensorboard.backend.event_processing.event_file_loader import (  # type: ignore[import-untyped]
        RawEventFileLoader,
    )

    count, whole = records_in(path)
    read = sum(1 for _ in RawEventFileLoader(str(path)).Load())
    if not read:
        raise RescoreError(f"{path}: not an event file of TensorBoard, or cut within its first record. Fetch it again.")
    notes = (
        [] if whole and read == count else [f"cut short or damaged: {read} records can be read, nothing behind them"]
    )
    events = EventAccumulator(str(path), size_guidance={SCALARS: 0}, purge_orphaned_data=False)
    events.Reload()
    tags = events.Tags()[SCALARS]
    if lacking := [value.tag for value in log.values.values() if value.tag not in tags]:
        raise RescoreError(
            f"{path}: no tag {', '.join(lacking)}; it has {', '.join(tags) or 'none'}. Correct papers/{log.paper}/released.yaml."
        )
    run = Run(path, 0)
    told = [
        (event.wall_time, event.step, statistic, event.value * value.factor)
        for statistic, value in log.values.items()
        for event in events.Scalars(value.tag)
    ]
    for place, (_, step, statistic, value) in enumerate(sorted(told, key=lambda event: event[0]), start=1):
        run.begin(step, place)
        run.take(statistic, checked(value, statistic, f"{path}, step {step}"), place)
    return [run], notes
