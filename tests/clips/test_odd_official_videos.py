"""Official videos as they arrive on other people's disks: broken links, folders, pipes, extracted frames, beside sound ones."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io

from rescore.clips.store import write_clips
from rescore.datasets import check
from rescore.datasets.aqa7 import official as aqa7
from rescore.engine import lock
from rescore.engine.errors import RescoreError
from rescore.engine.storage import sha256_file
from rescore.manifests.broadcasts import index_broadcasts
from rescore.manifests.videos import EMPTY, index_videos
from tests.films import film, frames_in_folder, numbers

KNOBS = {"clips": {"frames": 12, "long_videos": "last", "resize": [64, 64], "crop": 64, "on_bad_video": "fail"}}


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir()
    rows = {"train": [[1, number, 5000] for number in range(1, 7)], "test": [[1, 7, 5000], [1, 8, 5000]]}
    for split, table in rows.items():
        name = f"consolidated_{split}_list"
        scipy.io.savemat(folder / f"{name}.mat", {name: np.array(table, dtype=float)})
    return folder


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Sound ones are 001 (a file), 002 (frames), 003 (a link); the others are five kinds of bad."""
    folder = tmp_path / "videos" / "diving"
    film(folder / "001.avi", 14, "mjpeg", "yuvj420p")
    frames_in_folder(folder / "002", range(1, 11))
    (folder / "003.mp4").symlink_to(film(tmp_path / "disk" / "dive.mp4", 9))
    (folder / "004.avi").symlink_to(tmp_path / "unplugged" / "004.avi")
    (folder / "005.mp4").mkdir()
    os.mkfifo(folder / "006.avi")
    (folder / "007.avi").symlink_to(folder / "007.avi")
    frames_in_folder(folder / "008", [1, 2, 4])
    return folder.parent


def test_bad_ones_are_named_together_and_the_policy_decides(videos: Path, lists: Path, tmp_path: Path) -> None:
    index, manifest = tmp_path / "index.csv", tmp_path / "manifest.parquet"
    index_videos(videos, index, workers=2)
    with pytest.raises(RescoreError) as caught:
        aqa7.write_manifest(lists, index, manifest, KNOBS)
    said = str(caught.value)
    assert "(5)" in said
    for words in (
        "004.avi: a broken link to",
        "005.mp4: a folder without images",
        "006.avi: not a file",
        "007.avi: a broken link",
        "008: not a whole series of frames: frame 3 is missing",
    ):
        assert words in said, words
    drop = {"clips": KNOBS["clips"] | {"on_bad_video": "drop"}}
    aqa7.write_manifest(lists, index, manifest, drop)
    paths = [tmp_path / name for name in ("clips.npy", "rows.parquet", "dropped.csv")]
    write_clips(manifest, *paths, drop, workers=2)
    rows, dropped = pd.read_parquet(paths[1]), pd.read_csv(paths[2])
    assert list(rows["sample"]) == ["diving/001", "diving/002", "diving/003"]
    assert rows["frames"].tolist() == [14, 10, 9]
    assert numbers(np.load(paths[0])[1])[2:] == list(range(1, 11))
    assert list(dropped["sample"]) == [f"diving/{number:03d}" for number in range(4, 9)]
    assert "broken link" in dropped["reason"][0]


