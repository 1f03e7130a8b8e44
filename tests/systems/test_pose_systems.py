"""The pose systems on small planted poses: series, frequencies, members, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.engine.errors import RescoreError
from rescore.scoring.predictions import COLUMNS, read_predictions
from rescore.systems.poses import pose_apen, pose_aqa7, pose_dct
from rescore.systems.poses.pose_series import fill_gaps, series_of

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "multitask": {"seeds": 2},
    "poses": {
        "estimator": "heat_map",
        "scale": "body",
        "frequencies": 5,
        "entropy": {"block": 2, "tolerance": 0.2, "cross": False},
        "regression": {"kernels": ["linear"], "c": [0.1, 1.0], "epsilon": [0.1], "folds": 3, "max_iterations": 100000},
    },
}
TIMES = 20


def planted(quality: np.ndarray, noise: float) -> np.ndarray:
    """Poses (sample, time, 13, 2) whose swing grows with the quality."""
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(13, 2)) * 4
    swing = np.sin(np.arange(TIMES) / 3)[None, :, None, None] * (3 + quality)[:, None, None, None]
    poses = 30 + rest + swing * np.linspace(0, 1, 13)[:, None]
    return (poses + noise * rng.standard_normal(poses.shape)).astype(np.float32)


def write_poses(folder: Path, dataset: str) -> dict[str, Any]:
    """Poses of two estimators (noisy, with gaps) and true ones, their rows and a split table."""
    actions = EXPERIMENT_ACTIONS if dataset == "aqa7" else ("diving",)
    rng, rows = np.random.default_rng(1), []
    for action in actions:
        for number in range(36):
            quality = rng.normal()
            rows.append(
                {
                    "dataset": f"synthetic_{dataset}",
                    "sample": f"{action}/{number:03d}",
                    "action": action,
                    "split": "train" if number < 24 else "test",
                    "score": 50 + 10 * quality,
                    "quality": quality,
                }
            )
    table = pd.DataFrame(rows)
    files: dict[str, Any] = {}
    for name, noise in (("poses", 1.0), ("second_poses", 1.1), ("true_poses", 0.05)):
        poses = planted(table["quality"].to_numpy(), noise)
        poses[:, :2] = np.nan
        poses[::3, 8, 4] = np.nan
        files[name], files[name.replace("poses", "rows")] = folder / f"{name}.npy", folder / f"{name}.parquet"
        np.save(files[name], poses)
        table.to_parquet(files[name.replace("poses", "rows")])
    files["poses"] = [files["poses"], files.pop("second_poses")]
    files.pop("second_rows")
    if dataset == "mtl_aqa":
        files["splits"] = folder / "splits.parquet"
        splits = [
            (name, sample, split)
            for name in ("1059", "450", "unlv_dive")
            for sample, split in zip(table["sample"], table["split"], strict=True)
        ]
        pd.DataFrame(splits, columns=["training_set", "sample", "split"]).to_parquet(files["splits"])
    return files


@pytest.mark.parametrize("system", [pose_dct, pose_apen])
def test_members_of_mtl_aqa(tmp_path, system):
    files = write_poses(tmp_path, "mtl_aqa")
    system.run(**files, predictions=tmp_path / "p.parquet", chosen=tmp_path / "c.csv", settings=SETTINGS)
    table = pd.read_parquet(tmp_path / "p.parquet")
    name = system.EXPERIMENT
    expected = [f"{name}/1059", f"{name}/unlv_dive", f"{name}_true/1059", f"{name}_true/unlv_dive"]
    assert list(table.columns) == list(COLUMNS)
    assert table["member"].unique().tolist() == expected == pd.read_csv(tmp_path / "c.csv")["member"].unique().tolist()
    assert table.groupby("member").size().tolist() == [24, 24, 12, 12]  # true joints have nothing to repeat
    assert table.groupby("member")["seed"].agg(set).tolist() == 2 * [{0, 1}] + 2 * [{0}]
    assert set(table["split"]) == {"test"}
    without = {key: value for key, value in files.items() if not key.startswith("true")}
    system.run(**without, predictions=tmp_path / "q.parquet", chosen=tmp_path / "d.csv", settings=SETTINGS)
    alone = pd.read_parquet(tmp_path / "q.parquet")
    pd.testing.assert_frame_equal(alone, table[~table["member"].str.contains("true")].reset_index(drop=True))


def test_a_planted_swing_is_found_by_its_frequencies_and_clean_joints_show_it_better(tmp_path):
    files = write_poses(tmp_path, "aqa7")
    settings = SETTINGS | {"poses": SETTINGS["poses"] | {"scale": "none"}}
    pose_aqa7.run(**files, predictions=tmp_path / "p.parquet", chosen=tmp_path / "c.csv", settings=settings)
    table = read_predictions(tmp_path / "p.parquet", pd.read_parquet(files["rows"]), SETTINGS)
    assert len(table["member"].unique()) == 4 * len(EXPERIMENT_ACTIONS)
    rho = table.groupby("member").apply(lambda part: spearmanr(part["target"], part["predicted"]).statistic)
    assert rho["pose_dct_true/diving"] > 0.95
    assert rho["pose_dct/diving"] > 0.5
    assert rho.filter(like="pose_dct_true").mean() > rho.filter(like="pose_dct/").mean()


def test_frequencies_are_those_of_the_transform_by_its_formula():
    series = np.random.default_rng(0).standard_normal((17, 3))
    time, frequency = np.arange(17), np.arange(5)
    cosines = (
        np.cos(np.pi * frequency[:, None] * (2 * time + 1) / (2 * 17))
        * np.where(frequency, 2 / 17, 1 / 17)[:, None] ** 0.5
    )
    np.testing.assert_allclose(pose_dct.describe(series, {"frequencies": 5}).reshape(3, 5), np.abs(cosines @ series).T)
    short = pose_dct.describe(series[:3], {"frequencies": 5}).reshape(3, 5)
    assert (short[:, 3:] == 0).all()


def test_series_do_not_know_where_the_athlete_is_or_how_large():
    pose = planted(np.zeros(1), 0.1)[0]
    np.testing.assert_allclose(series_of(pose, "body"), series_of(2.5 * pose + 7, "body"), atol=1e-5)
    assert np.sqrt(2 * np.square(series_of(pose, "body")).mean()) == pytest.approx(1)
    assert not np.allclose(series_of(pose, "none"), series_of(2.5 * pose, "none"))


def test_gaps_are_filled_by_lines_and_ends_are_cut():
    pose = np.full((6, 3, 2), np.nan, np.float32)
    pose[1:5, 0] = 1.0
    pose[1, 1], pose[4, 1] = 3.0, 9.0
    filled = fill_gaps(pose[1:5].astype(float))
    np.testing.assert_allclose(filled[:, 1, 0], [3, 5, 7, 9])
    np.testing.assert_allclose(filled[:, 2], 1.0)  # never found: on the head
    series = series_of(pose, "none")
    assert series.shape == (4, 4)
    np.testing.assert_allclose(series[:, 2:], 0.0)
    pose[:, 0] = np.nan
    assert np.isfinite(series_of(pose, "body")).all()  # no head at all


def test_samples_without_any_joint_are_named_together(tmp_path):
    files = write_poses(tmp_path, "mtl_aqa")
    poses = np.load(files["poses"][1])
    poses[[3, 5]] = np.nan
    np.save(files["poses"][1], poses)
    outputs = {"predictions": tmp_path / "p.parquet", "chosen": tmp_path / "c.csv"}
    with pytest.raises(RescoreError, match=r"(?s)diving/003.*diving/005.*least_confidence"):
        pose_dct.run(**files, **outputs, settings=SETTINGS)
    np.save(files["poses"][1], poses[:-1])
    with pytest.raises(RescoreError, match=r"shape .* for 36 rows"):
        pose_dct.run(**files, **outputs, settings=SETTINGS)
    files["poses"][1].unlink()
    with pytest.raises(RescoreError, match="no such file"):
        pose_dct.run(**files, **outputs, settings=SETTINGS)
