"""A broadcast as a container: its frames' presentation times, whether they are evenly spaced, and where the file breaks off.

Broadcasts are hours long and hold many samples, so, unlike `videos.probe`, damage is described instead of raised: what a broken
end costs are the samples that lie behind it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd

from rescore.errors import RescoreError, raise_together
from rescore.manifests.videos import VIDEO_SUFFIXES
from rescore.storage import sha256_file, write_table


@dataclass(frozen=True)
class Timeline:
    times: np.ndarray
    """int64 (frames,): presentation times of the whole frames, ascending, in the stream's time base."""
    timed: bool
    """Whether the container holds these times. An .avi has none: what FFmpeg gives for one are guesses."""
    rate: float
    """Frames per second, the average."""
    constant: bool
    """Whether the frames are evenly spaced in time."""
    resampled: int
    """How many frames an extraction at the constant rate of the narrowest spacing would count."""
    fault: str | None
    """Why the file holds fewer frames than it announces; None where it is whole."""

    @property
    def frames(self) -> int:
        return len(self.times)

    def __str__(self) -> str:
        variable = f"at a variable rate, {self.rate:g} frames/s on average; {self.resampled} frames when made constant"
        spacing = f"at a constant {self.rate:g} frames/s" if self.constant else variable
        return f"{self.frames} frames {spacing}" + (f"; {self.fault}" if self.fault else "")


def scan(path: Path) -> Timeline:
    """Read a broadcast's packets from front to back without decoding: a second or two for one of hours.

    Raises:
        RescoreError: the file is missing, empty, no video, or without frames; the message starts with the path.
    """
    if not path.is_file():
        raise RescoreError(f"{path}: missing")
    if path.stat().st_size == 0:
        raise RescoreError(f"{path}: empty file (0 bytes)")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise RescoreError(f"{path}: holds no video stream")
            timeline = _scan(container)
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RescoreError(f"{path}: not a readable video, corrupt or truncated ({reason})") from error
    if not timeline.frames:
        raise RescoreError(f"{path}: has no frames")
    return timeline


def _scan(container: "av.container.InputContainer") -> Timeline:
    stream = container.streams.video[0]
    times: list[int] = []
    incomplete, last_end, reason = 0, 0.0, None
    try:
        for packet in container.demux():  # all streams, because the announced duration is the longest one's
            if packet.size and packet.pts is not None and packet.time_base is not None:
                last_end = max(last_end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.size and packet.stream_index == stream.index and not packet.is_discard:
                incomplete += packet.is_corrupt
                if not packet.is_corrupt:
                    times.append(len(times) if packet.pts is None else packet.pts)
    except av.FFmpegError as error:
        reason = f"reading stops with {error.strerror}"
    whole, rate = len(times), float(stream.average_rate or 0)
    if incomplete or (stream.frames and stream.frames != whole):
        announced = f" where the container announces {stream.frames}" if stream.frames else ""
        reason = f"truncated or corrupt, {whole} whole frames{announced}"
    elif not stream.frames and container.duration and rate:
        announced_end = container.duration / av.time_base
        if announced_end - last_end > 1.5 / rate:
            reason = f"truncated, it ends after {last_end:.2f} s where the container announces {announced_end:.2f} s"
    ordered = np.sort(np.array(times, np.int64))
    steps = np.diff(ordered) * float(stream.time_base or 1)
    # Containers round times (.mkv to milliseconds), so evenly spaced frames differ by up to two roundings. An .avi has one rate.
    uneven = len(steps) > 0 and float(np.ptp(steps)) > max(2.1e-3, 0.05 * float(np.median(steps)))
    timed = len(np.unique(ordered)) == len(ordered) and "avi" not in container.format.name.split(",")
    constant = not (uneven and timed)
    resampled = whole if constant else round(float(steps.sum()) / float(np.quantile(steps, 0.1))) + 1
    return Timeline(ordered, timed, rate, constant, resampled, reason)


def event_of(path: Path) -> str | None:
    """The event that a file shows: `01.mp4` and `1.mkv` are 01; None where the name is no number."""
    return f"{int(path.stem):02d}" if path.stem.isdecimal() and path.suffix.lower() in VIDEO_SUFFIXES else None


def find_broadcasts(paths: Sequence[Path]) -> tuple[dict[str, Path], list[str]]:
    """Which file shows which event, and what is wrong with the set: a name that is no event's, two files for one event."""
    found: dict[str, Path] = {}
    problems = []
    for path in paths:
        event = event_of(path)
        if event is None:
            problems.append(
                f"{path}: not the name of an event's broadcast (01.mp4, 02.mkv, ...); rename it or move it away"
            )
        elif event in found:
            problems.append(f"event {event}: two broadcasts, {found[event]} and {path}; keep one")
        else:
            found[event] = path
    return found, problems


def list_broadcasts(directory: Path) -> list[Path]:
    """The video files of a directory, sorted; hidden ones (macOS leaves `._01.mp4`) are none."""
    found = (path for path in directory.glob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    return sorted(path for path in found if not path.name.startswith("."))


def index_broadcasts(directory: Path, index: Path, workers: int = 1) -> None:
    """Write the index of a data set's broadcasts: `video` (path), `bytes`, `sha256`; sorted by path.

    Args:
        directory: holds one file an event, `NN.mp4` or another container. A symbolic link will do.
        workers: threads that read and hash.

    Raises:
        RescoreError: there are none, or some cannot be told apart.
    """
    paths = list_broadcasts(directory)
    if not paths:
        raise RescoreError(
            f"{directory}: no broadcasts there. Put the official ones into it, one file an event, 01.mp4 and so on (docs/data.md "
            "says where they come from), or choose synthetic ones under `sources` in params.yaml."
        )
    _, problems = find_broadcasts(paths)
    raise_together(f"{directory}: broadcasts that cannot be told apart", problems, "see docs/data.md.")
    with ThreadPoolExecutor(max(1, workers)) as pool:
        digests = list(pool.map(sha256_file, paths))
    sizes = [path.stat().st_size for path in paths]
    write_table(index, pd.DataFrame({"video": [path.as_posix() for path in paths], "bytes": sizes, "sha256": digests}))
