from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rescore.engine.errors import RescoreError
from rescore.reporting.increments import MEMBER, increments

PAPER = Path(__file__).parents[2] / "papers" / "mtl_aqa" / "paper.yaml"
SETTINGS = {
    "scale": "demo",
    "sources": {"mtl_aqa_videos": "synthetic", "aqa7_videos": "synthetic", "pretraining_videos": "synthetic"},
    "multitask": {"clips": {"frames": 32, "shift": 1}},
}


def write_dives(folder: Path, dives: int) -> list[Path]:
    """Two clips a dive, of which the second ends at the prediction; two seeds."""
    names = [f"01/{n:03d}" for n in range(dives)]
    key = {"member": MEMBER, "split": "test"}
    grown = [
        {**key, "seed": seed, "sample": name, "clip": clip, "predicted": 30.0 * clip + n, "expected": 31.0 * clip}
        for seed in range(2)
        for n, name in enumerate(names)
        for clip in (1, 2)
    ]
    said = [
        {**key, "seed": seed, "iteration": 9, "sample": name, "target": 62.0 + 2 * n, "predicted": 60.0 + n}
        for seed in range(2)
        for n, name in enumerate(names)
    ]
    paths = [folder / name for name in ("increments.parquet", "predictions.parquet", "rows.parquet", "clips.npy")]
    for path, table in zip(paths[:3], (grown, said, [{"sample": name} for name in names]), strict=True):
        pd.DataFrame(table).to_parquet(path)
    np.save(paths[3], np.random.default_rng(0).integers(0, 256, (dives, 34, 20, 20, 3), np.uint8))
    return paths


def test_four_dives_are_drawn_the_same_twice(tmp_path: Path) -> None:
    paths = write_dives(tmp_path, 8)
    for name in ("a.png", "b.png"):
        increments(PAPER, *paths, tmp_path / name, SETTINGS)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.height > picture.width / 2
    grown = pd.read_parquet(paths[0])
    grown.assign(predicted=grown["predicted"] + 5).to_parquet(paths[0])
    increments(PAPER, *paths, tmp_path / "c.png", SETTINGS)
    assert (tmp_path / "c.png").read_bytes() != (tmp_path / "a.png").read_bytes()


def test_too_few_dives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="3 test dives, 4 are shown"):
        increments(PAPER, *write_dives(tmp_path, 3), tmp_path / "a.png", SETTINGS)
