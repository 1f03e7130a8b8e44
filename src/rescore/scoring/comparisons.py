"""Is one row above another, or is it chance? Differences of cells of our own tables over trainings and test samples.

    comparisons.yaml ─► cells ─► estimates ─► difference, interval, p ─► Holm ─► decision ─► comparisons.csv

Systems are compared training by training, on the estimates that stand behind the scores (scoring.estimates).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import write_table
from rescore.scoring.correlation import Estimate, difference
from rescore.scoring.declarations import CELLS, SHARE, TEXT, mapping, read_declarations
from rescore.scoring.estimates import NONE, against_zero, intervals_of, read_estimates, variance_of
from rescore.scoring.papers import BEST, LAST, NOTHING_CHOSEN, TRAINING_SET, VALIDATION

Estimates = Mapping[tuple[str, str, str], Estimate]
"""By row, column and selection rule."""
ALWAYS = (NOTHING_CHOSEN, TRAINING_SET)
"""Rules of numbers without iterations, which stand beside those of each other rule."""
SIDE = mapping({"rows": CELLS["properties"]["rows"], "columns": CELLS["properties"]["columns"]})
"""Cells of one side."""
SCHEMA = {
    "type": "array",
    "items": mapping(
        {"id": TEXT, "table": TEXT, "left": SIDE, "right": SIDE},
        {
            "quote": TEXT,
            "section": TEXT,
            "scale": {"type": "number", "exclusiveMinimum": 0},
            "level": SHARE,
            "concerns": {"const": "reported"},
        },
    ),
}
"""`scale`: what 1 is in the table; `concerns: reported`: a comparison of printed numbers alone."""
DECISIONS = ("left above right", "right above left", "undecided")
COLUMNS = [
    *("comparison", "table", "left_cell", "right_cell", "protocol", "left", "right", "difference", "low", "high"),
    *("n", "seeds", "variance", "t", "p", "holm_p", "decision", "reason"),
]
"""`low` to `high` is the difference's confidence interval, over new trainings and new test samples."""
ONE_TRAINING = "one training, and no file says how trainings vary: over test samples only, so undecided"


def read_comparisons(path: Path) -> list[dict[str, Any]]:
    """Read and check papers/<paper>/comparisons.yaml: which rows are held against which, cell by cell.

    Raises:
        RescoreError: the file is missing, not YAML, two entries share an id, or one has not the form of SCHEMA.
    """
    return list(read_declarations(path, SCHEMA, "comparisons", "rescore.scoring.comparisons", side_problems))


def side_problems(entry: Mapping[str, Any]) -> Iterator[str]:
    if not pairs_fit(entry):
        yield "sides of unequal length"


def side_cells(side: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(row, column) of a side, rows first."""
    return [(row, column) for row in side["rows"] for column in side["columns"]]


def pairs_fit(entry: Mapping[str, Any]) -> bool:
    """Whether the sides name cells one by one, as many on each, or one against many."""
    if "all" in (entry[side][axis] for side in ("left", "right") for axis in ("rows", "columns")):
        return False
    lengths = {len(side_cells(entry[side])) for side in ("left", "right")}
    return len(lengths) == 1 or 1 in lengths


def cell_pairs(entry: Mapping[str, Any]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """The pairs of cells that an entry compares; one cell stands against many."""
    left, right = side_cells(entry["left"]), side_cells(entry["right"])
    length = max(len(left), len(right))
    return list(zip(left * (length // len(left)), right * (length // len(right)), strict=True))


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's (1979) adjusted p of one family of tests; undefined ones stay NaN and are no part of the family."""
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(p, dtype=float)
    defined = np.isfinite(adjusted)
    if defined.any():
        adjusted[defined] = multipletests(adjusted[defined], method="holm")[1]
    return adjusted


def compare_rows(comparisons: Path, estimates: list[Path], output: Path, settings: dict[str, Any]) -> None:
    """Compare rows of our own tables cell by cell.

    Args:
        comparisons: papers/<paper>/comparisons.yaml; the folder names the paper.
        estimates: `<paper>_<table>.estimates.parquet` of the paper's tables.
        output: CSV with `COLUMNS`: a row a pair of cells and selection rule, Holm's correction within each table and rule.
        settings: `scoring.confidence`.

    Raises:
        RescoreError: a file is damaged, or not in its form; everything together.
    """
    paper, confidence = comparisons.absolute().parent.name, settings["scoring"]["confidence"]
    known = {path.name.split(".")[0].removeprefix(f"{paper}_"): read_estimates(path) for path in estimates}
    entries = [entry for entry in read_comparisons(comparisons) if "concerns" not in entry]
    lines = [line for entry in entries for line in entry_rows(entry, known.get(entry["table"], {}), confidence)]
    table = pd.DataFrame(lines, columns=COLUMNS)
    for _, group in table.groupby(["table", "protocol"]):
        table.loc[group.index, "holm_p"] = holm(group["p"].to_list())
    table["decision"] = [decide(*pair, 1 - confidence) for pair in zip(table["t"], table["holm_p"], strict=True)]
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].round(10)
    write_table(output, table.astype({"n": "Int64", "seeds": "Int64"}))


