"""From a video to uint8 frames of one size, frame-exact.

    probe ──► decord or FFmpeg's own libraries, front to back ──► upright ──► swscale to `resize` ──► centre crop
          ──► (frames, crop, crop, 3) RGB

Decoding is sequential and nothing else: seeking in .avi is off by frames in decord, PyAV and torchcodec alike, while
reading front to back is exact in .avi, .mp4 and .mkv with MJPEG, MPEG-4 with B-frames and H.264. decord resizes while it
converts colours (bilinear swscale, the default of its FFmpeg 4, which filters when it shrinks); its pixels equal those of any
FFmpeg's scale filter with that flag, bit for bit. (One exception was found, by two levels of 255 at the lower edge: MPEG-4 whose
height is no multiple of 16.)
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import av.logging
import numpy as np

from rescore.engine.errors import RescoreError
from rescore.manifests.frame_folders import is_frame_folder, list_frames
from rescore.manifests.reader import Turn, address, choose_stream, from_key_frame, open_video, turn_of, unmirrored
from rescore.manifests.videos import probe

try:
    import decord
except (ImportError, OSError):  # no build for this machine, or one whose libraries are not there
    decord = None
else:
    decord.logging.set_level(decord.logging.INFO)  # what was guessed is not said at decord's own level, errors alone

# A decoder conceals damage and goes on: it says so on standard error and returns a frame all the same. These are the words of
# MJPEG, MPEG-4, H.264 and HEVC for data that cannot be decoded, and for what was guessed where data end early. Complaints about
# missing reference pictures are not among them (HEVC's leading ones are NALU 8 and 9): a healthy video that was cut out of a
# broadcast may begin with those.
DAMAGE = re.compile(
    r"error while decoding|[Ee]rror at MB|damaged|Error splitting|Invalid NAL|decode_slice_header error|no frame!|"
    r"No JPEG data|huffman table decode error|error count|error y=|overread|concealing|illegal [ad]c|marker does not match|"
    r"header damaged|dht: len|unable to decode APP|truncated|partial file|[Rr]ead error|"
    r"undecodable NALU: (?![89]\b)"
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
    """Decode a whole video, front to back: the frames that `probe` counts, upright.

    Args:
        path: a file, or a folder of extracted frames.
        resize: (width, height) in pixels that each frame is scaled to, whatever its own proportions (C3D's 171x128).
        crop: side of the centre square kept, in pixels; an odd margin leaves the smaller half above and to the left.
        every: keep frames 0, every, 2 * every, ...

    Returns:
        uint8 (frames, crop, crop, 3), RGB.

    Raises:
        RescoreError: the file is missing, empty, no video, truncated, corrupt, without frames, or decodes to another number
            of frames than its container shows. The message starts with the path.
    """
    path = Path(path)
    check_sizes(resize, crop, every)
    container = probe(path)
    read = read_by_decord if decord is not None and container.plain else read_by_ffmpeg
    return read(path, container.frames, resize, crop, every)


def read_by_decord(path: Path, count: int, resize: tuple[int, int], crop: int, every: int) -> np.ndarray:
    """`read_frames` of a plain video of `count` frames, the fastest way."""
    try:
        with standard_error_captured() as messages:
            frames = _decode(path, count, resize, crop, every)
    except decord.DECORDLimitReachedError as error:
        raise RescoreError(f"{path}: corrupt, fewer frames can be decoded than the container holds") from error
    except (decord.DECORDError, RuntimeError, StopIteration) as error:
        messages.sort(key=lambda line: not DAMAGE.search(line))
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
    reader = decord.VideoReader(
        address(path), ctx=decord.cpu(0), width=width, height=height, num_threads=1, fault_tol=1e-9
    )
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


def read_by_ffmpeg(path: Path, count: int, resize: tuple[int, int], crop: int, every: int) -> np.ndarray:
    """`read_frames` of any video of `count` frames, by PyAV: where decord has no build, and what it cannot read or reads
    otherwise (AV1, edit lists, pictures to be turned, folders of frames). Where both can, the pixels are equal.
    """
    scale = Scaler(resize, crop)
    frames = np.empty((-(-count // every), crop, crop, 3), np.uint8)
    read, messages = 0, list[str]()
    for picture in pictures(path, messages):
        if messages:
            raise RescoreError(f"{path}: corrupt ({messages[0]})")
        if read < count and read % every == 0:
            try:
                frames[read // every] = scale(picture)
            except RescoreError as error:
                raise RescoreError(f"{path}: frame {read}: {error}") from error
        read += 1
    if messages:
        raise RescoreError(f"{path}: corrupt ({messages[0]})")
    if read != count:
        raise RescoreError(f"{path}: corrupt, {read} frames can be decoded where the container shows {count}")
    return frames


def pictures(path: Path, messages: list[str]) -> Iterator["av.VideoFrame"]:
    """Every picture of a video that can be decoded, in order.

    Args:
        messages: gets the decoder's complaint about each damage, before the pictures that come with it.
    """
    if is_frame_folder(path):
        for file in list_frames(path):
            yield picture_of(file)
        return
    with open_video(path) as container, heard() as log:
        for _, found, complaint in decode_stream(container, choose_stream(container, path), log):
            if complaint:
                messages.append(complaint)
            yield from found


def picture_of(file: Path) -> "av.VideoFrame":
    """The picture of an image file.

    Raises:
        RescoreError: it cannot be decoded.
    """
    with open_video(file) as container, heard() as log:
        stream = choose_stream(container, file)
        for packet in container.demux(stream):
            found, complaint = decode_packet(packet, log)
            if complaint:
                raise RescoreError(f"{file}: corrupt ({complaint})")
            if found:
                return unmirrored(file) or found[0]
    raise RescoreError(f"{file}: no picture can be decoded")


@contextlib.contextmanager
def heard() -> Iterator[list[Any]]:
    """Yield the list to which FFmpeg's messages go meanwhile, repeated ones too."""
    level, skipping = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.INFO)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as log:
            yield log
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skipping)


