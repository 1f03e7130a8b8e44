"""Scores of semi-supervised assessment (S4AQA): MTL-AQA, Rhythmic Gymnastics and the ablation, from predictions alone.

Rows and columns are the paper's (reported/s4aqa). A member's seeds are draws of labelled videos, each with its own start:
intervals are over draws and test samples. Networks are scored at their last iteration and at the best on test data, which is
said wherever it is shown; regressions are chosen inside the labelled videos.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table
from rescore.experiments.trainings import Chosen, declared
from rescore.scoring.aqa7 import (
    BEST,
    LAST,
    Block,
    Cell,
    blocks_of,
    choose_iterations,
    estimate_cell,
)
from rescore.scoring.correlation import Estimate, combine, fisher_z_average
from rescore.scoring.predictions import (
    KEY,
    coverage_problems,
    read_columns,
    sample_problems,
    seed_problems,
    target_problems,
    value_problems,
)
from rescore.scoring.scores import NOTHING_CHOSEN, empty_row, score_row, write_scores

TRAINING_SET = "training_set"
MTL_AQA, GYMNASTICS = "mtl_aqa", "rhythmic_gymnastics"
SYSTEMS = {
    "SVR": "svr",
    "USDL": "usdl",
    "C3D-AVG-STL": "c3d_avg_stl",
    "C3D-AVG-MTL": "c3d_avg_mtl",
    "COREG": "coreg",
    "Pseudo-labels": "pseudo_labels",
    "VAT": "vat",
    "S4L": "s4l",
    "S4AQA": "s4aqa",
}
"""Rows of the tables, and the first part of their members' names."""
ACTION_NET = "action_net"
GYMNASTICS_SYSTEMS = {"SVR": "svr", "ACTION-NET": ACTION_NET} | {
    row: SYSTEMS[row] for row in ("COREG", "Pseudo-labels", "VAT", "S4L", "S4AQA")
}
ABLATION = {"AA": "aa", "+ RDA": "rda", "+ MSFR": "msfr", "All": "s4aqa"}
APPARATUS = {"Ball": "ball", "Clubs": "clubs", "Hoop": "hoop", "Ribbon": "ribbon"}
PERCENTS = (10, 40)
GYMNASTICS_PERCENT = 40
AVERAGE = "Avg"
LABEL_ONLY, OBSERVER = "Label only", "Perfect observer"
NO_GYMNASTICS = (
    "not run: features of the videos of Rhythmic Gymnastics are not part of this project;"
    " sources.rhythmic_gymnastics names others"
)
NO_STATIC_STREAM = (
    "not run: features of single moments, its static stream, are not at hand; put them into action_net.static.directory"
)


def score_s4aqa(
    table: str,
    predictions: list[Path],
    rows: list[Path],
    scores: Path,
    settings: dict[str, Any],
    estimates: Path | None = None,
) -> None:
    """Score one of the paper's tables.

    Args:
        table: mtl_aqa | rhythmic_gymnastics | ablation.
        predictions: `<experiment>/<data set>/predictions.parquet` of `experiments.s4aqa`, `experiments.coreg` and, where both
            streams are at hand, `experiments.action_net`, on the data sets that there are.
        rows: tables of those data sets' features.
        scores: output CSV, with a column `reason` that says why a cell is empty.
        settings: `seed`, `scoring`, the counts of trainings (`experiments.trainings`).
        estimates: output Parquet, what claims need of each cell (scoring.estimates).

    Raises:
        RescoreError: no such table, or predictions that are not what it needs; every reason together.
    """
    cells = cells_of(table)
    missing = {cell: reason for cell in cells if (reason := why_missing(cell, predictions))}
    mine = [cell for cell in cells if cell not in missing]
    found = read_predictions(mine, predictions, [read_table(path) for path in rows], settings)
    blocks = blocks_of(found) if len(found) else {}
    mine = [cell for cell in mine if (cell.member, cell.action) in blocks]  # a data set may lack a yardstick
    lines = [*score_lines(mine, blocks, settings), *missing_lines(table, missing)]
    experiment = ", ".join(sorted(map(str, found["experiment"].unique()))) if len(found) else "s4aqa"
    write_scores(scores, experiment, lines, ("reason",), estimates)


def cells_of(table: str) -> list[Cell]:
    """The cells of a table, averages aside, then those of the yardsticks.

    Raises:
        RescoreError: no such table.
    """
    if table == "mtl_aqa":
        rows = {**SYSTEMS, LABEL_ONLY: "label_only"}
        learned = [
            mtl_aqa_cell(row, system, f"{percent}%", percent) for row, system in rows.items() for percent in PERCENTS
        ]
        return learned + [Cell(OBSERVER, f"{percent}%", f"observer/{MTL_AQA}", "diving") for percent in PERCENTS]
    if table == "rhythmic_gymnastics":
        learned = [cell for row, system in GYMNASTICS_SYSTEMS.items() for cell in gymnastics_cells(row, system)]
        return learned + gymnastics_cells(OBSERVER, "observer", percent=None)
    if table == "ablation":
        return [cell for row, system in ABLATION.items() for cell in ablation_cells(row, system)]
    raise RescoreError(f"no scores are defined for '{table}': mtl_aqa | rhythmic_gymnastics | ablation")


def mtl_aqa_cell(row: str, system: str, column: str, percent: int) -> Cell:
    return Cell(row, column, f"{system}/{MTL_AQA}/{percent}", "diving")


