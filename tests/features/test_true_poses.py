"""True joints in the clip store's frames: recomputed from the seed, equal to what was drawn, where the pixels show them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rescore.clips.store import write_clips
from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_table
from rescore.features.true_poses import POSE, compare, first_frames, frame_numbers, write_true_poses
from rescore.models import keypoints
from synthetic_athlete.body import JOINTS
from synthetic_athlete.broadcasts import Task as Broadcast
from synthetic_athlete.broadcasts import make_broadcast
from synthetic_athlete.generate import Task, make_video
from synthetic_athlete.joints import film_event, film_performance, write
from synthetic_athlete.shots import Request

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "synthetic": {
        "samples": 0.1,
        "frame_size": [160, 120],
        "length": 1.0,
        "trampoline_samples": 0.03,
        "dives": 0.02,
        "motions_per_class": 2,
        "motion_frames": 16,
    },
    "clips": {"frames": 103, "long_videos": "last", "resize": [86, 64], "crop": 56, "on_bad_video": "fail"},
    "multitask": {
        "clips": {
            "frames": 64,
            "shift": 3,
            "window": "end",
            "resize": [86, 64],
            "crop": 40,
            "wide_resize": [86, 48],
            "wide_crop": 48,
        },
        "validation": {"share": 0.15, "separate": False},
        "vocabulary": "train_and_test",
    },
    "poses": {"every": 4},
}


def video_rows(tasks: list[Task], entries: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "synthetic_aqa7",
            "sample": f"{task.action}/{task.index:03d}",
            "action": task.action,
            "split": "test" if number else "train",
            "video": entry["video"],
            "start_frame": 0,
            "end_frame": entry["frames"] - 1,
            "score": 50.0 + number,
            "difficulty": 3.0,
        }
        for number, (task, entry) in enumerate(zip(tasks, entries, strict=True))
    )


@pytest.fixture(scope="module")
def aqa7(tmp_path_factory) -> Path:
    """Two videos, a short one and one longer than a clip, with joints, clips and true poses."""
    folder = tmp_path_factory.mktemp("aqa7")
    tasks = [Task(action, 2, folder / f"{action}.mp4", 0, (160, 120), 1.0) for action in ("gymvault", "sync_diving_3m")]
    entries = [make_video(task) for task in tasks]
    np.savez(folder / "drawn.npz", **{task.action: entry["joints"] for task, entry in zip(tasks, entries, strict=True)})
    write_table(folder / "manifest.parquet", video_rows(tasks, entries))
    outputs = [folder / name for name in ("clips.npy", "clips.parquet", "dropped.csv")]
    write_clips(folder / "manifest.parquet", *outputs, SETTINGS, 1)
    write(folder / "joints.npy", folder / "joints.parquet", [film_performance(task) for task in tasks])
    inputs = [folder / name for name in ("joints.npy", "joints.parquet", "clips.parquet")]
    write_true_poses(*inputs, folder / "poses.npy", folder / "poses.parquet", SETTINGS, "aqa7")
    return folder


def test_joints_are_those_that_were_drawn(aqa7):
    joints, table = np.load(aqa7 / "joints.npy"), pd.read_parquet(aqa7 / "joints.parquet").set_index("sample")
    drawn = np.load(aqa7 / "drawn.npz")
    for sample, place in table.iterrows():
        mine = joints[place["first_row"] : place["first_row"] + place["frames"]]
        theirs = drawn[str(sample).partition("/")[0]]
        np.testing.assert_allclose(mine[:, : theirs.shape[1], :, :2], theirs, rtol=2e-3, atol=0.1)
        assert np.isnan(mine[:, theirs.shape[1] :]).all()
    hidden = joints[..., 2] == 0
    assert 0.05 < hidden[int(table["first_row"].iloc[1]) :, 0].mean() < 0.9, "divers end under water"


def test_poses_lie_on_the_athlete_in_the_clips(aqa7):
    """The picture differs from the backdrop at the joints: its head is nearer to the skin's colour than a random place is."""
    clips, poses = np.load(aqa7 / "clips.npy"), np.load(aqa7 / "poses.npy")
    rows = pd.read_parquet(aqa7 / "poses.parquet")
    times = frame_numbers(SETTINGS, "aqa7")
    assert poses.shape == (2, len(times), 13, 2)
    assert np.isnan(poses[0, times < rows["padding"][0]]).all()
    assert rows["found"].between(0.3, 1).all()
    rng, at_joint, elsewhere = np.random.default_rng(0), [], []
    for sample in (0, 1):
        known = np.argwhere(np.isfinite(poses[sample]).all(axis=-1) & np.isin(np.arange(13), [0, 2, 3]))  # head, arm
        colours = []
        for time, joint in known:
            column, row = poses[sample, time, joint].round().astype(int)
            colours.append(clips[sample, times[time], row, column].astype(float))
        typical = np.median(colours, axis=0)
        at_joint.append(np.median(np.abs(colours - typical).sum(axis=1)))
        places = rng.integers(0, 56, (len(known), 2))
        other = [
            clips[sample, times[time], *place].astype(float) for (time, _), place in zip(known, places, strict=True)
        ]
        elsewhere.append(np.median(np.abs(other - typical).sum(axis=1)))
    assert (np.array(at_joint) < 0.6 * np.array(elsewhere)).all(), (at_joint, elsewhere)


