"""What is wrong with a paper's folder is said before anything runs, all of it together, each line with its file."""

import shutil
from pathlib import Path

import pytest
import yaml

from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.reporting.paper_problems import Known, paper_problems
from rescore.scoring.papers import read_papers
from tests.scoring.conftest import PAPERS
from tests.scoring.test_adding_a_paper import FILE, ROOT

SETTINGS = parameters.load(scale="paper")[1]
EXPERIMENTS = {"all_action": None, "mtl_aqa": ["c3d_avg/score/1059", "mscadc/score/1059"]}


def known(paper) -> Known:
    data = () if paper.real else ("aqa7", "aqa7_disjoint", "mtl_aqa", "rhythmic_gymnastics")
    named = {name: EXPERIMENTS.get(name) for table in paper.tables.values() for name in table.experiments}
    return Known(SETTINGS, named if paper.name != "example" else EXPERIMENTS, data)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Papers of which one, the documents' example, may be changed."""
    for name, content in FILE.findall((ROOT / "docs" / "adding.md").read_text(encoding="utf-8")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path / "papers"


def problems(folder: Path) -> list[str]:
    return list(paper_problems(folder, read_papers(folder), known))


def edit(folder: Path, change) -> None:
    path = folder / "example" / "paper.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content["tables"]["table1"])
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def block(table):
    return table["blocks"][0]


def test_the_papers_of_the_project_and_the_documents_example_have_none(folder):
    assert problems(folder) == []
    papers = read_papers(PAPERS)
    found = list(paper_problems(PAPERS, papers, known))
    assert [line for line in found if "no member" not in line] == []  # of the networks two alone are known here


def test_controls_name_tables_and_cells_that_there_are(folder):
    path = folder / "controls" / "controls.yaml"
    path.parent.mkdir()
    text = (PAPERS / "controls" / "controls.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("rows: [Single-action C3D-LSTM", "rows: [C3D-LSTM"), encoding="utf-8")
    shutil.copytree(PAPERS / "aqa7", folder / "aqa7")
    found = [line for line in problems(folder) if "controls.yaml" in line]
    assert any("c3d_lstm_above_chance: aqa7_table2 has no row 'C3D-LSTM'" in line for line in found)
    assert any("c3d_avg_above_chance: no table 'mtl_aqa_table4'" in line for line in found)
    assert not any("pose_dct_above_chance" in line for line in found)


DECLARED = {
    "source": (lambda t: t.update(videos="aqa7_video"), "videos: no source 'aqa7_video', did you mean 'aqa7_videos'?"),
    "passage": (lambda t: t.update(note="{over_seedz}"), "note: no passage {over_seedz}"),
    "experiment": (
        lambda t: t.update(experiments=["all_acton"]),
        "no experiment 'all_acton', did you mean 'all_action'",
    ),
    "member": (
        lambda t: (t.update(experiments=["mtl_aqa"]), block(t)["rows"].update(X={"member": "c3d_avg/scor/1059"})),
        "X / Diving: no member 'c3d_avg/scor/1059', did you mean 'c3d_avg/score/1059'?",
    ),
    "data set": (lambda t: t.update(data=["aqa8"]), "data: no data set 'aqa8', did you mean 'aqa7'?"),
    "no data": (lambda t: t.pop("data"), "no `data`, so nothing says which samples"),
    "drawn": (lambda t: t.update(drawn="seeds"), "drawn: counts nothing without `samples: drawn`"),
    "average as a column": (
        lambda t: block(t)["averages"].update(Diving={"rule": "arithmetic_mean"}),
        "One for all / Diving is filled 2 times",
    ),
    "difference as a row": (
        lambda t: t.update(differences={"One for all": ["One for each", "One for all"]}),
        "One for all / Diving is filled 2 times",
    ),
    "a row in two blocks": (lambda t: t["blocks"].append(block(t)), "One for all / Skiing is filled 2 times"),
    "difference of nothing": (
        lambda t: t.update(differences={"D": ["One for al", "One for each"]}),
        "differences: no 'One for al', did you mean 'One for all'?",
    ),
    "beyond nothing": (lambda t: t.update(beyond={"row": "None", "column": "More"}), "beyond: no 'None'"),
    "without nothing": (
        lambda t: block(t)["averages"]["Mean"].update(without="trained_on"),
        "averages, without: no 'trained_on'",
    ),
    "forest": (lambda t: t.update(forest=["Divin"]), "forest: no 'Divin', did you mean 'Diving'?"),
    "label": (lambda t: t.update(row_labels={"One": "1"}), "row_labels: no 'One'"),
    "part": (lambda t: block(t)["columns"]["Diving"].update(part="pikes"), "part: no 'pikes'"),
    "misspelt key": (
        lambda t: block(t)["rows"]["One for all"].update(absnt="why"),
        "'absnt' is read by nothing, did you",
    ),
    "each of a number": (
        lambda t: block(t)["rows"].update({"{x}": {"member": "all", "each": "seeds"}}),
        "`each` names 'seeds', which is no list of mappings",
    ),
    "each of a mapping": (
        lambda t: block(t)["rows"].update({"{x}": {"member": "all", "each": {"x": "scoring"}}}),
        "`each` names 'scoring', which is no list",
    ),
    "title of nothing": (
        lambda t: block(t)["rows"].update({"{nope}": {"member": "all", "each": "extensions.systems"}}),
        "'{nope}': its title names the field 'nope'",
    ),
    "percent": (lambda t: t.update(unit="percent"), "tables/table1.csv: no number above 1, though"),
    "a row less": (lambda t: block(t)["rows"].pop("One for each"), "One for each / Diving is filled by no row"),
}


@pytest.mark.parametrize("case", DECLARED)
def test_a_declaration_that_means_nothing_is_named(folder, case):
    change, message = DECLARED[case]
    edit(folder, change)
    found = [line for line in problems(folder) if message in line]
    assert found, problems(folder)
    assert found[0].startswith(str(folder / "example"))


FORMS = {
    "two tables of one name": ("a", {"b_c": {}}, "b_c of a and c of a_b are both a_b_c"),
    "a table called claims": ("a", {"claims": {}}, "claims of a and claims of a are both a_claims"),
    "a name that is none": ("a", {"t 1": {}}, "'t 1' is not a word of that form"),
    "a name with a slash": ("a", {"t/1": {}}, "'t/1' is not a word of that form"),
    "no table": ("a", {}, "tables"),
    "no experiments": (
        "a",
        {"t": {"blocks": [{"member": "all", "rows": {"R": {}}, "columns": {"C": {}}}]}},
        "'experiments' is a dependency of 'blocks'",
    ),
    "no selection rule": ("a", {"t": {"selection": []}}, "selection"),
    "a folder with a space": ("a b", {"t": {}}, "the folder's name 'a b'"),
}


@pytest.mark.parametrize("case", FORMS)
def test_names_that_cannot_be_are_refused(tmp_path, case):
    name, tables, message = FORMS[case]
    for paper, content in ((name, tables), ("a_b", {"c": {}})):
        path = tmp_path / paper / "paper.yaml"
        path.parent.mkdir()
        declared = {table: {"title": "T", **told} for table, told in content.items()}
        path.write_text(yaml.safe_dump({"title": "T", "short": "S", "videos": "", "tables": declared}))
    with pytest.raises(RescoreError) as caught:
        read_papers(tmp_path)
    assert message in str(caught.value)


def test_a_key_that_stands_twice_and_every_broken_paper_are_named_together(folder):
    shutil.copytree(folder / "example", folder / "another")
    path = folder / "example" / "paper.yaml"
    path.write_text(path.read_text().replace("          One for each:", "          One for all:"))
    (folder / "another" / "paper.yaml").write_bytes("title: Größe\n".encode("latin-1"))
    with pytest.raises(RescoreError) as caught:
        read_papers(folder)
    assert "key 'One for all' stands twice" in str(caught.value)
    assert "Save it as UTF-8" in str(caught.value)


PRINTED = {
    "missing": (None, "no such file of reported numbers"),
    "empty": (b"", "no column 'row'"),
    "latin-1": ("row,column,value,n\nGröße,Diving,0.1,\n".encode("latin-1"), "not a file of reported numbers"),
    "semicolons": (b"row;column;value;n\nOne for all;Diving;0.6;\n", "no column 'row'"),
    "no n": (b"row,column,value\nOne for all,Diving,0.6\n", "no column 'n'"),
    "cut line": (b"row,column,value,n\nOne for all,Diving\n", "line 2: 2 cells, 4 in the head"),
    "no value": (b"row,column,value,n\nOne for all,Diving,,70\n", "line 2: no value"),
    "words for n": (b"row,column,value,n\nOne for all,Diving,0.6,seventy\n", "line 2: n is 'seventy'"),
    "twice": (
        b"row,column,value,n\nOne for all,Diving,0.6,\nOne for all,Diving,0.7,\n",
        "line 3: One for all / Diving stands",
    ),
    "decimal comma": (b'row,column,value,n\nOne for all,Diving,"0,61",\n', "'0,61' is no number"),
    "percent": (b"row,column,value,n\nOne for all,Diving,61.77,\n", "a correlation above 1; say `unit: percent`"),
    "another row": (b"row,column,value,n\nOne for All,Diving,0.6,\n", "One for All / Diving is filled by no row"),
}


@pytest.mark.parametrize("case", PRINTED)
def test_printed_numbers_that_cannot_be_read_are_named(folder, case):
    content, message = PRINTED[case]
    path = folder / "example" / "tables" / "table1.csv"
    path.unlink() if content is None else path.write_bytes(content)
    (found,) = [line for line in problems(folder) if "table1.csv" in line]
    assert message in found
    assert str(path) in found


def test_a_byte_order_mark_and_another_systems_line_ends_are_none_of_them(folder):
    path = folder / "example" / "tables" / "table1.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert problems(folder) == []


def test_claims_and_comparisons_are_read_too(folder):
    claims = folder / "example" / "claims.yaml"
    claims.write_text(claims.read_text().replace("right: {table: table1", "right: {table: table9"))
    (folder / "example" / "comparisons.yaml").write_text("- {id: 3}\n")
    (folder / "lost").mkdir()
    (folder / "lost" / "claims.yaml").write_text("[]\n")
    found = "\n".join(problems(folder))
    assert "claims.yaml, one_for_all_is_better: no table 'table9', did you mean 'table1'?" in found
    assert "comparisons.yaml: bad comparisons" in found
    assert f"{folder / 'lost'}: no paper.yaml beside its claims.yaml" in found


CELLS = {
    "a claim's row": (
        "rows: [One for all], columns: [Diving]}\n      right",
        "rows: [One for All], columns: [Diving]}\n      right",
        "one_for_all_is_better: table1 has no row 'One for All', did you mean 'One for all'?",
    ),
    "a claim's column": (
        "columns: [Diving]}\n      relation",
        "columns: [Divin]}\n      relation",
        "one_for_all_is_better: table1 has no column 'Divin', did you mean 'Diving'?",
    ),
}


@pytest.mark.parametrize("case", CELLS)
def test_rows_and_columns_that_a_claim_names_have_to_be_there(folder, case):
    old, new, message = CELLS[case]
    claims = folder / "example" / "claims.yaml"
    assert old in claims.read_text()
    claims.write_text(claims.read_text().replace(old, new))
    assert problems(folder) == [f"{claims}, {message}"]


AGGREGATE = """
- id: {id}
  section: "4"
  tables: [table1]
  quote: "the mean"
  statement:
    all:
      - aggregate: {{table: table1, row: {row}, columns: [Diving, {column}], into: {into}, rule: arithmetic_mean}}
"""


def test_what_an_average_is_made_of_has_to_be_there_and_all_of_it_is_named_together(folder):
    claims = folder / "example" / "claims.yaml"
    sound = {"id": "sound", "row": "One for all", "column": "Skiing", "into": "Mean"}
    wrong = {"id": "wrong", "row": "One", "column": "Ski", "into": "Average"}
    claims.write_text("".join(AGGREGATE.format(**told) for told in (sound, wrong)))
    found = problems(folder)
    assert [line.partition(", wrong: ")[2].partition(",")[0] for line in found] == [
        f"table1 has no {kind} '{name}'" for kind, name in (("row", "One"), ("column", "Ski"), ("column", "Average"))
    ]


def test_sides_of_comparisons_name_cells_of_their_table(folder):
    (folder / "example" / "comparisons.yaml").write_text(
        """
- id: one_against_each
  table: table1
  left: {rows: [One for all], columns: [Diving, Slalom]}
  right: {rows: [One for every], columns: [Diving, Skiing]}
"""
    )
    found = problems(folder)
    assert len(found) == 2
    assert "comparisons.yaml, one_against_each: table1 has no column 'Slalom'" in found[0]
    assert "table1 has no row 'One for every', did you mean 'One for each'?" in found[1]
