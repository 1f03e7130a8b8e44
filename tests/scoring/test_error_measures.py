"""Errors of members: against independent computations, their intervals, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, spearmanr
from sklearn.metrics import root_mean_squared_error

from rescore.engine.errors import RescoreError
from rescore.scoring.correlation import Trained
from rescore.scoring.error_measures import (
    COLUMNS,
    measure_errors,
    relative_l2,
    root_mean_square,
    root_mean_square_error,
)
from tests.scoring.conftest import SETTINGS


@pytest.fixture
def inputs(tmp_path, tables):
    """The three experiments' files, and the samples of their data set."""
    paths = []
    for name in ("all_action", "zero_shot", "fine_tuning"):
        paths.append(tmp_path / f"{name}.parquet")
        tables[name].to_parquet(paths[-1])
    tables["rows"].assign(dataset="aqa7").to_parquet(tmp_path / "rows.parquet")
    return paths, [tmp_path / "rows.parquet"]


@pytest.fixture
def measured(inputs, tmp_path):
    measure_errors(*inputs, tmp_path / "errors.csv", SETTINGS)
    return pd.read_csv(tmp_path / "errors.csv", keep_default_na=False)


def test_every_member_and_action_has_a_line(measured, tables):
    assert list(measured.columns) == COLUMNS
    everything = pd.concat([tables[name] for name in ("all_action", "zero_shot", "fine_tuning")])
    assert len(measured) == len(everything[["experiment", "member", "action"]].drop_duplicates())
    without = {"random", *(name for name in measured["member"] if name.startswith("svr/"))}
    assert set(measured.loc[measured["protocol"] == "", "member"]) == without
    assert set(measured.loc[~measured["member"].isin(without), "protocol"]) == {"last_iteration"}


def test_numbers_against_sklearn_and_scipy(measured, tables):
    for member, action, experiment in (("all", "skiing", "all_action"), ("random", "diving", "zero_shot")):
        found = measured[(measured["member"] == member) & (measured["action"] == action)].iloc[0]
        mine = tables[experiment].query("member == @member and action == @action")
        mine = mine[mine["iteration"] == mine["iteration"].max()]
        known = tables["rows"].query("action == @action")["score"]
        seeds = [(part["target"], part["predicted"]) for _, part in mine.groupby("seed")]
        assert (found["n"], found["seeds"]) == (12, 2)
        assert found["rmse"] == pytest.approx(np.mean([root_mean_squared_error(*pair) for pair in seeds]))
        assert found["spearman"] == pytest.approx(np.mean([spearmanr(*pair).statistic for pair in seeds]))
        span = known.max() - known.min()
        squares = [np.mean(((target - predicted) / span) ** 2) for target, predicted in seeds]
        assert found["relative_l2"] == pytest.approx(100 * np.mean(squares))
        assert (found["lowest"], found["highest"]) == pytest.approx((known.min(), known.max()))
        assert found["low"] < found["rmse"] < found["high"]
        assert found["variance"] == "trainings"


def test_the_interval_is_scipys_for_one_seed():
    generator = np.random.default_rng(4)
    target = generator.normal(60, 12, 80)
    predicted = target + generator.normal(0, 9, 80)
    samples = np.array([[f"s{number:02d}" for number in range(80)]], dtype=object)
    settings = {"seed": 0, "scoring": {"bootstrap": 4000, "confidence": 0.95}}
    estimate = root_mean_square(target[None], predicted[None], samples, Trained(), settings)
    theirs = bootstrap(
        (target - predicted,),
        lambda error, axis: np.sqrt(np.mean(error**2, axis=axis)),
        n_resamples=4000,
        rng=generator,
    )
    assert estimate.replicates.std() == pytest.approx(theirs.standard_error, rel=0.06)


def test_equal_bytes_in_any_order(inputs, measured, tmp_path):
    paths, rows = inputs
    measure_errors(paths[::-1], rows, tmp_path / "again.csv", SETTINGS)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "errors.csv").read_bytes()


def test_a_file_without_scores_is_passed_over_but_not_nothing(inputs, measured, tables, tmp_path):
    paths, rows = inputs
    tables["all_action"].iloc[:0].to_parquet(tmp_path / "empty.parquet")
    measure_errors([*paths, tmp_path / "empty.parquet"], rows, tmp_path / "more.csv", SETTINGS)
    assert (tmp_path / "more.csv").read_bytes() == (tmp_path / "errors.csv").read_bytes()
    with pytest.raises(RescoreError, match="no rows"):
        measure_errors([tmp_path / "empty.parquet"], rows, tmp_path / "more.csv", SETTINGS)


def test_constant_predictions_have_errors_but_no_correlation(inputs, tables, tmp_path):
    tables["zero_shot"].assign(predicted=50.0).to_parquet(inputs[0][1])
    measure_errors([inputs[0][1]], inputs[1], tmp_path / "constant.csv", SETTINGS)
    found = pd.read_csv(tmp_path / "constant.csv")
    assert found["spearman"].isna().all()
    assert found[["rmse", "relative_l2"]].notna().all(axis=None)


def test_what_is_wrong_is_named_together(inputs, tables, tmp_path):
    paths, rows = inputs
    broken = tables["zero_shot"].copy()
    broken.loc[3, "predicted"] = np.nan
    broken = broken.drop(broken[(broken["member"] == "without/diving") & (broken["seed"] == 1)].index[0])
    broken.to_parquet(paths[1])
    tables["fine_tuning"].assign(dataset="another").to_parquet(paths[2])
    with pytest.raises(RescoreError) as error:
        measure_errors(paths, rows, tmp_path / "bad.csv", SETTINGS)
    assert "zero_shot: 1 predicted values are NaN" in str(error.value)
    assert "unequal numbers of samples: without/diving (diving)" in str(error.value)
    assert "fine_tuning: no samples of the data set another are given" in str(error.value)
    tables["all_action"].assign(target=tables["all_action"]["target"] / 100).to_parquet(paths[0])
    with pytest.raises(RescoreError, match="targets differ from the samples' scores"):
        measure_errors(paths[:1], rows, tmp_path / "bad.csv", SETTINGS)


def test_errors_by_hand():
    target, predicted = np.array([0.0, 10, 20]), np.array([0.0, 13, 16])
    assert root_mean_square_error(target, predicted) == pytest.approx(np.sqrt(25 / 3))
    assert relative_l2(target, predicted) == pytest.approx((25 / 3) / 400)
    assert relative_l2(target, predicted, 0, 100) == pytest.approx((25 / 3) / 10000)
    assert np.isnan(relative_l2(np.ones(3), predicted))
    assert np.isnan(root_mean_square_error(np.array([]), np.array([])))
    with pytest.raises(RescoreError, match="#1"):
        relative_l2(np.array([1, np.inf]), np.array([1.0, 2.0]))
