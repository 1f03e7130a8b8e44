"""MTL-AQA's dives as networks read them from clips, and the rows that their predictions become.

clip store, its table, splits, vocabulary ─► Dives (checked) ─► training.end_to_end ─► predictions, classes, captions
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table
from rescore.manifests.contract import HIGHEST_SCORE, class_name
from rescore.models.losses import DIVE_CLASSES, EOS, SOS
from rescore.models.preprocess import open_clips
from rescore.systems.common.samples import PREDICTION_COLUMNS
from rescore.systems.common.training_sets import split_training_set
from rescore.training.end_to_end import Dives, Progress

ROW_COLUMNS = ("dataset", "sample", "action", "score")
SPLIT_COLUMNS = ("training_set", "sample", "split")
CLASS_COLUMNS = (
    *("experiment", "member", "seed", "iteration"),
    *("dataset", "sample", "split", "subaction", "target", "predicted"),
)
CAPTION_COLUMNS = tuple(column for column in CLASS_COLUMNS if column != "subaction")
MARKERS = ["<eos>", "<sos>"]


@dataclass(frozen=True, kw_only=True)
class DiveFiles:
    """MTL-AQA's dives as clips."""

    clips: Path
    """The store that the network reads: `mtl_aqa.npy`, or MSCADC's `mtl_aqa_wide.npy`."""
    rows: Path
    """Its table."""
    splits: Path
    """Table `training_set, sample, split` (train, validation, test)."""
    dropped: Path | None = None
    """Table of the samples that the store lacks because their videos could not be read; no others may be absent."""


@dataclass(frozen=True, kw_only=True)
class BodyFiles(DiveFiles):
    """Dives, and what a network's body starts from."""

    backbone: Path | None = None
    """Weights of the body: this workflow's C3D, or a converted network of torchvision's; None: ones drawn at random."""


def read_dives(
    files: DiveFiles,
    crop: int,
    tasks: tuple[str, ...],
    training_set: str,
    words: Sequence[str],
    settings: Mapping[str, Any],
) -> tuple[pd.DataFrame, Dives]:
    """What a member reads, checked.

    Args:
        files: where it is.
        crop: pixels, height and width of the store's frames.
        tasks: of `score`, `classes`, `caption`.
        training_set: of the splits; with `_validated` without the validation dives.
        words: the vocabulary by token; read where captions are learned.
        settings: the `multitask` section of params.yaml.

    Returns:
        The store's table and the dives.

    Raises:
        RescoreError: everything that is wrong with the samples that the member uses, together.
    """
    table = read_columns(files.rows, ROW_COLUMNS).reset_index(drop=True)
    chosen, problems = read_split(
        read_columns(files.splits, SPLIT_COLUMNS), table, training_set, read_dropped(files.dropped)
    )
    raise_together(
        f"{files.splits}: training set {training_set}", problems, "run the steps that write splits and clips again."
    )
    frames = settings["clips"]["frames"] + 2 * settings["clips"]["shift"]
    store = open_clips(files.clips, (len(table), frames, crop, crop, 3))

    used = np.unique(np.concatenate(list(chosen.values())))
    points = table["score"].to_numpy(np.float64)
    targets: dict[str, Tensor] = {}
    problems = []
    if "score" in tasks:
        problems += score_problems(table, used)
        targets["score"] = torch.from_numpy((points / settings["score_scale"]).astype(np.float32))
    if "classes" in tasks:
        labels, wrong = read_labels(table, used)
        targets, problems = targets | labels, problems + wrong
    if "caption" in tasks:
        targets["caption"], wrong = read_captions(table, used, chosen["train"], words, settings["caption_tokens"])
        problems += wrong
    raise_together(
        f"{files.rows}: samples that cannot be learned",
        problems,
        "mend the annotations or the vocabulary and run again.",
    )
    return table, Dives(store, points, targets, chosen["train"], chosen["test"], chosen["validation"])


