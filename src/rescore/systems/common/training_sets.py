"""MTL-AQA's training sets and tasks by name, as members, splits and scores spell them. No framework is imported."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from rescore.engine.errors import raise_together

WHOLE, SMALLER, UNLV_DIVE = "1059", ("450", "280", "140"), "unlv_dive"
VALIDATED = "_validated"
"""Ends the name of a training set without its validation dives."""
SINGLE_TASK, MULTITASK, CLASSES = "score", "score_classes_caption", "classes"
TASK_SETS = (SINGLE_TASK, "score_classes", "score_caption", MULTITASK)


def split_tasks(tasks: str) -> tuple[str, ...]:
    """`score_classes` -> ("score", "classes")."""
    return tuple(tasks.split("_"))


def split_training_set(training_set: str) -> tuple[str, bool]:
    """`1059_validated` -> ("1059", True): the name in the split table, and whether its validation dives are held out."""
    return training_set.removesuffix(VALIDATED), training_set.endswith(VALIDATED)


def each_training_set(
    dives: pd.DataFrame, splits: pd.DataFrame, path: Path
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Name, training dives and test dives of each training set, in the order of the splits.

    Raises:
        RescoreError: see `run`.
    """
    unknown = sorted(set(splits["sample"]) - set(dives["sample"]))
    problems = [f"{sample}: not in the manifest" for sample in unknown[:10]]
    parts = {}
    for name, group in splits.groupby("training_set", sort=False):
        chosen = {split: set(group.loc[group["split"] == split, "sample"]) for split in ("train", "test")}
        parts[str(name)] = [
            dives[dives["sample"].isin(chosen[split])].assign(split=split) for split in ("train", "test")
        ]
        problems += [f"{name}: no {split} dives" for split in ("train", "test") if not chosen[split]]
    raise_together(f"{path}: splits that no baseline can be fitted on", problems, "run the manifest step again.")
    for name, (train, test) in parts.items():
        yield name, train, test
