"""What MTL-AQA's systems on frozen C3D features share: C3D-SVR, C3D-LSTM, its incremental labels, C3D-LSTM-SVR.

    features/mtl_aqa ─► dives: rows by training set ─► one of the four systems ─► predictions, checkpoint

Each has a member for the whole training set and one for UNLV-Dive's, the two columns of Table 7 (What and How Well You
Performed?). The systems are those of Parmar and Morris, Learning to Score Olympic Events (CVPRW 2017); LSTMs train as AQA-7's do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.systems.common.dives import (
    ROW_COLUMNS,
    SPLIT_COLUMNS,
    read_columns,
    read_dropped,
    read_split,
    score_problems,
)
from rescore.systems.common.repetition import network_seeds
from rescore.systems.common.samples import Samples, open_samples, prediction_rows
from rescore.systems.common.support_vector import SupportVectorModel
from rescore.systems.common.training_sets import UNLV_DIVE, WHOLE
from rescore.training.members import Member, TrainedMember, train_members
from rescore.training.restart import Restarts

TRAINING_SETS = (WHOLE, UNLV_DIVE)
CHOSEN_COLUMNS = ("member", "seed", "kernel", "c", "epsilon", "correlation")


@dataclass(frozen=True)
class Dives:
    """MTL-AQA's features, and which dives each training set trains, validates and tests on."""

    samples: Samples
    splits: Mapping[str, Mapping[str, np.ndarray]]
    """Training set -> train, validation, test -> row numbers, ascending. What a training set learns from, it is not
    validated on."""
    test_offset: int
    """The temporal copy that is the unshifted dive."""

    def train(self, training_set: str) -> np.ndarray:
        return self.splits[training_set]["train"]

    def evaluated(self, training_set: str) -> np.ndarray:
        """Test dives, then validation dives."""
        return np.concatenate([self.splits[training_set][split] for split in ("test", "validation")])

    def features(self, training: int, rows: np.ndarray) -> np.ndarray:
        """(row, clip, width) of unshifted dives, by a training's backbone."""
        return self.samples.features_of(training)[rows, self.test_offset]

    def score_sd(self, training_set: str) -> float:
        """Standard deviation of the training scores in points (the population's, as for AQA-7): the unit of training."""
        return float(self.samples.scores(self.train(training_set)).std())

    def sds(self, training_set: str) -> dict[str, float]:
        """`score_sd` for each action of the table: MTL-AQA's dives are one."""
        return dict.fromkeys(map(str, self.samples.rows["action"].unique()), self.score_sd(training_set))


@dataclass(frozen=True)
class FeatureFiles:
    """MTL-AQA's dives as features of frozen networks."""

    features: list[Path]
    """.npy, float16 (sample, 2 shift + 1, clip, width), of every backbone that the trainings rest on, in the order of
    `repetition.backbones`."""
    rows: Path
    """.parquet, their common table."""
    splits: Path
    """Table `training_set, sample, split`."""
    dropped: Path | None = None
    """Table of the samples whose videos could not be read; no others may be absent."""


def read_dives(files: FeatureFiles, settings: Mapping[str, Any]) -> Dives:
    """Read and check what the systems train on.

    Args:
        files: where it is.
        settings: `multitask.clips.shift`, `first_training`, `multitask.seeds`, `backbone.weights`.

    Raises:
        RescoreError: files that are missing, damaged or do not belong together, or samples that cannot be learned; all bad
            samples of a file together.
    """
    table = read_columns(files.rows, ROW_COLUMNS).reset_index(drop=True)
    listed, absent = read_columns(files.splits, SPLIT_COLUMNS), read_dropped(files.dropped)
    chosen, problems = {}, []
    for name in TRAINING_SETS:
        chosen[name], wrong = read_split(listed, table, name, absent)
        problems += [f"training set {name}: {problem}" for problem in wrong]
    raise_together(
        f"{files.splits}: splits that do not fit {files.rows}",
        problems,
        "run the steps that write splits and clips again.",
    )
    used = np.unique(np.concatenate([part for parts in chosen.values() for part in parts.values()]))
    problems = score_problems(table, used)
    problems += [
        f"training set {name}: all training scores are equal, so they cannot be scaled by their standard deviation"
        for name, parts in chosen.items()
        if table["score"].loc[parts["train"]].nunique() == 1
    ]
    raise_together(f"{files.rows}: samples that cannot be learned", problems, "mend the annotations and run again.")
    samples = open_samples(files.features, files.rows, table, network_seeds(settings), settings)
    shift = settings["multitask"]["clips"]["shift"]
    offsets = samples.features.shape[1]
    problems = [f"{offsets} temporal offsets for a shift of {shift} frames"] if offsets != 2 * shift + 1 else []
    raise_together(
        f"{files.features[0]}: features of other settings", problems, "delete it and compute the features again."
    )
    return Dives(samples, chosen, shift)


def member_rows(
    system: str, dives: Dives, training_set: str, seed: int, iteration: int, predicted: np.ndarray
) -> pd.DataFrame:
    """Rows of the predictions contract for one member's evaluated dives (points); `split` is the role in the experiment."""
    rows = dives.evaluated(training_set)
    table = prediction_rows(system, dives.samples, f"{system}/{training_set}", seed, iteration, rows, predicted)
    tested = len(dives.splits[training_set]["test"])
    return table.assign(split=["test"] * tested + ["validation"] * (len(rows) - tested))


def lstm_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The `lstm` section with what `frozen_features` says of its training on MTL-AQA."""
    return {**settings["lstm"], **settings["frozen_features"]["lstm"]}


def train_lstms(
    system: str, dives: Dives, settings: Mapping[str, Any], restart: Path, shares: np.ndarray | None = None
) -> list[TrainedMember]:
    """Train a system's LSTMs, one a training set and seed, all in one stack.

    Args:
        system: its name, the first part of its members'.
        settings: `lstm`, `frozen_features.lstm`, `first_training` and `multitask.seeds`.
        restart: directory of restart points.
        shares: (clips,), each clip's label as a share of the score; None: the last clip alone has a label.
    """
    members = [
        Member(
            f"{system}/{name}",
            seed,
            dives.train(name),
            dives.samples.scores(dives.train(name)) / dives.score_sd(name),
            dives.evaluated(name),
            first_row=dives.samples.first_row(seed),
        )
        for name in TRAINING_SETS
        for seed in network_seeds(settings)
    ]
    return train_members(
        dives.samples.features,
        members,
        lstm_settings(settings),
        dives.test_offset,
        restarts=Restarts(restart, dives.samples.data_hash),
        shares=shares,
    )


def training_set_of(member: Member) -> str:
    """`c3d_lstm/1059` -> `1059`."""
    return member.name.partition("/")[2]


def lstm_rows(system: str, dives: Dives, trained: Sequence[TrainedMember]) -> pd.DataFrame:
    """Predictions of all members at every evaluated iteration, in points."""
    return pd.concat(iterate_rows(system, dives, trained), ignore_index=True)


def iterate_rows(system: str, dives: Dives, trained: Sequence[TrainedMember]) -> Iterator[pd.DataFrame]:
    for result in trained:
        name = training_set_of(result.member)
        for iteration, predicted in sorted(result.predictions.items()):
            points = predicted.astype(np.float64) * dives.score_sd(name)
            yield member_rows(system, dives, name, result.member.seed, iteration, points)


def chosen_row(member: str, seed: int, model: SupportVectorModel) -> dict[str, Any]:
    """What cross-validation inside the training set chose for a support vector regression: a row of `chosen.csv`."""
    return {"member": member, "seed": seed, **model.best_params, "correlation": model.best_score}
