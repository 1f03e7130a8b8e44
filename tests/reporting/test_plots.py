"""Plots: specifications with every number, pictures of the same, equal bytes, identifiers of their own."""

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.reporting import plots
from rescore.scoring.papers import Cell

CELLS = [Cell("All-action", "Diving", "all", "diving"), Cell("All-action", "Skiing", "all", "skiing")]


def numbers(plot):
    return pd.read_csv(io.StringIO(plot.specification["data"]["values"]))


@pytest.fixture
def predictions(demo_tree):
    return demo_tree / "runs/demo/all_action/predictions.parquet"


def test_a_scatter_plot_holds_the_last_predictions_of_the_first_seed(predictions):
    plot = plots.scatter("x", "Table 2", [predictions], CELLS)
    table = pd.read_parquet(predictions)
    chosen = (table["member"] == "all") & (table["seed"] == 0) & (table["iteration"] == 300)
    wanted = table[chosen & table["action"].isin(["diving", "skiing"])]
    drawn = numbers(plot)
    assert set(drawn["panel"]) == {"All-action | Diving", "All-action | Skiing"}
    merged = drawn.merge(wanted, on="sample", suffixes=("", "_stored"))
    assert len(merged) == len(wanted) == len(drawn) == 24
    np.testing.assert_allclose(merged["predicted"], merged["predicted_stored"], atol=6e-4)
    assert "24 points." in plot.note
    dots = re.findall(r'<path [^>]*d="M[\d.]+,0A[^>]* opacity="([\d.]+)"', plot.svg)
    assert sum(float(opacity) > plots.UNSEEN for opacity in dots) == 24


def test_many_points_are_thinned_and_counted(predictions, monkeypatch):
    monkeypatch.setattr(plots, "POINTS", 10)
    monkeypatch.setattr(plots, "LEAST", 5)
    plot = plots.scatter("x", "Table 2", [predictions], CELLS)
    drawn = numbers(plot)
    assert (drawn.groupby("panel").size() == 5).all()
    assert "10 of 24 points are drawn." in plot.note
    table = pd.read_parquet(predictions).query(
        "member == 'all' and seed == 0 and iteration == 300 and action == 'diving'"
    )
    mine = drawn[drawn["panel"].str.endswith("Diving")]["target"]
    assert (mine.min(), mine.max()) == pytest.approx((table["target"].min(), table["target"].max()), abs=6e-4)
    monkeypatch.setattr(plots, "PANELS", 1)
    assert "The first 1 of 2 cells are drawn." in plots.scatter("x", "t", [predictions], CELLS).note


def test_nothing_to_draw(predictions):
    none = [Cell("a", "b", "no such member", "diving")]
    assert plots.scatter("x", "t", [predictions], none) is None
    assert plots.correlation_curves("x", "t", [predictions], none) is None
    assert plots.correlation_curves("x", "t", [predictions], []) is None


def test_correlations_while_training_are_spearmans(predictions):
    plot = plots.correlation_curves("x", "Table 2", [predictions], CELLS)
    table = pd.read_parquet(predictions)
    for line in numbers(plot).itertuples():
        action = {"Diving": "diving", "Skiing": "skiing"}[line.series]
        mine = table[(table["member"] == "all") & (table["action"] == action) & (table["iteration"] == line.iteration)]
        rho = [spearmanr(part["target"], part["predicted"]).statistic for _, part in mine.groupby("seed")]
        assert line.value == pytest.approx(np.mean(rho), abs=6e-5)


def test_undefined_correlations_are_left_out(predictions, tmp_path):
    table = pd.read_parquet(predictions)
    table.loc[table["iteration"] == 100, "predicted"] = 5.0
    table.to_parquet(tmp_path / "p.parquet")
    assert set(numbers(plots.correlation_curves("x", "t", [tmp_path / "p.parquet"], CELLS))["iteration"]) == {200, 300}


