"""scores.csv: a row a statistic, with its intervals and what they rest on; the form that every table of scores has."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import write_table
from rescore.scoring.correlation import Estimate
from rescore.scoring.estimates import KEY, intervals_of, write_estimates

INTERVALS = ["low", "high", "prediction_low", "prediction_high"]
"""The confidence interval (new test samples, new trainings), and the prediction interval (a new training, these test samples)."""
RERUN = ["rerun_low", "rerun_high"]
"""Where as many further trainings on these test samples put the mean: what a rerun of ours is held against, and nothing else."""
COLUMNS = [
    "experiment",
    "row",
    "column",
    "statistic",
    "protocol",
    "value",
    *INTERVALS,
    *RERUN,
    "n",
    "seeds",
    "variance",
    "reason",
    "cells",
    "combined",
]
"""`seeds`: trainings (or repetitions of what has none); `variance`: where the variance over trainings is from
(scoring.estimates); `reason`: why a cell is empty or not what it seems; `cells`: the members that fill it, a JSON list of
[member, what it was scored on]; `combined`: how several are combined (an average's rule, or `difference`)."""


def score_row(
    row: str, column: str, statistic: str, protocol: str, estimate: Estimate, confidence: float, reason: str = ""
) -> dict[str, Any]:
    """One row, what fills it aside, with the estimate itself."""
    found = intervals_of(estimate, confidence)
    return {
        "row": row,
        "column": column,
        "statistic": statistic,
        "protocol": protocol,
        "value": estimate.value,
        **dict(zip((*INTERVALS, *RERUN), (*found.confidence, *found.prediction, *found.rerun), strict=True)),
        "n": estimate.n,
        "seeds": estimate.seeds,
        "variance": found.variance,
        "reason": reason,
        "estimate": estimate,
    }


def empty_row(row: str, column: str, statistic: str, protocol: str, reason: str) -> dict[str, Any]:
    """The row of a cell that has no number, with the reason alone."""
    nothing = dict.fromkeys(("value", *INTERVALS, *RERUN), np.nan) | {"n": None, "seeds": None, "variance": ""}
    return {"row": row, "column": column, "statistic": statistic, "protocol": protocol, "reason": reason, **nothing}


def filled_by(named: Sequence[Sequence[str]], combined: str = "") -> dict[str, str]:
    """What fills a row.

    Args:
        named: members, each with the action, sub-action or metric that it was scored on, and where only some samples count the
            prefix of their names.
        combined: how several are combined.
    """
    return {"cells": json.dumps(named) if named else "", "combined": combined}


def write_scores(
    path: Path,
    experiment: str,
    rows: Iterable[dict[str, Any]],
    more: tuple[str, ...] = (),
    estimates: Path | None = None,
) -> None:
    """Write rows to 10 decimal places; undefined values stay empty.

    Args:
        experiment: whose predictions were scored: folders under runs/<scale>, joined by ", ".
        more: columns beyond the contract's.
        estimates: where the estimates behind the rows are written, for claims; a row of a curve is named `Diving 25 at 100`.
    """
    lines = [{"experiment": experiment, "cells": "", "combined": "", **row} for row in rows]
    kept = [{name: value for name, value in line.items() if name != "estimate"} for line in lines]
    table = pd.DataFrame(kept, columns=[*COLUMNS, *more])
    write_table(path, table.astype({"n": "Int64", "seeds": "Int64"}).round(10))
    if estimates is not None:
        write_estimates(estimates, [(name_of(line), line["estimate"]) for line in lines if "estimate" in line])


def name_of(line: Mapping[str, Any]) -> dict[str, str]:
    """What names a row among estimates."""
    name = {key: str(line[key]) for key in KEY}
    return name | (
        {"column": f"{name['column']} at {line['iteration']}", "protocol": ""} if "iteration" in line else {}
    )
