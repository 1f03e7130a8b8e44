"""Video files as containers: is it a whole video, how many frames has it, which files are there."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import sha256_file, write_table
from rescore.manifests import reader
from rescore.manifests.frame_folders import images_of, is_frame_folder, list_frames

VIDEO_SUFFIXES = (
    *(".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".asf", ".flv", ".3gp", ".3g2"),
    *(".ts", ".mts", ".m2ts", ".vob", ".ogv", ".gif"),
)
EMPTY = (0, hashlib.sha256().hexdigest())
"""Bytes and SHA-256 in an index of what could not be read when it was written: an empty file, a folder, a broken link."""
PLAIN_FORMATS, PLAIN_CODECS = ("avi", "mp4", "matroska"), ("mjpeg", "mpeg4", "h264")
PLAIN_PIXELS = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p")
PLAIN_COLOURS = (0, 1, 2, 4, 5, 6, 7)
"""FFmpeg's AVColorSpace: those that every version converts, and unknown."""


@dataclass(frozen=True)
class Container:
    frames: int
    """Frames that a player shows (`reader`)."""
    width: int
    """Pixels, upright."""
    height: int
    rate: float
    """Frames per second on average, as the container says; 0 where it does not, as in a folder of frames."""
    plain: bool = True
    """Whether the file is of the kinds in which decord gives the same frames as FFmpeg's own libraries."""
    remarks: tuple[str, ...] = ()
    """What is unusual about the frames, a phrase each: turned, cut, at a variable rate, interlaced, high dynamic range."""

    @property
    def seconds(self) -> float | None:
        """Length on average; None where the rate is unknown."""
        return self.frames / self.rate if self.rate else None

    def __str__(self) -> str:
        length = (
            f" of {self.seconds:.2f} s at {self.rate:g} frames/s" if self.seconds else ", at a rate that is not known"
        )
        return f"{self.frames} frame{'' if self.frames == 1 else 's'}{length}"


def probe(path: Path) -> Container:
    """Which frames a video has, without decoding more than the first, held against what the container announces.

    Costs about a millisecond for a 100-frame video.

    Args:
        path: a file, or a folder of extracted frames (`frame_folders`).

    Raises:
        RescoreError: the file is missing, empty, no video, truncated, or has no frames.
    """
    if is_frame_folder(path):
        return probe_folder(path)
    with reader.open_video(path) as container:
        stream = reader.choose_stream(container, path)
        packets = reader.read_packets(container, stream, path)
        if packets.fault:
            raise RescoreError(f"{path}: {packets.fault}")
        return describe_container(container, stream, packets, path)


def probe_folder(path: Path) -> Container:
    """`probe` of a folder of extracted frames; that all images decode is seen when clips are made."""
    frames = list_frames(path)
    with reader.open_video(frames[0]) as container:
        stream = reader.choose_stream(container, frames[0])
        first = reader.first_picture(frames[0])
        if mirrored := reader.unmirrored(frames[0]):
            size, remarks = (mirrored.width, mirrored.height), ["mirrored, as its metadata asks"]
        else:
            size, remarks = (
                upright_size(stream, first),
                [*filter(None, [reader.describe_turn(first) if first else None])],
            )
        return Container(len(frames), *size, 0.0, plain=False, remarks=tuple(remarks))


def upright_size(stream: "av.VideoStream", first: "av.VideoFrame | None") -> tuple[int, int]:
    """Width and height as shown: those of the stream, changed over where its first picture is turned to its side."""
    turn = reader.turn_of(first) if first else ()
    return (stream.height, stream.width) if turn and turn[0][0] == "transpose" else (stream.width, stream.height)


def describe_container(
    container: "av.container.InputContainer", stream: "av.VideoStream", packets: reader.Packets, path: Path
) -> Container:
    coding, name = stream.codec_context, stream.codec_context.name
    interlaced = coding.field_order in reader.INTERLACED and name != "mjpeg"
    odd = packets.loose or interlaced or name not in reader.ONE_A_PACKET
    odd = odd or any(kind in reader.UNINDEXED for kind in container.format.name.split(","))
    frames = reader.count_by_decoding(path) if odd else packets.shown
    if not frames:
        raise RescoreError(f"{path}: has no frames")
    first = None if "avi" in container.format.name else reader.first_picture(path)  # an .avi turns nothing
    turn = reader.turn_of(first) if first else ()
    width, height = upright_size(stream, first)
    plain = not (odd or turn or packets.cut_away or len(container.streams.video) > 1) and is_plain(container, coding)
    remarks = [reader.describe_turn(first) if first else None, *remarks_on(container, stream, packets, interlaced)]
    if packets.loose and frames < packets.shown:
        remarks.append(f"{packets.shown - frames} frames that refer to others before the cut cannot be decoded")
    return Container(frames, width, height, reader.rate_of(stream), plain, tuple(filter(None, remarks)))


def is_plain(container: "av.container.InputContainer", coding: "av.VideoCodecContext") -> bool:
    """Whether container and coding are of the kinds that decord reads as FFmpeg's own libraries do."""
    known = any(kind in PLAIN_FORMATS for kind in container.format.name.split(","))
    coded = coding.name in PLAIN_CODECS and coding.pix_fmt in PLAIN_PIXELS
    return known and coded and int(coding.colorspace) in PLAIN_COLOURS


