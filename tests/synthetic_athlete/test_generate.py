"""The generated files: contract of index and manifest, determinism, decodability of every codec, bad settings."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest

from rescore.actions import ACTIONS
from rescore.engine.errors import RescoreError
from rescore.engine.storage import sha256_file
from rescore.manifests.contract import OPTIONAL, REQUIRED, read_manifest
from synthetic_athlete.encode import FORMATS, write_video
from synthetic_athlete.generate import (
    COUNTS,
    Task,
    counts,
    frames_of,
    label,
    make_motions,
    make_video,
    make_videos,
    splits,
)
from synthetic_athlete.motions import CLASSES

decord = pytest.importorskip("decord")


BROADCASTS_ONLY = ("synchronised", "height", "gender")


def tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole smallest set, made by one worker."""
    directory = tmp_path_factory.mktemp("made")
    generate(directory, 1)
    return directory


def smallest() -> dict[str, Any]:
    return {
        "seed": 3,
        "synthetic": {
            "samples": 0.001, "frame_size": [64, 48], "length": 0.25, "trampoline_samples": 0.001,
            "motions_per_class": 2, "motion_frames": 16,
        },
    }  # fmt: skip


def generate(directory: Path, workers: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        make_videos(Path("aqa7.csv"), Path("aqa7.parquet"), Path("videos"), smallest(), workers)
        make_motions(Path("motions.csv"), Path("motions.parquet"), Path("motions"), smallest(), workers)


def test_two_workers_write_the_same_bytes_as_one(made: Path, tmp_path: Path) -> None:
    generate(tmp_path, 2)
    first, second = tree(made), tree(tmp_path)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_manifest_keeps_the_contract(made: Path) -> None:
    table = read_manifest(made / "aqa7.parquet")
    assert list(table.columns) == [name for name in REQUIRED | OPTIONAL if name not in BROADCASTS_ONLY]
    assert table["action"].unique().tolist() == [action.name for action in ACTIONS]
    assert table["sample"].is_unique
    assert table["start_frame"].eq(0).all()
    assert table["end_frame"].dtype == np.int64
    assert table.groupby("action")["split"].value_counts().eq(4).all()
    assert table[["score", "difficulty", "execution", "observer"]].notna().all(axis=None)
    dives = table["action"].isin(["diving", "sync_diving_3m", "sync_diving_10m"])
    classes = table[["position", "armstand", "rotation_type", "somersaults", "twists"]]
    assert classes[dives].notna().all(axis=None)
    assert classes[~dives].isna().all(axis=None)
    assert table["caption"].str.len().between(20, 300).all()


def test_index_lists_every_video_with_its_checksum(made: Path) -> None:
    for name in ("aqa7", "motions"):
        index, table = pd.read_csv(made / f"{name}.csv"), pd.read_parquet(made / f"{name}.parquet")
        assert list(index.columns) == ["video", "bytes", "sha256"]
        assert index["video"].tolist() == table["video"].tolist()
        for row in index.itertuples():
            path = made / str(row.video)
            assert (path.stat().st_size, sha256_file(path)) == (row.bytes, row.sha256)


def test_every_video_decodes_in_sequence_with_the_right_number_of_frames(made: Path) -> None:
    suffixes = set()
    for name in ("aqa7", "motions"):
        for row in pd.read_parquet(made / f"{name}.parquet").itertuples():
            path = made / str(row.video)
            reader = decord.VideoReader(str(path), num_threads=1)
            assert len(reader) == row.end_frame + 1
            frames = np.stack([reader.next().asnumpy() for _ in range(len(reader))])
            assert frames.shape[1:] == (48, 64, 3)
            assert frames.std() > 5
            suffixes.add(path.suffix)
    assert suffixes == {".avi", ".mp4", ".mkv"}


def test_motions_hold_every_class_without_scores(made: Path) -> None:
    table = read_manifest(made / "motions.parquet", scored=False)
    assert table["action"].unique().tolist() == list(CLASSES)
    assert table["score"].isna().all()
    assert table["end_frame"].eq(15).all()
    assert (table.groupby(["action", "split"]).size() == 1).all()


def test_joints_and_elements_lie_beside_the_videos(made: Path) -> None:
    table = pd.read_parquet(made / "aqa7.parquet")
    for action in (action.name for action in ACTIONS):
        rows = table[table["action"] == action]
        with np.load(made / "videos" / action / "joints.npz", allow_pickle=False) as joints:
            assert len(joints.files) == len(rows)
            for row in rows.itertuples():
                array = joints[str(row.sample).split("/")[1]]
                athletes = 2 if action.startswith("sync") else 1
                assert array.shape == (row.end_frame + 1, athletes, 17, 2)
                assert array.dtype == np.float16
                assert np.isfinite(array).all()
        elements = pd.read_csv(made / "videos" / action / "elements.csv")
        assert set(elements["sample"]) == set(rows["sample"])


def test_joints_lie_on_the_drawn_body(tmp_path: Path) -> None:
    """The pixel under the chest is the suit's colour in nearly every frame of flight."""
    from synthetic_athlete.generate import take_of
    from synthetic_athlete.render import pixel_joints

    task = Task("diving", 7, tmp_path / "unused.avi", 0, (160, 120), 1.0)
    take = take_of(task)
    frames = np.stack([frame.copy() for frame in frames_of(task, take)])
    pixels = pixel_joints(take)[:, 0]
    chest = np.floor(0.5 * pixels[:, 0] + 0.5 * pixels[:, 1]).astype(int)
    flying = np.flatnonzero(take.airborne[:, 0])[:-3]
    colours = frames[flying, chest[flying, 1], chest[flying, 0]].astype(float)
    near_suit = np.abs(colours - np.array(take.scene.suits[0])).max(axis=1) < 40
    assert near_suit.mean() > 0.5  # arms and legs pass in front


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.codec + form.suffix)
def test_each_format_keeps_every_frame_in_order(form: Any, tmp_path: Path) -> None:
    """Grey frames of rising brightness come back in order, by decord and by PyAV."""
    path = tmp_path / f"ramp{form.suffix}"
    grey = [np.full((48, 64, 3), 30 + 6 * number, np.uint8) for number in range(30)]
    write_video(path, grey, 25.0, form, (64, 48))
    reader = decord.VideoReader(str(path), num_threads=1)
    levels = [float(reader.next().asnumpy().mean()) for _ in range(len(reader))]
    np.testing.assert_allclose(levels, [30 + 6 * number for number in range(30)], atol=3.5)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 30
        assert container.streams.video[0].average_rate == 25


