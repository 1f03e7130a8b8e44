"""Many videos at once: what is given is found, a bad one stops no other, networks are loaded once."""

import json
from functools import partial

import pandas as pd
import pytest
from PIL import Image

from rescore.engine.errors import RescoreError
from rescore.experiments import score_video as one
from rescore.experiments.score_videos import COLUMNS, score_all, videos_of, write
from rescore.reporting.scored_frames import draw_sheet
from tests.experiments.test_score_video import files, write_video  # noqa: F401  # a fixture


@pytest.fixture
def folder(tmp_path):
    """Two videos, one that is none, a folder of frames, and what is not to be scored."""
    for name in ("a.avi", "b.avi"):
        write_video(tmp_path / name)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "._a.avi").write_bytes(b"")
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8)).save(frames / f"img_{number:05d}.png")
    return tmp_path


def test_files_folders_and_patterns_stand_for_their_videos_once(folder):
    names = [path.name for path in videos_of([folder])]
    assert names == ["a.avi", "b.avi", "broken.mp4", "frames"]
    assert [path.name for path in videos_of([folder / "frames"])] == ["frames"]
    assert [path.name for path in videos_of([folder / "?.avi", folder / "b.avi", folder / "b.avi"])] == [
        "a.avi",
        "b.avi",
    ]


def test_paths_that_stand_for_none_are_named_together(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RescoreError) as caught:
        videos_of([folder / "c.avi", tmp_path / "empty", folder / "*.mkv", folder / "a.avi"])
    for message in ("c.avi: no such video", "empty: a folder without videos", "*.mkv: no such video"):
        assert message in str(caught.value)
    assert "a.avi" not in str(caught.value)


def test_a_bad_video_stops_no_other_and_networks_are_loaded_once(folder, files, monkeypatch):  # noqa: F811
    loaded = []
    build = one.build_backbone
    monkeypatch.setattr(one, "build_backbone", lambda *given: loaded.append(given) or build(*given))
    paths = {name: files["paths"][name] for name in ("members", "runs")}
    score = partial(one.score_video, **paths, settings=files["settings"], action="diving", networks={})
    videos, said = [folder / name for name in ("a.avi", "broken.mp4", "b.avi")], []
    done = score_all(videos, score, said.append)
    assert [result.video.name for result in said] == ["a.avi", "b.avi"]
    assert list(done.errors) == [folder / "broken.mp4"]
    assert len(loaded) == 1
    alone = one.score_video(folder / "b.avi", **paths, settings=files["settings"], action="diving")
    assert (alone.steps == done.results[1].steps).all()

    write(done, videos, folder / "o.csv", folder / "o.json")
    table = pd.read_csv(folder / "o.csv")
    assert list(table) == list(COLUMNS)
    assert [*table["video"]] == [str(video) for video in videos]
    assert table["points"].isna().tolist() == [False, True, False]
    assert "broken.mp4" in table["error"][1]
    content = json.loads((folder / "o.json").read_text())
    assert content[0]["points"] == pytest.approx(table["points"][0])
    assert content[1]["points"] is None
    assert content[0]["low"] < content[0]["points"] < content[0]["high"]

    draw_sheet(done.results, files["settings"], False, folder / "sheet.png")
    with Image.open(folder / "sheet.png") as sheet:
        crop = files["settings"]["clips"]["crop"]
        assert sheet.size == (8 * (crop + 2), 2 * (16 + crop + 2))
