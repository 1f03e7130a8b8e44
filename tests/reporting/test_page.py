"""The pages: one file, no network, the numbers of the CSVs, synthetic unmistakable, equal bytes, bad input named."""

import html
import itertools
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.engine.measured import without_measured
from rescore.reporting.page import Files, agreeing, overview, page
from rescore.reporting.tables import VERDICTS, make_table, read_result
from rescore.scoring import controls
from rescore.scoring.claims import RESULTS
from rescore.scoring.scores import COLUMNS
from tests.reporting.tree import ROOT, TABLES, make_page, make_tree, settings_of, write_record

SMALL = {"tables": ("table2",), "curves": []}
"""What a page is built from where its plots are not the point."""
VOID = {"meta", "link", "br", "img", "input", "hr", "col", "path", "line", "circle", "use", "rect", "text", "image"}


class Page(HTMLParser):
    """Rows of every table as texts by the cell's class, what the page links to and loads, and its outline."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.row, self.cell, self.hidden = "", None, None, 0
        self.rows: dict[str, list[dict[str, str]]] = {}
        self.identifiers: list[str] = []
        self.addresses: list[str] = []
        self.headers, self.captions, self.pictures, self.tags, self.open = [], 0, [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.open += [] if tag in VOID else [tag]
        self.identifiers += [given["id"]] if "id" in given else []
        self.addresses += [given[name] for name in ("href", "src", "srcset", "action", "xlink:href") if name in given]
        if tag == "table":
            self.table = given.get("id", "")
        if tag == "caption":
            self.captions += 1
        if tag == "tr":
            self.row = dict.fromkeys(("verdict", "protocol"), "") | {
                name.removeprefix("data-"): value for name, value in given.items() if name.startswith("data-")
            }
        if tag in ("th", "td"):
            self.headers += [given.get("scope")] if tag == "th" else []
            self.cell = (given.get("class", "") or tag).split()[-1]
            if self.row is not None and self.cell not in self.row:
                self.row[self.cell] = ""
        if tag in ("small", "details", "sup") and self.cell is not None:
            self.hidden += 1
        if tag == "img" or (tag == "svg" and "aria-hidden" not in given):
            self.pictures.append(given.get("alt") or given.get("aria-label") or "")

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass
        if tag in ("small", "details", "sup") and self.cell is not None:
            self.hidden -= 1
        if tag in ("th", "td"):
            self.cell = None
        if tag == "tr" and self.row is not None:
            self.rows.setdefault(self.table, []).append(self.row)

    def handle_data(self, data):
        if self.cell is not None and self.row is not None and not self.hidden:
            self.row[self.cell] = self.row[self.cell] + data


def parse(path: Path) -> Page:
    parsed = Page()
    parsed.feed(path.read_text(encoding="utf-8"))
    return parsed


@pytest.fixture(scope="session")
def official_tree(tmp_path_factory):
    """The tree of official videos: its results are held against the paper."""
    return make_tree(tmp_path_factory.mktemp("paper"), "paper")


@pytest.fixture(scope="session")
def official_page(official_tree):
    return make_page(official_tree, "paper")


def test_every_number_of_the_csvs_stands_in_its_row(demo_tree, demo_page):
    shown = parse(demo_page)
    for table in TABLES:
        result = read_result(demo_tree / "results/demo/tables" / f"aqa7_{table}.csv")
        rows = shown.rows[f"aqa7_{table}-rows"][1:]
        assert len(rows) == len(result) > 30
        for row, line in zip(rows, result.to_dict("records"), strict=True):
            assert (row["th"], row["column"].strip()) == (line["row"], line["column"])
            assert (row["said"], row["ours"], row["n"]) == (line["reported"], line["reproduced"], line["n"])
            assert row["interval"] == (f"{line['low']} to {line['high']}" if line["low"] else "")
            assert (row.get("seeds", ""), row["verdict"]) == (line["seeds"], line["verdict"])


def test_the_papers_layout_holds_the_same_numbers(demo_tree, demo_page):
    text = demo_page.read_text(encoding="utf-8")
    for table in TABLES:
        result = read_result(demo_tree / "results/demo/tables" / f"aqa7_{table}.csv")
        section = text[text.index(f'<section class="card" id="aqa7_{table}">') :]
        matrix = section[section.index('<table class="matrix">') : section.index("</table></div>")]
        cells = re.findall(r"<td>([-\d.]*)(?:<small>(\[.*?)</small>)?(?:<small>\(.*?</small>)?</td>", matrix)
        found = sorted(filter(None, (number for number, _ in cells)))
        ours = [number for number in result["reproduced"] if number]
        reported = result[result["reported"] != ""].drop_duplicates(["row", "column"])["reported"]
        assert found == sorted([*ours, *reported])


def test_one_file_that_asks_for_nothing(demo_page):
    text, shown = demo_page.read_text(encoding="utf-8"), parse(demo_page)
    assert demo_page.stat().st_size < 15_000_000
    assert all(address.startswith(("#", "data:")) for address in shown.addresses)
    assert "default-src 'none'" in text
    own = re.sub(r"<script>.*?</script>|<script type=\"application/json\".*?</script>", "", text, flags=re.S)
    assert not re.search(r"@import|https?:", own)
    assert re.findall(r"url\(([^)]*)\)", own) == [found for found in re.findall(r"url\((#[^)]*)\)", own)]


def test_identifiers_are_unique_and_links_lead_somewhere(demo_page, tmp_path):
    for path in (demo_page, open_page(tmp_path)):
        shown = parse(path)
        assert len(shown.identifiers) == len(set(shown.identifiers))
        targets = {address[1:] for address in shown.addresses if address.startswith("#")}
        assert targets - set(shown.identifiers) == set()


def test_a_screen_reader_finds_its_way(demo_page):
    text, shown = demo_page.read_text(encoding="utf-8"), parse(demo_page)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en"')
    assert shown.tags.count("main") == shown.tags.count("h1") == 1
    assert {"nav", "header", "section"} <= set(shown.tags)
    assert shown.headers
    assert set(shown.headers) <= {"col", "row", "rowgroup"}
    assert shown.captions == shown.tags.count("table")
    assert len(shown.pictures) >= 5
    assert all(len(description) > 10 for description in shown.pictures)
    levels = [int(tag[1]) for tag in shown.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for word in (
        "reproduced",
        "differs",
        "not comparable",
        "not run",
        "reported only",
        "holds",
        "does not hold",
        "cannot be told from chance",
        "undecided",
    ):
        assert re.search(rf'data-symbol="[^"·]">{word}</span>', text), word


def test_plots_carry_their_specification_and_a_picture(demo_page):
    text = demo_page.read_text(encoding="utf-8")
    names = re.findall(r'<script type="application/json" id="([\w-]+)-specification">(.*?)</script>', text, re.S)
    assert {name for name, _ in names} >= {"aqa7-figure3-plot", "training-backbone-0", "aqa7-table2-scatter"}
    for name, specification in names:
        assert json.loads(specification)["data"]["values"].count("\n") > 1, name
        figure = text[text.index(f'<figure id="{name}">') :]
        assert figure.index("<svg") < figure.index("</figure>")
    assert 'id="figure-aqa7_figure3"' not in text  # drawn from its numbers, so not a second time


def test_synthetic_is_unmistakable_and_official_is_not_called_so(demo_page, official_page):
    text = demo_page.read_text(encoding="utf-8")
    assert "<title>rescore: SYNTHETIC, scale demo</title>" in text
    assert '<p class="banner" role="note">SYNTHETIC (scale demo)' in text
    captions = re.findall(r"<caption>(.*?)</caption>", text)
    numbers = [caption for caption in captions if re.match("Table", caption)]
    assert len(numbers) == 2 * len(TABLES)
    assert all("synthetic" in caption for caption in numbers)
    headings = re.findall(r"<(?:h1|h2[^>]*|h3|figcaption)>(.*?)</", text)
    assert all("synthetic" in heading for heading in headings if re.match("Action|Table|Figure", heading))
    official = official_page.read_text(encoding="utf-8")
    assert "SYNTHETIC" not in official
    assert 'class="mark"' not in official
    assert 'class="marked"' not in official


def test_verdicts_are_counted_and_differences_are_exact(official_tree, official_page):
    shown = parse(official_page)
    results = [read_result(official_tree / "results/paper/tables" / f"aqa7_{table}.csv") for table in TABLES]
    reported = pd.concat([result[result["reported"] != ""] for result in results])
    text = official_page.read_text(encoding="utf-8")
    for verdict in VERDICTS:
        count = (reported["verdict"] == verdict).sum()
        name = verdict.replace(" ", "-").replace("'", "")
        assert re.search(rf'<li class="{name}"><b>{count}</b>', text)
    assert (reported["verdict"] == "differs").any()
    judged = [
        row for row in shown.rows["aqa7_table2-rows"][1:] if row["verdict"] in ("reproduced", "differs") and row["said"]
    ]
    assert len(judged) > 20
    for row in judged:
        assert round(float(row["ours"]) - float(row["said"]), 4) == float(row["difference"])


def test_claims_audit_and_absences_are_shown_escaped(demo_page):
    text = demo_page.read_text(encoding="utf-8")
    assert "all-action is better in 16 of the 18 cases" in text
    assert "Pose &lt;DCT&gt;" in text
    assert "labels &lt;alone&gt;" in text
    assert "sum is 1189, stated 1106" in html.unescape(text)
    assert "every sample of the manifest was used" in text
    severities = [row["severity"] for row in parse(demo_page).rows["audit-rows"][1:]]
    assert severities == ["error", "notable", "note"]


def test_claims_are_counted_by_source(demo_tree, demo_page):
    found = read_result(demo_tree / "results/demo/tables/aqa7_claims.csv")
    text = demo_page.read_text(encoding="utf-8")
    table = text[text.index('id="claim-counts"') :]
    for source, title in (
        ("reported", "in the paper&#39;s own numbers"),
        ("last_iteration", "in ours, last iteration"),
    ):
        row = table[table.index(title) :]
        counts = re.findall(r"<td[^>]*data-label=\"[\w ]+\">(\d+)</td>", row[: row.index("</tr>")])
        results = found[found["source"] == source]["result"].value_counts()
        assert counts == [str(results.get(result, 0)) for result in RESULTS]
    assert agreeing([("a", "holds", "2"), ("b", "holds", "2")]) == [("in ours, every protocol", "holds", "2")]
    apart = [("a", "holds", "2"), ("b", "does not hold", "3")]
    assert agreeing(apart) == apart


def test_the_lineage_names_files_hashes_and_members(demo_tree, demo_page):
    text = demo_page.read_text(encoding="utf-8")
    for name in (
        "runs/demo/zero_shot/predictions.parquet",
        "runs/demo/zero_shot/members.safetensors",
        "data/demo/features/aqa7/0.npy",
    ):
        assert f"<code>{name}</code>" in text
    assert "single/diving" in text
    assert (
        "rescore explain results/demo/tables/aqa7_table2.csv --cell &#34;All-action C3D-LSTM&#34; &#34;Diving&#34;"
        in text
    )
    assert "Run times, devices and library versions of the steps are not recorded" in text


def test_equal_bytes_and_what_was_measured_is_marked(demo_tree, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(demo_tree, tree)
    write_record(tree, "demo", "scores_aqa7_table2", 12.3, outputs=["runs/demo/scores/aqa7_table2.csv"])
    fingerprint = tree / "runs/demo/records/fingerprint.json"
    fingerprint.write_text(json.dumps({"operations": {"sum": "a", "GRU": "b"}, "differs": ["GRU"]}))
    first = make_page(tree, output=tmp_path / "a.html", **SMALL).read_text(encoding="utf-8")
    assert first == make_page(tree, output=tmp_path / "b.html", **SMALL).read_text(encoding="utf-8")
    for told in (
        "5ee7808, clean",
        "numpy 2.4.6",
        "A processor, 2 cores",
        "portable: torch AVX2, OpenBLAS Haswell, 1 thread",
        "2 operations tried, 1 with other bytes than on the machine that made the reference: GRU",
        "12 s, the sum of 1 recorded steps",
        "logs/demo/scores_aqa7_table2.log",
    ):
        assert told in first
    write_record(tree, "demo", "scores_aqa7_table2", 99.9, outputs=["runs/demo/scores/aqa7_table2.csv"])
    second = make_page(tree, output=tmp_path / "c.html", **SMALL).read_text(encoding="utf-8")
    assert second != first
    assert without_measured(second) == without_measured(first)


def test_a_page_that_is_built_again_has_the_same_bytes(demo_tree, tmp_path):
    """Steps recorded after the first build, its own among them, are none that the page rests on."""
    tree, output = tmp_path / "tree", "results/demo/index.html"
    shutil.copytree(demo_tree, tree)
    table, scores = "results/demo/tables/aqa7_table2.csv", "runs/demo/scores/aqa7_table2.csv"
    predictions = {"runs/demo/all_action/predictions.parquet": ""}
    write_record(tree, "demo", "aqa7_table2", 1.0, outputs=[table], inputs={scores: ""})
    write_record(tree, "demo", "scores_aqa7_table2", 1.0, outputs=[scores], inputs=predictions)
    write_record(tree, "demo", "all_action", 1.0, outputs=list(predictions), inputs={"runs/demo/stages.csv": ""})
    write_record(tree, "demo", "stages", 1.0, outputs=["runs/demo/stages.csv"])  # only records say that it is needed
    first = make_page(tree, **SMALL).read_bytes()
    for name in ("aqa7_table2", "scores_aqa7_table2", "all_action", "stages"):
        assert f"logs/demo/{name}.log".encode() in first
    write_record(tree, "demo", "page", 33.2, rule="page", outputs=[output], inputs={table: "", scores: ""})
    write_record(
        tree, "demo", "metrics", 1.0, rule="metrics", outputs=["results/demo/metrics.json"], inputs={table: ""}
    )
    write_record(tree, "demo", "archive", 1.0, rule="archive", outputs=["results/demo.zip"], inputs={output: ""})
    assert make_page(tree, **SMALL).read_bytes() == first


def test_a_changed_input_of_a_step_is_shown(demo_tree, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(demo_tree, tree)
    name = "runs/demo/scores/aqa7_table2.csv"
    write_record(tree, "demo", "t", 1.0, outputs=["results/demo/tables/aqa7_table2.csv"], inputs={name: "f" * 64})
    text = make_page(tree, output=tmp_path / "a.html", **SMALL).read_text(encoding="utf-8")
    assert f"{name} is not the file that results/demo/tables/aqa7_table2.csv was made from" in text


def open_page(tmp_path):
    """A page of real data: one table, no figures, claims or clips, and nothing but the results at hand."""
    settings = {"scale": "open", "sources": {}, "scoring": {"confidence": 0.95}}
    pd.DataFrame(columns=["row", "column", "value", "n"]).to_csv(tmp_path / "reported.csv", index=False)
    judge = [
        "x",
        "Judge 1",
        "Sp. Corr.",
        "spearman",
        "",
        0.97,
        0.96,
        0.98,
        *[None] * 4,
        1410,
        1,
        "nothing trained",
        "",
        "",
        "",
    ]
    pd.DataFrame([judge], columns=COLUMNS).to_csv(tmp_path / "scores.csv", index=False)
    table = tmp_path / "open_human_ceiling.csv"
    outputs = [table, tmp_path / "t.md", tmp_path / "t.tex"]
    paper = shutil.copytree(ROOT / "papers", tmp_path / "papers") / "open" / "paper.yaml"
    shutil.copy(tmp_path / "reported.csv", paper.parent / "tables" / "human_ceiling.csv")
    make_table(paper, "human_ceiling", *outputs, settings, tmp_path / "scores.csv")
    (tmp_path / "real_dive").mkdir()
    (tmp_path / "real_dive" / "record.json").write_text('{"frames": [103, 112, 112, 3], "weights": "random"}')
    (tmp_path / "findings.csv").write_text("source,finding\nsheet 04,mark 45 is outside 0 to 10\n")
    given = {"findings": [tmp_path / "findings.csv"], "records": [tmp_path / "real_dive" / "record.json"]}
    page(Files(tables=[table], **given), tmp_path / "open.html", settings, papers=tmp_path / "papers")
    return tmp_path / "open.html"


def test_the_page_of_real_data_has_its_own_heading(tmp_path):
    path = open_page(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "<h1>Real public data without video, recomputed</h1>" in text
    assert "SYNTHETIC" not in text
    assert "103 × 112 × 112 × 3" in text
    assert parse(path).rows["open_human_ceiling-rows"][1]["interval"] == "0.9600 to 0.9800"
    assert 'id="library"' not in text  # no plots, so no library
    assert len(text) < 60_000


def test_comparisons_are_shown(demo_tree, tmp_path):
    line = {
        "comparison": "all_action_better",
        "table": "table2",
        "left_cell": "All-action C3D-LSTM / Diving",
        "right_cell": "Single-action C3D-LSTM / Diving",
        "protocol": "last_iteration",
        **{"left": 0.61234567, "right": 0.5, "difference": 0.11234567, "low": -0.1, "high": 0.3, "n": 12, "seeds": 2},
        **{"holm_p": 0.06, "decision": "undecided", "reason": ""},
    }
    undefined = line | {"left": "", "difference": "", "low": "", "high": "", "reason": "constant predictions"}
    pd.DataFrame([line, undefined]).to_csv(tmp_path / "aqa7_comparisons.csv", index=False)
    more = {**SMALL, "runs": None, "comparisons": [tmp_path / "aqa7_comparisons.csv"]}
    path = make_page(demo_tree, output=tmp_path / "index.html", **more)
    first, second = parse(path).rows["aqa7-comparisons-rows"][1:]
    assert (first["ours"], first["interval"]) == ("0.1123", "-0.1000 to 0.3000")
    assert (second["ours"], second["interval"]) == ("", "")
    assert "constant predictions" in path.read_text(encoding="utf-8")


CELLS = '[["aqa7_table2","All-action C3D-LSTM",""]]'


def test_controls_open_the_page_and_stand_in_the_overview(demo_tree, tmp_path):
    shutil.copytree(demo_tree / "results", tmp_path / "results")
    said = {
        "kind": "leak",
        "says": "it <is> so",
        "why": "it must",
        "broken": "all is lost",
        "selection": "last_iteration",
    }
    lines = [
        {"control": result, **said, "result": result, "found": "0 : 1", "cells": CELLS} for result in controls.RESULTS
    ]
    path = tmp_path / "results/demo/tables/controls.csv"
    pd.DataFrame(lines).to_csv(path, index=False)
    page = make_page(demo_tree, output=tmp_path / "index.html", **SMALL, runs=None, controls=path)
    text = page.read_text(encoding="utf-8")
    summary = text[text.index('id="summary"') : text.index("</header>")]
    assert summary.index('<li class="broken"><b>1</b>') < summary.index('<li class="kept"><b>1</b>')
    assert "not-comparable" not in summary
    assert text.index('id="controls"') < text.index('id="made"')
    assert text.index("It &lt;is&gt; so") > 0
    assert "All is lost" in text[text.index('id="control-broken"') : text.index('id="control-undecided"')]
    table = text[text.index('<section class="card" id="aqa7_table2">') :]
    marked = re.findall(r'<td class="(\w+)" title="\w+">', table[: table.index("</table>")])
    assert marked
    assert set(marked) == {"broken"}  # the gravest of what is said of a cell
    overview(tmp_path / "results", tmp_path / "results/index.html", tmp_path / "results/audit.csv")
    shown = (tmp_path / "results/index.html").read_text(encoding="utf-8")
    assert shown.index('<li class="broken"><b>1</b>') < shown.index('id="counts-demo"')


def test_the_overview_sums_up_scales(demo_tree, official_tree, tmp_path):
    for tree in (demo_tree, official_tree):
        shutil.copytree(tree / "results", tmp_path / "results", dirs_exist_ok=True)
    overview(tmp_path / "results", tmp_path / "results/index.html", tmp_path / "results/audit.csv")
    text, shown = (tmp_path / "results/index.html").read_text(encoding="utf-8"), parse(tmp_path / "results/index.html")
    assert text.index('id="scale-paper"') < text.index('id="scale-demo"')
    results = [read_result(tmp_path / "results/paper/tables" / f"aqa7_{table}.csv") for table in TABLES]
    reproduced = sum(((result["verdict"] == "reproduced") & (result["reported"] != "")).sum() for result in results)
    assert f'<li class="reproduced"><b>{reproduced}</b>' in text
    counts = [row["verdict"] for row in shown.rows["counts-demo"][1:]]
    assert len(counts) == len(TABLES)
    assert re.search(r'<a href="demo/index.html">Scale demo</a> <span class="mark">\(synthetic\)</span>', text)
    assert "demo/index.html#aqa7_table2" in shown.addresses
    assert "labels &lt;alone&gt;" in text
    first = (tmp_path / "results/index.html").read_bytes()
    overview(tmp_path / "results", tmp_path / "results/index.html", tmp_path / "results/audit.csv")
    assert (tmp_path / "results/index.html").read_bytes() == first
    (tmp_path / "empty").mkdir()
    with pytest.raises(RescoreError, match="no scale has tables"):
        overview(tmp_path / "empty", tmp_path / "index.html")


def test_a_page_loads_no_framework():
    code = "import rescore.reporting.page, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_missing_and_wrong_inputs_are_named(tmp_path):
    settings, output = settings_of("demo"), tmp_path / "index.html"
    with pytest.raises(RescoreError) as error:
        page(Files(tables=[tmp_path / f"aqa7_{table}.csv" for table in ("table2", "table3")]), output, settings)
    assert "aqa7_table2.csv" in str(error.value)
    assert "aqa7_table3.csv" in str(error.value)
    pd.DataFrame({"reported": []}).to_csv(tmp_path / "aqa7_table2.csv")
    with pytest.raises(RescoreError, match="not a figure"):
        page(Files(figures=[tmp_path / "aqa7_table2.csv"]), output, settings)
    (tmp_path / "aqa7_table9.csv").write_text("row\n")
    with pytest.raises(RescoreError, match="results tables are named"):
        page(Files(tables=[tmp_path / "aqa7_table9.csv"]), output, settings)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "x.json").write_text("{")
    with pytest.raises(RescoreError, match="x.json: not a record, no JSON"):
        page(Files(), output, settings, step_records=tmp_path / "records")
