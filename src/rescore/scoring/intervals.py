"""Two intervals of a mean over trainings, each for a question of its own: arrays in, arrays out.

    values of K trainings, influence of n samples on each ─► Spread ─┬─► confidence_interval: new samples and new trainings
                                                                     └─► prediction_interval: a new training, these samples

Trainings are readers and test samples are cases (Obuchowski & Rockette 1995; Hillis 2007). Both intervals are taken on a scale on
which the statistic's error depends little on its value, and neither ever stands in for the other. docs/statistics.md has the
formulas, their sources and every degenerate case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student_t

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Scale:
    """A scale to take intervals on."""

    forward: Function
    back: Function
    slope: Function
    """Derivative of `forward`: what an influence on the statistic is multiplied by to be one on this scale."""
    lowest: float = -np.inf
    highest: float = np.inf
    """Ends of the scale: bounds are cut there before they are taken back."""


SCALES = {
    "artanh": Scale(np.arctanh, np.tanh, lambda value: 1 / (1 - np.square(value))),
    "angular": Scale(
        lambda share: np.arcsin(np.sqrt(share)),
        lambda angle: np.square(np.sin(angle)),
        lambda share: 0.5 / np.sqrt(share * (1 - share)),
        0.0,
        np.pi / 2,
    ),
    "log": Scale(np.log, np.exp, lambda value: 1 / np.asarray(value)),
    "positive": Scale(np.asarray, np.asarray, np.ones_like, 0.0),
    "identity": Scale(np.asarray, np.asarray, np.ones_like),
}
"""Correlations, and averages of them: artanh. Shares: the angular one (Anscombe 1948), which has a value at 0 and 1. Errors in
points: log. Caption metrics, which may be 0: as they are, `positive`. Differences: the scale of both sides."""


def on_scale(scale: str, values: np.ndarray, influence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (..., K) and influences (..., K, n) on a scale; infinite or NaN where the scale has no such value."""
    used = SCALES[scale]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = used.slope(values)[..., None] * influence
        # What no sample moves stays unmoved, at the ends of a scale too, where the slope is infinite.
        return np.asarray(used.forward(values)), np.where(influence == 0, 0.0, moved)


def from_scale(scale: str, bounds: np.ndarray) -> np.ndarray:
    """Bounds of an interval taken back from a scale."""
    used = SCALES[scale]
    return np.asarray(used.back(np.clip(bounds, used.lowest, used.highest)))


