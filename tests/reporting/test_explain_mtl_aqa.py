"""`rescore explain` of MTL-AQA's Table 5: accuracies and captions are taken from what the networks wrote."""

import copy
import shutil

import pandas as pd
import pytest

from rescore.engine.storage import write_table
from rescore.reporting.cells import members_behind, said_statistics, seeds_behind
from rescore.reporting.evidence import place_of
from rescore.reporting.explain import explain
from rescore.reporting.tables import make_table, read_result
from rescore.scoring.caption_metrics import has_java
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.score_table import score_table
from rescore.systems.mtl_aqa_baselines import predict as mtl_aqa_baselines
from rescore.systems.multitask.members import members
from tests import mtl_aqa_files as dives
from tests.reporting.test_page_mtl_aqa import MIXED
from tests.reporting.tree import ROOT

TABLE = "results/paper/tables/mtl_aqa_table5.csv"
KINDS = ("predictions", "classes", "captions")


TABLE5 = {"c3d_avg/score_classes_caption/1059", "mscadc/score_classes_caption/1059", "mscadc/classes/1059"}


def write_tree(root, separate=False):
    """The members of Table 5 with their scores and table, as the workflow leaves them; scored without Java."""
    settings = copy.deepcopy(dives.SETTINGS)
    settings["multitask"]["validation"]["separate"] = separate
    rows, runs = dives.make_dives(), root / "runs/paper"
    splits = dives.make_splits(rows, separate)
    write_table(root / "data/paper/clips/mtl_aqa.parquet", rows)
    write_table(root / "splits.parquet", splits)
    written = {kind: [] for kind in KINDS}
    for member in (member for member in members(settings) if member.name.removesuffix("_validated") in TABLE5):
        for seed in (0, 1):
            tables = dives.member_tables(member, seed, rows, splits, separate)
            for kind in KINDS:
                written[kind].append(runs / f"mtl_aqa/{member.name}/{seed}/{kind}.parquet")
                write_table(written[kind][-1], tables[kind])
    baselines = [runs / f"mtl_aqa_baselines/{kind}.parquet" for kind in KINDS]
    baselines[0].parent.mkdir()
    paths = root / "data/paper/clips/mtl_aqa.parquet", root / "splits.parquet"
    mtl_aqa_baselines.run(*paths, *baselines, settings)
    given = [[*written[kind], path] for kind, path in zip(KINDS, baselines, strict=True)]
    scores = runs / "scores/mtl_aqa_table5.csv"
    paper = shutil.copytree(ROOT / "papers", root / "papers") / "mtl_aqa" / "paper.yaml"
    score_table(paper, "table5", ScoredFiles(given[0], [paths[0]], paths[1], given[1], given[2]), scores, settings)
    outputs = [(root / TABLE).with_suffix(suffix) for suffix in (".csv", ".md", ".tex")]
    make_table(paper, "table5", *outputs, MIXED, scores)
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path_factory.mktemp("nothing")))
        return write_tree(tmp_path_factory.mktemp("table5"))


def test_every_cell_follows_from_what_was_predicted(tree):
    """On tokens of the same rule, although Java is here now."""
    place, result = place_of(tree / TABLE), read_result(tree / TABLE)
    lines = result[result["reproduced"] != ""]
    assert len(lines) > 40
    for line in lines.itertuples():
        text = explain(tree / TABLE, line.row, line.column, line.protocol)
        assert ", as in the table" in text, (line.row, line.column, line.protocol)
        seeds = seeds_behind(place, line.row, line.column, line.protocol)
        assert len(seeds) == int(line.seeds)
        assert {seed.n for seed in seeds} == {int(line.n)}


def test_the_epoch_is_the_protocols(tree):
    place = place_of(tree / TABLE)
    epochs = {"last_iteration": 4, "best_iteration_on_test": 2, "best_on_validation": 3}
    for protocol, epoch in epochs.items():
        assert {seed.iteration for seed in seeds_behind(place, "Position", "C3D-AVG", protocol)} == {epoch}
    assert seeds_behind(place, "C3D-AVG", "B1", "best_on_validation") == []  # no captions were kept of epoch 3
    assert seeds_behind(place, "Position", "C3D-AVG", "last_iteration")[0].measure == "accuracy"


def test_classes_and_captions_stand_in_the_chain(tree):
    text = explain(tree / TABLE, "Position", "Nibali et al.", "last_iteration")
    assert "classes: runs/paper/mtl_aqa/mscadc/classes/1059/0/classes.parquet" in text
    assert "of these rows 400 are test predictions of the cell's members, at 4 iterations" in text
    assert members_behind(place_of(tree / TABLE), "Armstand", "Majority class") == ["majority/1059"]
    text = explain(tree / TABLE, "Armstand", "Majority class")
    assert "classes: runs/paper/mtl_aqa_baselines/classes.parquet" in text
    assert "c3d_avg" not in text.partition("made from:")[2]


def test_a_changed_class_is_noticed(tree, tmp_path):
    path = tree / "runs/paper/mtl_aqa/c3d_avg/score_classes_caption/1059/0/classes.parquet"
    kept = path.read_bytes()
    table = pd.read_parquet(path)
    write_table(path, table.assign(predicted="none of these"))
    try:
        text = explain(tree / TABLE, "Position", "C3D-AVG", "last_iteration")
    finally:
        path.write_bytes(kept)
    assert "NOT what the table says" in text


def test_what_cannot_be_taken_here_says_why(tree, tmp_path, monkeypatch):
    scores = tree / "runs/paper/scores/mtl_aqa_table5.csv"
    kept, table = scores.read_bytes(), read_result(tree / TABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        pd.read_csv(scores).assign(reason="").to_csv(scores, index=False)
        text = explain(tree / TABLE, "C3D-AVG", "B1", "last_iteration")
    finally:
        scores.write_bytes(kept)
    assert table[(table["row"] == "C3D-AVG") & (table["column"] == "M")]["reproduced"].eq("").all()
    assert "not recorded: these captions were tokenised by a program that needs Java" in text


@pytest.mark.skipif(not has_java(), reason="needs Java")
def test_meteor_where_java_is(tmp_path):
    said_statistics.cache_clear()
    text = explain(write_tree(tmp_path, separate=True) / TABLE, "C3D-AVG", "M", "last_iteration")
    assert "meteor" in text
    assert ", as in the table" in text
    # The epoch is chosen, and scored, on the twin that trained without the validation dives.
    text = explain(tmp_path / TABLE, "Position", "C3D-AVG", "best_on_validation")
    assert ", as in the table" in text
    assert "members: c3d_avg/score_classes_caption/1059, c3d_avg/score_classes_caption/1059_validated" in text
