"""The simulation of both intervals: its fast jackknife is the scoring's own, and what it writes."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.scoring.correlation import Trained, estimate_spearman

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import intervals


@pytest.mark.parametrize("ties", [False, True])
def test_its_jackknife_is_that_of_the_scores(ties):
    generator = np.random.default_rng(3)
    target = intervals.rounded(generator.normal(size=(3, 24)), ties)
    predicted = intervals.rounded(target + generator.normal(size=(3, 24)), ties)
    names = np.tile(np.array([f"s{number:02d}" for number in range(24)], dtype=object), (3, 1))
    ours = estimate_spearman(target, predicted, names, Trained((0, 1, 2)), 5, 0)
    rho, influence = intervals.spearman_with_influence(target, predicted)
    np.testing.assert_allclose(rho, ours.values, atol=1e-12)
    np.testing.assert_allclose(influence, ours.influence, atol=1e-6)


def test_a_small_run_writes_its_table_and_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(intervals, "CASES", ((28, 0.6),))
    document = tmp_path / "statistics.md"
    document.write_text(f"before\n{intervals.MARKS[0]}\nold\n{intervals.MARKS[1]}\nafter\n")
    given = ["--repetitions", "40", "--csv", str(tmp_path / "t.csv"), "--figure", str(tmp_path / "t.png")]
    monkeypatch.setattr(sys, "argv", ["intervals.py", *given, "--document", str(document)])
    intervals.main()
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["trainings"].tolist() == [1, 3, 5] * 2
    assert table[["confidence", "prediction", "difference"]].gt(0.8).all(axis=None)
    assert (table["differs"] + table["prediction"]).to_numpy() == pytest.approx(1)
    text = document.read_text()
    assert (text[:6], text[-6:], "old" in text) == ("before", "after\n", False)
    assert text.count("| 28 | 0.6 |") == 6
    assert (tmp_path / "t.png").stat().st_size > 5000
