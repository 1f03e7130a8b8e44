"""Judges' sheets: the real fifteen, and workbooks with other headings, unreadable rows and no contents."""

import os
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from rescore.datasets.mtl_aqa.sheets import SHEETS, read_sheets, sheet_findings
from rescore.engine.errors import RescoreError

MIRROR = os.environ.get("RESCORE_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
HEADER = ["sr. no", "view", "start frame", "end frame", "position", "difficulty", "type", "final score", "scores"]


def write_sheet(directory: Path, name: str, rows: list[list[Any]], header: list[Any] = HEADER) -> Path:
    workbook = openpyxl.Workbook()
    for row in [header, *rows]:
        workbook.active.append(row)
    path = directory / SHEETS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    workbook.save(path)
    return path


def dive(number: Any, marks: list[Any], score: Any = 66.0, difficulty: Any = 3.0) -> list[Any]:
    return [number, "s", 100, 190, "t", difficulty, "f 3.5 ss", score, *marks]


@needs_mirror
def test_the_real_sheets_are_read_but_for_two_rows() -> None:
    dives, unreadable = read_sheets(Path(str(MIRROR)) / "mtl_aqa")
    assert len(dives) == 1414
    assert {len(read.marks) for read in dives} == {7}
    assert [(at.key, at.row) for at in unreadable] == [((4, 49), 191), ((4, 100), 388)]
    assert "mark 45 is outside" in unreadable[0].reason
    assert "'7..5'" in unreadable[1].reason


def test_views_are_skipped_and_headings_differ(tmp_path: Path) -> None:
    view = [None, "ss", 200, 290]
    write_sheet(tmp_path, "01.xlsx", [dive(1, [7] * 7), view, dive(2, [7, 7, 7.5, 8, 8])])
    header = [
        "Dive No.",
        "Angle",
        "Start ",
        "End",
        "Position",
        "Difficulty ",
        "Dive Type",
        "Total Score",
        "Judge 1",
        "Judge 2",
    ]
    write_sheet(tmp_path, "17.xlsx", [dive(1, [8.5] * 9)], header)
    dives, unreadable = read_sheets(tmp_path)
    assert [(read.key, len(read.marks)) for read in dives] == [((1, 1), 7), ((1, 2), 5), ((17, 1), 9)]
    assert (dives[0].start_frame, dives[0].end_frame, dives[0].row) == (100, 190, 2)
    assert unreadable == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (dive(1, [7, 7, 7, "x", 7, 7, 7]), "judge 4"),
        (dive(1, [7, 7, None, 7, 7, 7, 7]), "judge 3"),
        (dive(1, [7] * 6), "6 marks"),
        (dive(1, []), "0 marks"),
        (dive(1, [7] * 7, score="n/a"), "final_score 'n/a'"),
        (dive(1, [7] * 7, difficulty=None), "difficulty None"),
    ],
)
def test_unreadable_rows_are_reported_not_guessed(tmp_path: Path, row: list[Any], reason: str) -> None:
    write_sheet(tmp_path, "01.xlsx", [row, dive(2, [7] * 7)])
    dives, unreadable = read_sheets(tmp_path)
    assert [read.key for read in dives] == [(1, 2)]
    assert (unreadable[0].key, unreadable[0].row) == ((1, 1), 2)
    assert reason in unreadable[0].reason


def test_bad_workbooks_are_reported_together(tmp_path: Path) -> None:
    write_sheet(tmp_path, "01.xlsx", [dive(1, [7] * 7), dive(1, [7] * 7)])
    write_sheet(tmp_path, "02.xlsx", [], ["sr. no", "view"])
    (tmp_path / SHEETS / "03.xlsx").write_bytes(b"not a workbook")
    (tmp_path / SHEETS / "04.xlsx").write_bytes(b"")
    with pytest.raises(RescoreError) as error:
        read_sheets(tmp_path)
    for text in (
        "(4)",
        "01.xlsx, row 3",
        "02.xlsx: no column for start_frame",
        "03.xlsx: not a readable",
        "04.xlsx: not",
    ):
        assert text in str(error.value)


def test_no_sheets_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="Raw_Annotations"):
        read_sheets(tmp_path)


def test_disagreements_with_the_annotations_are_found_both_ways(tmp_path: Path) -> None:
    write_sheet(tmp_path, "01.xlsx", [dive(1, [7] * 7), dive(2, [7] * 7), dive(3, ["x"] * 7)])
    dives, unreadable = read_sheets(tmp_path)
    same = {"start_frame": 100, "end_frame": 190, "difficulty": 3.0, "final_score": 66.0}
    findings = sheet_findings(dives, unreadable, {(1, 1): {**same, "final_score": 63.0}, (1, 3): same, (5, 5): same})
    assert "sheet 01, row 4 (dive 3): judge 1: mark 'x' is not a number" in findings
    assert "01/002: in the sheets, not in the annotations" in findings
    assert "05/005: in the annotations, not in the sheets" in findings
    assert "01/001: final_score 66 in the sheet, 63 annotated" in findings
    assert len(findings) == 4
