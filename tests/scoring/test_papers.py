"""Every paper of papers/, whatever its name: what it declares is whole. And what is wrong with a declaration is said."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.manifests.summary import REPORTED_ONLY
from rescore.scoring.papers import SCORE, read_paper, read_papers, unpredicted
from rescore.scoring.score_table import rules_of
from rescore.systems.trainings import declared
from tests.scoring.conftest import PAPERS

FOUND = read_papers(PAPERS)
TABLES = [table for paper in FOUND.values() for table in paper.tables.values()]
SCORED = [table for table in TABLES if "blocks" in table.declared]
SETTINGS = parameters.load(scale="paper")[1]


def unfilled(table, settings=SETTINGS) -> list[tuple[str, str]]:
    """Printed cells that nothing declared fills, and of which nothing says why."""
    printed = pd.read_csv(PAPERS / table.paper / "tables" / f"{table.name}.csv", dtype=str, keep_default_na=False)
    blocks = table.blocks(settings)
    filled = {(cell.row, cell.column) for block in blocks for cell in block.cells}
    filled |= {(cell.row, average.column) for block in blocks for cell in block.cells for average in block.averages}
    told = printed["reason"].str.startswith(REPORTED_ONLY) if "reason" in printed else [False] * len(printed)
    cells = zip(printed["row"], printed["column"], told, strict=True)
    return [(row, column) for row, column, why in cells if not why and (row, column) not in filled]


@pytest.mark.parametrize("table", SCORED, ids=lambda table: table.key)
def test_every_printed_cell_is_filled_or_says_why(table):
    assert unfilled(table) == []


def test_a_cell_that_nothing_fills_would_be_noticed():
    table = FOUND["aqa7"].tables["table2"]
    block = {**table.declared["blocks"][0], "rows": {"All-action C3D-LSTM": {"member": "all"}}}
    broken = type(table)("aqa7", "table2", "aqa7_videos", {**table.declared, "blocks": [block]})
    assert ("Single-action C3D-SVR", "Diving") in unfilled(broken)


@pytest.mark.parametrize("table", SCORED, ids=lambda table: table.key)
def test_every_member_is_of_a_system_that_says_how_it_is_repeated_and_chosen(table):
    for cell in table.cells(SETTINGS):
        for member in (cell.member, *cell.alternatives):
            assert declared(member, SETTINGS).repeats
        assert rules_of(cell, table, SETTINGS)


@pytest.mark.parametrize("table", SCORED, ids=lambda table: table.key)
def test_a_cell_stands_once_and_rows_of_ours_are_explained(table):
    cells = [(cell.row, cell.column, cell.part if cell.part != SCORE else "") for cell in table.cells(SETTINGS)]
    hidden = {cell for block in table.blocks(SETTINGS) if block.averages_alone for cell in block.cells}
    assert len(cells) - len(hidden) == len(set(cells)) - len({(cell.row, cell.column) for cell in hidden})
    assert set(table.known) | set(table.differences) <= set(table.row_notes)
    assert table.experiments


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.key)
def test_every_table_has_its_printed_numbers_and_a_title(table):
    printed = PAPERS / table.paper / "tables" / f"{table.name}.csv"
    assert {"row", "column", "value", "n"} <= set(pd.read_csv(printed, dtype=str).columns)
    assert table.title
    assert table.videos in ("", *SETTINGS["sources"])


def test_the_oldest_paper_is_shown_first_and_what_has_no_year_last():
    years = [paper.year or 9999 for paper in FOUND.values()]
    assert years == sorted(years)


@pytest.fixture
def copy(tmp_path) -> Path:
    """A paper's folder that a test may change."""
    return shutil.copytree(PAPERS / "aqa7", tmp_path / "papers" / "aqa7") / "paper.yaml"


def edited(path: Path, change) -> Path:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def test_everything_wrong_with_a_declaration_is_named_together(copy):
    def change(content):
        content["titel"] = content.pop("title")
        content["tables"]["table2"]["unit"] = "percents"
        content["tables"]["table3"]["blocks"][0].pop("rows")

    with pytest.raises(RescoreError) as caught:
        read_paper(edited(copy, change))
    for words in (
        "unknown key 'titel', did you mean 'title'?",
        "tables.table2.unit",
        "percents",
        "'rows' is a required",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["tables"]["table4"]["blocks"][0].update(member="{speed}"), "names the field 'speed'"),
        (lambda c: c["tables"]["table4"]["blocks"][0].pop("member"), "has no member"),
        (
            lambda c: c["tables"]["table4"]["blocks"][0]["rows"].update(X={"each": "lstm.nothing"}),
            "no setting 'lstm.noth",
        ),
    ],
)
def test_a_cell_that_cannot_be_named_is_refused(copy, change, message):
    table = read_paper(edited(copy, change)).tables["table4"]
    with pytest.raises(RescoreError, match=message):
        table.cells(SETTINGS)


def test_curves_of_no_table_and_damaged_files_are_refused(copy, tmp_path):
    with pytest.raises(RescoreError, match=r"curves.figure3: no table 'table9'"):
        read_paper(edited(copy, lambda content: content["curves"]["figure3"].update(of="table9")))
    copy.write_text("title: [", encoding="utf-8")
    with pytest.raises(RescoreError, match="not a readable YAML file"):
        read_paper(copy)
    with pytest.raises(RescoreError, match="no folder in it has a paper.yaml"):
        read_papers(tmp_path / "nothing")


def test_titles_with_each_stand_for_as_many_rows_as_params_yaml_lists():
    table = FOUND["extensions"].tables["table"]
    one = {"name": "one", "row": "A system", "backbone": "c3d", "aggregation": "mean", "head": "regression"}
    cells = table.cells({"extensions": {"systems": [one, {**one, "name": "two", "row": "Another"}]}})
    assert [cell.row for cell in cells][:3] == ["C3D-AVG-STL", "A system", "Another"]
    assert (cells[0].member, cells[0].alternatives) == ("c3d_avg/1059", ("c3d_avg/score/1059",))
    assert [cell.member for cell in cells[1:3]] == ["one/1059", "two/1059"]
    sizes = {"training_samples": {"default": [5, 9], "synchronised": [2]}, "test_samples": 4}
    columns = [cell.column for cell in FOUND["aqa7"].tables["table4"].cells({"fine_tuning": sizes}) if cell.row == "AA"]
    assert columns[:2] == ["Diving 5", "Diving 9"]
    assert columns[-1] == "Sync. Dive 10m 2"


def test_what_nothing_will_predict_is_said_before_anything_runs():
    table = FOUND["mtl_aqa"].tables["table4"]
    cells = table.cells(SETTINGS)
    known = {"mtl_aqa": [cell.member for cell in cells], "mtl_aqa_baselines": None}
    assert list(unpredicted(table, cells, known)) == []
    (problem,) = unpredicted(table, cells, {"mtl_aqa": known["mtl_aqa"], "mtl_aqa_baseline": None})
    assert problem == "mtl_aqa_table4: no experiment 'mtl_aqa_baselines', did you mean 'mtl_aqa_baseline'?"
    fewer = {**known, "mtl_aqa": [name for name in known["mtl_aqa"] if name != "mscadc/score/1059"]}
    (problem,) = unpredicted(table, cells, fewer)
    assert problem.startswith("mtl_aqa_table4: AQA / MSCADC: no member 'mscadc/score/1059', did you mean")
