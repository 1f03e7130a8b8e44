"""Pose+ApEn (Venkataraman, Vlachos and Turaga 2015, "Dynamical regularity for action analysis"), on MTL-AQA (beside M, Table 7).

The features of a support vector regression are the approximate entropies of the joints' coordinates over time, relative to the
head, and the cross-approximate entropies of every ordered pair of them.

Approximate entropy (Pincus 1991, PNAS 88:2297): with the blocks x_i = (u_i, ..., u_{i+m-1}) of a series u of N values and the
largest difference of their values as distance d,

    C_i^m(r) = share of the N - m + 1 blocks x_j with d(x_i, x_j) <= r          (x_i itself among them)
    Phi^m(r) = mean over i of ln C_i^m(r)
    ApEn(m, r) = Phi^m(r) - Phi^{m+1}(r)

Cross-approximate entropy (Pincus and Singer 1996, PNAS 93:14100) takes the blocks x_i of one standardised series and the blocks
y_j of another. A block may then resemble none, which has no logarithm: where no block of m + 1 values does, one is counted, and
where none of m values does, the block says nothing (the correction towards 0 that Richman and Moorman 2000 call bias 0).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rescore.systems.poses.pose_series import inputs_of, run_mtl_aqa

EXPERIMENT = "pose_apen"


def run(
    poses: list[Path],
    rows: Path,
    splits: Path,
    predictions: Path,
    chosen: Path,
    settings: dict[str, Any],
    true_poses: Path | None = None,
    true_rows: Path | None = None,
) -> None:
    """Members `pose_apen/<training set>` and, with true poses, `pose_apen_true/<training set>`; arguments as `pose_dct.run`."""
    inputs = inputs_of(EXPERIMENT, poses, rows, true_poses, true_rows, settings)
    run_mtl_aqa(EXPERIMENT, describe, inputs, splits, predictions, chosen, settings)


def describe(series: np.ndarray, knobs: Mapping[str, Any]) -> np.ndarray:
    """Entropies of standardised series.

    Args:
        series: (time, coordinate).
        knobs: `entropy`: `block` (m), `tolerance` (r, standard deviations), `cross`.

    Returns:
        (coordinates,) approximate entropies; with `cross` (coordinates^2,): row u, column v is the cross-approximate entropy of
        u's blocks in v, on the diagonal the approximate entropy. Zero where a series is too short for one block of m + 1.
    """
    entropy, standard = knobs["entropy"], standardise(series)
    block, tolerance = int(entropy["block"]), float(entropy["tolerance"])
    if entropy["cross"]:
        return cross_approximate_entropies(standard, block, tolerance).ravel()
    return np.array([approximate_entropy(values, block, tolerance) for values in standard.T])


def standardise(series: np.ndarray) -> np.ndarray:
    """(time, coordinate) of mean 0 and standard deviation 1; a series that does not vary becomes zero."""
    centred = series - series.mean(axis=0)
    deviation = centred.std(axis=0)
    return np.where(deviation > 1e-9, centred / np.maximum(deviation, 1e-9), 0.0)


def approximate_entropy(values: np.ndarray, block: int, tolerance: float) -> float:
    """ApEn(m, r) of one series, in nats.

    Args:
        values: (time,), not standardised here.
        block: m; tolerance: r, in the values' unit.
    """
    return float(cross_approximate_entropies(np.asarray(values, float)[:, None], block, tolerance)[0, 0])


def cross_approximate_entropies(series: np.ndarray, block: int, tolerance: float) -> np.ndarray:
    """(coordinate u, coordinate v) cross-approximate entropy of each ordered pair, in nats; ApEn on the diagonal.

    Args:
        series: (time, coordinate), in one unit.
        block: m; tolerance: r.
    """
    coordinates = series.shape[1]
    if len(series) <= block:
        return np.zeros((coordinates, coordinates))
    return np.stack([entropies_in(column, series, block, tolerance) for column in series.T])


def entropies_in(values: np.ndarray, others: np.ndarray, block: int, tolerance: float) -> np.ndarray:
    """(coordinate,) cross-approximate entropy of the blocks of `values` (time,) in each column of `others` (time, coordinate)."""
    near = np.abs(values[:, None, None] - others.T[None]) <= tolerance  # (i, coordinate, j)
    short = shares(near, block)
    long = shares(near, block + 1)
    return mean_logarithm(short) - mean_logarithm(
        np.where(counted(short, len(long)), np.maximum(long, 1 / len(long)), 1.0)
    )


def counted(short: np.ndarray, blocks: int) -> np.ndarray:
    """For each of the first blocks, whether its m values resemble any; the others have no share of m + 1 values to take."""
    return short[:blocks] > 0


def shares(near: np.ndarray, block: int) -> np.ndarray:
    """C_i^m: (blocks, coordinate), the share of blocks j all of whose values are near those of block i."""
    blocks = len(near) - block + 1
    alike = near[:blocks, :, :blocks]
    for step in range(1, block):
        alike = alike & near[step : step + blocks, :, step : step + blocks]
    return np.asarray(alike.mean(axis=2))


def mean_logarithm(share: np.ndarray) -> np.ndarray:
    """Phi: the mean over blocks of ln C; a share of 0, which resembles nothing, counts as ln 1."""
    return np.asarray(np.log(np.where(share > 0, share, 1.0)).mean(axis=0))
