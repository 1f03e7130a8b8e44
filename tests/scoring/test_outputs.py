"""The MTL-AQA paper's tables from files of the contract, cell by cell, and what is refused."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.scoring.caption_metrics import has_java
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.papers import BEST, LAST, VALIDATION, read_paper
from rescore.scoring.score_table import score_table
from rescore.scoring.scores import COLUMNS
from rescore.systems.multitask.members import is_member, members
from tests.mtl_aqa_files import SETTINGS, Files, write_files

EPOCH = {"last_iteration": 4, "best_iteration_on_test": 2, "best_on_validation": 3}
REPORTED = Path(__file__).parents[2] / "papers" / "mtl_aqa"
PAPER = REPORTED / "paper.yaml"
TABLES = read_paper(PAPER).tables
PROTOCOLS = (LAST, BEST, VALIDATION)
SCORE_TABLES = ("table4", "table7", "table8")
SYSTEMS = ("pose_dct", "pose_apen", "c3d_svr", "c3d_lstm", "c3d_lstm_svr", "c3d_lstm_incremental", "s3d", "li")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Files:
    return write_files(tmp_path_factory.mktemp("members"))


def systems_of(files: Files, folder: Path) -> list[Path]:
    """Predictions of Table 7's other systems, as good as C3D-AVG-STL's."""
    paths = []
    for path in files.predictions:
        table = pd.read_parquet(path)
        for system in (
            SYSTEMS if table["member"].str.startswith(("c3d_avg/score/1059", "c3d_avg/score/unlv")).all() else ()
        ):
            paths.append(folder / f"{len(paths)}_{system}.parquet")
            named = table["member"].str.replace("c3d_avg/score", system)
            table.assign(member=named, experiment=system).to_parquet(paths[-1])
    return paths


def score(files: Files, table, path, settings=SETTINGS):
    more = {}
    if table == "table5":
        more = {"classes": [*files.classes, files.baselines["classes"]]}
        more["captions"] = [*files.captions, files.baselines["captions"]]
    predictions = [*files.predictions, files.baselines["predictions"]]
    if table == "table7":
        predictions += systems_of(files, path.parent)
    score_table(PAPER, table, ScoredFiles(predictions, [files.rows], files.splits, **more), path, settings)
    return pd.read_csv(path, dtype=dict.fromkeys(("column", "protocol", "reason"), str)).fillna(
        {"protocol": "", "reason": ""}
    )


@pytest.fixture(scope="module")
def table5(written, tmp_path_factory):
    return score(written, "table5", tmp_path_factory.mktemp("table5") / "scores.csv")


def cell(table, row, column, protocol):
    found = table[(table["row"] == row) & (table["column"] == column) & (table["protocol"] == protocol)]
    assert len(found) == 1
    return found.iloc[0]


def read_all(paths, member):
    table = pd.concat([pd.read_parquet(path) for path in paths])
    return table[(table["member"] == member) & (table["split"] == "test")]


@pytest.mark.parametrize("table", [*SCORE_TABLES, "table5"])
def test_every_learned_cell_of_the_paper_is_scored(table):
    printed = pd.read_csv(REPORTED / "tables" / f"{table}.csv", dtype=str)
    expected = set(zip(printed["row"], printed["column"], strict=True))
    assert expected <= {(each.row, each.column) for each in TABLES[table].cells({})}


@pytest.mark.parametrize("table", [*SCORE_TABLES, "table5"])
def test_the_workflows_members_are_those_that_the_tables_need(table):
    named = {cell.member for cell in TABLES[table].cells({}) if is_member(cell.member)}
    assert named
    assert named <= {member.name for member in members(SETTINGS)}


def test_every_member_of_the_workflow_fills_a_cell_or_is_probed():
    named = {cell.member for table in TABLES.values() if table.experiments for cell in table.cells(SETTINGS)}
    left = [member for member in members(SETTINGS) if member.name not in named]
    assert [member.probed_alone for member in left] == [True]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_table4_is_the_mean_rho_in_percent_at_the_protocols_epoch(written, tmp_path, protocol):
    table = score(written, "table4", tmp_path / "scores.csv")
    assert list(table.columns) == COLUMNS
    found = cell(table, "+ Cls", "MSCADC", protocol)
    rows = read_all(written.predictions, "mscadc/score_classes/1059")
    at = rows[rows["iteration"] == EPOCH[protocol]]
    rho = [spearmanr(part["target"], part["predicted"]).statistic for _, part in at.groupby("seed")]
    assert found["value"] == pytest.approx(100 * np.mean(rho))
    assert found["low"] <= found["value"] <= found["high"]
    assert (found["n"], found["seeds"], found["statistic"]) == (20, 2, "spearman_percent")


def test_each_seed_has_its_own_best_epoch(written, tmp_path):
    paths = [path for path in written.predictions if "c3d_avg/score/1059/1" in str(path)]
    table = pd.read_parquet(paths[0])
    swapped = table.assign(iteration=table["iteration"].map({1: 1, 2: 3, 3: 2, 4: 4}))
    swapped.to_parquet(tmp_path / "swapped.parquet")
    predictions = [tmp_path / "swapped.parquet" if path in paths else path for path in written.predictions]
    changed = score(copy_of(written, predictions=predictions), "table4", tmp_path / "a.csv")
    plain = score(written, "table4", tmp_path / "b.csv")
    for protocol in ("best_iteration_on_test", "best_on_validation"):
        values = [cell(each, "AQA", "C3D-AVG", protocol)["value"] for each in (plain, changed)]
        assert values[0] == pytest.approx(values[1])


def copy_of(files: Files, **changes) -> Files:
    return Files(**{**vars(files), **changes})


@pytest.mark.parametrize("table", SCORE_TABLES)
def test_baselines_stand_beside_every_column_and_once(written, tmp_path, table):
    scores = score(written, table, tmp_path / "scores.csv")
    for row in ("Label only", "Commentary only", "Perfect observer"):
        mine = scores[scores["row"] == row]
        assert mine["protocol"].eq("").all()
        assert list(mine["column"]) == list(dict.fromkeys(scores["column"]))
        assert mine["seeds"].eq(1).all()
    observer, labels = (cell(scores, row, scores["column"][0], "") for row in ("Perfect observer", "Label only"))
    assert observer["value"] > 90 > labels["value"]


@pytest.mark.parametrize("table", [name for name, table in TABLES.items() if table.differences])
def test_a_difference_has_the_interval_of_its_pairs(written, tmp_path, table):
    ((title, (more, less)),) = TABLES[table].differences.items()
    scores = score(written, table, tmp_path / "scores.csv")
    for protocol in PROTOCOLS:
        for column in scores.loc[scores["row"] == more, "column"].unique():
            found = cell(scores, title, column, protocol)
            parts = [cell(scores, row, column, protocol) for row in (more, less)]
            assert found["value"] == pytest.approx(parts[0]["value"] - parts[1]["value"])
            assert found["low"] <= found["value"] <= found["high"]
            assert found["n"] == parts[0]["n"]


def test_table5_accuracies(written, table5):
    rows = read_all(written.classes, "mscadc/classes/1059")
    at = rows[(rows["iteration"] == 4) & (rows["subaction"] == "twists")]
    found = cell(table5, "# Twists", "Nibali et al.", "last_iteration")
    assert found["value"] == pytest.approx(100 * (at["target"] == at["predicted"]).mean())
    assert found["statistic"] == "accuracy_percent"
    perfect = table5[(table5["statistic"] == "accuracy_percent") & (table5["value"] == 100)]
    assert len(perfect)
    assert perfect["low"].to_numpy() == pytest.approx(
        100 * 20 / (20 + 1.959964**2), abs=1e-3
    )  # Wilson, all of 20 right
    majority = cell(table5, "Position", "Majority class", "")
    baseline = pd.read_parquet(written.baselines["classes"])
    mine = baseline[(baseline["member"] == "majority/1059") & (baseline["subaction"] == "position")]
    assert mine["predicted"].nunique() == 1
    assert majority["value"] == pytest.approx(100 * (mine["target"] == mine["predicted"]).mean())


def test_table5_captions(written, table5):
    last, best = (cell(table5, "C3D-AVG", "B1", protocol) for protocol in ("last_iteration", "best_iteration_on_test"))
    # The fixture's captions lack their last words, four at epoch 4 and two at epoch 2: all precise, penalised for brevity.
    said = read_all(written.captions, "c3d_avg/score_classes_caption/1059")
    for found, epoch in ((last, 4), (best, 2)):
        at = said[(said["iteration"] == epoch) & (said["seed"] == 0)]
        if has_java():
            words = [
                text.str.replace("'s", " 's").str.split().str.len().sum() for text in (at["target"], at["predicted"])
            ]
            assert found["value"] == pytest.approx(np.exp(1 - words[0] / words[1]))
        assert found["low"] <= found["value"] <= found["high"]
        assert found["statistic"] == "bleu_1"
    missing = table5[(table5["row"] == "C3D-AVG") & (table5["protocol"] == "best_on_validation")]
    assert set(missing["reason"]) == {"no captions were kept of the chosen iteration"}  # epoch 3 is not in the fixture
    assert missing[["value", "n", "seeds"]].isna().all(axis=None)
    random = table5[table5["row"] == "Random caption of the same class"]
    assert random["seeds"].eq(2).all()
    assert random["value"].between(0, 10).all()


def test_without_java_the_cells_say_so(written, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    scores = score(written, "table5", tmp_path / "scores.csv")
    meteor = scores[scores["statistic"] == "meteor"]
    assert meteor["value"].isna().all()
    assert set(
        meteor.loc[meteor["protocol"] == "last_iteration", "reason"].str.contains("openjdk-17-jre-headless")
    ) == {True}
    rest = scores[scores["statistic"].isin(["bleu_1", "rouge_l", "cider"]) & scores["value"].notna()]
    assert len(rest)
    assert rest["reason"].str.contains("tokenised by a rule of this project").all()


def test_a_twin_without_the_validation_dives_is_scored_in_its_members_place(tmp_path):
    settings = copy.deepcopy(SETTINGS)
    settings["multitask"]["validation"]["separate"] = True
    files = write_files(tmp_path, settings)
    scores = score(files, "table8", tmp_path / "scores.csv", settings)
    rows = read_all(files.predictions, "c3d_avg/score/450_validated")
    at = rows[rows["iteration"] == 3]
    rho = [spearmanr(part["target"], part["predicted"]).statistic for _, part in at.groupby("seed")]
    assert cell(scores, "STL", "450", "best_on_validation")["value"] == pytest.approx(100 * np.mean(rho))
    rows = read_all(files.predictions, "c3d_avg/score/450")
    at = rows[rows["iteration"] == 4]
    rho = [spearmanr(part["target"], part["predicted"]).statistic for _, part in at.groupby("seed")]
    assert cell(scores, "STL", "450", "last_iteration")["value"] == pytest.approx(100 * np.mean(rho))


def test_without_validation_dives_that_protocol_is_empty_and_says_why(written, tmp_path):
    paths = []
    for number, path in enumerate(written.predictions):
        paths.append(tmp_path / f"{number}.parquet")
        table = pd.read_parquet(path)
        table[table["split"] != "validation"].to_parquet(paths[-1])
    scores = score(copy_of(written, predictions=paths), "table4", tmp_path / "scores.csv")
    empty = scores[scores["protocol"] == "best_on_validation"]
    assert set(empty["reason"]) == {"no validation predictions: nothing to choose the iteration by"}
    assert empty["value"].isna().all()
    assert scores[scores["protocol"] == "last_iteration"]["value"].notna().all()


def test_a_real_data_set_has_no_perfect_observer(written, tmp_path):
    predictions = pd.read_parquet(written.baselines["predictions"])
    kept = predictions[~predictions["member"].str.startswith("observer/")]
    kept.to_parquet(tmp_path / "baselines.parquet")
    baselines = written.baselines | {"predictions": tmp_path / "baselines.parquet"}
    scores = score(copy_of(written, baselines=baselines), "table4", tmp_path / "scores.csv")
    assert "Perfect observer" not in set(scores["row"])
    assert "Label only" in set(scores["row"])


def test_dropped_samples_are_not_expected_of_anyone(written, tmp_path):
    rows = pd.read_parquet(written.rows)
    gone = rows["sample"].iloc[-1]
    rows[rows["sample"] != gone].to_parquet(tmp_path / "rows.parquet")
    paths = []
    for number, path in enumerate(written.predictions):
        paths.append(tmp_path / f"{number}.parquet")
        table = pd.read_parquet(path)
        table[table["sample"] != gone].to_parquet(paths[-1])
    files = copy_of(written, rows=tmp_path / "rows.parquet", predictions=paths)
    scores = score(files, "table4", tmp_path / "scores.csv")
    assert scores["n"].eq(19).all()


def test_equal_bytes(written, tmp_path):
    for name in ("a.csv", "b.csv"):
        score(written, "table4", tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def damaged(written, tmp_path, kind, member, change):
    """The files with one member's first seed changed."""
    paths = list(getattr(written, kind))
    place = next(n for n, path in enumerate(paths) if f"{member}/0" in str(path))
    table = change(pd.read_parquet(paths[place]))
    paths[place] = tmp_path / "damaged.parquet"
    table.to_parquet(paths[place])
    return copy_of(written, **{kind: paths})


