"""A paper's tables from predictions, cell by cell, against scipy on the same numbers."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.scoring.correlation import arithmetic_mean, fisher_z_average
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.papers import NOTHING_CHOSEN
from rescore.scoring.score_table import score_table
from rescore.scoring.scores import COLUMNS
from tests.scoring.conftest import PAPERS

PAPER = PAPERS / "aqa7" / "paper.yaml"
BASELINES = {"Perfect observer": "observer", "Difficulty alone": "difficulty"}
ACTION_TITLES = ["Diving", "Gymvault", "Skiing", "Snowboard", "Sync. Dive 3m", "Sync. Dive 10m"]
EXPERIMENTS = {
    "table2": ["all_action"],
    "table3": ["all_action", "zero_shot"],
    "table4": ["fine_tuning"],
    "figure3": ["fine_tuning"],
}


def scores(files, table, settings, tmp_path, name="scores.csv"):
    predictions = [files[experiment] for experiment in EXPERIMENTS[table]]
    score_table(PAPER, table, ScoredFiles(predictions, [files["rows"]]), tmp_path / name, settings)
    return pd.read_csv(tmp_path / name, dtype={"protocol": str}).fillna({"protocol": ""})


def rho_of(predictions, member, action, iteration):
    part = predictions[
        (predictions["member"] == member) & (predictions["action"] == action) & (predictions["iteration"] == iteration)
    ]
    return np.mean([spearmanr(group["target"], group["predicted"]).statistic for _, group in part.groupby("seed")])


def value(table, row, column, protocol, statistic="spearman"):
    found = table[(table["row"] == row) & (table["column"] == column) & (table["protocol"] == protocol)]
    return found.loc[found["statistic"] == statistic].iloc[0]


@pytest.mark.parametrize(("protocol", "iteration"), [("last_iteration", 300), ("best_iteration_on_test", 200)])
def test_table2_cells(files, settings, tmp_path, protocol, iteration):
    table = scores(files, "table2", settings, tmp_path)
    assert list(table.columns) == COLUMNS
    row = value(table, "All-action C3D-LSTM", "Snowboarding", protocol)
    assert json.loads(row["cells"]) == [["all", "snowboard"]]
    predictions = pd.read_parquet(files["all_action"])
    cell = value(table, "All-action C3D-LSTM", "Snowboarding", protocol)
    assert cell["value"] == pytest.approx(rho_of(predictions, "all", "snowboard", iteration), abs=1e-9)
    assert cell["low"] <= cell["value"] <= cell["high"]
    assert (cell["n"], cell["seeds"]) == (12, 2)


def test_what_has_no_iterations_is_given_once(files, settings, tmp_path):
    table = scores(files, "table2", settings, tmp_path)
    once = ["Single-action C3D-SVR", *BASELINES]
    assert table[table["row"].isin(once)]["protocol"].unique().tolist() == [NOTHING_CHOSEN]
    assert NOTHING_CHOSEN not in set(table[~table["row"].isin(once)]["protocol"])
    assert value(table, "Single-action C3D-SVR", "Diving", NOTHING_CHOSEN)["seeds"] == 1
    zero_shot = scores(files, "table3", settings, tmp_path)
    assert set(zero_shot[zero_shot["row"] == "Random Wts./Ini."]["protocol"]) == {NOTHING_CHOSEN}
    assert zero_shot[zero_shot["row"] == "Random Wts./Ini."]["seeds"].eq(2).all()


def test_baselines_are_the_correlation_of_what_is_known_with_the_score(files, settings, tmp_path):
    table, rows = scores(files, "table2", settings, tmp_path), pd.read_parquet(files["rows"])
    tested = rows[(rows["split"] == "test") & (rows["action"] == "diving")]
    for row, column in BASELINES.items():
        cell = value(table, row, "Diving", NOTHING_CHOSEN)
        assert cell["value"] == pytest.approx(spearmanr(tested["score"], tested[column]).statistic)
        assert (cell["n"], cell["seeds"]) == (12, 1)
    fine_tuning = scores(files, "table4", settings, tmp_path)
    assert set(BASELINES) < set(fine_tuning["row"])


def test_table2_averages_follow_from_its_cells(files, settings, tmp_path):
    table = scores(files, "table2", settings, tmp_path)
    cells = table[(table["row"] == "All-action C3D-LSTM") & (table["protocol"] == "last_iteration")]
    values = cells.loc[cells["statistic"] == "spearman", "value"].to_numpy()
    average = cells[cells["column"] == "Avg. Corr."].iloc[0]
    assert len(values) == 6
    assert average["value"] == pytest.approx(float(fisher_z_average(values)))
    assert average["n"] == 72
    assert average["low"] < average["value"] < average["high"]


def test_table3_averages_leave_the_diagonal_out(files, settings, tmp_path):
    table = scores(files, "table3", settings, tmp_path)
    mine = table[(table["protocol"] != "best_iteration_on_test") & (table["statistic"] == "spearman")]
    for row in ("Random Wts./Ini.", "Skiing", "Multi-action"):
        cells = mine[(mine["row"] == row) & (mine["column"] != row)]["value"].to_numpy()
        assert len(cells) == (5 if row == "Skiing" else 6)
        protocol = NOTHING_CHOSEN if row == "Random Wts./Ini." else "last_iteration"
        average = value(table, row, "Avg. Corr.", protocol, "arithmetic_mean")
        assert average["value"] == pytest.approx(float(arithmetic_mean(cells)))
        by_z = value(table, row, "Avg. Corr. (Fisher's z)", protocol, "fisher_z_average")
        assert by_z["value"] == pytest.approx(float(fisher_z_average(cells)))
    assert set(mine["row"]) == {"Random Wts./Ini.", *ACTION_TITLES, "Multi-action", *BASELINES}


def test_table4_takes_its_own_test_samples(files, settings, tmp_path):
    table = scores(files, "table4", settings, tmp_path)
    predictions = pd.read_parquet(files["fine_tuning"])
    cell = value(table, "AA", "Sync. Dive 3m 3", "last_iteration")
    assert cell["value"] == pytest.approx(
        rho_of(predictions, "fine_tuned/sync_diving_3m/3/multi_action", "sync_diving_3m", 300)
    )
    assert cell["n"] == 10
    best = table[(table["protocol"] == "best_iteration_on_test") & (table["statistic"] == "spearman")][
        "value"
    ].to_numpy()
    last = table[(table["protocol"] == "last_iteration") & (table["statistic"] == "spearman")]["value"].to_numpy()
    assert (best >= last - 1e-12).all()


def test_figure3_has_every_iteration(files, settings, tmp_path):
    table = scores(files, "figure3", settings, tmp_path)
    assert len(table) == 2 * 12 * 3
    assert sorted(table["iteration"].unique()) == [100, 200, 300]


def test_constant_predictions_leave_the_cell_and_its_average_undefined(files, settings, tmp_path):
    predictions = pd.read_parquet(files["all_action"])
    flat = (predictions["member"] == "all") & (predictions["action"] == "diving") & (predictions["seed"] == 1)
    predictions.loc[flat, "predicted"] = 5.0
    predictions.to_parquet(files["all_action"])
    table = scores(files, "table2", settings, tmp_path)
    assert np.isnan(value(table, "All-action C3D-LSTM", "Diving", "last_iteration")["value"])
    assert np.isnan(value(table, "All-action C3D-LSTM", "Avg. Corr.", "last_iteration", "fisher_z_average")["value"])
    assert value(table, "All-action C3D-LSTM", "Skiing", "last_iteration")["value"] > 0


def test_what_is_not_known_of_every_sample_is_no_baseline(files, settings, tmp_path):
    rows = pd.read_parquet(files["rows"]).drop(columns="observer")
    rows.loc[rows.index[rows["split"] == "test"][0], "difficulty"] = np.nan
    rows.to_parquet(files["rows"])
    assert not set(BASELINES) & set(scores(files, "table2", settings, tmp_path)["row"])


@pytest.mark.parametrize("table", list(EXPERIMENTS))
def test_equal_bytes(files, settings, tmp_path, table):
    scores(files, table, settings, tmp_path, "a.csv")
    scores(files, table, settings, tmp_path, "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_members_and_actions_that_a_table_lacks_are_named_together(files, settings, tmp_path):
    predictions = pd.read_parquet(files["all_action"])
    cut = (predictions["member"] == "single/diving") & (predictions["action"] == "skiing") | (
        predictions["member"] == "all"
    )
    predictions[~cut].to_parquet(files["all_action"])
    with pytest.raises(RescoreError, match="no predictions for skiing"):
        scores(files, "table3", settings, tmp_path)
    with pytest.raises(RescoreError, match="all: no predictions"):
        scores(files, "table2", settings, tmp_path)


def test_unknown_table(files, settings, tmp_path):
    with pytest.raises(RescoreError, match=r"no scores are declared for 'table9': table1 \| table2"):
        score_table(
            PAPER, "table9", ScoredFiles([files["all_action"]], [files["rows"]]), tmp_path / "scores.csv", settings
        )


def pose_predictions(files, systems):
    """Predictions of pose systems for every action, as pose_aqa7 writes them: one seed, no iterations."""
    parts = []
    known = pd.read_parquet(files["all_action"])
    for system in systems:
        own = known[known["member"].str.startswith("svr/")].copy()
        noise = 9.0 * np.random.default_rng(len(system)).normal(size=len(own))
        own = own.assign(member=own["member"].str.replace("svr", system), predicted=own["target"] + noise)
        parts.append(own.assign(experiment="pose_aqa7"))
    return pd.concat(parts, ignore_index=True)


def test_pose_rows_are_there_where_predicted_and_leave_the_other_cells_alone(files, settings, tmp_path):
    before = scores(files, "table2", settings, tmp_path)
    poses = pose_predictions(files, ["pose_dct", "pose_dct_true"])
    poses.to_parquet(tmp_path / "poses.parquet")
    both = [files["all_action"], tmp_path / "poses.parquet"]
    score_table(PAPER, "table2", ScoredFiles(both, [files["rows"]]), tmp_path / "with.csv", settings)
    after = pd.read_csv(tmp_path / "with.csv", dtype={"protocol": str}).fillna({"protocol": ""})
    added = ["Pose+DCT", "Pose+DCT, true joints"]
    assert sorted(set(after["row"]) - set(before["row"])) == added
    columns = [name for name in before.columns if name != "experiment"]
    kept = after[~after["row"].isin(added)].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept[columns], before[columns], check_exact=True)
    cell = value(after, "Pose+DCT", "Snowboarding", NOTHING_CHOSEN)
    assert cell["value"] == pytest.approx(rho_of(poses, "pose_dct/snowboard", "snowboard", 0), abs=1e-9)
    assert (cell["n"], cell["seeds"]) == (12, 1)
    average = value(after, "Pose+DCT", "Avg. Corr.", NOTHING_CHOSEN, "fisher_z_average")
    each = [value(after, "Pose+DCT", title, NOTHING_CHOSEN)["value"] for title in [*ACTION_TITLES[:3], "Snowboarding"]]
    assert min(each) - 0.5 < average["value"] < 1


def test_a_pose_row_with_an_action_missing_is_an_error(files, settings, tmp_path):
    poses = pose_predictions(files, ["pose_dct"])
    poses[poses["action"] != "skiing"].to_parquet(tmp_path / "poses.parquet")
    with pytest.raises(RescoreError, match="pose_dct/skiing: no predictions"):
        both = [files["all_action"], tmp_path / "poses.parquet"]
        score_table(PAPER, "table2", ScoredFiles(both, [files["rows"]]), tmp_path / "scores.csv", settings)
