"""What the adapters of official videos share: which file shows which sample, and how many frames it holds.

lists ─► samples ─┐
index ─► files ───┴► one file a sample ─► container probed ─► `video, start_frame, end_frame`
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table, remedy_of_damaged
from rescore.manifests.frame_folders import IMAGE_SUFFIXES
from rescore.manifests.videos import probe_all


def read_index(index: Path) -> list[Path]:
    """The videos of `manifests.videos.index_files`'s CSV, in its order; a folder of frames once.

    Raises:
        RescoreError: the index is missing or no table.
    """
    table = read_table(index)
    if "video" not in table or table["video"].isna().any():
        raise RescoreError(
            f"{index}: not an index of videos (column `video`, a path a row). {remedy_of_damaged(index)}"
        )
    paths = (Path(video) for video in table["video"].astype(str))
    return list(dict.fromkeys(path.parent if path.suffix.lower() in IMAGE_SUFFIXES else path for path in paths))


def match_videos(
    paths: Sequence[Path], directories: Sequence[str], sample_of: Callable[[Path], str | None]
) -> tuple[dict[str, Path], list[str]]:
    """Which file shows which sample, and what is wrong with the set: an unknown directory, two files for one sample.

    Args:
        directories: names of the directories that may hold videos.
        sample_of: the sample that a file in a known directory shows; None where its name is no sample's.
    """
    found: dict[str, Path] = {}
    unknown = sorted({path.parent for path in paths if path.parent.name not in directories})
    problems = [f"{folder}: not the directory of an action or class; rename it or move it away" for folder in unknown]
    for path in paths:
        sample = sample_of(path) if path.parent.name in directories else None
        if sample in found:
            problems.append(f"{sample}: two videos, {found[sample]} and {path}; keep one")
        elif sample is not None:
            found[sample] = path
    return found, problems


def expected_videos(samples: Sequence[str], found: dict[str, Path], directory_of: Callable[[str], str]) -> list[Path]:
    """Each sample's file; where it is missing, where it should lie: beside the others of its action or class.

    Args:
        samples: `action/name`.
        directory_of: the release's own directory name of an action or class, for one of which there is no file at all.
    """
    base = next((path.parent.parent for path in found.values()), Path())
    folders = {sample.split("/")[0]: path.parent for sample, path in found.items()}
    expected = []
    for sample in samples:
        action, name = sample.split("/")
        folder = folders.get(action) or base / directory_of(action)
        expected.append(found.get(sample, folder / f"{name}.avi"))
    return expected


def add_frames(
    table: pd.DataFrame, videos: Sequence[Path], index: Path, on_bad_video: str, workers: int
) -> pd.DataFrame:
    """The samples with `video`, `start_frame` 0 and `end_frame`, the last frame by counting the container's packets.

    The count is exact and a hundredth of decoding's cost.

    Args:
        table: `sample` and more, a row a sample.
        videos: each row's file.
        index: named in the error.
        on_bad_video: `drop` leaves `end_frame` empty where a video is missing or broken (the clip store then drops the sample
            and lists why).

    Raises:
        RescoreError: not under `drop`: every missing or broken video, together.
    """
    containers = probe_all(videos, workers)
    wrong = [
        f"{sample}: {container}"
        for sample, container in zip(table["sample"], containers, strict=True)
        if isinstance(container, str)
    ]
    if on_bad_video != "drop":
        raise_together(
            f"{index}: official videos that are missing or broken",
            wrong,
            "complete the official videos (docs/data.md), or set clips.on_bad_video: drop in params.yaml.",
        )
    frames = [None if isinstance(container, str) else container.frames - 1 for container in containers]
    paths = [video.as_posix() for video in videos]
    return table.assign(video=paths, start_frame=0, end_frame=pd.array(frames, dtype="Int64"))