def read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table that has these columns."""
    table = read_table(path)
    missing = [column for column in columns if column not in table]
    raise_together(f"{path}: columns are missing", missing, "run the step that writes it again.")
    return table


def read_dropped(path: Path | None) -> set[str]:
    """Samples without a readable video; none where there is no table."""
    return set() if path is None else set(read_columns(path, ("sample",))["sample"].astype(str))


def read_split(
    splits: pd.DataFrame, table: pd.DataFrame, training_set: str, dropped: set[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Row numbers by split, ascending, and what is wrong, a sentence each.

    A validation dive that is also in `train` is held out only of a training set with `_validated`; else the member learns from
    it, and it does not stand under `validation`.
    """
    name, held_out = split_training_set(training_set)
    mine = splits[splits["training_set"].astype(str) == name]
    by_split = {
        split: list(dict.fromkeys(mine.loc[mine["split"] == split, "sample"].astype(str)))
        for split in ("train", "validation", "test")
    }
    validation = set(by_split["validation"])
    if held_out:
        by_split["train"] = [sample for sample in by_split["train"] if sample not in validation]
    else:
        learned = set(by_split["train"])
        by_split["validation"] = [sample for sample in by_split["validation"] if sample not in learned]
    place = {str(sample): row for row, sample in enumerate(table["sample"])}
    problems = [
        f"{sample} ({split}) is not among the clips"
        for split, samples in by_split.items()
        for sample in samples
        if sample not in place and sample not in dropped
    ]
    chosen = {
        split: np.array(sorted(place[sample] for sample in samples if sample in place), np.int64)
        for split, samples in by_split.items()
    }
    if not problems:
        needed = ("train", "test", "validation") if held_out else ("train", "test")
        problems = [f"no {split} samples" for split in needed if not len(chosen[split])]
    return chosen, problems


def score_problems(table: pd.DataFrame, used: np.ndarray) -> list[str]:
    scores = table["score"].to_numpy(np.float64)
    return [
        f"row {row} ({table['sample'][row]}): score {scores[row]:g} is not between 0 and {HIGHEST_SCORE:g} points"
        for row in used
        if not 0 <= scores[row] <= HIGHEST_SCORE  # NaN neither
    ]


def read_labels(table: pd.DataFrame, used: np.ndarray) -> tuple[dict[str, Tensor], list[str]]:
    """Class numbers (samples,) by sub-action, and what is wrong, a sentence each. Rows that nobody uses may have any class."""
    labels, problems = {}, []
    for name, count in DIVE_CLASSES.items():
        if name not in table:
            problems.append(f"column {name} is missing")
            continue
        numbers = {class_name(name, number): number for number in range(count)}
        found = np.array([numbers.get(class_text(name, value), -1) for value in table[name]], np.int64)
        problems += [
            f"row {row} ({table['sample'][row]}): {name} {table[name][row]} is none of {', '.join(numbers)}"
            for row in used
            if found[row] < 0
        ]
        labels[name] = torch.from_numpy(found)
    return labels, problems


def class_text(name: str, value: Any) -> str:
    """A manifest's value as `class_name` spells it; empty for a missing one."""
    if pd.isna(value):
        return ""
    if name == "armstand":
        return "yes" if value else "no"
    return f"{value:g}" if name in ("somersaults", "twists") else str(value)


def read_vocabulary(path: Path) -> list[str]:
    """Words by token.

    Raises:
        RescoreError: the file is missing or no list of different words that starts with <eos> and <sos>.
    """
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run the step that writes it (`rescore plan` names it).") from error
    except ValueError as error:
        raise RescoreError(f"{path}: not JSON ({error}). Delete it and run again.") from error
    listed = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if not listed or words[:2] != MARKERS or len(set(words)) != len(words):
        raise RescoreError(f"{path}: not a list of different words with {MARKERS} first. Delete it and run again.")
    return words


