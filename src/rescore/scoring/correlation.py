"""Spearman's rank correlation, averages of correlations, and their intervals.

A bootstrap resample is a vector of counts: how often each sample was drawn. The mid-ranks inside the resample follow from
cumulative counts in the original order, so one sort serves every replicate and nothing is ranked twice.

docs/statistics.md gives the formulas, their sources and every degenerate case.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import norm, rankdata

from rescore.engine.errors import RescoreError
from rescore.scoring.intervals import SCALES, TrainingVariance, on_scale

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
class Trained:
    """Whose numbers are estimated."""

    numbers: tuple[int, ...] = ()
    """Of its trainings, one a repetition; empty where nothing is trained, or nothing in it repeats."""
    file: TrainingVariance | None = None
    """What was measured elsewhere of the trainings of its system; read where there is one training alone."""


@dataclass(frozen=True)
class Estimate:
    """A statistic with all that its intervals need; combinations of estimates (averages, differences) keep every part."""

    value: float
    n: int
    """Test samples."""
    values: np.ndarray
    """(K,) the statistic of each training, or of each repetition where nothing is trained."""
    samples: np.ndarray
    """(units,) names of the samples that any repetition was tested on."""
    influence: np.ndarray
    """(K, units) what each sample adds to each value (`influences`)."""
    trained: Trained = Trained()
    scale: str = "artanh"
    """A key of intervals.SCALES."""
    unit: float = 1.0
    """What 1 of the scale is in `value` and `values`: 100 of percentages."""
    centre: float | None = None
    """Of a difference, whose `values` and `influence` are on the scale: the middle of both sides there. None: no difference."""
    replicates: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(replicates,) the statistic in each bootstrap replicate over test samples; empty where trainings tell the interval."""
    reason: str = ""

    @property
    def seeds(self) -> int:
        """Trainings, or repetitions of what has none."""
        return len(self.values)


