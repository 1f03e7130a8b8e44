"""The heat-map network learns joints from pictures, from training samples alone, and the same bytes each time."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_table
from rescore.features.poses import estimate
from rescore.models.keypoints import JOINTS
from rescore.training.keypoints import train, training_samples

FRAMES, SIDE, SAMPLES = 8, 32, 24
COLOURS = np.array([[90 * (n % 3) + 70, 90 * (n // 3 % 3) + 70, 90 * (n // 9) + 70] for n in range(len(JOINTS))])
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "clips": {"frames": FRAMES, "crop": SIDE, "resize": [SIDE, SIDE], "long_videos": "last"},
    "multitask": {"clips": {}},
    "poses": {
        "estimator": "heat_map",
        "every": 2,
        "batch": 16,
        "least_confidence": 0.5,
        "training": {"channels": 8, "iterations": 80, "batch": 16, "learning_rate": 0.01},
    },
}


def write_dots(folder: Path) -> dict[str, list[Path]]:
    """A pattern of dots, each joint in its colour, anywhere; one joint is hidden in half of them; one sample is padded."""
    rng = np.random.default_rng(0)
    clips = np.zeros((SAMPLES, FRAMES, SIDE, SIDE, 3), np.uint8)
    poses = np.full((SAMPLES, FRAMES // 2, len(JOINTS), 2), np.nan, np.float32)
    for sample in range(SAMPLES):
        for time in range(FRAMES // 2):
            left, top = rng.integers(2, 14, 2)
            for joint in range(len(JOINTS)):
                if joint == 4 and sample % 2:
                    continue
                column, row = left + 5 * (joint % 4), top + 5 * (joint // 4)
                if max(column, row) > SIDE - 2:
                    continue
                clips[sample, 2 * time, row - 1 : row + 2, column - 1 : column + 2] = COLOURS[joint]
                poses[sample, time, joint] = column, row
    padding = np.zeros(SAMPLES, int)
    padding[-1] = 4
    clips[-1, :4], poses[-1, :2] = 0, np.nan
    table = pd.DataFrame(
        {
            "dataset": "synthetic_aqa7",
            "sample": [f"diving/{number:03d}" for number in range(SAMPLES)],
            "action": "diving",
            "split": ["train"] * 16 + ["test"] * 8,
            "padding": padding,
        }
    )
    np.save(folder / "clips.npy", clips)
    np.save(folder / "poses.npy", poses)
    write_table(folder / "rows.parquet", table)
    names = {"clips": "clips.npy", "poses": "poses.npy", "rows": "rows.parquet"}
    return {name: [folder / file] for name, file in names.items()}


def test_joints_of_unseen_pictures_are_found(tmp_path):
    files, weights = write_dots(tmp_path), tmp_path / "weights.safetensors"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(weights, SETTINGS, ["aqa7"], **files, training=0)
        arguments = (files["clips"][0], files["rows"][0], weights, tmp_path / "found.npy", tmp_path / "found.parquet")
        estimate(*arguments, SETTINGS, "aqa7")
    finally:
        torch.set_num_threads(threads)
    true, found = np.load(files["poses"][0])[16:], np.load(tmp_path / "found.npy")[16:]
    assert np.isnan(found[-1, :2]).all(), "zero frames have no pose"
    error = np.linalg.norm(found - true, axis=-1)
    assert np.nanmedian(error) < 1.5
    shares = pd.read_parquet(tmp_path / "found.parquet")["found"]
    assert shares.between(0, 1).all()
    assert shares[16:].max() > 0.5


def test_equal_seeds_give_equal_bytes(tmp_path):
    files = write_dots(tmp_path)
    short = SETTINGS | {"poses": SETTINGS["poses"] | {"training": SETTINGS["poses"]["training"] | {"iterations": 3}}}
    for name in ("a", "b"):
        train(tmp_path / f"{name}.safetensors", short, ["aqa7"], **files, training=0)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    train(tmp_path / "c.safetensors", short, ["aqa7"], **files, training=1)
    assert (tmp_path / "a.safetensors").read_bytes() != (tmp_path / "c.safetensors").read_bytes()


def test_no_dive_that_any_training_set_holds_out_is_learnt_from():
    table = pd.DataFrame({"sample": ["a", "b", "c", "d", "e"], "split": ["train"] * 4 + ["test"]})
    lines = [("1059", "a", "train"), ("1059", "b", "train"), ("1059", "c", "validation"), ("unlv_dive", "b", "test")]
    splits = pd.DataFrame([*lines, ("unlv_dive", "e", "train")], columns=["training_set", "sample", "split"])
    assert training_samples(table, splits).tolist() == [True, False, False, False, True]
    assert training_samples(table, None).tolist() == [True] * 4 + [False]


def test_what_cannot_be_learnt_from_is_refused(tmp_path):
    files = write_dots(tmp_path)
    with pytest.raises(RescoreError, match="no source is synthetic"):
        train(tmp_path / "w.safetensors", SETTINGS, [], [], [], [], 0)
    np.save(tmp_path / "poses.npy", np.load(tmp_path / "poses.npy")[:, :3])
    with pytest.raises(RescoreError, match=r"for 24 samples of 4 frames"):
        train(tmp_path / "w.safetensors", SETTINGS, ["aqa7"], **files, training=0)
