"""docs/adding.md, done as it says: a paper is added by its folder alone."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from rescore.reporting.tables import make_table, read_result
from rescore.scoring.claims import evaluate_claims
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.papers import read_papers
from rescore.scoring.score_table import score_table
from tests.scoring.conftest import PAPERS

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"^`(papers/example/\S+)`[^`]*?\n```\w+\n(.*?)^```", re.M | re.S)


@pytest.fixture
def added(tmp_path) -> Path:
    """The folder of papers with the page's own example in it."""
    folder = shutil.copytree(PAPERS, tmp_path / "papers")
    written = FILE.findall((ROOT / "docs" / "adding.md").read_text(encoding="utf-8"))
    assert [name for name, _ in written] == [
        "papers/example/paper.yaml",
        "papers/example/tables/table1.csv",
        "papers/example/claims.yaml",
    ]
    for name, content in written:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def test_the_pages_example_is_scored_tabled_and_its_claim_checked(added, files, settings, tmp_path):
    assert "example" in read_papers(added)
    paper, scores = added / "example" / "paper.yaml", tmp_path / "scores" / "example_table1.csv"
    estimates = scores.with_suffix(".estimates.parquet")
    score_table(
        paper, "table1", ScoredFiles([files["all_action"]], [files["rows"]]), scores, settings, estimates=estimates
    )
    outputs = [tmp_path / f"example_table1.{suffix}" for suffix in ("csv", "md", "tex")]
    sources = {"aqa7_videos": "official", "pretraining_videos": "official"}
    make_table(paper, "table1", *outputs, {**settings, "scale": "paper", "sources": sources}, scores)
    result = read_result(outputs[0])
    printed = result[result["reported"] != ""]
    assert set(printed["verdict"]) <= {"reproduced", "differs", "not comparable"}
    assert set(printed["row"]) == {"One for all", "One for each"}
    assert "Mean" in set(printed["column"])
    claims = tmp_path / "example_claims.csv"
    evaluate_claims(paper.with_name("claims.yaml"), [outputs[0]], claims, settings, estimates=[estimates])
    found = pd.read_csv(claims).set_index("source")["result"]
    assert found["reported"] == "holds"
    assert {"last_iteration", "best_iteration_on_test"} <= set(found.index)
