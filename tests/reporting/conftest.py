"""Scores as the scoring room writes them, built around the paper's own numbers."""

from pathlib import Path

import pandas as pd
import pytest

REPORTED = Path(__file__).parents[2] / "papers" / "aqa7"
OFFICIAL = {"aqa7_videos": "official", "pretraining_videos": "official"}
SYNTHETIC = {"aqa7_videos": "synthetic", "pretraining_videos": "synthetic"}


def settings_for(scale: str, sources: dict[str, str]) -> dict:
    return {"scale": scale, "sources": sources, "scoring": {"bootstrap": 100, "confidence": 0.95}, "seeds": 3}


@pytest.fixture
def paper() -> dict:
    return settings_for("paper", OFFICIAL)


@pytest.fixture
def demo() -> dict:
    return settings_for("demo", SYNTHETIC)


@pytest.fixture
def smoke() -> dict:
    return settings_for("smoke", SYNTHETIC)


@pytest.fixture
def reported() -> Path:
    return REPORTED


@pytest.fixture
def scores(tmp_path: Path) -> dict[str, Path]:
    """Scores of tables 2 to 4, without Pose+DCT: reported minus 0.01.

    0.05 either side are the prediction interval, 0.08 the confidence interval.
    """
    paths = {}
    for table in ("table2", "table3", "table4"):
        lines = pd.read_csv(REPORTED / "tables" / f"{table}.csv").query("row != 'Pose+DCT'")
        value = lines["value"] - 0.01
        base = lines.assign(
            **{"experiment": "x", "statistic": "spearman", "value": value, "low": value - 0.08, "high": value + 0.08},
            **{
                "prediction_low": value - 0.05,
                "prediction_high": value + 0.05,
                "rerun_low": value - 0.04,
                "rerun_high": value + 0.04,
                "seeds": 3,
                "variance": "trainings",
                "reason": "",
            },
        )
        both = [base.assign(protocol=protocol) for protocol in ("last_iteration", "best_iteration_on_test")]
        observer = base[base["row"] == base["row"].iloc[0]].assign(
            row="Perfect observer", protocol="", value=0.98, low=0.97, high=0.99, variance="nothing trained"
        )
        observer[["prediction_low", "prediction_high", "rerun_low", "rerun_high"]] = float("nan")
        paths[table] = tmp_path / f"{table}_scores.csv"
        pd.concat([*both, observer]).astype({"n": int}).to_csv(paths[table], index=False)
    return paths


@pytest.fixture(scope="session")
def demo_tree(tmp_path_factory) -> Path:
    """Data, runs and results at scale demo, as the workflow leaves them; nothing changes it."""
    from tests.reporting.tree import make_tree

    return make_tree(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def demo_page(demo_tree) -> Path:
    """The page of `demo_tree`."""
    from tests.reporting.tree import make_page

    return make_page(demo_tree)