def test_dives_of_a_broadcast_have_the_numbers_of_its_video(tmp_path):
    """The joints that the broadcast's maker keeps from start_frame to end_frame, at the same frames of the video."""
    request = Request(9, 2, 0, (160, 120), 1.0, 64, 3)
    filmed = {each.sample: each for each in film_event(request)}
    assert sorted(filmed) == ["09/001", "09/002"]
    entry = make_broadcast(Broadcast(request, tmp_path))
    kept = np.load(tmp_path / "09" / "joints.npz")
    for dive, (start, end) in entry["spans"].items():
        mine = filmed[f"09/{dive:03d}"]
        span = slice(start - mine.first_frame, end - mine.first_frame + 1)
        np.testing.assert_allclose(mine.joints[span, :, :, :2], kept[f"{dive:03d}"], rtol=2e-3, atol=0.1)


def test_windows_of_both_stores_begin_where_their_clips_do():
    rows = pd.DataFrame({"start_frame": [10, 0], "end_frame": [209, 49]})
    assert first_frames(rows, SETTINGS, "aqa7").tolist() == [107, -53]
    first = SETTINGS | {"clips": SETTINGS["clips"] | {"long_videos": "first"}}
    assert first_frames(rows, first, "aqa7").tolist() == [10, -53]
    assert first_frames(rows, SETTINGS, "mtl_aqa").tolist() == [143, -17]
    knobs = SETTINGS["multitask"]
    start = SETTINGS | {"multitask": knobs | {"clips": knobs["clips"] | {"window": "start"}}}
    assert first_frames(rows, start, "mtl_aqa").tolist() == [7, -3]
    assert frame_numbers(SETTINGS, "mtl_aqa").tolist() == list(range(3, 67, 4))


def test_the_same_thirteen_joints_as_the_estimators():
    names = [JOINTS[number] for number in POSE]
    assert tuple(names) == keypoints.JOINTS


def test_missing_and_foreign_joints_are_refused(aqa7, tmp_path):
    table = pd.read_parquet(aqa7 / "joints.parquet")
    rows = [aqa7 / "clips.parquet", tmp_path / "p.npy", tmp_path / "p.parquet"]
    write_table(tmp_path / "joints.parquet", table.iloc[:1])
    with pytest.raises(RescoreError, match="sync_diving_3m/002: no true joints"):
        write_true_poses(aqa7 / "joints.npy", tmp_path / "joints.parquet", *rows, SETTINGS, "aqa7")
    write_table(tmp_path / "joints.parquet", table.assign(frames=20))
    with pytest.raises(RescoreError, match="reaches beyond"):
        write_true_poses(aqa7 / "joints.npy", tmp_path / "joints.parquet", *rows, SETTINGS, "aqa7")


def test_accuracy_counts_what_is_missed_and_what_is_off(aqa7, tmp_path):
    true = np.load(aqa7 / "poses.npy")
    guess = true + np.float32([3.0, 4.0])
    guess[:, :, ::2] = true[:, :, ::2]
    guess[:, :, 0] = np.nan
    np.save(tmp_path / "guess.npy", guess)
    compare([tmp_path / "guess.npy"], [aqa7 / "poses.npy"], [aqa7 / "poses.parquet"], tmp_path / "accuracy.csv")
    line = pd.read_csv(tmp_path / "accuracy.csv").iloc[0]
    visible = np.isfinite(true[1]).all(axis=-1)
    assert (line["action"], line["samples"], line["joints"]) == ("sync_diving_3m", 1, visible.sum())
    assert line["missed"] == pytest.approx(visible[:, 0].sum() / visible.sum())
    assert line["within_2_pixels"] == pytest.approx(visible[:, 2::2].sum() / visible.sum())
