"""What members and baselines wrote (predictions, classes, captions), checked and ready to be scored.

Everything wrong with the files is named together; nothing is dropped, filled in or averaged away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table
from rescore.scoring.caption_metrics import METRICS
from rescore.scoring.correlation import spearman
from rescore.scoring.papers import SCORE, Block, Cell, Settings, Table, setting_of
from rescore.scoring.predictions import (
    COLUMNS,
    KEY,
    form_problems,
    number_problems,
    row_names,
    sample_problems,
    seed_problems,
    shown,
    target_problems,
    value_problems,
)
from rescore.systems.common.training_sets import VALIDATED, split_training_set

CLASS_COLUMNS = (*KEY[:3], "dataset", "sample", "split", "subaction", "target", "predicted")
CAPTION_COLUMNS = (*KEY[:3], "dataset", "sample", "split", "target", "predicted")
SPLITS = ("test", "validation")
REMEDY = (
    "members that are not there: mend papers/<paper>/paper.yaml, or run the experiments that write them; damaged files are"
    " written anew when they are deleted."
)


@dataclass(frozen=True)
class Predicted:
    """Predictions of one member on one action."""

    iterations: np.ndarray
    samples: np.ndarray
    """(seeds, n) names."""
    target: np.ndarray
    """(seeds, n) points."""
    predicted: np.ndarray
    """(seeds, iterations, n) points."""
    numbers: tuple[int, ...] = ()
    """The seeds: numbers of the trainings, ascending; empty where they are not known."""


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
    """What is there of every member."""

    scores: dict[tuple[str, str, str], Predicted] = field(default_factory=dict)
    """By member, action and split (`test`, `validation`)."""
    labels: dict[tuple[str, str], Labels] = field(default_factory=dict)
    """By member and split."""
    captions: dict[str, dict[int, dict[int, Said]]] = field(default_factory=dict)
    """By member, seed and iteration; test dives only."""

    @property
    def members(self) -> set[str]:
        return {key[0] for key in (*self.scores, *self.labels)} | set(self.captions)

    def actions(self, member: str) -> list[str]:
        """The actions that a member was tested on."""
        return [action for name, action, split in self.scores if name == member and split == "test"]

    def first(self, member: str) -> Predicted | Labels | None:
        """Something of a member that has its iterations and trainings."""
        actions = self.actions(member)
        return self.scores[member, actions[0], "test"] if actions else self.labels.get((member, "test"))

    def numbers(self, member: str) -> tuple[int, ...]:
        """Numbers of a member's trainings, ascending."""
        known = self.first(member)
        return tuple(sorted(self.captions[member])) if known is None else known.numbers

    def last(self, member: str) -> np.ndarray:
        """(seeds,) the last iteration."""
        if (known := self.first(member)) is not None:
            return np.full(len(known.samples), known.iterations[-1])
        return np.array([max(said) for said in self.captions[member].values()])

    def criterion(self, member: str, actions: Sequence[str], split: str) -> tuple[np.ndarray, np.ndarray]:
        """What iterations are chosen by: the mean rho over actions, or mean accuracy where a member predicts no score.

        Returns:
            The iterations, and (seeds, iterations) values; empty without either.
        """
        blocks = [found for action in actions if (found := self.scores.get((member, action, split))) is not None]
        if blocks:
            return blocks[0].iterations, np.mean([correlations(block) for block in blocks], axis=0)
        if (member, split) in self.labels:
            labels = self.labels[member, split]
            return labels.iterations, np.mean([right.mean(axis=2) for right in labels.right.values()], axis=0)
        return np.empty(0, int), np.empty((0, 0))

    def scores_at(self, member: str, action: str, iterations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Samples, targets and predictions (seeds, n) of the test samples, each seed at its iteration."""
        block = self.scores[member, action, "test"]
        index = np.searchsorted(block.iterations, iterations)
        return block.samples, block.target, block.predicted[np.arange(len(index)), index]

    def right_at(self, member: str, subaction: str, iterations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Samples and whether the class is right (seeds, n) float, of the test samples, each seed at its iteration."""
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

    def holds(self, cell: Cell) -> bool:
        """Whether what a cell shows is there; a cell that names no action means the one that its member was tested on."""
        if cell.part in METRICS:
            return cell.member in self.captions
        if cell.part != SCORE:
            return (cell.member, "test") in self.labels
        return (cell.member, cell.action, "test") in self.scores if cell.action else len(self.actions(cell.member)) == 1


def blocks_of(table: pd.DataFrame) -> dict[tuple[str, str], Predicted]:
    """Checked predictions (sorted by seed, iteration, sample) as arrays for each member and action."""
    blocks = {}
    for (member, action), group in table.groupby(["member", "action"]):
        seeds, iterations = group["seed"].nunique(), np.sort(group["iteration"].unique())
        shape = (seeds, len(iterations), -1)
        blocks[str(member), str(action)] = Predicted(
            iterations=iterations,
            samples=group["sample"].to_numpy(dtype=object).reshape(shape)[:, 0],
            target=group["target"].to_numpy(dtype=float).reshape(shape)[:, 0],
            predicted=group["predicted"].to_numpy(dtype=float).reshape(shape),
            numbers=tuple(int(seed) for seed in np.sort(group["seed"].unique())),
        )
    return blocks


def correlations(block: Predicted) -> np.ndarray:
    """(seeds, iterations) Spearman's rho on the full test data; NaN where undefined."""
    seeds, iterations, _ = block.predicted.shape
    rho = [[spearman(block.target[s], block.predicted[s, i]).value for i in range(iterations)] for s in range(seeds)]
    return np.array(rho)


@dataclass(frozen=True)
class Files:
    """The files that a table is scored from."""

    predictions: Sequence[Path]
    rows: Sequence[Path] = ()
    """Tables of the data sets' samples; samples that were dropped from them are expected of nobody. None: targets are not held
    against anything."""
    splits: Path | None = None
    """`training_set, sample, split`."""
    classes: Sequence[Path] = ()
    captions: Sequence[Path] = ()


def read_outputs(
    table: Table, blocks: Sequence[Block], files: Files, settings: Settings
) -> tuple[Outputs, list[Block]]:
    """Read and check what fills a table.

    Args:
        table: what it declares of its samples.
        blocks: its blocks.
        files: of the members that the blocks name, and of their twins without the validation samples where there are any.
        settings: the counts of trainings (`systems.trainings`), and those that the table `reads`.

    Returns:
        What was read, and the blocks with the cells that are there, each naming the member and action that fill it.

    Raises:
        RescoreError: columns, members, seeds or samples are missing, rows are duplicated, values are NaN, infinite or empty, or
            targets are not the data set's: all of them together.
    """
    samples = [read_table(path) for path in files.rows]
    splits = None if files.splits is None else read_table(files.splits)
    cells = [cell for block in blocks for cell in block.cells]
    wanted = {name for cell in cells for name in (cell.member, *cell.alternatives)}
    grids = tuple({cell.fields["grid"] for cell in cells if "grid" in cell.fields})
    annotated = {cell.member for block in blocks if block.annotated for cell in block.cells}
    kept = frozenset().union(*(set(rows["sample"]) for rows in samples)) if samples else None
    scored, labelled, spoken = (
        read_parts(table.key, paths, columns, Wanted(wanted, grids, annotated, kept))
        for paths, columns in (
            (files.predictions, COLUMNS),
            (files.classes, CLASS_COLUMNS),
            (files.captions, CAPTION_COLUMNS),
        )
    )
    texts = samples[0] if samples else pd.DataFrame(columns=["sample"])
    problems = [
        *value_problems(scored),
        *seed_problems(scored, settings),
        *data_problems(table, scored, samples, splits, settings),
        *label_problems(labelled, ["subaction"], settings),
        *class_problems(labelled),
        *label_problems(spoken, [], settings, empty=True),
    ]
    if splits is not None:
        expected = expected_samples(texts, splits)
        for _, part in labelled.groupby("subaction"):
            problems += missing_samples(part, expected)
        problems += missing_samples(spoken, with_commentary(expected, texts))
    there = Present.of(scored, labelled, spoken)
    blocks = [replace(block, cells=tuple(there.resolved(cell) for cell in block.cells)) for block in blocks]
    missing = there.missing(blocks)
    raise_together(f"{table.key}: what members wrote cannot be scored", [*missing, *dict.fromkeys(problems)], REMEDY)
    outputs = outputs_of(scored, labelled, spoken, texts)
    return outputs, [replace(block, cells=tuple(filter(outputs.holds, block.cells))) for block in blocks]


@dataclass(frozen=True)
class Present:
    """Which members are there, before anything is made of them."""

    scored: set[tuple[str, str]]
    """Member and action."""
    labelled: set[str]
    spoken: set[str]

    @classmethod
    def of(cls, scored: pd.DataFrame, labelled: pd.DataFrame, spoken: pd.DataFrame) -> "Present":
        tested = scored[scored["split"] == "test"]
        return cls(
            set(zip(tested["member"], tested["action"], strict=True)), set(labelled["member"]), set(spoken["member"])
        )

    def actions(self, member: str) -> list[str]:
        return sorted(action for name, action in self.scored if name == member)

    def resolved(self, cell: Cell) -> Cell:
        """A cell with the first of its members that was predicted, and with the action that it shows."""
        known = {member for member, _ in self.scored} | self.labelled | self.spoken
        member = next((name for name in (cell.member, *cell.alternatives) if name in known), cell.member)
        actions = self.actions(member)
        action = actions[0] if cell.part == SCORE and not cell.action and len(actions) == 1 else cell.action
        return replace(cell, member=member, action=action)

    def has(self, cell: Cell) -> bool:
        if cell.part in METRICS:
            return cell.member in self.spoken
        return (cell.member, cell.action) in self.scored if cell.part == SCORE else cell.member in self.labelled

    def missing(self, blocks: Sequence[Block]) -> Iterator[str]:
        """Cells that nothing fills although they may not be empty, or although others of their row and block are filled."""
        found = dict[str, None]()
        for block in blocks:
            for row in dict.fromkeys(cell.row for cell in block.cells):
                cells = [cell for cell in block.cells if cell.row == row]
                there = [cell for cell in cells if self.has(cell)]
                optional = not there and all(cell.absent is not None for cell in cells)
                found |= dict.fromkeys(self.lack(cell) for cell in cells if not optional and cell not in there)
        yield from found

    def lack(self, cell: Cell) -> str:
        """What is not there of a cell."""
        if cell.part in METRICS:
            return f"{cell.member}: no caption"
        if cell.part != SCORE:
            return f"{cell.member}: no classes"
        tested = self.actions(cell.member)
        return f"{cell.member}: no predictions" + (f" for {cell.action}" if tested and cell.action else "")


def outputs_of(scored: pd.DataFrame, labelled: pd.DataFrame, spoken: pd.DataFrame, rows: pd.DataFrame) -> Outputs:
    """Checked predictions, classes and captions as arrays."""
    outputs = Outputs()
    for split in SPLITS:
        part = scored[scored["split"] == split].sort_values(KEY)
        outputs.scores |= {(*key, split): block for key, block in blocks_of(part).items()}
        part = labelled[labelled["split"] == split].sort_values(KEY)
        outputs.labels |= {(str(member), split): labels_of(group) for member, group in part.groupby("member")}
    outputs.captions = said_by(spoken[spoken["split"] == "test"], rows)
    return outputs


def training_set_of(member: str) -> str:
    """`1059` of `c3d_avg/score/1059_validated` and of `label_only/1059`."""
    return split_training_set(member.rpartition("/")[2])[0]


@dataclass(frozen=True)
class Wanted:
    """Which rows of the files count."""

    members: set[str]
    grids: tuple[str, ...] = ()
    """How the names of members begin of which the best is looked for."""
    annotated: set[str] = field(default_factory=set)
    """Members that predict samples too that the data set did not keep."""
    kept: frozenset[str] | None = None
    """Samples of the data set; None: not known."""

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of the members asked for and of their twins, on test and validation samples."""
        named = self.members | {member + VALIDATED for member in self.members}
        mine = table["member"].isin(named) & table["split"].isin(SPLITS)
        if self.grids:
            mine |= table["member"].str.startswith(self.grids) & table["split"].isin(SPLITS)
        if self.kept is not None and self.annotated:
            mine &= ~table["member"].isin(self.annotated) | table["sample"].isin(self.kept)
        return table[mine]


def read_parts(table: str, paths: Sequence[Path], columns: Sequence[str], wanted: Wanted) -> pd.DataFrame:
    """The files as one table, of the rows that count.

    Args:
        table: whose files they are, for errors.

    Raises:
        RescoreError: a file is missing or damaged, or lacks columns.
    """
    parts, problems = [pd.DataFrame(columns=list(columns))], []
    for path in paths:
        whole = read_table(path)
        absent = [name for name in columns if name not in whole.columns]
        problems += [f"{path}: no column '{name}'" for name in absent]
        if not absent and len(whole) and tuple(columns) == COLUMNS:
            problems += [f"{path}: {problem}" for problem in form_problems(whole)]
        if not absent and len(whole):
            parts.append(wanted.of(whole)[list(columns)])
    raise_together(f"{table}: what members wrote has another form", problems, REMEDY)
    found = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return found.astype(dict.fromkeys(("target", "predicted"), float)) if tuple(columns) == COLUMNS else found


def data_problems(
    table: Table, scored: pd.DataFrame, samples: Sequence[pd.DataFrame], splits: pd.DataFrame | None, settings: Settings
) -> Iterator[str]:
    """Predictions of samples that the data set does not have, with other scores than its own, or that are incomplete."""
    for rows in samples:
        mine = scored
        if len(samples) > 1:
            mine = scored[scored["dataset"].isin(set(rows["dataset"]))]
        yield from target_problems(mine, rows)
        if table.samples == "test":
            yield from sample_problems(mine[mine["split"] == "test"], rows, None)
    if table.samples == "training_set" and splits is not None and samples:
        yield from missing_samples(scored, expected_samples(samples[0], splits))
    if table.samples == "drawn":
        yield from drawn_problems(scored, table, settings)


def drawn_problems(scored: pd.DataFrame, table: Table, settings: Settings) -> Iterator[str]:
    """Trainings whose draws have another number of samples than declared; where nothing is declared, members of one
    evaluation (the second part of their names) that saw other samples than the rest."""
    if "drawn" in table.declared:
        yield from sample_problems(scored, scored, int(setting_of(settings, table.declared["drawn"])))
        return
    evaluation = scored["member"].str.split("/").str[1]
    for (name, seed), part in scored.groupby([evaluation, "seed"], sort=True):
        sets = part.groupby("member")["sample"].agg(frozenset)
        if odd := [str(member) for member, names in sets.items() if names != sets.iloc[0]]:
            yield f"{name}, seed {seed}: other samples than {sets.index[0]}: {shown(odd)}"
    sizes = scored.groupby([evaluation, "seed", "member"])["sample"].nunique().groupby(level=0).nunique()
    yield from (f"{name}: not the same number of samples in all seeds" for name, count in sizes.items() if count > 1)


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


def label_problems(
    table: pd.DataFrame, more_key: list[str], settings: Mapping[str, Any], empty: bool = False
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
