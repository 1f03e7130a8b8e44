"""Contact sheets: a row of evenly spaced frames for each video, with its caption."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rescore.engine.errors import RescoreError
from rescore.engine.storage import atomic_path

BAND = 16  # pixels of a row's caption
GAP = 2  # pixels between frames


def contact_sheet(videos: Sequence[NDArray[np.uint8]], captions: Sequence[str], path: Path, columns: int = 8) -> None:
    """Write a PNG with one row a video: its caption above `columns` frames, evenly spaced from the first to the last.

    Equal input gives equal bytes. Videos may differ in length, not in frame size.

    Args:
        videos: RGB uint8 arrays (frames, height, width, 3).
        captions: one line a video; drawn in printable ASCII, cut where the row ends.

    Raises:
        RescoreError: no videos, an empty video, unequal frame sizes, or captions of another number.
    """
    check_videos(videos, captions, path)
    rows = [sheet_row(video, caption, columns) for video, caption in zip(videos, captions, strict=True)]
    sheet = np.concatenate(rows)
    with atomic_path(path) as temporary:
        # Pillow, not OpenCV: OpenCV's PNG code fails in a process that has loaded decord before it.
        Image.fromarray(sheet).save(temporary, "PNG", compress_level=9)


def check_videos(videos: Sequence[NDArray[np.uint8]], captions: Sequence[str], path: Path) -> None:
    """Refuse what no sheet can be made of; see contact_sheet."""
    if not videos or len(videos) != len(captions):
        raise RescoreError(f"{path}: {len(videos)} videos and {len(captions)} captions; give one caption a video.")
    shapes = {video.shape[1:] for video in videos}
    if len(shapes) > 1 or any(len(video) == 0 or video.dtype != np.uint8 or video.ndim != 4 for video in videos):
        raise RescoreError(f"{path}: videos must be non-empty uint8 (frames, height, width, 3) of one frame size.")


def sheet_row(video: NDArray[np.uint8], caption: str, columns: int) -> NDArray[np.uint8]:
    """A caption band above evenly spaced frames: (BAND + height + GAP, columns * (width + GAP), 3)."""
    _, height, width, _ = video.shape
    row = np.full((BAND + height + GAP, columns * (width + GAP), 3), 255, np.uint8)
    chosen = np.round(np.linspace(0, len(video) - 1, columns)).astype(int)
    for column, frame in enumerate(chosen):
        left = column * (width + GAP)
        row[BAND : BAND + height, left : left + width] = video[frame]
    text = caption.encode("ascii", "replace").decode()[: row.shape[1] // 6]
    cv2.putText(row, text, (3, BAND - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (20, 20, 20), 1, cv2.LINE_AA)
    return row
