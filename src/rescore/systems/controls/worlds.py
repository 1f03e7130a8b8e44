"""Worlds whose truth is known: the tables and clips of a scale with other labels, or with the score painted in.

A world's table has the rows of the one that it is made from, in their order; what is drawn follows from `seed` and the world.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, read_table, write_table
from rescore.models.preprocess import open_clips
from synthetic_athlete.generate import label
from synthetic_athlete.judging import LARGEST

LABELS = (
    *("score", "difficulty", "execution", "observer", "caption"),
    *("position", "armstand", "rotation_type", "somersaults", "twists"),
)
"""Columns that say what a sample is worth or shows."""
ELEMENTS = {
    "diving": "splash",
    "gymvault": "landing",
    "skiing": "looseness",
    "snowboard": "wobble",
    "sync_diving_3m": "lag",
    "sync_diving_10m": "split",
}
"""What alone each action is scored by in the world without shared elements."""
HIGHEST = 100.0
"""Points of a performance without its element's fault, there."""


def generator(settings: Mapping[str, Any], world: str) -> np.random.Generator:
    return np.random.default_rng([settings["seed"], zlib.crc32(world.encode())])


def read_labelled(rows: Path) -> pd.DataFrame:
    """A table of samples.

    Raises:
        RescoreError: it is missing or damaged, or has no `sample`, `action`, `split` or `score`.
    """
    table = read_table(rows)
    missing = [name for name in ("sample", "action", "split", "score") if name not in table]
    raise_together(f"{rows}: columns are missing", missing, "run the step that writes it again.")
    return table


def shuffle_labels(rows: Path, output: Path, number: int, settings: dict[str, Any]) -> None:
    """Give each training sample the labels of another one of its action, all of one sample together.

    Args:
        rows: samples with `sample, action, split` and LABELS.
        output: written; the same, labels of test samples as they were.
        number: of the training that reads it, which has a shuffle of its own.
        settings: `seed`.
    """
    table, draw = read_labelled(rows), generator(settings, f"shuffled/{number}")
    labels = [name for name in LABELS if name in table]
    for places in table.groupby("action", sort=True).indices.values():
        mine = places[(table["split"].to_numpy() != "test")[places]]
        table.loc[mine, labels] = table.loc[draw.permutation(mine), labels].to_numpy()
    write_table(output, table)


def replace_test_labels(rows: Path, output: Path, settings: dict[str, Any]) -> None:
    """Replace every label of the test samples by noise: scores are uniform between the lowest and the highest of training, the
    others those of training samples drawn at random.

    Args:
        rows: samples with `sample, action, split` and LABELS.
        output: written; the same, labels of training samples as they were.
        settings: `seed`.

    Raises:
        RescoreError: no sample trains.
    """
    table, draw = read_labelled(rows), generator(settings, "noise")
    train, test = (np.flatnonzero((table["split"] == split).to_numpy()) for split in ("train", "test"))
    if not len(train):
        raise RescoreError(f"{rows}: no training sample. Run the step that writes it again.")
    labels = [name for name in LABELS if name in table and name != "score"]
    table.loc[test, labels] = table.loc[draw.choice(train, len(test)), labels].to_numpy()
    known = table.loc[train, "score"]
    table.loc[test, "score"] = draw.uniform(known.min(), known.max(), len(test)).round(2)
    write_table(output, table)


def score_by_one_element(rows: Path, output: Path, settings: dict[str, Any]) -> None:
    """Score each action by one element that no other action is scored by: HIGHEST without the fault, 0 at the whole.

    Args:
        rows: AQA-7's samples of the synthetic athlete, `<action>/<number>`.
        output: written; without what else is known of their scores.
        settings: `seed` of the videos.
    """
    table = read_labelled(rows)
    known = [name for name in ("difficulty", "execution", "observer") if name in table]
    mine = table["action"].isin(EXPERIMENT_ACTIONS)
    scores = [one_element(sample, settings["seed"]) for sample in table.loc[mine, "sample"]]
    table.loc[mine, "score"] = scores
    write_table(output, table.drop(columns=known))


def one_element(sample: str, seed: int) -> float:
    """Points of a sample for its action's element; the worse one of two athletes counts."""
    action, _, number = sample.partition("/")
    element = ELEMENTS[action]
    faults = [abs(found[element]) for found in label(action, int(number), seed).athletes if element in found]
    return round(HIGHEST * (1 - min(max(faults) / LARGEST[element], 1.0)), 2)


def paint_scores(clips: Path, rows: Path, output: Path) -> None:
    """Paint a white bar into every frame's middle third, as high a share of the frame as the score is of the highest.

    The bar is alike from both sides, so that a flipped clip says the same.

    Args:
        clips: uint8 .npy (samples, frames, height, width, 3).
        rows: their table.
        output: written, of the same shape.

    Raises:
        RescoreError: clips and table do not fit together.
    """
    table = read_labelled(rows)
    store = open_clips(clips, (len(table), None, None, None, 3))
    height, width = store.shape[2:4]
    middle = slice(width // 3, width - width // 3)
    shares = table["score"].to_numpy(float) / table["score"].max()
    with atomic_path(output) as temporary:
        painted = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=store.shape)
        for row, share in enumerate(shares):
            frames = np.array(store[row])
            top = height - round(height * float(share))
            frames[:, :top, middle] = 0
            frames[:, top:, middle] = 255
            painted[row] = frames
        painted.flush()
