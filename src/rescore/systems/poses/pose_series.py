"""What the pose systems share: joints as series over time, and the regression from their description to the score.

poses (pixels, gaps) ─► gaps filled ─► relative to the head ─► divided by the body's size ─► a series a coordinate
                                                                                                   │
                                     predictions ◄─ support vector regression ◄─ Pose+DCT | Pose+ApEn
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table, write_table
from rescore.systems.common.open_predictions import prediction_rows
from rescore.systems.common.repetition import numbers_of
from rescore.systems.common.support_vector import choose_and_fit
from rescore.systems.common.training_sets import each_training_set
from rescore.systems.poses.members import TRAININGS

TRAINING_SETS = ("1059", "unlv_dive")
"""Of MTL-AQA, those of its Table 7."""
CHOSEN = ["member", "seed", "kernel", "c", "epsilon", "correlation"]
Input = tuple[str, int, Path, Path]
"""Beginning of members' names (`pose_dct`, `pose_dct_true`), number of the training, pose file and its rows."""
Describe = Callable[[np.ndarray, Mapping[str, Any]], np.ndarray]
"""Series (time, coordinate) and the section `poses` -> features (width,), the same width whatever the time."""


def read_series(poses: Path, rows: Path, settings: Mapping[str, Any]) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """The samples of a pose file and the series of each; see `series_of`.

    Raises:
        RescoreError: the file is missing or damaged, or does not belong to its rows.
    """
    table = read_table(rows)
    try:
        found = np.load(poses, allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(f"{poses}: no such file. Run the step that writes it (`rescore plan` names it).") from error
    except (ValueError, OSError, EOFError) as error:
        raise RescoreError(f"{poses}: not a readable .npy file ({error}). Delete it and run again.") from error
    if found.ndim != 4 or len(found) != len(table) or found.shape[-1] != 2:
        raise RescoreError(
            f"{poses}: shape {found.shape} for {len(table)} rows of {rows}; (sample, time, joint, 2) expected. "
            "Delete both and run again."
        )
    lost = [f"{name}: no joint was found in any frame" for name in table["sample"][~np.isfinite(found).any((1, 2, 3))]]
    raise_together(f"{poses}: samples without a pose", lost, "look at their clips; lower poses.least_confidence.")
    return table, [series_of(sample, settings["poses"]["scale"]) for sample in found]


def series_of(pose: np.ndarray, scale: str) -> np.ndarray:
    """One sample's joints as series.

    Times before the first and after the last joint that was found carry nothing and are left out (zero frames, the water after
    a dive); gaps between are filled by straight lines, joint by joint. A joint that is never found lies on the head.
    The head is subtracted (Pirsiavash et al. 2014, Section 3.1) and dropped, being zero.

    Args:
        pose: (time, joint, 2) pixels, the head first, NaN where not found; some joint is found at some time.
        scale: `body`: divide by the root mean square distance of the joints to the head over the sample; `none`.

    Returns:
        (times, 2 x (joints - 1)) float64.
    """
    times = np.flatnonzero(np.isfinite(pose).any(axis=(1, 2)))
    pose = fill_gaps(pose[times[0] : times[-1] + 1].astype(np.float64))
    relative = pose[:, 1:] - pose[:, :1]
    size = float(np.sqrt(np.square(relative).sum(axis=-1).mean())) if scale == "body" else 1.0
    return relative.reshape(len(relative), -1) / (size or 1.0)


def fill_gaps(pose: np.ndarray) -> np.ndarray:
    """(time, joint, 2) without NaN: straight lines between the times at which a joint was found, constant beyond."""
    times, filled = np.arange(len(pose)), pose.copy()
    never = [joint for joint in range(pose.shape[1]) if not np.isfinite(pose[:, joint]).any()]
    for joint in range(pose.shape[1]):
        if joint not in never:
            known = np.flatnonzero(np.isfinite(pose[:, joint]).all(axis=-1))
            for axis in (0, 1):
                filled[:, joint, axis] = np.interp(times, known, pose[known, joint, axis])
    middle = np.nanmean(filled, axis=1, keepdims=True) if 0 in never else filled[:, :1]
    filled[:, never] = middle  # without a head, the middle of the other joints stands for it
    return filled


def regress(
    member: str,
    experiment: str,
    features: np.ndarray,
    train: pd.DataFrame,
    test: pd.DataFrame,
    settings: Mapping[str, Any],
    training: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fit one member's support vector regression and predict its test samples.

    Args:
        features: (sample, width) of the whole data set.
        train, test: its rows, numbered as `features`.
        settings: `seed`, section `poses`.
        training: number of the estimator's training that the features rest on.

    Returns:
        Rows of the predictions contract and what was chosen (CHOSEN).

    Raises:
        RescoreError: too few samples, features not finite, or scores that do not vary.
    """
    try:
        model = choose_and_fit(
            features[train.index],
            train["score"].to_numpy(float),
            settings["poses"]["regression"],
            settings["seed"],
        )
    except RescoreError as error:
        raise RescoreError(f"{member} (seed {training}): {error}") from error
    rows = prediction_rows(
        experiment, member, test.assign(split="test"), model.predict(features[test.index]), seed=training
    )
    return rows, {"member": member, "seed": training, **model.best_params, "correlation": model.best_score}


def run_mtl_aqa(
    experiment: str,
    describe: Describe,
    inputs: Sequence[Input],
    splits: Path,
    predictions: Path,
    chosen: Path,
    settings: Mapping[str, Any],
) -> None:
    """One pose system on MTL-AQA's training sets of Table 7: predictions and the parameters chosen.

    Args:
        describe: from series to features.
        inputs: of `inputs_of`.
        splits: `training_set, sample, split`; samples without clips are passed over.
        predictions, chosen: written; Parquet, CSV.
        settings: `seed`, section `poses`.

    Raises:
        RescoreError: see `read_series` and `regress`, or a training set has no training or test samples.
    """
    parts, choices = [], []
    for name, training, poses, rows in inputs:
        table, series = read_series(poses, rows, settings)
        features = np.stack([describe(sample, settings["poses"]) for sample in series])
        listed = read_table(splits)
        listed = listed[listed["training_set"].isin(TRAINING_SETS) & listed["sample"].isin(table["sample"])]
        for training_set, train, test in each_training_set(table, listed, splits):
            about = f"{name}/{training_set}", experiment
            rows_of_member, choice = regress(*about, features, train, test, settings, training)
            parts.append(rows_of_member)
            choices.append(choice)
    write_table(chosen, pd.DataFrame(choices)[CHOSEN])
    write_table(predictions, pd.concat(parts, ignore_index=True))


def inputs_of(
    name: str,
    poses: Sequence[Path],
    rows: Path,
    true_poses: Path | None,
    true_rows: Path | None,
    settings: Mapping[str, Any],
) -> list[Input]:
    """What a system reads: the poses of each training's estimator, and the true ones where the videos are synthetic.

    Args:
        poses: files of the estimators, in the order of `trainings.trainings`.
        rows: their common table.

    Raises:
        RescoreError: not as many files as trainings.
    """
    numbers = numbers_of(TRAININGS[name], settings)
    if len(poses) != len(numbers):
        raise RescoreError(
            f"{name}: {len(poses)} files of poses for the trainings {', '.join(map(str, numbers))}: one each expected. "
            "Run the workflow, which names them."
        )
    inputs = [(name, number, path, rows) for number, path in zip(numbers, poses, strict=True)]
    if true_poses is not None and true_rows is not None:
        true = f"{name}_true"
        inputs += [(true, number, true_poses, true_rows) for number in numbers_of(TRAININGS[true], settings)]
    return inputs
