"""From a video file to uint8 frames of one size, frame-exact.

    container ── probe ──► decord, front to back ──► swscale to `resize` ──► centre crop ──► (frames, crop, crop, 3) RGB

Decoding is sequential and nothing else: seeking in .avi is off by frames in decord, PyAV and torchcodec alike, while
reading front to back is exact in .avi, .mp4 and .mkv with MJPEG, MPEG-4 with B-frames and H.264. decord resizes while it
converts colours (bilinear swscale, the default of its FFmpeg 4, which filters when it shrinks); its pixels equal those of any
FFmpeg's scale filter with that flag, bit for bit.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import decord
import numpy as np

from rescore.errors import RescoreError
from rescore.manifests.videos import probe

# A decoder conceals damage and goes on: it says so on standard error and returns a frame all the same. These are the words of
# MJPEG, MPEG-4 and H.264 for data that cannot be decoded. Complaints about missing reference pictures are not among them: a
# healthy video that was cut out of a broadcast may begin with those.
DAMAGE = re.compile(
    r"error while decoding|[Ee]rror at MB|damaged|Error splitting|Invalid NAL|decode_slice_header error|no frame!|"
    r"No JPEG data|huffman table decode error|error count|error y=|overread|illegal [ad]c|marker does not match|"
    r"header damaged|dht: len|unable to decode APP|truncated|partial file|[Rr]ead error"
)


@contextlib.contextmanager
def standard_error_captured() -> Iterator[list[str]]:
    """Yield a list that holds, afterwards, what C code wrote to standard error meanwhile (FFmpeg's messages, by line).

    It redirects the process's file descriptor, so nothing else in the process should write there at the same time.
    """
    lines: list[str] = []
    sys.stderr.flush()
    with tempfile.TemporaryFile() as store:
        saved = os.dup(2)
        os.dup2(store.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            store.seek(0)
            lines += store.read().decode(errors="replace").splitlines()


def check_sizes(
    resize: tuple[int, int], crop: int, every: int, names: tuple[str, str] = ("clips.resize", "clips.crop")
) -> None:
    """Refuse sizes that `read_frames` cannot make.

    Args:
        names: of the two parameters.

    Raises:
        RescoreError: naming the parameters.
    """
    if crop > min(resize) or crop < 1 or every < 1:
        raise RescoreError(
            f"{names[1]} {crop} does not fit into {names[0]} {resize[0]}x{resize[1]} (width x height), or `every` {every} "
            "is below 1. Correct params.yaml."
        )


def read_frames(path: Path, resize: tuple[int, int], crop: int, every: int = 1) -> np.ndarray:
    """Decode a whole video, front to back.

    Args:
        resize: (width, height) in pixels that each frame is scaled to, whatever its own proportions (C3D's 171x128).
        crop: side of the centre square kept, in pixels; an odd margin leaves the smaller half above and to the left.
        every: keep frames 0, every, 2 * every, ...

    Returns:
        uint8 (frames, crop, crop, 3), RGB.

    Raises:
        RescoreError: the file is missing, empty, no video, truncated, corrupt, without frames, or decodes to another number
            of frames than its container holds. The message starts with the path.
    """
    path = Path(path)
    check_sizes(resize, crop, every)
    container = probe(path)
    try:
        with standard_error_captured() as messages:
            frames = _decode(path, container.frames, resize, crop, every)
    except decord.DECORDLimitReachedError as error:
        raise RescoreError(f"{path}: corrupt, fewer frames can be decoded than the container holds") from error
    except (decord.DECORDError, RuntimeError, StopIteration) as error:
        reason = next(iter(messages), str(error).strip().splitlines()[-1] if str(error).strip() else "decoder failed")
        raise RescoreError(f"{path}: corrupt or truncated ({reason.strip()[:200]})") from error
    damage = [line for line in messages if DAMAGE.search(line)]
    if damage:
        raise RescoreError(f"{path}: corrupt ({damage[0].strip()[:200]})")
    return frames


def _decode(path: Path, count: int, resize: tuple[int, int], crop: int, every: int) -> np.ndarray:
    width, height = resize
    # One thread: the pool's workers each have a core. fault_tol: a frame that decord could not decode and replaced by its
    # neighbour is an error; by default it says nothing.
    reader = decord.VideoReader(str(path), ctx=decord.cpu(0), width=width, height=height, num_threads=1, fault_tol=1e-9)
    if len(reader) != count:
        raise RescoreError(f"{path}: {len(reader)} frames by decord's count where the container holds {count}")
    top, left = (height - crop) // 2, (width - crop) // 2
    frames = np.empty((-(-count // every), crop, crop, 3), np.uint8)
    for index in range(count):
        frame = reader.next().asnumpy()
        if frame.shape != (height, width, 3):
            raise RescoreError(f"{path}: frame {index} of {count} cannot be decoded")
        if index % every == 0:
            frames[index // every] = frame[top : top + crop, left : left + crop]
    return frames


def check_keep(keep: str) -> None:
    """Refuse a word for `normalise_length` that it does not know.

    Raises:
        RescoreError: naming the parameter.
    """
    if keep not in ("last", "first"):
        raise RescoreError(f"clips.long_videos is {keep!r}; it is `last` or `first`. Correct params.yaml.")


def normalise_length(frames: np.ndarray, length: int, keep: str) -> tuple[np.ndarray, int]:
    """Bring a video to a fixed number of frames (AQA-7, Sec. 5 Data Preparation: 103, zero-padding the first frames).

    Args:
        frames: (frames, height, width, 3).
        keep: which frames of a longer video stay, `last` or `first`; the paper says nothing.

    Returns:
        (length, height, width, 3) and the number of zero frames put in front.

    Raises:
        RescoreError: `keep` is neither.
    """
    check_keep(keep)
    if len(frames) >= length:
        return (frames[len(frames) - length :] if keep == "last" else frames[:length]), 0
    padding = length - len(frames)
    normal = np.zeros((length, *frames.shape[1:]), frames.dtype)
    normal[padding:] = frames
    return normal, padding
