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
from rescore.engine.errors import RescoreError, raise_together
from rescore.manifests.contract import write_manifest as write_checked
from rescore.manifests.official import add_frames, expected_videos, match_videos, read_index

DATASET = "aqa7"
"""Its name in manifests, and the beginning of its sources' names."""
LISTS = {"train": "consolidated_train_list", "test": "consolidated_test_list"}
"""Name of each split's file (without .mat) and of the one matrix in it."""

FRAMES_PER_SECOND = 30.0
"""Of the one official video that is public, diving/054."""
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
ACTION_OF = {directory: action for action, names in DIRECTORIES.items() for directory in names} | {
    str(code): action.name for code, action in BY_CODE.items()
}

SAMPLES = {"train": 803, "test": 303}
"""Samples in each list (AQA-7, Sec. 5 Data Preparation)."""


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


def sample_of(path: Path) -> str | None:
    """The sample that a file in an action's directory shows: `gym_vault/007.avi` is gymvault/007; None where it has no number."""
    return f"{ACTION_OF[path.parent.name]}/{int(path.stem):03d}" if path.stem.isdecimal() else None


def find_video_problems(lists: pd.DataFrame, paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Each listed sample's file, where it lies or should lie, and what is wrong with the set of files."""
    found, problems = match_videos(paths, list(ACTION_OF), sample_of)
    return expected_videos(list(lists["sample"]), found, lambda action: DIRECTORIES[action][0]), problems


def write_manifest(lists: Path, index: Path, manifest: Path, settings: dict[str, Any], workers: int = 4) -> None:
    """Write the manifest of official AQA-7: the lists' 1106 samples of six actions, whole videos, difficulty unknown.

    Args:
        lists: directory of the two .mat files.
        index: CSV of `manifests.videos.index_videos`.
        manifest: Parquet to write.
        settings: {"clips": {"on_bad_video": fail | drop}}; see `official.add_frames`.
        workers: threads that read the containers.

    Raises:
        RescoreError: wrong lists; a directory that is no action's; a sample with two videos; under `fail` every missing or
            broken video. Each kind with all its cases together.
    """
    table = read_lists(lists)
    videos, problems = find_video_problems(table, read_index(index))
    raise_together(f"{index}: AQA-7 videos that cannot be told apart", problems, "see docs/data.md, Official videos.")
    table = add_frames(table, videos, index, settings["clips"]["on_bad_video"], workers)
    write_checked(manifest, table.assign(dataset=DATASET, difficulty=np.nan).drop(columns="number"))


def count_differences(lists: pd.DataFrame) -> list[str]:
    """Where the lists' sizes are not the paper's 803 and 303, or an action has no samples."""
    counts = lists["split"].value_counts()
    found = [
        f"{split} has {counts.get(split, 0)} samples, the paper {expected}"
        for split, expected in SAMPLES.items()
        if counts.get(split, 0) != expected
    ]
    return found + [f"{action} has no samples" for action in EXPERIMENT_ACTIONS if action not in set(lists["action"])]
