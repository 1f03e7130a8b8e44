"""scores.csv: a row a statistic, with its intervals and what they rest on; the form that every table of scores has."""

from collections.abc import Iterable, Mapping
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
]
"""`seeds`: trainings (or repetitions of what has none); `variance`: where the variance over trainings is from
(scoring.estimates)."""
NOTHING_CHOSEN = ""
"""Protocol of a number that no choice went into (no iterations, no grid): the same under every protocol, so given once."""


def score_row(
    row: str, column: str, statistic: str, protocol: str, estimate: Estimate, confidence: float
) -> dict[str, Any]:
    """One row, the experiment's name aside, with the estimate itself."""
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
        "estimate": estimate,
    }


def empty_row(row: str, column: str, statistic: str, protocol: str, reason: str) -> dict[str, Any]:
    """The row of a cell that has no number, with the reason alone."""
    nothing = dict.fromkeys(("value", *INTERVALS, *RERUN), np.nan) | {"n": None, "seeds": None, "variance": ""}
    return {"row": row, "column": column, "statistic": statistic, "protocol": protocol, "reason": reason, **nothing}


def write_scores(
    path: Path,
    experiment: str,
    rows: Iterable[dict[str, Any]],
    more: tuple[str, ...] = (),
    estimates: Path | None = None,
) -> None:
    """Write rows to 10 decimal places; undefined values stay empty.

    Args:
        experiment: whose predictions were scored, but for rows that name another one under `experiment`.
        more: columns beyond the contract's.
        estimates: where the estimates behind the rows are written, for claims; a row of a curve is named `Diving 25 at 100`.
    """
    lines = [{"experiment": experiment, **row} for row in rows]
    table = pd.DataFrame([{name: value for name, value in line.items() if name != "estimate"} for line in lines])
    write_table(path, table.astype({"n": "Int64", "seeds": "Int64"})[[*COLUMNS, *more]].round(10))
    if estimates is not None:
        write_estimates(estimates, [(name_of(line), line["estimate"]) for line in lines if "estimate" in line])


def name_of(line: Mapping[str, Any]) -> dict[str, str]:
    """What names a row among estimates."""
    name = {key: str(line[key]) for key in KEY}
    return name | (
        {"column": f"{name['column']} at {line['iteration']}", "protocol": ""} if "iteration" in line else {}
    )
