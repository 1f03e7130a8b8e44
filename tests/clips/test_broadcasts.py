"""Samples cut out of long videos: every row of both stores holds exactly the frames that it should, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from rescore.clips.broadcasts import write_broadcast_clips
from rescore.clips.decode import read_frames
from rescore.engine.errors import RescoreError

FRAMES, SHIFT = 10, 3
LENGTH = FRAMES + 2 * SHIFT


def knobs(policy="fail", **changes):
    clips = {
        "frames": FRAMES,
        "shift": SHIFT,
        "window": "end",
        "resize": [64, 64],
        "crop": 64,
        "wide_resize": [128, 96],
        "wide_crop": 96,
    } | changes
    return {"multitask": {"clips": clips}, "clips": {"on_bad_video": policy}}


@pytest.fixture
def outputs(tmp_path):
    names = ("mtl_aqa.npy", "mtl_aqa.parquet", "mtl_aqa.dropped.csv", "mtl_aqa_wide.npy", "mtl_aqa_wide.parquet")
    return tuple(tmp_path / "clips" / name for name in names)


@pytest.fixture
def write_manifest(tmp_path):
    """A manifest of (sample, video, start, end)."""

    def write(rows) -> Path:
        table = pd.DataFrame(rows, columns=["sample", "video", "start_frame", "end_frame"])
        table["video"] = table["video"].astype(str)
        table = table.assign(dataset="mtl_aqa", action="diving", split="train", score=50.0, difficulty=3.0)
        table.to_parquet(tmp_path / "mtl_aqa.parquet")
        return tmp_path / "mtl_aqa.parquet"

    return write


def read_outputs(outputs):
    clips, rows, dropped, wide, wide_rows = outputs
    assert rows.read_bytes() == wide_rows.read_bytes()
    assert not (clips.parent / f".{clips.stem}.partial").exists()
    return np.load(clips), np.load(wide), pd.read_parquet(rows).set_index("sample"), pd.read_csv(dropped)


CODINGS = [
    (".avi", "mjpeg", 0),
    (".avi", "mpeg4", 2),
    (".avi", "libx264", 2),
    (".mp4", "libx264", 3),
    (".mkv", "libx264", 3),
]


@pytest.mark.parametrize(("suffix", "codec", "b_frames"), CODINGS)
def test_every_row_holds_exactly_its_frames(
    suffix, codec, b_frames, tmp_path, numbered, number_of, write_manifest, outputs
):
    """Samples of two broadcasts, mixed and out of order; neighbours overlap, two are the same, one begins before the first
    frame, one ends with the last."""
    videos = [numbered(tmp_path / f"{n}{suffix}", 120, codec, b_frames, first=1000 * n) for n in (1, 2)]
    samples = [("02/001", videos[1], 20, 40), ("01/002", videos[0], 50, 62), ("01/001", videos[0], 40, 55)]
    samples += [("01/003", videos[0], 50, 62), ("01/000", videos[0], 0, 7), ("02/009", videos[1], 100, 119)]
    write_broadcast_clips(write_manifest(samples), *outputs, knobs(), workers=1)
    narrow, wide, rows, dropped = read_outputs(outputs)
    assert narrow.shape == (6, LENGTH, 64, 64, 3)
    assert wide.shape == (6, LENGTH, 96, 96, 3)
    assert list(rows.index) == [sample for sample, *_ in samples]
    assert dropped.empty
    for row, (sample, video, _, end) in enumerate(samples):
        first = end - FRAMES - SHIFT + 1
        expected = [1000 * int(video.stem) + min(frame, 119) for frame in range(max(first, 0), end + SHIFT + 1)]
        padding = max(0, -first)
        assert rows.loc[sample, "padding"] == padding
        assert rows.loc[sample, "frames"] == LENGTH - padding - max(0, end + SHIFT - 119)
        assert [number_of(frame) for frame in narrow[row, padding:]] == expected
        assert not narrow[row, :padding].any()
        assert not wide[row, :padding].any()
        # The shift: the slice from SHIFT + s ends at end_frame + s.
        for shift in range(-SHIFT, SHIFT + 1):
            last = narrow[row, SHIFT + shift : SHIFT + shift + FRAMES][-1]
            assert number_of(last) == 1000 * int(video.stem) + min(end + shift, 119)


@pytest.mark.parametrize(("suffix", "codec", "b_frames"), [CODINGS[0], CODINGS[1], CODINGS[3]])
def test_pixels_equal_those_of_decord_at_both_sizes(suffix, codec, b_frames, tmp_path, write_manifest, outputs):
    path = tmp_path / f"01{suffix}"
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (44, 60, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 320, 240
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        for shift in range(24):
            view = np.ascontiguousarray(picture[2 * shift : 2 * shift + 240, 3 * shift : 3 * shift + 320])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())
    settings = knobs(resize=[171, 128], crop=112, wide_resize=[213, 120], wide_crop=90)
    write_broadcast_clips(write_manifest([("01/001", path, 5, 18)]), *outputs, settings, workers=1)
    narrow, wide, _, _ = read_outputs(outputs)
    window = slice(18 - FRAMES - SHIFT + 1, 18 + SHIFT + 1)
    np.testing.assert_array_equal(narrow[0], read_frames(path, (171, 128), 112)[window])
    np.testing.assert_array_equal(wide[0], read_frames(path, (213, 120), 90)[window])


def test_the_window_may_begin_with_the_sample(tmp_path, numbered, number_of, write_manifest, outputs):
    path = numbered(tmp_path / "01.mp4", 80, "libx264", 2)
    samples = [("01/001", path, 1, 30), ("01/002", path, 40, 45), ("01/003", path, 72, 79)]
    write_broadcast_clips(write_manifest(samples), *outputs, knobs(window="start"), workers=1)
    narrow, _, rows, _ = read_outputs(outputs)
    assert rows["padding"].tolist() == [2, 0, 0]
    assert rows["frames"].tolist() == [14, 16, 11]
    assert [number_of(frame) for frame in narrow[0, 2:]] == list(range(14))
    assert [number_of(frame) for frame in narrow[1]] == list(range(37, 53))
    assert [number_of(frame) for frame in narrow[2]] == [*range(69, 80), *[79] * 5]


def test_the_number_of_workers_changes_no_byte(tmp_path, numbered, write_manifest, outputs):
    videos = [numbered(tmp_path / f"{n}.mp4", 60 + n, "libx264", 2) for n in range(3)]
    manifest = write_manifest([(f"{n}/{end}", videos[n], end - 5, end) for n in range(3) for end in (20, 31, 50)])
    write_broadcast_clips(manifest, *outputs, knobs(), workers=1)
    first = [path.read_bytes() for path in outputs]
    write_broadcast_clips(manifest, *outputs, knobs(), workers=2)
    assert [path.read_bytes() for path in outputs] == first


def damaged(path: Path, start: int, length: int = 400) -> Path:
    content = bytearray(path.read_bytes())
    content[start : start + length] = np.random.default_rng(0).integers(0, 256, length, np.uint8).tobytes()
    path.write_bytes(content)
    return path


def packet_places(path: Path) -> list[tuple[int, int, int, bool]]:
    """(place in the file, size, presentation time, key frame) of each frame, in decoding order."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size, p.pts, p.is_keyframe) for p in container.demux(video=0) if p.size]


