"""Pose+DCT (Pirsiavash, Vondrick and Torralba 2014, "Assessing the quality of actions", Section 3.1), on MTL-AQA (M, Table 7).

Each coordinate of each joint, relative to the head, is a series q over time. Its discrete cosine transform Q = A q is cut to the
lowest frequencies, whose absolute values, over all coordinates, are the features of a support vector regression.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import dct

from rescore.systems.poses.pose_series import inputs_of, run_mtl_aqa

EXPERIMENT = "pose_dct"


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
    """Members `pose_dct/<training set>` and, with true poses, `pose_dct_true/<training set>`.

    Args:
        poses, rows: of `features.poses.estimate` for MTL-AQA, poses of each training's estimator.
        splits: `training_set, sample, split`.
        predictions: Parquet to write.
        chosen: CSV to write: `member, seed, kernel, c, epsilon, correlation` (of the choice inside the training set).
        settings: `seed`, `first_training`, `multitask.seeds`, section `poses`.
        true_poses, true_rows: of `features.true_poses`; synthetic videos only.

    Raises:
        RescoreError: inputs that do not fit together or that nothing can be fitted to.
    """
    inputs = inputs_of(EXPERIMENT, poses, rows, true_poses, true_rows, settings)
    run_mtl_aqa(EXPERIMENT, describe, inputs, splits, predictions, chosen, settings)


def describe(series: np.ndarray, knobs: Mapping[str, Any]) -> np.ndarray:
    """The absolute lowest frequencies of each coordinate.

    Args:
        series: (time, coordinate).
        knobs: `frequencies`; a shorter series has zeros in the place of those that it lacks.

    Returns:
        (coordinates x frequencies,) of the orthonormal DCT-II.
    """
    kept = np.abs(dct(series, type=2, norm="ortho", axis=0))[: int(knobs["frequencies"])]  # (frequency, coordinate)
    features = np.zeros((int(knobs["frequencies"]), series.shape[1]))
    features[: len(kept)] = kept
    return features.T.ravel()
