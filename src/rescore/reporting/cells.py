"""Which members' predictions fill a cell of a table, and the numbers of its seeds, taken from the predictions again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from rescore.engine.storage import read_table
from rescore.experiments.mtl_aqa_members import VALIDATED, is_member
from rescore.reporting.evidence import BESIDE, PREDICTIONS, Place, experiments_of, prediction_files, scores_path
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
from rescore.scoring.caption_metrics import (
    METRICS,
    NO_JAVA,
    PLAIN_TOKENS,
    CaptionStatistics,
    caption_statistics,
    has_java,
    metric_values,
)
from rescore.scoring.correlation import spearman
from rescore.scoring.mtl_aqa_outputs import Outputs, Said, outputs_of
from rescore.scoring.open import FIXED_ROWS, LABEL_ROWS, S4AQA_ROWS
from rescore.scoring.predictions import COLUMNS, KEY

MTL_AQA_TABLES = ("table4", "table5", "table7", "table8")
CHOICES = ("", "last_iteration", "best_iteration_on_test", "training_set")
"""Protocols that choose over a row's cells, as AQA-7's scores do; those of MTL-AQA choose by member, on validation data too."""
SPLITS = ("test", "validation")


@dataclass(frozen=True)
class Seed:
    """One seed's part of a cell."""

    member: str
    action: str
    seed: int
    iteration: int
    n: int
    value: float
    measure: str = "rho"
    """What `value` is: a correlation, an accuracy, or a caption metric."""
    unit: float = 1.0
    """What 1 is in the table."""
    sign: int = 1
    """-1 where the number is a difference and this is taken away."""


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
    title, *pair = mtl_aqa.DIFFERENCES.get(table, ("",))
    if row == title:
        return [cell for name in pair for cell in mtl_aqa_cells(table, name, column)]
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
"""What a correlation or accuracy of 1 is in a paper's tables, where it is not 1."""
CELLS: dict[str, Callable[[str, str, str], list[Cell]]] = {
    "aqa7": aqa7_cells,
    "mtl_aqa": mtl_aqa_cells,
    "open": open_cells,
    "s4aqa": s4aqa_cells,
}


def cells_behind(place: Place, row: str, column: str) -> list[Cell]:
    """Members and actions whose predictions fill a cell; empty where neither a rule here nor the scores say it.

    Scores may name their members themselves, in a column `member` (several joined by `|`; and `action`) beyond the contract's.
    """
    if (found := CELLS.get(place.paper, lambda *_: [])(place.table, row, column)) or row in YARDSTICKS:
        return found
    path = scores_path(place)
    return [cell for cell in named_cells(path) if (cell.row, cell.column) == (row, column)] if path else []


def named_cells(scores: Path) -> list[Cell]:
    """The cells that scores with a column `member` name, each member and action once."""
    table = read_table(scores)
    if not {"row", "column", "member"} <= set(table.columns):
        return []
    mine = table[table["member"].notna()]
    actions = mine["action"].fillna("") if "action" in mine.columns else pd.Series("", index=mine.index)
    lines = zip(mine["row"], mine["column"], mine["member"], actions, strict=True)
    found = [
        Cell(str(row), str(column), member, str(action))
        for row, column, members, action in lines
        for member in str(members).split("|")
    ]
    return list(dict.fromkeys(found))


def members_behind(place: Place, row: str, column: str) -> list[str]:
    """Names of the members behind a cell."""
    return list(dict.fromkeys(cell.member for cell in cells_behind(place, row, column)))


def read_members(place: Place, members: list[str], name: str) -> pd.DataFrame:
    """Members' rows of every file of one name, test and validation samples, in a fixed order."""
    parts = [pd.DataFrame(columns=[*COLUMNS, "subaction"])]
    for experiment in experiments_of(scores_path(place)):
        for path in prediction_files(place, experiment, members, name):
            table = pd.read_parquet(path)
            parts.append(table[table["member"].isin(members) & table["split"].isin(SPLITS)])
    found = [part for part in parts if len(part)]
    return pd.concat(found, ignore_index=True).sort_values(KEY, kind="stable") if found else parts[0]


