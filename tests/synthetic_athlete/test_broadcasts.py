"""The broadcasts as files: contract, frame-exact windows in every container, determinism, bad settings."""

import copy
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.engine.storage import sha256_file
from rescore.manifests.contract import read_manifest
from synthetic_athlete.broadcasts import Task, make_broadcast, make_broadcasts
from synthetic_athlete.encode import BROADCAST_FORMATS
from synthetic_athlete.programme import EVENTS, PIXELS, generator
from synthetic_athlete.render import render
from synthetic_athlete.shots import Request, shots

SIZE = (64, 48)


def smallest() -> dict[str, Any]:
    return {
        "seed": 3,
        "synthetic": {
            "samples": 0.001, "frame_size": list(SIZE), "length": 0.25, "trampoline_samples": 0.001, "dives": 0.001,
            "motions_per_class": 2, "motion_frames": 16,
        },
        "multitask": {
            "clips": {"frames": 26, "shift": 1},
            "validation": {"share": 0.1, "separate": False},
            "vocabulary": "train_and_test",
        },
    }  # fmt: skip


def generate(directory: Path, settings: dict[str, Any], workers: int) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        make_broadcasts(
            Path("index.csv"), Path("dives.parquet"), Path("splits.parquet"), Path("words.json"), Path("videos"),
            settings, workers,
        )  # fmt: skip
    return directory


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole smallest set, made by one worker."""
    return generate(tmp_path_factory.mktemp("made"), smallest(), 1)


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_two_workers_write_the_same_bytes_as_one(made: Path, tmp_path: Path) -> None:
    generate(tmp_path, smallest(), 2)
    written = [
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (made, tmp_path)
    ]
    assert written[0].keys() == written[1].keys()
    assert [name for name in written[0] if written[0][name] != written[1][name]] == []


def test_manifest_keeps_the_contract(made: Path) -> None:
    table = read_manifest(made / "dives.parquet")
    assert table["dataset"].eq("synthetic_mtl_aqa").all()
    assert table["action"].eq("diving").all()
    assert table["sample"].str[:2].eq(table["event"]).all()
    assert table["event"].unique().tolist() == [f"{event:02d}" for event in EVENTS]
    assert table.groupby("event")["video"].nunique().eq(1).all()
    assert table["split"].value_counts().to_dict() == {"train": 24, "test": 16}
    complete = ["score", "difficulty", "position", "armstand", "rotation_type", "somersaults", "twists", "execution"]
    assert table[[*complete, "observer", "synchronised", "height", "gender"]].notna().all(axis=None)
    assert (table["score"] - table["difficulty"] * table["execution"]).abs().max() < 0.006
    assert not (table["armstand"] & (table["height"] == 3)).any()
    for row in table.itertuples():
        event = EVENTS[int(row.event)]
        assert (row.height, row.synchronised, row.gender) == (event.height, event.synchronised, event.gender)


def test_index_lists_every_broadcast_with_its_checksum(made: Path) -> None:
    index, table = pd.read_csv(made / "index.csv"), pd.read_parquet(made / "dives.parquet")
    assert index["video"].tolist() == table["video"].unique().tolist()
    for row in index.itertuples():
        path = made / str(row.video)
        assert (path.stat().st_size, sha256_file(path)) == (row.bytes, row.sha256)
    assert {Path(video).suffix for video in index["video"]} == {form.suffix for form in BROADCAST_FORMATS}


def test_vocabulary_holds_the_captions_words_after_the_markers(made: Path, tmp_path: Path) -> None:
    words, table = json.loads((made / "words.json").read_text()), pd.read_parquet(made / "dives.parquet")
    assert words[:2] == ["<eos>", "<sos>"]
    assert words[2:] == sorted({word for caption in table["caption"] for word in caption.split()})
    settings = smallest()
    settings["multitask"]["vocabulary"] = "train"
    fewer = json.loads((generate(tmp_path, settings, 1) / "words.json").read_text())
    trained = table.loc[table["split"] == "train", "caption"]
    assert fewer[2:] == sorted({word for caption in trained for word in caption.split()})
    assert len(fewer) < len(words)


def test_joints_and_elements_lie_beside_each_broadcast(made: Path) -> None:
    table = pd.read_parquet(made / "dives.parquet")
    for event, rows in table.groupby("event"):
        divers = 2 if rows["synchronised"].iloc[0] else 1
        with np.load(made / "videos" / str(event) / "joints.npz", allow_pickle=False) as joints:
            assert sorted(joints.files) == sorted(rows["sample"].str[3:])
            for row in rows.itertuples():
                array = joints[str(row.sample)[3:]]
                assert array.shape == (row.end_frame - row.start_frame + 1, divers, 17, 2)
                assert np.isfinite(array).all()
        elements = pd.read_csv(made / "videos" / str(event) / "elements.csv")
        assert elements["sample"].tolist() == [sample for sample in rows["sample"] for _ in range(divers)]


@pytest.mark.parametrize("event", range(1, len(BROADCAST_FORMATS) + 1))
def test_annotated_frames_are_the_dives_frames(event: int, tmp_path: Path) -> None:
    """In each format the decoded window is, frame by frame, what was rendered, and one frame earlier or later is not."""
    request = Request(event, 2, 3, SIZE, 1.0, 103, 3)
    entry = make_broadcast(Task(request, tmp_path))
    decoded = decode(Path(entry["video"])).astype(float)
    filmed = list(shots(request))
    assert len(decoded) == sum(len(shot.take.joints) for shot in filmed)
    for shot in filmed:
        if not shot.dive:
            continue
        drawn = np.stack(list(render(shot.take, generator(3, PIXELS, event, shot.dive, 0)))).astype(float)
        start, end = entry["spans"][shot.dive]
        assert end - start == shot.end - shot.start
        for frame, truth in ((start, drawn[shot.start]), (end, drawn[shot.end])):
            assert np.abs(decoded[frame] - truth).mean() < 8
        flight = np.flatnonzero(shot.take.airborne[:, 0])
        first = start - shot.start
        errors = [np.abs(decoded[first + flight + move] - drawn[flight]).mean() for move in (-2, -1, 0, 1, 2)]
        assert errors[2] < 8
        assert np.argmin(errors) == 2
        assert min(errors[1], errors[3]) > 1.3 * errors[2]


def test_three_of_the_formats_hold_b_frames(tmp_path: Path) -> None:
    """Packets whose decoding order is not the order of display."""
    reordered = []
    for event in (1, 2, 4):
        entry = make_broadcast(Task(Request(event, 1, 3, SIZE, 0.25, 26, 1), tmp_path))
        with av.open(entry["video"]) as container:
            times = [packet.pts for packet in container.demux(video=0) if packet.size]
        reordered.append(times != sorted(times))
    assert all(reordered)


@pytest.mark.parametrize(
    ("section", "name", "value", "words"),
    [
        ("synthetic", "dives", 0, r"synthetic\.dives"),
        ("synthetic", "dives", 1.5, r"synthetic\.dives"),
        ("synthetic", "frame_size", [161, 120], r"synthetic\.frame_size"),
        ("multitask", "validation", {"share": 0.0, "separate": False}, r"multitask\.validation\.share"),
    ],
)
def test_bad_settings_are_named(section: str, name: str, value: Any, words: str, tmp_path: Path) -> None:
    bad = copy.deepcopy(smallest())
    bad[section][name] = value
    with pytest.raises(RescoreError, match=words):
        generate(tmp_path, bad, 1)
    assert list(tmp_path.iterdir()) == []
