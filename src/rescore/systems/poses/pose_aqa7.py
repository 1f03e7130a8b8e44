"""Pose+DCT and Pose+ApEn on AQA-7 (A, Table 2), each action by itself, as C3D-SVR is trained.

The paper gives Pose+DCT for diving alone, because its pose estimator was tuned to diving; here all six actions are computed.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.engine.errors import raise_together
from rescore.engine.storage import write_table
from rescore.systems.poses import pose_apen, pose_dct
from rescore.systems.poses.pose_series import CHOSEN, Describe, inputs_of, read_series, regress

EXPERIMENT = "pose_aqa7"
SYSTEMS: dict[str, Describe] = {"pose_dct": pose_dct.describe, "pose_apen": pose_apen.describe}


def run(
    poses: list[Path],
    rows: Path,
    predictions: Path,
    chosen: Path,
    settings: dict[str, Any],
    true_poses: Path | None = None,
    true_rows: Path | None = None,
) -> None:
    """Members `pose_dct/<action>`, `pose_apen/<action>` and, with true poses, `pose_{dct,apen}_true/<action>`.

    Args:
        poses, rows: of `features.poses.estimate` for AQA-7, poses of each training's estimator.
        predictions: Parquet to write: each action's test samples.
        chosen: CSV to write: `member, seed, kernel, c, epsilon, correlation` (of the choice inside the training set).
        settings: `seed`, `first_training`, `multitask.seeds`, section `poses`.
        true_poses, true_rows: of `features.true_poses`; synthetic videos only.

    Raises:
        RescoreError: inputs that do not fit together or that nothing can be fitted to.
    """
    parts, choices = [], []
    for system, describe in SYSTEMS.items():
        for name, training, found, of in inputs_of(system, poses, rows, true_poses, true_rows, settings):
            table, series = read_series(found, of, settings)
            features = np.stack([describe(sample, settings["poses"]) for sample in series])
            for action in EXPERIMENT_ACTIONS:
                train, test = (
                    table[(table["action"] == action) & (table["split"] == split)] for split in ("train", "test")
                )
                empty = [f"{action}: no {what} samples" for what, part in (("test", test),) if part.empty]
                raise_together(f"{rows}: nothing to predict", empty, "check the manifest and the dropped samples.")
                about = f"{name}/{action}", EXPERIMENT
                predicted, choice = regress(*about, features, train, test, settings, training)
                parts.append(predicted)
                choices.append(choice)
    write_table(chosen, pd.DataFrame(choices)[CHOSEN])
    write_table(predictions, pd.concat(parts, ignore_index=True))
