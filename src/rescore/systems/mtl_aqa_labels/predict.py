"""What MTL-AQA's labels alone say about the score: ridge regressions that see no video.

A network that scores video has to be read against these. Fitted on the official 1059 training dives, tested on the 353:

    difficulty                    the announced degree of difficulty
    dive_class                    position, armstand, rotation type, somersaults, twists (one-hot)
    event                         the broadcast: its mean training score, shrunk
    commentary                    bag of words, tf-idf; words and weights from the training commentary only
    commentary_without_numbers    the same without figures and number words: commentators read out scores and difficulties
    combination                   difficulty, dive class, event and commentary

The ridge penalty is chosen by cross-validation inside the training set. Difficulty, class and commentary belong to the test
dive itself and would be at hand before or without any look at the video; this measures labels, it is no way to judge dives.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from rescore.datasets.mtl_aqa.release import read_manifest
from rescore.engine.storage import write_json, write_table
from rescore.systems.common.label_regression import fit
from rescore.systems.common.open_predictions import prediction_rows, write_findings

EXPERIMENT = "mtl_aqa_labels"
MEMBERS: dict[str, tuple[str, ...]] = {
    "difficulty": ("difficulty",),
    "dive_class": ("dive_class",),
    "event": ("event",),
    "commentary": ("commentary",),
    "commentary_without_numbers": ("words",),
    "combination": ("difficulty", "dive_class", "event", "commentary"),
}


def run(directory: Path, predictions: Path, choice: Path, findings: Path, settings: dict[str, Any]) -> None:
    """Fit all members and predict the test dives.

    Args:
        directory: MTL-AQA's release (`Ready_2_Use` lies in it).
        predictions: written, Parquet: a row a member and test dive.
        choice: written, JSON: the chosen penalty of each member.
        findings: written, CSV: what is odd about the annotations.
        settings: `seed`; `ridge`: `penalties` (candidates), `folds`.

    Raises:
        RescoreError: the annotations cannot be used (see `datasets.mtl_aqa.release.read_manifest`).
    """
    manifest, odd = read_manifest(directory, Path("data/raw/mtl_aqa/videos"))
    train, test = (manifest[manifest["split"] == split] for split in ("train", "test"))
    tables, chosen = [], {}
    for member, inputs in MEMBERS.items():
        search = fit(train, inputs, settings)
        tables.append(prediction_rows(EXPERIMENT, member, test, search.predict(test)))
        chosen[member] = {"inputs": list(inputs), "penalty": float(search.best_params_["ridge__alpha"])}
    write_table(predictions, pd.concat(tables, ignore_index=True))
    write_json(choice, {"members": chosen, "training_samples": len(train), "test_samples": len(test)})
    write_findings(findings, [("mtl_aqa/Ready_2_Use", odd)])
