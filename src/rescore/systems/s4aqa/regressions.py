"""What S4AQA is held against without a network: C3D-SVR, COREG, the labels alone, and the perfect observer.

    svr/...         support vector regression on each video's mean segment features
    coreg/...       two nearest-neighbour regressors that label videos for each other (Zhou and Li, IJCAI 2005)
    label_only/...  ridge regression from difficulty and dive class (MTL-AQA), from the labelled dives
    observer/...    what a judge without noise would give; synthetic videos only

Names go on as in systems.s4aqa.networks; `seed` is the draw of the labels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_table
from rescore.models.device import derived_seed
from rescore.systems.common.label_draws import MTL_AQA, Pool, Task, Videos, prediction_rows, read_videos, tasks
from rescore.systems.common.label_regression import fit
from rescore.systems.common.repetition import label_draws
from rescore.systems.common.support_vector import fit_predict

EXPERIMENT = "coreg"
LABELS = ("difficulty", "dive_class")
GAIN_DIGITS = 9
"""Decimals of squared points; beyond them is rounding. Videos with the same neighbours have the same gain."""


def run(
    dataset: str,
    features: list[Path],
    rows: Path,
    predictions: Path,
    settings: dict[str, Any],
    splits: Path | None = None,
) -> None:
    """Fit everything on every draw of labels and predict the test videos.

    Args:
        dataset: `mtl_aqa` or `rhythmic_gymnastics`.
        features, rows, splits: see `label_draws.read_videos`.
        predictions: written, Parquet; `iteration` is 0.
        settings: `seed`, `first_training`, `semi_supervised`, `support_vector_regression`, `ridge`, `backbone.weights`.

    Raises:
        RescoreError: data that cannot be used.
    """
    videos = read_videos(dataset, features, rows, settings, splits)
    parts = [
        *regressor_tables(EXPERIMENT, videos, settings),
        *label_tables(videos, settings),
        *observer_tables(videos),
    ]
    write_table(predictions, pd.concat(parts, ignore_index=True))


def regressor_tables(experiment: str, videos: Videos, settings: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """Predictions of SVR, and of COREG where there are unlabelled videos."""
    seed = settings["seed"]
    found = {draw: videos.means_of(draw).astype(np.float64) for draw in label_draws(settings)}
    distances = {
        (pool.name, table): pool_distances(found[draw], pool, settings)
        for table, draw in {table: draw for draw, table in videos.tables.items()}.items()
        for pool in videos.pools
    }
    for task in tasks(videos, settings):
        labelled, test, means = task.labelled, task.pool.test, found[task.draw]
        machine = settings["support_vector_regression"]
        machine = machine | {"folds": min(machine["folds"], len(labelled))}
        predicted, _ = fit_predict(means[labelled], videos.scores[labelled], means[test], machine, seed)
        yield prediction_rows(experiment, f"svr/{task.suffix}", videos, test, predicted, task.draw, 0)
        if len(task.unlabelled):
            apart = distances[task.pool.name, videos.tables[task.draw]]
            predicted = coreg(apart, task, videos.scores, settings["semi_supervised"]["coreg"], seed)
            yield prediction_rows(experiment, f"coreg/{task.suffix}", videos, test, predicted, task.draw, 0)


def pool_distances(means: np.ndarray, pool: Pool, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Distances between all training and test videos of a pool under both of COREG's metrics; NaN elsewhere.

    Args:
        means: (sample, width) float64.
    """
    mine = np.concatenate([pool.train, pool.test])
    values = means[mine]
    first, second = (
        scattered(cdist(values, values, "minkowski", p=order), mine, len(means))
        for order in settings["semi_supervised"]["coreg"]["orders"]
    )
    return first, second