def test_the_index_lists_images_one_by_one_and_what_cannot_be_read(
    videos: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    index = tmp_path / "data" / "demo" / "videos" / "aqa7.csv"
    monkeypatch.chdir(tmp_path)
    index_videos(Path("videos"), index.relative_to(tmp_path))
    table = pd.read_csv(index).set_index("video")
    assert sum("/002/" in video for video in table.index) == 10
    assert tuple(table.loc["videos/diving/004.avi"]) == EMPTY
    assert table.loc["videos/diving/003.mp4", "sha256"] == sha256_file(tmp_path / "disk" / "dive.mp4")
    relative = index.relative_to(tmp_path)
    assert lock.listed_faults(relative, sha256_file) == []
    (videos / "diving" / "005.mp4").rmdir()
    film(videos / "diving" / "005.mp4", 3)
    (videos / "diving" / "002" / "img_00004.jpg").unlink()
    faults = lock.listed_faults(relative, sha256_file)
    assert len(faults) == 2  # a bad one that was mended makes the index stale, too
    assert "img_00004.jpg is missing" in faults[0]


def test_check_names_them_all(videos: Path, lists: Path) -> None:
    findings = check.check_official(videos, lists, aqa7)
    errors = {Path(finding.subject).name for finding in findings if finding.severity == check.ERROR}
    assert errors == {"004.avi", "005.mp4", "006.avi", "007.avi", "008"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(videos: Path, lists: Path, tmp_path: Path) -> None:
    (videos / "diving" / "001.avi").chmod(0)
    index_videos(videos, tmp_path / "index.csv")
    with pytest.raises(RescoreError, match=r"001.avi: cannot be read \(Permission denied\)"):
        aqa7.write_manifest(lists, tmp_path / "index.csv", tmp_path / "manifest.parquet", KNOBS)


def test_check_says_what_is_unusual_about_sound_videos(tmp_path: Path) -> None:
    folder = tmp_path / "diving"
    for number in range(4):
        film(folder / f"{number}.mp4", 5)
    film(folder / "fast.mp4", 5, rate=100)
    film(folder / "uneven.mp4", 40, times=[*range(0, 40, 2), *range(40, 100, 3)])

    def turn(stream: Any) -> None:
        stream.set_display_rotation(90)

    film(folder / "turned.mp4", 5, prepare=turn)
    said = {
        Path(found.subject).name: found.statement for found in check.check(folder) if found.severity == check.WARNING
    }
    assert "100 frames/s where most of its set have 25" in said["fast.mp4"]
    assert "turned by 270 degrees" in said["turned.mp4"]
    assert set(said) == {"fast.mp4", "turned.mp4", "uneven.mp4"}


def test_broadcasts_may_be_folders_of_frames_beside_bad_ones(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    frames_in_folder(folder / "01", range(1, 6), "{:06d}.jpg")
    film(folder / "02.mkv", 5)
    (folder / "03.mp4").symlink_to(tmp_path / "gone")
    index_broadcasts(folder, tmp_path / "index.csv")
    assert len(pd.read_csv(tmp_path / "index.csv")) == 7
    findings = check.check_broadcasts(folder, None)
    assert [finding.statement for finding in findings if finding.severity == check.ERROR] == [
        f"{folder / '03.mp4'}: a broken link to {tmp_path / 'gone'}"
    ]


@pytest.mark.parametrize(("rate", "warned"), [(25, False), (50, True), (30, True), (24, True), (100, True)])
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_broadcast_at_another_rate_than_the_annotations_is_said(
    rate: int, warned: bool, suffix: str, tmp_path: Path
) -> None:
    path = film(tmp_path / f"01{suffix}", 60, "mpeg4", rate=rate)
    findings = check.check_broadcast(path, {"01/001": 40})
    assert [finding.severity for finding in findings] == ([check.WARNING] if warned else [])
    if warned:
        assert f"{rate} frames/s where the annotations count 25" in findings[0].statement
        assert "-r 25" in findings[0].statement


def test_clips_of_mostly_zero_frames_are_said(tmp_path: Path, lists: Path, capsys: Any) -> None:
    folder = tmp_path / "videos" / "diving"
    for number in range(1, 9):
        film(folder / f"{number:03d}.avi", 3 if number == 5 else 12, "mjpeg", "yuvj420p")
    index_videos(folder.parent, tmp_path / "index.csv")
    aqa7.write_manifest(lists, tmp_path / "index.csv", tmp_path / "manifest.parquet", KNOBS)
    write_clips(
        tmp_path / "manifest.parquet",
        *(tmp_path / name for name in ("clips.npy", "rows.parquet", "dropped.csv")),
        KNOBS,
        workers=1,
    )
    said = capsys.readouterr().out
    assert "diving/005" in said
    assert "9 zero frames" in said
    assert said.count("\n") == 1


def test_two_videos_of_one_sample_in_two_forms_are_named(videos: Path, lists: Path, tmp_path: Path) -> None:
    shutil.rmtree(videos / "diving" / "008")
    film(videos / "diving" / "002.mkv", 10)
    index_videos(videos, tmp_path / "index.csv")
    with pytest.raises(RescoreError, match=r"diving/002: two videos, .*002 and .*002.mkv; keep one"):
        aqa7.write_manifest(lists, tmp_path / "index.csv", tmp_path / "manifest.parquet", KNOBS)
