"""Bad predictions: each fault is named with its rows, all faults together, nothing is averaged away."""

import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring.predictions import read_predictions
from tests.scoring.conftest import SETTINGS


def no_number(table):
    table.loc[table.index[3], "predicted"] = np.nan


def infinite(table):
    table.loc[table.index[3], "predicted"] = np.inf


def other_unit(table):
    table.loc[table.index[5], "unit"] = "standard deviations"


def scaled_targets(table):
    table.loc[table["member"] == "all", "target"] /= 14.5


def unknown_sample(table):
    table.loc[table.index[0], "sample"] = "diving/999"


def another_action(table):
    table.loc[table.index[0], "action"] = "skiing"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (another_action, "1 rows name another action than the data set: row 0"),
        (no_number, "1 predicted values are NaN or infinite: row 3"),
        (infinite, "1 predicted values are NaN or infinite: row 3"),
        (other_unit, "1 rows are in the unit standard deviations, not points: row 5"),
        (scaled_targets, "targets differ from the samples' scores"),
        (unknown_sample, "1 rows name samples that the data set does not have: row 0"),
    ],
)
def test_bad_values_name_their_rows(files, samples, spoil, message):
    table = pd.read_parquet(files["all_action"])
    spoil(table)
    table.to_parquet(files["all_action"])
    with pytest.raises(RescoreError) as error:
        read_predictions(files["all_action"], samples, SETTINGS)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (
            lambda t: ~((t["member"] == "all") & (t["sample"] == "diving/007")),
            "1 of 12 test samples of diving are missing: diving/007",
        ),
        (lambda t: ~((t["member"] == "all") & (t["seed"] == 1)), "all: 1 seeds (0), declared 2"),
        (lambda t: ~((t["member"] == "all") & (t["seed"] == 1) & (t["iteration"] == 300)), "the last at 200, 300"),
        (
            lambda t: ~((t["member"] == "all") & (t["iteration"] == 200) & (t["action"] == "skiing")),
            "all, seed 0, iteration 200: 12 of 12 test samples of skiing are missing",
        ),
    ],
)
def test_missing_rows_are_named(files, samples, keep, message):
    table = pd.read_parquet(files["all_action"])
    table[keep(table)].to_parquet(files["all_action"])
    with pytest.raises(RescoreError) as error:
        read_predictions(files["all_action"], samples, SETTINGS)
    assert message in str(error.value)


def test_duplicates_are_named(files, samples):
    table = pd.read_parquet(files["all_action"])
    pd.concat([table, table.iloc[[9]]], ignore_index=True).to_parquet(files["all_action"])
    with pytest.raises(RescoreError, match=rf"1 duplicate rows: row {len(table)} "):
        read_predictions(files["all_action"], samples, SETTINGS)


def test_faults_are_reported_together(files, samples):
    table = pd.read_parquet(files["all_action"])
    no_number(table)
    other_unit(table)
    table[table["sample"] != "skiing/010"].to_parquet(files["all_action"])
    with pytest.raises(RescoreError) as error:
        read_predictions(files["all_action"], samples, {**SETTINGS, "seeds": 3})
    for part in ("NaN", "unit", "skiing/010", "declared 3"):
        assert part in str(error.value)


def test_too_few_fine_tuning_samples(files, samples):
    with pytest.raises(RescoreError, match="10 test samples, declared 50"):
        read_predictions(files["fine_tuning"], samples, SETTINGS, samples=50)


def test_missing_column_and_missing_file(files, samples, tmp_path):
    pd.read_parquet(files["all_action"]).drop(columns="unit").to_parquet(files["all_action"])
    with pytest.raises(RescoreError, match="no column 'unit'"):
        read_predictions(files["all_action"], samples, SETTINGS)
    with pytest.raises(RescoreError, match="no such file"):
        read_predictions(tmp_path / "none.parquet", samples, SETTINGS)


def test_good_predictions_pass(files, samples):
    assert len(read_predictions(files["all_action"], samples, SETTINGS)) == len(pd.read_parquet(files["all_action"]))
    assert len(read_predictions(files["fine_tuning"], samples, SETTINGS, samples=10)) == len(
        pd.read_parquet(files["fine_tuning"])
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.assign(predicted=t["predicted"].astype(str)), "column 'predicted' holds"),
        (lambda t: t.assign(target=["high", *t["target"].astype(str)[1:]]), "column 'target' holds"),
        (lambda t: t.iloc[:0], "no rows"),
        (lambda t: t.assign(split="train"), "no test predictions"),
        (lambda t: t.assign(member=t["member"].where(t.index != 3)), "1 rows without member: row 3"),
        (lambda t: t.assign(seed=t["seed"].where(t.index != 3)), "1 rows without seed: row 3"),
        (lambda t: t.assign(iteration=t["iteration"].where(t.index != 3)), "1 rows without iteration: row 3"),
        (lambda t: t.assign(sample=t["sample"].where(t.index != 3)), "1 rows without sample: row 3"),
        (lambda t: t.assign(action=t["action"].where(t.index != 3)), "1 rows without action: row 3"),
        (lambda t: t.assign(split=t["split"].where(t.index != 3)), "1 rows without split: row 3"),
        (lambda t: t.assign(unit=t["unit"].where(t.index != 3)), "1 rows are in the unit nan, not points: row 3"),
    ],
)
def test_tables_without_form_are_named(files, samples, spoil, message):
    spoil(pd.read_parquet(files["all_action"])).to_parquet(files["all_action"])
    with pytest.raises(RescoreError) as error:
        read_predictions(files["all_action"], samples, SETTINGS)
    assert message in str(error.value)


def test_faults_of_form_are_reported_together(files, samples):
    table = pd.read_parquet(files["all_action"])
    bad = table.assign(predicted="x", member=table["member"].where(table.index != 3))
    bad.to_parquet(files["all_action"])
    with pytest.raises(RescoreError) as error:
        read_predictions(files["all_action"], samples, SETTINGS)
    assert "column 'predicted'" in str(error.value)
    assert "without member" in str(error.value)
