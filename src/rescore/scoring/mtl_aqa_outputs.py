"""What the MTL-AQA members and baselines wrote (predictions, classes, captions), checked and ready to be scored.

Everything wrong with the files is named together; nothing is dropped, filled in or averaged away.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table
from rescore.experiments.mtl_aqa_members import VALIDATED, is_member, split_training_set
from rescore.scoring.aqa7 import Block, blocks_of, correlations
from rescore.scoring.predictions import (
    COLUMNS,
    KEY,
    number_problems,
    row_names,
    sample_problems,
    seed_problems,
    shown,
    target_problems,
    value_problems,
)

CLASS_COLUMNS = (*KEY[:3], "dataset", "sample", "split", "subaction", "target", "predicted")
CAPTION_COLUMNS = (*KEY[:3], "dataset", "sample", "split", "target", "predicted")
SPLITS = ("test", "validation")
REMEDY = "delete the member's folder and run the workflow again."


@dataclass(frozen=True)
class Labels:
    """Which classes a member named rightly, on one split."""

    iterations: np.ndarray
    samples: np.ndarray
    """(seeds, n) names."""
    right: dict[str, np.ndarray]
    """By sub-action: (seeds, iterations, n) bool."""
    numbers: tuple[int, ...] = ()
    """The seeds: numbers of the trainings, ascending."""


Said = tuple[np.ndarray, list[str], list[str]]
"""Samples with commentary, their commentary, and what a seed said at one iteration."""


@dataclass
class Outputs:
    """By member and split (`test`, `validation`)."""

    scores: dict[tuple[str, str], Block] = field(default_factory=dict)
    labels: dict[tuple[str, str], Labels] = field(default_factory=dict)
    captions: dict[str, dict[int, dict[int, Said]]] = field(default_factory=dict)
    """By member, seed and iteration; test dives only."""

    @property
    def members(self) -> set[str]:
        return {member for member, _ in (*self.scores, *self.labels)} | set(self.captions)

    def numbers(self, member: str) -> tuple[int, ...]:
        """Numbers of a member's trainings, ascending."""
        if (known := self.scores.get((member, "test")) or self.labels.get((member, "test"))) is not None:
            return known.numbers
        return tuple(sorted(self.captions[member]))

    def last(self, member: str) -> np.ndarray:
        """(seeds,) the last iteration."""
        if (known := self.scores.get((member, "test")) or self.labels.get((member, "test"))) is not None:
            return np.full(len(known.samples), known.iterations[-1])
        return np.array([max(said) for said in self.captions[member].values()])

    def criterion(self, member: str, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Iterations, and (seeds, iterations) rho, or mean accuracy where the member predicts no score; empty without either."""
        if (member, split) in self.scores:
            return self.scores[member, split].iterations, correlations(self.scores[member, split])
        if (member, split) in self.labels:
            labels = self.labels[member, split]
            return labels.iterations, np.mean([right.mean(axis=2) for right in labels.right.values()], axis=0)
        return np.empty(0, int), np.empty((0, 0))

    def scores_at(self, member: str, iterations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Samples, targets and predictions (seeds, n) of the test dives, each seed at its iteration."""
        block = self.scores[member, "test"]
        index = np.searchsorted(block.iterations, iterations)
        return block.samples, block.target, block.predicted[np.arange(len(index)), index]

    def right_at(self, member: str, subaction: str, iterations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Samples and whether the class is right (seeds, n) float, of the test dives, each seed at its iteration."""
        labels = self.labels[member, "test"]
        index = np.searchsorted(labels.iterations, iterations)
        return labels.samples, labels.right[subaction][np.arange(len(index)), index].astype(float)

    def captions_at(self, member: str, iterations: np.ndarray | None) -> list[Said] | None:
        """What each seed said at its iteration; None where that was not kept."""
        seeds = self.captions.get(member, {})
        if iterations is None or len(seeds) != len(iterations):
            return None
        said = [seeds[seed].get(int(at)) for seed, at in zip(sorted(seeds), iterations, strict=True)]
        return None if any(entry is None for entry in said) else [entry for entry in said if entry is not None]


def read_outputs(
    members: Sequence[str],
    predictions: Sequence[Path],
    classes: Sequence[Path],
    captions: Sequence[Path],
    rows: pd.DataFrame,
    splits: pd.DataFrame,
    settings: Mapping[str, Any],
) -> Outputs:
    """Read and check files of several members and of the baselines; members that are not asked for are left out.

    Args:
        members: trained members that must be there; their `_validated` twins may be.
        predictions, classes, captions: files of the contract's three forms.
        rows: the data set's samples (`sample, action, score, caption`).
        splits: `training_set, sample, split`.
        settings: the counts of trainings (`experiments.trainings`).

    Raises:
        RescoreError: columns, members, seeds or samples are missing, rows are duplicated, values are NaN, infinite or empty, or
            targets are not the data set's: all of them together.
    """
    expected = expected_samples(rows, splits)
    scored = read_parts(predictions, COLUMNS, members, rows)
    labelled = read_parts(classes, CLASS_COLUMNS, members, rows)
    spoken = read_parts(captions, CAPTION_COLUMNS, members, rows)
    problems = [
        *presence_problems(members, scored, labelled, spoken, classes, captions),
        *prediction_problems(scored, rows, expected, settings),
        *label_problems(labelled, ["subaction"], expected, settings),
        *class_problems(labelled),
        *label_problems(spoken, [], with_commentary(expected, rows), settings, empty=True),
    ]
    raise_together("the files of MTL-AQA's members cannot be scored", problems, REMEDY)
    return outputs_of(scored, labelled, spoken, rows)


def outputs_of(scored: pd.DataFrame, labelled: pd.DataFrame, spoken: pd.DataFrame, rows: pd.DataFrame) -> Outputs:
    """Checked predictions, classes and captions as arrays; members with one action each."""
    outputs = Outputs()
    for split in SPLITS:
        part = scored[scored["split"] == split].sort_values(KEY)
        outputs.scores |= {(member, split): block for (member, _), block in blocks_of(part).items()}
        part = labelled[labelled["split"] == split].sort_values(KEY)
        outputs.labels |= {(str(member), split): labels_of(group) for member, group in part.groupby("member")}
    outputs.captions = said_by(spoken[spoken["split"] == "test"], rows)
    return outputs


def training_set_of(member: str) -> str:
    """`1059` of `c3d_avg/score/1059_validated` and of `label_only/1059`."""
    return split_training_set(member.rpartition("/")[2])[0]


def read_parts(
    paths: Sequence[Path], columns: Sequence[str], members: Sequence[str], rows: pd.DataFrame
) -> pd.DataFrame:
    """The files as one table: members asked for, their twins, and baselines on the samples that the data set kept.

    Raises:
        RescoreError: a file is missing or damaged, or lacks columns.
    """
    tables, problems = [pd.DataFrame(columns=list(columns))], []
    for path in paths:
        table = read_table(path)
        absent = [name for name in columns if name not in table.columns]
        problems += [f"{path}: no column '{name}'" for name in absent]
        if not absent:
            tables.append(table[list(columns)])
    raise_together("the files of MTL-AQA's members have another form", problems, REMEDY)
    wanted = {*members, *(member + VALIDATED for member in members)}
    table = pd.concat([part for part in tables if len(part)] or tables[:1], ignore_index=True)
    trained = table["member"].astype(str).map(is_member).astype(bool)
    asked, kept = table["member"].isin(wanted), table["sample"].isin(rows["sample"])
    return table[(trained & asked) | (~trained & kept)].reset_index(drop=True)


def expected_samples(rows: pd.DataFrame, splits: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows (`sample, action`) of each training set and split that the data set kept."""
    known = rows[["sample", "action"]].merge(splits[["training_set", "sample", "split"]], on="sample")
    return {(str(name), str(split)): part for (name, split), part in known.groupby(["training_set", "split"])}


def with_commentary(
    expected: Mapping[tuple[str, str], pd.DataFrame], rows: pd.DataFrame
) -> dict[tuple[str, str], pd.DataFrame]:
    """The expected rows that have a commentary to be held against."""
    spoken = set(commentary(rows).index)
    return {key: part[part["sample"].isin(spoken)] for key, part in expected.items()}


def commentary(rows: pd.DataFrame) -> pd.Series:
    """Commentary by sample, of the samples that have one."""
    if "caption" not in rows:
        return pd.Series(dtype=str)
    texts = rows.set_index("sample")["caption"].fillna("").astype(str)
    return texts[texts.str.strip() != ""]


def presence_problems(
    members: Iterable[str],
    scored: pd.DataFrame,
    labelled: pd.DataFrame,
    spoken: pd.DataFrame,
    classes: Sequence[Path],
    captions: Sequence[Path],
) -> Iterator[str]:
    """Members without the files that their tasks promise; classes and captions only where any were given."""
    for member in members:
        tasks = member.split("/")[1].split("_")
        for task, table, given in (
            ("score", scored, True),
            ("classes", labelled, classes),
            ("caption", spoken, captions),
        ):
            if task in tasks and given and not (table["member"] == member).any():
                yield f"{member}: no {'predictions' if task == 'score' else task}"


def prediction_problems(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    expected: Mapping[tuple[str, str], pd.DataFrame],
    settings: Mapping[str, Any],
) -> Iterator[str]:
    """What is wrong with predicted scores."""
    yield from value_problems(table)
    yield from target_problems(table, rows)
    yield from seed_problems(table, settings)
    yield from missing_samples(table, expected)


def label_problems(
    table: pd.DataFrame,
    more_key: list[str],
    expected: Mapping[tuple[str, str], pd.DataFrame],
    settings: Mapping[str, Any],
    empty: bool = False,
) -> Iterator[str]:
    """What is wrong with predicted classes or captions; an `empty` caption is allowed, an empty class is not."""
    nothing = table["predicted"].isna() if empty else table["predicted"].isna() | (table["predicted"].astype(str) == "")
    if nothing.any():
        yield f"{nothing.sum()} predicted values are empty: {row_names(table, nothing)}"
    twice = table.duplicated([*KEY, *more_key], keep="first")
    if twice.any():
        yield f"{twice.sum()} duplicate rows: {row_names(table, twice)}"
    for member, group in table.groupby("member", sort=True):
        yield from number_problems(str(member), group, settings)
    for _, part in table.groupby(more_key) if more_key else [("", table)]:
        yield from missing_samples(part, expected)


def class_problems(table: pd.DataFrame) -> Iterator[str]:
    """Dives whose true class is not the same in every file."""
    truths = table.groupby(["sample", "subaction"])["target"].nunique()
    disputed = [f"{sample} ({subaction})" for (sample, subaction) in truths[truths > 1].index]
    if disputed:
        yield f"{len(disputed)} true classes differ between files: {shown(disputed)}"


def missing_samples(table: pd.DataFrame, expected: Mapping[tuple[str, str], pd.DataFrame]) -> Iterator[str]:
    """Samples of a member's split that it did not predict, at any seed and iteration."""
    for (member, split), group in table.groupby(["member", "split"], sort=True):
        known = expected.get((training_set_of(str(member)), str(split)))
        if known is None:
            yield f"{member}: predictions of the split {split}, which its training set does not have"
        else:
            yield from sample_problems(group.assign(action="diving"), known.assign(action="diving", split="test"), None)


def labels_of(group: pd.DataFrame) -> Labels:
    """Checked classes of one member and split (sorted by seed, iteration, sample) as arrays."""
    seeds, iterations = group["seed"].nunique(), np.sort(group["iteration"].unique())
    shape = (seeds, len(iterations), -1)
    right = {
        str(subaction): (part["target"].astype(str) == part["predicted"].astype(str)).to_numpy().reshape(shape)
        for subaction, part in group.groupby("subaction", sort=False)
    }
    first = group[group["subaction"] == group["subaction"].iloc[0]]
    numbers = tuple(int(seed) for seed in np.sort(group["seed"].unique()))
    return Labels(iterations, first["sample"].to_numpy(dtype=object).reshape(shape)[:, 0], right, numbers)


def said_by(table: pd.DataFrame, rows: pd.DataFrame) -> dict[str, dict[int, dict[int, Said]]]:
    """Captions by member, seed and iteration, beside the data set's own commentary, which no vocabulary has cut."""
    texts = commentary(rows)
    found: dict[str, dict[int, dict[int, Said]]] = {}
    known = table[table["sample"].isin(texts.index)].sort_values(KEY)
    for _, group in known.groupby(["member", "seed", "iteration"]):
        first, samples = group.iloc[0], group["sample"].to_numpy(dtype=object)
        said = (samples, texts[samples].tolist(), group["predicted"].astype(str).tolist())
        found.setdefault(str(first["member"]), {}).setdefault(int(first["seed"]), {})[int(first["iteration"])] = said
    return found
