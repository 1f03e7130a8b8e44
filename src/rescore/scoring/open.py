"""Scores on real public data that no table of members declares: Table 1 from AQA-7's lists, and judges against judges."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.datasets.aqa7.official import read_lists
from rescore.engine.errors import raise_together
from rescore.engine.storage import write_table
from rescore.manifests.summary import summarise
from rescore.scoring.correlation import Estimate, Trained, combine, estimate_spearman, fisher_z_average
from rescore.scoring.papers import NOTHING_CHOSEN
from rescore.scoring.predictions import read_columns, value_problems
from rescore.scoring.scores import filled_by, score_row, write_scores

CORRELATION, EXECUTION = "Sp. Corr.", "Execution alone"
AVERAGE = "fisher_z_average"


def summarise_aqa7_lists(lists: Path, summary: Path) -> None:
    """Table 1's characteristics from AQA-7's official lists (CSV `row, column, value, n, reason`); lengths need the videos.

    Raises:
        RescoreError: the lists are missing or wrong.
    """
    write_table(summary, summarise(read_lists(lists)))


def score_human_ceiling(predictions: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Each judge against the others: all events together, execution alone, and every event.

    The row `Human expert` averages the seats by Fisher's z; seats are resampled on the same dives. Synchronised panels have
    rows of their own.

    Args:
        predictions: Parquet of `systems.human_ceiling.judges`.
        scores: written, CSV of the scores contract.
        settings: `seed`; `scoring`: `bootstrap` (replicates), `confidence`.

    Raises:
        RescoreError: predictions are missing, duplicated, or not finite.
    """
    table, remedy = read_columns(predictions)
    missing = [f"no predictions of {name}" for name in ("judge/1", "execution/1") if name not in set(table["member"])]
    raise_together(f"{predictions}: bad predictions", [*missing, *value_problems(table)], remedy)
    table = table.sort_values(["member", "sample"]).reset_index(drop=True)
    table = table.assign(event=table["sample"].str.split("/").str[0])
    rows: list[dict[str, Any]] = []
    for prefix, suffix in (("", ""), ("synchronised/", ", synchronised")):
        for kind, column in (("judge", CORRELATION), ("execution", EXECUTION)):
            part = table[table["member"].str.startswith(f"{prefix}{kind}/")]
            rows += seat_rows(part, suffix, column, settings)
        by_event = table[table["member"].str.startswith(f"{prefix}judge/")].groupby("event", sort=True)
        for event, part in by_event:
            rows += seat_rows(part, suffix, f"Event {event}", settings, f"{event}/")
    write_scores(scores, "human_ceiling", rows)


def seat_rows(
    table: pd.DataFrame, suffix: str, column: str, settings: Mapping[str, Any], samples: str = ""
) -> list[dict[str, Any]]:
    """A row for each judge's seat and one for their average; none where there are no such judges.

    `samples` is how the names of the dives begin, where they are not all.
    """
    members = sorted(table["member"].unique(), key=lambda member: int(member.rsplit("/", 1)[1]))
    if not members:
        return []
    confidence, seats = settings["scoring"]["confidence"], {}
    named = {member: [member, "diving", *([samples] if samples else [])] for member in members}
    for member in members:
        seats[member] = estimate(table, member, settings)
    average = combine(list(seats.values()), fisher_z_average)
    average = replace(average, n=table["sample"].nunique())  # the seats judge the same dives; `combine` adds them up
    rows = [
        score_row(f"Human expert{suffix}", column, AVERAGE, NOTHING_CHOSEN, average, confidence)
        | filled_by(list(named.values()), AVERAGE)
    ]
    for member, found in seats.items():
        row = f"Judge {member.rsplit('/', 1)[1]}{suffix}"
        rows.append(score_row(row, column, "spearman", NOTHING_CHOSEN, found, confidence) | filled_by([named[member]]))
    return rows


def estimate(table: pd.DataFrame, member: str, settings: Mapping[str, Any]) -> Estimate:
    """Spearman's rho of one member over its dives, with bootstrap replicates over dives: nothing here is trained again."""
    rows = table[table["member"] == member]
    target, predicted, samples = (rows[column].to_numpy()[None] for column in ("target", "predicted", "sample"))
    replicates, seed = settings["scoring"]["bootstrap"], settings["seed"]
    return estimate_spearman(target, predicted, samples, Trained(), replicates, seed)
