"""S4AQA's section: tables, the page, and the lineage of cells and of averages over apparatus."""

import shutil

import pytest

from rescore.reporting.cells import mean_of, members_behind, seeds_behind
from rescore.reporting.evidence import Provenance, links, place_of
from rescore.reporting.explain import explain
from rescore.reporting.figures import forest
from rescore.reporting.page import Files, page
from rescore.reporting.tables import make_table, read_result
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.score_table import score_table
from tests.reporting.test_page import parse
from tests.reporting.tree import ROOT
from tests.scoring.test_s4aqa import APPARATUS, TABLES, write
from tests.scoring.test_s4aqa import SETTINGS as SCORING

SOURCES = {"aqa7_videos": "official", "mtl_aqa_videos": "official", "pretraining_videos": "official"}
SETTINGS = {"scale": "paper", "sources": SOURCES, "scoring": {"confidence": 0.95}}


def make_tree(root, datasets, sources, tables=TABLES):
    """Predictions, scores, tables and forests as the workflow leaves them."""
    files = {dataset: write(root / "runs/paper", dataset) for dataset in datasets}
    for table in tables:
        mine = [pair for dataset, pair in files.items() if table in ("ablation", dataset)]
        scores = root / f"runs/paper/scores/s4aqa_{table}.csv"
        paper = shutil.copytree(ROOT / "papers", root / "papers", dirs_exist_ok=True) / "s4aqa" / "paper.yaml"
        predictions, rows = [path for pair in mine for path in pair[0]], [pair[1] for pair in mine]
        score_table(paper, table, ScoredFiles(predictions, rows), scores, SCORING)
        outputs = [root / f"results/paper/tables/s4aqa_{table}.{suffix}" for suffix in ("csv", "md", "tex")]
        settings = SETTINGS | {"sources": SOURCES | sources}
        make_table(paper, table, *outputs, settings, scores)
        pictures = [root / f"results/paper/figures/s4aqa_{table}_forest.{suffix}" for suffix in ("svg", "png")]
        forest(paper, table, outputs[0], *pictures, settings)
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("s4aqa"), ["mtl_aqa", "rhythmic_gymnastics"], {})


def test_the_page_has_a_section_of_the_paper(tree):
    tables = [tree / f"results/paper/tables/s4aqa_{table}.csv" for table in TABLES]
    figures = [tree / f"results/paper/figures/s4aqa_{table}_forest.svg" for table in TABLES]
    path = tree / "results/paper/index.html"
    page(Files(tables=tables, figures=figures), path, SETTINGS, runs=tree / "runs/paper")
    rows = parse(path).rows
    for table in TABLES:
        result = read_result(tree / f"results/paper/tables/s4aqa_{table}.csv")
        found = [(row["th"], row["said"], row["ours"]) for row in rows[f"s4aqa_{table}-rows"][1:]]
        assert found == list(result[["row", "reported", "reproduced"]].itertuples(index=False, name=None))
    text = path.read_text(encoding="utf-8")
    assert "Semi-Supervised Action Quality Assessment" in text
    assert "ACTION-NET" in text


def test_the_lineage_gives_the_number_again(tree):
    place = place_of(tree / "results/paper/tables/s4aqa_mtl_aqa.csv")
    assert members_behind(place, "VAT", "40%") == ["vat/mtl_aqa/40"]
    result = read_result(tree / "results/paper/tables/s4aqa_mtl_aqa.csv")
    for row, protocol in (("S4AQA", "last_iteration"), ("S4AQA", "best_iteration_on_test"), ("SVR", "training_set")):
        line = result[(result["row"] == row) & (result["column"] == "10%") & (result["protocol"] == protocol)]
        seeds = seeds_behind(place, row, "10%", protocol)
        assert f"{mean_of(seeds):.4f}" == line["reproduced"].item()
        assert len(seeds) == 2
    text = explain(tree / "results/paper/tables/s4aqa_mtl_aqa.csv", "S4AQA", "10%", "last_iteration")
    assert "as in the table" in text


def test_an_average_names_its_four_members(tree):
    for table, row, system in (
        ("rhythmic_gymnastics", "S4AQA", "s4aqa"),
        ("rhythmic_gymnastics", "ACTION-NET", "action_net"),
        ("ablation", "All", "s4aqa"),
    ):
        place = place_of(tree / f"results/paper/tables/s4aqa_{table}.csv")
        column = "Avg" if table == "rhythmic_gymnastics" else "Rhythmic Gymnastics Avg"
        found = members_behind(place, row, column)
        assert found == [f"{system}/rhythmic_gymnastics/40/{name}" for name in APPARATUS.values()]


def test_action_nets_lineage_names_its_second_stream(tmp_path):
    make_tree(tmp_path, ["rhythmic_gymnastics"], {}, ["rhythmic_gymnastics"])
    place = place_of(tmp_path / "results/paper/tables/s4aqa_rhythmic_gymnastics.csv")
    second = tmp_path / "data/paper/features/rhythmic_gymnastics_static.npy"
    second.parent.mkdir(parents=True)
    second.write_bytes(b"moments")
    for system, wanted in (("action_net", [second.relative_to(tmp_path).as_posix()]), ("vat", [])):
        chain = links(place, Provenance(), [f"{system}/rhythmic_gymnastics/40/ball"])
        assert [link.path for link in chain if link.what == "features of moments"] == wanted
        assert any(link.what == "predictions" for link in chain)


def test_without_gymnastics_the_table_says_why(tmp_path):
    make_tree(tmp_path, ["mtl_aqa"], {"rhythmic_gymnastics": "none"})
    result = read_result(tmp_path / "results/paper/tables/s4aqa_rhythmic_gymnastics.csv")
    assert set(result["verdict"]) == {"not run"}
    assert result["reason"].str.contains("not part of this project|does not have").all()
    assert (tmp_path / "results/paper/figures/s4aqa_rhythmic_gymnastics_forest.png").stat().st_size > 1000
