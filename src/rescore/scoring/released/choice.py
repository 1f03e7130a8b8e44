"""What choosing the epoch on test data is worth: the best epoch beside the last ones, and what noise alone would give.

    a log ─► mean over folds by epoch ─► best on test, last, mean of the last ten ─► price = best - mean of the last ten
          └► its last half ─► noise about a straight line (spread, lag-1 correlation, on Fisher's z)
                                 └► as many epochs of the same noise about one value, many times ─► the price by chance

Chance is simulated for the last half alone, where a training has mostly settled; the price of that half stands beside it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import read_table
from rescore.scoring.correlation import stable_generator
from rescore.scoring.papers import NOTHING_CHOSEN
from rescore.scoring.released.cells import EXPERIMENT, TEN, by_epoch, predicted_by_epoch
from rescore.scoring.released.declared import OTHERS, RHO
from rescore.scoring.scores import empty_row, write_scores

FEWEST = 2 * TEN
"""Epochs that a log has to have: its last half holds the last ten."""
REPLICATES = 2000
FUSED = "fused"
BEST, LAST, LAST_TEN = "Best epoch on test", "Last epoch", "Mean of the last ten"
PRICE, HALF, CHANCE = "Price of choosing", "Price in the last half", "Price by chance in the last half"


@dataclass(frozen=True)
class Series:
    """Test correlations of a training recipe by epoch, a column a run."""

    title: str
    samples: int
    values: pd.DataFrame
    note: str


@dataclass(frozen=True)
class Price:
    """What choosing on test adds, the mean over runs, in units of rho."""

    best: float
    last: float
    last_ten: float
    half: float
    """Of the last half of the epochs."""
    chance: float
    """Mean of the simulated prices of the last half, and their 2.5% and 97.5% quantiles."""
    low: float
    high: float

    @property
    def price(self) -> float:
        return self.best - self.last_ten


def price_choices(points: Path, predictions: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Write the price of every log and every system whose predictions of many epochs are released.

    Args:
        points, predictions: of `collect.collect`.
        scores: written, CSV of the scores contract: a row a system and data set, those with the most test samples first.
        settings: `seed`, `scoring.confidence`.
    """
    found = [*logged(read_table(points)), *predicted(read_table(predictions))]
    found.sort(key=lambda series: (-series.samples, series.title))
    rows = [row for series in found for row in price_rows(series, settings)]
    write_scores(scores, EXPERIMENT, rows)


def logged(points: pd.DataFrame) -> Iterator[Series]:
    """The test correlations of every log."""
    for record, part in points.groupby("record", sort=False):
        first = part.iloc[0]
        whose = ", run by others" if first["whose"] == OTHERS else ""
        samples = int(part[["fold", "samples"]].drop_duplicates()["samples"].sum())
        yield Series(f"{first['system']}{whose}: {first['data']}", samples, by_epoch(part, RHO), f"the log {record}")


def predicted(predictions: pd.DataFrame) -> Iterator[Series]:
    """The same of released predictions of several epochs, by the path that joins the others."""
    test = predictions[predictions["split"] == "test"]
    for record, part in test.groupby("record", sort=False):
        mine = part[part["path"] == FUSED] if FUSED in set(part["path"]) else part
        first, epochs = mine.iloc[0], mine["epoch"].nunique()
        values = predicted_by_epoch(mine, RHO).to_frame(0)
        note = f"predictions {record}, {epochs} saved epochs"
        yield Series(f"{first['system']}: {first['data']}", mine["sample"].nunique(), values, note)


def price_rows(series: Series, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Score rows of one recipe; none where it has too few epochs."""
    values = series.values.dropna(how="any")
    if len(values) < FEWEST:
        return
    price = price_of(values, settings["seed"], series.title, settings["scoring"]["confidence"])
    note = f"{series.note}: {len(series.values)} epochs, {values.shape[1]} runs; a number of ours, no paper prints it"
    numbers = {
        BEST: price.best,
        LAST: price.last,
        LAST_TEN: price.last_ten,
        PRICE: price.price,
        HALF: price.half,
        CHANCE: price.chance,
    }
    for column, value in numbers.items():
        row = empty_row(series.title, column, RHO, NOTHING_CHOSEN, note)
        bounds = {"low": price.low, "high": price.high} if column == CHANCE else {}
        yield row | {"value": value, "n": series.samples, "seeds": values.shape[1]} | bounds


def price_of(values: pd.DataFrame, seed: int, name: str, confidence: float = 0.95) -> Price:
    """The price of choosing on test, and what the noise of the last half gives by chance.

    Args:
        values: (epochs, runs) test correlations, none of them NaN.
        seed, name: of the simulation's generator.
        confidence: of the quantiles between which the simulated prices lie.
    """
    numbers = values.to_numpy(float)
    tail = numbers[-TEN:].mean(axis=0)
    half = numbers[len(numbers) // 2 :]
    generator = stable_generator(seed, "choosing on test", name)
    simulated = np.mean([by_chance(half[:, run], generator) for run in range(half.shape[1])], axis=0)
    low, high = np.quantile(simulated, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Price(
        best=float(numbers.max(axis=0).mean()),
        last=float(numbers[-1].mean()),
        last_ten=float(tail.mean()),
        half=float((half.max(axis=0) - tail).mean()),
        chance=float(simulated.mean()),
        low=float(low),
        high=float(high),
    )


def by_chance(series: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(REPLICATES,) best less mean of the last ten, of as many epochs of the same noise about one value.

    The noise is a first-order autoregression on Fisher's z with the spread and the lag-1 correlation that the series has about a
    straight line: a trend is no noise, and neighbouring epochs are alike.
    """
    z = np.arctanh(np.clip(series, -0.999, 0.999))
    time = np.arange(len(z))
    residuals = z - np.polyval(np.polyfit(time, z, 1), time)
    spread = residuals.std(ddof=2)
    if spread == 0:
        return np.zeros(REPLICATES)
    lag = float(np.clip((residuals[1:] @ residuals[:-1]) / (residuals @ residuals), 0.0, 0.95))
    noise = generator.normal(0, spread, (len(z), REPLICATES))
    for epoch in range(1, len(z)):
        noise[epoch] = lag * noise[epoch - 1] + np.sqrt(1 - lag**2) * noise[epoch]
    drawn = np.tanh(z[-TEN:].mean() + noise)
    return np.asarray(drawn.max(axis=0) - drawn[-TEN:].mean(axis=0))
