"""`rescore explain`: every step of the chain, the number taken again from predictions, and what contradicts the records."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from rescore.cli import main
from rescore.engine.errors import RescoreError
from rescore.engine.storage import save_arrays, sha256_file
from rescore.reporting.cells import filled, mean_of, members_behind, seeds_behind
from rescore.reporting.evidence import (
    Link,
    Provenance,
    hash_problems,
    header_of,
    links,
    place_of,
    read_provenance,
    split_stem,
)
from rescore.reporting.explain import explain
from rescore.reporting.tables import read_result
from tests.reporting.tree import TABLES, make_tree, write_record


@pytest.fixture
def tree(demo_tree, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(demo_tree, tmp_path / "tree")
    return tmp_path / "tree"


def table_of(tree, table, scale="demo"):
    return tree / "results" / scale / "tables" / f"aqa7_{table}.csv"


def test_the_whole_chain_of_one_number(demo_tree):
    text = explain(table_of(demo_tree, "table3"), "Multi-action", "Diving", "last_iteration")
    steps = [
        "results/demo/tables/aqa7_table3.csv",
        "papers/aqa7/tables/table3.csv",
        "runs/demo/scores/aqa7_table3.csv",
        "runs/demo/zero_shot/predictions.parquet",
        "runs/demo/zero_shot/members.safetensors",
        "runs/demo/backbone/0/weights.safetensors",
        "data/demo/features/aqa7/0.npy",
        "data/demo/clips/aqa7.npy",
        "data/demo/manifests/aqa7.parquet",
        "data/demo/videos/aqa7.csv",
    ]
    made = text[text.index("made from:") :]
    places = [made.index(f" {step}\n") for step in steps]
    assert places == sorted(places)
    for step in steps:
        assert sha256_file(demo_tree / step) in made
    # The single-action members of Table 3 are another experiment's; the multi-action one has nothing of it.
    assert "all_action" not in made
    result = read_result(table_of(demo_tree, "table3"))
    line = result.query("row == 'Multi-action' and column == 'Diving' and protocol == 'last_iteration'").iloc[0]
    assert f"reported    {line['reported']}" in text
    assert f"reproduced  {line['reproduced']}, n = 12, 2 seeds" in text
    assert f"confidence  [{line['low']}, {line['high']}], variance over trainings from the trainings themselves" in text
    assert f"prediction  ({line['prediction_low']}, {line['prediction_high']}), one new training" in text
    assert f"verdict     {line['verdict']}: {line['reason']}" in text
    assert "members: without/diving" in text
    assert "without/diving with seeds [0, 1]" in text
    assert "of these rows 72 are test predictions of the cell's members, at 3 iterations" in text
    assert f"mean over seeds {line['reproduced']}, as in the table" in text
    assert "rule, log and step: not recorded" in text
    assert "WRONG" not in text


def test_lines_of_the_files_are_named(demo_tree):
    text = explain(table_of(demo_tree, "table2"), "All-action C3D-LSTM", "Skiing", "best_iteration_on_test")
    for name, column in (
        ("papers/aqa7/tables/table2.csv", "reported"),
        ("runs/demo/scores/aqa7_table2.csv", "reproduced"),
    ):
        number = int(text[text.index(f"({name}, line ") :].split("line ")[1].split(")")[0])
        line = (demo_tree / name).read_text().splitlines()[number - 1]
        assert "All-action C3D-LSTM,Skiing" in line, column
        assert "best_iteration_on_test" in line or column == "reported"


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_follows_from_its_predictions(demo_tree, table):
    """The chain's own correlation is the table's number, to the printed digit."""
    place, result = place_of(table_of(demo_tree, table)), read_result(table_of(demo_tree, table))
    mine = result[(result["reproduced"] != "") & ~result["column"].str.startswith("Avg")]
    mine = mine[~mine["row"].isin(["Perfect observer", "Difficulty alone"])].iloc[::5]
    assert len(mine) > 5
    for line in mine.itertuples():
        seeds = seeds_behind(place, line.row, line.column, line.protocol)
        assert len(seeds) == int(line.seeds)
        assert f"{mean_of(seeds):.4f}" == line.reproduced
        assert {seed.n for seed in seeds} == {int(line.n)}


def test_averages_and_baselines_say_what_they_are(demo_tree):
    text = explain(table_of(demo_tree, "table3"), "Diving", "Avg. Corr.", "last_iteration")
    assert "arithmetic mean of the 5 cells' means over seeds" in text
    text = explain(table_of(demo_tree, "table2"), "Perfect observer", "Diving")
    assert "a baseline, the column `observer`" in text
    place = place_of(table_of(demo_tree, "table2"))
    assert members_behind(place, "Perfect observer", "Diving") == []
    found = {part.what for line in filled(place, "All-action C3D-LSTM", "Snowboarding") for part in line.parts}
    assert found == {"snowboard"}


@pytest.mark.parametrize("table", ["table2", "table3"])
def test_every_average_follows_from_its_predictions(demo_tree, table):
    path = table_of(demo_tree, table)
    result = read_result(path)
    averages = result[result["column"].str.startswith("Avg") & (result["reproduced"] != "")]
    mine = averages[~averages["row"].isin(["Perfect observer", "Difficulty alone"])]
    assert mine["column"].nunique() == 2  # each table prints one average and has the other beside it
    for line in mine.iloc[::3].itertuples():
        text = explain(path, line.row, line.column, line.protocol)
        printed = {"table2": "Fisher's z average", "table3": "arithmetic mean"}[table]
        name = {"Avg. Corr. (arithmetic mean)": "arithmetic mean", "Avg. Corr. (Fisher's z)": "Fisher's z average"}
        found = re.search(
            rf"{name.get(line.column, printed)} of the \d cells' means over seeds (\S+), as in the table", text
        )
        assert found, (line, text)
        assert found[1] == line.reproduced


def test_an_average_that_predictions_do_not_give_is_called_so(tree):
    path = table_of(tree, "table2")
    result = read_result(path)
    cell = (result["row"] == "All-action C3D-LSTM") & (result["column"] == "Avg. Corr.")
    result.loc[cell, "reproduced"] = "0.9876"
    result.to_csv(path, index=False)
    text = explain(path, "All-action C3D-LSTM", "Avg. Corr.", "last_iteration")
    assert "NOT what the table says: 0.9876" in text


def test_records_and_the_lock_are_told(tree):
    name = "runs/demo/scores/aqa7_table2.csv"
    write_record(tree, "demo", "scores_aqa7_table2", 12.34, outputs=[name], settings_sha256="cafe")
    lock = tree / "workflow/provenance/demo.lock.jsonl"
    lock.parent.mkdir(parents=True)
    features = "data/demo/features/aqa7/0.npy"
    entry = {"path": features, "rule": "aqa7_features", "sha256": sha256_file(tree / features)}
    lock.write_text(json.dumps(entry) + "\n")
    text = explain(table_of(tree, "table2"), "All-action C3D-LSTM", "Diving")
    scores = text[text.index(f"scores: {name}") :].split("\n\n")[0]
    assert "rule: scores; log: logs/demo/scores_aqa7_table2.log" in scores
    for told in (
        "5ee7808, clean",
        "code hash 2a14148798645e9b",
        "settings cafe",
        "numpy 2.4.6",
        "A processor",
        "run time 12.3 s",
    ):
        assert told in scores
    assert "rule: aqa7_features; log: not recorded" in text
    assert "WRONG" not in text


def test_changed_files_are_named(tree):
    predictions = "runs/demo/all_action/predictions.parquet"
    write_record(
        tree,
        "demo",
        "scores_aqa7_table2",
        1.0,
        outputs=["runs/demo/scores/aqa7_table2.csv"],
        inputs={predictions: "e" * 64},
    )
    np.save(tree / "data/demo/features/aqa7/0.npy", np.ones((2, 2), np.float16))
    lock = tree / "workflow/provenance/demo.lock.jsonl"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"path": "data/demo/videos/aqa7.csv", "rule": "aqa7_videos", "sha256": "d" * 64}) + "\n")
    wrong = explain(table_of(tree, "table2"), "All-action C3D-LSTM", "Diving").partition("WRONG:")[2]
    assert f"{predictions} is not the file that runs/demo/scores/aqa7_table2.csv was made from" in wrong
    assert "data/demo/features/aqa7/0.npy is not the file that runs/demo/all_action/members.safetensors" in wrong
    assert "data/demo/videos/aqa7.csv is not the file that the lock names" in wrong


def test_a_checkpoint_was_trained_on_one_of_a_tables_features():
    def link(what, path, digest, **facts):
        return Link(what, path, facts, digest, 1, "", "", {})

    features = [link("features", "dives.npy", "a" * 64), link("features", "routines.npy", "b" * 64)]
    right = link("checkpoint", "members.safetensors", "c" * 64, features_sha256={"0": "a" * 64})
    wrong = link("checkpoint", "members.safetensors", "c" * 64, features_sha256={"0": "a" * 64, "1": "d" * 64})
    assert hash_problems([right, *features], Provenance()) == []
    assert [problem.split()[0] for problem in hash_problems([wrong, *features], Provenance())] == [
        "dives.npy",
        "routines.npy",
    ]
    # A large file has no hash here, and may be the one.
    assert hash_problems([wrong, features[0], link("features", "routines.npy", "")], Provenance()) == []


def test_a_number_that_predictions_do_not_give_is_called_so(tree):
    path = table_of(tree, "table2")
    result = read_result(path)
    cell = (result["row"] == "All-action C3D-LSTM") & (result["column"] == "Diving")
    result.loc[cell, "reproduced"] = "0.1234"
    result.to_csv(path, index=False)
    assert "NOT what the table says: 0.1234" in explain(path, "All-action C3D-LSTM", "Diving", "last_iteration")


def test_official_data_leads_to_its_sources(tmp_path):
    tree = make_tree(tmp_path, "paper")
    text = explain(table_of(tree, "table2", "paper"), "All-action C3D-LSTM", "Diving")
    assert "source: data/raw/aqa7-lists/SOURCE.json" in text
    assert "commit: 844747a" in text


def test_a_large_file_is_not_hashed_but_the_lock_has_its_hash(tree, monkeypatch):
    monkeypatch.setattr("rescore.reporting.evidence.HASHED", 10)
    place = place_of(table_of(tree, "table2"))
    chain = links(place, read_provenance(None, None))
    assert {link.sha256 for link in chain} == {""}
    assert "not recorded (a large file" in explain(table_of(tree, "table2"), "All-action C3D-LSTM", "Diving")
    lock = tree / "x.jsonl"
    lock.write_text(json.dumps({"path": "data/demo/clips/aqa7.npy", "rule": "aqa7_clips", "sha256": "a" * 64}))
    found = {link.path: link.sha256 for link in links(place, read_provenance(None, lock))}
    assert found["data/demo/clips/aqa7.npy"] == "a" * 64


def test_scores_alone_say_which_members_fill_a_cell(tree):
    """Nothing looks them up by the table's words: another list in the scores is another lineage."""
    path = tree / "runs/demo/scores/aqa7_table2.csv"
    table = pd.read_csv(path)
    cell = (table["row"] == "All-action C3D-LSTM") & (table["column"] == "Diving")
    table.loc[cell, "cells"] = json.dumps([["svr/diving", "diving"], ["svr/skiing", "skiing"]])
    table.loc[cell, "combined"] = "arithmetic_mean"
    table.to_csv(path, index=False)
    place = place_of(table_of(tree, "table2"))
    assert members_behind(place, "All-action C3D-LSTM", "Diving") == ["svr/diving", "svr/skiing"]
    text = explain(table_of(tree, "table2"), "All-action C3D-LSTM", "Diving", "last_iteration")
    assert "members: svr/diving, svr/skiing" in text
    assert "NOT what the table says" in text


