"""The page: one file, no network, the numbers of the CSVs, synthetic unmistakable, equal bytes."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from rescore.errors import RescoreError
from rescore.reporting.figures import learning_curve
from rescore.reporting.page import page
from rescore.reporting.tables import make_table, read_result
from rescore.scoring.claims import evaluate_claims


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A figure, drawn once: what the page does with it depends on its bytes alone."""
    folder = tmp_path_factory.mktemp("figures")
    pd.DataFrame({"iteration": [1, 2], "loss": [2.0, 1.0]}).to_csv(folder / "curve.csv", index=False)
    paths = [folder / "aqa7_pretraining.svg", folder / "aqa7_pretraining.png"]
    learning_curve(folder / "curve.csv", *paths, {"scale": "demo", "sources": {"pretraining_videos": "official"}})
    return paths


@pytest.fixture(scope="module")
def claims(tmp_path_factory):
    path = tmp_path_factory.mktemp("claims") / "claims.csv"
    evaluate_claims(REPORTED / "claims.yaml", REPORTED, [], path)
    evaluated = read_result(path)
    ours = evaluated.assign(source="last_iteration")
    pd.concat([evaluated, ours]).to_csv(path, index=False)
    return path


@pytest.fixture
def build(tmp_path, reported, scores, drawn, claims):
    def make(settings, name="index.html", dropped=""):
        tables = []
        for table in ("table2", "table3", "table4"):
            tables.append(tmp_path / f"aqa7_{table}.csv")
            make_table(
                table,
                reported / f"{table}.csv",
                tables[-1],
                tmp_path / "t.md",
                tmp_path / "t.tex",
                settings,
                scores[table],
            )
        not_run = json.dumps([{"what": "Pose <DCT>", "why": 'no "pose"', "command": "snakemake --config scale=paper"}])
        (tmp_path / "aqa7.dropped.csv").write_text(f"sample,video,reason\n{dropped}")
        page(
            tables,
            drawn,
            tmp_path / name,
            [tmp_path / "aqa7.dropped.csv"],
            settings,
            claims,
            not_run,
        )
        return (tmp_path / name).read_text(encoding="utf-8"), tables

    return make


REPORTED = Path(__file__).parents[2] / "reported" / "aqa7"


class Cells(HTMLParser):
    """Texts of all table cells by section."""

    def __init__(self) -> None:
        super().__init__()
        self.section, self.inside, self.texts = "", False, {}

    def handle_starttag(self, tag, attributes):
        if tag == "section":
            self.section = dict(attributes)["id"]
        self.inside = tag == "td"

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.texts.setdefault(self.section, []).append(data.strip())


def test_every_number_of_the_csvs_stands_in_the_page(build, demo):
    text, tables = build(demo)
    cells = Cells()
    cells.feed(text)
    for path in tables:
        result = read_result(path)
        expected = [value for value in result.groupby(["row", "column"])["reported"].first() if value]
        ours = [f"{c['reproduced']} [{c['low']}, {c['high']}]" for c in result.to_dict("records") if c["reproduced"]]
        shown = [value for value in cells.texts[path.stem.partition("_")[2]] if re.match(r"-?\d", value)]
        assert sorted(shown) == sorted(expected + ours)


def test_self_contained_without_script(build, demo):
    text, _ = build(demo)
    assert "<script" not in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|\#)""", text)
    assert "url(" not in text
    assert text.count("data:image/svg+xml;base64,") == 1
    assert len(text) < 5_000_000


def test_synthetic_is_unmistakable_and_official_is_not_called_so(build, demo, smoke, paper):
    text, _ = build(demo)
    assert text.count("SYNTHETIC") >= 3
    assert text.count("(synthetic)") > 50
    assert "mean nothing" in build(smoke)[0]
    assert "SYNTHETIC" not in build(paper)[0]


def test_claims_reasons_and_absences_are_shown_escaped(build, demo):
    text, _ = build(demo, dropped="diving/003,a.avi,truncated <file>\n")
    assert "all-action is better in 16 of the 18 cases" in text
    assert "Pose &lt;DCT&gt;" in text
    assert "truncated &lt;file&gt;" in text
    assert "does not hold" in text
    assert "sum is 1189, stated 1106" in html.unescape(text)


def test_no_dropped_samples_is_said(build, demo):
    assert "every sample of the manifest was used" in build(demo)[0]


def test_verdict_counts(build, paper):
    text, tables = build(paper)
    result = read_result(tables[0])
    reproduced = ((result["verdict"] == "reproduced") & (result["reported"] != "")).sum()
    assert f"<td>{reproduced}</td><td>0</td><td>0</td><td>1</td>" in text


def test_equal_bytes(build, demo):
    assert build(demo, "a.html")[0] == build(demo, "b.html")[0]


def test_missing_inputs_are_named_together(tmp_path, demo):
    with pytest.raises(RescoreError) as error:
        page([tmp_path / "aqa7_table2.csv", tmp_path / "aqa7_table3.csv"], [], tmp_path / "index.html", [], demo)
    assert "aqa7_table2.csv" in str(error.value)
    assert "aqa7_table3.csv" in str(error.value)
    pd.DataFrame({"reported": []}).to_csv(tmp_path / "aqa7_table2.csv")
    with pytest.raises(RescoreError, match="not a figure"):
        page([], [tmp_path / "aqa7_table2.csv"], tmp_path / "index.html", [], demo)
