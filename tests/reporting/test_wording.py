"""Titles, notes and labels: what a scale is worth, and baselines explained where they are shown."""

from pathlib import Path

import pytest

from rescore.reporting.wording import figure_title, is_synthetic, not_comparable, note, scale_line
from rescore.scoring.papers import read_papers

PAPERS = read_papers(Path(__file__).parents[2] / "papers")
TABLES = {table.key: table for paper in PAPERS.values() for table in paper.tables.values()}
OFFICIAL = {"aqa7_videos": "official", "pretraining_videos": "official"}


@pytest.mark.parametrize(
    ("scale", "sources", "line", "reason"),
    [
        ("smoke", {}, "SYNTHETIC, smallest sizes (smoke)", "synthetic, smallest sizes (smoke)"),
        ("demo", {"aqa7_videos": "synthetic"}, "SYNTHETIC (scale demo)", "synthetic (scale demo)"),
        (
            "paper",
            {"pretraining_videos": "synthetic"},
            "SYNTHETIC PRE-TRAINING",
            "synthetic pre-training (scale paper)",
        ),
        ("paper", {}, "Scale paper: real data.", ""),
        ("open", {"aqa7_videos": "synthetic"}, "Scale open: real data.", ""),
    ],
)
def test_what_a_scale_is_worth(scale, sources, line, reason):
    settings = {"scale": scale, "sources": OFFICIAL | sources}
    assert scale_line(settings).startswith(line)
    assert not_comparable(settings) == reason
    assert is_synthetic(settings) == bool(reason)


@pytest.mark.parametrize("table", list(TABLES))
def test_notes_name_the_level_of_the_intervals(table):
    text = note(TABLES[table], ["Diving"], {"scoring": {"confidence": 0.9}})
    assert ("90%" in text) is not TABLES[table].characteristics
    assert "{" not in text
    assert "Difficulty alone" not in text


def test_baselines_are_explained_where_they_are_shown():
    text = note(TABLES["aqa7_table2"], ["Diving", "Difficulty alone"], {"scoring": {"confidence": 0.95}})
    assert text.endswith("Difficulty alone: the announced difficulty, without a look at the video.")
    assert "Perfect observer" not in text


def test_forests_carry_the_titles_of_their_tables():
    assert figure_title(PAPERS["aqa7"], "table3_forest").startswith(TABLES["aqa7_table3"].title)
