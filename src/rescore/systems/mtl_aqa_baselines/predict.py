"""What stands beside every learned cell of the MTL-AQA paper: predictors that see no video (and one that sees everything).

For each training set, fitted on its training dives and applied to its test dives:

    majority/<set>           the most frequent class of each sub-action
    random_caption/<set>     the commentary of a random training dive of the same class (of any, where there is none)
    caption_elsewhere/<set>  the commentary of a random training dive of another class
    label_only/<set>         ridge regression from difficulty and dive class to the score
    commentary_only/<set>    ridge regression from the bag of words of the dive's own commentary to the score
    observer/<set>           what a judge without noise would give; synthetic dives only

The ridge penalty is chosen by cross-validation inside the training set. Class, difficulty and commentary belong to the test dive
itself: these are baselines, no ways to judge dives.
"""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import read_table, write_table
from rescore.manifests.contract import read_manifest
from rescore.systems.common.label_regression import DIVE_CLASS, fit
from rescore.systems.common.open_predictions import prediction_rows
from rescore.systems.common.repetition import seeds
from rescore.systems.common.training_sets import each_training_set

EXPERIMENT = "mtl_aqa_baselines"
REGRESSIONS: dict[str, tuple[str, ...]] = {
    "label_only": ("difficulty", "dive_class"),
    "commentary_only": ("commentary",),
}
CAPTIONS = ["experiment", "member", "seed", "iteration", "dataset", "sample", "split", "target", "predicted"]
CLASSES = [*CAPTIONS[:-2], "subaction", *CAPTIONS[-2:]]


def run(
    manifest: Path, splits: Path, predictions: Path, classes: Path, captions: Path, settings: dict[str, Any]
) -> None:
    """Fit every baseline on every training set and predict its test dives.

    Args:
        manifest: MTL-AQA's or the synthetic one.
        splits: `training_set, sample, split`.
        predictions, classes, captions: written, Parquet; `iteration` is 0, nothing being trained in iterations.
        settings: `seed`; `first_training`, `seeds` (draws of random captions); `ridge`: `penalties`, `folds`.

    Raises:
        RescoreError: the splits name dives that the manifest does not have, or a training set lacks training or test dives.
    """
    dives = read_manifest(manifest)
    scored, labelled, spoken = [], [], []
    for name, train, test in each_training_set(dives, read_table(splits), splits):
        scored += list(score_tables(name, train, test, settings))
        labelled.append(majority_table(f"majority/{name}", train, test))
        spoken += list(random_captions(name, train, test, settings))
    write_table(predictions, pd.concat(scored, ignore_index=True))
    write_table(classes, pd.concat(labelled, ignore_index=True)[CLASSES])
    write_table(captions, pd.concat(spoken or [pd.DataFrame(columns=CAPTIONS)], ignore_index=True)[CAPTIONS])


def score_tables(
    name: str, train: pd.DataFrame, test: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[pd.DataFrame]:
    """Predictions of the score by each regression that can be fitted, and by the perfect observer where there is one."""
    for member, inputs in REGRESSIONS.items():
        if "commentary" in inputs and not (has_commentary(train) and has_commentary(test)):
            continue
        ridge = settings["ridge"] | {"folds": max(2, min(settings["ridge"]["folds"], len(train)))}
        fitted = fit(with_text(train), inputs, {**settings, "ridge": ridge})
        yield prediction_rows(EXPERIMENT, f"{member}/{name}", test, fitted.predict(with_text(test)))
    if "observer" in test and test["observer"].notna().all():
        yield prediction_rows(EXPERIMENT, f"observer/{name}", test, test["observer"].to_numpy(float))


def with_text(dives: pd.DataFrame) -> pd.DataFrame:
    """Dives whose `caption` is text, empty where there is none."""
    return dives.assign(caption=dives["caption"].fillna("") if "caption" in dives else "")


def has_commentary(dives: pd.DataFrame) -> bool:
    """Whether at least half of the dives have words to learn from."""
    return bool((with_text(dives)["caption"].str.strip() != "").mean() >= 0.5)


def class_text(value: Any) -> str:
    """A class as text: `tuck`, `yes` or `no`, `2.5`."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str) else f"{float(value):g}"


def majority_table(member: str, train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """The most frequent training class of each sub-action for every test dive; of equally frequent ones the first by name."""
    parts = []
    for subaction in DIVE_CLASS:
        counts = train[subaction].map(class_text).value_counts().sort_index()
        rows = outline(member, 0, test).assign(subaction=subaction, target=test[subaction].map(class_text).to_numpy())
        parts.append(rows.assign(predicted=str(counts.idxmax())))
    return pd.concat(parts, ignore_index=True)


def outline(member: str, seed: int, test: pd.DataFrame) -> pd.DataFrame:
    """The columns that rows of classes and captions begin with."""
    rows = test[["dataset", "sample", "split"]].reset_index(drop=True)
    return rows.assign(experiment=EXPERIMENT, member=member, seed=seed, iteration=0)


def random_captions(
    training_set: str, train: pd.DataFrame, test: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[pd.DataFrame]:
    """For each draw and test dive with commentary, that of a training dive of the same class, and that of one of another."""
    train, test = (part[part["caption"].str.strip() != ""] for part in (with_text(train), with_text(test)))
    classes = [list(part[list(DIVE_CLASS)].itertuples(index=False, name=None)) for part in (train, test)]
    texts = list(zip(train["caption"], classes[0], strict=True))
    candidates = {
        "random_caption": {key: [text for text, its in texts if its == key] for key in set(classes[1])},
        "caption_elsewhere": {key: [text for text, its in texts if its != key] for key in set(classes[1])},
    }
    for name, of_class in candidates.items() if texts else ():
        member, anything = f"{name}/{training_set}", train["caption"].tolist()
        offered = [of_class[key] or anything for key in classes[1]]
        for draw in seeds(settings):
            generator = np.random.default_rng([settings["seed"], draw, zlib.crc32(member.encode())])
            drawn = [those[generator.integers(len(those))] for those in offered]
            yield outline(member, draw, test).assign(target=test["caption"].to_numpy(), predicted=drawn)
