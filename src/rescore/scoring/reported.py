"""Printed numbers of a paper's table: papers/<paper>/tables/<table>.csv, read and checked in one place."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from rescore.engine.errors import RescoreError, raise_together

COLUMNS = ("row", "column", "value", "n")
"""`value` is text with the printed digits; a further column `reason` says why no experiment fills a cell. `read_in` says where a
number was read, and `confirmed` (`yes`, `no`) whether in a source at hand: papers that released files are held to have both."""
UNCONFIRMED = "no"
REMEDY = "hold the file against the paper; it is UTF-8 with commas, a line a printed cell (docs/reported.md)."


def read_reported(path: Path) -> pd.DataFrame:
    """A reported table as text: row, column, value, n, and further columns where the file has them.

    Raises:
        RescoreError: the file is missing, no CSV with these columns, or lines are cut, empty, or stand twice: all together.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.reader(stream))
    except OSError as error:
        raise RescoreError(f"{path}: no such file of reported numbers ({error.strerror}).") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RescoreError(f"{path}: not a file of reported numbers ({error}). Remedy: {REMEDY}") from error
    head, body = (lines[0] if lines else []), [line for line in lines[1:] if line]
    missing = [f"no column '{name}'" for name in COLUMNS if name not in head]
    raise_together(f"{path}: bad reported numbers", missing, REMEDY)
    raise_together(f"{path}: bad reported numbers", list(line_problems(head, body)), REMEDY)
    return pd.DataFrame(body, columns=head, dtype=str)


def line_problems(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with more or fewer cells than the head, without a name or a value, or of a cell that stands twice."""
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(body, start=2):
        if len(line) != len(head):
            yield f"line {number}: {len(line)} cells, {len(head)} in the head"
            continue
        told = dict(zip(head, line, strict=True))
        yield from (f"line {number}: no {name}" for name in ("row", "column", "value") if not told[name].strip())
        if "read_in" in told and told.get("confirmed") not in ("yes", UNCONFIRMED):
            yield f"line {number}: confirmed is '{told.get('confirmed', '')}', not yes or no"
        if not told.get("read_in", "told").strip():
            yield f"line {number}: nothing says where the number was read (read_in)"
        if told["n"] and not told["n"].isdecimal():
            yield f"line {number}: n is '{told['n']}', a whole number or empty"
        cell = told["row"], told["column"]
        if cell in seen:
            yield f"line {number}: {cell[0]} / {cell[1]} stands twice (and in line {seen[cell]})"
        seen.setdefault(cell, number)
