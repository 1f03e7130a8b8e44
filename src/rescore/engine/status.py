"""What a run is doing, and how long it will take: from the engine's own log, the logs of its steps, and recorded durations.

    .snakemake/log/<newest>.log ─► planned and finished jobs by rule ─┐
    logs/<scale>/<step>.log     ─► how far each training is           ├─► `rescore status`; the line that a run prints each minute
    workflow/durations.csv      ─► seconds a job of each rule took  ──┘

Durations are those of the reference run; what this run has finished so far says how much faster or slower this machine is.
"""

import csv
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from rescore.engine import processes
from rescore.engine.errors import RescoreError
from rescore.engine.step_record import record_path

LOGS, ENGINE, DURATIONS = Path("logs"), Path(".snakemake"), Path("workflow/durations.csv")
WHOLE = "whole run"
"""Row of the durations with the seconds on the clock from a scale's first job to its last."""
SHOWN = 6
"""Rules named in the first line of a run."""
UNRECORDED = ("fetch", "all")
"""Folders of logs of what has no record: it takes seconds."""
ENOUGH = 0.05
"""Share of the work after which this run's own speed is believed."""
SAID = re.compile(r"^.+: (?:epoch|iteration|step) \d+ of \d+, .+$")
"""A line of training.telling."""


@dataclass
class Run:
    """What the engine's log says of a run."""

    log: Path
    planned: Counter[str] = field(default_factory=Counter)
    """Jobs by rule."""
    finished: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """Rules."""
    ended: bool = False

    @property
    def begun(self) -> float:
        """When, by the name that the engine gives its log."""
        stamp = self.log.name.partition(".")[0]
        return time.mktime(time.strptime(stamp, "%Y-%m-%dT%H%M%S"))


def read_run(log: Path) -> Run:
    """Read what the engine has written of a run so far."""
    run, listing = Run(log), False
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Job stats:"):
            listing, run.planned = True, Counter()
        elif listing and (found := re.fullmatch(r"(\S+)\s+(\d+)", line)):
            listing = found[1] != "total"
            run.planned.update({found[1]: int(found[2])} if listing else {})
        elif found := re.match(r"Finished jobid: \d+ \(Rule: (\w+)\)", line):
            run.finished[found[1]] += 1
        elif found := re.match(r"Error in rule (\w+)", line):
            run.failed.append(found[1])
        elif line.startswith(("Complete log", "Nothing to be done")):
            run.ended = True
    return run


def newest_run() -> Run:
    """The last run that was started here, dry runs left out: those plan and finish nothing.

    Raises:
        RescoreError: there was none.
    """
    for log in sorted((ENGINE / "log").glob("*.log"), reverse=True):
        text = log.read_text(encoding="utf-8", errors="replace")
        if "This was a dry-run" not in text and "Job stats:" in text:
            return read_run(log)
    raise RescoreError("no run was started here yet. Remedy: snakemake --cores all")


def at_work(run: Run) -> dict[Path, str]:
    """The logs of steps that run, and what each said last: those written since the run began whose record is older."""
    found = {}
    for log in sorted(LOGS.rglob("*.log")):
        written = log.stat().st_mtime
        if written < run.begun or len(log.parts) < 3 or log.parts[1] in UNRECORDED:
            continue
        record = record_path(log)
        if not record.is_file() or record.stat().st_mtime < written - 1:
            found[log] = last_said(log)
    return found


def last_said(log: Path) -> str:
    """The last line in which a training told how far it is; empty where none did."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if SAID.match(line)), "")


@dataclass(frozen=True)
class Durations:
    """What the reference run of a scale took."""

    seconds: Mapping[str, float]
    """Of a job, by rule."""
    rate: float
    """Seconds on the clock a second of work: jobs run beside each other."""


def durations(scale: str) -> Durations | None:
    """What is known of a scale's reference run; None where nothing is."""
    if not DURATIONS.is_file():
        return None
    with DURATIONS.open(encoding="utf-8", newline="") as stream:
        mine = {row["rule"]: row for row in csv.DictReader(stream) if row["scale"] == scale}
    if WHOLE not in mine:
        return None
    whole = float(mine.pop(WHOLE)["seconds"])
    work = sum(float(row["seconds"]) * int(row["jobs"]) for row in mine.values())
    return Durations({rule: float(row["seconds"]) for rule, row in mine.items()}, whole / work)


def seconds_left(run: Run, known: Durations | None, now: float) -> float | None:
    """Of the whole run, by the jobs that are left; None where no durations are known. Jobs that run count as just begun."""
    if known is None:
        return None
    planned, done = (
        sum(known.seconds.get(rule, 0.0) * count for rule, count in jobs.items())
        for jobs in (run.planned, run.finished)
    )
    rate = (now - run.begun) / done if done > ENOUGH * planned else known.rate
    return rate * max(planned - done, 0.0)


def scale_of(run: Run) -> str:
    """The scale of whose steps most logs were written; empty where none was yet."""
    written = Counter(
        log.parts[1] for log in LOGS.rglob("*.log") if len(log.parts) > 2 and log.stat().st_mtime >= run.begun
    )
    return written.most_common(1)[0][0] if written else ""


def in_a_line(run: Run, scale: str, now: float) -> str:
    """How far a run is: what a run says each minute."""
    left = seconds_left(run, durations(scale), now)
    said = [f"{run.finished.total()} of {run.planned.total()} steps after {tqdm.format_interval(now - run.begun)}"]
    said += [f"about {tqdm.format_interval(left)} left"] if left is not None else []
    return ", ".join(said)


def report(now: float | None = None) -> Iterator[str]:
    """What `rescore status` prints."""
    run, now = newest_run(), now or time.time()
    with processes.asking(ENGINE) as alone:
        lives = not alone
    scale, started = scale_of(run), time.strftime("%Y-%m-%d %H:%M", time.localtime(run.begun))
    state = "runs" if lives else "failed" if run.failed else "ended" if run.ended else "was stopped"
    yield f"scale {scale or 'not known yet'}, started {started}: {state}"
    yield in_a_line(run, scale, now) if lives else f"{run.finished.total()} of {run.planned.total()} steps"
    for rule in run.failed:
        yield f"failed: {rule}, see {run.log}"
    for log, said in at_work(run).items() if lives else ():
        yield f"  {log.relative_to(LOGS).with_suffix('')}{': ' + said if said else ''}"
    waiting = run.planned - run.finished
    if lives and waiting:
        yield "left: " + ", ".join(times(rule, count) for rule, count in waiting.most_common())


def follow(log: Path, scale: str, every: float = 60.0) -> None:
    """Say on standard error what a run will do and how long that takes, and each minute how far it is. A thread of the run's.

    Args:
        log: the engine's.
        scale: that the run was asked for.
        every: seconds.
    """
    while not (run := read_run(log)).planned:
        time.sleep(0.5)
    left = seconds_left(run, durations(scale), time.time())
    most = [times(rule, count) for rule, count in run.planned.most_common(SHOWN)]
    jobs = ", ".join([*most, *(["..."] if len(run.planned) > SHOWN else [])])
    took = f", about {tqdm.format_interval(left)}" if left is not None else ""
    print(
        f"rescore: {run.planned.total()} steps ({jobs}){took}; `rescore status` says more",
        file=sys.stderr,
        flush=True,
    )
    while not run.ended:
        time.sleep(every)
        run = read_run(log)
        print(f"rescore: {in_a_line(run, scale, time.time())}", file=sys.stderr, flush=True)


def times(rule: str, count: int) -> str:
    return f"{rule} x {count}" if count > 1 else rule