def row_cells(place: Place, row: str, cells: list[Cell]) -> list[Cell]:
    """The cells of a row that share a member with the given ones: what a choice of iteration is made over."""
    members, path = {cell.member for cell in cells}, scores_path(place)
    if place.paper == "aqa7" and place.table in ("table2", "table3"):
        known = cells_of(place.table, {})
    else:
        known = named_cells(path) if path and not CELLS.get(place.paper, lambda *_: [])(place.table, row, "") else []
    return [cell for cell in known if cell.row == row and cell.member in members] or cells


def seeds_behind(place: Place, row: str, column: str, protocol: str) -> list[Seed]:
    """Each seed's iteration, number of test samples and number behind a cell; empty where they cannot be taken again.

    Averages have a line for each cell that they are taken over, differences for each of both sides.
    """
    cells = cells_behind(place, row, column)
    if place.paper == "mtl_aqa" or protocol == mtl_aqa.VALIDATION:
        return multitask_seeds(place, row, cells, protocol)
    predictions = read_members(place, [cell.member for cell in cells], PREDICTIONS)
    predictions = predictions[predictions["split"] == "test"]
    if column.startswith("Event ") and len(predictions):
        predictions = predictions[predictions["sample"].str.startswith(column.removeprefix("Event ") + "/")]
    if not len(predictions) or protocol not in CHOICES:
        return []
    blocks = blocks_of(predictions)
    named = {cell: with_action(cell, list(blocks)) for cell in {*cells, *row_cells(place, row, cells)}}
    mine = [named[cell] for cell in row_cells(place, row, cells)]
    chosen = choose_iterations([cell for cell in mine if (cell.member, cell.action) in blocks], blocks, protocol)
    found = []
    for cell in (named[cell] for cell in cells if named[cell] in chosen):
        block = blocks[cell.member, cell.action]
        seeds = sorted(predictions.loc[predictions["member"] == cell.member, "seed"].unique())
        rho = correlations(block)
        for position, index in enumerate(chosen[cell]):
            iteration, value = int(block.iterations[index]), float(rho[position, index])
            found.append(Seed(cell.member, cell.action, int(seeds[position]), iteration, block.target.shape[1], value))
    return found


def with_action(cell: Cell, known: list[tuple[str, str]]) -> Cell:
    """A cell that names no action means the only one that its member was tested on."""
    actions = [action for member, action in known if member == cell.member]
    return Cell(cell.row, cell.column, cell.member, actions[0]) if not cell.action and len(actions) == 1 else cell


def multitask_seeds(place: Place, row: str, cells: list[Cell], protocol: str) -> list[Seed]:
    """`seeds_behind` for members whose iteration is chosen once for all that they predict (scoring.mtl_aqa.choose)."""
    members = list(dict.fromkeys(cell.member for cell in cells))
    wanted = [*members, *(member + VALIDATED for member in members)]
    path = place.data / "clips" / "mtl_aqa.parquet"
    rows = read_table(path) if path.is_file() else None
    names = (PREDICTIONS, *BESIDE["mtl_aqa_table5"].values())
    scored, labelled, spoken = (of_kept_samples(read_members(place, wanted, name), rows) for name in names)
    outputs = outputs_of(scored, labelled, spoken, rows_or_none(rows))
    repetitions = pd.concat([table[["member", "seed"]] for table in (scored, labelled, spoken)]).drop_duplicates()
    taken_away = mtl_aqa.DIFFERENCES.get(place.table, ("", "", ""))
    found = []
    for cell in cells:
        choice = mtl_aqa.choose(cell.member, protocol, outputs) if cell.member in outputs.members else None
        measured = None if choice is None else values_at(place, cell, choice, outputs)
        if choice is None or choice.iterations is None or measured is None:
            return []
        measure, n, values = measured
        seeds = sorted(repetitions.loc[repetitions["member"] == choice.member, "seed"])
        unit = 1.0 if measure in METRICS.values() else UNITS.get(place.paper, 1.0)
        sign = -1 if row == taken_away[0] and cell.row == taken_away[2] else 1
        for seed, iteration, value in zip(seeds, choice.iterations, values, strict=True):
            found.append(Seed(choice.member, cell.action, int(seed), int(iteration), n, value, measure, unit, sign))
    return found


