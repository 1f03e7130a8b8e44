"""C3D-LSTM with incremental labels on MTL-AQA (Parmar and Morris, Learning to Score Olympic Events, CVPRW 2017).

    rescore step systems.frozen_features.c3d_lstm_incremental.run ...      the rule `c3d_lstm_incremental`

Every clip has a label: the score is taken to grow evenly from 0 to its final value. What the network says after each clip is
then the points so far, and a clip that adds fewer than it does in a mean training dive is where points are lost.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import write_table
from rescore.models.c3d_lstm import label_shares
from rescore.systems.common.samples import remove_restart, restart_directory, write_members
from rescore.systems.frozen_features.dives import (
    Dives,
    FeatureFiles,
    lstm_rows,
    read_dives,
    train_lstms,
    training_set_of,
)
from rescore.training.members import TrainedMember, run_clips

SYSTEM = "c3d_lstm_incremental"
INCREMENT_COLUMNS = (
    *("experiment", "member", "seed", "iteration", "dataset", "sample", "action", "split"),
    *("clip", "predicted", "expected", "unit"),
)


def run(
    files: FeatureFiles,
    predictions: Path,
    members: Path,
    increments: Path,
    settings: dict[str, Any],
    backbone: list[Path] | None = None,
) -> None:
    """Train an LSTM with incremental labels for each training set and seed. A killed run goes on where it was.

    Args:
        files: MTL-AQA's dives.
        predictions: .parquet to write; what is said after the last clip, every `evaluate_every` iterations.
        members: .safetensors to write; its header has under `expected` each member's mean training dive, clip by clip.
        increments: .parquet to write; after the last iteration, a row a dive and clip (counted from 1): points so far
            (`predicted`), and those of the mean training dive as the same member sees it (`expected`).
        settings: `backbone`, `lstm`, `frozen_features`, `multitask.clips`, `first_training`, `multitask.seeds`.
        backbone: the frozen networks' weights; their hashes go into the checkpoint's header.

    Raises:
        RescoreError: features, rows, splits or settings are wrong, or training diverged.
    """
    dives = read_dives(files, settings)
    restart = restart_directory(members)
    shares = label_shares(dives.samples.features.shape[2], settings["frozen_features"]["label_power"])
    trained = train_lstms(SYSTEM, dives, settings, restart, shares)
    sds = [dives.sds(training_set_of(result.member)) for result in trained]
    expected = [mean_training_dive(dives, result) for result in trained]
    table = lstm_rows(SYSTEM, dives, trained)
    details = {"expected": [values.tolist() for values in expected]}
    write_table(increments, increment_rows(dives, trained, expected, table))
    write_members(SYSTEM, dives.samples, trained, sds, members, settings, backbone or (), details)
    write_table(predictions, table)
    remove_restart(restart)


def points_so_far(dives: Dives, result: TrainedMember, rows: np.ndarray) -> np.ndarray:
    """Points after each clip of the unshifted dives, float64 (rows, clip)."""
    _, steps = run_clips(result.weights, dives.features(result.member.seed, rows))
    return steps.astype(np.float64) * dives.score_sd(training_set_of(result.member))


def mean_training_dive(dives: Dives, result: TrainedMember) -> np.ndarray:
    """Points after each clip, averaged over the member's training dives: float64 (clip,)."""
    return points_so_far(dives, result, dives.train(training_set_of(result.member))).mean(axis=0)


def increment_rows(
    dives: Dives, trained: Sequence[TrainedMember], expected: Sequence[np.ndarray], predictions: pd.DataFrame
) -> pd.DataFrame:
    """The table of increments: for each member the rows of its last predictions, once a clip."""
    parts = []
    for result, mean in zip(trained, expected, strict=True):
        member, last = result.member, max(result.predictions)
        mine = (predictions["member"] == member.name) & (predictions["seed"] == member.seed)
        base = predictions[mine & (predictions["iteration"] == last)].drop(columns=["target", "predicted"])
        points = points_so_far(dives, result, member.evaluate_rows)  # (dives, clip)
        clips = points.shape[1]
        repeated = base.loc[base.index.repeat(clips)].reset_index(drop=True)
        parts.append(
            repeated.assign(
                clip=np.tile(np.arange(1, clips + 1), len(base)),
                predicted=points.flatten(),
                expected=np.tile(mean, len(base)),
            )
        )
    return pd.concat(parts, ignore_index=True)[list(INCREMENT_COLUMNS)]
