"""A held-out run is counted by the first one's intervals for as many trainings, rows as clusters."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student_t

from rescore.engine.errors import RescoreError
from rescore.scoring.replication import clustered_share, paired_cells, summary_rows, write_replication


def table(rows):
    names = ["row", "column", "protocol", "reproduced", "prediction_low", "prediction_high", "rerun_low", "rerun_high"]
    return pd.DataFrame(rows, columns=names)


FIRST = [
    ("A", "x", "last_iteration", "0.50", "0.10", "0.90", "0.40", "0.60"),
    ("A", "y", "last_iteration", "0.50", "0.10", "0.90", "0.40", "0.60"),
    ("B", "x", "last_iteration", "0.20", "0.00", "0.40", "0.10", "0.30"),
    ("B", "x", "best_iteration_on_test", "0.30", "0.00", "0.40", "0.10", "0.30"),
    ("C", "x", "", "0.98", "", "", "", ""),
]
SECOND = [
    ("A", "x", "last_iteration", "0.60", "", "", "", ""),
    ("A", "y", "last_iteration", "0.61", "", "", "", ""),
    ("B", "x", "last_iteration", "0.25", "", "", "", ""),
    ("B", "x", "best_iteration_on_test", "0.90", "", "", "", ""),
    ("C", "x", "", "0.98", "", "", "", ""),
]


@pytest.fixture
def runs(tmp_path):
    for name, rows in (("first", FIRST), ("second", SECOND)):
        (tmp_path / name).mkdir()
        table(rows).to_csv(tmp_path / name / "aqa7_table2.csv", index=False)
    return tmp_path / "first", tmp_path / "second"


def test_the_rerun_interval_decides_and_no_protocol_that_chose(runs):
    cells = paired_cells(*(folder / "aqa7_table2.csv" for folder in runs))
    # 0.61 lies in the prediction interval of one training and not in that of as many as there were.
    assert cells[["row", "column", "inside"]].to_numpy().tolist() == [
        ["A", "x", True],
        ["A", "y", False],
        ["B", "x", True],
    ]
    assert cells["half_width"].tolist() == pytest.approx([0.1, 0.1, 0.1])


def test_percentages_have_half_widths_of_shares(runs, tmp_path):
    for folder, rows in zip(runs, (FIRST, SECOND), strict=True):
        hundred = [tuple(f"{100 * float(v):.2f}" if "." in v else v for v in row) for row in rows]
        table(hundred).to_csv(folder / "aqa7_table2.csv", index=False)
    assert paired_cells(*(folder / "aqa7_table2.csv" for folder in runs))["half_width"].tolist() == pytest.approx(
        [0.1] * 3
    )


def test_the_share_is_by_clusters(runs, tmp_path):
    inside = np.array([True, True, False, True, True, False])
    clusters = ["a", "a", "a", "b", "b", "c"]
    share, low, high = clustered_share(inside, clusters)
    residuals = np.array([2 - 3 * share, 2 - 2 * share, 0 - share])
    error = np.sqrt(3 / 2 * (residuals**2).sum()) / 6
    assert share == pytest.approx(4 / 6)
    assert (low, high) == pytest.approx((max(share - student_t.ppf(0.975, 2) * error, 0), 1.0))
    # The same outcomes as one cluster each are surer.
    assert clustered_share(inside, list("abcdef"))[1] > low


def test_all_inside_is_no_certainty():
    share, low, high = clustered_share(np.ones(40, bool), ["a"] * 20 + ["b"] * 20)
    assert (share, high) == pytest.approx((1.0, 1.0))
    assert low < 0.5
    assert np.isnan(clustered_share(np.ones(5, bool), ["a"] * 5)[1])


def test_a_row_a_table_and_one_of_all(runs, tmp_path):
    write_replication(*runs, tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv")
    assert written["table"].tolist() == ["aqa7_table2", "all tables"]
    assert written[["cells", "inside", "clusters"]].to_numpy().tolist() == [[3, 2, 2]] * 2


def test_runs_without_a_predicted_cell_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with pytest.raises(RescoreError, match="differ in `first_training` alone"):
        list(summary_rows(tmp_path / "a", tmp_path / "b"))
