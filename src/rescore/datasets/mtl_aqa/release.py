"""MTL-AQA's released annotations as a manifest (What and How Well You Performed?, Sec. 3).

    Ready_2_Use/MTL-AQA_split_0_data/final_annotations_dict.pkl   (event, dive) -> frames, dive class, difficulty, score
                                     final_captions_dict.pkl      (event, dive) -> words of the commentary
                                     train_split_0.pkl, test_split_0.pkl, vocab.json
    Ready_2_Use/smaller_training_sets/size_N/train_split_0.pkl    the training sets of the paper's Table 8
    Ready_2_Use/UNLV_Dive_split_4/{train,test}_split_370_4.pkl    UNLV-Dive's split in this data set's keys

The pickles are read by a restricted unpickler. What contradicts itself and would spoil a result is raised; what is merely
odd is returned as findings, for the results to state. `official` makes the workflow's files of it.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.manifests.contract import HIGHEST_SCORE, POSITIONS, ROTATION_TYPES
from rescore.sources.pickles import load_pickle

OFFICIAL = Path("Ready_2_Use/MTL-AQA_split_0_data")
SMALLER = Path("Ready_2_Use/smaller_training_sets")
UNLV_SPLIT = Path("Ready_2_Use/UNLV_Dive_split_4")

SMALLER_SIZES = (140, 280, 450)
FIELDS = (
    "start_frame",
    "end_frame",
    "position",
    "difficulty",
    "armstand",
    "rotation_type",
    "ss_no",
    "tw_no",
    "final_score",
)
FIRST_FRAME = 1
"""Number of a broadcast's first frame in the annotations: they name pictures that FFmpeg extracted, which it counts from 1.
So the released slice of 103 pictures from the (end_frame - 103)th, counted from 0, ends with the picture named end_frame."""
FRAMES_PER_SECOND = 25.0
"""Of the extraction that the annotations number. Nobody states it; each event's captions stand in the release twice, with times
(Raw_Annotations/NN.sbv) and with frames, and the two give 24.94 to 25.05 in all 15 events (a test computes it)."""
MARKERS = ("<sos>", "<eos>")
REMEDY = "restore the files as their origin has them (`rescore fetch`)."

Key = tuple[int, int]
"""Event (broadcast) and dive, both counted from 1."""


def sample_name(key: Key) -> str:
    """(1, 64) -> `01/064`."""
    return f"{key[0]:02d}/{key[1]:03d}"


def read_manifest(directory: Path, videos: Path) -> tuple[pd.DataFrame, list[str]]:
    """The 1412 annotated dives as manifest rows, ordered by sample, and what is odd about the files.

    Args:
        directory: holds `Ready_2_Use`.
        videos: where the events' broadcasts lie, `NN.mp4`; only the path is written, nothing is opened.

    Returns:
        Columns `dataset, sample, action, split, video, start_frame, end_frame, score` (points), `difficulty, position,
        armstand, rotation_type, somersaults, twists, caption` (text, empty where there is none), `event` (`NN`); findings,
        a sentence each.

    Raises:
        RescoreError: a file is missing or not what it should be, a value is impossible, or splits and annotations disagree.
    """
    annotations = read_annotations(directory / OFFICIAL / "final_annotations_dict.pkl")
    captions = read_captions(directory / OFFICIAL / "final_captions_dict.pkl")
    splits = {name: read_keys(directory / OFFICIAL / f"{name}_split_0.pkl") for name in ("train", "test")}
    problems = annotation_problems(annotations) + split_problems(annotations, splits)
    raise_together(f"{directory / OFFICIAL}: annotations and splits do not fit together", problems, REMEDY)
    split_of = {key: name for name, keys in splits.items() for key in keys}
    rows = [
        manifest_row(key, annotations[key], split_of[key], captions.get(key), videos) for key in sorted(annotations)
    ]
    return pd.DataFrame(rows), caption_findings(annotations, captions, read_vocabulary(directory))


def summarise(manifest: pd.DataFrame) -> pd.DataFrame:
    """What the paper prints about the data set (its Tables 1 and 2), measured: long table `row, column, value, n`."""
    values = {
        "# Samples": str(len(manifest)),
        "# Events": str(manifest["event"].nunique()),
        "Training samples": str((manifest["split"] == "train").sum()),
        "# SS": f"{manifest['somersaults'].min():g} to {manifest['somersaults'].max():g}",
        "# TW": f"{manifest['twists'].min():g} to {manifest['twists'].max():g}",
    }
    rows = [("MTL-AQA", column, value, len(manifest)) for column, value in values.items()]
    return pd.DataFrame(rows, columns=["row", "column", "value", "n"])


def manifest_row(
    key: Key, annotation: Mapping[str, Any], split: str, caption: list[str] | None, videos: Path
) -> dict[str, Any]:
    return {
        "dataset": "mtl_aqa",
        "sample": sample_name(key),
        "action": "diving",
        "split": split,
        "video": (videos / f"{key[0]:02d}.mp4").as_posix(),
        "start_frame": max(0, int(annotation["start_frame"]) - FIRST_FRAME),
        "end_frame": int(annotation["end_frame"]) - FIRST_FRAME,
        "score": float(annotation["final_score"]),
        "difficulty": float(annotation["difficulty"]),
        "position": POSITIONS[annotation["position"]],
        "armstand": bool(annotation["armstand"]),
        "rotation_type": ROTATION_TYPES[annotation["rotation_type"]],
        "somersaults": annotation["ss_no"] / 2,
        "twists": annotation["tw_no"] / 2,
        "caption": " ".join(word for word in caption or [] if word not in MARKERS),
        "event": f"{key[0]:02d}",
    }


def read_annotations(path: Path) -> dict[Key, dict[str, Any]]:
    """(event, dive) -> the annotation's fields, as released.

    Raises:
        RescoreError: the file is missing, refused, or not a dictionary of dictionaries with the known fields.
    """
    annotations = load_pickle(path)
    if not isinstance(annotations, dict) or not annotations:
        raise RescoreError(f"{path}: not a dictionary of annotations. Remedy: {REMEDY}")
    problems = [
        f"{key}: fields {', '.join(field for field in FIELDS if field not in value)} are missing"
        if isinstance(value, dict)
        else f"{key}: not a dictionary of fields"
        for key, value in annotations.items()
        if not isinstance(value, dict) or any(field not in value for field in FIELDS)
    ]
    raise_together(f"{path}: annotations are incomplete", problems, REMEDY)
    return {as_key(key, path): value for key, value in annotations.items()}


def read_captions(path: Path) -> dict[Key, list[str]]:
    """(event, dive) -> words, `<sos>` first and `<eos>` last."""
    captions = load_pickle(path)
    if not isinstance(captions, dict) or not all(isinstance(words, list) for words in captions.values()):
        raise RescoreError(f"{path}: not a dictionary of lists of words. Remedy: {REMEDY}")
    return {as_key(key, path): [str(word) for word in words] for key, words in captions.items()}


def read_keys(path: Path) -> list[Key]:
    """A split: its keys in the file's order."""
    keys = load_pickle(path)
    if not isinstance(keys, list):
        raise RescoreError(f"{path}: not a list of (event, dive). Remedy: {REMEDY}")
    return [as_key(key, path) for key in keys]


