"""Official videos in small: AQA-7's layout with real, tiny files."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from rescore.manifests.videos import index_videos


def make_video(path: Path, frames: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(frames):
            image = np.full((48, 64, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def write_video() -> Callable[..., Path]:
    return make_video


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    names = ("diving/001", "diving/002", "diving/003", "gym_vault/001", "ski_big_air/007", "sync_diving_10m/001")
    for frames, name in enumerate((*names, "trampoline/001"), start=5):
        make_video(folder / f"{name}.avi", frames)
    return folder


@pytest.fixture
def index(videos, tmp_path):
    index_videos(videos, tmp_path / "index.csv", workers=2)
    return tmp_path / "index.csv"


@pytest.fixture
def mirror():
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    return Path(os.environ["RESCORE_MIRROR"])
