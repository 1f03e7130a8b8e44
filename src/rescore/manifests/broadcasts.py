"""A broadcast as a container: its frames' presentation times, whether they are evenly spaced, and where the file breaks off.

Broadcasts are hours long and hold many samples, so, unlike `videos.probe`, damage is described instead of raised: what a broken
end costs are the samples that lie behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rescore.engine.errors import RescoreError, raise_together
from rescore.manifests import reader
from rescore.manifests.frame_folders import is_frame_folder, list_frames
from rescore.manifests.videos import VIDEO_SUFFIXES, index_files, is_video, resample

SAME_RATE = 0.005
"""Share by which rates may differ and be called the same: 29.97 and 30 are, 24 and 25 are not."""


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
        constant = f"at a constant {self.rate:g} frames/s" if self.rate else "at a rate that is not known"
        spacing = constant if self.constant else variable
        return f"{self.frames} frames {spacing}" + (f"; {self.fault}" if self.fault else "")


def scan(path: Path) -> Timeline:
    """Read a broadcast's packets from front to back without decoding: a second or two for one of hours.

    Args:
        path: a file, or a folder of extracted frames, whose rate is unknown.

    Raises:
        RescoreError: the file is missing, empty, no video, or without frames; the message starts with the path.
    """
    if is_frame_folder(path):
        frames = len(list_frames(path))
        return Timeline(np.arange(frames), False, 0.0, True, frames, None)
    with reader.open_video(path) as container:
        stream = reader.choose_stream(container, path)
        packets = reader.read_packets(container, stream, path)
        times = np.sort(np.array(packets.times, np.int64))
        if packets.loose:
            times = reader.decodable(path, times)
        timed, rate = reader.is_timed(container, times), reader.rate_of(stream)
        even, resampled = reader.spacing(times, float(stream.time_base or 1))
    if not len(times):
        raise RescoreError(f"{path}: has no frames")
    constant = even or not timed  # an .avi has one rate
    return Timeline(times, timed, rate, constant, len(times) if constant else resampled, packets.fault)


def rate_difference(timeline: Timeline, annotated: float) -> str | None:
    """What a broadcast's rate does to annotations that count frames at another one, and the remedy; None where it is theirs.

    Args:
        annotated: frames a second of the extraction that the annotations number.
    """
    if not timeline.rate or abs(timeline.rate / annotated - 1) < SAME_RATE:
        return None
    return (
        f"{timeline.rate:g} frames/s where the annotations count {annotated:g}, so that they name other frames; take another "
        f"download, or {resample(annotated)}"
    )


def event_of(path: Path) -> str | None:
    """The event that a file shows: `01.mp4` and `1.mkv` are 01; None where the name is no number."""
    known = path.suffix.lower() in VIDEO_SUFFIXES or not path.suffix  # a folder of frames has none
    return f"{int(path.stem):02d}" if path.stem.isdecimal() and known else None


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
    """The broadcasts in a directory, sorted: files, or folders of extracted frames."""
    return sorted(filter(is_video, directory.glob("*")))


def index_broadcasts(directory: Path, index: Path, workers: int = 1) -> None:
    """Write the index of a data set's broadcasts (`videos.index_files`), sorted by path.

    Args:
        directory: holds one file an event, `NN.mp4` or another container, or a folder `NN` of extracted frames. A symbolic
            link will do.
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
    index_files(paths, index, workers)