def as_key(key: Any, path: Path) -> Key:
    """NumPy's integers of several widths stand in the released keys; here they are all `int`."""
    try:
        event, dive = key
        return int(event), int(dive)
    except (TypeError, ValueError) as error:
        raise RescoreError(f"{path}: {key!r} is not a pair (event, dive). Remedy: {REMEDY}") from error


def read_vocabulary(directory: Path) -> list[str]:
    """The words of the captions, by index: 0 is `<eos>`, 1 is `<sos>`.

    Raises:
        RescoreError: the file is missing, or its two directions contradict each other.
    """
    path = directory / OFFICIAL / "vocab.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        words = [content["ix_to_word"][str(index)] for index in range(len(content["ix_to_word"]))]
        inverse = content["word_to_ix"]
    except OSError as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror}). Remedy: {REMEDY}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RescoreError(f"{path}: not a vocabulary ({error!r}). Remedy: {REMEDY}") from error
    if inverse != {word: index for index, word in enumerate(words)}:
        raise RescoreError(f"{path}: ix_to_word and word_to_ix contradict each other. Remedy: {REMEDY}")
    return words


def read_smaller_training_set(directory: Path, size: int) -> list[str]:
    """Samples of one of the smaller training sets; `size` is its name (140, 280, 450), not its exact length."""
    if size not in SMALLER_SIZES:
        raise RescoreError(f"no smaller training set of size {size}; valid: {', '.join(map(str, SMALLER_SIZES))}")
    return [sample_name(key) for key in read_keys(directory / SMALLER / f"size_{size}" / "train_split_0.pkl")]


