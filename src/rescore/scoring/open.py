"""Scores of the experiments on real public data: correlations and intervals from their predictions alone.

Rows and columns are those of `reported/open/<experiment>.csv` where a paper prints a number for them. `protocol` is
`training_set` for what was fixed inside the training set, and `best_on_test` for what was
chosen on it, which is shown beside it and is no measure of anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.errors import raise_together
from rescore.manifests.aqa7 import read_lists
from rescore.manifests.summary import summarise
from rescore.scoring.correlation import Estimate, bca_interval, bootstrap_spearman, combine, fisher_z_average
from rescore.scoring.predictions import COLUMNS, value_problems
from rescore.storage import read_table, write_table

HONEST, CHOSEN_ON_TEST = "training_set", "best_on_test"
SPEARMAN, FISHER_AVERAGE = "spearman", "fisher_z_average"
CORRELATION = "Sp. Corr."
LABEL_ROWS = {
    "difficulty": "Difficulty",
    "dive_class": "Dive class",
    "event": "Event mean",
    "commentary": "Commentary",
    "commentary_without_numbers": "Commentary without numbers",
    "combination": "Difficulty, class, event and commentary",
}


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
    table = read_open_predictions(predictions, ["chosen", "plain/linear/100/8", "authors/stage_mean"])
    grid = [member for member in table["member"].unique() if member.startswith("grid/")]
    candidates = {member: estimate(table, member, settings) for member in grid}
    rows = [
        ("S3D", CORRELATION, SPEARMAN, HONEST, estimate(table, "chosen", settings)),
        (
            "Linear SVR, C 100, epsilon 8",
            CORRELATION,
            SPEARMAN,
            HONEST,
            estimate(table, "plain/linear/100/8", settings),
        ),
        ("Mean of the stage scores", CORRELATION, SPEARMAN, HONEST, estimate(table, "authors/stage_mean", settings)),
    ]
    if candidates:
        best = max(candidates.values(), key=lambda candidate: candidate.value)
        rows.insert(1, ("S3D", CORRELATION, SPEARMAN, CHOSEN_ON_TEST, best))
    write_scores(scores, "unlv_dive_s3d", rows, settings)


def score_mtl_aqa_labels(predictions: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Each predictor without video on MTL-AQA's test split; arguments and errors as `score_unlv_dive_s3d`."""
    table = read_open_predictions(predictions, list(LABEL_ROWS))
    rows = [
        (row, CORRELATION, SPEARMAN, HONEST, estimate(table, member, settings)) for member, row in LABEL_ROWS.items()
    ]
    write_scores(scores, "mtl_aqa_labels", rows, settings)


def score_human_ceiling(predictions: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Each judge against the others: all events together, execution alone, and every event.

    The row `Human expert` averages the seats by Fisher's z; seats are resampled on the same dives. Synchronised panels have
    rows of their own. Arguments and errors as `score_unlv_dive_s3d`.
    """
    table = read_open_predictions(predictions, ["judge/1", "execution/1"])
    table = table.assign(event=table["sample"].str.split("/").str[0])
    rows: list[tuple[str, str, str, str, Estimate]] = []
    for prefix, suffix in (("", ""), ("synchronised/", ", synchronised")):
        for kind, column in (("judge", CORRELATION), ("execution", "Execution alone")):
            part = table[table["member"].str.startswith(f"{prefix}{kind}/")]
            rows += seat_rows(part, suffix, column, settings)
        by_event = table[table["member"].str.startswith(f"{prefix}judge/")].groupby("event", sort=True)
        for event, part in by_event:
            rows += seat_rows(part, suffix, f"Event {event}", settings)
    write_scores(scores, "human_ceiling", rows, settings)


def seat_rows(
    table: pd.DataFrame, suffix: str, column: str, settings: Mapping[str, Any]
) -> list[tuple[str, str, str, str, Estimate]]:
    """A row for each judge's seat and one for their average; none where there are no such judges."""
    members = sorted(table["member"].unique(), key=lambda member: int(member.rsplit("/", 1)[1]))
    if not members:
        return []
    seats = {member.rsplit("/", 1)[1]: estimate(table, member, settings) for member in members}
    average = combine(list(seats.values()), fisher_z_average)
    average = replace(average, n=table["sample"].nunique())  # the seats judge the same dives; `combine` adds them up
    rows = [(f"Judge {seat}{suffix}", column, SPEARMAN, HONEST, value) for seat, value in seats.items()]
    return [(f"Human expert{suffix}", column, FISHER_AVERAGE, HONEST, average), *rows]


def read_open_predictions(path: Path, members: Sequence[str]) -> pd.DataFrame:
    """Predictions of models that were fitted once, in a fixed order.

    Raises:
        RescoreError: columns or members are missing, rows are duplicated, or values are NaN, infinite, or in another unit.
    """
    table = read_table(path)
    remedy = f"delete {path} and rerun the experiment that writes it."
    missing = [f"no column '{column}'" for column in COLUMNS if column not in table.columns]
    raise_together(f"{path}: bad predictions", missing, remedy)
    found = set(table["member"])
    problems = [f"no predictions of {member}" for member in members if member not in found]
    raise_together(f"{path}: bad predictions", [*problems, *value_problems(table)], remedy)
    return table.sort_values(["member", "sample"]).reset_index(drop=True)


def estimate(table: pd.DataFrame, member: str, settings: Mapping[str, Any]) -> Estimate:
    """Spearman's rho of one member over its dives, with bootstrap replicates over dives."""
    rows = table[table["member"] == member]
    target, predicted, samples = (rows[column].to_numpy()[None] for column in ("target", "predicted", "sample"))
    return bootstrap_spearman(target, predicted, samples, member, settings["scoring"]["bootstrap"], settings["seed"])


def write_scores(
    path: Path, experiment: str, rows: Sequence[tuple[str, str, str, str, Estimate]], settings: Mapping[str, Any]
) -> None:
    """Write (row, column, statistic, protocol, estimate) as the scores contract has it; undefined values stay empty."""
    records = []
    for row, column, statistic, protocol, value in rows:
        low, high = bca_interval(value, settings["scoring"]["confidence"])
        records.append((experiment, row, column, statistic, protocol, value.value, low, high, value.n, value.seeds))
    names = ["experiment", "row", "column", "statistic", "protocol", "value", "low", "high", "n", "seeds"]
    table = pd.DataFrame(records, columns=names)
    numbers = ["value", "low", "high"]
    table[numbers] = table[numbers].astype(float).replace([np.inf, -np.inf], np.nan)
    write_table(path, table)
