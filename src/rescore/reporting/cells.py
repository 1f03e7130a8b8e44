"""Which members' predictions fill a cell of a table, and the correlations of its seeds, taken from the predictions again."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rescore.reporting.evidence import Place, experiments_of, prediction_files, scores_path
from rescore.scoring import mtl_aqa, s4aqa
from rescore.scoring.aqa7 import (
    AVERAGE,
    TABLE4_ROWS,
    TITLES,
    YARDSTICKS,
    Cell,
    averaged_cells,
    blocks_of,
    cells_of,
    choose_iterations,
    correlations,
)
from rescore.scoring.open import FIXED_ROWS, LABEL_ROWS, S4AQA_ROWS
from rescore.scoring.predictions import KEY
from rescore.storage import read_table

MTL_AQA_TABLES = ("table4", "table5", "table7", "table8")
CHOICES = ("", "last_iteration", "best_iteration_on_test", "training_set")
"""Protocols whose choice of iteration is repeated here; that of others is made where the scores are."""


@dataclass(frozen=True)
class Seed:
    """One seed's part of a cell."""

    member: str
    action: str
    seed: int
    iteration: int
    n: int
    rho: float


def aqa7_cells(table: str, row: str, column: str) -> list[Cell]:
    """The cells behind a number of AQA-7's tables: itself, or those that an average is taken over."""
    if table in ("table2", "table3"):
        known = cells_of(table, {})
        if column.startswith(AVERAGE):
            return averaged_cells(table, row, known)
        return [cell for cell in known if (cell.row, cell.column) == (row, column)]
    title, _, size = column.rpartition(" ")
    actions = [action for action, name in TITLES.items() if name == title]
    if table == "table4" and row in TABLE4_ROWS and actions and size.isdecimal():
        return [Cell(row, column, f"fine_tuned/{actions[0]}/{size}/{TABLE4_ROWS[row]}", actions[0])]
    return []


def open_cells(table: str, row: str, column: str) -> list[Cell]:
    """The cell behind a number of the tables on real data."""
    if table == "s4aqa":
        system = S4AQA_ROWS.get(row)
        return [Cell(row, column, f"{system}/unlv_dive/{column.removesuffix('%')}", "diving")] if system else []
    named = {"S3D": "chosen", **FIXED_ROWS, **{title: member for member, title in LABEL_ROWS.items()}}
    seat, _, kind = row.removeprefix("Judge ").partition(", ")
    if table == "human_ceiling" and seat.isdecimal():
        prefix = "synchronised/" if kind else ""
        return [
            Cell(row, column, f"{prefix}{'execution' if column == 'Execution alone' else 'judge'}/{seat}", "diving")
        ]
    return [Cell(row, column, named[row], "diving")] if row in named else []


def mtl_aqa_cells(table: str, row: str, column: str) -> list[Cell]:
    """The cell behind a number of MTL-AQA's learned tables; where it is no correlation, its action is what it measures."""
    if table not in MTL_AQA_TABLES:
        return []
    return [
        Cell(row, column, cell.member, "diving" if cell.part == mtl_aqa.SCORE else cell.part)
        for cell in mtl_aqa.cells_of(table)
        if (cell.row, cell.column) == (row, column)
    ]


def s4aqa_cells(table: str, row: str, column: str) -> list[Cell]:
    """The cells behind a number of S4AQA's tables: itself, or the apparatus that an average is taken over."""
    if table not in ("mtl_aqa", "rhythmic_gymnastics", "ablation"):
        return []
    mine = [cell for cell in s4aqa.cells_of(table) if cell.row == row]
    if column == s4aqa.average_of(table):
        return [cell for cell in mine if cell.column in s4aqa.APPARATUS]
    return [cell for cell in mine if cell.column == column]


UNITS = {"mtl_aqa": 100.0}
"""What a correlation of 1 is in a paper's tables, where it is not 1."""
CELLS: dict[str, Callable[[str, str, str], list[Cell]]] = {
    "aqa7": aqa7_cells,
    "mtl_aqa": mtl_aqa_cells,
    "open": open_cells,
    "s4aqa": s4aqa_cells,
}


def cells_behind(place: Place, row: str, column: str) -> list[Cell]:
    """Members and actions whose predictions fill a cell; empty where neither a rule here nor the scores say it.

    Scores may name their member themselves, in a column `member` (and `action`) beyond the contract's.
    """
    if (found := CELLS.get(place.paper, lambda *_: [])(place.table, row, column)) or row in YARDSTICKS:
        return found
    path = scores_path(place)
    scores = pd.DataFrame() if path is None else read_table(path)
    if "member" not in scores.columns:
        return []
    mine = scores[(scores["row"] == row) & (scores["column"] == column) & scores["member"].notna()]
    actions = mine["action"] if "action" in mine.columns else pd.Series("", index=mine.index)
    pairs = dict.fromkeys(zip(mine["member"].astype(str), actions.fillna("").astype(str), strict=True))
    return [Cell(row, column, member, action) for member, action in pairs]


def members_behind(place: Place, row: str, column: str) -> list[str]:
    """Names of the members behind a cell."""
    return list(dict.fromkeys(cell.member for cell in cells_behind(place, row, column)))


def test_predictions(place: Place, members: list[str]) -> pd.DataFrame:
    """Test predictions of members, in a fixed order, with the file of each."""
    parts = []
    for experiment in experiments_of(scores_path(place)):
        for path in prediction_files(place, experiment, members):
            table = pd.read_parquet(path)
            chosen = table["member"].isin(members) & (table["split"] == "test")
            parts.append(table[chosen].assign(file=path.relative_to(place.root).as_posix()))
    found = [part for part in parts if len(part)]
    return pd.concat(found, ignore_index=True).sort_values(KEY) if found else pd.DataFrame()


def row_cells(place: Place, row: str, cells: list[Cell]) -> list[Cell]:
    """The cells of a row that share a member with the given ones: what a choice of iteration is made over."""
    if place.paper == "aqa7" and place.table in ("table2", "table3"):
        members = {cell.member for cell in cells}
        return [cell for cell in cells_of(place.table, {}) if cell.row == row and cell.member in members]
    return cells


def seeds_behind(place: Place, row: str, column: str, protocol: str) -> list[Seed]:
    """Each seed's iteration, number of test samples and correlation behind a cell; empty where it cannot be taken again.

    Averages have a line for each cell that they are taken over.
    """
    cells = cells_behind(place, row, column)
    predictions = test_predictions(place, [cell.member for cell in cells])
    if column.startswith("Event ") and len(predictions):
        predictions = predictions[predictions["sample"].str.startswith(column.removeprefix("Event ") + "/")]
    if not len(predictions) or protocol not in CHOICES:
        return []
    blocks = blocks_of(predictions)
    mine = [cell for cell in row_cells(place, row, cells) if (cell.member, cell.action) in blocks]
    chosen = choose_iterations(mine, blocks, protocol)
    found = []
    for cell in (cell for cell in cells if cell in chosen):
        block = blocks[cell.member, cell.action]
        seeds = sorted(predictions.loc[predictions["member"] == cell.member, "seed"].unique())
        rho = correlations(block)
        for position, index in enumerate(chosen[cell]):
            iteration, value = int(block.iterations[index]), float(rho[position, index])
            found.append(Seed(cell.member, cell.action, int(seeds[position]), iteration, block.target.shape[1], value))
    return found


def mean_of(seeds: list[Seed]) -> float:
    """The cell's number: mean over seeds; NaN where a seed's is."""
    return float(np.mean([seed.rho for seed in seeds]))
