"""UNLV-Dive as the S3D authors released it: features, scores and split of 370 dives (Xiang et al., S3D, ICIP 2018).

    all_train_v2.npy, all_test_v2.npy   (3, samples) objects: 2048-d mean of the four stages' P3D features; four stage
                                        scores; final score. In the order of the split
    training_idx.npy, testing_idx.npy   the split: dive numbers, counted from 1
    overall_scores.npy, difficulty_level.npy, tcn_output2.npy, jump_drop_water_label.txt   by dive number

The features were trained on the 300 training scores, so only the test samples measure anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.release import Key, sample_name
from rescore.engine.errors import RescoreError, raise_together
from rescore.sources.pickles import load_object_array

REMEDY = "restore the files as their origin has them (`rescore fetch`)."
FEATURE_WIDTH = 2048
STAGES = 4
EVENTS = ((3, 72), (2, 108), (1, 190))
"""MTL-AQA's events that UNLV-Dive strings together (final, semi-final, preliminary of one competition) and their lengths."""


@dataclass(frozen=True)
class UnlvDive:
    table: pd.DataFrame
    """`dataset, sample, action, split, score` (points), `difficulty`; training samples first, as in the files."""
    features: np.ndarray
    """(samples, 2048), float32: mean of the four stages' P3D features."""
    stage_scores: np.ndarray
    """(samples, 4), float32: what the authors' network scores from each stage, points."""
    findings: list[str]
    """What is odd about the files, a sentence each."""


def read_unlv_dive(directory: Path) -> UnlvDive:
    """The 370 dives with features, checked against each other.

    Raises:
        RescoreError: a file is missing or malformed, a value is not finite, the split is no partition of the dives, or the
            features' scores are not those of the dives that the split names.
    """
    scores = read_array(directory / "overall_scores.npy").ravel()
    difficulty = read_array(directory / "difficulty_level.npy").ravel()
    parts = {"train": ("training_idx.npy", "all_train_v2.npy"), "test": ("testing_idx.npy", "all_test_v2.npy")}
    numbers = {split: read_array(directory / index).ravel().astype(int) for split, (index, _) in parts.items()}
    released = {split: read_features(directory / name) for split, (_, name) in parts.items()}
    raise_together(
        f"{directory}: the files contradict each other", problems(scores, difficulty, numbers, released), REMEDY
    )
    order = np.concatenate([numbers["train"], numbers["test"]])
    table = pd.DataFrame(
        {
            "dataset": "unlv_dive",
            "sample": [f"{number:03d}" for number in order],
            "action": "diving",
            "split": ["train"] * len(numbers["train"]) + ["test"] * len(numbers["test"]),
            "score": scores[order - 1],
            "difficulty": difficulty[order - 1],
        }
    )
    features, stage_scores = (np.concatenate([released[split][part] for split in parts]) for part in (0, 1))
    return UnlvDive(table, features, stage_scores, label_findings(scores, difficulty) + stage_findings(directory))


def read_stage_posteriors(directory: Path, dives: UnlvDive) -> np.ndarray:
    """What the S3D authors' segmentation network says of every frame: (dives, frames, stages) float32, in the table's order.

    It was trained on stage boundaries, not on scores.

    Raises:
        RescoreError: the file is missing or malformed, or values are no probabilities (every such dive is named).
    """
    path = directory / "tcn_output2.npy"
    values = read_array(path)
    if values.ndim != 3 or len(values) != len(dives.table) or not np.issubdtype(values.dtype, np.floating):
        raise RescoreError(
            f"{path}: {values.dtype} {values.shape}, not posteriors of {len(dives.table)} dives. Remedy: {REMEDY}"
        )
    wrong = ~(np.isfinite(values) & (values >= 0) & (values <= 1 + 1e-4)).all(axis=(1, 2))
    bad = [f"dive {row + 1}: values that are no probabilities" for row in np.flatnonzero(wrong)]
    raise_together(f"{path}: bad stage posteriors", bad, REMEDY)
    return values[dives.table["sample"].astype(int).to_numpy() - 1].astype(np.float32)


