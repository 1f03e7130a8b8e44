"""predictions.parquet: read and checked against the samples that should have been predicted.

Everything wrong with a file is named together, with its rows; nothing is dropped, filled in or averaged away.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table
from rescore.systems.trainings import trainings

COLUMNS = (
    "experiment",
    "member",
    "seed",
    "iteration",
    "dataset",
    "sample",
    "action",
    "split",
    "target",
    "predicted",
    "unit",
)
KEY = ["member", "seed", "iteration", "dataset", "sample"]
UNIT = "points"
SHOWN = 5
"""Rows or samples named in one line of an error."""


def shown(names: list[str]) -> str:
    """The first few names and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def row_names(table: pd.DataFrame, mask: Any) -> str:
    """Bad rows as `row 3 (all, seed 0, iteration 100, diving/054)`."""
    bad = table[mask]
    return shown(
        [
            f"row {index} ({row.member}, seed {row.seed}, iteration {row.iteration}, {row.sample})"
            for index, row in zip(bad.index, bad[KEY].itertuples(index=False), strict=True)
        ]
    )


def value_problems(table: pd.DataFrame) -> Iterator[str]:
    """Rows that are wrong by themselves: NaN or infinite numbers, another unit, the same prediction twice."""
    bad: Any
    for column in ("predicted", "target"):
        bad = ~np.isfinite(table[column].astype(float))
        if bad.any():
            yield f"{bad.sum()} {column} values are NaN or infinite: {row_names(table, bad)}"
    bad = table["unit"] != UNIT
    if bad.any():
        units = shown(sorted(map(str, table.loc[bad, "unit"].unique())))
        yield f"{bad.sum()} rows are in the unit {units}, not {UNIT}: {row_names(table, bad)}"
    bad = table.duplicated(KEY, keep="first")
    if bad.any():
        yield f"{bad.sum()} duplicate rows: {row_names(table, bad)}"


def target_problems(table: pd.DataFrame, rows: pd.DataFrame) -> Iterator[str]:
    """Samples that the data set does not have or has under another action, and targets that are not its scores (divided, say)."""
    score = table["sample"].map(rows.set_index("sample")["score"])
    bad: Any = score.isna()
    if bad.any():
        yield f"{bad.sum()} rows name samples that the data set does not have: {row_names(table, bad)}"
    action = table["sample"].map(rows.set_index("sample")["action"])
    bad = action.notna() & (action != table["action"])
    if bad.any():
        yield f"{bad.sum()} rows name another action than the data set: {row_names(table, bad)}"
    # float32 storage keeps 7 digits; a target further off is another number.
    bad = score.notna() & np.isfinite(table["target"]) & ~np.isclose(table["target"], score, rtol=1e-4, atol=1e-4)
    if bad.any():
        yield f"{bad.sum()} targets differ from the samples' scores (another unit?): {row_names(table, bad)}"


def seed_problems(table: pd.DataFrame, settings: Mapping[str, Any]) -> Iterator[str]:
    """Members with other seeds than declared (`systems.trainings`), and seeds that stopped at other iterations."""
    for member, group in table.groupby("member", sort=True):
        yield from number_problems(str(member), group, settings)
        iterations = {tuple(sorted(set(part))) for _, part in group.groupby("seed")["iteration"]}
        if len(iterations) > 1:
            last = shown(sorted(str(max(part)) for part in iterations))
            yield f"{member}: seeds were evaluated at different iterations, the last at {last}"


def number_problems(member: str, group: pd.DataFrame, settings: Mapping[str, Any]) -> Iterator[str]:
    """Whether a member's rows are of other trainings than it has."""
    declared, found = trainings(member, settings), sorted(map(int, group["seed"].unique()))
    if found != declared:
        there, wanted = (shown(list(map(str, numbers))) for numbers in (found, declared))
        yield f"{member}: {len(found)} seeds ({there}), declared {len(declared)} ({wanted})"


def sample_problems(table: pd.DataFrame, rows: pd.DataFrame, samples: int | None) -> Iterator[str]:
    """Missing samples: of the test split of each action that a member was tested on, or of a declared number per member."""
    expected = {action: set(group["sample"]) for action, group in rows[rows["split"] == "test"].groupby("action")}
    actions = {str(member): sorted(group["action"].unique()) for member, group in table.groupby("member")}
    for (member, seed, iteration), group in table.groupby(["member", "seed", "iteration"], sort=True):
        where = f"{member}, seed {seed}, iteration {iteration}"
        if samples is not None:
            if group["sample"].nunique() != samples:
                yield f"{where}: {group['sample'].nunique()} test samples, declared {samples}"
            continue
        for action in actions[str(member)]:
            declared = expected.get(action, set())
            missing = sorted(declared - set(group["sample"]))
            if missing:
                yield f"{where}: {len(missing)} of {len(declared)} test samples of {action} are missing: {shown(missing)}"


def read_columns(path: Path) -> tuple[pd.DataFrame, str]:
    """A file of predictions that has every column, and the remedy for what else may be wrong with it.

    Raises:
        RescoreError: the file is missing or damaged, or lacks columns, rows, numbers or names.
    """
    table = read_table(path)
    remedy = f"delete {path} and rerun the experiment that writes it."
    missing = [f"no column '{column}'" for column in COLUMNS if column not in table.columns]
    raise_together(f"{path}: bad predictions", missing, remedy)
    raise_together(f"{path}: bad predictions", list(form_problems(table)), remedy)
    return table, remedy


def form_problems(table: pd.DataFrame) -> Iterator[str]:
    """What no other check could be made on: no rows, words for numbers, and cells without the names that tell rows apart."""
    if table.empty:
        yield "no rows"
    for column in ("predicted", "target"):
        if len(table) and not pd.api.types.is_numeric_dtype(table[column]):
            yield f"column '{column}' holds {table[column].dtype}, not numbers"
    for column in (*KEY, "action", "split"):
        bad: Any = table[column].isna()
        if bad.any():
            yield f"{bad.sum()} rows without {column}: {row_names(table, bad)}"


def read_predictions(
    path: Path, rows: pd.DataFrame, settings: Mapping[str, Any], samples: int | None = None
) -> pd.DataFrame:
    """Read predictions and check them.

    Args:
        path: predictions.parquet.
        rows: the data set's rows (sample, action, split, score); samples that were dropped from it are not expected.
        settings: what the declared trainings are counted by (`systems.trainings.trainings`).
        samples: declared number of test samples of each member (fine-tuning draws its own); None: the whole test split.

    Returns:
        The test predictions in a fixed order.

    Raises:
        RescoreError: columns, samples or seeds are missing, rows are duplicated, or values are NaN, infinite, or in
            another unit: all of them together, each with its rows.
    """
    table, remedy = read_columns(path)
    if samples is None:
        table = table[table["split"] == "test"]
        raise_together(f"{path}: bad predictions", [] if len(table) else ["no test predictions"], remedy)
    problems = [*value_problems(table), *target_problems(table, rows), *seed_problems(table, settings)]
    problems += sample_problems(table, rows, samples)
    raise_together(f"{path}: bad predictions", problems, remedy)
    return table.sort_values(KEY).reset_index(drop=True)
