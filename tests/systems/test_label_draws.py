"""Draws of labelled videos: nested, disjoint, within the training set, and the same for every system."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.systems.common.label_draws import MINIMUM_LABELLED, read_videos, tasks
from tests.systems.semi_supervised_files import SETTINGS, write_dives


def test_a_draws_smaller_share_lies_in_its_larger_one(tmp_path: Path) -> None:
    videos = read_videos("mtl_aqa", **write_dives(tmp_path), settings=SETTINGS)
    found = {(task.percent, task.draw): task for task in tasks(videos, SETTINGS)}
    train = set(np.flatnonzero(videos.rows["split"] == "train"))
    assert set(found) == {(percent, draw) for percent in (20, 40) for draw in (0, 1)}
    for task in found.values():
        assert len(task.labelled) == max(MINIMUM_LABELLED, round(33 * task.percent / 100))
        assert set(task.labelled) | set(task.unlabelled) == train
        assert not set(task.labelled) & set(task.unlabelled)
        assert task.suffix == f"mtl_aqa/{task.percent}"
    for draw in (0, 1):
        assert set(found[20, draw].labelled) < set(found[40, draw].labelled)
    assert set(found[40, 0].labelled) != set(found[40, 1].labelled)


def test_features_are_standardised_over_training_videos_alone(tmp_path: Path) -> None:
    files = write_dives(tmp_path)
    videos = read_videos("mtl_aqa", **files, settings=SETTINGS)
    mine = videos.first_row(1) + videos.pools[0].train
    train = videos.segments[mine]
    np.testing.assert_allclose(train.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(train.std((0, 1)), 1, atol=1e-5)
    values = np.load(files["features"][1])
    values[videos.pools[0].test] *= 3
    np.save(files["features"][1], values)
    np.testing.assert_array_equal(read_videos("mtl_aqa", **files, settings=SETTINGS).segments[mine], train)


def test_wrong_rows_are_named_together(tmp_path: Path) -> None:
    files = write_dives(tmp_path)
    rows = pd.read_parquet(files["rows"])
    rows.loc[3, "score"] = np.nan
    rows.loc[5, "split"] = "validation"
    rows.to_parquet(files["rows"])
    with pytest.raises(RescoreError, match=r"(?s)row 3 \(01/003\): score.*row 5 \(01/005\): split"):
        read_videos("mtl_aqa", **files, settings=SETTINGS)


def test_features_that_are_not_finite_or_of_other_samples(tmp_path: Path) -> None:
    files = write_dives(tmp_path)
    values = np.load(files["features"][1])
    values[7, 0, 1] = np.inf
    np.save(files["features"][1], values)
    with pytest.raises(RescoreError, match="01/007"):
        read_videos("mtl_aqa", **files, settings=SETTINGS)
    np.save(files["features"][1], values[:-1])
    with pytest.raises(RescoreError, match="44 rows"):
        read_videos("mtl_aqa", **files, settings=SETTINGS)
    files["features"][1].unlink()
    with pytest.raises(RescoreError, match="no such file"):
        read_videos("mtl_aqa", **files, settings=SETTINGS)
