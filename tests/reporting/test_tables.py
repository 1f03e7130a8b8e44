"""Result tables: verdicts, reasons, and the same numbers in CSV, Markdown and LaTeX."""

import shutil

import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.reporting.tables import collect_markdown, make_table, read_result, same_to_printed_digits, verdict
from rescore.reporting.wording import PROTOCOLS
from rescore.scoring.papers import Table, read_paper
from rescore.scoring.scores import INTERVALS


def make(tmp_path, reported, table, scores, settings, name="aqa7"):
    paths = [tmp_path / f"{name}_{table}.{suffix}" for suffix in ("csv", "md", "tex")]
    make_table(reported / "paper.yaml", table, *paths, settings, scores)
    return read_result(paths[0]), paths


def test_official_results_are_held_against_their_interval(tmp_path, reported, scores, paper):
    table = pd.read_csv(scores["table2"])
    far = (table["row"] == "All-action C3D-LSTM") & (table["column"] == "Diving")
    table.loc[far, ["prediction_low", "prediction_high"]] = [0.62, 0.7]
    table.to_csv(scores["table2"], index=False)
    result, _ = make(tmp_path, reported, "table2", scores["table2"], paper)
    cell = result[(result["row"] == "All-action C3D-LSTM") & (result["column"] == "Diving")].iloc[0]
    assert (cell["reported"], cell["verdict"]) == ("0.6177", "differs")
    assert "0.0023" in cell["reason"]
    others = result[(result["reported"] != "") & (result["protocol"] != "") & (result["column"] != "Diving")]
    assert set(others["verdict"]) == {"reproduced"}
    assert result[result["row"] == "Pose+DCT"][["verdict", "reproduced"]].to_numpy().tolist() == [["not run", ""]]


@pytest.mark.parametrize("scale", ["demo", "smoke"])
@pytest.mark.parametrize("table", ["table2", "table3", "table4"])
def test_synthetic_results_never_earn_reproduced(tmp_path, reported, scores, table, scale, request):
    result, paths = make(tmp_path, reported, table, scores[table], request.getfixturevalue(scale))
    assert set(result["verdict"]) <= {"not comparable", "not run"}
    assert set(result.loc[(result["reported"] != "") & (result["reproduced"] != ""), "reason"]) != {""}
    for path in paths[1:]:
        assert "SYNTHETIC" in path.read_text()
        assert ("mean nothing" in path.read_text()) == (scale == "smoke")


def test_synthetic_pre_training_is_not_comparable(tmp_path, reported, scores, paper):
    settings = paper | {"sources": {"aqa7_videos": "official", "pretraining_videos": "synthetic"}}
    result, _ = make(tmp_path, reported, "table2", scores["table2"], settings)
    assert "reproduced" not in set(result["verdict"])


def test_table4_prints_best_iterations(tmp_path, reported, scores, paper):
    result, _ = make(tmp_path, reported, "table4", scores["table4"], paper)
    cells = result[result["row"] != "Perfect observer"]
    assert set(cells.loc[cells["protocol"] == "last_iteration", "verdict"]) == {"not comparable"}
    assert set(cells.loc[cells["protocol"] == "best_iteration_on_test", "verdict"]) == {"reproduced"}


def test_nothing_run(tmp_path, reported, paper):
    result, paths = make(tmp_path, reported, "table3", None, paper)
    assert len(result) == 56
    assert set(result["verdict"]) == {"not run"}
    assert "not run" in paths[1].read_text()


def test_undefined_correlations_say_so(tmp_path, reported, scores, paper):
    table = pd.read_csv(scores["table3"])
    table.loc[table["row"] == "Skiing", ["value", *INTERVALS]] = float("nan")
    table.to_csv(scores["table3"], index=False)
    result, paths = make(tmp_path, reported, "table3", scores["table3"], paper)
    assert result[result["row"] == "Skiing"]["reason"].str.startswith("undefined").all()
    assert "undefined" in paths[1].read_text()


def test_every_number_of_the_csv_stands_in_markdown_and_latex(tmp_path, reported, scores, demo):
    result, paths = make(tmp_path, reported, "table3", scores["table3"], demo)
    text = paths[1].read_text()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    head, body = lines[0], {(line[0], line[1]): dict(zip(lines[0], line, strict=True)) for line in lines[2:]}
    titles = PROTOCOLS
    assert {row for row, whose in body if whose == "ours"} == {"Perfect observer"}
    assert head[2] == "Diving"
    for cell in result.to_dict("records"):
        assert body[cell["row"], "reported"][cell["column"]] == cell["reported"] if cell["reported"] else True
        printed = body[cell["row"], titles[cell["protocol"]]][cell["column"]]
        prediction = f" ({cell['prediction_low']}, {cell['prediction_high']})" if cell["prediction_low"] else ""
        assert printed == f"{cell['reproduced']} [{cell['low']}, {cell['high']}]{prediction}"
        assert bool(prediction) == (cell["variance"] == "trainings")
        assert printed in paths[2].read_text()


