"""C3D-LSTM on MTL-AQA (What and How Well You Performed?, Table 7; Parmar and Morris, CVPRW 2017).

    rescore step systems.frozen_features.c3d_lstm.run ...      the rule `c3d_lstm`

The network of AQA-7's experiments (models.c3d_lstm) on MTL-AQA's clip features: an LSTM over a dive's clips, a fully connected
unit on its last state, the score as the label of the last clip.
"""

from pathlib import Path
from typing import Any

from rescore.engine.storage import write_table
from rescore.systems.common.samples import remove_restart, restart_directory, write_members
from rescore.systems.frozen_features.dives import FeatureFiles, lstm_rows, read_dives, train_lstms, training_set_of

SYSTEM = "c3d_lstm"


def run(
    files: FeatureFiles,
    predictions: Path,
    members: Path,
    settings: dict[str, Any],
    backbone: list[Path] | None = None,
) -> None:
    """Train an LSTM for each training set and seed; write predictions and checkpoint. A killed run goes on where it was.

    Args:
        files: MTL-AQA's dives.
        predictions: .parquet to write; test and validation dives, every `evaluate_every` iterations.
        members: .safetensors to write, stacked weights after the last iteration.
        settings: `backbone`, `lstm`, `frozen_features`, `multitask.clips`, `first_training`, `multitask.seeds`.
        backbone: the frozen networks' weights; their hashes go into the checkpoint's header.

    Raises:
        RescoreError: features, rows, splits or settings are wrong, or training diverged.
    """
    dives = read_dives(files, settings)
    restart = restart_directory(members)
    trained = train_lstms(SYSTEM, dives, settings, restart)
    sds = [dives.sds(training_set_of(result.member)) for result in trained]
    table = lstm_rows(SYSTEM, dives, trained)
    write_members(SYSTEM, dives.samples, trained, sds, members, settings, backbone or ())
    write_table(predictions, table)
    remove_restart(restart)