def problems(
    scores: np.ndarray,
    difficulty: np.ndarray,
    numbers: Mapping[str, np.ndarray],
    released: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> list[str]:
    """Contradictions that would spoil a result."""
    found = []
    if len(scores) != len(difficulty):
        found.append(f"{len(scores)} scores but {len(difficulty)} difficulties")
    if not (np.isfinite(scores).all() and np.isfinite(difficulty).all()):
        found.append("overall_scores.npy or difficulty_level.npy holds values that are not finite")
    if sorted(np.concatenate(list(numbers.values()))) != list(range(1, len(scores) + 1)):
        return [*found, f"training_idx.npy and testing_idx.npy together are not the dives 1 to {len(scores)}"]
    for split, (features, stage_scores, final) in released.items():
        if len(final) != len(numbers[split]):
            found.append(f"{split}: {len(final)} feature rows for {len(numbers[split])} dives")
            continue
        bad = ~(np.isfinite(features).all(1) & np.isfinite(stage_scores).all(1) & np.isfinite(final))
        found += [f"{split} row {row}: a value is not finite" for row in np.flatnonzero(bad)]
        wrong = np.flatnonzero(~np.isclose(final, scores[numbers[split] - 1], equal_nan=True))
        found += [
            f"{split} row {row}: score {final[row]:g}, but dive {numbers[split][row]} has {scores[numbers[split][row] - 1]:g}"
            for row in wrong
        ]
    return found


def read_array(path: Path) -> np.ndarray:
    """A plain array; one that holds objects is refused."""
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Remedy: {REMEDY}") from error
    except (ValueError, OSError, EOFError) as error:
        raise RescoreError(f"{path}: not a readable array ({error}). Remedy: {REMEDY}") from error


def read_features(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (samples, 2048), stage scores (samples, 4), final scores (samples,) of one file."""
    content = load_object_array(path)
    try:
        rows, stages, final = content
        features = np.stack([np.asarray(row, np.float32) for row in rows])
        stage_scores = np.array([[float(np.ravel(score)[0]) for score in row] for row in stages], np.float32)
        scores = np.array([float(score) for score in final])
    except (ValueError, TypeError, IndexError) as error:
        raise RescoreError(
            f"{path}: not rows of features, stage scores and scores ({error}). Remedy: {REMEDY}"
        ) from error
    if features.shape[1:] != (FEATURE_WIDTH,) or stage_scores.shape[1:] != (STAGES,):
        shapes = f"{features.shape} and {stage_scores.shape}"
        raise RescoreError(f"{path}: features and stage scores are {shapes}, not 2048 and 4 wide. Remedy: {REMEDY}")
    return features, stage_scores, scores


def label_findings(scores: np.ndarray, difficulty: np.ndarray) -> list[str]:
    """Scores that no panel can give: three marks in half points add up to a multiple of a half, times the difficulty."""
    halves = 2 * scores / difficulty
    impossible = np.abs(scores - np.round(halves) / 2 * difficulty) > 0.005 + 1e-9
    return [
        f"dive {row + 1}: score {scores[row]:g} is no multiple of half the difficulty {difficulty[row]:g}"
        for row in np.flatnonzero(impossible)
    ]


def stage_findings(directory: Path) -> list[str]:
    """Stage boundaries that do not increase."""
    path = directory / "jump_drop_water_label.txt"
    try:
        boundaries = np.loadtxt(path, delimiter=",", dtype=int, ndmin=2)
    except OSError as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror or error}). Remedy: {REMEDY}") from error
    except ValueError as error:
        raise RescoreError(f"{path}: not stage boundaries ({error}). Remedy: {REMEDY}") from error
    wrong = np.flatnonzero((np.diff(boundaries, axis=1) <= 0).any(axis=1))
    return [f"dive {row + 1}: stage boundaries {boundaries[row].tolist()} do not increase" for row in wrong]


def corresponding_dives(dives: UnlvDive, annotations: Mapping[Key, Mapping[str, Any]]) -> dict[int, Key]:
    """MTL-AQA's key of each UNLV-Dive number, found by aligning the two sequences of (score, difficulty).

    The sequences run in the order of the competition. An alignment is needed because MTL-AQA has dives that UNLV-Dive left
    out; a run that differs on one side only in a misprinted label (one dive for one) is taken as the same dive.
    """
    ordered = dives.table.sort_values("sample")
    labels = list(zip(ordered["score"].round(2), ordered["difficulty"], strict=True))
    found, first = {}, 0
    for event, count in EVENTS:
        keys = sorted(key for key in annotations if key[0] == event)
        theirs = [(annotations[key]["final_score"], annotations[key]["difficulty"]) for key in keys]
        blocks = SequenceMatcher(None, labels[first : first + count], theirs, autojunk=False).get_opcodes()
        for kind, start, end, their_start, their_end in blocks:
            if kind == "equal" or (kind == "replace" and end - start == their_end - their_start == 1):
                pairs = zip(range(start, end), keys[their_start:their_end], strict=True)
                found.update({first + number + 1: key for number, key in pairs})
        first += count
    return found


def split_findings(
    dives: UnlvDive, annotations: Mapping[Key, Mapping[str, Any]], split: Mapping[str, list[Key]]
) -> list[str]:
    """How far MTL-AQA's `UNLV_Dive_split_4` names the dives of the S3D authors' split."""
    found = corresponding_dives(dives, annotations)
    findings = []
    for name, keys in split.items():
        numbers = dives.table.loc[dives.table["split"] == name, "sample"].astype(int)
        ours = {found[number] for number in numbers if number in found}
        findings.append(
            f"MTL-AQA's UNLV_Dive_split_4 {name}: {len(set(keys) - ours)} of {len(keys)} keys are not dives of the S3D authors' "
            f"{name} split ({len(found)} of {len(dives.table)} UNLV-Dive numbers found in MTL-AQA)"
        )
        findings += [
            f"MTL-AQA's UNLV_Dive_split_4 {name}: {sample_name(key)} has no annotation"
            for key in sorted(set(keys) - set(annotations))
        ]
    test_in_train = {
        found[int(number)]
        for number in dives.table.loc[dives.table["split"] == "train", "sample"]
        if int(number) in found
    }
    shared = set(split["test"]) & test_in_train
    findings.append(
        f"MTL-AQA's UNLV_Dive_split_4: {len(shared)} of its test keys are training dives of the S3D authors"
    )
    return findings
