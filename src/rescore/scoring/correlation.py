"""Spearman's rank correlation, averages of correlations, and their intervals.

A bootstrap resample is a vector of counts: how often each sample was drawn. The mid-ranks inside the resample follow from
cumulative counts in the original order, so one sort serves every replicate and nothing is ranked twice.

docs/statistics.md gives the formulas, their sources and every degenerate case.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm, rankdata

from rescore.errors import RescoreError

MINIMUM_SAMPLES = 4
"""Fewer samples have no useful rank correlation: Fisher's z has the variance 1 / (n - 3)."""


@dataclass(frozen=True)
class Correlation:
    value: float
    n: int
    reason: str = ""
    """Why `value` is NaN; empty where it is a number."""


def require_numbers(values: np.ndarray, samples: Sequence[str], what: str) -> None:
    """Refuse NaN and infinities: a correlation that silently skips samples is not the one asked for.

    Raises:
        RescoreError: some values are not finite; the samples are named.
    """
    bad = [str(samples[int(index)]) for index in np.flatnonzero(~np.isfinite(values))]
    if bad:
        raise RescoreError(
            f"{what} of {len(bad)} samples are NaN or infinite: {', '.join(bad[:20])}. Rerun the step that wrote them."
        )


def spearman(target: np.ndarray, predicted: np.ndarray, samples: Sequence[str] | None = None) -> Correlation:
    """Spearman's rho with mid-ranks for ties: Pearson's r of the ranks (Kendall & Gibbons 1990, Sec. 3.8).

    Args:
        target: (samples,) true scores, any unit.
        predicted: (samples,) predicted scores.
        samples: names for error messages.

    Returns:
        The correlation; NaN with the reason for fewer than 4 samples or when either side is constant.

    Raises:
        RescoreError: a value is NaN or infinite.
    """
    names = [f"#{index}" for index in range(len(target))] if samples is None else samples
    require_numbers(target, names, "targets")
    require_numbers(predicted, names, "predictions")
    if len(target) < MINIMUM_SAMPLES:
        return Correlation(np.nan, len(target), f"{len(target)} samples, fewer than {MINIMUM_SAMPLES}")
    for values, what in ((target, "targets"), (predicted, "predictions")):
        if np.ptp(values) == 0:
            return Correlation(np.nan, len(target), f"constant {what}: ranks carry no order")
    ranks = rankdata(np.stack([target, predicted]), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    value = ranks[0] @ ranks[1] / np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]))
    return Correlation(float(np.clip(value, -1, 1)), len(target))


def resample_ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mid-ranks of the samples inside weighted resamples.

    Args:
        values: (n,) numbers.
        counts: (replicates, n) how often each sample was drawn; 0 leaves it out.

    Returns:
        (replicates, n) mid-rank that each sample has in the resample, with its own ties and copies.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    below, through = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    cumulative = np.zeros((len(counts), len(values) + 1), dtype=np.float32)
    np.cumsum(counts[:, order], axis=1, out=cumulative[:, 1:])
    # A tie group that fills ranks a+1 .. b has the mid-rank (a + b + 1) / 2.
    return (cumulative[:, below] + cumulative[:, through] + 1) / 2