def read_unlv_split(directory: Path) -> dict[str, list[Key]]:
    """UNLV-Dive's split as released with MTL-AQA: `train` (300) and `test` (70) keys.

    It names other dives than the S3D authors' split does (see `unlv_dive.split_findings`).
    """
    return {name: read_keys(directory / UNLV_SPLIT / f"{name}_split_370_4.pkl") for name in ("train", "test")}


def annotation_problems(annotations: Mapping[Key, Mapping[str, Any]]) -> list[str]:
    """Impossible values, a sentence each."""
    problems = []
    for key, annotation in sorted(annotations.items()):
        where, score = sample_name(key), annotation["final_score"]
        if not (is_number(score) and 0 <= score <= HIGHEST_SCORE):
            problems.append(f"{where}: final_score {score!r} is not a score from 0 to {HIGHEST_SCORE:g}")
        if not (is_number(annotation["difficulty"]) and annotation["difficulty"] > 0):
            problems.append(f"{where}: difficulty {annotation['difficulty']!r} is not positive")
        frames = [annotation["start_frame"], annotation["end_frame"]]
        if not (all(map(is_whole, frames)) and frames[1] > frames[0] >= 0):
            problems.append(f"{where}: frames {frames[0]!r} to {frames[1]!r}")
        codes = (("position", len(POSITIONS)), ("armstand", 2), ("rotation_type", len(ROTATION_TYPES)))
        for field, count in codes:
            if not (is_whole(annotation[field]) and annotation[field] in range(count)):
                problems.append(f"{where}: {field} {annotation[field]!r} is not a code from 0 to {count - 1}")
        problems += [
            f"{where}: {field} {annotation[field]!r}"
            for field in ("ss_no", "tw_no")
            if not (is_number(annotation[field]) and annotation[field] >= 0)
        ]
    return problems


def is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Whether a value can stand for a frame or a code: armstands are truth values, NumPy's numbers of all widths occur."""
    return isinstance(value, Integral | np.bool_)


def split_problems(annotations: Mapping[Key, Any], splits: Mapping[str, list[Key]]) -> list[str]:
    """Samples that a split names twice, that both name, that have no annotation, or that no split names."""
    problems = []
    for name, keys in splits.items():
        problems += [
            f"{sample_name(key)}: {count} times in {name}" for key, count in Counter(keys).items() if count > 1
        ]
        problems += [
            f"{sample_name(key)}: in {name} without annotation" for key in sorted(set(keys) - set(annotations))
        ]
    both = set(splits["train"]) & set(splits["test"])
    problems += [f"{sample_name(key)}: in train and test" for key in sorted(both)]
    neither = set(annotations) - set(splits["train"]) - set(splits["test"])
    return problems + [f"{sample_name(key)}: in no split" for key in sorted(neither)]


def caption_findings(
    annotations: Mapping[Key, Any], captions: Mapping[Key, list[str]], vocabulary: list[str]
) -> list[str]:
    """Captions without annotation, annotations without caption, words outside the vocabulary."""
    findings = [
        f"{sample_name(key)}: commentary without annotation" for key in sorted(set(captions) - set(annotations))
    ]
    findings += [
        f"{sample_name(key)}: annotation without commentary" for key in sorted(set(annotations) - set(captions))
    ]
    findings += [
        f"{sample_name(key)}: empty commentary"
        for key in sorted(set(annotations) & set(captions))
        if not set(captions[key]) - set(MARKERS)
    ]
    unknown = {word for words in captions.values() for word in words} - set(vocabulary)
    if unknown:
        findings.append(f"{len(unknown)} words of the commentary are not in the vocabulary, such as {min(unknown)!r}")
    return findings
