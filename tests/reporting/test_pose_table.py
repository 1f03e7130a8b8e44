"""The pose estimator's accuracy: measured, printed, and shown on the page of synthetic videos."""

import json

import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.features.true_poses import compare
from rescore.reporting.page import Files, page
from rescore.reporting.pose_table import make_pose_table

SETTINGS = {
    "scale": "demo",
    "sources": {"aqa7_videos": "synthetic", "mtl_aqa_videos": "synthetic", "pretraining_videos": "synthetic"},
    "scoring": {"confidence": 0.95},
}


@pytest.fixture
def made(tmp_path):
    """Eight visible joints, of which one is not found and one is 3 pixels off, beside four that nobody sees."""
    true = np.full((2, 1, 6, 2), np.nan, np.float32)
    true[:, :, :4] = 10
    guess = true.copy()
    guess[0, 0, 0] = np.nan
    guess[1, 0, 1] += (3, 0)
    np.save(tmp_path / "true.npy", true)
    np.save(tmp_path / "guess.npy", guess)
    rows = pd.DataFrame({"dataset": "synthetic_aqa7", "action": "diving", "split": "test", "sample": ["a", "b"]})
    rows.to_parquet(tmp_path / "rows.parquet")
    files = ([tmp_path / "guess.npy"], [tmp_path / "true.npy"], [tmp_path / "rows.parquet"])
    compare(*files, tmp_path / "pose_accuracy.csv")
    outputs = [tmp_path / "t.csv", tmp_path / "t.md", tmp_path / "pose_estimator" / "record.json"]
    make_pose_table(tmp_path / "pose_accuracy.csv", *outputs, SETTINGS)
    return tmp_path, outputs


def test_the_table_has_what_was_measured(made):
    _, (csv, markdown, record) = made
    line = pd.read_csv(csv, dtype=str).iloc[0].to_dict()
    assert line == {
        **{"dataset": "synthetic_aqa7", "action": "diving", "samples": "2", "joints": "8"},
        **{"missed": "12.5", "median_pixels": "0.00", "within_2_pixels": "75.0"},
    }
    assert "| synthetic_aqa7 | diving | 2 | 8 | 12.5 | 0.00 | 75.0 |" in markdown.read_text()
    assert "**SYNTHETIC (scale demo)" in markdown.read_text()
    assert "Not found (%): 12.5; Median error: 0.00" in json.loads(record.read_text())["diving, synthetic_aqa7"]


def test_the_page_shows_it_as_synthetic(made):
    folder, (_, _, record) = made
    page(Files(records=[record]), folder / "index.html", SETTINGS)
    text = (folder / "index.html").read_text()
    assert '<h3>Pose estimator <span class="mark">(synthetic)</span></h3>' in text
    assert "Within 2 (%): 75.0" in text


def test_another_table_is_refused(made):
    folder, outputs = made
    pd.DataFrame({"dataset": ["x"]}).to_csv(folder / "other.csv", index=False)
    with pytest.raises(RescoreError, match="no column 'missed'"):
        make_pose_table(folder / "other.csv", *outputs, SETTINGS)
