"""Ridge regression from what is written about a dive (difficulty, class, event, commentary) to its score; no video."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from rescore.engine.errors import RescoreError

DIVE_CLASS = ("position", "armstand", "rotation_type", "somersaults", "twists")
TOKEN = re.compile(r"\b\w[\w']*\b")
NUMBER_WORD = re.compile(
    r"\d|^(zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|half|halves|point|points)(s|'s|es)?$"
)


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