@pytest.fixture
def textured(tmp_path):
    """A broadcast whose frames have enough bytes to be damaged, a key frame every 20."""

    def write(name: str, frames: int, **options: str) -> Path:
        path = tmp_path / name
        generator = np.random.default_rng(1)
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(
                "libx264", rate=25, options={"x264-params": "keyint=20:min-keyint=20:scenecut=0"}
            )
            stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
            for _ in range(frames):
                noise = generator.integers(0, 256, (24, 24, 3), np.uint8).repeat(4, 0).repeat(4, 1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


def test_damage_costs_only_the_samples_that_it_touches(tmp_path, textured, write_manifest, outputs):
    """A damaged key frame spoils the 20 frames up to the next; samples before and behind it keep exactly their frames."""
    path = textured("01.mp4", 160)
    whole = read_frames(path, (64, 64), 64)
    place, size, *_ = [at for at in packet_places(path) if at[3]][3]  # frames 60 to 79
    damaged(path, place + size // 4, size // 2)
    ends = [30, 56, 62, 70, 82, 93, 150]
    manifest = write_manifest([(f"01/{end:03d}", path, end - 5, end) for end in ends])
    write_broadcast_clips(manifest, *outputs, knobs("drop"), workers=1)
    narrow, _, rows, dropped = read_outputs(outputs)
    assert list(rows["end_frame"]) == [30, 56, 93, 150]
    for clip, end in zip(narrow, rows["end_frame"], strict=True):
        np.testing.assert_array_equal(clip, whole[end - FRAMES - SHIFT + 1 : end + SHIFT + 1])
    assert dropped["sample"].tolist() == ["01/062", "01/070", "01/082"]
    assert dropped["reason"].str.contains("frames cannot be decoded, the first is").all()
    with pytest.raises(RescoreError, match=r"3 of 7 samples give no clip \(3\)") as caught:
        write_broadcast_clips(manifest, *outputs, knobs(), workers=1)
    assert all(f"01/{end:03d}'s frames cannot be decoded" in str(caught.value) for end in (62, 70, 82))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_behind_damage_that_hides_the_count_nothing_is_guessed(
    codec, tmp_path, numbered, number_of, write_manifest, outputs
):
    """An .avi has no presentation times, so behind a lost frame nobody can say which frame is which (FFmpeg's guesses are one
    frame off here)."""
    path = numbered(tmp_path / "01.avi", 120, codec, 2, size=(320, 320))
    place, size, *_ = packet_places(path)[60]
    damaged(path, place + 8, size)
    manifest = write_manifest([("01/001", path, 10, 25), ("01/002", path, 90, 110)])
    write_broadcast_clips(manifest, *outputs, knobs("drop"), workers=1)
    narrow, _, rows, _ = read_outputs(outputs)
    assert list(rows.index) == ["01/001"]
    assert [number_of(frame) for frame in narrow[0]] == list(range(25 - FRAMES - SHIFT + 1, 25 + SHIFT + 1))


def test_a_truncated_broadcast_costs_the_samples_behind_its_end(tmp_path, textured, write_manifest, outputs):
    path = textured("01.mp4", 120, movflags="+faststart")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.7)])
    manifest = write_manifest([("01/001", path, 10, 25), ("01/002", path, 100, 110)])
    write_broadcast_clips(manifest, *outputs, knobs("drop"), workers=1)
    _, _, rows, dropped = read_outputs(outputs)
    assert list(rows.index) == ["01/001"]
    assert "01/002 ends at frame 110, and the video has frames 0 to " in dropped["reason"][0]
    assert "truncated or corrupt" in dropped["reason"][0]
    assert "where the container announces 120" in dropped["reason"][0]