def test_a_sample_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    """Sample 5 of a small and of a large set are one video; only the split may differ."""
    first, second = (Task("skiing", 5, tmp_path / name / "005.mp4", 0, (64, 48), 0.2) for name in "ab")
    assert make_video(first)["sha256"] == make_video(second)["sha256"]
    assert label("skiing", 5, 0) == label("skiing", 5, 0)
    assert label("skiing", 5, 0) != label("skiing", 5, 1)


def test_counts_are_the_official_lists() -> None:
    full = {"samples": 1.0, "trampoline_samples": 1.0}
    sizes = {action: counts(action, full) for action in COUNTS}
    assert sum(train for action, (train, _) in sizes.items() if action != "trampoline") == 803
    assert sum(test for action, (_, test) in sizes.items() if action != "trampoline") == 303
    assert sum(sizes["trampoline"]) == 83
    assert counts("diving", {"samples": 0.1}) == (30, 7)
    assert int(splits("diving", full, 0).sum()) == 300


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("samples", 0),
        ("samples", -1.0),
        ("trampoline_samples", 0),
        ("length", 0),
        ("frame_size", [161, 120]),
        ("frame_size", [160, -120]),
        ("frame_size", [0, 0]),
        ("motions_per_class", 1),
        ("motion_frames", 8),
    ],
)
def test_bad_settings_are_named(name: str, value: Any, tmp_path: Path, settings: dict[str, Any]) -> None:
    bad = copy.deepcopy(settings)
    bad["synthetic"][name] = value
    for make in (make_videos, make_motions):
        with pytest.raises(RescoreError, match=rf"synthetic\.{name}"):
            make(tmp_path / "i.csv", tmp_path / "m.parquet", tmp_path / "v", bad, 1)
    assert list(tmp_path.iterdir()) == []


def test_all_bad_settings_are_reported_together(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings["synthetic"] |= {"samples": 0, "frame_size": [15, 2]}
    settings["seed"] = -1
    with pytest.raises(RescoreError) as caught:
        make_videos(tmp_path / "i.csv", tmp_path / "m.parquet", tmp_path / "v", settings, 1)
    for name in ("samples", "frame_size", "seed"):
        assert name in str(caught.value)


def test_a_failing_encoder_leaves_no_file(tmp_path: Path) -> None:
    """Frames run out with an error half way: nothing is left under the final name, nor beside it."""

    def broken() -> Any:
        yield np.zeros((48, 64, 3), np.uint8)
        raise RescoreError("stop")

    with pytest.raises(RescoreError, match="stop"):
        write_video(tmp_path / "broken.mp4", broken(), 25.0, FORMATS[1], (64, 48))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    """Every format, in a process that may write no file above 20 kB."""
    script = (
        "import resource, sys; from pathlib import Path; import numpy as np\n"
        "from rescore.engine.errors import RescoreError\n"
        "from synthetic_athlete.encode import FORMATS, write_video\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "frames = np.random.default_rng(0).integers(0, 256, (30, 96, 96, 3), np.uint8)\n"
        "for number, form in enumerate(FORMATS):\n"
        "    try:\n"
        "        write_video(Path(sys.argv[1]) / f'{number}{form.suffix}', frames, 25.0, form, (96, 96))\n"
        "    except RescoreError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    messages = done.stdout.splitlines()
    assert len(messages) == len(FORMATS), done.stderr
    assert all("disk" in message and str(tmp_path) in message for message in messages)
    assert list(tmp_path.iterdir()) == []
