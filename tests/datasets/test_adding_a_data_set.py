"""The adapter that docs/data.md shows, run as it stands there, on real videos."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.clips.store import write_clips
from rescore.engine.errors import RescoreError
from rescore.manifests.contract import read_manifest

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"
CLIPS = {"frames": 12, "long_videos": "last", "resize": [64, 48], "crop": 32, "on_bad_video": "fail"}


@pytest.fixture
def build() -> Callable[..., None]:
    section = DOCUMENT.read_text(encoding="utf-8").split("## Adding a data set")[1]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert example is not None
    names: dict = {}
    exec(compile(example[1], str(DOCUMENT), "exec"), names)
    return names["build"]


@pytest.fixture
def scores(tmp_path, write_video) -> Path:
    for number, frames in ((1, 9), (2, 15)):
        write_video(tmp_path / "mine" / f"{number:03d}.avi", frames)
    table = pd.DataFrame({"video": ["001.avi", "002.avi"], "split": ["train", "test"], "score": [84.15, 50.0]})
    table.to_csv(tmp_path / "mine" / "scores.csv", index=False)
    return tmp_path / "mine" / "scores.csv"


def test_its_manifest_is_one_that_clips_are_made_from(build, scores, tmp_path):
    build(scores, tmp_path / "m.parquet", {"clips": CLIPS})
    manifest = read_manifest(tmp_path / "m.parquet")
    assert manifest["sample"].tolist() == ["diving/001", "diving/002"]
    assert manifest["end_frame"].tolist() == [8, 14]
    outputs = (tmp_path / "c.npy", tmp_path / "c.parquet", tmp_path / "c.csv")
    write_clips(tmp_path / "m.parquet", *outputs, {"clips": CLIPS}, workers=1)
    assert np.load(outputs[0]).shape == (2, 12, 32, 32, 3)
    assert pd.read_parquet(outputs[1])["padding"].tolist() == [3, 0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("84.15", "", "line 2: score is empty"),
        ("002.avi", "001.avi", "duplicate sample: row 0 .*row 1"),
        ("002.avi", "003.avi", "diving/003: .*003.avi: missing"),
        ("test", "validation", "split is not one of train, test: row 1"),
    ],
)
def test_bad_tables_are_errors_that_name_the_row(old, new, words, build, scores, tmp_path):
    scores.write_text(scores.read_text().replace(old, new))
    with pytest.raises(RescoreError, match=words):
        build(scores, tmp_path / "m.parquet", {"clips": CLIPS})
    assert not (tmp_path / "m.parquet").exists()
