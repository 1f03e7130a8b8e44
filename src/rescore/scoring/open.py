"""Scores of the experiments on real public data: correlations and intervals from their predictions alone.

Rows and columns are those of `reported/open/<experiment>.csv` where a paper prints a number for them. `protocol` is
`training_set` for models chosen inside the training set, `best_on_test` for what was chosen on test data (shown beside it,
no measure of anything), and empty where nothing was chosen: judges, a fixed setting, the authors' own predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import write_table
from rescore.manifests.aqa7 import read_lists
from rescore.manifests.summary import summarise
from rescore.scoring.aqa7 import LAST
from rescore.scoring.correlation import Estimate, Trained, combine, estimate_spearman, fisher_z_average
from rescore.scoring.predictions import read_columns, value_problems
from rescore.scoring.scores import NOTHING_CHOSEN, score_row, write_scores

TRAINING_SET, BEST_ON_TEST = "training_set", "best_on_test"
SPEARMAN, FISHER_AVERAGE = "spearman", "fisher_z_average"
CORRELATION = "Sp. Corr."
FIXED_ROWS = {
    "Linear SVR, C 100, epsilon 8": "plain/linear/100/8",
    "Mean of the stage scores": "authors/stage_mean",
}
LABEL_ROWS = {
    "difficulty": "Difficulty",
    "dive_class": "Dive class",
    "event": "Event mean",
    "commentary": "Commentary",
    "commentary_without_numbers": "Commentary without numbers",
    "combination": "Difficulty, class, event and commentary",
}

S4AQA_ROWS = {
    "SVR": "svr",
    "COREG": "coreg",
    "Labelled dives alone (AA)": "aa",
    "+ RDA": "rda",
    "+ MSFR": "msfr",
    "S4AQA": "s4aqa",
    "Pseudo-labels": "pseudo_labels",
    "VAT": "vat",
    "S4L": "s4l",
    "USDL": "usdl",
    "C3D-AVG-STL": "c3d_avg_stl",
}
S4AQA_PERCENTS = ("10", "40", "100")

Score = tuple[str, str, str, str, Estimate]
"""Row, column, statistic, protocol, estimate."""


def summarise_aqa7_lists(lists: Path, summary: Path) -> None:
    """Table 1's characteristics from AQA-7's official lists (CSV `row, column, value, n, reason`); lengths need the videos.

    Raises:
        RescoreError: the lists are missing or wrong.
    """
    write_table(summary, summarise(read_lists(lists)))


def score_unlv_dive_s3d(predictions: Path, scores: Path, settings: dict[str, Any]) -> None:
    """S3D's features on UNLV-Dive: the choice by cross-validation, and beside it the grid's best on test.

    Args:
        predictions: Parquet of `experiments.unlv_dive_s3d`.
        scores: written, CSV of the scores contract.
        settings: `seed`; `scoring`: `bootstrap` (replicates), `confidence`.

    Raises:
        RescoreError: predictions are missing, duplicated, or not finite.
    """
    table = read_open_predictions(predictions, ["chosen", *FIXED_ROWS.values()])
    grid = [estimate(table, member, settings) for member in table["member"].unique() if member.startswith("grid/")]
    rows: list[Score] = [("S3D", CORRELATION, SPEARMAN, TRAINING_SET, estimate(table, "chosen", settings))]
    if grid:
        best = max(grid, key=lambda candidate: np.nan_to_num(candidate.value, nan=-np.inf))
        rows.append(("S3D", CORRELATION, SPEARMAN, BEST_ON_TEST, best))
    for row, member in FIXED_ROWS.items():
        rows.append((row, CORRELATION, SPEARMAN, NOTHING_CHOSEN, estimate(table, member, settings)))
    write_open_scores(scores, "unlv_dive_s3d", rows, settings)


def score_mtl_aqa_labels(predictions: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Each predictor without video on MTL-AQA's test split; arguments and errors as `score_unlv_dive_s3d`."""
    table = read_open_predictions(predictions, list(LABEL_ROWS))
    rows = [
        (row, CORRELATION, SPEARMAN, TRAINING_SET, estimate(table, member, settings))
        for member, row in LABEL_ROWS.items()
    ]
    write_open_scores(scores, "mtl_aqa_labels", rows, settings)


