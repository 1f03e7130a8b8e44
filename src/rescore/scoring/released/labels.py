"""What labels alone say of a score, on the official splits: no predictor sees a frame.

FineDiving: the difficulty, and the dive's class. Fis-V: the sums of its elements' base values, and of these and the grades of
execution, which is how the technical score comes about.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.scoring.correlation import Trained, estimate_spearman
from rescore.scoring.papers import NOTHING_CHOSEN, TRAINING_SET
from rescore.scoring.scores import score_row, write_scores
from rescore.sources.pickles import load_pickle

ANNOTATIONS = "Annotations/FineDiving"
FIS_V_COLUMNS = ["video", "TES", "PCS", "deduction"]
PENALTIES = np.logspace(-2, 4, 13)
"""Of the ridge regression, chosen by leave-one-out in the training set."""
EXPERIMENT = "labels"
CORRELATION = "Sp. Corr."


def score_labels(
    finediving: Path,
    fis_v: Path,
    elements: Path,
    finediving_scores: Path,
    fis_v_scores: Path,
    settings: dict[str, Any],
) -> None:
    """Write what labels alone give on FineDiving and Fis-V.

    Args:
        finediving, fis_v, elements: folders of `released-finediving`, `released-fis-v` and `released-fis-v-elements`.
        finediving_scores, fis_v_scores: written, CSVs of the scores contract.
        settings: `seed`; `scoring`: `bootstrap`, `confidence`.

    Raises:
        RescoreError: files are missing or not what they should be.
    """
    write_scores(finediving_scores, EXPERIMENT, dive_rows(read_finediving(finediving), settings))
    write_scores(fis_v_scores, EXPERIMENT, skating_rows(read_fis_v(fis_v), read_elements(elements), settings))


def read_finediving(folder: Path) -> pd.DataFrame:
    """FineDiving's dives: `sample, action_type, score, difficulty, split, marks` (of the judges), in the order of the split.

    Raises:
        RescoreError: a file is missing, or a list names a dive without annotation.
    """
    path = folder / ANNOTATIONS
    annotations = load_pickle(path / "FineDiving_coarse_annotation.pkl")
    fine = load_pickle(path / "FineDiving_fine-grained_annotation.pkl")
    keys = {split: [tuple(key) for key in load_pickle(path / f"{split}_split.pkl")] for split in ("train", "test")}
    lost = [
        f"{key} has no annotation"
        for part in keys.values()
        for key in part
        if key not in annotations or key not in fine
    ]
    raise_together(
        f"{path}: lists and annotations contradict each other", lost, "run `rescore fetch released-finediving`."
    )
    rows = [
        {
            "sample": "/".join(map(str, key)),
            "action_type": fine[key]["action_type"],
            "score": float(fine[key]["dive_score"]),
            "difficulty": float(fine[key]["difficulty"]),
            "split": split,
            "marks": tuple(map(float, annotations[key]["judge_scores"])),
        }
        for split, part in keys.items()
        for key in part
    ]
    return pd.DataFrame(rows)


def dive_rows(dives: pd.DataFrame, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Score rows of difficulty, class, and both."""
    test = dives[dives["split"] == "test"]
    classes = pd.get_dummies(dives["action_type"], dtype=float)
    difficulty = dives[["difficulty"]].astype(float)
    both = pd.concat([classes, difficulty], axis=1)
    predicted = {
        ("Difficulty alone", NOTHING_CHOSEN): test["difficulty"].to_numpy(float),
        ("Dive class alone", TRAINING_SET): regressed(dives, classes),
        ("Difficulty and dive class", TRAINING_SET): regressed(dives, both),
    }
    return [
        one_row(row, CORRELATION, rule, test["score"], values, test["sample"], settings)
        for (row, rule), values in predicted.items()
    ]


def regressed(dives: pd.DataFrame, inputs: pd.DataFrame) -> np.ndarray:
    """Test scores by a ridge regression on the training dives."""
    from sklearn.linear_model import RidgeCV

    train, test = (dives["split"] == split for split in ("train", "test"))
    fitted = RidgeCV(alphas=PENALTIES).fit(inputs[train].to_numpy(), dives.loc[train, "score"].to_numpy())
    return np.asarray(fitted.predict(inputs[test].to_numpy()))


def one_row(
    row: str,
    column: str,
    rule: str,
    target: pd.Series,
    predicted: np.ndarray,
    samples: Sequence[str] | pd.Series,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """A score row of one predictor."""
    scoring, names = settings["scoring"], np.array(list(samples), dtype=object)
    estimate = estimate_spearman(
        target.to_numpy(float)[None], predicted[None], names[None], Trained(), scoring["bootstrap"], settings["seed"]
    )
    return score_row(row, column, "spearman", rule, estimate, scoring["confidence"])


def read_fis_v(folder: Path) -> pd.DataFrame:
    """Fis-V's programmes: `video, TES, PCS, deduction, split`.

    Raises:
        RescoreError: a list is missing or damaged, or names a programme twice.
    """
    parts = []
    for split in ("train", "test"):
        path = folder / f"data/{split}_dataset.txt"
        try:
            part = pd.read_csv(path, sep=r"\s+", header=None, names=FIS_V_COLUMNS, dtype={"video": str})
            parts.append(part.assign(split=split).astype({"TES": float, "PCS": float}))
        except (OSError, ValueError) as error:
            raise RescoreError(f"{path}: not a list of Fis-V ({error}). Run `rescore fetch released-fis-v`.") from error
    table = pd.concat(parts, ignore_index=True)
    twice = [f"programme {video} is listed twice" for video in table.loc[table["video"].duplicated(), "video"]]
    raise_together(f"{folder}: Fis-V's lists contradict each other", twice, "run `rescore fetch released-fis-v`.")
    return table


def read_elements(folder: Path) -> pd.DataFrame:
    """The elements of Fis-V's programmes: `video, base, grade`, sums over the elements of a programme.

    Raises:
        RescoreError: the file is missing or damaged.
    """
    path = folder / "src/elements_preprocessing/vid_id_to_element_list.json"
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            (video, sum(part["base_value"] for part in listed), sum(part["goe"] for part in listed), len(listed))
            for video, listed in lists.items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        again = "Run `rescore fetch released-fis-v-elements`."
        raise RescoreError(f"{path}: not the elements of programmes ({error!r}). {again}") from error
    return pd.DataFrame(rows, columns=["video", "base", "grade", "elements"])


def skating_rows(programmes: pd.DataFrame, elements: pd.DataFrame, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Score rows of the sums, on the test programmes that have elements."""
    test = programmes[programmes["split"] == "test"].merge(elements, on="video", how="inner")
    predicted = {
        "Base values": test["base"].to_numpy(float),
        "Base values and grades of execution": (test["base"] + test["grade"]).to_numpy(float),
    }
    return [
        one_row(row, column, NOTHING_CHOSEN, test[column], values, test["video"], settings)
        for row, values in predicted.items()
        for column in ("TES", "PCS")
    ]
