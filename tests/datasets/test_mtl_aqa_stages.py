"""Stage labels: the real ones as frames of MTL-AQA's broadcasts, and tables that cannot be used."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.datasets.mtl_aqa.release import read_manifest
from rescore.datasets.mtl_aqa.stages import read_labels, read_stages, write_official, write_stages
from rescore.engine.errors import RescoreError

MIRROR = os.environ.get("RESCORE_MIRROR")


@pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
def test_real_labels_lie_inside_their_dives(tmp_path: Path) -> None:
    release, unlv_dive = Path(str(MIRROR)) / "mtl_aqa", Path(str(MIRROR)) / "unlv_dive_s3d"
    table, _ = read_manifest(release, Path())
    table.to_parquet(tmp_path / "manifest.parquet")
    write_official(tmp_path / "manifest.parquet", release, unlv_dive, tmp_path / "stages.parquet")
    stages, labels = read_stages(tmp_path / "stages.parquet"), read_labels(unlv_dive / "jump_drop_water_label.txt", 370)
    assert len(stages) == (np.diff(labels) > 0).all(1).sum()
    dives = table.set_index("sample")
    for sample, cuts in stages.items():
        assert dives.loc[sample, "start_frame"] < cuts[0]
        assert cuts[-1] <= dives.loc[sample, "end_frame"] + 1
    # UNLV-Dive's first dive is the first of MTL-AQA's event 3.
    np.testing.assert_array_equal(stages["03/001"] - dives.loc["03/001", "start_frame"], labels[0])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = {"01/002": np.array([3, 5, 8, 9]), "01/001": np.array([1, 2, 3, 4])}
    write_stages(tmp_path / "stages.parquet", rows)
    found = read_stages(tmp_path / "stages.parquet")
    assert list(found) == ["01/001", "01/002"]
    assert all((found[name] == cuts).all() for name, cuts in rows.items())


def test_all_bad_rows_are_named_together(tmp_path: Path) -> None:
    path = tmp_path / "stages.csv"
    pd.DataFrame(
        [("a", 1, 2, 3, 4), ("b", 4, 3, 5, 6), ("a", 1, 2, 3, 4)],
        columns=["sample", "jumping", "dropping", "entering", "ending"],
    ).to_csv(path, index=False)
    with pytest.raises(RescoreError, match=r"(?s)row 2 \(a\): appears twice.*row 1 \(b\): boundaries do not increase"):
        read_stages(path)
    pd.DataFrame({"sample": ["a"], "jumping": [1]}).to_csv(path, index=False)
    with pytest.raises(RescoreError, match=r"(?s)columns are missing \(3\).*dropping.*entering.*ending"):
        read_stages(path)


def test_labels_of_another_number_of_dives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("1,2,3,4\n5,6,7,8\n")
    assert read_labels(path, 2).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    with pytest.raises(RescoreError, match="2 rows of 4 numbers; 370 of 4 expected"):
        read_labels(path, 370)
    path.write_text("jump\n")
    with pytest.raises(RescoreError, match="not stage boundaries"):
        read_labels(path, 370)
