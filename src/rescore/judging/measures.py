"""The field's measures of joined predictions, with the intervals that every table here has.

Up to LARGE samples a single training's interval is BCa's bootstrap; above, where a bootstrap would take minutes, it is the delta
method on the statistic's scale, from influence functions. Several seeds are trainings, as everywhere (docs/statistics.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, permutation_test, rankdata

from rescore.scoring.correlation import (
    MINIMUM_SAMPLES,
    Estimate,
    Trained,
    arithmetic_mean,
    combine,
    difference,
    estimate_spearman,
    fisher_z_average,
    spearman,
)
from rescore.scoring.error_measures import relative_l2, root_mean_square, root_mean_square_error
from rescore.scoring.estimates import intervals_of, spread, taken_back
from rescore.scoring.intervals import confidence_interval

LARGE = 3000
RHO, RMSE, RELATIVE = "Spearman's rho", "RMSE (points)", "relative L2 (x 100)"
ALL, FISHER, ARITHMETIC = "all samples", "Fisher's z average", "arithmetic mean"
DEFAULTS = {"replicates": 2000, "confidence": 0.95, "seed": 0}


@dataclass(frozen=True)
class Measure:
    name: str
    of: str
    """Of which samples, or how combined."""
    value: float
    low: float
    high: float
    n: int
    seeds: int
    note: str = ""


def arrays(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True scores, predictions and names (seeds, n), samples in one order."""
    wide = table.pivot(index="seed", columns="sample", values=["target", "predicted"])
    names = wide["target"].columns.to_numpy(dtype=object)
    target, predicted = (wide[name].to_numpy(dtype=float) for name in ("target", "predicted"))
    return target, predicted, np.tile(names, (len(target), 1))


def trained(seeds: int) -> Trained:
    """Several seeds tell how trainings vary; of a single one nothing is known, and samples alone vary."""
    return Trained(tuple(range(seeds)) if seeds > 1 else ())


def rho_of(table: pd.DataFrame, options: dict[str, Any], predicted: str = "predicted") -> Estimate:
    """Spearman's rho, mean over seeds, with what its interval needs."""
    target, values, names = arrays(table.assign(predicted=table[predicted]))
    if target.shape[1] <= LARGE:
        return estimate_spearman(target, values, names, trained(len(target)), options["replicates"], options["seed"])
    found = [spearman(*pair) for pair in zip(target, values, strict=True)]
    points = np.array([one.value for one in found])
    reason = next((one.reason for one in found if one.reason), "")
    if reason:
        influence = np.full(values.shape, np.nan)
    else:
        influence = np.stack([rank_influences(*pair) for pair in zip(target, values, strict=True)])
    return Estimate(float(points.mean()), found[0].n, points, names[0], influence, trained(len(target)), reason=reason)


