"""Official AQA-7: its two lists and its videos, to the manifest (AQA-7, Sec. 3).

consolidated_{train,test}_list.mat   rows [action 1..6, sample, 100 x score]
<videos>/<directory of the action>/NNN.avi
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io

from rescore.actions import BY_CODE, EXPERIMENT_ACTIONS
from rescore.errors import RescoreError, raise_together
from rescore.manifests.contract import write_manifest as write_checked
from rescore.manifests.videos import Container, probe_all
from rescore.storage import read_table

LISTS = {"train": "consolidated_train_list", "test": "consolidated_test_list"}
"""Name of each split's file (without .mat) and of the one matrix in it."""

DIRECTORIES = {
    "diving": ("diving",),
    "gymvault": ("gym_vault", "gymvault"),
    "skiing": ("ski_big_air", "skiing"),
    "snowboard": ("snowboard_big_air", "snowboard"),
    "sync_diving_3m": ("sync_diving_3m",),
    "sync_diving_10m": ("sync_diving_10m",),
    "trampoline": ("trampoline",),
}
"""Directories of an action's videos, the release's own name (AQA-7/Actions/...) first; the lists' codes 1..6 also work."""

# Samples of each action in (train, test) lists: 803 and 303 (AQA-7, Sec. 5 Data Preparation).
SAMPLES = {"train": 803, "test": 303}


def read_matrix(path: Path, name: str) -> np.ndarray:
    """The list as float64 (rows, 3).

    Raises:
        RescoreError: missing, not a .mat file, without this matrix, or of another shape.
    """
    try:
        matrix = scipy.io.loadmat(str(path))[name]
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: missing; `rescore fetch aqa7-lists` brings it") from error
    except KeyError as error:
        raise RescoreError(f"{path}: holds no matrix named {name}") from error
    except Exception as error:  # scipy raises many types for a damaged file
        raise RescoreError(f"{path}: not a readable .mat file ({error})") from error
    if matrix.ndim != 2 or matrix.shape[1] != 3 or not np.issubdtype(matrix.dtype, np.number):
        raise RescoreError(f"{path}: {name} is {matrix.dtype} {matrix.shape}, not numbers (rows, 3)")
    return matrix.astype(np.float64)


def matrix_problems(matrix: np.ndarray, path: Path) -> list[str]:
    """Rows that are no sample: NaN, an unknown action, a sample that is no whole positive number, a score below 0."""
    code, sample, value = matrix.T
    tests = {
        "has NaN": ~np.isfinite(matrix).all(axis=1),
        "action is not one of 1..6": ~np.isin(code, list(BY_CODE)),
        "sample is not a whole number from 1": ~((sample >= 1) & (sample == np.floor(sample))),
        "score is below 0": value < 0,
    }
    return [
        f"{path}: row {row} {matrix[row].tolist()}: {statement}"
        for statement, wrong in tests.items()
        for row in np.flatnonzero(wrong)
    ]


def read_split(directory: Path, split: str) -> tuple[pd.DataFrame, list[str]]:
    """One list's rows `action, number, sample, split, score` and what is wrong with it; no rows where anything is."""
    path = directory / f"{LISTS[split]}.mat"
    try:
        matrix = read_matrix(path, LISTS[split])
    except RescoreError as error:
        return pd.DataFrame(), [str(error)]
    problems = matrix_problems(matrix, path)
    if problems:
        return pd.DataFrame(), problems
    actions = [BY_CODE[int(code)].name for code in matrix[:, 0]]
    numbers = matrix[:, 1].astype(int)
    table = pd.DataFrame({"action": actions, "number": numbers})
    table["sample"] = [f"{action}/{number:03d}" for action, number in zip(actions, numbers, strict=True)]
    table["split"] = split
    table["score"] = matrix[:, 2] / 100
    return table, []


def find_list_problems(directory: Path) -> tuple[pd.DataFrame, list[str]]:
    """Both lists in one table (training rows first, the lists' own order) and everything that is wrong with them."""
    parts, problems = [], []
    for split in LISTS:
        table, wrong = read_split(directory, split)
        problems += wrong
        parts.append(table)
    lists = pd.concat(parts, ignore_index=True)
    if not lists.empty:
        for sample, rows in lists.groupby("sample", sort=True):
            if len(rows) > 1:
                splits = " and ".join(sorted(set(rows["split"])))
                problems.append(f"{directory}: {sample} is listed {len(rows)} times ({splits})")
    return lists, problems


