"""Scores on real public data: rows, protocols, and bad predictions."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.scoring import open as open_scores
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.papers import read_paper
from rescore.scoring.score_table import score_table
from rescore.scoring.scores import COLUMNS as CONTRACT

MIRROR = os.environ.get("RESCORE_MIRROR")
REPORTED = Path(__file__).parents[2] / "papers" / "aqa7" / "tables" / "table1.csv"
SETTINGS: dict[str, Any] = {"seed": 0, "scoring": {"bootstrap": 200, "confidence": 0.95}}
PAPER = Path(__file__).parents[2] / "papers" / "open" / "paper.yaml"


def predictions(members: dict[str, float], count: int = 60) -> pd.DataFrame:
    """Predictions with the given noise (in standard deviations of the target)."""
    generator = np.random.default_rng(1)
    target = generator.normal(60, 10, count)
    tables = [
        pd.DataFrame(
            {
                "experiment": "test",
                "member": member,
                "seed": 0,
                "iteration": 0,
                "dataset": "mtl_aqa",
                "sample": [f"{1 + number % 2:02d}/{number:03d}" for number in range(count)],
                "action": "diving",
                "split": "test",
                "target": target,
                "predicted": target + noise * generator.normal(0, 10, count),
                "unit": "points",
            }
        )
        for member, noise in members.items()
    ]
    return pd.concat(tables, ignore_index=True)


def scored(tmp_path: Path, name: str, table: pd.DataFrame) -> pd.DataFrame:
    path, scores = tmp_path / "predictions.parquet", tmp_path / "scores.csv"
    table.to_parquet(path)
    if name == "human_ceiling":
        open_scores.score_human_ceiling(path, scores, SETTINGS)
    else:
        score_table(PAPER, name, ScoredFiles([path]), scores, SETTINGS)
    return pd.read_csv(tmp_path / "scores.csv", dtype={"protocol": str}).fillna({"protocol": ""})


@pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
def test_aqa7s_lists_give_table_1_but_for_what_needs_videos(tmp_path: Path) -> None:
    open_scores.summarise_aqa7_lists(Path(str(MIRROR)) / "aqa7", tmp_path / "summary.csv")
    summary = pd.read_csv(tmp_path / "summary.csv").set_index(["row", "column"])
    reported = pd.read_csv(REPORTED, dtype=str).set_index(["row", "column"])["value"]
    measured = summary["value"].dropna()
    assert len(measured) == 6 * 3
    assert (measured == reported[measured.index]).all()
    assert summary.loc[("Big Air Skiing", "Avg. Seq. Len."), "reason"] == "sequence lengths need the videos"


def test_missing_lists_are_named(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="consolidated_train_list"):
        open_scores.summarise_aqa7_lists(tmp_path, tmp_path / "summary.csv")


S3D = {"chosen": 0.6, "plain/linear/100/8": 0.5, "authors/stage_mean": 0.5, "grid/a": 1.0, "grid/b": 0.3}


def test_the_best_on_test_is_beside_the_honest_figure_and_says_so(tmp_path: Path) -> None:
    table = predictions(S3D)
    scores = scored(tmp_path, "unlv_dive_s3d", table)
    assert list(scores) == CONTRACT
    s3d = scores[scores["row"] == "S3D"].set_index("protocol")["value"]
    for protocol, member in (("training_set", "chosen"), ("best_on_test", "grid/b")):
        part = table[table["member"] == member]
        assert s3d[protocol] == pytest.approx(spearmanr(part["target"], part["predicted"])[0])
    fixed = scores[scores["row"] != "S3D"]
    assert len(fixed) == 2
    assert set(fixed["protocol"]) == {""}  # nothing is chosen for them
    assert (scores["low"] < scores["value"]).all()
    assert (scores["value"] < scores["high"]).all()
    assert set(scores["n"]) == {60}


def test_every_label_has_a_row(tmp_path: Path) -> None:
    cells = read_paper(PAPER).tables["mtl_aqa_labels"].cells({})
    members = dict.fromkeys([cell.member for cell in cells], 1.0)
    scores = scored(tmp_path, "mtl_aqa_labels", predictions(members))
    assert list(scores["row"]) == [cell.row for cell in cells]


def test_judges_are_scored_together_alone_and_by_event(tmp_path: Path) -> None:
    members = {f"{kind}/{seat}": 0.3 for kind in ("judge", "execution") for seat in (1, 2, 10)}
    scores = scored(tmp_path, "human_ceiling", predictions(members))
    assert list(scores["column"].unique()) == ["Sp. Corr.", "Execution alone", "Event 01", "Event 02"]
    assert set(scores["protocol"]) == {""}
    assert list(scores["row"][:4]) == ["Human expert", "Judge 1", "Judge 2", "Judge 10"]
    average, *seats = scores["value"][:4]
    assert average == pytest.approx(np.tanh(np.arctanh(seats).mean()))
    assert list(scores["n"].unique()) == [60, 30]
    # Averaging seats on shared dives narrows the interval, but by far not threefold.
    widths = (scores["high"] - scores["low"])[:4]
    assert widths[0] < widths[1:].max()


def test_synchronised_panels_have_their_own_rows(tmp_path: Path) -> None:
    members = {f"{prefix}{kind}/1": 0.3 for prefix in ("", "synchronised/") for kind in ("judge", "execution")}
    scores = scored(tmp_path, "human_ceiling", predictions(members))
    assert {"Human expert, synchronised", "Judge 1, synchronised"} < set(scores["row"])
    assert scores["row"].str.contains("synchronised").sum() == len(scores) / 2


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda table: table.drop(columns="unit"), "no column 'unit'"),
        (lambda table: table[table["member"] != "chosen"], "chosen: no predictions"),
        (lambda table: table.assign(predicted=table["predicted"].where(table.index != 3)), "NaN or infinite"),
        (lambda table: table.assign(target=np.inf), "NaN or infinite"),
        (lambda table: pd.concat([table, table[:2]]), "duplicate"),
        (lambda table: table.assign(unit="marks"), "marks"),
    ],
)
def test_bad_predictions_are_refused(tmp_path: Path, edit: Callable[[pd.DataFrame], pd.DataFrame], text: str) -> None:
    with pytest.raises(RescoreError, match=text):
        scored(tmp_path, "unlv_dive_s3d", edit(predictions(S3D)))
    assert not (tmp_path / "scores.csv").exists()


def test_constant_predictions_leave_the_value_empty(tmp_path: Path) -> None:
    table = predictions(S3D)
    table.loc[table["member"] == "authors/stage_mean", "predicted"] = 60.0
    scores = scored(tmp_path, "unlv_dive_s3d", table).set_index("row")
    assert np.isnan(scores.loc["Mean of the stage scores", "value"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="no such file"):
        score_table(PAPER, "unlv_dive_s3d", ScoredFiles([tmp_path / "none.parquet"]), tmp_path / "scores.csv", SETTINGS)


def test_semi_supervised_systems_are_scored_at_their_last_iteration(tmp_path: Path) -> None:
    members = dict.fromkeys([cell.member for cell in read_paper(PAPER).tables["s4aqa"].cells({})], 1.0)
    networks = tuple(name for name in members if not name.startswith(("svr", "coreg")))
    parts = []
    for seed in range(2):
        for iteration in (5, 10):
            table = predictions(members).assign(seed=seed, iteration=iteration)
            noise = np.random.default_rng(seed + iteration).normal(0, 5, len(table))
            mine = table["member"].isin(networks) | (iteration == 10)
            parts.append(table[mine].assign(predicted=table["predicted"] + noise))
    table = pd.concat(parts, ignore_index=True)
    table.loc[~table["member"].isin(networks), "iteration"] = 0
    settings = {**SETTINGS, "first_training": 0, "semi_supervised": {"label_draws": 2}}
    table.to_parquet(tmp_path / "predictions.parquet")
    score_table(PAPER, "s4aqa", ScoredFiles([tmp_path / "predictions.parquet"]), tmp_path / "scores.csv", settings)
    scores = pd.read_csv(tmp_path / "scores.csv", dtype={"protocol": str}).fillna({"protocol": ""})
    scores = scores.set_index(["row", "column"])
    last = table[(table["member"] == "s4aqa/unlv_dive/40") & (table["iteration"] == 10)]
    wanted = [spearmanr(part["target"], part["predicted"])[0] for _, part in last.groupby("seed")]
    assert scores.loc[("S4AQA", "40%"), "value"] == pytest.approx(np.mean(wanted))
    assert scores.loc[("S4AQA", "40%"), "seeds"] == 2
    assert scores.loc[("S4AQA", "40%"), "protocol"] == "last_iteration"
    assert scores.loc[("SVR", "10%"), "protocol"] == "training_set"
    assert scores.loc[("COREG", "10%"), "protocol"] == ""
    assert ("S4AQA", "100%") not in scores.index
    assert ("USDL", "100%") in scores.index