def decode_stream(
    container: "av.container.InputContainer", stream: "av.VideoStream", log: list[Any]
) -> Iterator[tuple["av.Packet", Sequence["av.VideoFrame"], str | None]]:
    """Every packet of a stream from its first key frame on, the pictures that it completes, and what is wrong with it.

    Nothing is wrong with packets before the first key frame or picture: a cut took away what they refer to.
    """
    stream.codec_context.thread_count = 1  # a core a worker; and damage shows with its own packet
    begun = False
    for packet in from_key_frame(container, stream):
        found, complaint = decode_packet(packet, log)
        begun = begun or packet.is_keyframe or bool(found)
        yield packet, found, complaint if begun else None


def decode_packet(packet: "av.Packet", log: list[Any]) -> tuple[Sequence["av.VideoFrame"], str | None]:
    """The pictures that a packet completes, and what is wrong with it; `log` collects FFmpeg's messages and is emptied here."""
    complaint = "an incomplete frame" if packet.is_corrupt else None
    try:
        pictures = packet.decode()
    except av.FFmpegError as error:
        pictures, complaint = [], error.strerror
    damage = [text for _, _, text in log if DAMAGE.search(text)]
    log.clear()
    return pictures, damage[0].strip()[:200] if damage else complaint


class Scaler:
    """From a decoded picture to uint8 (crop, crop, 3), RGB: turned upright, scaled, cropped to the centre.

    decord's resize is FFmpeg's scale filter with its default of FFmpeg 4, bilinear; later versions default to bicubic. Pictures
    may change their size or coding on the way: each kind has its own filters.
    """

    def __init__(self, resize: tuple[int, int], crop: int) -> None:
        self.width, self.height = resize
        self.crop = crop
        self.graphs: dict[tuple[Any, ...], av.filter.Graph] = {}

    def __call__(self, picture: "av.VideoFrame") -> np.ndarray:
        """Raises RescoreError where FFmpeg cannot convert the colours; the message does not know the video."""
        turn = turn_of(picture)
        coding = (picture.width, picture.height, picture.format.name, int(picture.colorspace), int(picture.color_range))
        try:
            graph = self.graphs.get((*coding, turn))
            if graph is None:
                graph = self.graphs[(*coding, turn)] = self.make_graph(picture, turn)
            graph.push(picture)
            whole = graph.pull().to_ndarray()
        except (av.FFmpegError, OSError, ValueError) as error:
            raise RescoreError(f"colours that cannot be converted ({error})") from error
        top, left = (self.height - self.crop) // 2, (self.width - self.crop) // 2
        return whole[top : top + self.crop, left : left + self.crop]

    def make_graph(self, picture: "av.VideoFrame", turn: Turn) -> av.filter.Graph:
        graph = av.filter.Graph()
        graph.threads = 1
        graph.link_nodes(
            graph.add_buffer(
                width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 25)
            ),
            *(graph.add(name, argument or None) for name, argument in turn),
            graph.add("scale", f"{self.width}:{self.height}:flags=bilinear"),
            graph.add("format", "pix_fmts=rgb24"),
            graph.add("buffersink"),
        ).configure()
        return graph


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