def resample_spearman(target: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's rho in each resample: Pearson's r of mid-ranks, weighted by the counts.

    Args:
        target: (n,) true scores.
        predicted: (n,) predicted scores.
        counts: (replicates, n) how often each sample was drawn.

    Returns:
        (replicates,) rho; NaN where a resample is constant or holds fewer than two distinct ranks.
    """
    size = counts.sum(axis=1, keepdims=True)
    # Counts cover the resample exactly, so its mean rank is (size + 1) / 2 whatever the ties.
    x = resample_ranks(target, counts) - (size + 1) / 2
    y = resample_ranks(predicted, counts) - (size + 1) / 2
    covariance = np.einsum("rn,rn,rn->r", counts, x, y)
    scale = np.sqrt(np.einsum("rn,rn,rn->r", counts, x, x) * np.einsum("rn,rn,rn->r", counts, y, y))
    return np.divide(covariance, scale, out=np.full(len(counts), np.nan), where=scale > 0)


def fisher_z_average(correlations: np.ndarray, weights: np.ndarray | None = None, axis: int = -1) -> np.ndarray:
    """Average of correlations through Fisher's z: tanh(mean(artanh(rho))) (AQA-7, Sec. 5, after its reference 6).

    Args:
        correlations: any shape; averaged over `axis`.
        weights: same length as `axis`, usually n - 3; None weighs all alike, as the paper does.
        axis: the axis averaged over.

    Returns:
        The averages. A correlation of exactly 1 or -1 makes the average 1 or -1; both together, or a NaN, make it NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.arctanh(np.asarray(correlations, dtype=float))
        return np.asarray(np.tanh(np.average(z, axis=axis, weights=weights)))


def arithmetic_mean(correlations: np.ndarray, axis: int = -1) -> np.ndarray:
    """Plain mean, NaN where any part is NaN."""
    return np.asarray(np.mean(correlations, axis=axis))


def fisher_z_interval(rho: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of one Spearman correlation over test samples through Fisher's z.

    The standard error of z is sqrt((1 + rho^2 / 2) / (n - 3)) (Bonett & Wright 2000, Psychometrika 65, eq. 5).

    Returns:
        (low, high); NaN for n < 4 or |rho| = 1, where z has no finite value.
    """
    if n < MINIMUM_SAMPLES or not abs(rho) < 1:
        return np.nan, np.nan
    half = norm.ppf(0.5 + confidence / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    return float(np.tanh(np.arctanh(rho) - half)), float(np.tanh(np.arctanh(rho) + half))


@dataclass(frozen=True)
class Estimate:
    """A statistic with all that its interval needs; combinations of estimates (averages) keep both parts."""

    value: float
    replicates: np.ndarray
    """(replicates,) the statistic in each bootstrap replicate."""
    n: int
    """Test samples."""
    seeds: int
    jackknife: Mapping[str, np.ndarray] = field(default_factory=dict)
    """The statistic with one unit left out, for each group of units drawn independently (samples of a set, seeds of a member)."""
    reason: str = ""


def stable_generator(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and the names only: the same draw for the same units wherever they are used."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def draw_counts(generator: np.random.Generator, replicates: int, units: int) -> np.ndarray:
    """(replicates, units) counts of drawing `units` times with replacement."""
    return generator.multinomial(units, np.full(units, 1 / units), size=replicates).astype(np.float32)


def bootstrap_spearman(
    target: np.ndarray, predicted: np.ndarray, samples: np.ndarray, member: str, replicates: int, seed: int
) -> Estimate:
    """Mean over seeds of Spearman's rho, with bootstrap replicates over seeds and test samples.

    A replicate draws seeds with replacement, then test samples: one draw from all the seeds' samples, of which each seed
    sees its own. Seeds share test samples, so their errors are common; independent draws for each seed would average them
    away and make the interval too narrow. Draws depend on the sample names and the member name only, so two cells on the
    same samples are resampled together and their difference can be resampled too.

    Args:
        target: (seeds, n) true scores.
        predicted: (seeds, n) predictions.
        samples: (seeds, n) sample names.
        member: name of the trained member, which fixes the draw of seeds.
        replicates: number of replicates.
        seed: root of the generator.

    Returns:
        The estimate; its value is NaN with a reason where rho is undefined for any seed (no seed is left out silently).

    Raises:
        RescoreError: a value is NaN or infinite.
    """
    seeds, n = predicted.shape
    points = [spearman(target[s], predicted[s], list(samples[s])) for s in range(seeds)]
    value = float(np.mean([point.value for point in points]))
    if reason := next((point.reason for point in points if point.reason), ""):
        return Estimate(value, np.full(replicates, np.nan), n, seeds, {}, reason)

    def in_resamples(s: int, counts: np.ndarray) -> np.ndarray:
        return resample_spearman(target[s], predicted[s], counts)

    return nested_bootstrap(in_resamples, [point.value for point in points], samples, member, replicates, seed)


def nested_bootstrap(
    in_resamples: Callable[[int, np.ndarray], np.ndarray],
    points: Sequence[float],
    samples: np.ndarray,
    member: str,
    replicates: int,
    seed: int,
) -> Estimate:
    """Mean over seeds of any statistic, with bootstrap replicates over seeds and test samples drawn as `bootstrap_spearman` says.

    Args:
        in_resamples: (place of the seed, (resamples, n) how often each of its samples was drawn) -> (resamples,) the statistic.
        points: (seeds,) the statistic on each seed's own samples.
        samples: (seeds, n) sample names.
        member, replicates, seed: as in `bootstrap_spearman`.
    """
    seeds, n = samples.shape
    value = float(np.mean(points))
    everyone = sorted(set(samples.ravel().tolist()))
    place = {name: index for index, name in enumerate(everyone)}
    own = np.array([[place[name] for name in names] for names in samples])  # (seeds, n)
    key = "\n".join(everyone)

    def by_seed(counts: np.ndarray) -> np.ndarray:
        return np.stack([in_resamples(s, counts[:, own[s]]) for s in range(seeds)], axis=1)

    statistic = by_seed(draw_counts(stable_generator(seed, "samples", key), replicates, len(everyone)))
    chosen = draw_counts(stable_generator(seed, "seeds", member), replicates, seeds)
    # A seed drawn zero times must not spoil a replicate in which its own resample is constant.
    drawn = np.where(chosen > 0, chosen * statistic, 0).sum(axis=1) / seeds
    without = np.ones((len(everyone), len(everyone)), dtype=np.float32) - np.eye(len(everyone), dtype=np.float32)
    jackknife = {f"samples {key}": by_seed(without).mean(axis=1)}
    if seeds > 1:
        jackknife[f"seeds {member}"] = np.array([seeds * value - point for point in points]) / (seeds - 1)
    return Estimate(value, drawn, n, seeds, jackknife)


def combine(estimates: Sequence[Estimate], function: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """A function of several estimates (an average over actions), replicate by replicate.

    Args:
        estimates: the cells.
        function: maps (..., cells) to (...).

    Returns:
        The combined estimate; `n` is the sum of the cells' samples, `seeds` their smallest number of seeds.
    """
    values = np.array([estimate.value for estimate in estimates])
    groups: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(name for estimate in estimates for name in estimate.jackknife):
        units = len(next(estimate.jackknife[name] for estimate in estimates if name in estimate.jackknife))
        parts = [estimate.jackknife.get(name, np.full(units, estimate.value)) for estimate in estimates]
        groups[name] = function(np.stack(parts, axis=-1))
    return Estimate(
        value=float(function(values)),
        replicates=function(np.stack([estimate.replicates for estimate in estimates], axis=-1)),
        n=sum(estimate.n for estimate in estimates),
        seeds=min(estimate.seeds for estimate in estimates),
        jackknife=groups,
        reason=next((estimate.reason for estimate in estimates if estimate.reason), ""),
    )


def acceleration(jackknife: Mapping[str, np.ndarray]) -> float:
    """BCa's acceleration from the jackknife of every independent group of units.

    With l = (n - 1)(mean - left out) in a group of n units, a = sum(l^3 / n^3) / (6 sum(l^2 / n^2)^1.5), the sums over all
    groups (Davison & Hinkley 1997, Sec. 5.3.2, the several-sample form). NaN where a left-out statistic is undefined.
    """
    cubes = squares = 0.0
    for values in jackknife.values():
        units = len(values)
        influence = (units - 1) * (values.mean() - values) / units
        cubes, squares = cubes + float((influence**3).sum()), squares + float((influence**2).sum())
    return cubes / (6 * squares**1.5) if squares > 0 else np.nan


def percentile_interval(estimate: Estimate, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval. Undefined replicates are left out; NaN where more than half are undefined."""
    replicates = estimate.replicates[np.isfinite(estimate.replicates)]
    if not np.isfinite(estimate.value) or len(replicates) * 2 < len(estimate.replicates) or not len(replicates):
        return np.nan, np.nan
    low, high = np.quantile(replicates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bca_interval(estimate: Estimate, confidence: float = 0.95) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval (Efron 1987; Efron & Tibshirani 1993, eqs. 14.10, 14.14).

    Ties of a replicate with the estimate count half in the bias correction. Where the bias correction or the acceleration is
    not defined (all replicates on one side, a jackknife without spread) the percentile interval is returned.
    """
    replicates = estimate.replicates[np.isfinite(estimate.replicates)]
    low, high = percentile_interval(estimate, confidence)
    if not np.isfinite(low):
        return low, high
    share = (np.mean(replicates < estimate.value) + np.mean(replicates <= estimate.value)) / 2
    a = acceleration(estimate.jackknife)
    if not 0 < share < 1 or not np.isfinite(a):
        return low, high
    bias, tails = norm.ppf(share), norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    denominator = 1 - a * (bias + tails)
    if (denominator <= 0).any():
        return low, high
    low, high = np.quantile(replicates, norm.cdf(bias + (bias + tails) / denominator))
    return float(low), float(high)