def score_human_ceiling(predictions: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Each judge against the others: all events together, execution alone, and every event.

    The row `Human expert` averages the seats by Fisher's z; seats are resampled on the same dives. Synchronised panels have
    rows of their own. Arguments and errors as `score_unlv_dive_s3d`.
    """
    table = read_open_predictions(predictions, ["judge/1", "execution/1"])
    table = table.assign(event=table["sample"].str.split("/").str[0])
    rows: list[Score] = []
    for prefix, suffix in (("", ""), ("synchronised/", ", synchronised")):
        for kind, column in (("judge", CORRELATION), ("execution", "Execution alone")):
            part = table[table["member"].str.startswith(f"{prefix}{kind}/")]
            rows += seat_rows(part, suffix, column, settings)
        by_event = table[table["member"].str.startswith(f"{prefix}judge/")].groupby("event", sort=True)
        for event, part in by_event:
            rows += seat_rows(part, suffix, f"Event {event}", settings)
    write_open_scores(scores, "human_ceiling", rows, settings)


def score_s4aqa(predictions: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Semi-supervised systems on UNLV-Dive's stage posteriors, a column a share of labels.

    Networks are scored at their last iteration, the only one that nothing was chosen by. Arguments and errors as
    `score_unlv_dive_s3d`; seeds are draws of labelled dives.
    """
    table = read_open_predictions(predictions, ["svr/unlv_dive/10", "s4aqa/unlv_dive/10"])
    last = table.groupby("member")["iteration"].transform("max")
    table = table[table["iteration"] == last]
    rows: list[Score] = []
    for row, system in S4AQA_ROWS.items():
        for percent in S4AQA_PERCENTS:
            member = f"{system}/unlv_dive/{percent}"
            if (table["member"] == member).any():
                protocol = {"svr": TRAINING_SET, "coreg": NOTHING_CHOSEN}.get(system, LAST)
                rows.append((row, f"{percent}%", SPEARMAN, protocol, estimate_draws(table, member, settings)))
    write_open_scores(scores, "s4aqa", rows, settings)


def estimate_draws(table: pd.DataFrame, member: str, settings: Mapping[str, Any]) -> Estimate:
    """Mean over draws of labels of a member's rho on the same dives, with what its intervals need."""
    mine = table[table["member"] == member].sort_values(["seed", "sample"])
    shape = (mine["seed"].nunique(), -1)
    target, predicted, samples = (mine[name].to_numpy().reshape(shape) for name in ("target", "predicted", "sample"))
    draws = Trained(tuple(int(seed) for seed in np.sort(mine["seed"].unique())))
    replicates, seed = settings["scoring"]["bootstrap"], settings["seed"]
    return estimate_spearman(target, predicted, samples, draws, replicates, seed)


def seat_rows(table: pd.DataFrame, suffix: str, column: str, settings: Mapping[str, Any]) -> list[Score]:
    """A row for each judge's seat and one for their average; none where there are no such judges."""
    members = sorted(table["member"].unique(), key=lambda member: int(member.rsplit("/", 1)[1]))
    if not members:
        return []
    seats = {member.rsplit("/", 1)[1]: estimate(table, member, settings) for member in members}
    average = combine(list(seats.values()), fisher_z_average)
    average = replace(average, n=table["sample"].nunique())  # the seats judge the same dives; `combine` adds them up
    rows = [(f"Judge {seat}{suffix}", column, SPEARMAN, NOTHING_CHOSEN, value) for seat, value in seats.items()]
    return [(f"Human expert{suffix}", column, FISHER_AVERAGE, NOTHING_CHOSEN, average), *rows]


def read_open_predictions(path: Path, members: Sequence[str]) -> pd.DataFrame:
    """Predictions of models that were fitted once, in a fixed order.

    Raises:
        RescoreError: columns or members are missing, rows are duplicated, or values are NaN, infinite, or in another unit.
    """
    table, remedy = read_columns(path)
    found = set(table["member"])
    problems = [f"no predictions of {member}" for member in members if member not in found]
    raise_together(f"{path}: bad predictions", [*problems, *value_problems(table)], remedy)
    return table.sort_values(["member", "sample"]).reset_index(drop=True)


def estimate(table: pd.DataFrame, member: str, settings: Mapping[str, Any]) -> Estimate:
    """Spearman's rho of one member over its dives, with bootstrap replicates over dives: nothing here is trained again."""
    rows = table[table["member"] == member]
    target, predicted, samples = (rows[column].to_numpy()[None] for column in ("target", "predicted", "sample"))
    replicates, seed = settings["scoring"]["bootstrap"], settings["seed"]
    return estimate_spearman(target, predicted, samples, Trained(), replicates, seed)


def write_open_scores(path: Path, experiment: str, rows: Sequence[Score], settings: Mapping[str, Any]) -> None:
    """Write the scores with their intervals."""
    confidence = settings["scoring"]["confidence"]
    write_scores(path, experiment, [score_row(*score, confidence) for score in rows])
