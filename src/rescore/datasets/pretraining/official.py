"""UCF-101's official lists and videos, to a manifest: the backbone's pre-training set (AQA-7, Sec. 5 Implementation details).

classInd.txt       "1 ApplyEyeMakeup"
trainlist01.txt    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1"
testlist01.txt     the same, with or without the label
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.manifests.contract import write_manifest as write_checked
from rescore.manifests.official import add_frames, expected_videos, match_videos, read_index

DATASET = "ucf101"
"""Its name in manifests, and the beginning of its sources' names."""
CLASS_LINE = re.compile(r"(\d+) (\w+)")
VIDEO_LINE = re.compile(r"(\w+)/(v_\w+)\.avi(?: (\d+))?")


def read_lines(path: Path) -> list[str]:
    """Lines that are not empty, without line ends (the lists come with either kind).

    Raises:
        RescoreError: the file is missing, empty, or no text.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: missing; `rescore fetch ucf101-lists` brings it") from error
    except OSError as error:
        raise RescoreError(
            f"{path}: cannot be read ({error.strerror}); `rescore fetch ucf101-lists` brings it"
        ) from error
    except UnicodeDecodeError as error:
        raise RescoreError(f"{path}: not a text file") from error
    if not lines:
        raise RescoreError(f"{path}: empty")
    return lines


def read_classes(path: Path) -> tuple[dict[str, int], list[str]]:
    """Class -> number of the class index, and what is wrong with it."""
    classes: dict[str, int] = {}
    problems = []
    for row, line in enumerate(read_lines(path), start=1):
        match = CLASS_LINE.fullmatch(line)
        if match is None:
            problems.append(f"{path}: line {row} {line[:80]!r} is not `number ClassName`")
        elif match[2] in classes or int(match[1]) in classes.values():
            problems.append(f"{path}: line {row} {line!r} repeats a class or a number")
        else:
            classes[match[2]] = int(match[1])
    return classes, problems


def read_split(path: Path, split: str, classes: dict[str, int]) -> tuple[list[dict[str, str]], list[str]]:
    """Rows `action, sample, split` of a list, and what is wrong with it."""
    rows, problems = [], []
    for number, line in enumerate(read_lines(path), start=1):
        match = VIDEO_LINE.fullmatch(line)
        if match is None:
            problems.append(f"{path}: line {number} {line[:80]!r} is not `ClassName/v_....avi [label]`")
            continue
        name, file, label = match.groups()
        if name not in classes:
            problems.append(f"{path}: line {number} has the class {name}, which the class index does not know")
        elif label is not None and int(label) != classes[name]:
            problems.append(f"{path}: line {number} labels {name} {label}; the class index says {classes[name]}")
        elif split == "train" and label is None:
            problems.append(f"{path}: line {number} {line[:80]!r} has no label, which a training list has")
        else:
            rows.append({"action": name, "sample": f"{name}/{file}", "split": split})
    return rows, problems


def find_list_problems(directory: Path) -> tuple[pd.DataFrame, list[str]]:
    """Split 1 in one table, training rows first, and everything that is wrong with the three files."""
    classes: dict[str, int] = {}
    rows: list[dict[str, str]] = []
    problems: list[str] = []
    try:
        classes, problems = read_classes(directory / "classInd.txt")
    except RescoreError as error:
        return pd.DataFrame(), [str(error)]
    for split in ("train", "test"):
        try:
            found, wrong = read_split(directory / f"{split}list01.txt", split, classes)
        except RescoreError as error:
            found, wrong = [], [str(error)]
        rows += found
        problems += wrong
    lists = pd.DataFrame(rows, columns=["action", "sample", "split"])
    doubled = lists.loc[lists.duplicated("sample", keep=False), "sample"].drop_duplicates()
    return lists, problems + [f"{directory}: {sample} is listed more than once" for sample in doubled]


def read_lists(directory: Path) -> pd.DataFrame:
    """UCF-101's split 1: `action` (class name), `sample`, `split`, training rows first.

    Raises:
        RescoreError: all problems of classInd.txt, trainlist01.txt and testlist01.txt together.
    """
    lists, problems = find_list_problems(directory)
    shown = problems[:20] + ([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])
    raise_together(
        f"{directory}: UCF-101's official lists are not right",
        shown,
        "run `rescore fetch ucf101-lists`, which verifies their checksums.",
    )
    return lists


def find_video_problems(lists: pd.DataFrame, paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Each listed sample's file, where it lies or should lie, and what is wrong with the set of files."""
    classes = list(lists["action"].unique())
    found, problems = match_videos(paths, classes, lambda path: f"{path.parent.name}/{path.stem}")
    return expected_videos(list(lists["sample"]), found, lambda name: name), problems


def write_manifest(lists: Path, index: Path, manifest: Path, settings: dict[str, Any], workers: int = 4) -> None:
    """Write the manifest of UCF-101's split 1: `action` is the class name; score and difficulty are empty.

    Args:
        lists: directory of classInd.txt, trainlist01.txt and testlist01.txt.
        index: CSV of `manifests.videos.index_videos`.
        manifest: Parquet to write.
        settings: {"clips": {"on_bad_video": fail | drop}}; see `official.add_frames`.
        workers: threads that read the containers.

    Raises:
        RescoreError: wrong lists; a directory that is no class's; a sample with two videos; under `fail` every missing or
            broken video. Each kind with all its cases together.
    """
    table = read_lists(lists)
    videos, problems = find_video_problems(table, read_index(index))
    raise_together(f"{index}: UCF-101 videos that cannot be told apart", problems, "see docs/data.md, Official videos.")
    table = add_frames(table, videos, index, settings["clips"]["on_bad_video"], workers)
    write_checked(manifest, table.assign(dataset=DATASET, score=np.nan, difficulty=np.nan), scored=False)