def scattered(values: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    whole = np.full((size, size), np.nan)
    whole[np.ix_(rows, rows)] = values
    return whole


@dataclass
class Neighbours:
    """One of COREG's regressors: the mean score of the k nearest videos that it knows a score of."""

    distances: np.ndarray
    """(sample, sample)."""
    known: np.ndarray
    """(n,) rows with a score."""
    scores: np.ndarray
    """(n,) those scores, true or given by the other regressor."""
    k: int

    def nearest(self, rows: np.ndarray) -> np.ndarray:
        """(rows, k) places among the known, nearest first; of equally near ones the earlier."""
        return np.argsort(self.distances[np.ix_(rows, self.known)], axis=1, kind="stable")[:, : self.k]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.scores[self.nearest(rows)].mean(axis=1)

    def gains(self, pool: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(pool,) by how much the squared error on each video's k nearest known ones falls when the video itself becomes known.

        A known video counts among its own nearest ones, as it does in any nearest-neighbour regression (Zhou and Li, Table 1:
        Omega, Delta).
        """
        around = self.nearest(pool)  # (pool, k)
        inner = self.nearest(self.known)  # (n, k): the known ones' own nearest
        before = self.scores[inner].mean(axis=1)  # (n,)
        last = inner[:, -1]
        radius = self.distances[self.known, self.known[last]]  # (n,)
        closer = self.distances[np.ix_(pool, self.known)] < radius[None, :]  # (pool, n): pushes the k-th out
        after = before[None, :] + np.where(closer, (predicted[:, None] - self.scores[last][None, :]) / self.k, 0)
        change = (self.scores - before)[None, :] ** 2 - (self.scores[None, :] - after) ** 2  # (pool, n)
        return np.take_along_axis(change, around, axis=1).sum(axis=1)

    def learn(self, row: int, score: float) -> None:
        self.known, self.scores = np.append(self.known, row), np.append(self.scores, score)


def coreg(
    distances: tuple[np.ndarray, np.ndarray], task: Task, scores: np.ndarray, settings: Mapping[str, Any], seed: int
) -> np.ndarray:
    """COREG's predictions of the test videos, points: the mean of both regressors (Zhou and Li 2005, Table 1).

    Args:
        distances: two (sample, sample), one a regressor.
        task: what is labelled, what is not, what is tested.
        scores: (sample,) points; those of labelled videos alone are read.
        settings: `neighbours` (k), `pool` (unlabelled videos looked at in a round), `rounds`.
        seed: root of the draws of the pool.

    Raises:
        RescoreError: fewer labelled videos than neighbours.
    """
    if len(task.labelled) < settings["neighbours"]:
        raise RescoreError(
            f"COREG: {len(task.labelled)} labelled videos for {settings['neighbours']} neighbours. Lower "
            "semi_supervised.coreg.neighbours."
        )
    pair = [Neighbours(metric, task.labelled, scores[task.labelled], settings["neighbours"]) for metric in distances]
    generator = np.random.default_rng(derived_seed(seed, "coreg", task.suffix, task.draw))
    left = generator.permutation(task.unlabelled)
    pool, left = left[: settings["pool"]], left[settings["pool"] :]
    for _ in range(settings["rounds"]):
        given = []
        for regressor in pair:
            if not len(pool):
                break
            predicted = regressor.predict(pool)
            gains = regressor.gains(pool, predicted).round(GAIN_DIGITS)  # of equal ones, rounding aside, the first
            best = int(np.argmax(gains))
            if gains[best] > 0:
                given.append((regressor, int(pool[best]), float(predicted[best])))
                pool = np.delete(pool, best)
        if not given:
            break
        for regressor, row, score in given:  # each teaches the other, after both have chosen
            pair[regressor is pair[0]].learn(row, score)
        # The pool is filled up again from what is left.
        missing = settings["pool"] - len(pool)
        pool, left = np.append(pool, left[:missing]), left[missing:]
    return np.mean([regressor.predict(task.pool.test) for regressor in pair], axis=0)


def label_tables(videos: Videos, settings: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """Predictions from difficulty and dive class, learned from the labelled dives; MTL-AQA alone has them."""
    if videos.dataset != MTL_AQA:
        return
    for task in tasks(videos, settings):
        train, test = videos.rows.loc[task.labelled], videos.rows.loc[task.pool.test]
        ridge = settings["ridge"] | {"folds": max(2, min(settings["ridge"]["folds"], len(train)))}
        fitted = fit(train, LABELS, {**settings, "ridge": ridge})
        name = f"label_only/{task.suffix}"
        yield prediction_rows(EXPERIMENT, name, videos, task.pool.test, fitted.predict(test), task.draw, 0)


def observer_tables(videos: Videos) -> Iterator[pd.DataFrame]:
    """The perfect observer's scores, where videos have one."""
    if "observer" not in videos.rows or videos.rows["observer"].isna().any():
        return
    for pool in videos.pools:
        name = "/".join(filter(None, ["observer", videos.dataset, pool.name]))
        known = videos.rows["observer"].to_numpy(float)[pool.test]
        yield prediction_rows(EXPERIMENT, name, videos, pool.test, known, 0, 0)
