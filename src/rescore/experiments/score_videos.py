"""Score many videos: one bad one stops no other, networks are loaded once, and tables say what each gave."""

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import write_json, write_table
from rescore.manifests.frame_folders import is_frame_folder
from rescore.manifests.videos import is_video

if TYPE_CHECKING:  # a framework, which a name that is no video need not wait for
    from rescore.experiments.score_video import VideoScore

COLUMNS = ("video", "action", "member", "points", "low", "high", "seeds", "frames", "padding", "synthetic", "error")


@dataclass
class Scored:
    results: "list[VideoScore]" = field(default_factory=list)
    errors: dict[Path, str] = field(default_factory=dict)
    """Why a video has no score."""


def videos_of(given: Sequence[Path]) -> list[Path]:
    """The videos that paths stand for, each once: a file, a folder of extracted frames, the videos of a folder, or what matches a
    pattern that the shell left alone.

    Raises:
        RescoreError: paths that stand for none, all together.
    """
    found: list[Path] = []
    problems = []
    for path in given:
        here = list(expanded(path))
        found += here
        if not here:
            what = (
                "a folder without videos or extracted frames"
                if path.is_dir()
                else "no such video, or folder of extracted frames"
            )
            problems.append(f"{path}: {what}")
    if len(given) == 1 and problems:
        raise RescoreError(f"{problems[0]}.")
    raise_together("videos to score", problems, "name files, folders or patterns that are there.")
    return list(dict.fromkeys(found))


def expanded(path: Path) -> Iterator[Path]:
    """The videos that one path stands for, by name."""
    if path.is_dir() and not is_frame_folder(path):
        yield from sorted(inside for inside in path.iterdir() if is_video(inside))
    elif path.exists():
        yield path
    else:
        yield from (Path(name) for name in sorted(glob.glob(str(path), recursive=True)))


def score_all(
    videos: Sequence[Path], score: "Callable[[Path], VideoScore]", say: "Callable[[VideoScore], None]"
) -> Scored:
    """Score each video and say so at once; what cannot be scored is kept with its reason."""
    done = Scored()
    for video in videos:
        try:
            result = score(video)
        except RescoreError as error:
            done.errors[video] = str(error)
        else:
            done.results.append(result)
            say(result)
    return done


def rows(done: Scored, videos: Sequence[Path]) -> list[dict[str, Any]]:
    """A row a video, in the order given; numbers as JSON has them, null where there is none."""
    by_name = {result.video: result for result in done.results}
    return [row_of(video, by_name.get(video), done.errors.get(video, "")) for video in videos]


def row_of(video: Path, result: "VideoScore | None", error: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"video": str(video), "error": error}
    if result is None:
        return row
    low, high = (None if np.isnan(bound) else float(bound) for bound in result.interval()[-1])
    return row | {
        "action": result.action,
        "member": result.member,
        "points": float(result.scores.mean()),
        "low": low,
        "high": high,
        "seeds": len(result.seeds),
        "frames": result.frames,
        "padding": result.padding,
        "synthetic": result.synthetic,
    }


def write(done: Scored, videos: Sequence[Path], csv: Path | None, as_json: Path | None) -> None:
    """Write a table of all videos.

    Args:
        csv: columns COLUMNS; points and the bounds of their interval over seeds in the action's points.
        as_json: a list of the same, an object a video.
    """
    if csv:
        write_table(csv, pd.DataFrame(rows(done, videos), columns=list(COLUMNS)))
    if as_json:
        write_json(as_json, rows(done, videos))