def rows_or_none(rows: pd.DataFrame | None) -> pd.DataFrame:
    """The data set's samples; where its table is not at hand none, so that no caption has a commentary to be held against."""
    return pd.DataFrame(columns=["sample"]) if rows is None else rows


def of_kept_samples(table: pd.DataFrame, rows: pd.DataFrame | None) -> pd.DataFrame:
    """Predictions without those that baselines make of samples whose video is lost: the scores leave them out."""
    if rows is None:
        return table
    trained = table["member"].astype(str).map(is_member).astype(bool)
    return table[trained | table["sample"].isin(rows["sample"])]


def values_at(
    place: Place, cell: Cell, choice: mtl_aqa.Choice, outputs: Outputs
) -> tuple[str, int, list[float]] | None:
    """What is measured, on how many samples, and each seed's value; None where it cannot be computed here."""
    if choice.iterations is None:
        return None
    if cell.action in METRICS:
        said = outputs.captions_at(choice.member, choice.iterations)
        return None if said is None or cannot_take(place, cell.row, cell.column) else caption_values(place, cell, said)
    if (choice.member, "test") in outputs.labels and cell.action in outputs.labels[choice.member, "test"].right:
        samples, right = outputs.right_at(choice.member, cell.action, choice.iterations)
        return "accuracy", samples.shape[1], [float(value) for value in right.mean(axis=1)]
    if (choice.member, "test") not in outputs.scores:
        return None
    samples, target, predicted = outputs.scores_at(choice.member, choice.iterations)
    return "rho", samples.shape[1], [spearman(*pair).value for pair in zip(target, predicted, strict=True)]


def caption_values(place: Place, cell: Cell, said: list[Said]) -> tuple[str, int, list[float]]:
    """A caption metric of each seed, on the tokens that the table's was computed on."""
    pairs = tuple((tuple(references), tuple(captions)) for _, references, captions in said)
    statistics = said_statistics(pairs, not plainly_tokenised(place, cell), cell.action == "M")
    everything = np.ones((1, len(pairs[0][0])))
    values = [float(metric_values(each, cell.action, everything)[0]) for each in statistics]
    return METRICS[cell.action], len(pairs[0][0]), values


@cache
def said_statistics(
    pairs: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...], treebank: bool, meteor: bool
) -> list[CaptionStatistics]:
    """Statistics of captions; a Java program takes seconds to start, and the protocols often choose the same captions."""
    return caption_statistics(pairs, treebank, meteor)


def plainly_tokenised(place: Place, cell: Cell) -> bool:
    """Whether the scores say that a cell's captions were tokenised without Java."""
    path = scores_path(place)
    scores = pd.DataFrame(columns=["row", "column", "reason"]) if path is None else read_table(path)
    mine = scores[(scores["row"] == cell.row) & (scores["column"] == cell.column)]
    return "reason" in mine and bool((mine["reason"].astype(str) == PLAIN_TOKENS).any())


def cannot_take(place: Place, row: str, column: str) -> str:
    """Why a cell's number cannot be taken from the predictions here, as far as it is known; empty where it can."""
    metrics = [cell for cell in cells_behind(place, row, column) if cell.action in METRICS]
    if not metrics:
        return ""
    if not (place.data / "clips" / "mtl_aqa.parquet").is_file():
        return "the data set's commentary (data/<scale>/clips/mtl_aqa.parquet) is not here"
    if has_java() or (column != "M" and plainly_tokenised(place, metrics[0])):
        return ""
    return f"METEOR {NO_JAVA}" if column == "M" else f"these captions were tokenised by a program that {NO_JAVA}"


def mean_of(seeds: list[Seed]) -> float:
    """The cell's number as a share of 1: mean over seeds, of a difference that of both sides; NaN where a seed's is."""
    sides = [[seed.value for seed in seeds if seed.sign == sign] for sign in (1, -1)]
    return float(np.mean(sides[0])) - (float(np.mean(sides[1])) if sides[1] else 0.0)