def decide(statistic: float, p: float, level: float) -> str:
    """Which side is above, by the p of its family; undecided where it is above the level or undefined."""
    if not p < level:
        return DECISIONS[2]
    return DECISIONS[0] if statistic > 0 else DECISIONS[1]


def entry_rows(entry: Mapping[str, Any], known: Estimates, confidence: float) -> Iterator[dict[str, Any]]:
    """A row for each pair of cells under each selection rule that any of its cells is scored by."""
    pairs = cell_pairs(entry)
    cells = {cell for pair in pairs for cell in pair}
    rules = {rule for row, column, rule in known if (row, column) in cells}
    chosen = [rule for rule in (LAST, BEST, VALIDATION) if rule in rules]
    for rule in chosen or [NOTHING_CHOSEN]:
        for pair in pairs:
            found = [estimate_of(cell, rule, known) for cell in pair]
            names = dict(zip(("left_cell", "right_cell"), map(" / ".join, pair), strict=True))
            row = dict.fromkeys(COLUMNS, np.nan) | {
                "comparison": entry["id"],
                "table": entry["table"],
                "protocol": rule,
            }
            yield row | names | {"variance": "", "reason": ""} | compare_pair(pair, found, confidence)


def estimate_of(cell: tuple[str, str], rule: str, known: Estimates) -> Estimate | None:
    """What stands behind a cell under a rule, or without one."""
    return next((known[*cell, name] for name in (rule, *ALWAYS) if (*cell, name) in known), None)


def shares(estimate: Estimate) -> Estimate:
    """An estimate in percent as shares of 1, the unit of all comparisons."""
    unit = estimate.unit
    return replace(
        estimate,
        value=estimate.value / unit,
        values=estimate.values / unit,
        influence=estimate.influence / unit,
        replicates=estimate.replicates / unit,
        unit=1.0,
    )


def compare_pair(
    cells: Sequence[tuple[str, str]], found: Sequence[Estimate | None], confidence: float
) -> dict[str, Any]:
    """Difference with its confidence interval and t test; the reason alone where there is none."""
    sides = [side for side in found if side is not None]
    if len(sides) < 2:
        missing = [" / ".join(cell) for cell, side in zip(cells, found, strict=True) if side is None]
        return {"reason": f"no number of {', '.join(missing)}"}
    left, right = (shares(side) for side in sides)
    if set(left.samples) != set(right.samples):
        return {"reason": "the sides were not tested on the same samples"}
    apart = difference(left, right)
    low, high = intervals_of(apart, confidence).confidence
    statistic, p = against_zero(apart)
    variance = variance_of(apart)
    return {
        "left": left.value,
        "right": right.value,
        "difference": apart.value,
        "low": low,
        "high": high,
        "n": left.n,
        "seeds": apart.seeds,
        "variance": variance,
        "t": statistic,
        "p": p,
        "reason": apart.reason or (ONE_TRAINING if variance == NONE else ""),
    }
