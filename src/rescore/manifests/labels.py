"""A table of labels of one's own: CSV as spreadsheets write it, read strictly, because a wrong score is worse than none.

What can only mean one thing is taken (a byte order mark, blanks around cells, any ends of lines); everything else is named with
its line, all of it together.
"""

import csv
import difflib
import io
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rescore.engine.errors import RescoreError, raise_together

REMEDY = "correct the table and run again; it is left as it is."
FOREIGN = {
    b"PK\x03\x04": "an Excel or OpenDocument workbook, or an archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed (gzip)",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a database",
    b"%PDF": "a PDF",
    b"version https://git-lfs": "a Git LFS pointer, which `git lfs pull` replaces by the table",
    b"<!": "a web page",
    b"<html": "a web page",
    b"{": "JSON",
}
"""What a file that is no CSV may be, by its first bytes."""
WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16, which Excel's "Unicode text" is."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_labels(path: Path, text: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Read a CSV of labels: UTF-8, commas between columns, points in numbers, a first line with the columns' names.

    Args:
        text: columns that are text and stay as they are spelled (`007` does).
        numbers: columns that are numbers.

    Returns:
        A row a line, with these columns and whatever else stands there (as text).

    Raises:
        RescoreError: no such table, another form or encoding, a column missing or twice; every cell that is empty or no number,
            together, by line.
    """
    rows, lines, problems = read_rows(read_text(path), path)
    header = [cell.strip() for cell in rows[0]]
    problems = header_problems(header, [*text, *numbers]) or problems
    table: dict[str, list[object]] = {}
    for column, name in enumerate(header):
        cells = [row[column].strip() if column < len(row) else "" for row in rows[1:]]
        table[name] = [*cells]
        if name in text:
            problems += [f"line {line}: {name} is empty" for line, cell in zip(lines, cells, strict=True) if not cell]
        elif name in numbers:
            wrong = [wrong_number(cell) for cell in cells]
            problems += [f"line {line}: {name} {what}" for line, what in zip(lines, wrong, strict=True) if what]
            table[name] = [math.nan if what else float(cell) for cell, what in zip(cells, wrong, strict=True)]
    raise_together(f"{path}: not a table of labels", problems, REMEDY)
    return pd.DataFrame(table)


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        RescoreError: missing, no file, a workbook, empty, or not UTF-8; with the way to save it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror}). Is this the table's place?") from error
    start = content.lstrip()
    for mark, what in FOREIGN.items():
        if start.startswith(mark):
            raise RescoreError(f"{path}: {what}, not a CSV. Save it as `CSV UTF-8 (comma delimited)`.")
    if content.startswith(WIDE) or content[:200].count(b"\0") > 50:
        raise RescoreError(f"{path}: not in UTF-8 (UTF-16, it seems). Save it as `CSV UTF-8 (comma delimited)`.")
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise RescoreError(
            f"{path}: line {line} has a byte that is no text (0). Save it as `CSV UTF-8 (comma delimited)`."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RescoreError(
            f"{path}: line {line} is not in UTF-8 (Latin-1, it seems, as older programs write). Save it as `CSV UTF-8 (comma "
            "delimited)`."
        ) from error
    first, _, rest = text.partition("\n")
    text = rest if first.strip().lower() == "sep=," else text  # Excel's own first line
    if not text.strip(" \t\r\n,;|\"'"):
        raise RescoreError(f"{path}: empty. The first line names the columns.")
    return text


def read_rows(text: str, path: Path) -> tuple[list[list[str]], list[int], list[str]]:
    """The header and rows that are not empty, the line of each row, and which rows have more or fewer cells than the header.

    Raises:
        RescoreError: a quotation mark that is not closed.
    """
    reader = csv.reader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n")), strict=True)
    rows: list[list[str]] = []
    lines, problems = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(without_empty_end(row, len(rows[0]) if rows else 0))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise RescoreError(f"{path}: line {reader.line_num}: {error}. Is a quotation mark not closed?") from error
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) != len(rows[0]):
            hint = "; a decimal comma? or one in a text without quotation marks?" if len(row) > len(rows[0]) else ""
            problems.append(f"line {line}: {len(row)} cells where the first line names {len(rows[0])} columns{hint}")
    return rows, lines[1:], problems


def without_empty_end(row: list[str], least: int) -> list[str]:
    """A row without the empty cells behind its last column, which spreadsheets write where a cell was once touched."""
    filled = max((place for place, cell in enumerate(row, 1) if cell.strip()), default=0)
    return row[: max(filled, least)]


def header_problems(header: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Columns that are missing or there twice; or what separates the columns instead of commas."""
    missing = [name for name in wanted if name not in header]
    for separator, name in SEPARATORS.items():
        if missing and any(separator in cell for cell in header):
            return [f"its columns are separated by {name}; save it with commas, and numbers with points (85.5)"]
    problems = []
    for name in missing:
        near = difflib.get_close_matches(name.lower(), [cell.lower() for cell in header], n=1)
        like = next((cell for cell in header if near and cell.lower() == near[0]), None)
        problems.append(f"no column `{name}`" + (f"; is it `{like}`?" if like else f" among {', '.join(header)}"))
    return problems + [f"two columns `{name}`" for name in sorted({name for name in header if header.count(name) > 1})]


def wrong_number(cell: str) -> str | None:
    """What is wrong with a cell that is to be a number."""
    if not cell:
        return "is empty"
    if not cell.isascii() or "_" in cell:
        return f"is {cell!r}, not a number in plain digits"
    if "," in cell:
        return f"is {cell!r}; write it with a point and without separators of thousands"
    try:
        value = float(cell)
    except ValueError:
        return f"is {cell!r}, not a number"
    return None if math.isfinite(value) else f"is {cell!r}, not a finite number"
