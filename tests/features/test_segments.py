"""Segments of dives: where they start, and that each is its own frames' features."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.features.extract import dive_network
from rescore.features.segments import extract_segments, segment_starts
from rescore.models.backbones import convert_weights
from rescore.models.preprocess import preprocess

BACKBONE = {
    "network": "c3d",
    "weights": "random",
    "convolutions": 8,
    "width": 0.0625,
    "colour": "rgb_imagenet",
    "clip_frames": 16,
}
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "clips": {"crop": 40},
    "backbone": BACKBONE | {"clips": 6, "temporal_offsets": 3, "test_offset": 0, "batch": 4},
    "multitask": {"clips": {"frames": 40, "shift": 2, "step": 2, "crop": 32}},
    "semi_supervised": {"segments": {"count": 3, "step": 1}},
}


def test_where_six_segments_fit_they_are_consecutive() -> None:
    assert segment_starts(103, 16, {"count": 6, "step": 1}).tolist() == [0, 16, 32, 48, 64, 80]
    assert segment_starts(64, 16, {"count": 3, "step": 2}).tolist() == [0, 16, 32]
    with pytest.raises(RescoreError, match="a segment takes 48"):
        segment_starts(40, 16, {"count": 3, "step": 3})


def test_every_segment_is_its_own_frames(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 44, 32, 32, 3), np.uint8)
    np.save(tmp_path / "clips.npy", clips)
    pd.DataFrame({"sample": ["a", "b"], "split": ["train", "test"]}).to_parquet(tmp_path / "rows.parquet")
    convert_weights(tmp_path / "w.safetensors", SETTINGS)
    inputs = [tmp_path / name for name in ("clips.npy", "rows.parquet", "w.safetensors")]
    extract_segments(*inputs, tmp_path / "f.npy", tmp_path / "f.parquet", SETTINGS)
    found = np.load(tmp_path / "f.npy")
    network = dive_network(SETTINGS, tmp_path / "w.safetensors")
    assert found.shape[:3] == (2, 1, 3)
    for sample in range(2):
        for place, start in enumerate((0, 8, 16)):
            frames = torch.from_numpy(clips[sample : sample + 1, 2 + start : 2 + start + 16])
            with torch.inference_mode():
                wanted = network(preprocess(frames, "rgb_imagenet"))[0].numpy()
            np.testing.assert_allclose(found[sample, 0, place], wanted, rtol=2e-3, atol=2e-3)
