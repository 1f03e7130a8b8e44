"""Official lists and videos in small: AQA-7's and UCF-101's layout with real, tiny files."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.io

from rescore.manifests.videos import index_videos

TRAIN = [[1, 1, 8415], [1, 2, 5000], [3, 7, 3950], [6, 1, 9936]]
TEST = [[1, 3, 2160], [2, 1, 1687]]


def make_lists(folder: Path, train=TRAIN, test=TEST) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", train), ("test", test)):
        name = f"consolidated_{split}_list"
        scipy.io.savemat(folder / f"{name}.mat", {name: np.array(rows, dtype=float)})
    return folder


@pytest.fixture
def write_lists() -> Callable[..., Path]:
    return make_lists


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


def make_ucf_lists(folder: Path, **changes: str) -> Path:
    files = {
        "classInd": "1 Archery\r\n2 Diving\r\n",
        "trainlist01": "Archery/v_Archery_g08_c01.avi 1\r\nDiving/v_Diving_g08_c01.avi 2\r\n",
        "testlist01": "Archery/v_Archery_g01_c01.avi\n",
    }
    folder.mkdir(exist_ok=True)
    for name, text in (files | changes).items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


@pytest.fixture
def write_ucf_lists() -> Callable[..., Path]:
    return make_ucf_lists
