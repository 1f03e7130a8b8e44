"""Support vector regression from one feature vector a sample to its score (C3D-SVR: AQA-7, Table 2; Parmar and Morris 2017).

Kernel, cost and tube are chosen by cross-validation inside the training set: no test sample has a say. The papers name
neither their grid nor their choice, so the grid stands in params.yaml (`support_vector_regression`).
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from rescore.engine.errors import RescoreError


@dataclass(frozen=True)
class SupportVectorModel:
    """A fitted regression, what was chosen for it, and how good the choice looked inside the training set."""

    pipeline: Pipeline
    """Standardisation and SVR, fitted to all training samples; it speaks in training standard deviations."""
    score_sd: float
    """Standard deviation of the training scores, in points: the unit of `epsilon`."""
    best_params: dict[str, Any]
    """`kernel`, `c`, `epsilon` (in standard deviations)."""
    best_score: float
    """Spearman's rho of the chosen candidate's out-of-fold predictions, pooled over the folds."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Scores in points, float64 (samples,), of features (samples, width)."""
        return self.pipeline.predict(np.asarray(features, np.float64)) * self.score_sd


def choose_and_fit(
    train_features: np.ndarray, train_scores: np.ndarray, settings: Mapping[str, Any], seed: int
) -> SupportVectorModel:
    """Choose kernel, C and epsilon by cross-validation on the training set, then fit them to the whole of it.

    The candidate with the best rank correlation of its out-of-fold predictions wins; of equal ones, the first in the grid.

    Args:
        train_features: (samples, width), finite.
        train_scores: (samples,), points, finite.
        settings: `kernels`, `c`, `epsilon` (training standard deviations), `folds`, and `max_iterations`, libsvm's steps after
            which a regression counts as it is: with more samples than features a large C need not end in hours.
        seed: draws the folds; equal seeds give equal models.

    Raises:
        RescoreError: features or scores are not finite, scores do not vary, or there are fewer samples than folds.
    """
    features = np.asarray(train_features, np.float64)
    scores = np.asarray(train_scores, np.float64)
    check_training_set(features, scores, settings["folds"])
    score_sd = float(scores.std())
    targets = scores / score_sd
    folds = list(KFold(settings["folds"], shuffle=True, random_state=seed).split(features))
    correlations = cross_validate(features, targets, folds, settings)
    kernel, c, epsilon = max(correlations, key=lambda candidate: correlations[candidate])
    pipeline = make_pipeline(StandardScaler(), machine(kernel, c, epsilon, settings))
    chosen = {"kernel": kernel, "c": c, "epsilon": epsilon}
    with unfinished_allowed():
        fitted = pipeline.fit(features, targets)
    return SupportVectorModel(fitted, score_sd, chosen, correlations[kernel, c, epsilon])


def machine(kernel: str, c: float, epsilon: float, settings: Mapping[str, Any]) -> SVR:
    return SVR(kernel=kernel, C=c, epsilon=epsilon, max_iter=settings["max_iterations"])


@contextmanager
def unfinished_allowed() -> Iterator[None]:
    """A candidate that reaches `max_iterations` is no mistake: cross-validation measures what came of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def fit_predict(
    train_features: np.ndarray,
    train_scores: np.ndarray,
    test_features: np.ndarray,
    settings: Mapping[str, Any],
    seed: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """`choose_and_fit`, then the test samples' scores in points (samples,) and the chosen parameters."""
    model = choose_and_fit(train_features, train_scores, settings, seed)
    return model.predict(test_features), model.best_params


def cross_validate(
    features: np.ndarray,
    targets: np.ndarray,
    folds: list[tuple[np.ndarray, np.ndarray]],
    settings: Mapping[str, Any],
) -> dict[tuple[str, float, float], float]:
    """Rank correlation of pooled out-of-fold predictions for each (kernel, c, epsilon), in the grid's order."""
    grid = list(product(settings["kernels"], settings["c"], settings["epsilon"]))
    predicted = {candidate: np.empty_like(targets) for candidate in grid}
    for train, held_out in folds:
        for kernel, gram, gram_held_out in fold_kernels(features[train], features[held_out], settings["kernels"]):
            for c, epsilon in product(settings["c"], settings["epsilon"]):
                with unfinished_allowed():
                    fitted = machine("precomputed", c, epsilon, settings).fit(gram, targets[train])
                predicted[kernel, c, epsilon][held_out] = fitted.predict(gram_held_out)
    return {candidate: rank_correlation(targets, values) for candidate, values in predicted.items()}


def fold_kernels(
    train: np.ndarray, held_out: np.ndarray, kernels: list[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Kernel matrices (train, train) and (held out, train) of standardised features, one pair a kernel.

    They are made once a fold instead of once a candidate: with wide features they are most of the work. The width of the
    radial kernel is sklearn's "scale", 1 / (width x variance), as the final fit uses it.
    """
    scaler = StandardScaler().fit(train)
    train, held_out = scaler.transform(train), scaler.transform(held_out)
    for kernel in kernels:
        if kernel == "linear":
            yield kernel, train @ train.T, held_out @ train.T
        elif kernel == "rbf":
            gamma = 1 / (train.shape[1] * max(train.var(), np.finfo(np.float64).tiny))
            yield kernel, radial_kernel(train, train, gamma), radial_kernel(held_out, train, gamma)
        else:
            raise RescoreError(f"support_vector_regression.kernels: unknown kernel '{kernel}'; valid: linear, rbf")


def radial_kernel(left: np.ndarray, right: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma ||l - r||^2) for every pair: (left, right)."""
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2 * left @ right.T
    return np.exp(-gamma * np.maximum(squares, 0))


def rank_correlation(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Spearman's rho; -1 for predictions that do not vary, so that they are never chosen."""
    if np.ptp(predicted) == 0:
        return -1.0
    return float(np.corrcoef(rankdata(targets), rankdata(predicted))[0, 1])


def check_training_set(features: np.ndarray, scores: np.ndarray, folds: int) -> None:
    """Raise RescoreError for a training set that no regression can be fitted to."""
    if len(features) != len(scores):
        raise RescoreError(f"support vector regression: {len(features)} feature rows but {len(scores)} scores.")
    for what, values in (("features", features), ("scores", scores[:, None])):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise RescoreError(
                f"support vector regression: {what} of training rows {bad[:10].tolist()} are not finite "
                f"({len(bad)} rows). Mend the manifest or recompute the features."
            )
    if len(features) < max(folds, 2):
        raise RescoreError(
            f"support vector regression: {len(features)} training samples for {folds} folds. "
            "Lower support_vector_regression.folds or give more samples."
        )
    if np.ptp(scores) == 0:
        raise RescoreError("support vector regression: all training scores are equal; there is nothing to learn.")
