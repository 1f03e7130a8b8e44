"""C3D-SVR on MTL-AQA (What and How Well You Performed?, Table 7; Parmar and Morris, CVPRW 2017).

    rescore step systems.frozen_features.c3d_svr.run ...      the rule `c3d_svr`

Clip features averaged over a dive, standardised, then support vector regression; kernel, C and epsilon are chosen by
cross-validation inside the training set.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import write_table
from rescore.systems.common.repetition import numbers_of
from rescore.systems.common.support_vector import choose_and_fit
from rescore.systems.frozen_features.dives import (
    CHOSEN_COLUMNS,
    TRAINING_SETS,
    FeatureFiles,
    chosen_row,
    member_rows,
    read_dives,
)
from rescore.systems.frozen_features.members import TRAININGS

SYSTEM = "c3d_svr"


def run(
    files: FeatureFiles,
    predictions: Path,
    chosen: Path,
    settings: dict[str, Any],
) -> None:
    """Fit a regression for each training set and backbone and predict its test and validation dives.

    Nothing in it is random but the folds, which are those of every training: it is repeated with its backbone. Regressions read
    the unshifted dives: as samples of their own the shifted ones would put near twins of a dive into several folds.

    Args:
        files: MTL-AQA's dives.
        predictions: .parquet to write; `iteration` is 0.
        chosen: .csv to write; a row a member and seed: kernel, C, epsilon and the rank correlation out of fold.
        settings: `seed`, `multitask.clips`, `support_vector_regression`, `frozen_features`, `first_training`, `multitask.seeds`,
            `backbone.weights`.

    Raises:
        RescoreError: features, rows, splits or settings are wrong.
    """
    dives = read_dives(files, settings)
    parts, choices = [], []
    jobs = [(name, seed) for name in TRAINING_SETS for seed in numbers_of(TRAININGS[SYSTEM], settings)]
    for name, seed in jobs:
        train, evaluated = (
            np.asarray(dives.features(seed, part), np.float64).mean(axis=1)
            for part in (dives.train(name), dives.evaluated(name))
        )  # (n, width) each
        scores = dives.samples.scores(dives.train(name))
        model = choose_and_fit(train, scores, settings["support_vector_regression"], settings["seed"])
        parts.append(member_rows(SYSTEM, dives, name, seed, 0, model.predict(evaluated)))
        choices.append(chosen_row(f"{SYSTEM}/{name}", seed, model))
    write_table(chosen, pd.DataFrame(choices, columns=list(CHOSEN_COLUMNS)))
    write_table(predictions, pd.concat(parts, ignore_index=True))
