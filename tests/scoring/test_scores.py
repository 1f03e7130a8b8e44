"""scores.csv: the contract's columns, ten decimals, empty where undefined, equal bytes."""

import numpy as np

from rescore.scoring.correlation import Estimate
from rescore.scoring.scores import COLUMNS, NOTHING_CHOSEN, score_row, write_scores


def test_rows_are_written_as_the_contract_has_them(tmp_path):
    defined = Estimate(1 / 3, np.zeros(0), 28, 3)
    undefined = Estimate(np.nan, np.zeros(0), 3, 1, reason="3 samples, fewer than 4")
    rows = [
        score_row("AA", "Diving 25", "spearman", "last_iteration", defined, (0.1, 0.5)),
        score_row("RI", "Diving 25", "spearman", NOTHING_CHOSEN, undefined, (np.nan, np.nan)) | {"iteration": 100},
    ]
    write_scores(tmp_path / "scores.csv", "fine_tuning", iter(rows))
    assert (tmp_path / "scores.csv").read_text().splitlines() == [
        ",".join(COLUMNS),
        "fine_tuning,AA,Diving 25,spearman,last_iteration,0.3333333333,0.1,0.5,28,3",
        "fine_tuning,RI,Diving 25,spearman,,,,,3,1",
    ]


def test_more_columns_stand_last(tmp_path):
    row = score_row("AA", "Diving 25", "spearman", "every_iteration", Estimate(0.5, np.zeros(0), 50, 3), (0.4, 0.6))
    write_scores(tmp_path / "curves.csv", "fine_tuning", [row | {"iteration": 100}], more=("iteration",))
    head, line = (tmp_path / "curves.csv").read_text().splitlines()
    assert head.endswith(",iteration")
    assert line.endswith(",50,3,100")
