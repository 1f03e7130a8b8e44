"""The table of errors: text to the printed digits, synthetic said in every line, and shown on the page."""

import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.reporting.error_table import make_error_table
from rescore.reporting.page import Files, page
from rescore.reporting.tables import read_result
from rescore.scoring.error_measures import measure_errors
from tests.reporting.test_page import parse
from tests.reporting.tree import OFFICIAL, settings_of
from tests.scoring.conftest import SETTINGS

ROWS = "data/demo/features/aqa7/0.parquet"


@pytest.fixture(scope="module")
def scores(demo_tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("errors") / "scores.csv"
    names = ("all_action", "zero_shot", "fine_tuning")
    measure_errors(
        [demo_tree / f"runs/demo/{name}/predictions.parquet" for name in names], [demo_tree / ROWS], path, SETTINGS
    )
    return path


def write(scores, folder, settings):
    paths = [folder / "error_measures.csv", folder / "error_measures.md"]
    make_error_table(scores, *paths, settings)
    return paths


def test_text_is_the_measured_numbers_rounded_once(scores, tmp_path):
    table, markdown = write(scores, tmp_path, settings_of("demo"))
    found, measured = read_result(table), pd.read_csv(scores)
    assert [f"{value:.2f}" for value in measured["rmse"]] == list(found["rmse"])
    assert [f"{value:.3f}" for value in measured["relative_l2"]] == list(found["relative_l2"])
    assert set(found["origin"]) == {"synthetic (scale demo)"}
    text = markdown.read_text()
    assert "**SYNTHETIC (scale demo)" in text
    assert text.count("| synthetic (scale demo) |") == len(found)
    assert "range is that of the scores of all samples" in text


def test_official_data_is_called_so(scores, tmp_path):
    table, markdown = write(scores, tmp_path, settings_of("paper"))
    assert set(read_result(table)["origin"]) == {"official videos"}
    assert "SYNTHETIC" not in markdown.read_text()
    mixed = settings_of("paper") | {"sources": OFFICIAL | {"mtl_aqa_videos": "synthetic"}}
    table, _ = write(scores, tmp_path, mixed)
    assert set(read_result(table)["origin"]) == {"official videos"}


@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_the_page_shows_every_line_folded(scores, tmp_path, scale):
    table, _ = write(scores, tmp_path, settings_of(scale))
    page(Files(errors=table), tmp_path / "index.html", settings_of(scale))
    text, result = (tmp_path / "index.html").read_text(), read_result(table)
    rows = parse(tmp_path / "index.html").rows["errors-rows"][1:]
    assert [(row["th"], row["ours"], row["n"]) for row in rows] == list(
        zip(result["member"], result["rmse"], result["n"], strict=True)
    )
    section = text[text.index('id="errors"') :]
    assert section.index("<details") < section.index("<table")
    assert section.count('<span class="mark">(synthetic)</span>', 0, section.index("</section>")) == (
        3 if scale == "demo" else 0
    )
    assert '<a href="#errors">' in text


def test_another_file_is_refused(scores, tmp_path):
    pd.read_csv(scores).drop(columns="rmse").to_csv(tmp_path / "scores.csv", index=False)
    with pytest.raises(RescoreError, match="no column 'rmse'"):
        write(tmp_path / "scores.csv", tmp_path, settings_of("demo"))
