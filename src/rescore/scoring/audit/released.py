"""Released lists, annotations, splits and sheets as plain tables, read without the checks that would stop a training.

A part whose folder is not given is None or empty, and what needs it is not checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.aqa7.official import find_list_problems
from rescore.datasets.mtl_aqa import release as mtl_aqa
from rescore.datasets.mtl_aqa.release import Key, sample_name
from rescore.datasets.mtl_aqa.sheets import SHEETS, SheetDive, UnreadableRow, read_sheets
from rescore.datasets.mtl_aqa.unlv_dive import UnlvDive, corresponding_dives, read_unlv_dive
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import sha256_file
from rescore.manifests.contract import POSITIONS, ROTATION_TYPES
from rescore.scoring.audit.findings import records

SOURCES = ("aqa7-lists", "mtl-aqa-annotations", "unlv-dive-s3d", "rhythmic-gymnastics")
GYMNASTICS_COLUMNS = ("Video_Name", "Difficulty_Score", "Execution_Score", "Total_Score", "Penalty", "Video_length")
OFFICIAL, SIZE, UNLV_IN_MTL, UNLV, AQA7 = "official", "size_{}", "UNLV_Dive_split_4", "unlv_dive", "aqa7"


@dataclass(frozen=True)
class Split:
    """One released division into training and test samples."""

    dataset: str
    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    """Sample names of the data set; a split of several data sets' dives is in MTL-AQA's names."""
    dives: Mapping[str, str] = field(default_factory=dict)
    """Sample -> MTL-AQA's name of the same dive, where known."""


@dataclass(frozen=True)
class Released:
    lists: pd.DataFrame | None = None
    """AQA-7: action, number, sample, split, score."""
    annotations: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    captions: Mapping[Key, list[str]] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = ()
    dives: pd.DataFrame | None = None
    """MTL-AQA's annotated dives: the manifest's columns but video; split is train, test, both or none."""
    sheets: tuple[SheetDive, ...] = ()
    unreadable: tuple[UnreadableRow, ...] = ()
    unlv: UnlvDive | None = None
    gymnastics: pd.DataFrame | None = None
    splits: tuple[Split, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    """File of MTL-AQA's release, inside it -> SHA-256."""


def read_released(
    aqa7_lists: Path | None, mtl: Path | None, unlv_dive: Path | None, gymnastics: Path | None
) -> Released:
    """Read what is at hand.

    Raises:
        RescoreError: a file is missing from a folder that is given, or is damaged.
    """
    lists = read_lists(aqa7_lists) if aqa7_lists else None
    unlv = read_unlv_dive(unlv_dive) if unlv_dive else None
    parts = read_mtl(mtl) if mtl else {}
    keys = corresponding_dives(unlv, parts["annotations"]) if unlv and parts else {}
    same = {number: sample_name(key) for number, key in keys.items()}
    splits = [*parts.pop("splits", [])]
    if unlv is not None:
        rows = unlv.table
        names = {split: tuple(rows.loc[rows["split"] == split, "sample"]) for split in ("train", "test")}
        splits.append(
            Split("UNLV-Dive", UNLV, names["train"], names["test"], {f"{n:03d}": name for n, name in same.items()})
        )
    if lists is not None:
        splits.append(aqa7_split(lists, unlv, same))
    routines = read_gymnastics(gymnastics) if gymnastics else None
    if routines is not None:
        names = {split: tuple(routines.loc[routines["split"] == split, "Video_Name"]) for split in ("train", "test")}
        splits.append(Split("Rhythmic Gymnastics", "gymnastics", names["train"], names["test"]))
    return Released(lists=lists, unlv=unlv, gymnastics=routines, splits=tuple(splits), **parts)


def read_lists(directory: Path) -> pd.DataFrame:
    """AQA-7's lists with a sample that is listed twice kept twice.

    Raises:
        RescoreError: a list is missing or damaged.
    """
    lists, problems = find_list_problems(directory)
    unreadable = [problem for problem in problems if " is listed " not in problem]
    raise_together(f"{directory}: AQA-7's lists cannot be read", unreadable, "run `rescore fetch aqa7-lists`.")
    return lists


def aqa7_split(lists: pd.DataFrame, unlv: UnlvDive | None, same: Mapping[int, str]) -> Split:
    """AQA-7's split; its single dives are UNLV-Dive's wherever the scores of one number are equal."""
    dives: dict[str, str] = {}
    if unlv is not None:
        scores = unlv.table.set_index(unlv.table["sample"].astype(int))["score"]
        for row in records(lists[lists["action"] == "diving"]):
            if abs(scores.get(row.number, np.nan) - row.score) < 0.005 and row.number in same:
                dives[row.sample] = same[row.number]
    names = {split: tuple(lists.loc[lists["split"] == split, "sample"]) for split in ("train", "test")}
    return Split("AQA-7", AQA7, names["train"], names["test"], dives)


def read_mtl(directory: Path) -> dict[str, Any]:
    """MTL-AQA's parts of `Released`, by name."""
    official = directory / mtl_aqa.OFFICIAL
    annotations = mtl_aqa.read_annotations(official / "final_annotations_dict.pkl")
    captions = mtl_aqa.read_captions(official / "final_captions_dict.pkl")
    keys = {name: mtl_aqa.read_keys(official / f"{name}_split_0.pkl") for name in ("train", "test")}
    sheets = read_sheets(directory) if (directory / SHEETS).is_dir() else ([], [])
    names = {name: tuple(map(sample_name, part)) for name, part in keys.items()}
    splits = [mtl_split(OFFICIAL, names["train"], names["test"])]
    for size in mtl_aqa.SMALLER_SIZES:
        train = tuple(mtl_aqa.read_smaller_training_set(directory, size))
        splits.append(mtl_split(SIZE.format(size), train, names["test"]))
    for suffix in ("370_4", "0"):
        folder = directory / mtl_aqa.UNLV_SPLIT
        parts = [mtl_aqa.read_keys(folder / f"{name}_split_{suffix}.pkl") for name in ("train", "test")]
        train, test = (tuple(map(sample_name, part)) for part in parts)
        splits.append(mtl_split(UNLV_IN_MTL + ("" if suffix == "370_4" else f" ({suffix})"), train, test))
    return {
        "annotations": annotations,
        "captions": captions,
        "vocabulary": tuple(mtl_aqa.read_vocabulary(directory)),
        "dives": dive_table(annotations, captions, names),
        "sheets": tuple(sheets[0]),
        "unreadable": tuple(sheets[1]),
        "splits": splits,
        "digests": digests(directory / "Ready_2_Use"),
    }


def mtl_split(name: str, train: tuple[str, ...], test: tuple[str, ...]) -> Split:
    return Split("MTL-AQA", name, train, test, {sample: sample for sample in (*train, *test)})


def digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every file below, by path inside the directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): sha256_file(path) for path in files}


