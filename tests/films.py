"""Films as phones, cutters and sites make them; each frame carries its number as a grid of black and white fields."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

COLUMNS, ROWS = 4, 3
RATE = 25


def draw(number: int, width: int = 160, height: int = 160) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(COLUMNS * ROWS):
        column, row = bit % COLUMNS, bit // COLUMNS
        fields = (
            slice(row * height // ROWS, (row + 1) * height // ROWS),
            slice(column * width // COLUMNS, (column + 1) * width // COLUMNS),
        )
        image[fields] = 255 * (number >> bit & 1)
    return image


def numbers(frames: np.ndarray) -> list[int]:
    """The numbers that frames carry, each the whole picture."""
    return [number_of(frame) for frame in frames]


def number_of(frame: np.ndarray) -> int:
    height, width = frame.shape[:2]
    bits = [
        int(frame[row * height // ROWS + height // 6, column * width // COLUMNS + width // 8].mean() > 127)
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]
    return sum(bit << place for place, bit in enumerate(bits))


def film(
    path: Path,
    frames: int = 40,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    rate: int = RATE,
    size: tuple[int, int] = (160, 160),
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    turned: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    prepare: Callable[[Any], None] = lambda stream: None,
    times: Sequence[int] | None = None,
    first: int = 0,
) -> Path:
    """A film of numbered frames.

    Args:
        turned: what the camera's position does to each picture before it is coded.
        prepare: called with the stream before the first frame.
        times: presentation times in 1 / `rate` seconds; one after the other without.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path.absolute()), "w", options=container or {}) as output:
        stream = output.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        prepare(stream)
        for place in range(frames):
            image = np.ascontiguousarray(turned(draw(first + place, *size)))
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                picture.pts, picture.time_base = times[place], Fraction(1, rate)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return path


def remux(source: Path, target: Path, change: Callable[[Any], Any], **options: str) -> Path:
    """Copy a film's packets, each changed, into another container; `change` may give None to leave one out."""
    with av.open(str(source)) as film_in, av.open(str(target), "w", options=options) as output:
        stream = film_in.streams.video[0]
        copied = output.add_stream_from_template(stream)
        for packet in film_in.demux(stream):
            if packet.size and (changed := change(packet)) is not None:
                changed.stream = copied
                output.mux(changed)
    return target


def cut(source: Path, target: Path, hidden: int) -> Path:
    """As a cutter does without coding again: everything stays in the file, an edit list hides the first frames."""
    with av.open(str(source)) as film_in:
        stream = film_in.streams.video[0]
        step = round(1 / (stream.average_rate * stream.time_base))

    def earlier(packet: Any) -> Any:
        packet.pts -= hidden * step
        packet.dts -= hidden * step
        return packet

    return remux(source, target, earlier, avoid_negative_ts="disabled", use_editlist="1")


def drop_frames(path: Path, dropped: set[int]) -> Path:
    """As a recorder that is too slow does: the chunks of these frames of an .avi are empty."""
    content = path.read_bytes()
    start = content.index(b"movi") - 8
    place, end = start + 12, start + 8 + struct.unpack("<I", content[start + 4 : start + 8])[0]
    chunks, index, number = b"movi", b"", 0
    while place < end:
        kind, size = content[place : place + 4], struct.unpack("<I", content[place + 4 : place + 8])[0]
        data = content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
        if kind == b"00dc":
            data = b"" if number in dropped else data
            index += kind + struct.pack("<III", 16 if data else 0, len(chunks), len(data))
            chunks += kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
            number += 1
    body = b"AVI " + content[12:start] + b"LIST" + struct.pack("<I", len(chunks)) + chunks
    body += b"idx1" + struct.pack("<I", len(index)) + index
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def frames_in_folder(folder: Path, chosen: Sequence[int], name: str = "img_{:05d}.jpg", first: int = 0) -> Path:
    """Extracted frames: image k of `chosen` shows number `first` + k."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number in chosen:
        Image.fromarray(draw(first + number)).save(folder / name.format(number), quality=95)
    return folder


def song(path: Path, cover: bool = False) -> Path:
    """A file of sound, with or without an attached picture."""
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=8000)
        sound.layout = "mono"
        attached = None
        if cover:
            attached = output.add_stream("mjpeg", rate=RATE)
            attached.width, attached.height, attached.pix_fmt = 160, 160, "yuvj420p"
            attached.disposition = av.stream.Disposition.attached_pic
            output.mux(attached.encode(av.VideoFrame.from_ndarray(draw(3), format="rgb24")))
            output.mux(attached.encode())
        for _ in range(10):
            chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            chunk.sample_rate = 8000
            output.mux(sound.encode(chunk))
        output.mux(sound.encode())
    return path
