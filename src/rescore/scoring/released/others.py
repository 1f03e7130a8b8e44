"""What others got with a system's code, beside the printed number and the authors' own log; no rerun is a verdict on a paper."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.storage import read_table
from rescore.scoring.papers import LOG_BEST, LOG_LAST, LOG_TEN, NOTHING_CHOSEN
from rescore.scoring.released.cells import EXPERIMENT, Chosen, chosen_of
from rescore.scoring.released.choice import BEST, LAST, LAST_TEN
from rescore.scoring.released.declared import OTHERS, RHO, Declared, Log, Report, read_declared
from rescore.scoring.reported import read_reported
from rescore.scoring.scores import empty_row, write_scores

PRINTED, REPORT = "Printed", "A user's report"
RULES = {BEST: LOG_BEST, LAST: LOG_LAST, LAST_TEN: LOG_TEN}


def compare_others(declared: list[Path], points: Path, scores: Path) -> None:
    """Write, system by system, the printed number, the authors' log and every rerun of others.

    Args:
        declared: papers/<name>/released.yaml of papers with reruns or reports of others; printed numbers lie beside them.
        points: of `collect.collect`.
        scores: written, CSV of the scores contract; reasons say what is known of a set-up and what its log does not say.

    Raises:
        RescoreError: a declaration has not its form.
    """
    found = read_table(points)
    rows = [row for path in declared for row in paper_rows(read_declared(path), path.parent / "tables", found)]
    write_scores(scores, EXPERIMENT, rows)


def paper_rows(paper: Declared, tables: Path, points: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of one paper: each printed number that others' runs stand beside, those runs, and others' reports."""
    printed: set[str] = set()
    for log in paper.logs.values():
        if log.whose != OTHERS:
            continue
        if log.beside and log.beside not in printed:
            printed.add(log.beside)
            yield printed_row(log, tables)
        yield from log_rows(log, points)
    for report in paper.reports.values():
        yield from report_rows(report)


def printed_row(log: Log, tables: Path) -> dict[str, Any]:
    """The printed number, as a share of 1."""
    table, row, column = (part.strip() for part in log.beside.split(" / "))
    reported = read_reported(tables / f"{table}.csv")
    mine = reported[(reported["row"] == row) & (reported["column"] == column)]
    title = f"{log.system} on {log.data}: printed"
    if mine.empty:
        return empty_row(title, PRINTED, RHO, NOTHING_CHOSEN, f"no such printed number ({log.beside})")
    return plain(title, PRINTED, as_share(float(mine.iloc[0]["value"])), log.samples[0], f"{table}: {row}, {column}")


def as_share(value: float) -> float:
    """A correlation that a paper prints in percent, as one of 1."""
    return value / 100 if abs(value) > 1 else value


def plain(row: str, column: str, value: float, samples: int | None, reason: str) -> dict[str, Any]:
    """A row without interval or trainings of ours."""
    return empty_row(row, column, RHO, NOTHING_CHOSEN, reason) | {"value": value, "n": samples, "seeds": 1}


def log_rows(log: Log, points: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A rerun by each rule, with what is known of it."""
    mine = points[points["record"] == log.key]
    about = f"known: {log.known or 'nothing'}; not said: {log.unsaid or 'nothing'}"
    for column, rule in RULES.items():
        title = f"{log.system} on {log.data}: others' log {log.name}"
        chosen = chosen_of(mine, RHO, RHO, rule) if len(mine) else "the log was left out"
        if isinstance(chosen, Chosen):
            yield plain(title, column, chosen.value, chosen.samples, f"{about}; {chosen.where}")
        else:
            yield empty_row(title, column, RHO, NOTHING_CHOSEN, str(chosen))


def report_rows(report: Report) -> Iterator[dict[str, Any]]:
    """What a user wrote in public of a run of theirs."""
    title = f"{report.system} on {report.data}"
    if report.printed is not None:
        yield plain(f"{title}: printed", PRINTED, report.printed, None, f"as the report has it ({report.read_in})")
    about = f"read in: {report.read_in}; known: {report.known}; not said: {report.unsaid}"
    yield plain(f"{title}: another user", REPORT, report.value, None, about)