def rank_influences(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(n,) what each sample adds to rho: the influence function of Pearson's r of the distribution functions, over n.

    With u and v the mid-ranks over n less a half, rho = E[uv] / sqrt(E[u^2] E[v^2]). The derivative of E[uv] towards a sample
    i is u_i v_i + E[(1(x_i <= x) - F(x)) v] + E[(1(y_i <= y) - G(y)) u] less its mean, ties counting half (Croux & Dehon 2010,
    Statistical Methods & Applications 19).
    """
    n = len(target)
    u, v = ((rankdata(values) - 0.5) / n - 0.5 for values in (target, predicted))

    def through_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Mean of the weights of all samples that are above, those of ties counting half."""
        order = np.argsort(values, kind="stable")
        ordered, sums = values[order], np.concatenate([[0.0], np.cumsum(weights[order])])
        left, right = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
        return (sums[-1] - (sums[left] + sums[right]) / 2) / n

    def centred(values: np.ndarray) -> np.ndarray:
        return values - values.mean()

    cross = centred(u * v + through_ranks(target, v) + through_ranks(predicted, u))
    own_u, own_v = (centred(w * w + 2 * through_ranks(x, w)) for w, x in ((u, target), (v, predicted)))
    covariance, variances = np.mean(u * v), (np.mean(u * u), np.mean(v * v))
    scale = np.sqrt(variances[0] * variances[1])
    rho = covariance / scale
    return np.asarray((cross / scale - rho * (own_u / variances[0] + own_v / variances[1]) / 2) / n)


def rmse_of(table: pd.DataFrame, options: dict[str, Any]) -> Estimate:
    """Root mean squared error, mean over seeds, with what its interval needs."""
    target, values, names = arrays(table)
    if target.shape[1] <= LARGE:
        settings = {"seed": options["seed"], "scoring": {"bootstrap": options["replicates"]}}
        return root_mean_square(target, values, names, trained(len(target)), settings)
    points = np.array([root_mean_square_error(*pair) for pair in zip(target, values, strict=True)])
    with np.errstate(divide="ignore", invalid="ignore"):  # without any error no scale has an interval
        influence = ((target - values) ** 2 - np.square(points)[:, None]) / (2 * points[:, None] * target.shape[1])
    return Estimate(float(points.mean()), target.shape[1], points, names[0], influence, trained(len(points)), "log")


def bounds(estimate: Estimate, confidence: float) -> tuple[float, float]:
    """The confidence interval over samples, and over trainings where there are several."""
    if estimate.n < 2:
        return np.nan, np.nan
    with np.errstate(divide="ignore", invalid="ignore"):  # the ends of a scale have no interval
        if estimate.trained.numbers or len(estimate.replicates) or not np.isfinite(estimate.value):
            return intervals_of(estimate, confidence).confidence
        found = spread(estimate)
    return (np.nan, np.nan) if found is None else taken_back(estimate, confidence_interval(found, confidence))


def measure(name: str, of: str, estimate: Estimate, confidence: float, note: str = "") -> Measure:
    low, high = bounds(estimate, confidence)
    return Measure(name, of, estimate.value, low, high, estimate.n, estimate.seeds, note or estimate.reason)


def correlations(table: pd.DataFrame, options: dict[str, Any]) -> Iterator[tuple[str, Estimate]]:
    """Rho of all samples, and of each action or fold with their averages."""
    folds = table["fold"].nunique() > 1
    by = "fold" if folds else "action"
    if not folds:
        yield ALL, rho_of(table, options)
    if table[by].nunique() > 1:
        parts = {str(name): rho_of(part, options) for name, part in table.groupby(by, sort=True)}
        yield from ((name if by == "action" else f"fold {name}", part) for name, part in parts.items())
        for title, rule in ((FISHER, fisher_z_average), (ARITHMETIC, arithmetic_mean)):
            yield f"{title} of {len(parts)} {by}s", combine(list(parts.values()), rule)


def errors(table: pd.DataFrame, ranges: dict[str, tuple[float, float]], options: dict[str, Any]) -> Iterator[Measure]:
    """RMSE and relative L2 by both ranges in use, action by action: points of different actions are no one unit.

    Args:
        ranges: lowest and highest score of an action over the whole data set, training samples included; none without labels.
    """
    if table.duplicated(["seed", "sample"]).any():
        return  # folds that share samples have no one error a sample
    several = table["action"].nunique() > 1
    for action, part in table.groupby("action", sort=True):
        if part["sample"].nunique() < 2:
            continue
        of = str(action) if several else ALL
        error = rmse_of(part, options)
        yield measure(RMSE, of, error, options["confidence"])
        low, high = bounds(error, options["confidence"])
        target, values, _ = arrays(part)
        own = (float(target.min()), float(target.max()))
        known = {"the data set": ranges.get(str(action)), "these samples": own}
        for whose, span in known.items():
            if span is not None and span[1] > span[0]:
                width = span[1] - span[0]
                value = 100 * float(np.mean([relative_l2(*pair, *span) for pair in zip(target, values, strict=True)]))
                yield Measure(
                    RELATIVE,
                    f"{of}; range of {whose}, {span[0]:g} to {span[1]:g}",
                    value,
                    100 * (low / width) ** 2,
                    100 * (high / width) ** 2,
                    error.n,
                    error.seeds,
                )


def baselines(table: pd.DataFrame, training: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """What labels alone predict of the same samples: each one's announced difficulty, and the mean score of training samples of
    its event or its class (of all where there is none)."""
    if "difficulty" in table and table["difficulty"].notna().all():
        yield "difficulty alone", table["difficulty"].to_numpy(dtype=float)
    for column, name in (("event", "mean of its event"), ("dive_class", "mean of its dive class")):
        if column in table and len(training) and column in training:
            means = training.groupby(column)["score"].mean()
            yield (
                f"{name}, training samples",
                table[column].map(means).fillna(training["score"].mean()).to_numpy(dtype=float),
            )


@dataclass(frozen=True)
class Difference:
    """Two files on the samples that both predict."""

    left: float
    right: float
    value: float
    low: float
    high: float
    p: float
    n: int


def compare(left: pd.DataFrame, right: pd.DataFrame, options: dict[str, Any]) -> Difference | str:
    """Left less right in rho (of folds, in their mean), its interval, and a permutation test; or why there is none.

    The test asks whether the files are exchangeable sample by sample: the mean over seeds of rho is the mean over samples of
    products of standardised ranks, so exchanging a sample's predictions changes the sign of what it adds to the difference.
    """
    keys = ["fold", "sample"]
    both = left[[*keys, "target"]].drop_duplicates(keys).merge(right[[*keys, "target"]].drop_duplicates(keys), on=keys)
    if apart := int((np.abs(both["target_x"] - both["target_y"]) > 0.01).sum()):
        return (
            f"the files' true scores differ at {apart} of {len(both)} samples that both have: they are not in one order, or not"
            " of one data set"
        )
    parts = []
    for _, shared in both.groupby("fold"):
        sides = [side.merge(shared[keys], on=keys) for side in (left, right)]
        if len(shared) < MINIMUM_SAMPLES:
            return f"a fold, or the whole, has fewer than {MINIMUM_SAMPLES} samples that both files predict"
        estimates = [rho_of(side, options) for side in sides]
        if undefined := next((estimate.reason for estimate in estimates if estimate.reason), ""):
            return f"a correlation is undefined ({undefined})"
        products = [standardised(side) for side in sides]
        parts.append((estimates, products[0] - products[1]))
    if not parts:
        return "the files have no sample (of the same fold) in common"
    combined = [
        parts[0][0][k] if len(parts) == 1 else combine([each[k] for each, _ in parts], arithmetic_mean) for k in (0, 1)
    ]
    found = difference(*combined)
    n = sum(len(added) for _, added in parts)
    # Each fold's mean counts alike.
    p = sign_flip_p(np.concatenate([added * n / (len(parts) * len(added)) for _, added in parts]), options)
    low, high = bounds(found, options["confidence"])
    return Difference(combined[0].value, combined[1].value, found.value, low, high, p, n)


def sign_flip_p(added: np.ndarray, options: dict[str, Any]) -> float:
    """Two-sided p of a mean when every sign is as likely as its opposite: drawn, above LARGE samples by the normal limit."""
    if len(added) > LARGE:
        scale = np.sqrt(np.square(added).sum())
        return float(2 * norm.sf(abs(added.sum()) / scale)) if scale > 0 else 1.0
    test = permutation_test(
        (added,),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        n_resamples=options["replicates"],
        vectorized=True,
        rng=np.random.default_rng(options["seed"]),
    )
    return float(test.pvalue)


def standardised(table: pd.DataFrame) -> np.ndarray:
    """(n,) products of the standardised ranks of score and prediction, mean over seeds: their mean is rho."""
    target, values, _ = arrays(table)

    def ranks(rows: np.ndarray) -> np.ndarray:
        ranked = rankdata(rows, axis=1)
        ranked -= ranked.mean(axis=1, keepdims=True)
        return ranked / ranked.std(axis=1, keepdims=True)

    return np.asarray((ranks(target) * ranks(values)).mean(axis=0))
