"""Features of single moments: the stand-in shows some of the execution, real files are read or refused, together."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV

from rescore.datasets.rhythmic_gymnastics.moments import spread_moments, synthetic_moments, write_static_features
from rescore.datasets.rhythmic_gymnastics.segments import APPARATUS, write_features
from rescore.engine.errors import RescoreError

STATIC: dict[str, Any] = {"moments": 12, "width": 24, "share": 0.5, "noise": 0.5, "missed": 0.2}
GYMNASTICS = {"routines": 1.0, "segments": 5, "width": 16, "noise": 0.5}
SETTINGS = {"seed": 0, "semi_supervised": {"gymnastics": GYMNASTICS}, "action_net": {"static": STATIC}}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gymnastics")
    write_features(folder / "f.npy", folder / "r.parquet", SETTINGS)
    return folder / "r.parquet"


def test_it_has_the_rows_samples_and_comes_again(rows: Path, tmp_path: Path) -> None:
    write_static_features(rows, tmp_path / "s.npy", SETTINGS)
    values = np.load(tmp_path / "s.npy")
    assert values.shape == (1000, 1, 12, 24)
    assert values.dtype == np.float16
    missed = np.isnan(values).all(axis=3)
    assert (missed == np.isnan(values).any(axis=3)).all()
    assert not missed.all(axis=2).any()
    assert missed.mean() == pytest.approx(0.2, abs=0.02)
    write_static_features(rows, tmp_path / "again.npy", SETTINGS)
    assert (tmp_path / "again.npy").read_bytes() == (tmp_path / "s.npy").read_bytes()
    write_static_features(rows, tmp_path / "other.npy", SETTINGS | {"seed": 1})
    assert (tmp_path / "other.npy").read_bytes() != (tmp_path / "s.npy").read_bytes()


def test_nobody_is_missed_in_every_moment(rows: Path) -> None:
    values = synthetic_moments(pd.read_parquet(rows), STATIC | {"moments": 2, "missed": 0.99}, 0)
    assert np.isfinite(values).any(axis=(1, 2)).all()


def test_it_shows_the_execution_in_part_and_more_of_it_where_the_share_is_larger(rows: Path) -> None:
    table = pd.read_parquet(rows)
    execution = table["observer"] - table["difficulty"]
    found = {}
    for share in (0.0, 0.3, 0.9):
        means = np.nanmean(synthetic_moments(table, STATIC | {"share": share}, 0), axis=1)
        found[share] = 0.0
        for apparatus in APPARATUS:
            mine = (table["action"] == apparatus).to_numpy()
            train, test = (mine & (table["split"] == split).to_numpy() for split in ("train", "test"))
            model = RidgeCV(np.logspace(-2, 3, 6)).fit(means[train], execution[train])
            found[share] += spearmanr(model.predict(means[test]), execution[test])[0] / 4
    assert abs(found[0.0]) < 0.25
    assert found[0.0] + 0.2 < found[0.3] < found[0.9]
    assert found[0.9] > 0.8


def test_real_files_are_spread_over_the_moments(tmp_path: Path) -> None:
    np.save(tmp_path / "Ball_001.npy", np.arange(9, dtype=np.float32)[:, None] + np.zeros(3, np.float32))
    np.save(tmp_path / "Hoop_001.npy", np.ones((2, 3), np.float32))
    table = pd.DataFrame({"dataset": "rhythmic_gymnastics", "sample": ["Hoop_001", "Ball_001"]})
    table.to_parquet(tmp_path / "r.parquet")
    settings = SETTINGS | {"action_net": {"static": STATIC | {"moments": 5}}}
    write_static_features(tmp_path / "r.parquet", tmp_path / "s.npy", settings, tmp_path)
    values = np.load(tmp_path / "s.npy")[:, 0]
    assert values[1, :, 0].tolist() == [0, 2, 4, 6, 8]
    assert (values[0, :2] == 1).all()  # a short video: its frames, then nothing
    assert np.isnan(values[0, 2:]).all()
    with pytest.raises(RescoreError, match="real routines, but features of made-up moments"):
        write_static_features(tmp_path / "r.parquet", tmp_path / "s.npy", settings)


def test_bad_files_are_named_together(rows: Path, tmp_path: Path) -> None:
    bad = {
        "Ball_002": np.full((3, 4), np.nan),
        "Ball_003": np.ones((3, 4, 2)),
        "Ball_004": np.where(np.eye(3, 4) > 0, np.inf, 1.0),
        "Ball_005": np.ones((3, 7)),
        "Ball_006": np.ones((3, 4)),
    }
    for name, values in bad.items():
        np.save(tmp_path / f"{name}.npy", values)
    (tmp_path / "Ball_007.npy").write_bytes(b"nothing")
    names = [f"Ball_00{number}" for number in range(1, 8)]
    pd.DataFrame({"dataset": "rhythmic_gymnastics", "sample": names}).to_parquet(tmp_path / "r.parquet")
    with pytest.raises(RescoreError) as caught:
        write_static_features(tmp_path / "r.parquet", tmp_path / "s.npy", SETTINGS, tmp_path)
    for words in (
        "Ball_001.npy: no such file",
        "Ball_002.npy: no frame with finite features",
        "Ball_003.npy: float64 (3, 4, 2)",
        "Ball_004.npy: no frame",
        "features are 7 wide",
        "Ball_007.npy: not a readable array",
    ):
        assert words in str(caught.value)
    assert not (tmp_path / "s.npy").exists()
    with pytest.raises(RescoreError, match="made-up routines, but features of real moments"):
        write_static_features(rows, tmp_path / "s.npy", SETTINGS, tmp_path)
    np.save(tmp_path / "gap.npy", np.where(np.arange(5)[:, None] == 2, 1.0, np.nan) + np.zeros(3))
    with pytest.raises(RescoreError, match=r"gap.npy: nobody was found in any of the 2 frames"):
        spread_moments(tmp_path / "gap.npy", 2)