def drop_one_test_row(table):
    return table.drop(table.index[(table["split"] == "test") & (table["iteration"] == 3)][0])


DAMAGES = {
    "NaN": (
        "predictions",
        lambda t: t.assign(predicted=t["predicted"].where(t.index != 3)),
        r"1 predicted values are NaN",
    ),
    "twice": ("predictions", lambda t: pd.concat([t, t.iloc[[5]]], ignore_index=True), "1 duplicate rows"),
    "sample": ("predictions", drop_one_test_row, r"iteration 3: 1 of 20 test samples of diving are missing"),
    "unit": ("predictions", lambda t: t.assign(target=t["target"] / 17), "targets differ from the samples' scores"),
    "seed": ("predictions", lambda t: t.iloc[:0], r"1 seeds \(1\), declared 2"),
    "epochs": ("predictions", lambda t: t[t["iteration"] < 4], "seeds were evaluated at different iterations"),
    "column": ("predictions", lambda t: t.drop(columns="unit"), "no column 'unit'"),
    "class": (
        "classes",
        lambda t: t.assign(predicted=t["predicted"].where(t.index != 3, "")),
        "1 predicted values are empty",
    ),
    "class sample": ("classes", drop_one_test_row, r"1 of 20 test samples"),
    "class seed": ("classes", lambda t: t.iloc[:0], r"1 seeds \(1\), declared 2"),
    "truth": (
        "classes",
        lambda t: t.assign(target=t["target"].replace("tuck", "pike")),
        "true classes differ between files",
    ),
    "caption": ("captions", lambda t: pd.concat([t, t.iloc[[0]]]), "1 duplicate rows"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_files_are_refused(written, tmp_path, damage):
    kind, change, message = DAMAGES[damage]
    files = damaged(written, tmp_path, kind, "c3d_avg/score_classes_caption/1059", change)
    with pytest.raises(RescoreError, match=message):
        score(files, "table5" if kind != "predictions" else "table4", tmp_path / "scores.csv")


def test_everything_wrong_is_named_together(written, tmp_path):
    files = damaged(written, tmp_path, "predictions", "c3d_avg/score/1059", lambda t: t.assign(predicted=np.nan))
    shutil.copy(tmp_path / "damaged.parquet", tmp_path / "first.parquet")
    paths = [tmp_path / "first.parquet" if path.name == "damaged.parquet" else path for path in files.predictions]
    rest = [path for path in paths if "mscadc/score/1059" not in str(path)]
    with pytest.raises(RescoreError) as error:
        score(copy_of(files, predictions=rest), "table4", tmp_path / "scores.csv")
    assert "mscadc/score/1059: no predictions" in str(error.value)
    assert "predicted values are NaN" in str(error.value)


def test_unknown_table(written, tmp_path):
    with pytest.raises(RescoreError, match=r"no scores are declared for 'table11': table1 \| table2"):
        score(written, "table11", tmp_path / "scores.csv")
