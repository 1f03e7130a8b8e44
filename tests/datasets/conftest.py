"""Official lists in small: AQA-7's and UCF-101's layout; the videos are those of tests/manifests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from tests.manifests.conftest import index, mirror, videos, write_video
from tests.sources.conftest import server

__all__ = ["index", "mirror", "server", "videos", "write_lists", "write_ucf_lists", "write_video"]

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