def dive_table(
    annotations: Mapping[Key, Mapping[str, Any]],
    captions: Mapping[Key, list[str]],
    names: Mapping[str, tuple[str, ...]],
) -> pd.DataFrame:
    """A row a dive, classes in the manifest's words; codes outside theirs become `code N`."""
    train, test = (set(names[split]) for split in ("train", "test"))
    split_of = {(True, True): "both", (True, False): "train", (False, True): "test", (False, False): "none"}
    rows = []
    for key in sorted(annotations):
        at, sample = annotations[key], sample_name(key)
        rows.append(
            {
                "dataset": "mtl_aqa",
                "sample": sample,
                "action": "diving",
                "split": split_of[sample in train, sample in test],
                "event": f"{key[0]:02d}",
                "start_frame": int(at["start_frame"]),
                "end_frame": int(at["end_frame"]),
                "score": float(at["final_score"]),
                "difficulty": float(at["difficulty"]),
                "position": coded(POSITIONS, at["position"]),
                "armstand": bool(at["armstand"]),
                "rotation_type": coded(ROTATION_TYPES, at["rotation_type"]),
                "somersaults": at["ss_no"] / 2,
                "twists": at["tw_no"] / 2,
                "caption": " ".join(word for word in captions.get(key, []) if word not in mtl_aqa.MARKERS),
            }
        )
    return pd.DataFrame(rows)


def coded(words: Any, code: Any) -> str:
    return str(words[code]) if code in range(len(words)) else f"code {code}"


def read_gymnastics(directory: Path) -> pd.DataFrame:
    """Rhythmic Gymnastics' labels, both lists in one table with `split`.

    Raises:
        RescoreError: a list is missing, or has other columns.
    """
    parts = []
    for split in ("train", "test"):
        path = directory / f"{split}.txt"
        try:
            table = pd.read_csv(path, sep=r"\s+")
        except (OSError, ValueError) as error:
            raise RescoreError(f"{path}: not a readable list ({error}). Run `rescore fetch`.") from error
        missing = [column for column in GYMNASTICS_COLUMNS if column not in table.columns]
        raise_together(f"{path}: columns are missing", missing, "run `rescore fetch rhythmic-gymnastics`.")
        parts.append(table.assign(split=split))
    return pd.concat(parts, ignore_index=True)