def test_table1_from_a_summary(tmp_path, reported, paper):
    summary = pd.read_csv(reported / "tables" / "table1.csv", dtype=str).query("row != 'Trampoline'").assign(reason="")
    summary.loc[(summary["row"] == "Big Air Skiing") & (summary["column"] == "# Samples"), "value"] = "174"
    judged = summary["column"] == "View Variation"
    summary.loc[judged, ["value", "reason"]] = ["", "reported only: the paper's own judgement"]
    summary.to_csv(tmp_path / "summary.csv", index=False)
    result, paths = make(tmp_path, reported, "table1", tmp_path / "summary.csv", paper)
    assert len(result) == 35
    verdicts = result.set_index(["row", "column"])["verdict"]
    assert verdicts["Big Air Skiing", "# Samples"] == "differs"
    assert verdicts["Big Air Skiing", "Score Range"] == "reproduced"
    assert verdicts["Trampoline", "# Samples"] == "not run"
    alone = result[result["column"] == "View Variation"].set_index("row").loc["Big Air Skiing"]
    assert alone[["verdict", "reason"]].tolist() == ["reported only", "the paper's own judgement"]
    assert verdicts["Trampoline", "View Variation"] == "not run"  # its summary says nothing
    for path in paths[1:]:
        assert path.read_text().count("reported only") == 6


def test_a_reported_file_says_which_cells_name_no_experiment(tmp_path, reported, scores, paper):
    mine = shutil.copytree(reported, tmp_path / "aqa7")
    table = pd.read_csv(reported / "tables" / "table2.csv", dtype=str).assign(reason="")
    table.loc[table["row"].isin(["Pose+DCT", "All-action C3D-LSTM"]), "reason"] = "reported only: nobody's system"
    table.to_csv(mine / "tables" / "table2.csv", index=False)
    result, _ = make(tmp_path, mine, "table2", scores["table2"], paper)
    alone = result[result["verdict"] == "reported only"]
    assert set(alone["row"]) == {"Pose+DCT"}  # what is there is judged, whatever the file says
    assert set(alone["reason"]) == {"nobody's system"}
    pd.read_csv(scores["table2"]).assign(reason=["", *[None] * (len(pd.read_csv(scores["table2"])) - 1)]).to_csv(
        tmp_path / "scores.csv", index=False
    )
    again, _ = make(tmp_path, mine, "table2", tmp_path / "scores.csv", paper)
    assert again.equals(result)


@pytest.mark.parametrize(
    ("printed", "ours", "same"),
    [
        ("97", "97.4", True),
        ("97", "97.6", False),
        ("21.60 - 102.60", "21.6 - 102.6", True),
        ("8 - 50", "8 - 51", False),
        ("8 - 50", "8", False),
        ("large", "large", True),
        ("large", "small", False),
    ],
)
def test_equal_to_the_printed_digits(printed, ours, same):
    assert same_to_printed_digits(printed, ours) is same


