import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.clips.pool import run_tasks
from rescore.clips.store import window, window_starts, write_clips, write_windows
from rescore.engine.errors import RescoreError


def knobs(**changes):
    clips = {"frames": 24, "long_videos": "last", "resize": [64, 64], "crop": 64, "on_bad_video": "fail"} | changes
    return {"clips": clips, "backbone": {"clip_frames": 8}, "pretraining": {"clips_per_video": 3}}


def read_store(clips: Path, rows: Path) -> tuple[np.ndarray, pd.DataFrame]:
    store, table = np.load(clips, mmap_mode="r"), pd.read_parquet(rows)
    assert store.dtype == np.uint8
    assert len(store) == len(table)
    return store, table


@pytest.fixture
def outputs(tmp_path):
    return tmp_path / "out" / "set.npy", tmp_path / "out" / "set.parquet", tmp_path / "out" / "set.dropped.csv"


def test_clips_hold_the_manifests_samples_in_order(tmp_path, numbered, number_of, make_manifest, outputs):
    lengths = {"diving/001": 20, "diving/002": 24, "diving/003": 30}
    videos = {
        sample: numbered(tmp_path / f"{number}.avi", lengths[sample], first=100 * number)
        for number, sample in enumerate(lengths, start=1)
    }
    write_clips(make_manifest(videos, lengths), *outputs, knobs(), workers=2)
    store, rows = read_store(*outputs[:2])
    assert store.shape == (3, 24, 64, 64, 3)
    assert rows["frames"].tolist() == [20, 24, 30]
    assert rows["padding"].tolist() == [4, 0, 0]
    assert rows["sample"].tolist() == list(lengths)
    assert not store[0, :4].any()
    assert [number_of(frame) for frame in store[0, 4:]] == list(range(100, 120))
    assert [number_of(frame) for frame in store[2]] == list(range(306, 330))
    assert outputs[2].read_text() == "sample,video,reason\n"


def test_the_number_of_workers_changes_no_byte(tmp_path, numbered, make_manifest, outputs):
    videos = {f"diving/{n:03d}": numbered(tmp_path / f"{n}.avi", 20 + n, "mpeg4", 2) for n in range(4)}
    manifest = make_manifest(videos, {f"diving/{n:03d}": 20 + n for n in range(4)})
    write_clips(manifest, *outputs, knobs(), workers=1)
    first = [path.read_bytes() for path in outputs]
    write_clips(manifest, *outputs, knobs(), workers=2)
    assert [path.read_bytes() for path in outputs] == first


def test_all_bad_videos_are_reported_together(tmp_path, numbered, make_manifest, bad_videos, outputs):
    videos = {"diving/001": numbered(tmp_path / "good.avi", 24)} | bad_videos
    with pytest.raises(RescoreError) as caught:
        write_clips(make_manifest(videos, 24), *outputs, knobs(), workers=2)
    message = str(caught.value)
    assert all(str(path) in message for path in bad_videos.values())
    assert "good.avi" not in message
    assert f"({len(bad_videos)})" in message
    assert "on_bad_video: drop" in message
    assert not any(path.exists() for path in outputs)
    assert not list(outputs[0].parent.iterdir())  # no temporary file is left


def test_drop_goes_on_without_the_bad_videos_and_lists_them(
    tmp_path, numbered, number_of, make_manifest, bad_videos, outputs
):
    good = {f"diving/{n}": numbered(tmp_path / f"{n}.avi", 24, first=30 * n) for n in (1, 2)}
    videos = {"diving/1": good["diving/1"]} | bad_videos | {"diving/2": good["diving/2"]}
    write_clips(make_manifest(videos, 24), *outputs, knobs(on_bad_video="drop"), workers=2)
    store, rows = read_store(*outputs[:2])
    assert rows["sample"].tolist() == ["diving/1", "diving/2"]
    assert [number_of(store[0, 0]), number_of(store[1, 0])] == [30, 60]
    lost = pd.read_csv(outputs[2])
    assert lost["sample"].tolist() == list(bad_videos)
    assert lost["reason"].notna().all()
    with pytest.raises(RescoreError, match="give no clip"):
        write_clips(make_manifest(bad_videos, 24), *outputs, knobs(on_bad_video="drop"), workers=1)


