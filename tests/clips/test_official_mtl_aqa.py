"""Official MTL-AQA from end to end on stand-in broadcasts: the real release with its frame numbers moved together, fifteen real
encoded videos whose frames carry their numbers, through the very commands of the workflow, to the frame-exact stores."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rescore.cli import main
from rescore.datasets.mtl_aqa.release import OFFICIAL
from rescore.sources.pickles import load_pickle

FRAMES, SHIFT, SPACING, FIRST_END = 103, 3, 20, 60
LENGTH = FRAMES + 2 * SHIFT
CONTAINERS = {1: ".mkv", 7: ".avi"}
CODECS = {".avi": "mpeg4"}
SETTINGS = {
    "seed": 0,
    "clips": {"on_bad_video": "fail"},
    "multitask": {
        "training_sets": "clean",
        "vocabulary": "train_and_test",
        "validation": {"share": 0.1, "separate": True},
        "clips": {
            "frames": FRAMES,
            "shift": SHIFT,
            "window": "end",
            **{"resize": [16, 16], "crop": 16, "wide_resize": [27, 20], "wide_crop": 20},
        },
    },
}


def moved_together(mirror: Path, release: Path) -> dict[int, int]:
    """A copy of the release whose dives end 20 frames apart, so that windows of 109 frames overlap; last end by event."""
    shutil.copytree(mirror / "mtl_aqa", release)
    path = release / OFFICIAL / "final_annotations_dict.pkl"
    annotations = load_pickle(path)
    last: dict[int, int] = {}
    for key in sorted(annotations, key=lambda key: (int(key[0]), int(key[1]))):
        event = int(key[0])
        end = last.get(event, FIRST_END - SPACING) + SPACING
        duration = annotations[key]["end_frame"] - annotations[key]["start_frame"]
        annotations[key] |= {"start_frame": max(0, end - duration), "end_frame": end}
        last[event] = end
    path.write_bytes(pickle.dumps(annotations))
    return last


def numbers(clips: np.ndarray) -> np.ndarray:
    """The numbers that frames (n, side, side, 3) carry, as `read_number` reads one."""
    side = clips.shape[1]
    rows = [row * side // 3 + side // 6 for row in range(3)]
    columns = [column * side // 4 + side // 8 for column in range(4)]
    bits = clips[:, rows][:, :, columns, 0].reshape(len(clips), 12) > 127
    return bits @ (1 << np.arange(12))


def step(*words: Any) -> None:
    assert main(["step", *map(str, words)]) == 0


@pytest.mark.slow
def test_every_row_of_both_stores_holds_frames_end_minus_105_to_end_plus_3(mirror, tmp_path, numbered, monkeypatch):
    monkeypatch.chdir(tmp_path)
    last = moved_together(mirror, tmp_path / "release")
    lengths = {
        event: end + (2 if event == 2 else 10) for event, end in last.items()
    }  # event 2: its shift reaches over the end
    for event, length in lengths.items():
        suffix = CONTAINERS.get(event, ".mp4")
        numbered(tmp_path / "videos" / f"{event:02d}{suffix}", length, CODECS.get(suffix, "libx264"), 2, size=(48, 48))
    data = {name: Path("data") / name for name in ("index.csv", "mtl_aqa.parquet", "splits.parquet", "words.json")}
    step("manifests.broadcasts.index_broadcasts", "--directory", "videos", "--index", data["index.csv"], "--workers", 2)
    step(
        *("datasets.mtl_aqa.official.write_dataset", "--directory", "release", "--index", data["index.csv"]),
        *("--unlv-dive", mirror / "unlv_dive_s3d", "--manifest", data["mtl_aqa.parquet"]),
        *("--splits", data["splits.parquet"], "--vocabulary", data["words.json"], "--findings", "data/findings.csv"),
        *("--settings", json.dumps(SETTINGS)),
    )
    step(
        *(
            "clips.broadcasts.write_broadcast_clips",
            "--manifest",
            data["mtl_aqa.parquet"],
            "--clips",
            "clips/mtl_aqa.npy",
        ),
        *("--rows", "clips/mtl_aqa.parquet", "--dropped", "clips/mtl_aqa.dropped.csv", "--workers", 2),
        *("--wide-clips", "clips/mtl_aqa_wide.npy", "--wide-rows", "clips/mtl_aqa_wide.parquet"),
        *("--settings", json.dumps(SETTINGS)),
    )
    rows = pd.read_parquet("clips/mtl_aqa.parquet")
    stores = [np.load(f"clips/{name}.npy", mmap_mode="r") for name in ("mtl_aqa", "mtl_aqa_wide")]
    assert [store.shape for store in stores] == [(1412, LENGTH, 16, 16, 3), (1412, LENGTH, 20, 20, 3)]
    assert rows["sample"].tolist() == pd.read_parquet(data["mtl_aqa.parquet"])["sample"].tolist()
    for place, row in enumerate(rows.itertuples()):
        length = lengths[int(row.event)]
        expected = np.arange(row.end_frame - 105, row.end_frame + 3 + 1)
        padding = max(0, 105 - row.end_frame)
        assert (row.padding, row.frames) == (padding, np.sum((expected >= 0) & (expected < length)))
        for store in stores:
            clip = np.asarray(store[place])
            assert not clip[:padding].any()
            np.testing.assert_array_equal(numbers(clip[padding:]), np.minimum(expected[padding:], length - 1))
    assert (rows["padding"] > 0).sum() == 3 * 15  # dives that end at frames 60, 80 and 100
    assert (rows["frames"] + rows["padding"] < LENGTH).sum() == 1
    splits = pd.read_parquet(data["splits.parquet"])
    assert set(splits["sample"]) <= set(rows["sample"])