def test_printed_values_stand_in_the_curves_of_a_figure(demo_tree):
    scores = demo_tree / "runs/demo/scores/aqa7_figure3.csv"
    reported = pd.DataFrame([("RI", "Diving 3", "0.5633")], columns=["row", "column", "reported"])
    plot = plots.scored_curves("x", "Figure 3", scores, reported)
    drawn, stored = numbers(plot), pd.read_csv(scores)
    assert len(drawn) == len(stored)
    assert set(drawn.loc[drawn["reported"].notna(), "panel"]) == {"Diving 3"}
    assert "the paper prints" in plot.note
    np.testing.assert_allclose(drawn[["value", "low", "high"]], stored[["value", "low", "high"]], atol=6e-5)
    assert "0.5633" in plot.json


def test_training_curves_leave_out_what_depends_on_the_machine(tmp_path):
    paths = {}
    for seed in range(15):
        table = pd.DataFrame(
            {"epoch": [1, 2], "score_loss": [2.0, 1.0 + seed], "samples_per_second": [5, 6], "learning_rate": 1e-3}
        )
        paths[f"score/{seed}"] = tmp_path / f"{seed}.csv"
        table.to_csv(paths[f"score/{seed}"], index=False)
    plot = plots.training_curves("x", "t", dict(list(paths.items())[:3]), ("loss", "accuracy"))
    assert set(numbers(plot)["panel"]) == {"score loss"}
    assert numbers(plot)["series"].nunique() == 3
    assert "1 of 15 trainings are drawn" in plots.training_curves("x", "t", paths, ("loss",)).note
    (tmp_path / "bad.csv").write_text("time,loss\n1,2\n")
    with pytest.raises(RescoreError, match="bad.csv: not a learning curve"):
        plots.training_curves("x", "t", {"a": tmp_path / "bad.csv"}, ("loss",))


def test_equal_bytes_and_identifiers_of_their_own(predictions):
    plot, other = (plots.scatter(name, "Table 2", [predictions], CELLS) for name in ("one", "two"))
    assert plot.svg == plots.scatter("one", "Table 2", [predictions], CELLS).svg  # drawn after others in this process
    identifiers = set(re.findall(r'id="([^"]+)"', plot.svg))
    assert all(name.startswith("one-") for name in identifiers)
    assert not identifiers & set(re.findall(r'id="([^"]+)"', other.svg))
    assert set(re.findall(r"url\(#([^)]+)\)", plot.svg)) <= identifiers
    assert 'role="img" aria-label="Table 2. A dot' in plot.svg


def test_figures_of_others_become_elements(tmp_path):
    svg = (
        '<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt" '
        'viewBox="0 0 72 36"><metadata>x</metadata><style type="text/css">*{stroke-linecap:butt}</style>'
        '<defs><path id="a" d="M0 0"/></defs><use href="#a"/><g clip-path="url(#a)"/></svg>'
    )
    text = plots.inline_svg(svg, "fig", 'say "so" & <more>')
    assert text.startswith('<svg viewBox="0 0 72 36" width="72" height="36" role="img"')
    assert 'aria-label="say &quot;so&quot; &amp; &lt;more>"' in text
    assert '<use href="#fig-0"/><g clip-path="url(#fig-0)"/>' in text
    assert "style" not in text
    with pytest.raises(RescoreError, match="not an SVG"):
        plots.inline_svg("<html>", "fig", "x")


def test_a_specification_cannot_leave_its_script(predictions):
    cells = [Cell("</script><b>&", "Diving", "all", "diving")]
    text = plots.scatter("x", "t", [predictions], cells).json
    assert "<" not in text
    assert "</script><b>&" in json.loads(text)["data"]["values"]


def test_the_library_assigns_what_the_page_calls():
    text = plots.bundle()
    assert "window.vegaEmbed=" in text.replace(" ", "")
    assert "</script" not in text
    assert len(text) < 1_200_000
