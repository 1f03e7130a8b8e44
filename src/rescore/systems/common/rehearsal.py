"""Every training for a few optimiser steps on made-up files, through the functions that the workflow's rules call.

    a system's rehearsal.py: function(Stage(folder, settings, steps, counts)) ─► the files that the training wrote

`experiments.states` runs them at tiny sizes and hashes what they wrote, `experiments.rehearse` at a scale's sizes and measures.
Here is what they share.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rescore.engine.parameters import merge
from rescore.engine.storage import read_table, write_table
from rescore.systems.common import made_up, repetition
from rescore.systems.common.label_draws import MTL_AQA
from rescore.training import place

Settings = Mapping[str, Any]


FEW = {"kernels": ["linear"], "c": [1.0], "epsilon": [0.1], "folds": 2, "max_iterations": 1000}
"""A grid of one: what is rehearsed is the fit, not the choice."""


@dataclass(frozen=True)
class Counts:
    """How many samples the made-up data sets have beside those that are trained on."""

    classes: int
    """Of the pre-training set."""
    action_samples: int
    """AQA-7's, of each action."""
    dives: int
    """MTL-AQA's with features; their clips are as many as are read."""
    routines: int
    """Rhythmic Gymnastics', of each apparatus."""


TINY = Counts(classes=3, action_samples=8, dives=20, routines=30)
OFFICIAL = Counts(classes=101, action_samples=185, dives=1412, routines=250)
"""UCF-101's classes, a sixth of AQA-7's 1106 samples, MTL-AQA's dives, the 200 + 50 routines of an apparatus."""


@dataclass(frozen=True)
class Stage:
    """Where a family is rehearsed."""

    folder: Path
    """Of its own; everything is written there."""
    settings: Settings
    """Whole, resolved."""
    steps: int
    """Optimiser steps of every network."""
    counts: Counts

    def backbones(self, numbers: list[int]) -> int:
        """How many backbones these trainings rest on."""
        return len(repetition.backbones(numbers, self.settings))

    def changed(self, override: Mapping[str, Any]) -> dict[str, Any]:
        return merge(self.settings, override)

    def output(self, name: str) -> Path:
        return self.folder / "made" / name


def feature_width(settings: Settings) -> int:
    """Of C3D's fc6."""
    return round(4096 * settings["backbone"]["width"])


def written(stage: Stage, folder: str = "") -> dict[str, Any]:
    """Where stacked members leave predictions and weights."""
    return {
        "predictions": stage.output(f"{folder}predictions.parquet"),
        "members": stage.output(f"{folder}members.safetensors"),
    }


def dive_features(stage: Stage, offsets: int, clips: int, backbones: int, held_out: int) -> dict[str, Any]:
    """MTL-AQA's features with rows and splits."""
    training = stage.counts.dives - 2 * held_out
    files = made_up.write_dives(stage.folder, stage.settings, training, held_out)
    shape = stage.counts.dives, offsets, clips, feature_width(stage.settings)
    features = made_up.write_features(stage.folder / "features.npy", shape)
    return {"features": [features] * backbones, "rows": files["rows"], "splits": files["splits"]}


def clip_files(stage: Stage, batch: int, wide: bool = False) -> dict[str, Path]:
    """MTL-AQA's clips with all that belongs to them; as many dives train as `steps` batches take.

    A GPU holds the whole store where it fits, so there it is as large as it will be.
    """
    whole = stage.counts.dives if torch.cuda.is_available() else 0
    files = made_up.write_dives(stage.folder, stage.settings, stage.steps * batch, dives=whole)
    dives = len(read_table(files["rows"]))
    knobs = stage.settings["multitask"]["clips"]
    crop, frames = knobs["wide_crop" if wide else "crop"], knobs["frames"] + 2 * knobs["shift"]
    return files | {"clips": made_up.write_clips(stage.folder / "clips.npy", dives, frames, crop)}


def chosen(files: Mapping[str, Path], *names: str) -> dict[str, Path]:
    return {name: files[name] for name in names}


def network_outputs(stage: Stage) -> dict[str, Path]:
    suffixes = {"predictions": "parquet", "weights": "safetensors", "curve": "csv"}
    return {name: stage.output(f"{name}.{suffix}") for name, suffix in suffixes.items()}


def label_draw_files(stage: Stage, dataset: str, section: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Segment features of MTL-AQA or of Rhythmic Gymnastics, and settings that end after the steps.

    Args:
        section: of a system that has iterations of its own.
    """
    renewed = {"warm_up": 0.5, "renew_every": 1}
    schedule = {"iterations": stage.steps, "evaluate_every": stage.steps, "pseudo_labels": renewed}
    own = {section: {"iterations": stage.steps, "evaluate_every": stage.steps}} if section else {}
    settings = stage.changed({"semi_supervised": schedule, "support_vector_regression": FEW, **own})
    if dataset == MTL_AQA:
        count = stage.backbones(repetition.label_draws(settings))
        segments = settings["semi_supervised"]["segments"]["count"]
        return dive_features(stage, 1, segments, count, max(6, stage.counts.dives // 8)), settings
    knobs, table = settings["semi_supervised"]["gymnastics"], made_up.routine_rows(stage.counts.routines)
    write_table(stage.folder / "rows.parquet", table)
    shape = len(table), 1, knobs["segments"], knobs["width"]
    features = made_up.write_features(stage.folder / "features.npy", shape)
    return {"features": [features], "rows": stage.folder / "rows.parquet"}, settings


@contextmanager
def without_clock() -> Iterator[None]:
    """Leave out the large product that `multitask` measures the device's rate by: it is in no result."""
    before = dict(place.MATRIX)
    place.MATRIX.update(dict.fromkeys(before, 8))
    try:
        yield
    finally:
        place.MATRIX.update(before)
