"""Both intervals of an estimate, and the file of estimates that claims are decided by.

`runs/<scale>/scores/<table>.estimates.parquet` holds a row a cell of the scores: every training's value and what each test
sample adds to it. From these the difference of any two cells has its interval, whatever tables they stand in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_table
from rescore.scoring.correlation import Estimate, Trained, bca_interval, is_told_by_trainings, scaled
from rescore.scoring.intervals import (
    Spread,
    TrainingVariance,
    confidence_interval,
    from_scale,
    prediction_interval,
    spread_by_file,
    spread_of,
    t_test,
)

TRAININGS, FILE, NONE, NOTHING_TRAINED = "trainings", "file", "none", "nothing trained"
"""Where the variance over trainings is from; `none`: there is one training and no file, so the interval is over test samples
only."""
NO_INTERVAL = (np.nan, np.nan)


@dataclass(frozen=True)
class Intervals:
    """Both intervals in the estimate's unit; NaN where one is undefined."""

    confidence: tuple[float, float]
    """New test samples and new trainings."""
    prediction: tuple[float, float]
    """One new training, these test samples."""
    rerun: tuple[float, float]
    """As many new trainings as there were, these test samples."""
    variance: str
    """TRAININGS, FILE, NONE or NOTHING_TRAINED."""


def variance_of(estimate: Estimate) -> str:
    """Where the variance over trainings of an estimate is from."""
    if not estimate.trained.numbers:
        return NOTHING_TRAINED
    if len(estimate.trained.numbers) > 1:
        return TRAININGS
    return NONE if estimate.trained.file is None else FILE


def spread(estimate: Estimate) -> Spread | None:
    """How an estimate varies, on its scale; None where it is undefined, or over trainings unknown.

    Where nothing is trained, MS is 0 and samples alone vary.
    """
    values, influence = scaled(estimate)
    units, file = len(estimate.samples), estimate.trained.file
    if not (np.isfinite(values).all() and np.isfinite(influence).all()):
        return None
    if not estimate.trained.numbers:
        return Spread(float(values.mean()), 0.0, 1, float(np.square(influence.mean(axis=0)).sum()), 1, units)
    if len(values) > 1:
        return spread_of(values, influence, units)
    return None if file is None else spread_by_file(float(values[0]), influence[0], units, file)


def intervals_of(estimate: Estimate, confidence: float = 0.95) -> Intervals:
    """The confidence interval and the prediction interval of one further training.

    Where nothing is trained, and for a single training of whose variance nothing is known, the confidence interval is BCa's
    over test samples and nothing is predicted.
    """
    source = variance_of(estimate)
    if extreme := interval_at_the_end(estimate, confidence):
        return Intervals(extreme, NO_INTERVAL, NO_INTERVAL, source)
    if not is_told_by_trainings(estimate.trained):
        return Intervals(bca_interval(estimate, confidence), NO_INTERVAL, NO_INTERVAL, source)
    if (found := spread(estimate)) is None:
        return Intervals(NO_INTERVAL, NO_INTERVAL, NO_INTERVAL, source)
    one, as_many = (prediction_interval(found, confidence, further) for further in (1, found.trainings))
    bounds = [taken_back(estimate, pair) for pair in (confidence_interval(found, confidence), one, as_many)]
    return Intervals(bounds[0], bounds[1], bounds[2], source)


def taken_back(estimate: Estimate, bounds: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Bounds on an estimate's scale in its own unit; those of a difference as two points that lie evenly about its centre."""

    def back(bound: Any) -> float:
        return estimate.unit * float(from_scale(estimate.scale, bound))

    low, high = bounds
    if estimate.centre is None:
        return back(low), back(high)
    centre = estimate.centre
    return back(centre + low / 2) - back(centre - low / 2), back(centre + high / 2) - back(centre - high / 2)


def interval_at_the_end(estimate: Estimate, confidence: float) -> tuple[float, float] | None:
    """Wilson's interval of a share that is 0 or 1 in every training: every resample and every training are the same. None for
    others."""
    shares = estimate.values / estimate.unit
    if (
        estimate.scale != "angular"
        or estimate.centre is not None
        or not (np.ptp(shares) == 0 and shares[0] in (0.0, 1.0))
    ):
        return None
    from statsmodels.stats.proportion import proportion_confint

    right = estimate.n if shares[0] else 0
    low, high = proportion_confint(right, estimate.n, alpha=1 - confidence, method="wilson")
    return estimate.unit * float(low), estimate.unit * float(high)


def against_zero(estimate: Estimate) -> tuple[float, float]:
    """t and two-sided p of an estimate (a difference) against 0, over new samples and new trainings; NaN where trainings are
    unknown."""
    if (found := spread(estimate)) is None:
        return NO_INTERVAL
    statistic, p = t_test(found)
    return float(statistic), float(p)


KEY = ["row", "column", "statistic", "protocol"]


def estimate_record(estimate: Estimate) -> dict[str, Any]:
    """An estimate as a row of a file."""
    file = estimate.trained.file
    return {
        "value": estimate.value,
        "n": estimate.n,
        "scale": estimate.scale,
        "unit": estimate.unit,
        "centre": estimate.centre,
        "numbers": list(estimate.trained.numbers),
        "values": [float(value) for value in estimate.values],
        "samples": [str(name) for name in estimate.samples],
        "influence": estimate.influence.ravel().tolist(),
        "file": [] if file is None else [file.mean_square, file.degrees, file.shared, file.sampling],
        "replicates": estimate.replicates.tolist(),
    }


def estimate_in(record: dict[str, Any]) -> Estimate:
    """The estimate of `estimate_record`."""
    values = np.asarray(record["values"], dtype=float)
    file = TrainingVariance(*map(float, record["file"])) if len(record["file"]) else None
    return Estimate(
        value=float(record["value"]),
        n=int(record["n"]),
        values=values,
        samples=np.asarray(record["samples"], dtype=object),
        influence=np.asarray(record["influence"], dtype=float).reshape(len(values), -1),
        trained=Trained(tuple(map(int, record["numbers"])), file),
        scale=str(record["scale"]),
        unit=float(record["unit"]),
        centre=None if pd.isna(record["centre"]) else float(record["centre"]),
        replicates=np.asarray(record["replicates"], dtype=float),
    )


def write_estimates(path: Path, rows: Iterable[tuple[dict[str, str], Estimate]]) -> None:
    """Write the estimates behind scores.

    Args:
        rows: what names a line of the scores (`KEY`), and its estimate.
    """
    lines = [{**name, **estimate_record(estimate)} for name, estimate in rows]
    write_table(path, pd.DataFrame(lines, columns=[*KEY, *RECORD]))


RECORD = ["value", "n", "scale", "unit", "centre", "numbers", "values", "samples", "influence", "file", "replicates"]


def read_estimates(path: Path) -> dict[tuple[str, str, str], Estimate]:
    """Estimates by row, column and protocol.

    Raises:
        RescoreError: the file is missing or damaged, or lacks columns.
    """
    table = read_table(path)
    missing = [f"no column '{name}'" for name in (*KEY, *RECORD) if name not in table.columns]
    raise_together(f"{path}: not a file of estimates", missing, "delete it and run the workflow again.")
    lines = [{str(name): value for name, value in line.items()} for line in table.to_dict("records")]
    return {(str(line["row"]), str(line["column"]), str(line["protocol"])): estimate_in(line) for line in lines}
