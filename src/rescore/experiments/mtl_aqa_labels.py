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

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_json, write_table
from rescore.experiments.open_predictions import prediction_rows, write_findings
from rescore.manifests.mtl_aqa import read_manifest

EXPERIMENT = "mtl_aqa_labels"
DIVE_CLASS = ("position", "armstand", "rotation_type", "somersaults", "twists")
MEMBERS: dict[str, tuple[str, ...]] = {
    "difficulty": ("difficulty",),
    "dive_class": ("dive_class",),
    "event": ("event",),
    "commentary": ("commentary",),
    "commentary_without_numbers": ("words",),
    "combination": ("difficulty", "dive_class", "event", "commentary"),
}
TOKEN = re.compile(r"\b\w[\w']*\b")
NUMBER_WORD = re.compile(
    r"\d|^(zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|half|halves|point|points)(s|'s|es)?$"
)


def run(directory: Path, predictions: Path, choice: Path, findings: Path, settings: dict[str, Any]) -> None:
    """Fit all members and predict the test dives.

    Args:
        directory: MTL-AQA's release (`Ready_2_Use` lies in it).
        predictions: written, Parquet: a row a member and test dive.
        choice: written, JSON: the chosen penalty of each member.
        findings: written, CSV: what is odd about the annotations.
        settings: `seed`; `ridge`: `penalties` (candidates), `folds`.

    Raises:
        RescoreError: the annotations cannot be used (see `manifests.mtl_aqa.read_manifest`).
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


def fit(train: pd.DataFrame, inputs: tuple[str, ...], settings: Mapping[str, Any]) -> GridSearchCV:
    """Ridge regression from the named inputs to the score, its penalty chosen by mean squared error over the folds."""
    ridge = settings["ridge"]
    if len(train) < ridge["folds"]:
        raise RescoreError(f"{len(train)} training dives for {ridge['folds']} folds. Lower ridge.folds.")
    folds = KFold(ridge["folds"], shuffle=True, random_state=settings["seed"])
    grid = {"ridge__alpha": ridge["penalties"]}
    search = GridSearchCV(regression(inputs), grid, cv=folds, scoring="neg_mean_squared_error")
    return search.fit(train, train["score"])


def regression(inputs: tuple[str, ...]) -> Pipeline:
    """Inputs of the manifest -> one matrix -> ridge. All of it is fitted inside each fold, vocabulary included."""
    encoders = {
        "difficulty": (StandardScaler(), ["difficulty"]),
        "dive_class": (OneHotEncoder(handle_unknown="ignore"), list(DIVE_CLASS)),
        "event": (OneHotEncoder(handle_unknown="ignore"), ["event"]),
        "commentary": (TfidfVectorizer(tokenizer=words, token_pattern=None), "caption"),
        "words": (TfidfVectorizer(tokenizer=words_without_numbers, token_pattern=None), "caption"),
    }
    chosen = [(name, *encoders[name]) for name in inputs]
    return make_pipeline(ColumnTransformer(chosen), Ridge(solver="lsqr", tol=1e-8))


def words(caption: str) -> list[str]:
    return TOKEN.findall(caption)


def words_without_numbers(caption: str) -> list[str]:
    return [word for word in words(caption) if not NUMBER_WORD.search(word)]
