"""COREG against a plain reading of its algorithm with sklearn's neighbours, and what regressions may know."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.neighbors import KNeighborsRegressor

from rescore.engine.errors import RescoreError
from rescore.models.device import derived_seed
from rescore.systems.common.label_draws import Videos, read_videos, tasks
from rescore.systems.s4aqa import regressions as coreg
from tests.systems.semi_supervised_files import SETTINGS, write_dives

COREG = SETTINGS["semi_supervised"]["coreg"]


@pytest.fixture
def videos(tmp_path: Path) -> Videos:
    return read_videos("mtl_aqa", **write_dives(tmp_path), settings=SETTINGS)


def distances_of(videos: Videos, task) -> tuple[np.ndarray, np.ndarray]:
    return coreg.pool_distances(videos.means_of(task.draw).astype(np.float64), task.pool, SETTINGS)


def plain_coreg(videos: Videos, task, settings: dict, seed: int) -> np.ndarray:
    """Zhou and Li 2005, Table 1, every regressor fitted again whenever it is asked."""
    x, k = videos.means_of(task.draw).astype(np.float64), settings["neighbours"]
    known = [[(row, videos.scores[row]) for row in task.labelled] for _ in range(2)]

    def fitted(which: int, more=()) -> KNeighborsRegressor:
        rows, scores = zip(*[*known[which], *more], strict=True)
        return KNeighborsRegressor(k, p=settings["orders"][which], algorithm="brute").fit(x[list(rows)], scores)

    left = list(np.random.default_rng(derived_seed(seed, "coreg", task.suffix, task.draw)).permutation(task.unlabelled))
    pool, left = left[: settings["pool"]], left[settings["pool"] :]
    for _ in range(settings["rounds"]):
        given = {}
        for which in range(2):
            model, gains = fitted(which), []
            for row in pool:
                score = model.predict(x[[row]])[0]
                omega = [known[which][place] for place in model.kneighbors(x[[row]], return_distance=False)[0]]
                more = fitted(which, [(row, score)])
                gains.append(
                    sum((y - model.predict(x[[r]])[0]) ** 2 - (y - more.predict(x[[r]])[0]) ** 2 for r, y in omega)
                )
            if gains and max(gains) > 1e-9:
                row = pool.pop(int(np.argmax(np.round(gains, 9))))
                given[which] = (row, model.predict(x[[row]])[0])
        if not given:
            break
        for which, pair in given.items():
            known[1 - which].append(pair)
        missing = settings["pool"] - len(pool)
        pool, left = pool + left[:missing], left[missing:]
    return np.mean([fitted(which).predict(x[task.pool.test]) for which in range(2)], axis=0)


def test_it_is_the_algorithm_read_plainly(videos: Videos) -> None:
    taught = 0
    for task in tasks(videos, SETTINGS):
        distances = distances_of(videos, task)
        found = coreg.coreg(distances, task, videos.scores, COREG, 0)
        np.testing.assert_allclose(found, plain_coreg(videos, task, COREG, 0))
        untaught = coreg.coreg(distances, task, videos.scores, COREG | {"rounds": 0}, 0)
        taught += not np.allclose(found, untaught)
    assert taught


def test_unlabelled_scores_are_not_read(videos: Videos) -> None:
    for task in tasks(videos, SETTINGS):
        hidden = videos.scores.copy()
        hidden[task.unlabelled] = np.nan
        hidden[task.pool.test] = np.nan
        assert np.isfinite(coreg.coreg(distances_of(videos, task), task, hidden, COREG, 0)).all()


def test_too_few_labels_for_the_neighbours(videos: Videos) -> None:
    task = tasks(videos, SETTINGS)[0]
    with pytest.raises(RescoreError, match="neighbours"):
        coreg.coreg(distances_of(videos, task), task, videos.scores, COREG | {"neighbours": 8}, 0)


def test_every_member_predicts_every_test_dive(tmp_path: Path) -> None:
    files = write_dives(tmp_path)
    coreg.run("mtl_aqa", files["features"], files["rows"], tmp_path / "p.parquet", SETTINGS, files["splits"])
    table = pd.read_parquet(tmp_path / "p.parquet")
    counts = table.groupby("member").size().to_dict()
    members = {f"{name}/mtl_aqa/{percent}": 22 for name in ("svr", "coreg", "label_only") for percent in (20, 40)}
    assert counts == members | {"observer/mtl_aqa": 11}
    observer = table[table["member"] == "observer/mtl_aqa"]
    assert spearmanr(observer["target"], observer["predicted"])[0] > 0.9
