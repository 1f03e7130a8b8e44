"""Contact sheets: layout, deterministic bytes, refusals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rescore.engine.errors import RescoreError
from rescore.reporting.contact_sheet import BAND, GAP, contact_sheet


def ramp(frames: int, height: int = 24, width: int = 32) -> np.ndarray:
    """A video whose frames are filled with their number."""
    return np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None, None], (frames, height, width, 3)).copy()


def test_shows_first_and_last_frame_of_every_video(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    contact_sheet([ramp(10), ramp(31)], ["ten", "thirty-one"], path, columns=4)
    sheet = np.array(Image.open(path))
    assert sheet.shape == (2 * (BAND + 24 + GAP), 4 * (32 + GAP), 3)
    row = BAND + 24 + GAP
    middle = BAND + 12
    assert [int(sheet[middle, 16 + 34 * column, 0]) for column in range(4)] == [0, 3, 6, 9]
    assert [int(sheet[row + middle, 16 + 34 * column, 0]) for column in range(4)] == [0, 10, 20, 30]


def test_colours_stay_red_green_blue(tmp_path: Path) -> None:
    video = np.zeros((3, 16, 16, 3), np.uint8)
    video[..., 0] = 200
    contact_sheet([video], ["red"], tmp_path / "red.png", columns=1)
    sheet = np.array(Image.open(tmp_path / "red.png"))
    assert sheet[BAND + 8, 8].tolist() == [200, 0, 0]


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        contact_sheet([ramp(9)], ["score 78.20 · été"], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("videos", "captions"),
    [
        ([], []),
        ([ramp(3)], []),
        ([ramp(0)], ["empty"]),
        ([ramp(3), ramp(3, height=20)], ["a", "b"]),
        ([ramp(3).astype(np.float32)], ["float"]),
    ],
)
def test_refuses_what_no_sheet_can_be_made_of(videos: list[np.ndarray], captions: list[str], tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match=r"sheet\.png"):
        contact_sheet(videos, captions, tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()
