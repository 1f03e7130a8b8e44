import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from rescore.clips.decode import normalise_length, read_frames
from rescore.engine.errors import RescoreError

CODINGS = [
    (".avi", "mjpeg", 0),
    (".avi", "mpeg4", 2),
    (".avi", "libx264", 2),
    (".mp4", "mjpeg", 0),
    (".mp4", "mpeg4", 2),
    (".mp4", "libx264", 3),
    (".mkv", "mjpeg", 0),
    (".mkv", "mpeg4", 2),
    (".mkv", "libx264", 3),
]


@pytest.mark.parametrize(("suffix", "codec", "b_frames"), CODINGS)
def test_every_frame_is_read_once_and_in_order(suffix, codec, b_frames, tmp_path, numbered, number_of):
    path = numbered(tmp_path / f"numbers{suffix}", 103, codec, b_frames, first=700)
    frames = read_frames(path, (64, 64), 64)
    assert frames.shape == (103, 64, 64, 3)
    assert frames.dtype == np.uint8
    assert [number_of(frame) for frame in frames] == list(range(700, 803))


def test_every_keeps_each_nth_frame_from_the_first(tmp_path, numbered, number_of):
    path = numbered(tmp_path / "numbers.avi", 20, "mpeg4", 2)
    assert [number_of(frame) for frame in read_frames(path, (64, 64), 64, every=6)] == [0, 6, 12, 18]


def test_resizing_and_crop_equal_an_independent_decoder_pixel_for_pixel(tmp_path, numbered):
    path = numbered(tmp_path / "wide.avi", 8, size=(320, 240))
    with av.open(str(path)) as container:
        whole = np.stack([frame.reformat(171, 128, "rgb24").to_ndarray() for frame in container.decode(video=0)])
    np.testing.assert_array_equal(read_frames(path, (171, 128), 112), whole[:, 8:120, 29:141])


def test_colours_are_rgb(tmp_path):
    path = tmp_path / "red.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        red = np.zeros((64, 64, 3), np.uint8)
        red[..., 0] = 250
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode())
    pixel = read_frames(path, (64, 64), 64)[0, 32, 32].astype(int)
    assert pixel[0] > 200
    assert pixel[1] < 60
    assert pixel[2] < 60


def test_every_kind_of_bad_video_is_an_error_that_names_it(bad_videos, capfd):
    for kind, path in bad_videos.items():
        with pytest.raises(RescoreError) as caught:
            read_frames(path, (64, 64), 64)
        assert str(caught.value).startswith(str(path)), kind
    assert "error" not in capfd.readouterr().err.lower()  # the decoder's own noise does not reach the user


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty.avi", "0 bytes"),
        ("missing.avi", "missing"),
        ("truncated.avi", "truncated"),
        ("truncated.mkv", "truncated"),
        ("garbage.avi", "not a readable video"),
        ("scrambled_mpeg4.avi", "corrupt"),
        ("scrambled_mjpeg.avi", "corrupt"),
    ],
)
def test_the_reason_is_given(kind, words, bad_videos):
    with pytest.raises(RescoreError, match=words):
        read_frames(bad_videos[kind], (64, 64), 64)


def test_an_announced_count_that_is_not_the_real_one_is_an_error(tmp_path, numbered):
    path = numbered(tmp_path / "numbers.avi", 30)
    content = bytearray(path.read_bytes())
    at = content.index(b"strh") + 8 + 32  # dwLength of the video stream's header
    content[at : at + 4] = (31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(RescoreError, match="30 frames where the container announces 31"):
        read_frames(path, (64, 64), 64)


def test_a_video_without_frames_is_an_error(tmp_path):
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    with pytest.raises(RescoreError, match=r"no frames|not a readable"):
        read_frames(path, (64, 64), 64)


def test_a_crop_larger_than_the_frame_is_an_error(tmp_path, numbered):
    with pytest.raises(RescoreError, match="does not fit"):
        read_frames(numbered(tmp_path / "a.avi", 3), (64, 48), 56)


def test_short_videos_are_padded_in_front_and_long_ones_cut():
    frames = np.arange(1, 6, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 2, 2, 3), np.uint8)
    padded, padding = normalise_length(frames, 8, "last")
    assert (padding, padded[:, 0, 0, 0].tolist()) == (3, [0, 0, 0, 1, 2, 3, 4, 5])
    assert normalise_length(frames, 3, "last")[0][:, 0, 0, 0].tolist() == [3, 4, 5]
    assert normalise_length(frames, 3, "first")[0][:, 0, 0, 0].tolist() == [1, 2, 3]
    assert normalise_length(frames, 5, "first")[1] == 0
    with pytest.raises(RescoreError, match="long_videos"):
        normalise_length(frames, 3, "middle")


def test_the_real_dive(number_of):
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    path = Path(os.environ["RESCORE_MIRROR"]) / "video" / "aqa7_diving_054.avi"
    frames = read_frames(path, (171, 128), 112)
    assert frames.shape == (103, 112, 112, 3)
    capture = cv2.VideoCapture(str(path))
    for index in (0, 1, 50, 102):  # another decoder, read front to back as well
        while capture.get(cv2.CAP_PROP_POS_FRAMES) <= index:
            _, image = capture.read()
        other = cv2.resize(image[..., ::-1], (171, 128), interpolation=cv2.INTER_AREA)[8:120, 29:141]
        assert np.abs(other.astype(int) - frames[index]).mean() < 3