def read_captions(
    table: pd.DataFrame, used: np.ndarray, train: np.ndarray, words: Sequence[str], tokens: int
) -> tuple[Tensor, list[str]]:
    """Captions to learn from, (samples, tokens) int64, and what is wrong, a sentence each.

    <sos>, words, <eos>, then padding with <eos>; a longer caption is cut and its last token is <eos> (released code). Only
    training dives are encoded: of the others no network sees a word.
    """
    number = {word: token for token, word in enumerate(words)}
    encoded = torch.full((len(table), tokens), EOS, dtype=torch.long)
    if "caption" not in table:
        return encoded, ["column caption is missing"]
    said = [str(text).split() if isinstance(text, str) else [] for text in table["caption"]]
    problems = [f"row {row} ({table['sample'][row]}): the caption is empty" for row in used if not said[row]]
    for row in train:
        unknown = sorted({word for word in said[row] if word not in number})
        if unknown:
            problems.append(
                f"row {row} ({table['sample'][row]}): {', '.join(map(repr, unknown))} not in the vocabulary"
            )
            continue
        caption = [SOS, *(number[word] for word in said[row])][: tokens - 1]
        encoded[row, : len(caption)] = torch.tensor(caption)
    return encoded, problems


def evaluated(table: pd.DataFrame, dives: Dives, about: Mapping[str, Any]) -> pd.DataFrame:
    """What tables of predictions say of every evaluated dive, test before validation; `split` is the role in the experiment."""
    rows = np.concatenate([dives.test, dives.validation])
    split = ["test"] * len(dives.test) + ["validation"] * len(dives.validation)
    return table.loc[rows].reset_index(drop=True).assign(**about, split=split)


def by_epoch(tables: Sequence[pd.DataFrame], columns: Sequence[str], like: pd.DataFrame) -> pd.DataFrame:
    """Tables one below the other; without any, no rows of the same columns and types."""
    return pd.concat(tables, ignore_index=True)[list(columns)] if tables else like.iloc[:0][list(columns)]


def score_rows(
    table: pd.DataFrame, dives: Dives, progress: Progress, about: Mapping[str, Any], scale: float
) -> pd.DataFrame:
    """Rows of the predictions contract."""
    base = evaluated(table, dives, about).assign(iteration=0, unit="points", predicted=0.0)
    base = base.assign(target=base["score"].astype(np.float64))
    tables = [
        base.assign(iteration=epoch, predicted=scores.astype(np.float64) * scale)
        for epoch, scores in enumerate(progress.scores, start=1)
    ]
    return by_epoch(tables, PREDICTION_COLUMNS, base)


def class_rows(table: pd.DataFrame, dives: Dives, progress: Progress, about: Mapping[str, Any]) -> pd.DataFrame:
    """True and predicted classes in words, a row a dive and sub-action."""
    base = evaluated(table, dives, about).assign(iteration=0, subaction="", target="", predicted="")
    tables = []
    for epoch, found in enumerate(progress.classes, start=1):
        for index, (name, count) in enumerate(DIVE_CLASSES.items()):
            names = np.array([class_name(name, number) for number in range(count)], object)
            target = [class_text(name, value) for value in base[name]]
            tables.append(base.assign(iteration=epoch, subaction=name, target=target, predicted=names[found[:, index]]))
    return by_epoch(tables, CLASS_COLUMNS, base)


def caption_rows(
    table: pd.DataFrame, dives: Dives, progress: Progress, about: Mapping[str, Any], words: Sequence[str]
) -> pd.DataFrame:
    """True and predicted captions of the test dives, words separated by spaces."""
    base = evaluated(table, dives, about)
    base = base[base["split"] == "test"].assign(iteration=0, target="", predicted="")
    tables = []
    for epoch, tokens in sorted(progress.captions.items()):
        said = [" ".join(words[token] for token in itertools.takewhile(lambda t: t != EOS, row)) for row in tokens]
        tables.append(base.assign(iteration=epoch, target=base["caption"].astype(str), predicted=said))
    return by_epoch(tables, CAPTION_COLUMNS, base)
