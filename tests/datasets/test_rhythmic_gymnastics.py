"""Rhythmic Gymnastics: the synthetic stand-in is in kind like the real lists, and real files are read or refused."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV

from rescore.datasets.rhythmic_gymnastics.segments import APPARATUS, read_labels, synthetic_routines, write_features
from rescore.engine.errors import RescoreError

MIRROR = os.environ.get("RESCORE_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
GYMNASTICS: dict[str, Any] = {"routines": 1.0, "segments": 5, "width": 32, "noise": 0.5}
SETTINGS = {"seed": 0, "semi_supervised": {"gymnastics": GYMNASTICS}}


def test_the_stand_in_has_the_real_counts_and_says_that_it_is_synthetic(tmp_path: Path) -> None:
    write_features(tmp_path / "f.npy", tmp_path / "r.parquet", SETTINGS)
    values, rows = np.load(tmp_path / "f.npy"), pd.read_parquet(tmp_path / "r.parquet")
    assert values.shape == (1000, 1, 5, 32)
    assert values.dtype == np.float16
    assert rows.groupby(["action", "split"]).size().to_dict() == {
        (name, split): count for name in APPARATUS for split, count in (("test", 50), ("train", 200))
    }
    assert set(rows["dataset"]) == {"synthetic_rhythmic_gymnastics"}
    again = tmp_path / "again.npy"
    write_features(again, tmp_path / "r2.parquet", SETTINGS)
    assert again.read_bytes() == (tmp_path / "f.npy").read_bytes()


def test_segments_say_something_of_the_score_and_not_all_of_it() -> None:
    values, rows = synthetic_routines(GYMNASTICS, 0)
    for apparatus in APPARATUS:
        mine = (rows["action"] == apparatus).to_numpy()
        train, test = mine & (rows["split"] == "train").to_numpy(), mine & (rows["split"] == "test").to_numpy()
        model = RidgeCV(np.logspace(-2, 3, 6)).fit(values[train].reshape(200, -1), rows["score"][train])
        found = spearmanr(model.predict(values[test].reshape(50, -1)), rows["score"][test])[0]
        assert 0.3 < found < 0.98
        assert spearmanr(rows["observer"][test], rows["score"][test])[0] > 0.95


@needs_mirror
def test_scores_are_in_kind_like_the_real_ones_and_none_of_them() -> None:
    folder = Path(str(MIRROR)) / "rhythmic_gymnastics"
    real = pd.concat([read_labels(folder / f"{split}.txt", split) for split in ("train", "test")])
    _, made = synthetic_routines(GYMNASTICS, 0)
    assert len(real) == len(made) == 1000
    for apparatus in APPARATUS:
        theirs, ours = (table.loc[table["action"] == apparatus, "score"] for table in (real, made))
        assert ours.mean() == pytest.approx(theirs.mean(), abs=0.7)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.2)
    pairs = {(line.action, line.split, line.score) for line in real.itertuples()}
    mean = np.mean([(line.action, line.split, line.score) in pairs for line in made.itertuples()])
    assert mean < 0.5  # scores in hundredths of the same range meet by chance


@needs_mirror
def test_real_labels_with_features_put_beside_them(tmp_path: Path) -> None:
    folder = Path(str(MIRROR)) / "rhythmic_gymnastics"
    for split in ("train", "test"):
        shutil.copyfile(folder / f"{split}.txt", tmp_path / f"{split}.txt")
    names = [
        line.split()[0]
        for split in ("train", "test")
        for line in (folder / f"{split}.txt").read_text().splitlines()[1:]
    ]
    for number, name in enumerate(names):
        np.save(tmp_path / f"{name}.npy", np.full((11, 3), number % 100, np.float32) + np.arange(11)[:, None])
    write_features(tmp_path / "f.npy", tmp_path / "r.parquet", SETTINGS, tmp_path)
    values, rows = np.load(tmp_path / "f.npy"), pd.read_parquet(tmp_path / "r.parquet")
    assert values.shape == (1000, 1, 5, 3)
    np.testing.assert_allclose(values[0, 0, 0], 1)  # mean of frames 0, 1, 2
    assert rows["sample"].tolist() == names
    assert set(rows["dataset"]) == {"rhythmic_gymnastics"}
    (tmp_path / "Ball_001.npy").unlink()
    np.save(tmp_path / "Hoop_002.npy", np.full((2, 3), np.nan))
    with pytest.raises(RescoreError, match=r"(?s)Ball_001.npy: no such file.*Hoop_002.npy"):
        write_features(tmp_path / "f.npy", tmp_path / "r.parquet", SETTINGS, tmp_path)


def test_bad_labels_are_named_together(tmp_path: Path) -> None:
    header = "Video_Name\tDifficulty_Score    Execution_Score Total_Score\tPenalty\tVideo_length\n"
    lines = "Ball_001\t9.1\t7.6\t16.7\t0\t91\nRope_002\t5\t5\t10\t0\t90\nBall_001\t1\t1\t-2\t0\t90\n"
    (tmp_path / "train.txt").write_text(header + lines)
    with pytest.raises(RescoreError, match=r"(?s)line 3 \(Rope_002\).*line 4.*-2.*Ball_001 stands twice"):
        read_labels(tmp_path / "train.txt", "train")