def test_all_bad_broadcasts_are_reported_together_with_the_samples_they_cost(
    tmp_path, numbered, bad_videos, write_manifest, outputs
):
    good = numbered(tmp_path / "01.mp4", 60, "libx264", 2)
    hopeless = {
        name: path
        for name, path in bad_videos.items()
        if name in ("missing.avi", "empty.avi", "garbage.avi", "text.mp4")
    }
    samples = [("01/001", good, 10, 30), ("01/002", good, 50, 60)]
    samples += [(f"{name}/{number}", path, 10, 30) for name, path in hopeless.items() for number in (1, 2)]
    with pytest.raises(RescoreError) as caught:
        write_broadcast_clips(write_manifest(samples), *outputs, knobs(), workers=2)
    message = str(caught.value)
    assert "9 of 10 samples give no clip (5)" in message
    assert "01/002 ends at frame 60, and the video has frames 0 to 59: 60 frames at a constant 25 frames/s" in message
    for name, path in hopeless.items():
        assert f"{path}: " in message
        assert f"[{name}/1, {name}/2]" in message
    assert "on_bad_video: drop" in message
    assert not any(path.exists() for path in outputs)


def test_drop_with_nothing_left_is_an_error(bad_videos, write_manifest, outputs):
    manifest = write_manifest([("01/001", bad_videos["missing.avi"], 10, 30)])
    with pytest.raises(RescoreError, match="1 of 1 samples give no clip"):
        write_broadcast_clips(manifest, *outputs, knobs("drop"), workers=1)