def stable_generator(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and the names only: the same draw for the same units wherever they are used."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def draw_counts(generator: np.random.Generator, replicates: int, units: int) -> np.ndarray:
    """(replicates, units) counts of drawing `units` times with replacement."""
    return generator.multinomial(units, np.full(units, 1 / units), size=replicates).astype(np.float32)


def influences(left_out: np.ndarray) -> np.ndarray:
    """What each sample adds to a statistic, from its values with each sample left out (..., n).

    Scaled so that the sum of squares is the jackknife variance, and the sum of products with another statistic's the covariance:
    sqrt((n - 1) / n) (mean - left out) (Efron & Tibshirani 1993, eq. 11.5).
    """
    n = left_out.shape[-1]
    return np.sqrt((n - 1) / n) * (left_out.mean(axis=-1, keepdims=True) - left_out)


def estimate_spearman(
    target: np.ndarray, predicted: np.ndarray, samples: np.ndarray, trained: Trained, replicates: int, seed: int
) -> Estimate:
    """Mean over trainings of Spearman's rho, with what its intervals need.

    Args:
        target: (K, n) true scores.
        predicted: (K, n) predictions.
        samples: (K, n) sample names.
        trained: the trainings' numbers.
        replicates: number of bootstrap replicates, where there are no trainings to tell the interval.
        seed: root of the generator.

    Returns:
        The estimate; its value is NaN with a reason where rho is undefined for any training (none is left out silently).

    Raises:
        RescoreError: a value is NaN or infinite.
    """
    repetitions, n = predicted.shape
    points = [spearman(target[k], predicted[k], list(samples[k])) for k in range(repetitions)]
    values = np.array([point.value for point in points])
    if reason := next((point.reason for point in points if point.reason), ""):
        nothing = np.full((repetitions, n), np.nan)
        return Estimate(float(values.mean()), n, values, samples[0], nothing, trained, reason=reason)

    def in_resamples(k: int, counts: np.ndarray) -> np.ndarray:
        return resample_spearman(target[k], predicted[k], counts)

    return estimate_statistic(in_resamples, values, samples, trained, "artanh", (replicates, seed))


def estimate_statistic(
    in_resamples: Callable[[int, np.ndarray], np.ndarray],
    values: np.ndarray,
    samples: np.ndarray,
    trained: Trained,
    scale: str,
    draws: tuple[int, int],
) -> Estimate:
    """Mean over trainings of any statistic, with what its intervals need.

    Bootstrap replicates are drawn where nothing is trained, and for a single training of whose variance nothing is known: one
    draw from all the repetitions' samples, of which each sees its own. Draws depend on the sample names only, so two cells on
    the same samples are resampled together and their difference can be resampled too.

    Args:
        in_resamples: (place of the training, (resamples, n) how often each of its samples was drawn) -> (resamples,) the
            statistic.
        values: (K,) the statistic on each training's own samples.
        samples: (K, n) sample names.
        trained: the trainings' numbers.
        scale: a key of intervals.SCALES.
        draws: number of replicates, and root of the generator.
    """
    repetitions, n = samples.shape
    everyone = np.array(sorted(set(samples.ravel().tolist())), dtype=object)
    own = np.searchsorted(everyone.astype(str), samples.astype(str))  # (K, n) place of each training's samples
    influence = np.zeros((repetitions, len(everyone)))
    without = 1 - np.eye(n)
    for k in range(repetitions):
        influence[k, own[k]] = influences(in_resamples(k, without).astype(float))
    estimate = Estimate(float(np.mean(values)), n, np.asarray(values), everyone, influence, trained, scale)
    if is_told_by_trainings(trained):
        return estimate
    generator = stable_generator(draws[1], "samples", "\n".join(everyone))
    counts = draw_counts(generator, draws[0], len(everyone))
    drawn = np.mean([in_resamples(k, counts[:, own[k]]) for k in range(repetitions)], axis=0)
    return replace(estimate, replicates=np.asarray(drawn, dtype=float))


def is_told_by_trainings(trained: Trained) -> bool:
    """Whether the variance over trainings is known: of several, or of one by a file."""
    return len(trained.numbers) > 1 or (len(trained.numbers) == 1 and trained.file is not None)


def combine(estimates: Sequence[Estimate], function: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """A function of several estimates of one kind (an average over actions), training by training.

    Value k of the combination is the function of the cells' values of training k, so that what cells have in common within a
    training (a backbone, a draw of labels) is in it once. Cells without trainings have one value, which stands beside every
    training's; cells with other trainings are paired by the numbers that all have. A sample's influence is carried over by the
    function's slopes (delta method).

    Args:
        estimates: the cells.
        function: maps (..., cells) to (...).

    Returns:
        The combined estimate, on the cells' scale; `n` is the sum of their samples.
    """
    numbers = common_numbers(estimates)
    cells = [of_trainings(estimate.values, estimate.influence, estimate, numbers) for estimate in estimates]
    values = np.stack([values for values, _ in cells], axis=-1)  # (K, cells)
    samples, influence = on_all_samples(estimates, [own for _, own in cells])  # (K, cells, units)
    slopes = slopes_of(function, values)
    drawn = [estimate.replicates for estimate in estimates]
    centres = [estimate.centre for estimate in estimates if estimate.centre is not None]
    combined = Estimate(
        value=float(function(np.array([estimate.value for estimate in estimates]))),
        n=sum(estimate.n for estimate in estimates),
        values=np.asarray(function(values)),
        samples=samples,
        influence=np.einsum("kc,kcu->ku", slopes, influence),
        trained=Trained(numbers),
        scale=estimates[0].scale,
        unit=estimates[0].unit,
        centre=float(np.mean(centres)) if centres else None,
        replicates=function(np.stack(drawn, axis=-1)) if all(map(len, drawn)) else np.zeros(0),
        reason=next((estimate.reason for estimate in estimates if estimate.reason), ""),
    )
    return replace(combined, trained=Trained(numbers, combined_file(estimates, slopes[0], combined)))


def difference(left: Estimate, right: Estimate) -> Estimate:
    """Left less right, training by training, on the scale of both.

    Of correlations it is the difference of their artanh that has a known error; `centre` is the mean of both, about which
    bounds are taken back into a difference of correlations. `value` and `replicates` are differences of the statistics
    themselves.
    """
    if left.scale != right.scale or left.unit != right.unit or not left.centre is right.centre is None:
        left, right = (replace(side, scale="identity", unit=1.0, centre=None) for side in (left, right))
    numbers = common_numbers([left, right])
    sides = [of_trainings(*scaled(side), side, numbers) for side in (left, right)]
    samples, influence = on_all_samples([left, right], [own for _, own in sides])
    drawn = len(left.replicates) and len(right.replicates)
    with np.errstate(invalid="ignore"):
        values, centre = sides[0][0] - sides[1][0], float(np.mean([side for side, _ in sides]))
        moved = influence[:, 0] - influence[:, 1]
    return Estimate(
        value=left.value - right.value,
        n=max(left.n, right.n),
        values=values,
        samples=samples,
        influence=moved,
        trained=Trained(numbers, combined_file([left, right], np.array([1.0, -1.0]), None)),
        scale=left.scale,
        unit=left.unit,
        centre=centre,
        replicates=left.replicates - right.replicates if drawn else np.zeros(0),
        reason=left.reason or right.reason,
    )


def on_all_samples(estimates: Sequence[Estimate], influence: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The names of all samples, and every estimate's influences (K, units) laid out over them: (K, estimates, all)."""
    samples = np.unique(np.concatenate([estimate.samples for estimate in estimates]).astype(str))
    laid_out = np.zeros((len(influence[0]), len(estimates), len(samples)))
    for place, (estimate, own) in enumerate(zip(estimates, influence, strict=True)):
        laid_out[:, place, np.searchsorted(samples, estimate.samples.astype(str))] = own
    return samples.astype(object), laid_out


UNPAIRED = (-1,)
"""Number of a combination of trainings of which no two have one number: a single value, of whose variance nothing is known."""


def common_numbers(estimates: Sequence[Estimate]) -> tuple[int, ...]:
    """Numbers of the trainings that all estimates with trainings have; empty where none has any, UNPAIRED where they share
    none."""
    known = [set(estimate.trained.numbers) for estimate in estimates if estimate.trained.numbers]
    return (tuple(sorted(set.intersection(*known))) or UNPAIRED) if known else ()


def of_trainings(
    values: np.ndarray, influence: np.ndarray, estimate: Estimate, numbers: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """An estimate's values (K,) and influences (K, units) of these trainings alone; their mean for each where it has none of
    them."""
    if estimate.trained.numbers and numbers != UNPAIRED:
        places = [estimate.trained.numbers.index(number) for number in numbers]
        return values[places], influence[places]
    count = max(len(numbers), 1)
    return np.repeat(values.mean(), count), np.tile(influence.mean(axis=0), (count, 1))


def slopes_of(function: Callable[[np.ndarray], np.ndarray], values: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Partial derivatives (K, cells) of a function of cells at each row of values (K, cells), by central differences."""
    steps = step * np.eye(values.shape[-1])
    upper, lower = (function(values[:, None, :] + sign * steps) for sign in (1, -1))
    return np.asarray((upper - lower) / (2 * step))


def combined_file(
    estimates: Sequence[Estimate], slopes: np.ndarray, combined: Estimate | None
) -> TrainingVariance | None:
    """The variance over trainings of a combination of single trainings, from those of its parts; None where one is unknown.

    A file knows nothing of what parts have in common within a training. What enters with one sign is taken as moving together,
    what enters with opposite signs as independent: no smaller a variance than either has.

    Args:
        estimates: the parts.
        slopes: (parts,) of the combination in each.
        combined: what they are slopes of, in the statistic's unit; None: the parts' scale itself.
    """
    trained = [(part, slope) for part, slope in zip(estimates, slopes, strict=True) if part.trained.numbers]
    files = [part.trained.file for part, _ in trained if part.trained.file is not None]
    if not trained or len(files) < len(trained) or any(len(part.values) > 1 for part, _ in trained):
        return None
    moves = np.array([slope * deviation_by_file(part, combined is None) for part, slope in trained])
    mean_square = float(moves[moves > 0].sum() ** 2 + moves[moves < 0].sum() ** 2)
    if combined is not None:
        mean_square *= slope_at(combined) ** 2
    return TrainingVariance(mean_square, min(file.degrees for file in files), float(np.mean([f.shared for f in files])))


def deviation_by_file(estimate: Estimate, on_its_scale: bool) -> float:
    """The standard deviation over trainings that a file gives a single one, on its scale or in its own unit."""
    _, influence = scaled(estimate)
    file = estimate.trained.file
    deviation = np.nan if file is None else float(np.sqrt(file.on(float(np.square(influence).sum()))))
    return deviation if on_its_scale else deviation / slope_at(estimate)


def slope_at(estimate: Estimate) -> float:
    """How fast an estimate's scale grows with its first value, in the value's own unit."""
    if estimate.centre is not None:
        return 1.0
    return float(SCALES[estimate.scale].slope(estimate.values[0] / estimate.unit)) / estimate.unit


def scaled(estimate: Estimate) -> tuple[np.ndarray, np.ndarray]:
    """An estimate's values (K,) and influences (K, units) on its scale; those of a difference are there already."""
    if estimate.centre is not None:
        return estimate.values, estimate.influence
    return on_scale(estimate.scale, estimate.values / estimate.unit, estimate.influence / estimate.unit)


def percent(estimate: Estimate) -> Estimate:
    """A share or a correlation as a paper prints it: times 100."""
    return replace(
        estimate,
        value=100 * estimate.value,
        values=100 * estimate.values,
        influence=100 * estimate.influence,
        replicates=100 * estimate.replicates,
        unit=100 * estimate.unit,
    )


def acceleration(influence: np.ndarray) -> float:
    """BCa's acceleration from the influence of each sample: sum(l^3) / (6 sum(l^2)^1.5) (Efron & Tibshirani 1993, eq. 14.15).

    NaN where a sample's influence is undefined, or none has any.
    """
    squares = float(np.square(influence).sum())
    return float((influence**3).sum()) / (6 * squares**1.5) if squares > 0 else np.nan


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
    a = acceleration(estimate.influence.mean(axis=0))
    if not 0 < share < 1 or not np.isfinite(a):
        return low, high
    bias, tails = norm.ppf(share), norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    denominator = 1 - a * (bias + tails)
    if (denominator <= 0).any():
        return low, high
    low, high = np.quantile(replicates, norm.cdf(bias + (bias + tails) / denominator))
    return float(low), float(high)