def test_bad_questions_are_answered_with_what_there_is(demo_tree, tmp_path, capsys):
    table = table_of(demo_tree, "table2")
    with pytest.raises(RescoreError, match="did you mean 'All-action C3D-LSTM'"):
        explain(table, "All action C3D-LSTM", "Diving")
    with pytest.raises(RescoreError, match="has no column 'Divin', did you mean 'Diving'"):
        explain(table, "All-action C3D-LSTM", "Divin")
    with pytest.raises(RescoreError, match="no selection rule 'last'"):
        explain(table, "All-action C3D-LSTM", "Diving", "last")
    with pytest.raises(RescoreError, match="no such file"):
        explain(table.with_name("aqa7_table7.csv"), "a", "b")
    copy = shutil.copy(table, tmp_path / "copy.csv")
    (tmp_path / "results/demo/tables").mkdir(parents=True)
    shutil.copytree(demo_tree / "papers", tmp_path / "papers")
    with pytest.raises(RescoreError, match="results tables are named"):
        explain(copy.rename(tmp_path / "results/demo/tables/aqa7_table99.csv"), "All-action C3D-LSTM", "Diving")
    claims = demo_tree / "results/demo/tables/aqa7_claims.csv"
    with pytest.raises(RescoreError, match="no table of cells"):
        explain(claims, "a", "b")
    with pytest.raises(RescoreError, match="not a table of results"):
        explain(tmp_path / "x.csv", "a", "b")
    assert main(["explain", str(table), "--cell", "All-action C3D-LSTM", "Diving"]) == 0
    assert "made from:" in capsys.readouterr().out
    assert main(["explain", str(table), "--cell", "No row", "Diving"]) == 1
    assert "no row 'No row'" in capsys.readouterr().err


