"""The numbers read off the paper: their count, their digits, and what its own averages and claims make of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.scoring.claims import evaluate, read_claims, reported_numbers
from rescore.scoring.correlation import arithmetic_mean, fisher_z_average

REPORTED = Path(__file__).parents[1] / "papers" / "aqa7"
ACTIONS = ["Diving", "Gymvault", "Skiing", "Snowboard", "Sync. Dive 3m", "Sync. Dive 10m"]
TEST_SAMPLES = [70, 56, 55, 66, 28, 28]


def read(table: str) -> pd.DataFrame:
    return pd.read_csv(REPORTED / "tables" / f"{table}.csv", dtype=str, keep_default_na=False)


def row(table: str, name: str) -> np.ndarray:
    lines = read(table)
    return lines.loc[lines["row"] == name, "value"].to_numpy(dtype=float)


@pytest.mark.parametrize(
    ("table", "rows", "columns", "missing"),
    [("table1", 7, 5, 0), ("table2", 4, 7, 6), ("table3", 8, 7, 0), ("table4", 2, 18, 0)],
)
def test_every_printed_cell_stands_once(table, rows, columns, missing):
    lines = read(table)
    assert list(lines.columns) == ["row", "column", "value", "n"]
    assert lines["row"].nunique() == rows
    assert lines["column"].nunique() == columns
    assert len(lines) == rows * columns - missing
    assert not lines.duplicated(["row", "column"]).any()
    assert (lines["value"] != "").all()


def test_missing_cells_stay_missing():
    lines = read("table2")
    assert lines.loc[lines["row"] == "Pose+DCT", "column"].tolist() == ["Diving"]


@pytest.mark.parametrize("table", ["table2", "table3", "table4"])
def test_correlations_have_the_printed_four_digits(table):
    assert read(table)["value"].str.fullmatch(r"-?0\.\d{4}").all()


@pytest.mark.parametrize("table", ["table2", "table3"])
def test_samples_behind_cells_are_the_official_test_counts(table):
    lines = read(table)
    for name, group in lines[lines["row"] != "Pose+DCT"].groupby("row"):
        assert group["n"].astype(int).tolist() == [*TEST_SAMPLES, 303], name
    assert sum(TEST_SAMPLES) == 303


def test_table4_has_its_own_training_sizes():
    expected = [f"{a} {n}" for a in ACTIONS[:4] for n in (25, 75, 125)] + [
        f"{a} {n}" for a in ACTIONS[4:] for n in (15, 25, 35)
    ]
    lines = read("table4")
    assert lines.loc[lines["row"] == "AA", "column"].tolist() == expected
    assert (lines["n"] == "50").all()


@pytest.mark.parametrize("name", ["Single-action C3D-SVR", "Single-action C3D-LSTM", "All-action C3D-LSTM"])
def test_table2_averages_by_fishers_z(name):
    *cells, printed = row("table2", name)
    assert round(float(fisher_z_average(np.array(cells))), 4) == printed
    assert abs(arithmetic_mean(np.array(cells)) - printed) > 0.01


@pytest.mark.parametrize("name", ["Random Wts./Ini.", *ACTIONS, "Multi-action"])
def test_table3_averages_are_arithmetic_means_without_the_diagonal(name):
    *cells, printed = row("table3", name)
    kept = np.array([cell for cell, action in zip(cells, ACTIONS, strict=True) if action != name])
    assert abs(arithmetic_mean(kept) - printed) <= 1e-4
    if name != "Random Wts./Ini.":  # too near zero to tell the rules apart at four digits
        assert abs(fisher_z_average(kept) - printed) > 1e-4
        assert abs(fisher_z_average(np.array(cells)) - printed) > 1e-4


NUMBERS = reported_numbers(REPORTED)
CLAIMS = {claim["id"]: claim for claim in read_claims(REPORTED / "claims.yaml")}
CONTRADICTED = {
    "samples_in_seven_actions",
    "under_five_seconds",
    "trampoline_650_frames",
    "similar_dives_transfer",
    "iterations_proportional",
    "fewer_training_samples",
    *(
        f"table3_average_{name}"
        for name in ("diving", "gymvault", "skiing", "snowboard", "sync_dive_3m", "sync_dive_10m", "multi_action")
    ),
}
UNDECIDED = {"largest_data_set", "blue_above_red", "initial_gap", "low_starting_value", "quick_rise"}


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_on_the_reported_numbers(name):
    finding = evaluate(CLAIMS[name]["statement"], NUMBERS)
    expected = "does not hold" if name in CONTRADICTED else "undecided" if name in UNDECIDED else "holds"
    assert finding.result == expected, finding.found
    assert finding.found


def test_the_named_numbers_are_found():
    assert "16 of 18" in evaluate(CLAIMS["sixteen_of_eighteen"]["statement"], NUMBERS).found
    assert "5 of 6" in evaluate(CLAIMS["five_of_six"]["statement"], NUMBERS).found
    assert "0.1381" in evaluate(CLAIMS["snowboarding_less"]["statement"], NUMBERS).found
    assert "1189" in evaluate(CLAIMS["samples_in_seven_actions"]["statement"], NUMBERS).found
