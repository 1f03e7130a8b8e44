"""What the semi-supervised experiments share: the videos of a data set, and which of the training videos are labelled.

A draw orders a pool's training videos at random; the first of them are labelled, so a draw's 10% lie in its 40%. The scores of
the others are never read. Every system sees the same draws, and a draw is a seed of the predictions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table, sha256_file
from rescore.models.device import derived_seed
from rescore.systems.common.repetition import LABELLED, ONCE, Rests, backbone_of, backbones, label_draws

MTL_AQA, GYMNASTICS, UNLV_DIVE = "mtl_aqa", "rhythmic_gymnastics", "unlv_dive"
TRAINING_SET = "1059"
"""The training dives of MTL-AQA that labels are drawn from."""
COLUMNS = ("dataset", "sample", "action", "split", "score")
MINIMUM_LABELLED = 6
"""Fewer labelled videos leave nothing to choose anything by, or to regress on."""


@dataclass(frozen=True)
class Pool:
    """Videos of one kind: labels are drawn from `train`, predictions made for `test`."""

    name: str
    """Last part of a member's name; empty where a data set is one pool."""
    train: np.ndarray
    test: np.ndarray
    """Row numbers."""


@dataclass(frozen=True)
class Videos:
    dataset: str
    rows: pd.DataFrame
    """`dataset, sample, action, split, score` and what else is known, numbered from 0."""
    segments: np.ndarray
    """(sample, T, width) float32, standardised over the training videos of each pool, labelled or not: a table a backbone, one
    after the other."""
    pools: tuple[Pool, ...]
    tables: Mapping[int, int]
    """By draw, the place of its backbone's table among the tables."""
    hashes: dict[str, Any]
    """SHA-256 of the files, of features by number of the backbone."""

    @property
    def scores(self) -> np.ndarray:
        return self.rows["score"].to_numpy(np.float64)

    def first_row(self, draw: int) -> int:
        """Where the segments of a draw's backbone begin."""
        return self.tables[draw] * len(self.rows)

    def means_of(self, draw: int) -> np.ndarray:
        """(sample, width): each video's segments averaged, by a draw's backbone; what regressions on one vector read."""
        first = self.first_row(draw)
        return self.segments[first : first + len(self.rows)].mean(axis=1)


@dataclass(frozen=True)
class Task:
    """One pool, one share of labels, one draw."""

    pool: Pool
    percent: int
    draw: int
    labelled: np.ndarray
    unlabelled: np.ndarray
    """Row numbers, ascending."""
    suffix: str
    """`<data set>/<percent>`, then the pool's name where it has one: a member's name after the system's."""


def read_videos(
    dataset: str, features: Sequence[Path], rows: Path, settings: Mapping[str, Any], splits: Path | None = None
) -> Videos:
    """Stored segment features with their rows.

    Args:
        dataset: `mtl_aqa` or `rhythmic_gymnastics`.
        features: (sample, temporal offset, segment, width), of MTL-AQA one a backbone that the draws rest on, in the order of
            `repetition.backbones`; the first offset is read.
        rows: their common table.
        settings: `first_training`, `semi_supervised.label_draws`, of MTL-AQA `backbone.weights`.
        splits: training sets of MTL-AQA: its whole training set, validation dives included (nothing is chosen on them here).

    Raises:
        RescoreError: files are missing or damaged, do not belong together, or hold what cannot be used (all of it together).
    """
    table, draws = read_rows(rows), label_draws(settings)
    rests = LABELLED[dataset] is Rests.BACKBONE
    known = backbones(draws, settings) if rests else [ONCE]
    if len(known) != len(features):
        raise RescoreError(
            f"{dataset}: {len(features)} files of features for the backbones {', '.join(map(str, known))}: one each expected. "
            "Run the workflow, which names them."
        )
    tables = {draw: known.index(backbone_of(draw, settings)) if rests else 0 for draw in draws}
    segments = [read_segments(path, rows, table) for path in features]
    hashes: dict[str, Any] = {
        "features": {str(number): sha256_file(path) for number, path in zip(known, features, strict=True)},
        "rows": sha256_file(rows),
    }
    if splits is not None:
        hashes["splits"] = sha256_file(splits)
        pools: tuple[Pool, ...] = (pool_of_splits(read_table(splits), table, splits),)
    else:
        pools = tuple(pools_of_actions(table))
    return make_videos(dataset, table, segments, pools, tables, hashes)