def test_fewer_frames_than_the_manifest_says_is_an_error(tmp_path, numbered, make_manifest, outputs):
    manifest = make_manifest({"diving/001": numbered(tmp_path / "a.avi", 20)}, 24)
    with pytest.raises(RescoreError, match="20 frames where the manifest's sample ends at frame 23"):
        write_clips(manifest, *outputs, knobs(), workers=1)


def test_a_part_of_a_video_is_cut_out(tmp_path, numbered, number_of, make_manifest, outputs):
    path = make_manifest({"diving/001": numbered(tmp_path / "a.avi", 60)}, 40)
    table = pd.read_parquet(path)
    table["start_frame"] = 10
    table.to_parquet(path)
    write_clips(path, *outputs, knobs(), workers=1)
    store, rows = read_store(*outputs[:2])
    assert rows["frames"].tolist() == [30]
    assert [number_of(frame) for frame in store[0]] == list(range(16, 40))


def test_trampoline_is_left_out(tmp_path, numbered, make_manifest, outputs):
    path = make_manifest({"a/1": numbered(tmp_path / "a.avi", 24), "b/1": numbered(tmp_path / "b.avi", 24)}, 24)
    table = pd.read_parquet(path)
    table["action"] = ["trampoline", "diving"]
    table.to_parquet(path)
    write_clips(path, *outputs, knobs(), workers=1)
    assert read_store(*outputs[:2])[1]["sample"].tolist() == ["b/1"]
    write_clips(path, *outputs, knobs(), workers=1, actions=None)
    assert len(read_store(*outputs[:2])[0]) == 2
    with pytest.raises(RescoreError, match="no sample of the actions"):
        write_clips(path, *outputs, knobs(), workers=1, actions=("skiing",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"on_bad_video": "ignore"}, "on_bad_video"),
        ({"long_videos": "middle"}, "long_videos"),
        ({"crop": 65}, "does not fit"),
        ({"frames": 10**12}, "GB are needed"),
    ],
)
def test_settings_that_cannot_work_are_errors(changes, words, tmp_path, numbered, make_manifest, outputs):
    manifest = make_manifest({"diving/001": numbered(tmp_path / "a.avi", 24)}, 24)
    with pytest.raises(RescoreError, match=words):
        write_clips(manifest, *outputs, knobs(**changes), workers=1)
    assert not outputs[0].exists()


def test_a_full_disk_is_an_error_and_leaves_no_file(tmp_path, numbered, make_manifest, outputs):
    manifest = make_manifest({"diving/001": numbered(tmp_path / "a.avi", 24)}, 24)
    script = (
        "import json, resource, sys; from pathlib import Path; from rescore.clips.store import write_clips\n"
        "paths = [Path(word) for word in sys.argv[1:5]]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"  # the store needs 295 kB
        "write_clips(*paths, json.loads(sys.argv[5]), workers=1)"
    )
    words = [str(manifest), *map(str, outputs), json.dumps(knobs())]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert "RescoreError" in done.stderr
    assert "set.npy: the disk is full" in done.stderr
    assert not list(outputs[0].parent.iterdir())


def test_windows_are_spread_evenly(tmp_path, numbered, number_of, make_manifest, outputs):
    lengths = {"a": 28, "b": 5}
    videos = {name: numbered(tmp_path / f"{name}.avi", length) for name, length in lengths.items()}
    path = make_manifest(videos, lengths, actions="Archery")
    table = pd.read_parquet(path)
    table["score"] = np.nan
    table.to_parquet(path)
    write_windows(path, *outputs, knobs(), workers=2)
    store, rows = read_store(*outputs[:2])
    assert store.shape == (6, 8, 64, 64, 3)
    assert rows["window_start"].tolist() == [0, 10, 20, 0, 0, 0]
    assert rows["padding"].tolist() == [0, 0, 0, 3, 3, 3]
    assert rows["action"].tolist() == ["Archery"] * 6
    assert [number_of(frame) for frame in store[1]] == list(range(10, 18))
    assert not store[3, :3].any()
    assert [number_of(frame) for frame in store[3, 3:]] == list(range(5))


