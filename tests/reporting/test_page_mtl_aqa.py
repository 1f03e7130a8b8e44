"""The page, `explain` and the overview with MTL-AQA's tables: a file a member, percent, protocols of its own."""

import shutil

import pandas as pd
import pytest

from rescore.engine.storage import save_arrays, write_table
from rescore.reporting.cells import mean_of, members_behind, seeds_behind
from rescore.reporting.evidence import place_of
from rescore.reporting.explain import explain
from rescore.reporting.page import Files, overview, page
from rescore.reporting.tables import make_table, read_result
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.score_table import score_table
from tests.mtl_aqa_files import SETTINGS, write_files
from tests.reporting.test_page import parse
from tests.reporting.tree import ROOT
from tests.scoring.test_outputs import systems_of

TABLES = ("table4", "table7", "table8")
MIXED = {
    "scale": "paper",
    "sources": {"aqa7_videos": "official", "mtl_aqa_videos": "synthetic", "pretraining_videos": "official"},
    "scoring": {"confidence": 0.95},
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Members, scores and tables of MTL-AQA, a folder a member and seed, as the workflow leaves them."""
    root = tmp_path_factory.mktemp("mtl")
    runs, results = root / "runs/paper", root / "results/paper"
    (runs / "mtl_aqa").mkdir(parents=True)
    files = write_files(runs / "mtl_aqa")
    paper = shutil.copytree(ROOT / "papers", root / "papers") / "mtl_aqa" / "paper.yaml"
    write_table(runs / "mtl_aqa_baselines/predictions.parquet", pd.read_parquet(files.baselines["predictions"]))
    for path in files.predictions:
        header = {"member": path.parent.parent.name, "parameters": {"epochs": 4}}
        save_arrays(path.parent / "weights.safetensors", {"w": pd.Series([0.0]).to_numpy()}, header)
        curve = pd.DataFrame({"epoch": [1, 2], "score_loss": [2.0, 1.0], "samples_per_second": [3.0, 4.0]})
        write_table(path.parent / "curve.csv", curve)
    predictions = [*files.predictions, runs / "mtl_aqa_baselines/predictions.parquet"]
    (runs / "li").mkdir()
    systems = systems_of(files, runs / "li")
    for table in TABLES:
        scores = runs / f"scores/mtl_aqa_{table}.csv"
        given = [*predictions, *(systems if table == "table7" else [])]
        score_table(paper, table, ScoredFiles(given, [files.rows], files.splits), scores, SETTINGS)
        outputs = [results / f"tables/mtl_aqa_{table}.{suffix}" for suffix in ("csv", "md", "tex")]
        make_table(paper, table, *outputs, MIXED, scores)
    return root


@pytest.fixture(scope="module")
def shown(tree):
    tables = [tree / f"results/paper/tables/mtl_aqa_{table}.csv" for table in TABLES]
    curves = sorted((tree / "runs/paper/mtl_aqa").rglob("1059/*/curve.csv"))
    files = Files(tables=tables, curves=curves)
    page(files, tree / "results/paper/index.html", MIXED, runs=tree / "runs/paper")
    return tree / "results/paper/index.html"


def test_every_number_stands_in_its_row(tree, shown):
    rows = parse(shown).rows
    for table in TABLES:
        result = read_result(tree / f"results/paper/tables/mtl_aqa_{table}.csv")
        found = [(row["th"], row["said"], row["ours"]) for row in rows[f"mtl_aqa_{table}-rows"][1:]]
        assert found == list(result[["row", "reported", "reproduced"]].itertuples(index=False, name=None))


def test_the_papers_videos_decide_what_is_marked(shown):
    text = shown.read_text(encoding="utf-8")
    assert '<div class="paper synthetic">\n<h2 id="mtl_aqa">' in text
    assert '<p class="banner" role="note">SYNTHETIC' in text
    assert shown.stat().st_size < 15_000_000


def test_plots_and_curves_are_there(shown):
    text = shown.read_text(encoding="utf-8")
    for name in (
        "mtl-aqa-table4-scatter",
        "mtl-aqa-table4-curves",
        "training-mtl-aqa-c3d-avg",
        "training-mtl-aqa-mscadc",
    ):
        assert f'<figure id="{name}">' in text
    specification = text[text.index('id="training-mtl-aqa-c3d-avg-specification"') :].split("</script>")[0]
    assert "score loss" in specification
    assert "samples" not in specification


def test_a_cell_leads_to_its_own_members_alone(tree):
    table = tree / "results/paper/tables/mtl_aqa_table4.csv"
    place, result = place_of(table), read_result(table)
    assert members_behind(place, "AQA", "MSCADC") == ["mscadc/score/1059"]
    text = explain(table, "AQA", "MSCADC")
    assert "runs/paper/mtl_aqa/mscadc/score/1059/0/predictions.parquet" in text
    assert "runs/paper/mtl_aqa/mscadc/score/1059/1/weights.safetensors" in text
    assert "c3d_avg" not in text.split("made from:")[1]
    assert text.count("(in percent), as in the table") == 3
    # Baselines, differences, and every protocol's choice.
    for line in result[result["reproduced"] != ""].itertuples():
        seeds = seeds_behind(place, line.row, line.column, line.protocol)
        assert f"{round(100 * mean_of(seeds), 10):.2f}" == line.reproduced
        sides = 2 if line.row == "Three tasks less one" else 1
        assert len(seeds) == sides * int(line.seeds)
    assert "difference of the means over seeds" in explain(table, "Three tasks less one", "MSCADC")


def test_the_overview_has_it(tree, tmp_path):
    overview(tree / "results", tmp_path / "index.html")
    assert [row["th"] for row in parse(tmp_path / "index.html").rows["counts-paper"][1:]] == [
        "Table 4",
        "Table 7",
        "Table 8",
    ]