def read_segments(features: Path, rows: Path, table: pd.DataFrame) -> np.ndarray:
    """One file of segment features, (sample, T, width) float32; see `read_videos`."""
    try:
        array = np.load(features, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(f"{features}: no such file. Run the step that writes it.") from error
    except (ValueError, OSError, EOFError) as error:
        raise RescoreError(f"{features}: not a readable .npy file ({error}). Delete it and run again.") from error
    if array.ndim != 4 or len(array) != len(table):
        raise RescoreError(
            f"{features}: shape {array.shape} for {len(table)} rows of {rows}; (sample, temporal offset, segment, width) "
            "expected. Delete both and compute the features again."
        )
    return np.asarray(array[:, 0], np.float32)


def make_videos(
    dataset: str,
    table: pd.DataFrame,
    segments: Sequence[np.ndarray],
    pools: tuple[Pool, ...],
    tables: Mapping[int, int],
    hashes: dict[str, Any],
) -> Videos:
    """Videos whose features are checked and standardised.

    Args:
        segments: (sample, T, width) of each backbone.
        tables: by draw, which of these.

    Raises:
        RescoreError: features that are not finite, or a pool without training or test videos.
    """
    bad = [row for each in segments for row in np.flatnonzero(~np.isfinite(each).all(axis=(1, 2)))]
    problems = [f"{table['sample'][row]}: features that are not finite" for row in dict.fromkeys(bad)]
    for pool in pools:
        problems += [
            f"{dataset} {pool.name}: {len(rows)} {split} videos, fewer than {MINIMUM_LABELLED}"
            for split, rows in (("training", pool.train), ("test", pool.test))
            if len(rows) < MINIMUM_LABELLED
        ]
    raise_together(f"{dataset}: videos that no experiment can use", problems, "compute the features again.")
    standardised = np.concatenate([standardise(each, pools) for each in segments])
    return Videos(dataset, table, standardised, pools, tables, hashes)


def standardise(segments: np.ndarray, pools: Sequence[Pool]) -> np.ndarray:
    """(sample, T, width) float32, each feature by its mean and deviation over a pool's training videos."""
    standardised = np.zeros_like(segments, np.float32)
    for pool in pools:
        train = segments[pool.train].astype(np.float64)
        mean, sd = train.mean((0, 1)), train.std((0, 1))
        mine = np.concatenate([pool.train, pool.test])
        standardised[mine] = (segments[mine] - mean) / np.where(sd > 1e-6, sd, 1)  # a constant feature becomes 0
    return standardised


def read_rows(path: Path) -> pd.DataFrame:
    """The table of the features' samples, checked; `RescoreError` names all bad rows together."""
    table = read_table(path).reset_index(drop=True)
    remedy = "delete it and run the step that writes it."
    raise_together(f"{path}: columns are missing", [name for name in COLUMNS if name not in table], remedy)
    checks = (
        ("score is not finite", ~np.isfinite(table["score"].to_numpy(np.float64))),
        ("split is neither train nor test", ~table["split"].isin(["train", "test"]).to_numpy()),
        ("sample appears twice", table.duplicated(["dataset", "sample"]).to_numpy()),
    )
    problems = [f"row {row} ({table['sample'][row]}): {what}" for what, bad in checks for row in np.flatnonzero(bad)]
    raise_together(f"{path}: samples that no experiment can use", problems, remedy)
    return table


def pool_of_splits(splits: pd.DataFrame, table: pd.DataFrame, path: Path) -> Pool:
    """MTL-AQA's dives; those that the store lacks were dropped with their videos and are listed there."""
    mine = splits[splits["training_set"].astype(str) == TRAINING_SET]
    split_of = {"train": "train", "validation": "train", "test": "test"}
    roles = dict(zip(mine["sample"].astype(str), mine["split"].map(split_of), strict=True))
    role = table["sample"].astype(str).map(roles)
    if not len(mine):
        raise RescoreError(f"{path}: no training set {TRAINING_SET}. Run the step that writes the splits again.")
    return Pool("", np.flatnonzero(role == "train"), np.flatnonzero(role == "test"))


def pools_of_actions(table: pd.DataFrame) -> Iterator[Pool]:
    """A pool an action, in the table's order."""
    for action in dict.fromkeys(table["action"]):
        mine = table["action"] == action
        yield Pool(str(action), *(np.flatnonzero(mine & (table["split"] == split)) for split in ("train", "test")))


def tasks(videos: Videos, settings: Mapping[str, Any], shares: Sequence[int] | None = None) -> list[Task]:
    """Every pool, share of labels and draw.

    Args:
        settings: `seed`, the root of the draws; `first_training`; of `semi_supervised` `label_draws` and, without `shares`,
            `labels` (percent, by data set).
        shares: percent of the training videos that are labelled.
    """
    found, seed = [], settings["seed"]
    for pool in videos.pools:
        for percent in settings["semi_supervised"]["labels"][videos.dataset] if shares is None else shares:
            for draw in label_draws(settings):
                # As many as the share says, but at least a few; at 100% the draw's order alone differs, so nothing is drawn.
                count = min(len(pool.train), max(MINIMUM_LABELLED, round(len(pool.train) * percent / 100)))
                generator = np.random.default_rng(derived_seed(seed, "labels", videos.dataset, pool.name, draw))
                order = generator.permutation(pool.train)
                suffix = "/".join(filter(None, [videos.dataset, str(percent), pool.name]))
                found.append(Task(pool, percent, draw, np.sort(order[:count]), np.sort(order[count:]), suffix))
    return found


def prediction_rows(
    experiment: str,
    member: str,
    videos: Videos,
    rows: np.ndarray,
    predicted: Sequence[float] | np.ndarray,
    seed: int,
    iteration: int,
) -> pd.DataFrame:
    """Rows of the predictions contract for one member at one iteration; `predicted` (rows,) in points."""
    table = videos.rows.loc[rows, ["dataset", "sample", "action"]].reset_index(drop=True)
    about = pd.DataFrame(
        {"experiment": experiment, "member": member, "seed": seed, "iteration": iteration}, index=table.index
    )
    values = np.asarray(predicted, np.float64)
    found = table.assign(split="test", target=videos.scores[rows], predicted=values, unit="points")
    return pd.concat([about, found], axis=1)
