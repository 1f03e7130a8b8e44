"""Tables 9 and 10: every printed cell, the correlations themselves, and what is said where nothing was run."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.papers import read_paper
from rescore.scoring.score_table import score_table
from rescore.scoring.scores import COLUMNS
from rescore.systems.common.open_predictions import prediction_rows
from rescore.systems.linear_probes.probes import probe_dives, probe_vaults
from tests.linear_probe_files import SETTINGS, make_vaults, with_others, write_activations
from tests.mtl_aqa_files import make_dives, make_splits

REPORTED = Path(__file__).parents[2] / "papers" / "mtl_aqa"
PAPER = REPORTED / "paper.yaml"
TABLES = read_paper(PAPER).tables


@dataclass(frozen=True)
class Files:
    rows: Path
    splits: Path
    baselines: Path


@pytest.fixture(scope="module")
def dives(tmp_path_factory) -> Files:
    """MTL-AQA's table and splits, and what the labels alone would predict."""
    folder, rows = tmp_path_factory.mktemp("dives"), make_dives()
    files = Files(*(folder / f"{name}.parquet" for name in ("rows", "splits", "baselines")))
    splits = make_splits(rows)
    rows.to_parquet(files.rows)
    splits.to_parquet(files.splits)
    tested = splits[(splits["training_set"] == "1059") & (splits["split"] == "test")]["sample"]
    test = rows[rows["sample"].isin(tested)].assign(split="test")
    predicted = test["score"] + 10 * np.random.default_rng(0).normal(size=len(test))
    prediction_rows("mtl_aqa_baselines", "label_only/1059", test, predicted).to_parquet(files.baselines)
    return files


@pytest.fixture(scope="module")
def written(dives, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("probes")
    paths = write_activations(folder / "activations", pd.read_parquet(dives.rows), make_vaults())
    with_others(make_vaults()).to_parquet(folder / "vaults.parquet")
    probe_dives(paths, dives.rows, dives.splits, folder / "table9.parquet", folder / "9.json", SETTINGS)
    probe_vaults(paths, folder / "vaults.parquet", folder / "table10.parquet", folder / "10.json", SETTINGS)
    return folder


def score(written: Path, table: str, dives: Files, folder: Path, predictions=None, rows=None) -> pd.DataFrame:
    path = predictions or written / f"{table}.parquet"
    rows = rows or (dives.rows if table == "table9" else written / "vaults.parquet")
    files = [path, *([dives.baselines] if table == "table9" else [])]
    score_table(PAPER, table, ScoredFiles(files, [rows]), folder / "scores.csv", SETTINGS)
    return pd.read_csv(
        folder / "scores.csv", keep_default_na=False, na_values={"value": "", "low": "", "high": "", "n": ""}
    )


@pytest.mark.parametrize("table", ["table9", "table10"])
def test_every_printed_cell_has_a_number(written, dives, tmp_path, table):
    scores = score(written, table, dives, tmp_path)
    assert list(scores.columns) == COLUMNS
    printed = pd.read_csv(REPORTED / "tables" / f"{table}.csv", dtype=str)
    expected = list(zip(printed["row"], printed["column"], strict=True))
    learned = {(cell.row, cell.column) for cell in TABLES[table].cells({}) if cell.row != "Label only"}
    assert sorted(learned) == sorted(expected)
    found = scores.set_index(["row", "column"])
    assert found.loc[expected, "value"].notna().all()
    assert found["protocol"].eq("").all()
    own = ["Perfect observer", "Difficulty alone", *(["Label only"] if table == "table9" else [])]
    assert list(dict.fromkeys(scores["row"]))[3:] == own
    for row in own:
        assert set(scores.loc[scores["row"] == row, "column"]) == set(printed["column"])
    assert (scores.loc[scores["row"] == "Perfect observer", "value"] > 90).all()


def test_cells_are_the_mean_rho_in_percent(written, dives, tmp_path):
    for table, row, column, member, seeds in (
        ("table9", "Baseline-1", "c3", "backbone/dives/c3", 2),
        ("table9", "Baseline-2", "c3", "classes/dives/c3", 2),
        ("table10", "Baseline-1", "Out-of-dataset c2", "backbone/outside/c2", 2),
        ("table10", "C3D-AVG-MTL", "Within-dataset c1", "score_classes_caption/within/c1", 2),
    ):
        found = score(written, table, dives, tmp_path).set_index(["row", "column"]).loc[(row, column)]
        rows = read_table(written / f"{table}.parquet").query(f"member == '{member}'")
        rho = [spearmanr(part["target"], part["predicted"]).statistic for _, part in rows.groupby("seed")]
        assert found["value"] == pytest.approx(100 * sum(rho) / seeds)
        assert found["low"] <= found["value"] <= found["high"]
        assert found["seeds"] == seeds
        assert json.loads(found["cells"])[0][0] == member
        assert found["n"] == len(rows) / seeds


def test_unknown_competitions_leave_out_their_cells_and_the_paper_says_why(written, dives, tmp_path):
    with_others(make_vaults()).drop(columns=["observer", "difficulty"]).to_parquet(tmp_path / "rows.parquet")
    table = read_table(written / "table10.parquet")
    table[~table["member"].str.contains("/outside/")].to_parquet(tmp_path / "within.parquet")
    scores = score(written, "table10", dives, tmp_path, tmp_path / "within.parquet", tmp_path / "rows.parquet")
    assert scores["column"].str.startswith("Within-dataset").all()
    assert scores["value"].notna().all()
    assert set(scores["row"]) == {"Baseline-1", "Baseline-2", "C3D-AVG-MTL"}
    assert "which competition a vault belongs to is not known" in TABLES["table10"].why_absent(
        "Baseline-1", "Out-of-dataset c1"
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table[table["member"] != "classes/within/c1"], "classes/within/c1: no predictions"),
        (
            lambda table: table[(table["member"] != "classes/within/c1") | (table["seed"] == 0)],
            r"1 seeds \(0\), declared 2 \(0, 1\)",
        ),
        (lambda table: table.drop(table.index[table["member"] == "classes/within/c1"][0]), "other samples than"),
        (lambda table: pd.concat([table, table.iloc[:2]]), "2 duplicate rows"),
        (lambda table: table.assign(target=table["target"] / 2), "targets differ"),
        (lambda table: table.assign(predicted=float("nan")), "NaN or infinite"),
    ],
)
def test_bad_predictions_are_named(written, dives, tmp_path, damage, message):
    damage(read_table(written / "table10.parquet")).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(RescoreError, match=message):
        score(written, "table10", dives, tmp_path, predictions=tmp_path / "bad.parquet")
