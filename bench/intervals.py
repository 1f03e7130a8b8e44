"""Do the two intervals hold what they promise? Coverage, false verdicts and power where the truth is known (scoring.intervals).

    python bench/intervals.py                              minutes on one core; a Markdown table
    python bench/intervals.py --csv docs/images/intervals.csv --figure docs/images/intervals.svg --document docs/statistics.md

Two systems share test samples and, training by training, a backbone. artanh of a training's population rho is the system's
mean, plus the backbone's part, plus the training's own; predictions are normal with that rho, and a part of their error is
common to all trainings. `ties` rounds scores and predictions to half a standard deviation. Each interval is held against its
own target: the confidence interval against the mean over all samples and trainings, the prediction interval against the rho of
one more training on the same samples. At K = 1 the variance over trainings is from five trainings of a third system with the
same variances (4 degrees of freedom).
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from rescore.scoring.intervals import (
    Spread,
    confidence_interval,
    on_scale,
    prediction_interval,
    sampling_covariance,
    spread_of,
    t_test,
)

REPETITIONS = 4000
CASES = ((28, 0.6), (28, 0.9), (50, 0.6), (106, 0.6), (106, 0.9), (353, 0.6))
"""Test samples, and rho of both systems where they are equal."""
TRAININGS = (1, 3, 5)
MOST, MEASURED = max(TRAININGS), 5
BACKBONE, OWN = 0.08, 0.10
"""Standard deviations of artanh rho over backbones and over a training's own seeds: about what demo has."""
COMMON = 0.7
"""Share of the error's variance that trainings of a system have in common; 0.4 of it with the other system's."""
BETTER = 0.15
"""By how much the better system's artanh rho is higher where power is asked for."""
CHUNK = 250
WANTED = (0.93, 0.97)


def pearson_of(spearman: np.ndarray) -> np.ndarray:
    """Pearson's r of a binormal pair with this Spearman's rho (Pearson 1907)."""
    return 2 * np.sin(np.pi * spearman / 6)


def rounded(values: np.ndarray, ties: bool) -> np.ndarray:
    return np.round(2 * values) / 2 if ties else values


