"""Ridge regression whose penalty is chosen by cross-validation, from one eigendecomposition for all penalties and folds.

    minimise over w and b:   |y - b - X w|^2 + penalty |w|^2           X (n, p), columns centred and divided by their deviation

b is not penalised, so b = mean(y), and with y centred the n x n and the p x p problem have the same solution:

    dual    (n <= p)         X X' = U D U'
    primal  (p < n)          X' X = V D V',   U = X V D^-1/2
    weights                  w = X' U (D + penalty)^-1 U' y            ( = V (D + penalty)^-1 V' X' y )
    fitted values            H y,   H = 1 1'/n + U D (D + penalty)^-1 U'

The samples S of a fold are predicted by the fit to all others without making that fit. It is also the fit to all samples if y_S
were what it predicts there: then the samples S have no error, and nothing is gained by moving. Hence prediction_S = H_SS
prediction_S + H_S,others y_others, and with H y for all samples

    y_S - prediction_S = (1 - H_SS)^-1 (y - H y)_S

one small system for each fold and penalty (for folds of one sample: Golub, Heath and Wahba 1979). This holds with the intercept
fitted anew in each fold; the columns' deviations alone are those of all training samples. They know inputs, not scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh, solve

from rescore.engine.errors import RescoreError


@dataclass(frozen=True)
class RidgeModel:
    """A fitted regression and what was chosen for it."""

    mean: np.ndarray
    """(p,) of the training inputs."""
    weights: np.ndarray
    """(p,) of the inputs as they are."""
    intercept: float
    """Prediction at the mean of the inputs."""
    penalty: float
    """In multiples of the number of columns, as in the grid."""
    error: float
    """Root mean squared error of the out-of-fold predictions under it."""

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Predictions (samples,) of inputs (samples, p)."""
        return self.intercept + (np.asarray(inputs, np.float64) - self.mean) @ self.weights


@dataclass(frozen=True)
class Spectrum:
    """What all penalties and folds share."""

    inputs: np.ndarray
    """X (n, p): centred and divided by the deviation; constant columns are zero."""
    vectors: np.ndarray
    """U (n, rank)."""
    values: np.ndarray
    """D (rank,), positive."""

    def smoother(self, penalty: float) -> np.ndarray:
        """H (n, n)."""
        return 1 / len(self.vectors) + (self.vectors * (self.values / (self.values + penalty))) @ self.vectors.T

    def weights(self, targets: np.ndarray, penalty: float) -> np.ndarray:
        """w (p,) for targets (n,)."""
        return self.inputs.T @ (self.vectors @ (self.vectors.T @ targets / (self.values + penalty)))


def choose_and_fit(inputs: np.ndarray, targets: np.ndarray, settings: Mapping[str, Any], seed: int) -> RidgeModel:
    """Choose the penalty with the least squared error over the folds, then fit all training samples with it.

    Args:
        inputs: (n, p), finite.
        targets: (n,), finite.
        settings: `penalties`, in multiples of the number of columns that vary, which is a standardised sample's mean squared
            length: so one grid serves inputs of any width; `folds`. Of equally good penalties the first counts.
        seed: draws the folds; equal seeds give equal models.

    Raises:
        RescoreError: fewer samples than folds, numbers that are not finite, or targets or inputs that do not vary.
    """
    inputs, targets = np.asarray(inputs, np.float64), np.asarray(targets, np.float64)
    check(inputs, targets, settings["folds"])
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    varies = deviation > 1e-12 * np.abs(mean)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    spectrum = decompose((inputs - mean) * scale)
    from sklearn.model_selection import KFold  # a second to import, and planning a run imports this module

    folds = [held for _, held in KFold(settings["folds"], shuffle=True, random_state=seed).split(inputs)]
    unit = float(varies.sum())
    errors = [cross_validate(spectrum, targets, folds, unit * penalty) for penalty in settings["penalties"]]
    best = int(np.argmin(errors))
    penalty = settings["penalties"][best]
    weights = spectrum.weights(targets - targets.mean(), unit * penalty) * scale
    return RidgeModel(mean, weights, float(targets.mean()), penalty, float(np.sqrt(errors[best])))


def decompose(inputs: np.ndarray) -> Spectrum:
    """The eigenvectors of X X', by the cheaper of the dual and the primal problem.

    Args:
        inputs: X (n, p), columns centred.
    """
    samples, width = inputs.shape
    values, vectors = eigh(inputs @ inputs.T if samples <= width else inputs.T @ inputs)
    kept = values > max(samples, width) * np.finfo(np.float64).eps * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    return Spectrum(inputs, vectors if samples <= width else inputs @ (vectors / np.sqrt(values)), values)


def cross_validate(spectrum: Spectrum, targets: np.ndarray, folds: Sequence[np.ndarray], penalty: float) -> float:
    """Mean squared error of the predictions of each fold's samples by the fit to all others."""
    return float(np.mean(held_out_errors(spectrum, targets, folds, penalty) ** 2))


def held_out_errors(spectrum: Spectrum, targets: np.ndarray, folds: Sequence[np.ndarray], penalty: float) -> np.ndarray:
    """(n,) target less the prediction of the fit that has not seen the sample's fold."""
    smoother = spectrum.smoother(penalty)
    errors = targets - smoother @ targets
    for held in folds:
        own = np.eye(len(held)) - smoother[np.ix_(held, held)]
        errors[held] = solve(own, errors[held], assume_a="pos")
    return errors


def check(inputs: np.ndarray, targets: np.ndarray, folds: int) -> None:
    """Raise RescoreError for a training set that no regression can be fitted to."""
    problem = ""
    if len(inputs) != len(targets):
        problem = f"{len(inputs)} rows of inputs but {len(targets)} targets"
    elif len(inputs) < max(folds, 2) + 1:
        problem = f"{len(inputs)} training samples for {folds} folds"
    elif not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        problem = "inputs or targets are not finite"
    elif np.ptp(targets) == 0 or not np.ptp(inputs, axis=0).any():
        problem = "all targets or all inputs are equal, so there is nothing to learn"
    if problem:
        raise RescoreError(f"ridge regression: {problem}. Mend the manifest or the activations, or lower the folds.")