def test_windows_of_good_videos_stay_together_when_one_is_dropped(
    tmp_path, numbered, number_of, make_manifest, bad_videos, outputs
):
    good = {name: numbered(tmp_path / f"{name}.avi", 28, first=first) for name, first in (("a", 0), ("z", 100))}
    videos = {"a": good["a"], "bad": bad_videos["truncated.avi"], "z": good["z"]}
    write_windows(make_manifest(videos, 28), *outputs, knobs(on_bad_video="drop"), workers=1)
    store, rows = read_store(*outputs[:2])
    assert rows["sample"].tolist() == ["a"] * 3 + ["z"] * 3
    assert [number_of(clip[0]) for clip in store] == [0, 10, 20, 100, 110, 120]
    assert pd.read_csv(outputs[2])["sample"].tolist() == ["bad"]


def test_window_starts_reach_from_the_first_frame_to_the_last():
    assert window_starts(32, 16, 4) == [0, 5, 11, 16]
    assert window_starts(16, 16, 1) == [0]
    assert window_starts(3, 16, 2) == [0, 0]


def test_temporal_copies_are_views_one_frame_apart():
    clip = np.arange(103, dtype=np.uint8).reshape(103, 1, 1, 1) * np.ones((1, 4, 4, 3), np.uint8)
    for offset in range(6):
        copy = window(clip, offset, 6, 16)
        assert copy.shape == (6, 16, 4, 4, 3)
        assert np.shares_memory(copy, clip)
        assert copy[..., 0, 0, 0].ravel().tolist() == list(range(offset, offset + 96))
    with pytest.raises(RescoreError, match="end at 104"):
        window(clip, 8, 6, 16)


def _crash_on_two(task: int) -> int:
    if task == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == 3:
        raise RescoreError("three is bad")
    return task * 10


def _sleep(task: float) -> float:
    time.sleep(task)
    return task


def test_a_worker_that_crashes_costs_its_own_task_only():
    outcomes = run_tasks(_crash_on_two, [0, 1, 2, 3, 4], workers=2, label="test")
    assert [outcome.result for outcome in outcomes] == [0, 10, None, None, 40]
    assert "crashed" in outcomes[2].reason
    assert outcomes[3].reason == "three is bad"


def _crash_or_tell_the_process(task: int) -> int:
    if task == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(0.02)
    return os.getpid()


def test_after_a_crash_the_rest_goes_on_together():
    outcomes = run_tasks(_crash_or_tell_the_process, list(range(40)), workers=2, label="test")
    assert [row for row, outcome in enumerate(outcomes) if outcome.reason] == [2]
    assert len({outcome.result for outcome in outcomes}) <= 10  # not a process a video


def test_a_worker_that_hangs_is_ended():
    outcomes = run_tasks(_sleep, [0.0, 60.0], workers=2, label="test", timeout=1)
    assert outcomes[0].result == 0.0
    assert "longer than 1 s" in outcomes[1].reason


def test_the_real_dive_at_full_size(tmp_path, make_manifest, outputs):
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    dive = tmp_path / "diving" / "054.avi"
    dive.parent.mkdir()
    shutil.copy(Path(os.environ["RESCORE_MIRROR"]) / "video" / "aqa7_diving_054.avi", dive)
    settings = knobs(frames=103, resize=[171, 128], crop=112)
    write_clips(make_manifest({"diving/054": dive}, 103), *outputs, settings, workers=1)
    store, rows = read_store(*outputs[:2])
    assert store.shape == (1, 103, 112, 112, 3)
    assert rows[["frames", "padding"]].to_numpy().tolist() == [[103, 0]]
    assert store[0].std(axis=(1, 2, 3)).min() > 5  # every frame shows something