@dataclass(frozen=True)
class Spread:
    """How a mean over trainings varies, on one scale; numbers, or arrays of equal shape."""

    mean: Any
    mean_square: Any
    """MS: the variance of a single training's value on these samples."""
    degrees: Any
    """Degrees of freedom of MS."""
    shared: Any
    """Cov: the variance that test samples give to all trainings alike, 0 or more."""
    trainings: int
    """K, the trainings that the mean is over."""
    units: int
    """Test samples behind the statistic."""

    @property
    def variance(self) -> Any:
        """Of the mean, over new samples and new trainings."""
        return (self.mean_square + self.trainings * self.shared) / self.trainings

    @property
    def variance_degrees(self) -> Any:
        """Degrees of freedom of `variance` (Satterthwaite 1946; Hillis 2007, eq. 16, has the first term below alone).

        The second term is that of Cov, a variance over n samples: without it few samples pass for none, and trainings that all
        gave the same for certainty.
        """
        samples = self.trainings * self.shared
        below = self.mean_square**2 / self.degrees + samples**2 / max(self.units - 1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.square(self.mean_square + samples) / below


def sampling_covariance(influence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Jackknife variance of one training and covariance of two, over test samples: means over trainings, and over their pairs.

    Args:
        influence: (..., K, n) what each sample adds to each training's value (`correlation.influences`): the sum of products
            over samples is the jackknife's covariance.

    Returns:
        Variance and covariance, (...); the covariance of a single training is NaN.
    """
    trainings = influence.shape[-2]
    own = np.square(influence).sum(axis=(-2, -1))
    everything = np.square(influence.sum(axis=-2)).sum(axis=-1)
    pairs = trainings * (trainings - 1)
    covariance = (everything - own) / pairs if pairs else np.full(own.shape, np.nan)
    return own / trainings, covariance


def spread_of(values: np.ndarray, influence: np.ndarray, units: int) -> Spread:
    """The spread of K >= 2 trainings on a scale.

    Args:
        values: (..., K).
        influence: (..., K, n).
        units: test samples.
    """
    trainings = values.shape[-1]
    _, covariance = sampling_covariance(influence)
    mean_square = values.var(axis=-1, ddof=1)
    return Spread(values.mean(axis=-1), mean_square, trainings - 1, np.maximum(covariance, 0), trainings, units)


def confidence_interval(spread: Spread, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Where the mean over all trainings and all samples lies: mean +- t sqrt((MS + K Cov) / K) (Hillis 2007, eqs. 13 to 16)."""
    half = student_t.ppf(0.5 + confidence / 2, spread.variance_degrees) * np.sqrt(spread.variance)
    return spread.mean - half, spread.mean + half


def prediction_interval(spread: Spread, confidence: float = 0.95, further: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Where the mean over further trainings on these very samples lies: mean +- t sqrt(MS (1/K + 1/K')).

    What samples give to all trainings alike is in both means and cancels. Nothing is predicted where MS is 0: that K trainings
    gave one number does not show that the next will.

    Args:
        further: K', the trainings in the mean that is predicted: 1 for a number that a paper prints.
    """
    width = np.where(spread.mean_square > 0, spread.mean_square * (1 / spread.trainings + 1 / further), np.nan)
    half = student_t.ppf(0.5 + confidence / 2, spread.degrees) * np.sqrt(width)
    return spread.mean - half, spread.mean + half


def t_test(spread: Spread) -> tuple[np.ndarray, np.ndarray]:
    """t of the mean against 0, and its two-sided p: of the same error and degrees of freedom as the confidence interval."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = spread.mean / np.sqrt(spread.variance)
    return np.asarray(statistic), np.asarray(2 * student_t.sf(np.abs(statistic), spread.variance_degrees))


@dataclass(frozen=True)
class TrainingVariance:
    """What a file says of the trainings of a system that was trained once here (scoring.training_variance)."""

    mean_square: float
    """On the statistic's scale."""
    degrees: float
    shared: float
    """Share of the sampling variance that two trainings have in common, 0 to 1: Cov over the variance of one training."""
    sampling: float = np.nan
    """Jackknife variance of one training over the samples that MS was measured on, on the scale."""

    def on(self, sampling: float) -> float:
        """MS on samples over which one training has this jackknife variance (`moved_mean_square`)."""
        if not np.isfinite(self.sampling):
            return self.mean_square
        return float(moved_mean_square(self.mean_square, self.shared, self.sampling, sampling))


def moved_mean_square(mean_square: Any, shared: Any, measured: Any, sampling: Any) -> np.ndarray:
    """MS on other samples than it was measured on.

    A part of MS is what samples give to one training and not to another: it grows and falls with the jackknife variance of one
    training, and the rest stays. On fewer samples MS grows by what that part grows; on more it falls by it, though never by more
    than if samples were all of it.

    Args:
        mean_square: as measured.
        shared: share of the jackknife variance that two trainings have in common.
        measured, sampling: jackknife variance of one training there and here.
    """
    added = (1 - shared) * (np.asarray(sampling) - measured)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.where(measured > 0, mean_square * np.minimum(sampling / measured, 1), 0.0)
    return np.maximum(mean_square + added, least)


def spread_by_file(value: float, influence: np.ndarray, units: int, file: TrainingVariance) -> Spread:
    """The spread of a single training whose variance over trainings was measured elsewhere.

    Args:
        value: on the scale.
        influence: (n,) on the scale.
    """
    sampling = float(np.square(influence).sum())
    return Spread(value, file.on(sampling), file.degrees, file.shared * sampling, 1, units)
