"""All-action against single-action models (AQA-7, Sec. 5.1, Table 2).

    rescore step systems.aqa7_lstm.all_action.run ...      the rule `all_action`; docs/experiments.md has cost and expectation

Members, all LSTMs in one process: `single/<action>` x 6 and `all`, each x seeds; `svr/<action>` x 6, each x backbones.
Single-action LSTMs predict the test samples of all six actions, because Table 3's middle rows are the same models.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_table
from rescore.systems.aqa7_lstm.members import TRAININGS
from rescore.systems.common.repetition import numbers_of, seeds
from rescore.systems.common.samples import (
    Samples,
    prediction_rows,
    read_samples,
    remove_restart,
    restart_directory,
    trained_predictions,
    write_members,
)
from rescore.systems.common.support_vector import fit_predict
from rescore.training.members import Member, train_members
from rescore.training.restart import Restarts


def run(
    features: list[Path],
    rows: Path,
    predictions: Path,
    members: Path,
    settings: dict[str, Any],
    backbone: list[Path] | None = None,
) -> None:
    """Train the members of Table 2 and write predictions and checkpoint.

    Args:
        features: .npy, float16 (sample, temporal offset, clip, width), one a backbone.
        rows: .parquet, the samples of the features.
        predictions: .parquet to write.
        members: .safetensors to write.
        settings: sections `seed`, `first_training`, `seeds`, `backbone`, `lstm`, `support_vector_regression`.
        backbone: the frozen networks' weights; their hashes go into the checkpoint's header.

    Raises:
        RescoreError: features, rows or settings are wrong, or training diverged.
    """
    numbers = seeds(settings)
    samples = read_samples(features, rows, numbers, settings)
    restart = restart_directory(members)
    offset = settings["backbone"]["test_offset"]
    lstms = lstm_members(samples, numbers)
    trained = train_members(
        samples.features, lstms, settings["lstm"], offset, restarts=Restarts(restart, samples.data_hash)
    )
    regressions, chosen = support_vector_predictions(samples, offset, settings)
    sds = [samples.training_sds()] * len(trained)
    table = pd.concat([trained_predictions("all_action", samples, trained, sds), regressions], ignore_index=True)
    details = {"support_vector_regression": chosen}
    write_members("all_action", samples, trained, sds, members, settings, backbone or (), details)
    write_table(predictions, table)
    remove_restart(restart)


def lstm_members(samples: Samples, numbers: Sequence[int]) -> list[Member]:
    """Six single-action networks and the all-action one, each once a seed."""
    subsets = {f"single/{action}": [action] for action in EXPERIMENT_ACTIONS} | {"all": list(EXPERIMENT_ACTIONS)}
    test = samples.of(EXPERIMENT_ACTIONS, "test")
    return [
        Member(name, seed, train, samples.targets(train), test, first_row=samples.first_row(seed))
        for name, actions in subsets.items()
        for train in [samples.of(actions, "train")]
        for seed in numbers
    ]


def support_vector_predictions(
    samples: Samples, offset: int, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """C3D-SVR: features averaged over the clips of one temporal copy, a regression per action (Table 2, second row).

    The copy is the one that testing reads: as samples of their own, the others would put near twins of a sample into
    several folds of the cross-validation.

    Returns:
        Predictions of each action's own test samples, and the chosen parameters by action and training.
    """
    parts, chosen = [], {}
    jobs = [(action, seed) for action in EXPERIMENT_ACTIONS for seed in numbers_of(TRAININGS["svr"], settings)]
    for action, seed in jobs:
        train, test = samples.of([action], "train"), samples.of([action], "test")
        features = samples.features_of(seed)
        mean = [features[part, offset].astype(np.float64).mean(axis=1) for part in (train, test)]  # (n, width)
        try:
            points, chosen[f"{action}, seed {seed}"] = fit_predict(
                mean[0], samples.scores(train), mean[1], settings["support_vector_regression"], settings["seed"]
            )
        except RescoreError as error:
            raise RescoreError(f"svr/{action} (seed {seed}): {error}") from error
        parts.append(prediction_rows("all_action", samples, f"svr/{action}", seed, 0, test, points))
    return pd.concat(parts, ignore_index=True), chosen