def test_a_variable_rate_is_named_where_frames_are_missing(tmp_path, write_manifest, outputs):
    """Every third frame of a 25 frames/s recording left out: 80 frames that resampling would count as 120."""
    path = tmp_path / "01.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in (number for number in range(120) if number % 3):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(RescoreError, match=r"80 frames at a variable rate") as caught:
        write_broadcast_clips(write_manifest([("01/001", path, 80, 100)]), *outputs, knobs(), workers=1)
    assert "-fps_mode cfr" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (knobs("ignore"), "clips.on_bad_video"),
        (knobs(window="middle"), "multitask.clips.window is 'middle'"),
        (knobs(crop=65), "multitask.clips.crop 65 does not fit"),
        (knobs(wide_crop=97), "multitask.clips.wide_crop 97 does not fit"),
        (knobs(shift=-1), "multitask.clips.shift at least 0"),
        (knobs(frames=10**12), "GB are needed"),
    ],
)
def test_settings_that_cannot_work_are_errors(settings, words, tmp_path, numbered, write_manifest, outputs):
    manifest = write_manifest([("01/001", numbered(tmp_path / "01.avi", 30), 10, 20)])
    with pytest.raises(RescoreError, match=words):
        write_broadcast_clips(manifest, *outputs, settings, workers=1)
    assert not outputs[0].exists()


def test_a_killed_run_goes_on_with_the_broadcasts_that_it_has_not_finished(tmp_path, numbered, write_manifest, outputs):
    """Killed as soon as the first broadcast is done, while the large second one is decoded: the first is not opened again, and
    the bytes are those of an undisturbed run."""
    first = numbered(tmp_path / "01.mp4", 80, "libx264", 2)
    second = numbered(tmp_path / "02.mp4", 75, "libx264", 2, size=(1280, 1280))
    manifest = write_manifest([("02/001", second, 40, 60), ("01/001", first, 20, 30), ("01/002", first, 70, 78)])
    write_broadcast_clips(manifest, *outputs, knobs(), workers=1)
    undisturbed = [path.read_bytes() for path in outputs]
    for path in outputs:
        path.unlink()
    script = "import json, sys; from pathlib import Path; from rescore.clips.broadcasts import write_broadcast_clips\n"
    script += "if __name__ == '__main__': write_broadcast_clips(*map(Path, sys.argv[1:7]), json.loads(sys.argv[7]), workers=1)"
    words = [sys.executable, "-c", script, str(manifest), *map(str, outputs), json.dumps(knobs())]
    run = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    folder = outputs[0].parent / ".mtl_aqa.partial"
    deadline = time.monotonic() + 60
    while not list(folder.glob("[!.]*.json")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert len(list(folder.glob("[!.]*.json"))) == 1
    assert not any(path.exists() for path in outputs)
    state = first.stat()
    first.write_bytes(b"x" * state.st_size)  # the same size and time: whoever opened it again would fail
    os.utime(first, ns=(state.st_atime_ns, state.st_mtime_ns))
    write_broadcast_clips(manifest, *outputs, knobs(), workers=1)
    assert [path.read_bytes() for path in outputs] == undisturbed


def test_a_record_of_other_settings_is_not_used(tmp_path, numbered, number_of, write_manifest, outputs):
    """A failed run keeps what is done; the next with another window decodes all of it again."""
    good, gone = numbered(tmp_path / "01.mp4", 60, "libx264", 2), tmp_path / "02.mp4"
    manifest = write_manifest([("01/001", good, 20, 40), ("02/001", gone, 20, 40)])
    with pytest.raises(RescoreError, match="missing"):
        write_broadcast_clips(manifest, *outputs, knobs(), workers=1)
    assert list((outputs[0].parent / ".mtl_aqa.partial").glob("*.json"))
    numbered(gone, 60, "libx264", 2)
    write_broadcast_clips(manifest, *outputs, knobs(window="start"), workers=1)
    narrow, *_ = read_outputs(outputs)
    assert [number_of(clip[0]) for clip in narrow] == [17, 17]
