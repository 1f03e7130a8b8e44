"""C3D-LSTM-SVR on MTL-AQA (Parmar and Morris, Learning to Score Olympic Events, CVPRW 2017).

    rescore step systems.frozen_features.c3d_lstm_svr.run ...      the rule `c3d_lstm_svr`

Support vector regression, chosen and fitted inside the training set, on the last hidden state of the trained C3D-LSTM in place
of its fully connected unit (the released code reads the layer `lstm1`). No LSTM is trained again: they are those of `c3d_lstm`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import write_table
from rescore.systems.common.repetition import numbers_of
from rescore.systems.common.samples import read_members
from rescore.systems.common.support_vector import choose_and_fit
from rescore.systems.frozen_features import c3d_lstm
from rescore.systems.frozen_features.dives import (
    CHOSEN_COLUMNS,
    TRAINING_SETS,
    FeatureFiles,
    chosen_row,
    member_rows,
    read_dives,
)
from rescore.systems.frozen_features.members import TRAININGS
from rescore.training.members import run_clips

SYSTEM = "c3d_lstm_svr"


def run(
    files: FeatureFiles,
    members: Path,
    predictions: Path,
    chosen: Path,
    settings: dict[str, Any],
) -> None:
    """Fit a regression for each LSTM of `c3d_lstm` and predict the test and validation dives.

    Args:
        files: MTL-AQA's dives.
        members: checkpoint of `c3d_lstm`; its weights after the last iteration are read.
        predictions: .parquet to write; `iteration` is 0.
        chosen: .csv to write; a row a member and seed (`c3d_svr.run`).
        settings: `seed`, `multitask.clips`, `support_vector_regression`, `frozen_features`, `first_training`, `multitask.seeds`,
            `backbone.weights`.

    Raises:
        RescoreError: features, rows, splits or settings are wrong, or the checkpoint lacks members.
    """
    dives = read_dives(files, settings)
    lstms = [(name, seed) for name in TRAINING_SETS for seed in numbers_of(TRAININGS[SYSTEM], settings)]
    weights = read_members(members, [(f"{c3d_lstm.SYSTEM}/{name}", seed) for name, seed in lstms])
    parts, choices = [], []
    for name, seed in lstms:
        train, evaluated = (
            run_clips(weights[f"{c3d_lstm.SYSTEM}/{name}", seed], dives.features(seed, part))[0][:, -1].astype(
                np.float64
            )
            for part in (dives.train(name), dives.evaluated(name))
        )  # (n, H) each
        scores = dives.samples.scores(dives.train(name))
        model = choose_and_fit(train, scores, settings["support_vector_regression"], settings["seed"])
        parts.append(member_rows(SYSTEM, dives, name, seed, 0, model.predict(evaluated)))
        choices.append(chosen_row(f"{SYSTEM}/{name}", seed, model))
    write_table(chosen, pd.DataFrame(choices, columns=list(CHOSEN_COLUMNS)))
    write_table(predictions, pd.concat(parts, ignore_index=True))