def test_equal_bytes(tmp_path, reported, scores, demo):
    _, first = make(tmp_path, reported, "table2", scores["table2"], demo, "a")
    _, second = make(tmp_path, reported, "table2", scores["table2"], demo, "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    collect_markdown([first[1]], tmp_path / "tables.md")
    assert "Table 2" in (tmp_path / "tables.md").read_text()


def test_what_nothing_was_chosen_for_stands_once_and_is_judged(tmp_path, reported, scores, paper):
    table = pd.read_csv(scores["table2"])
    once = table[(table["row"] == "Single-action C3D-SVR") & (table["protocol"] == "last_iteration")].assign(
        protocol="", seeds=1, variance="nothing trained"
    )
    once[["prediction_low", "prediction_high"]] = float("nan")
    once.loc[once["column"] == "Skiing", ["value", *INTERVALS]] = float("nan")
    pd.concat([table[table["row"] != "Single-action C3D-SVR"], once]).to_csv(scores["table2"], index=False)
    result, paths = make(tmp_path, reported, "table2", scores["table2"], paper)
    mine = result[result["row"] == "Single-action C3D-SVR"].set_index("column")
    assert mine.index.is_unique
    assert mine.loc["Diving", "verdict"] == "reproduced"
    assert mine.loc["Skiing", "reason"].startswith("undefined")
    assert "| Single-action C3D-SVR | ours | 0.7802 [0.7002, 0.8602] |" in paths[1].read_text()
    assert set(result.loc[result["row"] == "Pose+DCT", "verdict"]) == {"not run"}


def test_rows_and_columns_of_our_own_keep_the_order_of_the_scores(tmp_path, reported, scores, demo):
    table = pd.read_csv(scores["table2"])
    more = table[table["row"] == "Perfect observer"].assign(row="Difficulty alone")
    pd.concat([table, more, more.head(1).assign(column="A column")]).to_csv(scores["table2"], index=False)
    result, paths = make(tmp_path, reported, "table2", scores["table2"], demo)
    assert list(dict.fromkeys(result["row"]))[-2:] == ["Perfect observer", "Difficulty alone"]
    assert list(dict.fromkeys(result["column"]))[-1] == "A column"
    known = read_paper(reported / "paper.yaml").tables["table2"].known
    assert list(known) == ["Perfect observer", "Difficulty alone"]
    assert all(f"{row}: " in path.read_text() for row in known for path in paths[1:])


def test_bad_input_is_named(tmp_path, reported, scores, demo):
    with pytest.raises(RescoreError, match="no scores are declared for 'table7'"):
        make(tmp_path, reported, "table7", scores["table2"], demo)
    mine = shutil.copytree(reported, tmp_path / "aqa7")
    (mine / "tables" / "table2.csv").unlink()
    with pytest.raises(RescoreError, match="no such file of reported numbers"):
        make(tmp_path, mine, "table2", scores["table2"], demo)
    pd.read_csv(scores["table2"]).drop(columns="protocol").to_csv(scores["table2"], index=False)
    with pytest.raises(RescoreError, match="no column 'protocol'"):
        make(tmp_path, reported, "table2", scores["table2"], demo)
    table = pd.read_csv(reported / "tables" / "table2.csv", dtype=str)
    pd.concat([table, table.iloc[[0]]]).to_csv(mine / "tables" / "table2.csv", index=False)
    with pytest.raises(RescoreError, match=r"Pose\+DCT / Diving stands twice"):
        make(tmp_path, mine, "table2", None, demo)


def test_an_interval_over_samples_only_is_marked_and_every_table_says_which_it_shows(tmp_path, reported, scores, paper):
    table = pd.read_csv(scores["table2"])
    once = (table["row"] == "All-action C3D-LSTM") & (table["protocol"] == "last_iteration")
    table.loc[once, "variance"], table.loc[once, ["prediction_low", "prediction_high"]] = "none", float("nan")
    table.to_csv(scores["table2"], index=False)
    result, paths = make(tmp_path, reported, "table2", scores["table2"], paper)
    mine = result[(result["row"] == "All-action C3D-LSTM") & (result["protocol"] == "last_iteration")]
    assert set(mine["verdict"]) == {"not comparable"}
    first = mine.iloc[0]
    assert f"{first['reproduced']} [{first['low']}, {first['high']}]†" in paths[1].read_text()
    assert r"\dag{}" in paths[2].read_text()
    for path in paths[1:]:
        assert "confidence interval over new trainings" in path.read_text()
        assert "prediction interval of one new training" in path.read_text()


@pytest.mark.parametrize(
    ("reproduced", "more", "expected"),
    [
        ("0.7097", {}, "agrees with the authors' log"),
        ("0.7151", {}, "not in the authors' log"),
        ("0.7097", {"confirmed": "no"}, "not comparable"),
        ("0.7097", {"protocol": "log_best_epoch_on_test"}, "not comparable"),
        ("0.7097", {"protocol": "released_predictions"}, "not comparable"),
    ],
)
def test_a_released_log_is_held_to_the_printed_digits_by_the_papers_own_rule(reproduced, more, expected):
    table = Table("p", "t", "", {"title": "T", "prints": "log_mean_of_last_ten"})
    line = {
        "row": "R",
        "column": "C",
        "reported": "0.71",
        "reproduced": reproduced,
        "seeds": "3",
        "missing": "a.log, line 3",
    }
    told = line | {"protocol": "log_mean_of_last_ten", "read_in": "the sheet", "confirmed": "yes"} | more
    found, reason = verdict(table, told, {"scale": "open", "sources": {}})
    assert found == expected
    assert "a.log, line 3" in reason


def test_released_predictions_reproduce_a_number_or_differ():
    table = Table("p", "t", "", {"title": "T", "prints": "released_predictions"})
    line = {
        "row": "R",
        "column": "C",
        "reported": "0.80",
        "seeds": "1",
        "missing": "recomputed",
        "protocol": "released_predictions",
    }
    for reproduced, expected in (("0.8049", "reproduced"), ("0.8098", "differs")):
        assert verdict(table, line | {"reproduced": reproduced}, {"scale": "open", "sources": {}})[0] == expected
