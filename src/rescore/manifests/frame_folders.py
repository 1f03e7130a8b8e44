"""A folder of extracted frames, `img_00001.jpg` and so on, as a video: its images in natural order, none missing."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from rescore.engine.errors import RescoreError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".tga", ".jp2", ".avif")
MOTION = re.compile(r"(?<![a-z])(?:opt(?:ical)?_?)?flow(?![a-z])", re.IGNORECASE)
"""Names of optical flow, which extractions keep beside the pictures: flow_x_00001.jpg."""
NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")
"""What stands before a name's last number, the number, and what stands behind it."""


def images_of(folder: Path) -> list[Path]:
    """The image files of a folder; hidden ones (macOS leaves `._img_00001.jpg`) are none.

    A folder without images may hold them in its only subfolder (`dive/frames/img_00001.jpg`), but for those of optical flow.
    """
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if found := [path for path in inside if path.suffix.lower() in IMAGE_SUFFIXES]:
        return found
    deeper = [path for path in inside if path.is_dir() and not MOTION.search(path.name)]
    alone = len(deeper) == 1 and not any(path.is_file() for path in inside)
    return images_of(deeper[0]) if alone else []


def is_frame_folder(path: Path) -> bool:
    """Whether a path is a folder that holds images."""
    try:
        return path.is_dir() and bool(images_of(path))
    except OSError:
        return False


def list_frames(folder: Path) -> list[Path]:
    """A video's frames in order of their numbers, whatever the digits: img_9.jpg, img_10.jpg.

    Raises:
        RescoreError: no images, several series, a number missing or twice, an empty file; all together, in one sentence.
    """
    try:
        images = images_of(folder)
    except OSError as error:
        raise RescoreError(f"{folder}: cannot be read ({error.strerror})") from error
    if not images:
        raise RescoreError(f"{folder}: a folder without images where a video or its extracted frames are expected")
    numbered = [(match, path) for path in images if (match := NUMBERED.fullmatch(path.stem))]
    series = {(match[1], match[3]) for match, _ in numbered if not MOTION.search(match[1])}
    if len(series) != 1:
        names = first_few([f"{before}NUMBER{behind}" for before, behind in sorted(series)] or [images[0].name], ", ")
        raise RescoreError(
            f"{folder}: images are not one series of numbered frames ({names}). A name's last number is its frame's; keep one"
        )
    chosen = series.pop()
    frames = sorted((int(match[2]), path) for match, path in numbered if (match[1], match[3]) == chosen)
    problems = [*gaps(frames), *(f"{path.name} {what}" for _, path in frames if (what := unreadable(path)))]
    if problems:
        raise RescoreError(
            f"{folder}: not a whole series of frames: {first_few(problems, '; ')}. Extract the video again, or renumber them"
        )
    return [path for _, path in frames]


def first_few(words: Sequence[str], between: str, most: int = 20) -> str:
    """The first words of a list, and how many more there are."""
    more = [f"and {len(words) - most} more"] if len(words) > most else []
    return between.join([*words[:most], *more])


def unreadable(path: Path) -> str | None:
    """Why a file holds no frame, as far as its size tells: a link may lead nowhere."""
    try:
        if not path.is_file() and path.exists():
            return "is no file"
        return None if path.stat().st_size else "is empty"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def gaps(frames: Sequence[tuple[int, Path]]) -> list[str]:
    """Which numbers are missing between the first frame and the last, and which stand twice."""
    problems = []
    for (number, path), (following, other) in itertools.pairwise(frames):
        if following == number:
            problems.append(f"{path.name} and {other.name} have one number")
        elif following > number + 1:
            missing = following - number - 1
            what = f"frame {number + 1} is" if missing == 1 else f"frames {number + 1} to {following - 1} are"
            problems.append(f"{what} missing behind {path.name}")
    return problems
