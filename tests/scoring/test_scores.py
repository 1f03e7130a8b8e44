"""scores.csv: the contract's columns, ten decimals, empty where undefined, equal bytes; and the estimates beside it."""

import numpy as np
import pandas as pd

from rescore.scoring.correlation import Estimate, Trained
from rescore.scoring.estimates import read_estimates
from rescore.scoring.papers import NOTHING_CHOSEN
from rescore.scoring.scores import COLUMNS, empty_row, score_row, write_scores


def estimate(values: list[float], n: int = 28, reason: str = "") -> Estimate:
    """Trainings that each of n samples moves alike."""
    influence = np.tile(np.linspace(-0.05, 0.05, n), (len(values), 1))
    samples = np.array([f"diving/{number:03d}" for number in range(n)], dtype=object)
    numbers = Trained(tuple(range(len(values))))
    return Estimate(float(np.mean(values)), n, np.array(values), samples, influence, numbers, reason=reason)


def test_rows_are_written_as_the_contract_has_them(tmp_path):
    rows = [
        score_row("AA", "Diving 25", "spearman", "last_iteration", estimate([0.3, 0.3, 0.4]), 0.95),
        score_row("RI", "Diving 25", "spearman", NOTHING_CHOSEN, estimate([np.nan]), 0.95, "few"),
        empty_row("S3D", "Diving 25", "spearman", NOTHING_CHOSEN, "not run"),
    ]
    write_scores(tmp_path / "scores.csv", "fine_tuning", iter(rows))
    head, first, *rest = (tmp_path / "scores.csv").read_text().splitlines()
    assert head == ",".join(COLUMNS)
    line = dict(zip(COLUMNS, first.split(","), strict=True))
    assert (line["value"], line["n"], line["seeds"], line["variance"]) == ("0.3333333333", "28", "3", "trainings")
    bounds = [float(line[name]) for name in ("low", "prediction_low", "prediction_high", "high")]
    assert len({*bounds}) == 4
    # A mean over as many trainings varies less than one training.
    assert bounds[1] < float(line["rerun_low"]) < 0.3333 < float(line["rerun_high"]) < bounds[2]
    assert bounds[0] < 0.3333 < bounds[3]
    assert bounds[1] < 0.3333 < bounds[2]
    assert rest == [
        "fine_tuning,RI,Diving 25,spearman,,,,,,,,,28,1,none,few,,",
        "fine_tuning,S3D,Diving 25,spearman,,,,,,,,,,,,not run,,",
    ]


def test_more_columns_stand_last_and_a_curves_estimates_are_named_by_iteration(tmp_path):
    row = score_row("AA", "Diving 25", "spearman", "every_iteration", estimate([0.4, 0.6], 50), 0.95)
    files = tmp_path / "curves.csv", tmp_path / "curves.estimates.parquet"
    write_scores(files[0], "fine_tuning", [row | {"iteration": 100}], ("iteration",), files[1])
    head, line = files[0].read_text().splitlines()
    assert head.endswith(",iteration")
    assert line.endswith(",50,2,trainings,,,,100")
    assert [*read_estimates(files[1])] == [("AA", "Diving 25 at 100", "")]


def test_estimates_come_back_as_they_were(tmp_path):
    path = tmp_path / "scores.estimates.parquet"
    one = estimate([0.4, 0.6])
    row = score_row("AA", "Diving", "spearman", "last_iteration", one, 0.95)
    rows = [row | {"reason": ""}, empty_row("B", "c", "spearman", "", "not run")]
    write_scores(tmp_path / "scores.csv", "x", rows, ("reason",), path)
    back = read_estimates(path)["AA", "Diving", "last_iteration"]
    for name in ("values", "influence", "samples", "replicates"):
        assert (getattr(back, name) == getattr(one, name)).all()
    assert (back.trained, back.scale, back.unit, back.centre) == (one.trained, "artanh", 1.0, None)
    assert len(pd.read_parquet(path)) == 1
