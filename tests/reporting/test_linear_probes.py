"""Tables 9 and 10 as the page has them: printed beside ours, drawn, and led back to the activations."""

import shutil
from pathlib import Path

import pytest

from rescore.engine.storage import save_arrays
from rescore.reporting.explain import explain
from rescore.reporting.figures import forest
from rescore.reporting.tables import make_table, read_result
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.score_table import score_table
from rescore.systems.linear_probes.probes import probe_vaults
from tests.linear_probe_files import SETTINGS, make_vaults, with_others, write_activations
from tests.mtl_aqa_files import make_dives

REPORTED = Path(__file__).parents[2] / "papers" / "mtl_aqa"
PAPER = REPORTED / "paper.yaml"


def sources(aqa7: str) -> dict:
    kinds = {"aqa7_videos": aqa7, "mtl_aqa_videos": "official", "pretraining_videos": "official"}
    return SETTINGS | {"scale": "demo", "sources": kinds}


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    data, runs, tables = root / "data/demo", root / "runs/demo", root / "results/demo/tables"
    paths = write_activations(data / "features/linear_probes", make_dives(), make_vaults())
    rows, predictions = root / "rows.parquet", runs / "linear_probes/vaults/predictions.parquet"
    with_others(make_vaults()).to_parquet(rows)
    probe_vaults(paths, rows, predictions, predictions.with_name("choice.json"), SETTINGS)
    shutil.copytree(REPORTED.parent, root / "papers")
    score_table(PAPER, "table10", ScoredFiles([predictions], [rows]), runs / "scores/mtl_aqa_table10.csv", SETTINGS)
    for name in ("backbone/0", "mtl_aqa/c3d_avg/classes/1059/0", "mtl_aqa/c3d_avg/score_classes_caption/1059/0"):
        (runs / name).mkdir(parents=True)
        save_arrays(runs / name / "weights.safetensors", {}, {"what": name})
    make_table(
        *(PAPER, "table10"),
        *(tables / f"mtl_aqa_table10.{suffix}" for suffix in ("csv", "md", "tex")),
        *(sources("synthetic"), runs / "scores/mtl_aqa_table10.csv"),
    )
    return root


def test_vaults_alone_being_synthetic_make_the_table_so(tree):
    result = read_result(tree / "results/demo/tables/mtl_aqa_table10.csv")
    assert set(result["verdict"]) == {"not comparable"}
    assert "SYNTHETIC" in (tree / "results/demo/tables/mtl_aqa_table10.md").read_text()
    official = tree / "official.csv"
    scores = tree / "runs/demo/scores/mtl_aqa_table10.csv"
    files = (official, tree / "official.md", tree / "official.tex")
    make_table(PAPER, "table10", *files, sources("official"), scores)
    assert {"reproduced", "differs"} & set(read_result(official)["verdict"])


def test_a_number_leads_back_to_its_activations_and_network(tree):
    table = tree / "results/demo/tables/mtl_aqa_table10.csv"
    text = explain(table, "Baseline-2", "Out-of-dataset c3")
    assert "classes/outside/c3" in text
    assert "as in the table" in text
    for path in (
        "runs/demo/linear_probes/vaults/predictions.parquet",
        "runs/demo/linear_probes/vaults/choice.json",
        "data/demo/features/linear_probes/c3d_avg/classes/1059/1.safetensors",
        "runs/demo/mtl_aqa/c3d_avg/classes/1059/0/weights.safetensors",
    ):
        assert path in text
    assert "score_classes_caption/1059" not in text
    backbone = explain(table, "Baseline-1", "Within-dataset c3")
    assert "linear_probes/backbone/0.safetensors" in backbone
    assert "c3d_avg" not in backbone


def test_the_forest_shows_every_column(tree):
    figure = tree / "forest.svg"
    table = tree / "results/demo/tables/mtl_aqa_table10.csv"
    forest(PAPER, "table10", table, figure, tree / "forest.png", sources("synthetic"))
    assert figure.stat().st_size > 1000
