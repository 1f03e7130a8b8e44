"""Video files as containers: is it a whole video, how many frames has it, which files are there. Nothing is decoded here."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import pandas as pd

from rescore.errors import RescoreError
from rescore.storage import sha256_file, write_table

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".webm", ".mov")


@dataclass(frozen=True)
class Container:
    frames: int
    """Video packets, counted by reading the file from front to back; one packet is one frame in every codec used here."""
    width: int
    """Pixels."""
    height: int
    rate: float
    """Frames per second, as the container says."""


def probe(path: Path) -> Container:
    """Count a video's frames without decoding and hold the count against what the container announces.

    A truncated .avi or .mp4 holds fewer packets than its header says, a truncated .mkv ends before its header's duration; a
    decoder reads all of them without complaint, as shorter videos. Costs under a millisecond for a 100-frame video.

    Raises:
        RescoreError: the file is missing, empty, no video, truncated, or has no frames.
    """
    if not path.is_file():
        raise RescoreError(f"{path}: missing")
    if path.stat().st_size == 0:
        raise RescoreError(f"{path}: empty file (0 bytes)")
    try:
        with av.open(str(path)) as container:
            return _count(container, path)
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RescoreError(f"{path}: not a readable video, corrupt or truncated ({reason})") from error


def _count(container: "av.container.InputContainer", path: Path) -> Container:
    if not container.streams.video:
        raise RescoreError(f"{path}: holds no video stream")
    stream = container.streams.video[0]
    announced, rate = stream.frames, float(stream.average_rate or 0)
    packets, broken, last_end = 0, 0, 0.0
    for packet in container.demux():  # all streams, because the announced duration is the longest one's
        if packet.size:
            of_video = packet.stream_index == stream.index
            packets += of_video
            broken += of_video and packet.is_corrupt
            if packet.pts is not None and packet.time_base is not None:
                last_end = max(last_end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    if packets == 0:
        raise RescoreError(f"{path}: has no frames")
    if broken:
        raise RescoreError(f"{path}: truncated or corrupt, {broken} of {packets} frames are incomplete")
    if announced and announced != packets:
        raise RescoreError(f"{path}: truncated or corrupt, {packets} frames where the container announces {announced}")
    if not announced and container.duration and rate:
        duration = container.duration / av.time_base
        if duration - last_end > 1.5 / rate:
            raise RescoreError(
                f"{path}: truncated, it ends after {last_end:.2f} s where the container announces {duration:.2f} s"
            )
    return Container(packets, stream.width, stream.height, rate)


def probe_all(paths: Sequence[Path], workers: int = 4) -> list[Container | str]:
    """`probe` each path; a string says what is wrong with one. Threads: the work is reading files."""

    def attempt(path: Path) -> Container | str:
        try:
            return probe(path)
        except RescoreError as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(attempt, paths))


def list_videos(directory: Path) -> list[Path]:
    """The video files one directory deep, sorted by path; hidden files (macOS leaves `._001.avi`) are none."""
    found = (path for path in directory.glob("*/*") if path.suffix.lower() in VIDEO_SUFFIXES)
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: path.as_posix())


def index_videos(directory: Path, index: Path, workers: int = 1) -> None:
    """Write the index of a data set's video files: `video` (path, / as separator), `bytes`, `sha256`; sorted by path.

    Args:
        directory: holds one directory per action (AQA-7) or class (UCF-101), and they the videos. A symbolic link will do.
        workers: threads that read and hash.

    Raises:
        RescoreError: there are no videos.
    """
    paths = list_videos(directory)
    if not paths:
        raise RescoreError(
            f"{directory}: no videos there. Put the official ones into it, one directory per action or class "
            "(`rescore fetch aqa7-videos` and `rescore fetch ucf101-videos` say how), or choose synthetic ones under "
            "`sources` in params.yaml."
        )
    with ThreadPoolExecutor(max(1, workers)) as pool:
        digests = list(pool.map(sha256_file, paths))
    rows = {
        "video": [path.as_posix() for path in paths],
        "bytes": [path.stat().st_size for path in paths],
        "sha256": digests,
    }
    write_table(index, pd.DataFrame(rows))
