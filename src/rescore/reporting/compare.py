"""`rescore compare`: two trees of results told apart, number by number, within a stated tolerance, on two levels.

The first level is equality. Where a result table's number differs, the second asks whether it lies in the first tree's interval
for as many further trainings on the same samples (`rerun_low`, `rerun_high`): what other arithmetic or trainings may give.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.engine.storage import sha256_file

KEYS = (
    ("row", "column", "protocol"),
    ("experiment", "row", "column", "statistic", "protocol", "iteration"),
    ("experiment", "member", "dataset", "action", "protocol"),
    ("comparison", "table", "left_cell", "right_cell", "protocol"),
    ("dataset", "action"),
    ("id", "source"),
    ("id",),
)
"""What names a line of tables, scores, errors, comparisons, poses, claims and audit: the longest whose columns are all there."""
SAYING = ("reason", "found")
"""Columns whose words repeat numbers: a difference in them alone is a note."""
SHOWN = 12
"""Differences printed of one file."""


@dataclass(frozen=True)
class Difference:
    """One difference between two trees."""

    file: str
    what: str
    matters: bool = True
    """False for notes: figures and pages whose bytes differ."""
    predicted: bool | None = None
    """Of a table's number: whether it lies where the first tree predicts a rerun; None where nothing is predicted."""


def number(text: str) -> float | None:
    """A cell's number; None for words and empty cells."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def same(left: str, right: str, tolerance: float) -> bool:
    """Whether two cells agree: equal texts, or numbers at most `tolerance` apart (absolute)."""
    a, b = number(left), number(right)
    if left == right or a is None or b is None:
        return left == right
    # The slack is for decimals that are no sums of powers of two: 0.30 and 0.31 are 0.01 apart.
    return abs(a - b) <= tolerance + 1e-12


def key_of(table: pd.DataFrame) -> list[str]:
    """The columns that name a line; all of them where the form is not known."""
    known = [list(key) for key in sorted(KEYS, key=len, reverse=True) if set(key) <= set(table.columns)]
    return known[0] if known else list(table.columns)


def lines_of(path: Path) -> tuple[list[str], dict[tuple[str, ...], dict[str, str]]]:
    """A CSV's columns, and its lines by key; lines with equal keys are numbered.

    Raises:
        RescoreError: the file is no CSV.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise RescoreError(f"{path}: not a readable CSV ({error})") from error
    key = key_of(table)
    again = table.groupby(key).cumcount().astype(str) if len(table) else pd.Series(dtype=str)
    names = zip(*[table[name] for name in key], again, strict=True)
    return list(table.columns), dict(zip(names, table.to_dict("records"), strict=True))  # type: ignore[arg-type]


def title(key: tuple[str, ...]) -> str:
    """`All-action C3D-LSTM / Diving / last_iteration`; the count of equal lines only where there are several."""
    *names, again = key
    return " / ".join(name for name in names if name) + (f" ({int(again) + 1})" if again != "0" else "")


def is_predicted(ours: dict[str, str], column: str, value: str) -> bool | None:
    """Whether a table's number lies in the first tree's interval for a rerun; None for others and where there is none."""
    low, high, again = (number(text) for text in (ours.get("rerun_low", ""), ours.get("rerun_high", ""), value))
    if column != "reproduced" or low is None or high is None or again is None:
        return None
    return low <= again <= high


def compare_tables(name: str, left: Path, right: Path, tolerance: float) -> Iterator[Difference]:
    """Lines that only one file has, and cells that differ."""
    try:
        (columns, ours), (others, theirs) = lines_of(left), lines_of(right)
    except RescoreError as error:  # the other files are compared all the same
        yield Difference(name, str(error))
        return
    if columns != others:
        yield Difference(name, f"columns differ: {', '.join(columns)} against {', '.join(others)}")
    yield from (Difference(name, f"{title(key)}: only in the first") for key in ours if key not in theirs)
    yield from (Difference(name, f"{title(key)}: only in the second") for key in theirs if key not in ours)
    for key in (key for key in ours if key in theirs):
        for column in (column for column in columns if column in theirs[key]):
            a, b = ours[key][column], theirs[key][column]
            if not same(a, b, tolerance):
                apart = number(a), number(b)
                by = f" (by {abs(apart[0] - apart[1]):.6g})" if None not in apart else ""  # type: ignore[operator]
                predicted = is_predicted(ours[key], column, b)
                said = {None: "", True: ", as a rerun may give", False: ", outside of what a rerun may give"}[predicted]
                what = f"{title(key)}: {column} {a or 'empty'} against {b or 'empty'}{by}{said}"
                yield Difference(name, what, column not in SAYING, predicted)


def compare(left: Path, right: Path, tolerance: float = 0.0) -> list[Difference]:
    """Everything that tells two result trees apart.

    Args:
        left, right: folders, for example two `results`; CSVs are compared line by line, all other files by bytes.
        tolerance: largest absolute difference of two numbers that counts as none.

    Raises:
        RescoreError: a folder is missing, they have no file in common, or the tolerance is no number from 0 up.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise RescoreError(f"--tolerance {tolerance}: takes a number from 0 up")
    for folder in (left, right):
        if not folder.is_dir():
            raise RescoreError(f"{folder}: no such folder of results")
    if left.resolve() == right.resolve():
        raise RescoreError(f"{left} and {right} are one folder; name two")
    ours, theirs = names_in(left), names_in(right)
    if not ours & theirs:
        raise RescoreError(f"{left} and {right} have no file in common; name folders of the same kind, as results/demo")
    found = [Difference(name, "only in the first") for name in sorted(ours - theirs)]
    found += [Difference(name, "only in the second") for name in sorted(theirs - ours)]
    for name in sorted(ours & theirs):
        if name.endswith(".csv"):
            found += compare_tables(name, left / name, right / name, tolerance)
        elif sha256_file(left / name) != sha256_file(right / name):
            found.append(Difference(name, "other bytes", matters=False))
    return found


def names_in(folder: Path) -> set[str]:
    """Every file below a folder, hidden ones left out."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if not any(part.startswith(".") for part in path.parts)}


def of_predicted(found: list[Difference]) -> str:
    """How many of the changed numbers lie where the first tree predicts a rerun; empty where nothing is predicted of them."""
    told = [difference.predicted for difference in found if difference.predicted is not None]
    if not told:
        return ""
    share = f"{sum(told)} lie inside ({100 * sum(told) / len(told):.0f}%; other trainings are expected to give 95%)"
    return f"Of {len(told)} changed numbers with an interval for a rerun, {share}."


def describe(found: list[Difference], tolerance: float) -> str:
    """The differences as text, file by file, notes last."""
    real = [difference for difference in found if difference.matters]
    notes = [difference for difference in found if not difference.matters]
    text = []
    for name in dict.fromkeys(difference.file for difference in real):
        mine = [difference.what for difference in real if difference.file == name]
        text += [name, *[f"  {what}" for what in mine[:SHOWN]]]
        text += [f"  and {len(mine) - SHOWN} more"] if len(mine) > SHOWN else []
    if notes:
        text += ["Notes (no number tells them apart):", *[f"  {note.file}: {note.what}" for note in notes]]
    if sentence := of_predicted(found):
        text.append(sentence)
    files = len({difference.file for difference in real})
    within = f"within {tolerance:g}" if tolerance else "exactly"
    verdict = f"{len(real)} differences in {files} files" if real else f"The numbers agree {within}"
    return "\n".join([*text, f"{verdict}."])
