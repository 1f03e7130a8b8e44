"""Files as the steps before a training leave them, made up from integers: no video, no generator, the same bytes everywhere.

They have the forms of the data contracts (docs/design.md) at the sizes that the settings say, so that every training runs on
them. What is in them means nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.datasets.mtl_aqa.judges import MARKS
from rescore.datasets.mtl_aqa.stages import write_stages
from rescore.datasets.rhythmic_gymnastics.segments import APPARATUS
from rescore.engine.storage import write_table
from rescore.features.true_poses import POSE
from rescore.manifests.contract import class_name
from rescore.models.backbones import convert_weights
from rescore.models.fingerprint import numbers
from rescore.models.losses import DIVE_CLASSES
from rescore.systems.common.training_sets import UNLV_DIVE, WHOLE

Settings = Mapping[str, Any]
WORDS = ("<eos>", "<sos>", "nice", "entry", "big", "splash", "tight", "tuck", "over", "rotated")
FILLED = 64
"""Samples of a large file that hold numbers; the others are zeros and take no disk."""


def irregular(count: int, modulus: int) -> np.ndarray:
    """(count,) int64 from 0 to modulus - 1 in an order that shows no pattern."""
    return (np.arange(1, count + 1, dtype=np.int64) * 2654435761 % 8191) % modulus


def scores(count: int) -> np.ndarray:
    """(count,) points from 20 to 72.5, quarters apart."""
    return 20 + irregular(count, 211) / 4


def write_clips(path: Path, samples: int, frames: int, crop: int) -> Path:
    """A clip store, uint8 (samples, frames, crop, crop, 3)."""
    store = np.lib.format.open_memmap(path, "w+", np.uint8, (samples, frames, crop, crop, 3))
    picture = irregular(crop * crop * 3, 256).astype(np.uint8).reshape(crop, crop, 3)
    for sample in range(min(samples, FILLED)):
        for frame in range(frames):
            store[sample, frame] = np.roll(picture, (sample + frame, 3 * frame), (0, 1)) // (1 + sample % 3)
    store.flush()
    return path


def write_features(path: Path, shape: tuple[int, ...]) -> Path:
    """Features, float16 of this shape, sample first."""
    store = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for sample in range(min(len(store), FILLED)):
        store[sample] = numbers(*shape[1:], start=1 + 97 * sample)
    store.flush()
    return path


def write_backbone(path: Path, settings: Settings) -> Path:
    """C3D with fresh weights."""
    backbone = {**settings["backbone"], "weights": "random"}
    convert_weights(path, {"backbone": backbone, "clips": settings["clips"], "seed": 0})
    return path


def write_windows(folder: Path, settings: Settings, classes: int, training: int) -> dict[str, Path]:
    """The pre-training store: every class at least once among `training` windows, and one window to test on."""
    windows = max(training, classes) + 1
    rows = pd.DataFrame(
        {
            "sample": [f"window/{window:04d}" for window in range(windows)],
            "action": [f"class_{window % classes:03d}" for window in range(windows)],
            "split": ["train"] * (windows - 1) + ["test"],
        }
    )
    write_table(folder / "windows.parquet", rows)
    frames, crop = settings["backbone"]["clip_frames"], settings["clips"]["crop"]
    return {"clips": write_clips(folder / "windows.npy", windows, frames, crop), "rows": folder / "windows.parquet"}


def dive_rows(dives: int, settings: Settings) -> pd.DataFrame:
    """A manifest's rows with everything that MTL-AQA's trainings read; every class of every sub-action comes up."""
    clips, place = settings["multitask"]["clips"], np.arange(dives)
    end = 1000 + 2 * clips["frames"] * (1 + place)
    said = [" ".join(WORDS[2 + (dive + word) % (len(WORDS) - 2)] for word in range(3)) for dive in place]
    table = pd.DataFrame(
        {
            "dataset": "synthetic_mtl_aqa",
            "sample": [f"{1 + dive % 4:02d}/{dive:04d}" for dive in place],
            "action": "diving",
            "split": np.where(place % 4 == 3, "test", "train"),
            "start_frame": end - clips["frames"] + 1,
            "end_frame": end,
            "score": scores(dives),
            "difficulty": 2 + irregular(dives, 9) / 4,
            "caption": said,
            "observer": scores(dives),
            "padding": 0,
        }
    )
    for name, classes in DIVE_CLASSES.items():
        table[name] = [class_name(name, int(dive) % classes) for dive in place]
    return table.assign(
        armstand=place % DIVE_CLASSES["armstand"] == 1,
        somersaults=table["somersaults"].astype(float),
        twists=table["twists"].astype(float),
    )


def write_dives(folder: Path, settings: Settings, training: int, held_out: int = 2, dives: int = 0) -> dict[str, Path]:
    """Everything about MTL-AQA's dives but clips and features.

    Args:
        training: dives that both training sets train on; the next `held_out` are tested on, as many validated on.
        dives: rows of the table, where these are not all.

    Returns:
        rows, splits, vocabulary, judges, stages, dropped.
    """
    files = {name: folder / f"{name}.parquet" for name in ("rows", "splits", "judges", "stages")}
    table = dive_rows(max(dives, training + 2 * held_out), settings)
    write_table(files["rows"], table)
    roles = ["train"] * training + ["test"] * held_out + ["validation"] * held_out
    lines = [
        (name, sample, role)
        for name in (WHOLE, UNLV_DIVE)
        for sample, role in zip(table["sample"], roles, strict=False)
    ]
    write_table(files["splits"], pd.DataFrame(lines, columns=["training_set", "sample", "split"]))
    marks = np.repeat((table["score"] / table["difficulty"] / 3).to_numpy()[:, None], len(MARKS), axis=1).clip(0, 10)
    write_table(files["judges"], pd.DataFrame(marks, columns=list(MARKS)).assign(sample=table["sample"], panel=7))
    length = settings["multitask"]["clips"]["frames"]
    cuts = np.array([1, 3, 5, 7]) * length // 10
    write_stages(
        files["stages"], {name: start + cuts for name, start in zip(table["sample"], table["start_frame"], strict=True)}
    )
    files |= {"vocabulary": folder / "vocabulary.json", "dropped": folder / "dropped.csv"}
    files["vocabulary"].write_text(json.dumps(WORDS), encoding="utf-8")
    files["dropped"].write_text("sample,video,reason\n", encoding="utf-8")
    return files


def action_rows(each: int) -> pd.DataFrame:
    """AQA-7's table with `each` samples of every action, every fourth for testing."""
    names = [(action, place) for action in EXPERIMENT_ACTIONS for place in range(each)]
    return pd.DataFrame(
        {
            "dataset": "synthetic_aqa7",
            "sample": [f"{action}/{place:03d}" for action, place in names],
            "action": [action for action, _ in names],
            "split": ["test" if place % 4 == 3 else "train" for _, place in names],
            "score": scores(len(names)),
            "padding": 0,
        }
    )


def routine_rows(each: int) -> pd.DataFrame:
    """Rhythmic Gymnastics' table with `each` routines of every apparatus, every fifth for testing."""
    names = [(action, place) for action in APPARATUS for place in range(each)]
    return pd.DataFrame(
        {
            "dataset": "synthetic_rhythmic_gymnastics",
            "sample": [f"{action}/{place:03d}" for action, place in names],
            "action": [action for action, _ in names],
            "split": ["test" if place % 5 == 4 else "train" for _, place in names],
            "score": 5 + scores(len(names)) / 4,
        }
    )


def write_poses(path: Path, samples: int, times: int, side: int) -> Path:
    """Joints, float32 (samples, times, joint, 2) pixels of pictures with this side."""
    np.save(path, (numbers(samples, times, len(POSE), 2) + 1) * (side - 1) / 2)
    return path
