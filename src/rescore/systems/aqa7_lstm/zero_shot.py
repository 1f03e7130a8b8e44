"""Quality of an action never seen in training (AQA-7, Sec. 5.2, Table 3).

    rescore step systems.aqa7_lstm.zero_shot.run ...       the rule `zero_shot`; docs/experiments.md has cost and expectation

Members, each x seeds: `random` (gaussian weights, untrained) on the test samples of all six actions, and
`without/<action>` x 6, trained on the five others and tested on that one. Table 3's middle rows, single-action models on
unseen actions, are predictions of `all_action`: nothing is trained twice.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.engine.storage import write_table
from rescore.systems.common.repetition import seeds
from rescore.systems.common.samples import (
    Samples,
    read_samples,
    remove_restart,
    restart_directory,
    trained_predictions,
    write_members,
)
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
    """Train the members of Table 3 that `all_action` does not have, and write predictions and checkpoint.

    Args:
        features: .npy, float16 (sample, temporal offset, clip, width), one a backbone.
        rows: .parquet, the samples of the features.
        predictions: .parquet to write.
        members: .safetensors to write; fine-tuning starts from its `without/<action>`.
        settings: sections `first_training`, `seeds`, `backbone`, `lstm`.
        backbone: the frozen networks' weights; their hashes go into the checkpoint's header.

    Raises:
        RescoreError: features, rows or settings are wrong, or training diverged.
    """
    numbers = seeds(settings)
    samples = read_samples(features, rows, numbers, settings)
    restart = restart_directory(members)
    offset = settings["backbone"]["test_offset"]
    untrained = train_members(
        samples.features, random_members(samples, numbers), {**settings["lstm"], "iterations": 0}, offset
    )
    trained = train_members(
        samples.features,
        leave_one_out_members(samples, numbers),
        settings["lstm"],
        offset,
        restarts=Restarts(restart, samples.data_hash),
    )
    everyone = untrained + trained
    sds = [samples.training_sds()] * len(everyone)
    table = trained_predictions("zero_shot", samples, everyone, sds)
    write_members("zero_shot", samples, everyone, sds, members, settings, backbone or ())
    write_table(predictions, table)
    remove_restart(restart)


def random_members(samples: Samples, numbers: Sequence[int]) -> list[Member]:
    """Networks that stay as they were drawn; they draw no sample."""
    nothing = np.zeros(0, np.int64)
    test = samples.of(EXPERIMENT_ACTIONS, "test")
    return [
        Member("random", seed, nothing, nothing.astype(np.float64), test, first_row=samples.first_row(seed))
        for seed in numbers
    ]


def leave_one_out_members(samples: Samples, numbers: Sequence[int]) -> list[Member]:
    """Networks trained on five actions and tested on the sixth, each once a seed."""
    return [
        Member(
            f"without/{unseen}",
            seed,
            train,
            samples.targets(train),
            samples.of([unseen], "test"),
            first_row=samples.first_row(seed),
        )
        for unseen in EXPERIMENT_ACTIONS
        for train in [samples.of([action for action in EXPERIMENT_ACTIONS if action != unseen], "train")]
        for seed in numbers
    ]
