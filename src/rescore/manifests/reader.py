"""The one reader of videos: what a file shows, decided here for index, check, manifests, clips, broadcasts and scores.

    file ─► open_video ─► the stream of pictures ─► packets, counted: shown, cut away, incomplete ─► turn of the first picture

A video's frames are those that a player shows: what an edit list cuts away is not counted, and what metadata turns or mirrors
is turned or mirrored. Nothing is dropped, doubled or made constant, whatever the rate.
"""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from PIL import Image, ImageOps

from rescore.engine.errors import RescoreError

ONE_A_PACKET = (
    "mjpeg",
    "mpeg4",
    "h264",
    "hevc",
    "vp9",
    "libdav1d",
    "av1",
    "prores",
    "png",
    "ffv1",
    "rawvideo",
    "dvvideo",
)
"""Decoders for which a packet is a picture, unless it is interlaced or cut loose from what it refers to. For others, pictures are
counted by decoding: VP8 has packets that are not shown, MPEG-2 packets that are half a picture."""
SELF_STARTING = ("h264", "hevc")
"""Decoders that give nothing before the first whole picture, and find it where containers mark none: a refresh without key
frames. Others complain of what lies before it, or fill it with grey."""
UNINDEXED = ("mpegts", "mpeg")
"""Containers of broadcasting, which may begin anywhere."""
INTERLACED = (2, 3, 4, 5)
"""FFmpeg's AVFieldOrder."""
HDR = {16: "PQ", 18: "HLG"}
"""FFmpeg's AVColorTransferCharacteristic of high dynamic range."""
LISTS = ("tty", "concat", "hls", "dash", "imf")
"""What FFmpeg takes a text for, or a list of other files: no video, though pictures come out."""
FOREIGN = {
    b"version https://git-lfs": "a Git LFS pointer; `git lfs pull` brings the video",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"#extm3u": "a playlist",
    b"pk\x03\x04": "a zip archive",
    b"rar!": "a rar archive",
    b"%pdf": "a PDF",
}
"""What a file that is no video may be, by its first bytes in lower case."""

Turn = tuple[tuple[str, str], ...]
"""FFmpeg's filters, name and argument, that bring a picture upright; () where it is."""


@dataclass(frozen=True)
class Packets:
    """What a container holds of its stream of pictures, read from front to back."""

    times: tuple[int, ...]
    """Presentation times of the whole packets that are shown, in the file's order; their number where it has no time."""
    cut_away: int
    """Packets that an edit list hides."""
    dropped: int
    """Frames that an .avi counts and does not have."""
    incomplete: int
    loose: bool
    """Whether pictures at the beginning refer to others that are not in the file."""
    fault: str | None
    """Why the file holds less than it announces; None where it is whole."""

    @property
    def shown(self) -> int:
        return len(self.times)


def is_cover(stream: "av.VideoStream") -> bool:
    """Whether a stream is a picture attached to a film or song."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def choose_stream(container: "av.container.InputContainer", path: Path) -> "av.VideoStream":
    """The stream of pictures that a player would show.

    Raises:
        RescoreError: there is none.
    """
    if any(kind in LISTS for kind in container.format.name.split(",")):
        raise RescoreError(f"{path}: not a video but a text, or a list of other files")
    streams = [stream for stream in container.streams.video if not is_cover(stream)]
    if not streams:
        what = "no moving pictures, only a cover" if container.streams.video else "no video stream"
        sound = " (sound alone)" if container.streams.audio else " that can be read, or is corrupt or truncated"
        raise RescoreError(f"{path}: holds {what}{sound}")
    best = container.streams.best("video")
    return best if best in streams else streams[0]


def check_file(path: Path) -> None:
    """Refuse what is no file with something in it.

    Raises:
        RescoreError: missing, a broken link, a folder, not readable, empty; a name that is no text.
    """
    if not is_text(path):
        raise RescoreError(f"{str(path)!a}: the name is not in UTF-8; rename the file")
    try:
        if path.is_dir():
            raise RescoreError(f"{path}: a folder without images where a video or its extracted frames are expected")
        if not path.exists():
            broken = path.is_symlink()
            raise RescoreError(f"{path}: " + (f"a broken link to {path.readlink()}" if broken else "missing"))
        if not path.is_file():
            raise RescoreError(f"{path}: not a file")
        with path.open("rb") as stream:
            if not stream.read(1):
                raise RescoreError(f"{path}: empty file (0 bytes)")
    except OSError as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror})") from error


def is_text(path: Path) -> bool:
    """Whether a path is Unicode: names from other systems may be bytes that are not, which no table or page can hold."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def address(path: Path) -> str:
    """The path as FFmpeg takes it for a file, whatever its name: `10:30 dive.mp4` alone would be a protocol."""
    return str(path.absolute())


