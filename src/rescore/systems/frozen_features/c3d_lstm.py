"""C3D-LSTM on MTL-AQA (What and How Well You Performed?, Table 7; Parmar and Morris, CVPRW 2017).

    rescore step systems.frozen_features.c3d_lstm.run ...      the rule `c3d_lstm`

The network of AQA-7's experiments (models.c3d_lstm) on MTL-AQA's clip features: an LSTM over a dive's clips, a fully connected
unit on its last state, the score as the label of the last clip.
"""

from pathlib import Path
from typing import Any

from rescore.systems.common.samples import remove_restart, restart_directory, write_results
from rescore.systems.frozen_features.dives import lstm_rows, read_dives, train_lstms, training_set_of

SYSTEM = "c3d_lstm"


def run(
    features: list[Path],
    rows: Path,
    splits: Path,
    predictions: Path,
    members: Path,
    settings: dict[str, Any],
    backbone: list[Path] | None = None,
    dropped: Path | None = None,
) -> None:
    """Train an LSTM for each training set and seed; write predictions and checkpoint. A killed run goes on where it was.

    Args:
        features, rows, splits, dropped: see `frozen_features.read_dives`.
        predictions: .parquet to write; test and validation dives, every `evaluate_every` iterations.
        members: .safetensors to write, stacked weights after the last iteration.
        settings: `backbone`, `lstm`, `frozen_features`, `multitask.clips`, `first_training`, `multitask.seeds`.
        backbone: the frozen networks' weights; their hashes go into the checkpoint's header.

    Raises:
        RescoreError: features, rows, splits or settings are wrong, or training diverged.
    """
    dives = read_dives(features, rows, splits, settings, dropped)
    restart = restart_directory(members)
    trained = train_lstms(SYSTEM, dives, settings, restart)
    sds = [dives.sds(training_set_of(result.member)) for result in trained]
    table = lstm_rows(SYSTEM, dives, trained)
    write_results(SYSTEM, dives.samples, trained, sds, table, predictions, members, settings, backbone or ())
    remove_restart(restart)
