"""Every judge's marks from MTL-AQA's raw sheets (Raw_Annotations/NN.xlsx, a sheet an event).

A dive takes several rows, one a camera view; the first of them carries the dive's number, difficulty, final score and marks.
The sheets agree on the order of the columns and on little else: the headings of one column read `sr. no`, `Sr. No.` or
`Dive No.`, so columns are found by heading. A row that cannot be read is reported with its place and reason, never guessed.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from rescore.datasets.mtl_aqa.release import Key, is_number, sample_name
from rescore.engine.errors import RescoreError, raise_together
from rescore.manifests.diving_rule import PANELS, mark_problem

SHEETS = Path("Raw_Annotations")
HEADINGS = {
    "dive": ("srno", "diveno"),
    "start_frame": ("startframe", "start"),
    "end_frame": ("endframe", "end"),
    "difficulty": ("difficulty",),
    "final_score": ("finalscore", "totalscore"),
    "marks": ("scores", "individualjudgesscores", "judge1"),  # the panel: this column and those after it
}


@dataclass(frozen=True)
class SheetDive:
    """A dive as its sheet has it."""

    key: Key
    row: int
    """Row of the sheet, from 1."""
    start_frame: int
    end_frame: int
    difficulty: float
    final_score: float
    marks: tuple[float, ...]
    """The panel's marks, in the sheet's order."""


@dataclass(frozen=True)
class UnreadableRow:
    key: Key
    row: int
    reason: str


def read_sheets(directory: Path) -> tuple[list[SheetDive], list[UnreadableRow]]:
    """All dives of all sheets, in order, and the rows that carry a dive but cannot be read.

    Raises:
        RescoreError: no sheet is there, or one is no workbook, lacks a column, or numbers a dive twice; all are named.
    """
    paths = sorted((directory / SHEETS).glob("[0-9][0-9].xlsx"))
    if not paths:
        raise RescoreError(f"{directory / SHEETS}: no sheets NN.xlsx. Remedy: `rescore fetch` gets them.")
    dives: list[SheetDive] = []
    unreadable: list[UnreadableRow] = []
    problems: list[str] = []
    for path in paths:
        try:
            found, failed = read_sheet(path)
        except RescoreError as error:
            problems.append(str(error))
        else:
            dives += found
            unreadable += failed
    raise_together(f"{directory / SHEETS}: sheets that cannot be used", problems, "restore them (`rescore fetch`).")
    return dives, unreadable


def read_sheet(path: Path) -> tuple[list[SheetDive], list[UnreadableRow]]:
    """One event's dives and unreadable rows.

    Raises:
        RescoreError: not a workbook, a column is missing, or a dive is numbered twice.
    """
    rows = read_rows(path)
    columns = find_columns(path, rows[0] if rows else ())
    event = int(path.stem)
    dives, unreadable, seen = [], [], set()
    for number, row in enumerate(rows[1:], start=2):
        dive = row[columns["dive"]]
        if dive is None:  # another view of the dive above
            continue
        if not isinstance(dive, int) or dive in seen:
            raise RescoreError(f"{path}, row {number}: dive number {dive!r} is not a number or stands twice")
        seen.add(dive)
        values = {name: row[column] for name, column in columns.items() if name != "marks"}
        marks = panel(row[columns["marks"] :])
        reason = row_problem(values, marks)
        if reason:
            unreadable.append(UnreadableRow((event, dive), number, reason))
        else:
            dives.append(
                SheetDive(
                    (event, dive),
                    number,
                    int(values["start_frame"]),
                    int(values["end_frame"]),
                    float(values["difficulty"]),
                    float(values["final_score"]),
                    tuple(float(mark) for mark in marks),
                )
            )
    return dives, unreadable


def read_rows(path: Path) -> list[tuple[Any, ...]]:
    """Values of the workbook's first sheet."""
    try:
        workbook = openpyxl.load_workbook(path, data_only=True)
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such sheet") from error
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise RescoreError(f"{path}: not a readable workbook ({error})") from error
    return list(workbook.worksheets[0].iter_rows(values_only=True))


def find_columns(path: Path, header: Sequence[Any]) -> dict[str, int]:
    """Column (from 0) of each quantity, by heading; letters and digits count, case does not."""
    titles = ["".join(character for character in str(title or "").lower() if character.isalnum()) for title in header]
    columns = {
        name: next((column for column, title in enumerate(titles) if title in known), None)
        for name, known in HEADINGS.items()
    }
    missing = [name for name, column in columns.items() if column is None]
    if missing:
        raise RescoreError(f"{path}: no column for {', '.join(missing)} among {[str(title) for title in header]}")
    return {name: column for name, column in columns.items() if column is not None}


def panel(cells: Sequence[Any]) -> list[Any]:
    """The cells up to the last that is not empty."""
    filled = [column for column, cell in enumerate(cells) if cell is not None]
    return list(cells[: filled[-1] + 1]) if filled else []


def row_problem(values: dict[str, Any], marks: Sequence[Any]) -> str | None:
    """Why a row cannot be used, or None."""
    for name, value in values.items():
        if not is_number(value):
            return f"{name} {value!r} is not a number"
    for judge, mark in enumerate(marks, start=1):
        problem = mark_problem(mark)
        if problem:
            return f"judge {judge}: {problem}"
    return None if len(marks) in PANELS else f"{len(marks)} marks make no panel"


def sheet_findings(
    dives: Sequence[SheetDive], unreadable: Sequence[UnreadableRow], annotations: dict[Key, dict[str, Any]]
) -> list[str]:
    """What cannot be read, and where sheets and released annotations disagree."""
    findings = [f"sheet {at.key[0]:02d}, row {at.row} (dive {at.key[1]}): {at.reason}" for at in unreadable]
    keys = {dive.key for dive in dives} | {at.key for at in unreadable}
    findings += [
        f"{sample_name(key)}: in the sheets, not in the annotations" for key in sorted(keys - set(annotations))
    ]
    findings += [
        f"{sample_name(key)}: in the annotations, not in the sheets" for key in sorted(set(annotations) - keys)
    ]
    for dive in dives:
        for field in ("start_frame", "end_frame", "difficulty", "final_score"):
            annotated = annotations.get(dive.key, {}).get(field)
            if annotated is not None and abs(annotated - getattr(dive, field)) > 1e-9:
                sheet = getattr(dive, field)
                findings.append(f"{sample_name(dive.key)}: {field} {sheet:g} in the sheet, {annotated:g} annotated")
    return findings