@contextlib.contextmanager
def open_video(path: Path) -> Iterator["av.container.InputContainer"]:
    """Open a file; whatever FFmpeg complains about inside the block is an error that names the file.

    Raises:
        RescoreError: see `check_file`; no video; corrupt.
    """
    check_file(path)
    try:
        with av.open(address(path), metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        reason = foreign(path) or getattr(error, "strerror", None) or str(error)
        raise RescoreError(f"{path}: not a readable video, corrupt or truncated ({reason})") from error


def foreign(path: Path) -> str | None:
    """What a file is that is no video, where its first bytes tell."""
    with path.open("rb") as stream:
        head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((f"it is {what}" for mark, what in FOREIGN.items() if head.startswith(mark)), None)


def read_packets(container: "av.container.InputContainer", stream: "av.VideoStream", path: Path) -> Packets:
    """Count a stream's packets and hold the count against what the container announces.

    A truncated .avi or .mp4 holds fewer packets than its header says, a truncated .mkv ends before its header's duration; a
    decoder reads all of them without complaint, as shorter videos.
    """
    if container.format.name == "image2" or container.format.name.endswith("_pipe"):
        raise RescoreError(f"{path}: a single picture, not a video; its frames can be a folder of numbered images")
    times: list[int] = []
    cut_away, incomplete, last_end, stopped, first_key = 0, 0, 0.0, None, True
    try:
        for packet in container.demux():  # all streams, because the announced duration is the longest one's
            if packet.size and packet.pts is not None and packet.time_base is not None:
                last_end = max(last_end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.size and packet.stream_index == stream.index:
                first_key = first_key and (packet.is_keyframe or bool(times or cut_away or incomplete))
                if packet.is_discard:
                    cut_away += 1
                elif packet.is_corrupt:
                    incomplete += 1
                else:
                    times.append(len(times) if packet.pts is None else packet.pts)
    except av.FFmpegError as error:
        stopped = f"reading stops with {error.strerror}"
    loose = not first_key or (not cut_away and bool(times) and min(times) < times[0])
    packets, dropped = len(times) + cut_away, 0
    if "avi" in container.format.name and times and max(times) + 1 == stream.frames:
        dropped = stream.frames - packets  # empty places, which the recorder left where it was too slow
    fault = stopped or shortfall(container, stream, path, packets + dropped, incomplete, last_end)
    if not fault and "mp4" in container.format.name and stream.frames > packets:
        cut_away = stream.frames - len(times)  # of whole groups of pictures, which were not even read
    return Packets(tuple(times), cut_away, dropped, incomplete, loose, fault)


def shortfall(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    path: Path,
    whole: int,
    incomplete: int,
    last_end: float,
) -> str | None:
    """Why a file holds less than it announces, or None."""
    announced = stream.frames
    if announced and announced != whole and "mp4" in container.format.name:
        whole = count_unedited(path)  # packets far from what an edit list shows are not even read
    if incomplete:
        announced_too = f" where the container announces {announced}" if announced else ""
        return f"truncated or corrupt, {incomplete} of {whole + incomplete} frames are incomplete{announced_too}"
    if announced and announced != whole:
        return f"truncated or corrupt, {whole} frames where the container announces {announced}"
    if not announced and container.duration and (rate := rate_of(stream)):
        announced_end = container.duration / av.time_base
        if announced_end - last_end > 1.5 / rate:
            return f"truncated, it ends after {last_end:.2f} s where the container announces {announced_end:.2f} s"
    return None


def count_unedited(path: Path) -> int:
    """Packets of an .mp4 or .mov, shown or not."""
    with av.open(address(path), options={"ignore_editlist": "1"}, metadata_errors="replace") as container:
        stream = choose_stream(container, path)
        return sum(bool(packet.size) and not packet.is_corrupt for packet in container.demux(stream))


def rate_of(stream: "av.VideoStream") -> float:
    """Frames a second on average, as the container says; 0 where it does not."""
    return float(stream.average_rate or 0)


def is_timed(container: "av.container.InputContainer", times: np.ndarray) -> bool:
    """Whether a container holds presentation times. An .avi has none: what FFmpeg gives for one are guesses."""
    return len(np.unique(times)) == len(times) and "avi" not in container.format.name.split(",")


def spacing(times: np.ndarray, time_base: float) -> tuple[bool, int]:
    """Whether frames are evenly spaced in time, and how many an extraction at the constant rate of the narrowest spacing has.

    Containers round times (.mkv to milliseconds), so evenly spaced frames differ by up to two roundings.

    Args:
        times: (frames,), ascending.
        time_base: seconds a unit.
    """
    steps = np.diff(times) * time_base
    if not len(steps) or float(np.ptp(steps)) <= max(2.1e-3, 0.05 * float(np.median(steps))):
        return True, len(times)
    narrowest = float(np.quantile(steps, 0.1))
    return False, round(float(steps.sum()) / narrowest) + 1 if narrowest > 0 else len(times)


def from_key_frame(container: "av.container.InputContainer", stream: "av.VideoStream") -> Iterator["av.Packet"]:
    """The packets of a stream for its decoder: from the first key frame on, because what lies before it refers to pictures that
    are not in the file; all of them where none is marked, as some containers have it.
    """
    packets = container.demux(stream)
    early: list[av.Packet] = []
    if stream.codec_context.name not in SELF_STARTING:
        for packet in packets:
            early.append(packet)
            if packet.is_keyframe:
                early = [packet]
                break
    yield from early
    yield from packets


def count_by_decoding(path: Path) -> int:
    """How many pictures come out of a file."""
    with open_video(path) as container:
        stream = choose_stream(container, path)
        return sum(len(packet.decode()) for packet in from_key_frame(container, stream))


def decodable(path: Path, times: np.ndarray) -> np.ndarray:
    """Of the times (frames,) of a film that was cut loose, those from its first picture on, without decoding the rest."""
    first = first_picture(path)
    if first is None:
        return times[:0]
    return times if first.pts is None else times[times >= first.pts]


ORIENTATION, MIRRORED = 0x0112, (2, 4, 5, 7)
"""EXIF's key, and its values for pictures that are mirrored."""


def unmirrored(file: Path) -> "av.VideoFrame | None":
    """The picture of an image file that EXIF mirrors, upright; None for every other file.

    FFmpeg tells of EXIF's turns, but PyAV not whether a picture is mirrored as well.
    """
    with contextlib.suppress(OSError, ValueError, Image.DecompressionBombError), Image.open(file) as image:
        if image.getexif().get(ORIENTATION) in MIRRORED:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            return av.VideoFrame.from_ndarray(np.asarray(upright), format="rgb24")
    return None


def first_picture(path: Path) -> "av.VideoFrame | None":
    """The first picture that a decoder gives; None where there is none, which whoever reads the video reports."""
    with contextlib.suppress(RescoreError), open_video(path) as container:
        for packet in from_key_frame(container, choose_stream(container, path)):
            with contextlib.suppress(av.FFmpegError):
                for picture in packet.decode():
                    return picture
    return None


def display_matrix(picture: "av.VideoFrame") -> tuple[int, int, int, int]:
    """How a picture's columns and rows are to be shown: (a, b, c, d) of its display matrix, (1, 0, 0, 1) without one.

    What a picture carries may have a kind that PyAV does not know (EXIF, as cameras and TIFF have it) and is then not to be had
    at all; its turn is, but not whether it is mirrored as well.
    """
    try:
        attached: Any = picture.side_data
    except ValueError:
        turn = np.radians(-picture.rotation)
        cosine, sine = round(float(np.cos(turn))), round(float(np.sin(turn)))
        return cosine, sine, -sine, cosine
    data = attached.get(Type.DISPLAYMATRIX)
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    return a, b, c, d


def turn_of(picture: "av.VideoFrame") -> Turn:
    """The filters that bring a picture upright, as FFmpeg's own programs choose them; a slant is left as it is."""
    a, b, c, d = display_matrix(picture)
    theta = round(float(np.degrees(np.arctan2(b, a)))) % 360
    if abs(theta - 90) < 1:
        return (("transpose", "cclock_flip" if c > 0 else "clock"),)
    if abs(theta - 270) < 1:
        return (("transpose", "clock_flip" if c < 0 else "cclock"),)
    if theta == 180:
        return (*((("hflip", ""),) if a < 0 else ()), *((("vflip", ""),) if d < 0 else ()))
    return (("vflip", ""),) if theta == 0 and d < 0 else ()


def describe_turn(picture: "av.VideoFrame") -> str | None:
    """What `turn_of` does, in words."""
    words = {
        "clock": "turned by 90 degrees",
        "cclock": "turned by 270 degrees",
        "hflip": "mirrored",
        "vflip": "upside down",
    }
    words |= {"clock_flip": "turned by 90 degrees and mirrored", "cclock_flip": "turned by 90 degrees and mirrored"}
    turn = turn_of(picture)
    if len(turn) == 2:
        return "turned by 180 degrees, as its metadata asks"
    return f"{words[turn[0][1] or turn[0][0]]}, as its metadata asks" if turn else None
