"""Frames to video files by PyAV, with one thread and bit-exact containers, so that equal frames give equal bytes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from rescore.engine.errors import RescoreError
from rescore.engine.storage import atomic_path


@dataclass(frozen=True)
class VideoFormat:
    suffix: str
    codec: str
    pixel_format: str
    options: dict[str, str] = field(default_factory=dict)


_H264 = {"preset": "ultrafast", "crf": "22", "threads": "1"}
FORMATS = (
    VideoFormat(".avi", "mjpeg", "yuvj420p", {"qmin": "4", "qmax": "4", "threads": "1"}),
    VideoFormat(".mp4", "libx264", "yuv420p", _H264),
    VideoFormat(".avi", "libx264", "yuv420p", {**_H264, "bf": "0"}),  # .avi stores no presentation times: no B-frames
    VideoFormat(".mkv", "libx264", "yuv420p", _H264),
)
"""A data set's samples take turns, so that every decoder path is met."""


_TWO_B_FRAMES = {**_H264, "bf": "2"}
BROADCAST_FORMATS = (
    VideoFormat(".mp4", "libx264", "yuv420p", _TWO_B_FRAMES),
    VideoFormat(".mkv", "libx264", "yuv420p", _TWO_B_FRAMES),
    VideoFormat(".avi", "mjpeg", "yuvj420p", {"qmin": "4", "qmax": "4", "threads": "1"}),
    VideoFormat(".mp4", "mpeg4", "yuv420p", {"qmin": "3", "qmax": "3", "bf": "2", "threads": "1"}),
    VideoFormat(".mov", "libx264", "yuv420p", _H264),
)
"""Broadcasts take turns."""


def video_format(index: int) -> VideoFormat:
    return FORMATS[index % len(FORMATS)]


def write_video(
    path: Path, frames: Iterable[NDArray[np.uint8]], rate: float, form: VideoFormat, size: tuple[int, int]
) -> None:
    """Encode RGB frames (height, width, 3) at a constant rate; the file appears under its name only when it is whole.

    Args:
        size: width and height, even numbers of pixels.

    Raises:
        RescoreError: the encoder refuses, or the disk is full.
    """
    try:
        with atomic_path(path) as temporary, av.open(str(temporary), "w", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(form.codec, Fraction(rate).limit_denominator(1000), options=form.options)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = size
            stream.pix_fmt = form.pixel_format
            stream.codec_context.thread_count = 1
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
    except av.error.FFmpegError as error:
        raise RescoreError(
            f"{path}: cannot encode ({error}). Is there space on the disk, and does PyAV have {form.codec}?"
        ) from error
