"""`rescore compare`: equal trees, differences within and beyond the tolerance, missing rows and files, verdicts."""

import shutil

import pandas as pd
import pytest

from rescore.cli import main
from rescore.engine.errors import RescoreError
from rescore.reporting.compare import Difference, compare, describe, same


@pytest.fixture
def trees(demo_tree, tmp_path):
    """Two equal trees of results."""
    for name in ("a", "b"):
        shutil.copytree(demo_tree / "results", tmp_path / name)
    return tmp_path / "a", tmp_path / "b"


def edit(folder, table, change):
    path = folder / "demo" / "tables" / f"aqa7_{table}.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(frame).to_csv(path, index=False, lineterminator="\n")


def first_number(frame):
    return frame.index[frame["reproduced"] != ""][0]


def test_equal_trees_do_not_differ(trees, capsys):
    assert compare(*trees) == []
    assert main(["compare", *map(str, trees)]) == 0
    assert "The numbers agree exactly." in capsys.readouterr().out


@pytest.mark.parametrize(("tolerance", "status"), [("0", 1), ("0.009", 1), ("0.01", 0), ("0.02", 0)])
def test_the_tolerance_is_absolute_and_stated(trees, capsys, tolerance, status):
    def shifted(frame):
        row = first_number(frame)
        frame.loc[row, "reproduced"] = f"{float(frame.loc[row, 'reproduced']) + 0.01:.4f}"
        return frame

    edit(trees[1], "table2", shifted)
    assert main(["compare", *map(str, trees), "--tolerance", tolerance]) == status
    out = capsys.readouterr().out
    assert ("(by 0.01)" in out) == bool(status)
    assert ("1 differences in 1 files." in out) == bool(status)


def test_verdicts_rows_columns_and_files(trees):
    def other_verdict(frame):
        frame.loc[3, ["verdict", "reason"]] = ["reproduced", "the reported value lies in the interval"]
        return frame

    edit(trees[1], "table2", other_verdict)
    edit(trees[1], "table3", lambda frame: frame.drop(index=5))
    edit(trees[0], "table4", lambda frame: frame.drop(columns="seeds"))
    (trees[1] / "audit.csv").unlink()
    (trees[0] / "demo/figures/aqa7_table2_forest.svg").write_text("<svg/>")
    (trees[1] / "demo/new.csv").write_text("id\n1\n")
    found = compare(*trees, tolerance=10)
    text = describe(found, 10)
    assert "verdict not comparable against reproduced" in text
    assert sum(difference.what.endswith("only in the first") for difference in found) == 2  # a row, a file
    assert Difference("audit.csv", "only in the first") in found
    assert Difference("demo/new.csv", "only in the second") in found
    assert any(difference.what.startswith("columns differ") for difference in found)
    notes = [difference for difference in found if not difference.matters]
    assert {note.file for note in notes} == {"demo/figures/aqa7_table2_forest.svg", "demo/tables/aqa7_table2.csv"}


def test_other_words_alone_are_a_note(trees, capsys):
    edit(trees[1], "table2", lambda frame: frame.assign(reason=frame["reason"] + "!"))
    assert main(["compare", *map(str, trees)]) == 0
    assert "reason" in capsys.readouterr().out


def test_lines_are_matched_by_name_and_not_by_place(trees):
    edit(trees[1], "table2", lambda frame: frame.iloc[::-1])
    assert compare(*trees) == []
    edit(trees[1], "table2", lambda frame: pd.concat([frame, frame.iloc[[0]]]))
    found = compare(*trees)
    assert len(found) == 1
    assert found[0].what.endswith("(2): only in the second")


def test_many_differences_are_counted(trees):
    edit(trees[1], "table3", lambda frame: frame.assign(n="1"))
    text = describe(compare(*trees), 0)
    assert "and " in text
    assert " more" in text


@pytest.mark.parametrize(
    ("left", "right", "tolerance", "equal"),
    [
        ("0.30", "0.31", 0.01, True),
        ("0.30", "0.32", 0.01, False),
        ("-0.0", "0", 0, True),
        ("", "0.3", 1, False),
        ("", "", 0, True),
        ("8 - 50", "8 - 51", 10, False),
        ("nan", "0.3", 10, False),
        ("inf", "inf", 0, True),
        ("70", "71", 0.5, False),
    ],
)
def test_when_two_cells_agree(left, right, tolerance, equal):
    assert same(left, right, tolerance) is equal


def test_bad_questions(trees, tmp_path):
    with pytest.raises(RescoreError, match="no such folder"):
        compare(trees[0], tmp_path / "nowhere")
    with pytest.raises(RescoreError, match="are one folder"):
        compare(tmp_path, tmp_path / ".")
    with pytest.raises(RescoreError, match="no file in common"):
        compare(trees[0], trees[1] / "demo")
    for tolerance in (-1.0, float("nan"), float("inf")):
        with pytest.raises(RescoreError, match="--tolerance"):
            compare(*trees, tolerance=tolerance)
    (trees[1] / "audit.csv").write_bytes(b"")
    assert any("not a readable CSV" in difference.what for difference in compare(*trees))


@pytest.mark.parametrize(
    ("bound", "shift", "inside"),
    [("rerun_high", 0.0, True), ("rerun_low", 0.0, True), ("rerun_high", 0.001, False), ("rerun_low", -0.001, False)],
)
def test_a_changed_number_is_held_against_the_interval_for_a_rerun(trees, capsys, bound, shift, inside):
    def shifted(frame):
        row = frame.index[frame["rerun_low"] != ""][0]
        frame.loc[row, "reproduced"] = f"{float(frame.loc[row, bound]) + shift:.4f}"
        return frame

    edit(trees[1], "table2", shifted)
    (found,) = compare(*trees)
    assert found.predicted is inside
    assert main(["compare", *map(str, trees)]) == 1
    assert f"Of 1 changed numbers with an interval for a rerun, {int(inside)} lie inside" in capsys.readouterr().out


def test_what_has_no_interval_for_a_rerun_is_not_counted(trees, capsys):
    def shifted(frame):
        row = frame.index[(frame["rerun_low"] == "") & (frame["reproduced"] != "")][0]
        frame.loc[row, "reproduced"] = "0.1234"
        return frame

    edit(trees[1], "table2", shifted)
    assert [difference.predicted for difference in compare(*trees)] == [None]
    main(["compare", *map(str, trees)])
    assert "interval for a rerun" not in capsys.readouterr().out