def test_damaged_evidence_is_named(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"12345678901")
    with pytest.raises(RescoreError, match="not a readable checkpoint"):
        header_of(tmp_path / "weights.safetensors")
    save_arrays(tmp_path / "weights.safetensors", {"w": np.zeros(2)}, {"seed": 3})
    assert header_of(tmp_path / "weights.safetensors") == {"seed": 3}
    (tmp_path / "lock.jsonl").write_text('{"path": "a"}\n<<<<<<<\n')
    with pytest.raises(RescoreError, match=r"lock.jsonl: not a record, no JSON .* Mend it or get it again"):
        read_provenance(None, tmp_path / "lock.jsonl")
    (tmp_path / "lock.jsonl").write_text("[1]\n")
    with pytest.raises(RescoreError, match="not a record, no JSON object"):
        read_provenance(None, tmp_path / "lock.jsonl")
    (tmp_path / "lock.jsonl").write_bytes(bytes(range(256)))
    with pytest.raises(RescoreError, match="not a record"):
        read_provenance(None, tmp_path / "lock.jsonl")
    assert read_provenance(tmp_path / "nothing", tmp_path / "nothing.jsonl").records == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a table of results"),
        ("row,column\n".encode("utf-16"), "not a table of results"),
        (b"row,column,protocol,reproduced\n", "without the columns reported, low"),
        (b"| row | column |\n|---|---|\n| a, b | c |\n", "no table of cells|not a table of results"),
    ],
)
def test_a_damaged_table_is_named(tree, content, said):
    path = table_of(tree, "table2")
    path.write_bytes(content)
    with pytest.raises(RescoreError, match=said):
        explain(path, "All-action C3D-LSTM", "Diving")


def test_records_that_are_not_there_are_not_left_out_silently(demo_tree, capsys):
    question = ["explain", str(table_of(demo_tree, "table2")), "--cell", "All-action C3D-LSTM", "Diving"]
    for option in ("--records", "--lock"):
        assert main([*question, option, "nowhere"]) == 1
        assert f"{option} nowhere: no such" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stem", "parts"),
    [
        ("aqa7_table3", ("aqa7", "table3")),
        ("mtl_aqa_table10", ("mtl_aqa", "table10")),
        ("open_mtl_aqa_labels", ("open", "mtl_aqa_labels")),
        ("another_table_1", ("another", "table_1")),
    ],
)
def test_names_of_tables(stem, parts):
    assert split_stem(stem, ("aqa7", "mtl_aqa", "open")) == parts