def spearman_with_influence(target: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spearman's rho (...,) and each sample's influence (..., n), all leave-one-out ranks counted at once."""
    n = target.shape[-1]
    x, y = rankdata(target, axis=-1), rankdata(predicted, axis=-1)
    # Below a sample that is left out ranks stay, above it they fall by one, among its equals by a half.
    fall = [np.float32(0.5) * np.sign(r[..., None, :] - r[..., :, None]).astype(np.float32) + np.float32(0.5) for r in (x, y)]
    centre = np.float32(n / 2)
    a, b = (side[..., None, :].astype(np.float32) - part - centre for side, part in zip((x, y), fall, strict=True))
    keep = ~np.eye(n, dtype=bool)
    sums = [np.where(keep, product, 0).sum(-1, dtype=np.float64) for product in (a * b, a * a, b * b)]
    left_out = sums[0] / np.sqrt(sums[1] * sums[2])
    x, y = x - (n + 1) / 2, y - (n + 1) / 2
    rho = (x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    return rho, np.sqrt((n - 1) / n) * (left_out.mean(-1, keepdims=True) - left_out)


def simulate(n: int, means: tuple[float, float], ties: bool, repetitions: int, generator: np.random.Generator) -> dict[str,
np.ndarray]:
    """Values and influences on the artanh scale: of two systems' trainings (the last is the next one), and of the measured
    system.

    Returns:
        `values` (3, repetitions, trainings), `influence` (3, repetitions, trainings, n).
    """
    trainings = MOST + 1
    target = generator.normal(size=(repetitions, 1, n))
    everyone = generator.normal(size=(repetitions, 1, n))
    values, influence = [], []
    shared = BACKBONE * generator.normal(size=(repetitions, trainings))
    for system, mean in enumerate((*means, means[0])):
        backbone = shared if system < 2 else BACKBONE * generator.normal(size=shared.shape)
        z = mean + backbone + OWN * generator.normal(size=shared.shape)
        r = pearson_of(np.tanh(z))[..., None]
        own = generator.normal(size=(repetitions, 1, n))
        common = np.sqrt(0.4) * everyone + np.sqrt(0.6) * own
        error = np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * generator.normal(size=(repetitions, trainings, n))
        predicted = rounded(r * target + np.sqrt(1 - r**2) * error, ties)
        score = np.broadcast_to(rounded(target, ties), predicted.shape)
        rho, moved = spearman_with_influence(score, predicted)
        values.append(rho)
        influence.append(moved)
    return {"values": np.stack(values), "influence": np.stack(influence)}


def truth(mean: float, ties: bool) -> float:
    """Mean over trainings of artanh of the population's rho; with ties by a large sample at the nodes of a quadrature."""
    if not ties:
        return mean
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    generator = np.random.default_rng(1)
    target, error = generator.normal(size=(2, 1_000_000))
    found = []
    for z in mean + np.hypot(BACKBONE, OWN) * nodes:
        r = pearson_of(np.tanh(z))
        ranks = [rankdata(rounded(part, True)) for part in (target, r * target + np.sqrt(1 - r**2) * error)]
        found.append(np.arctanh(np.corrcoef(*ranks)[0, 1]))
    return float(np.average(found, weights=weights))


def spread_at(values: np.ndarray, influence: np.ndarray, measured: tuple[np.ndarray, np.ndarray] | None, parts: int = 1) ->
Spread:
    """The spread of K trainings; of one by the measured system's (`parts`: systems whose variances add up in a difference)."""
    n = influence.shape[-1]
    if measured is None:
        return spread_of(values, influence, n)
    others, theirs = measured
    variance, covariance = sampling_covariance(theirs)
    share = np.clip(covariance / variance, 0, 1)
    sampling = np.square(influence[..., 0, :]).sum(-1)
    mean_square = others.var(axis=-1, ddof=1)
    if parts == 1:
        mean_square = np.maximum(mean_square - (1 - share) * variance, 0) + (1 - share) * sampling
    return Spread(values[..., 0], parts * mean_square, MEASURED - 1, share * sampling, 1, n)


def outcomes(n: int, rho: float, ties: bool, seed: int, repetitions: int) -> Iterator[dict[str, Any]]:
    """A line a K: how often each interval held its target, and what was decided of the two systems."""
    z = float(np.arctanh(rho))
    expected, better = truth(z, ties), truth(z + BETTER, ties)
    found: dict[int, list[np.ndarray]] = {k: [] for k in TRAININGS}
    for chunk in range(-(-repetitions // CHUNK)):
        equal, apart = (
            simulate(n, means, ties, CHUNK, np.random.default_rng([seed, chunk, which]))
            for which, means in enumerate(((z, z), (z + BETTER, z)))
        )
        for k in TRAININGS:
            found[k].append(np.stack([*held(equal, expected, k), *decided(equal, k), *decided(apart, k)]))
    for k in TRAININGS:
        rates = np.concatenate(found[k], axis=1)[:, :repetitions].mean(axis=1)
        names = ("confidence", "prediction", "difference", "differs", "half_width", "false_decision", "power", "covered_apart")
        yield {"n": n, "rho": rho, "ties": ties, "trainings": k, **dict(zip(names, rates, strict=False)), "gap": better -
        expected}


def held(drawn: dict[str, np.ndarray], expected: float, k: int) -> list[np.ndarray]:
    """Whether the confidence interval holds the mean, the prediction interval the next training, and the difference's interval 0;
    whether a number printed of the next training `differs`; half the prediction interval's width, as rho."""
    values, influence = on_scale("artanh", drawn["values"], drawn["influence"])
    measured = (values[2, :, :MEASURED], influence[2, :, :MEASURED]) if k == 1 else None
    spread = spread_at(values[0, :, :k], influence[0, :, :k], measured)
    low, high = confidence_interval(spread)
    near, far = prediction_interval(spread)
    following = values[0, :, -1]
    inside = (near <= following) & (following <= far)
    return [(low <= expected) & (expected <= high), inside, np.abs(difference_test(drawn, k)[0]), ~inside, (np.tanh(far) -
    np.tanh(near)) / 2]


def difference_test(drawn: dict[str, np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether the interval of the difference of the two systems holds 0, and the sign of the difference where it does not."""
    values = drawn["values"][0] - drawn["values"][1]
    influence = drawn["influence"][0] - drawn["influence"][1]
    slope = 1 - np.square(drawn["values"][:2, :, :1]).mean(axis=0)
    measured = None
    if k == 1:
        others, theirs = on_scale("artanh", drawn["values"][2, :, :MEASURED], drawn["influence"][2, :, :MEASURED])
        measured = (others * slope, theirs * slope[..., None])
    spread = spread_at(values[:, :k], influence[:, :k], measured, parts=2)
    _, p = t_test(spread)
    return (p >= 0.05).astype(float), np.where(p < 0.05, np.sign(spread.mean), 0)


def decided(drawn: dict[str, np.ndarray], k: int) -> list[np.ndarray]:
    """Whether the two systems are told apart at all; of better ones, rightly."""
    _, sign = difference_test(drawn, k)
    return [sign != 0] if False else [sign > 0, sign < 0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    options = parser.parse_args()
    lines = []
    for seed, (n, rho) in enumerate(CASES):
        for ties in (False, True):
            lines += list(outcomes(n, rho, ties, 10 * seed + ties, options.repetitions))
            print(pd.DataFrame(lines[-3:]).round(3).to_string(header=len(lines) == 3), flush=True)
