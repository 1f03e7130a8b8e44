"""A small data set with predictions of known quality, written as the experiments write them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.actions import EXPERIMENT_ACTIONS

PAPERS = Path(__file__).parents[2] / "papers"
SETTINGS = {
    "seed": 0,
    "first_training": 0,
    "seeds": 2,
    "multitask": {"seeds": 2},
    "backbone": {"weights": "sports1m"},
    "poses": {"estimator": "keypoint_rcnn"},
    "scoring": {"bootstrap": 100, "confidence": 0.95},
    "fine_tuning": {"training_samples": {"default": [3, 4], "synchronised": [2, 3]}, "test_samples": 10},
}
STARTS = {"random": 2.0, "multi_action": 0.5}


@pytest.fixture
def settings() -> dict:
    return SETTINGS


def make_samples() -> pd.DataFrame:
    """Twelve test and four training samples of each action, with a perfect observer's view and a difficulty."""
    lines = []
    for number, action in enumerate(EXPERIMENT_ACTIONS):
        scores = np.random.default_rng(number).uniform(10, 90, 16)
        for index, score in enumerate(scores):
            split = "train" if index < 4 else "test"
            lines.append((f"{action}/{index:03d}", action, split, score, score / 100, 2 + index % 5 / 10))
    return pd.DataFrame(lines, columns=["sample", "action", "split", "score", "observer", "difficulty"])


def predict(rows: pd.DataFrame, experiment: str, member: str, seed: int, iteration: int, noise: float) -> pd.DataFrame:
    """Scores plus gaussian noise (in points x 25), which the member and the seed fix."""
    generator = np.random.default_rng([len(member), seed, iteration])
    return pd.DataFrame(
        {
            "experiment": experiment,
            "member": member,
            "seed": seed,
            "iteration": iteration,
            "dataset": "aqa7",
            "sample": rows["sample"],
            "action": rows["action"],
            "split": "test",
            "target": rows["score"],
            "predicted": rows["score"] + 25 * noise * generator.normal(size=len(rows)),
            "unit": "points",
        }
    )


def members(samples: pd.DataFrame) -> dict[str, pd.DataFrame]:
    test = samples[samples["split"] == "test"]
    parts: dict[str, list] = {"all_action": [], "zero_shot": [], "fine_tuning": []}
    for seed in range(2):
        for iteration in (100, 200, 300):
            noise = {100: 2.0, 200: 0.2, 300: 0.8}[iteration]
            parts["all_action"].append(predict(test, "all_action", "all", seed, iteration, noise))
            for action in EXPERIMENT_ACTIONS:
                own = test[test["action"] == action]
                parts["all_action"].append(predict(test, "all_action", f"single/{action}", seed, iteration, noise))
                parts["zero_shot"].append(predict(own, "zero_shot", f"without/{action}", seed, iteration, noise))
                for size in SETTINGS["fine_tuning"]["training_samples"][
                    "synchronised" if "sync" in action else "default"
                ]:
                    for start, factor in STARTS.items():
                        drawn = samples[samples["action"] == action].sample(10, random_state=seed)
                        name = f"fine_tuned/{action}/{size}/{start}"
                        parts["fine_tuning"].append(
                            predict(drawn, "fine_tuning", name, seed, iteration, factor * noise)
                        )
        parts["zero_shot"].append(predict(test, "zero_shot", "random", seed, 0, 50.0))
    for action in EXPERIMENT_ACTIONS:
        parts["all_action"].append(predict(test[test["action"] == action], "all_action", f"svr/{action}", 0, 0, 0.3))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


@pytest.fixture
def samples() -> pd.DataFrame:
    return make_samples()


@pytest.fixture(scope="session")
def tables() -> dict[str, pd.DataFrame]:
    samples = make_samples()
    return {**members(samples), "rows": samples}


@pytest.fixture
def files(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> dict[str, Path]:
    """Paths of the three experiments' predictions and of the rows."""
    paths = {}
    for name, table in tables.items():
        paths[name] = tmp_path / f"{name}.parquet"
        table.to_parquet(paths[name], index=False)
    return paths