def remarks_on(
    container: "av.container.InputContainer", stream: "av.VideoStream", packets: reader.Packets, interlaced: bool
) -> list[str]:
    """What is unusual about a stream of pictures, a phrase each."""
    found = []
    if packets.cut_away:
        found.append(f"an edit list hides {packets.cut_away} more, which are not read")
    if packets.dropped:
        found.append(
            f"{packets.dropped} frames were dropped in the recording, and the others are read one behind the other"
        )
    times = np.sort(np.array(packets.times, np.int64))
    if reader.is_timed(container, times) and not reader.spacing(times, float(stream.time_base or 1))[0]:
        found.append(f"a variable rate, {reader.rate_of(stream):.4g} frames/s on average")
    if interlaced:
        found.append("interlaced: a frame holds two moments, which are not separated")
    colour = reader.HDR.get(int(stream.codec_context.color_trc))
    if colour:
        found.append(f"high dynamic range ({colour}), whose colours are read as they are")
    others = sum(not reader.is_cover(other) for other in container.streams.video) - 1
    if others:
        found.append(f"{others + 1} streams of pictures, of which that of {stream.width}x{stream.height} is read")
    told = {key.lower(): value for key, value in container.metadata.items()}
    filmed = pd.to_numeric(told.get("com.android.capture.fps", 0), errors="coerce")
    if filmed > 1.33 * reader.rate_of(stream) > 0:
        found.append(f"slow motion, filmed at {filmed:g} frames/s")
    return found


def unusual_rates(containers: Sequence[Container | str]) -> list[tuple[int, str]]:
    """Videos at a rate far from the one most of their set have: their places, and what is wrong."""
    rates = [container.rate for container in containers if isinstance(container, Container) and container.rate]
    if not rates:
        return []
    usual = Counter(rates).most_common(1)[0][0]
    return [
        (place, f"{container.rate:g} frames/s where most of its set have {usual:g}; {resample(usual)}")
        for place, container in enumerate(containers)
        if isinstance(container, Container) and container.rate and is_far(container.rate, usual)
    ]


def is_far(rate: float, usual: float) -> bool:
    """Whether a rate makes motion look faster or slower than the usual one does; 25 and 30 are near."""
    return not 0.75 < rate / usual < 1.33


def resample(rate: float) -> str:
    """The remedy for a rate."""
    return f"resample it with `ffmpeg -i OLD -fps_mode cfr -r {rate:g} NEW`"


def reading_notes(shown: Container, frames: int, padding: int, training_rate: float) -> list[str]:
    """What a reader of a score ought to know of the frames that it is of, a line each.

    Args:
        shown: what the file says of itself.
        frames: read of the video.
        padding: zero frames in front of them.
        training_rate: frames a second of the videos that the network learned from; 0 where none is known.
    """
    lines = [f"note: {remark}" for remark in shown.remarks]
    if padding > frames:
        lines.append(f"warning: most of what is scored is zero frames; the video has {frames} of its own")
    if shown.rate and training_rate and is_far(shown.rate, training_rate):
        lines.append(
            f"warning: {shown.rate:g} frames/s where the training videos have {training_rate:g}, so that motion looks "
            f"{shown.rate / training_rate:.3g} times as long; {resample(training_rate)}"
        )
    return lines


def probe_all(paths: Sequence[Path], workers: int = 4) -> list[Container | str]:
    """`probe` each path; a string says what is wrong with one. Threads: the work is reading files."""

    def attempt(path: Path) -> Container | str:
        try:
            return probe(path)
        except RescoreError as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(attempt, paths))


def is_video(path: Path) -> bool:
    """Whether a path is to be taken for a video: by its suffix, whatever it is, or a folder of images. Hidden ones (macOS leaves
    `._001.avi`) are none.
    """
    return not path.name.startswith(".") and (path.suffix.lower() in VIDEO_SUFFIXES or is_frame_folder(path))


def list_videos(directory: Path) -> list[Path]:
    """The videos one directory deep, sorted by path."""
    return sorted(filter(is_video, directory.glob("*/*")), key=lambda path: path.as_posix())


def files_of(video: Path) -> list[Path]:
    """The files that a video consists of: itself, or a folder's images."""
    return images_of(video) if is_frame_folder(video) else [video]


def measure(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file; EMPTY where there is nothing that can be read."""
    try:
        return (path.stat().st_size, sha256_file(path)) if path.is_file() else EMPTY
    except OSError:
        return EMPTY


def measure_video(video: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a video; of a folder of frames all bytes, and the SHA-256 of its images' names and sums."""
    files = files_of(video)
    if files == [video]:
        return measure(video)
    measured = [(path.name, *measure(path)) for path in files]
    listing = "".join(f"{name} {digest}\n" for name, _, digest in measured)
    return sum(size for _, size, _ in measured), hashlib.sha256(listing.encode()).hexdigest()


def index_files(paths: Sequence[Path], index: Path, workers: int) -> None:
    """Write the index of these videos: `video` (path, / as separator), `bytes`, `sha256`; a row a file, so a folder of frames has
    many. What cannot be read has a row too, as EMPTY: whoever reads the videos says what is wrong, for all of them together.

    Raises:
        RescoreError: names that are no text.
    """
    files = [file for path in paths for file in files_of(path)]
    unnamed = [ascii(str(path)) for path in files if not reader.is_text(path)]
    raise_together(f"{index}: names that are not in UTF-8", unnamed, "rename the files.")
    with ThreadPoolExecutor(max(1, workers)) as pool:
        measured = list(pool.map(measure, files))
    rows = {
        "video": [path.as_posix() for path in files],
        "bytes": [size for size, _ in measured],
        "sha256": [digest for _, digest in measured],
    }
    write_table(index, pd.DataFrame(rows))


def index_videos(directory: Path, index: Path, workers: int = 1) -> None:
    """Write the index of a data set's videos (`index_files`), sorted by path.

    Args:
        directory: holds one directory per action (AQA-7) or class (UCF-101), and they the videos: files, or folders of extracted
            frames. A symbolic link will do.
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
    index_files(paths, index, workers)
