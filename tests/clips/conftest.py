"""Videos whose frames carry their own number, as a 4 x 3 grid of black and white fields that survives lossy coding."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

COLUMNS, ROWS = 4, 3


def draw(number: int, width: int, height: int) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(COLUMNS * ROWS):
        column, row = bit % COLUMNS, bit // COLUMNS
        fields = (
            slice(row * height // ROWS, (row + 1) * height // ROWS),
            slice(column * width // COLUMNS, (column + 1) * width // COLUMNS),
        )
        image[fields] = 255 * (number >> bit & 1)
    return image


def read_number(frame: np.ndarray) -> int:
    """The number of a frame that is a centre square of the whole: fields are looked up in the frame's own grid."""
    height, width = frame.shape[:2]
    bits = [
        int(frame[row * height // ROWS + height // 6, column * width // COLUMNS + width // 8].mean() > 127)
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]
    return sum(bit << place for place, bit in enumerate(bits))


def write_numbered(
    path: Path, frames: int, codec: str = "mjpeg", b_frames: int = 0, size: tuple[int, int] = (160, 160), first: int = 0
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        for number in range(first, first + frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(number, *size), format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def numbered() -> Callable[..., Path]:
    return write_numbered


@pytest.fixture
def number_of() -> Callable[[np.ndarray], int]:
    return read_number


@pytest.fixture
def bad_videos(tmp_path: Path) -> dict[str, Path]:
    """One file of each kind of damage, by kind."""
    whole = write_numbered(tmp_path / "bad" / "whole.avi", 40).read_bytes()
    faststart = write_numbered(tmp_path / "bad" / "whole.mkv", 40, "libx264", 2).read_bytes()
    longer = write_numbered(tmp_path / "bad" / "mpeg4.avi", 40, "mpeg4", 2).read_bytes()
    h264 = write_numbered(tmp_path / "bad" / "h264.mp4", 40, "libx264", 2).read_bytes()
    middle = len(whole) // 2
    scrambled = np.random.default_rng(0).integers(0, 256, 600, np.uint8).tobytes()
    contents = {
        "empty.avi": b"",
        "garbage.avi": np.random.default_rng(1).integers(0, 256, 20000, np.uint8).tobytes(),
        "text.mp4": b"no video at all\n" * 500,
        "truncated.avi": whole[: int(len(whole) * 0.7)],
        "truncated.mkv": faststart[: int(len(faststart) * 0.7)],
        "truncated.mp4": h264[: int(len(h264) * 0.7)],
        "header_only.avi": whole[:6000],
        "scrambled_h264.mp4": h264[:1500] + scrambled + h264[2100:],
        "scrambled_mjpeg.avi": whole[:middle] + scrambled + whole[middle + 600 :],
        "scrambled_mpeg4.avi": longer[: len(longer) // 2] + scrambled + longer[len(longer) // 2 + 600 :],
    }
    paths = {name: tmp_path / "bad" / name for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    return paths | {"missing.avi": tmp_path / "bad" / "missing.avi"}


@pytest.fixture
def make_manifest(tmp_path: Path) -> Callable[..., Path]:
    def make(videos: dict[str, Path], frames: dict[str, int] | int, actions: str = "diving", name: str = "set") -> Path:
        rows = [
            {
                "dataset": name,
                "sample": sample,
                "action": actions,
                "split": "train",
                "video": str(video),
                "start_frame": 0,
                "end_frame": (frames if isinstance(frames, int) else frames[sample]) - 1,
                "score": 50.0,
                "difficulty": float("nan"),
            }
            for sample, video in videos.items()
        ]
        path = tmp_path / f"{name}.parquet"
        pd.DataFrame(rows).to_parquet(path)
        return path

    return make


@pytest.fixture
def mirror() -> Path:
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    return Path(os.environ["RESCORE_MIRROR"])
