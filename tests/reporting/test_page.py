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
from rescore.reporting.page import REPORTED as REPORTED_SOURCE
from rescore.reporting.page import agreeing, page
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
    """Texts of all table cells by section, and what the page links to and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.section, self.cell, self.texts = "", None, {}
        self.identifiers, self.addresses = set(), []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.identifiers |= {given["id"]} if "id" in given else set()
        self.addresses += [given[name] for name in ("href", "src", "srcset", "action", "data") if name in given]
        if tag == "section":
            self.section = given["id"]
        if tag == "td":
            self.cell = ""

    def handle_endtag(self, tag):
        if tag == "td":
            self.texts.setdefault(self.section, []).append(self.cell.strip())
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data


def read_cells(text):
    cells = Cells()
    cells.feed(text)
    return cells


def test_every_number_of_the_csvs_stands_in_the_page(build, demo):
    text, tables = build(demo)
    cells = read_cells(text)
    for path in tables:
        result = read_result(path)
        expected = [value for value in result.groupby(["row", "column"])["reported"].first() if value]
        ours = [f"{c['reproduced']} [{c['low']}, {c['high']}]" for c in result.to_dict("records") if c["reproduced"]]
        shown = [value for value in cells.texts[path.stem.partition("_")[2]] if re.match(r"-?\d", value)]
        assert sorted(shown) == sorted(expected + ours)


def test_self_contained_without_script_or_request(build, demo):
    text, _ = build(demo)
    cells = read_cells(text)
    assert "<script" not in text
    assert '<link rel="icon" href="data:,">' in text  # or a browser asks for /favicon.ico
    assert all(address.startswith(("#", "data:")) for address in cells.addresses)
    assert not re.search(r"url\(|@import|https?:", text)
    assert text.count("data:image/svg+xml;base64,") == 1
    assert len(text) < 5_000_000


@pytest.mark.parametrize("scale", ["demo", "open"])
def test_links_lead_to_sections_that_are_there(build, tmp_path, demo, scale):
    text = build(demo)[0] if scale == "demo" else open_page(tmp_path)
    cells = read_cells(text)
    targets = {address[1:] for address in cells.addresses if address.startswith("#")}
    assert targets == cells.identifiers


def open_page(tmp_path):
    """A page of real data: one table, no figures, claims or clips."""
    settings = {"scale": "open", "sources": {}, "scoring": {"confidence": 0.95}}
    pd.DataFrame(columns=["row", "column", "value", "n"]).to_csv(tmp_path / "reported.csv", index=False)
    judge = ["x", "Judge 1", "Sp. Corr.", "spearman", "", 0.97, 0.96, 0.98, 1410, 1]
    columns = ["experiment", "row", "column", "statistic", "protocol", "value", "low", "high", "n", "seeds"]
    pd.DataFrame([judge], columns=columns).to_csv(tmp_path / "scores.csv", index=False)
    table = tmp_path / "open_human_ceiling.csv"
    outputs = [table, tmp_path / "t.md", tmp_path / "t.tex"]
    make_table("human_ceiling", tmp_path / "reported.csv", *outputs, settings, tmp_path / "scores.csv")
    (tmp_path / "real_dive").mkdir()
    (tmp_path / "real_dive" / "record.json").write_text('{"frames": [103, 112, 112, 3], "weights": "random"}')
    (tmp_path / "findings.csv").write_text("source,finding\nsheet 04,mark 45 is outside 0 to 10\n")
    page(
        [table],
        [],
        tmp_path / "open.html",
        [],
        settings,
        findings=[tmp_path / "findings.csv"],
        records=[tmp_path / "real_dive" / "record.json"],
    )
    return (tmp_path / "open.html").read_text(encoding="utf-8")


def test_the_page_of_real_data_has_its_own_heading(tmp_path):
    text = open_page(tmp_path)
    assert "<h1>Real public data without video, recomputed</h1>" in text
    assert "SYNTHETIC" not in text
    assert "103 × 112 × 112 × 3" in text
    assert "0.9700 [0.9600, 0.9800]" in read_cells(text).texts["human_ceiling"]
    assert "seeds a trained member" not in text


def test_synthetic_is_unmistakable_and_official_is_not_called_so(build, demo, smoke, paper):
    text, _ = build(demo)
    assert "<title>rescore: SYNTHETIC, scale demo</title>" in text
    assert '<p class="banner" role="note">SYNTHETIC (scale demo)' in text
    headings = re.findall(r"<(?:h1|h2|figcaption)>(.*?)</", text)
    numbers = [heading for heading in headings if re.match("Action|Table|Figures|Pre-training", heading)]
    assert len(numbers) == 7
    assert all("synthetic" in heading for heading in numbers)
    ours = re.findall(r"</strong> in ours, .*", text)
    assert len(ours) > 50
    assert all("(synthetic)" in line for line in ours)
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
    total = sum((read_result(path)["verdict"] == "reproduced").sum() for path in tables)
    assert f'<li class="reproduced"><b>{total}</b>reproduced</li>' in text
    assert "3 seeds a trained member" in text


def test_claims_are_counted_by_source(build, demo, claims):
    found = read_result(claims)
    counts = found[found["source"] == "reported"]["result"].value_counts()
    cells = "".join(f"<td>{counts[result]}</td>" for result in ("holds", "does not hold", "undecided"))
    assert f"in the paper&#39;s own numbers</a></th>{cells}" in build(demo)[0]
    assert agreeing([(REPORTED_SOURCE, "holds", "1"), ("a", "holds", "2"), ("b", "holds", "2")]) == [
        (REPORTED_SOURCE, "holds", "1"),
        ("in ours, every protocol", "holds", "2"),
    ]
    apart = [(REPORTED_SOURCE, "holds", "1"), ("a", "holds", "2"), ("b", "does not hold", "3")]
    assert agreeing(apart) == apart


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