def gymnastics_cells(row: str, system: str, percent: int | None = GYMNASTICS_PERCENT) -> list[Cell]:
    """A cell an apparatus; nothing is drawn for the perfect observer."""
    middle = GYMNASTICS if percent is None else f"{GYMNASTICS}/{percent}"
    return [Cell(row, column, f"{system}/{middle}/{name}", name) for column, name in APPARATUS.items()]


def ablation_cells(row: str, system: str) -> list[Cell]:
    """MTL-AQA's two cells, then the four that the average over apparatus is taken of."""
    dives = [mtl_aqa_cell(row, system, f"MTL-AQA {percent}%", percent) for percent in PERCENTS]
    return dives + gymnastics_cells(row, system)


def average_of(table: str) -> str:
    """The column that a table's apparatus are averaged into."""
    return {"rhythmic_gymnastics": AVERAGE, "ablation": f"Rhythmic Gymnastics {AVERAGE}"}.get(table, "")


def read_predictions(
    cells: Sequence[Cell], paths: Sequence[Path], rows: Sequence[pd.DataFrame], settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Checked predictions of the cells' members, in a fixed order; empty where the table needs none of the files.

    Raises:
        RescoreError: members, draws or samples are missing, rows are duplicated, or values are wrong: all of it together.
    """
    if not cells:
        return pd.DataFrame(columns=[*KEY, "experiment"])
    table = pd.concat([read_columns(path)[0] for path in paths], ignore_index=True)
    table = table[table["member"].isin({cell.member for cell in cells}) & (table["split"] == "test")]
    needed: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        if cell.row not in (OBSERVER, LABEL_ONLY):  # not every data set has them
            needed[cell.member] = (*needed.get(cell.member, ()), cell.action)
    problems = [*value_problems(table), *coverage_problems(table, needed)]
    problems += seed_problems(table, settings)
    for samples in rows:
        mine = table[table["dataset"].isin(set(samples["dataset"]))]
        problems += [*target_problems(mine, samples), *sample_problems(mine, samples, None)]
    names = ", ".join(map(str, paths))
    raise_together(f"{names}: bad predictions", problems, "delete them and rerun the experiments that write them.")
    return table.sort_values(KEY).reset_index(drop=True)


def protocols_of(cell: Cell) -> tuple[str, ...]:
    """Under which protocols a cell is scored: both for networks, which have iterations."""
    return {
        Chosen.ITERATION: (LAST, BEST),
        Chosen.INSIDE_TRAINING: (TRAINING_SET,),
        Chosen.NOTHING: (NOTHING_CHOSEN,),
    }[declared(cell.member).chosen]


def score_lines(
    cells: Sequence[Cell], blocks: Mapping[tuple[str, str], Block], settings: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Score rows, row by row and protocol by protocol; apparatus are followed, in the ablation replaced, by their average.

    An average over apparatus is Fisher's: the printed averages follow from the printed cells by it alone (docs/statistics.md).
    """
    confidence = settings["scoring"]["confidence"]
    for row in dict.fromkeys(cell.row for cell in cells):
        mine = [cell for cell in cells if cell.row == row]
        protocols = dict.fromkeys(name for cell in mine for name in protocols_of(cell))
        is_ablation = any(cell.column.startswith("MTL-AQA") for cell in mine)
        for protocol in protocols:
            chosen = choose_iterations(mine, dict(blocks), protocol)
            estimates = {
                cell: estimate_cell(cell, blocks[cell.member, cell.action], chosen[cell], dict(settings))
                for cell in mine
            }
            for cell, estimate in estimates.items():
                if not (is_ablation and cell.column in APPARATUS):
                    yield line_of(row, cell.column, "spearman", protocol, estimate, confidence)
            apparatus = [estimates[cell] for cell in mine if cell.column in APPARATUS]
            if apparatus:
                column = average_of("ablation" if is_ablation else "rhythmic_gymnastics")
                average = combine(apparatus, fisher_z_average)
                yield line_of(row, column, "fisher_z_average", protocol, average, confidence)


def line_of(
    row: str, column: str, statistic: str, protocol: str, estimate: Estimate, confidence: float
) -> dict[str, Any]:
    return score_row(row, column, statistic, protocol, estimate, confidence) | {"reason": estimate.reason}


def why_missing(cell: Cell, predictions: Sequence[Path]) -> str:
    """Why a cell has no predictions: its data set, or one of its streams, is not at hand. Empty where it has."""
    system, dataset = cell.member.split("/")[:2]
    experiments = {path.parent.parent.name for path in predictions if path.parent.name == dataset}
    if not experiments:
        return NO_GYMNASTICS
    return NO_STATIC_STREAM if system == ACTION_NET and ACTION_NET not in experiments else ""


def missing_lines(table: str, missing: Mapping[Cell, str]) -> Iterator[dict[str, Any]]:
    """Cells of what is not at hand, with the reason; yardsticks are left out."""
    absent = {cell: reason for cell, reason in missing.items() if cell.row != OBSERVER}
    columns = {
        (cell.row, cell.column): reason
        for cell, reason in absent.items()
        if not (table == "ablation" and cell.column in APPARATUS)
    }
    columns |= {(cell.row, average_of(table)): reason for cell, reason in absent.items() if cell.column in APPARATUS}
    for (row, column), reason in columns.items():
        yield empty_row(row, column, "spearman", NOTHING_CHOSEN, reason)