def read_lists(directory: Path) -> pd.DataFrame:
    """The official lists: `action, number, sample, split, score` (points), training rows first.

    Raises:
        RescoreError: all problems together: a file missing or damaged, a wrong shape, an unknown action, NaN, a sample
            listed twice or in both lists.
    """
    lists, problems = find_list_problems(directory)
    raise_together(
        f"{directory}: AQA-7's official lists are not right",
        problems,
        "run `rescore fetch aqa7-lists`, which verifies their checksums.",
    )
    return lists


def videos_by_sample(index: Path) -> dict[str, str]:
    """Sample -> path of the index: directory names are mapped back to actions."""
    by_directory = {action_name: action for action, names in DIRECTORIES.items() for action_name in names}
    by_directory |= {str(code): action.name for code, action in BY_CODE.items()}
    paths = [Path(video) for video in read_table(index)["video"].astype(str)]
    return {
        f"{by_directory[path.parent.name]}/{int(path.stem):03d}": path.as_posix()
        for path in paths
        if path.parent.name in by_directory and path.stem.isdigit()
    }


def write_manifest(lists: Path, index: Path, manifest: Path, settings: dict[str, Any], workers: int = 4) -> None:
    """Write the manifest of official AQA-7: the lists' 1106 samples of six actions, whole videos, difficulty unknown.

    Args:
        lists: directory of the two .mat files.
        index: CSV of `manifests.videos.index_videos`.
        manifest: Parquet to write. `end_frame` is the last frame by counting the container's packets front to back (exact,
            and a hundredth of decoding's cost).
        settings: {"clips": {"on_bad_video": fail | drop}}. Under `drop` a sample whose video is missing or broken stays in
            the manifest without an `end_frame`; the clip store then drops it and lists why.

    Raises:
        RescoreError: wrong lists; under `fail` every missing or broken video, together.
    """
    table = read_lists(lists)
    videos = videos_by_sample(index)
    table["video"] = [videos.get(sample, expected_path(sample, videos)) for sample in table["sample"]]
    containers = probe_all([Path(video) for video in table["video"]], workers)
    if settings["clips"]["on_bad_video"] != "drop":
        raise_together(
            f"{index}: AQA-7 videos that are missing or broken",
            video_problems(table, containers),
            "complete the official videos (docs/data.md), or set clips.on_bad_video: drop in params.yaml.",
        )
    frames = [container.frames - 1 if isinstance(container, Container) else None for container in containers]
    table["end_frame"] = pd.array(frames, dtype="Int64")
    table = table.assign(dataset="aqa7", start_frame=0, difficulty=np.nan).drop(columns="number")
    write_checked(manifest, table)


def expected_path(sample: str, videos: dict[str, str]) -> str:
    """Where a missing video should lie: beside another of its action, else under the release's own directory name."""
    action, number = sample.split("/")
    sibling = next((Path(path).parent for name, path in videos.items() if name.startswith(f"{action}/")), None)
    if sibling is None and videos:
        sibling = Path(next(iter(videos.values()))).parent.parent / DIRECTORIES[action][0]
    return ((sibling or Path(DIRECTORIES[action][0])) / f"{number}.avi").as_posix()


def video_problems(table: pd.DataFrame, containers: Sequence[Container | str]) -> list[str]:
    pairs = zip(table["sample"], containers, strict=True)
    return [f"{sample}: {container}" for sample, container in pairs if isinstance(container, str)]


def count_differences(lists: pd.DataFrame) -> list[str]:
    """Where the lists' sizes are not the paper's 803 and 303, or an action has no samples."""
    counts = lists["split"].value_counts()
    found = [
        f"{split} has {counts.get(split, 0)} samples, the paper {expected}"
        for split, expected in SAMPLES.items()
        if counts.get(split, 0) != expected
    ]
    return found + [f"{action} has no samples" for action in EXPERIMENT_ACTIONS if action not in set(lists["action"])]
