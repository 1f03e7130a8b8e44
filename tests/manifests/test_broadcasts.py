"""Broadcasts as files: which event they show, what their containers say, and where they break off."""

from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.manifests.broadcasts import event_of, find_broadcasts, index_broadcasts, scan


def write(path: Path, times: range | list[int], codec: str = "libx264", rate: int = 25, **options: str) -> Path:
    """A video whose frames are presented at these multiples of 1/rate seconds."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), time % 256, np.uint8), format="rgb24")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")])
@pytest.mark.parametrize("rate", [25, 30])
def test_a_constant_rate_is_seen_through_the_containers_rounding(name, codec, rate, tmp_path):
    timeline = scan(write(tmp_path / name, range(50), codec, rate))
    assert (timeline.frames, timeline.constant, timeline.fault) == (50, True, None)
    assert timeline.rate == pytest.approx(rate, rel=0.01)
    assert timeline.timed == (name != "a.avi")
    assert (np.diff(timeline.times) > 0).all()
    assert str(timeline) == f"50 frames at a constant {timeline.rate:g} frames/s"


def test_a_variable_rate_is_seen_and_the_resampled_count_given(tmp_path):
    timeline = scan(write(tmp_path / "a.mkv", [time for time in range(120) if time % 3]))
    assert not timeline.constant
    assert timeline.frames == 80
    assert timeline.resampled == pytest.approx(119, abs=2)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_truncated_broadcast_is_described(name, tmp_path):
    path = write(tmp_path / name, range(100), movflags="+faststart")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.75)])
    timeline = scan(path)
    assert 0 < timeline.frames < 100
    assert "truncated" in timeline.fault
    assert timeline.fault in str(timeline)


def test_what_is_no_video_is_an_error_that_names_it(tmp_path):
    contents = {"empty.mp4": b"", "text.mp4": b"no video at all\n" * 500}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name, words in {"gone.mp4": "missing", "empty.mp4": "0 bytes", "text.mp4": "not a readable video"}.items():
        with pytest.raises(RescoreError, match=words) as caught:
            scan(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))


def test_files_are_matched_with_events_by_their_number():
    names = ["01.mp4", "2.mkv", "02.webm", "final.mp4", "03.f137.mp4"]
    found, problems = find_broadcasts([Path(name) for name in names])
    assert found == {"01": Path("01.mp4"), "02": Path("2.mkv")}
    assert len(problems) == 3
    assert problems[0] == "event 02: two broadcasts, 2.mkv and 02.webm; keep one"
    assert event_of(Path("01.mp4.part")) is None


def test_the_index_lists_every_broadcast_and_no_hidden_file(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("02.mkv", "01.mp4", "._01.mp4", "notes.txt", "04.mp4.part"):
        (folder / name).write_bytes(name.encode())
    index_broadcasts(folder, tmp_path / "index.csv", workers=2)
    index = pd.read_csv(tmp_path / "index.csv")
    assert [Path(video).name for video in index["video"]] == ["01.mp4", "02.mkv"]
    assert index["bytes"].tolist() == [6, 6]
    (folder / "1.avi").write_bytes(b"x")
    with pytest.raises(RescoreError, match="event 01: two broadcasts"):
        index_broadcasts(folder, tmp_path / "index.csv")
    with pytest.raises(RescoreError, match="no broadcasts there"):
        index_broadcasts(tmp_path / "empty", tmp_path / "index.csv")
