"""How often a held-out run lies where the first one predicts it: the control of the prediction intervals.

Two runs of one scale on the same videos differ in their trainings alone (`first_training`). A cell of the second is predicted by
the first's `rerun_low` and `rerun_high`. Cells of a row are filled by the same trained networks, so their outcomes are not
independent: the share's interval takes rows as clusters.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_table

KEY = ["row", "column", "protocol"]
COUNTED = ("", "last_iteration", "training_set")
"""Protocols without a choice on test or validation dives: one number a cell."""
COLUMNS = ["table", "cells", "inside", "share", "low", "high", "clusters", "half_width"]
ALL = "all tables"


def paired_cells(first: Path, second: Path) -> pd.DataFrame:
    """Cells of one table that the first run predicts and the second one has.

    Args:
        first, second: `results/<scale>/tables/<paper>_<table>.csv` of two runs.

    Returns:
        `row, column, protocol`, `low` and `high` of the prediction, `value` of the held-out run and `first` of the first one,
        `half_width`, `inside`.
    """
    ours, theirs = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in (first, second))
    if not {"rerun_low", "rerun_high"} <= set(ours.columns):
        return pd.DataFrame(columns=[*KEY, "low", "high", "value", "half_width", "inside", "first"])
    ours = ours[(ours["rerun_low"] != "") & ours["protocol"].isin(COUNTED)]
    both = ours.merge(theirs[theirs["reproduced"] != ""], on=KEY, suffixes=("", "_again"))
    found = both[KEY].assign(
        first=both["reproduced"].astype(float),
        low=both["rerun_low"].astype(float),
        high=both["rerun_high"].astype(float),
        value=both["reproduced_again"].astype(float),
    )
    unit = 100.0 if len(found) and found[["first", "value"]].abs().to_numpy().max() > 1 else 1.0
    half = (found["high"] - found["low"]) / 2 / unit
    # Both are rounded to the digits of the table.
    inside = (found["low"] <= found["value"]) & (found["value"] <= found["high"])
    return found.assign(half_width=half, inside=inside)


def clustered_share(
    inside: np.ndarray, clusters: Sequence[str], confidence: float = 0.95
) -> tuple[float, float, float]:
    """A share and its interval, with outcomes of one cluster allowed to depend on each other.

    The variance is that of a ratio of cluster totals (Cochran 1977, Sampling Techniques, Sec. 9.4), t with clusters - 1 degrees
    of freedom, cut to 0..1. Where every outcome is the same the variance is 0 and says nothing: Wilson's interval for as many
    outcomes as clusters.

    Args:
        inside: (cells,) bool.
        clusters: of each cell.

    Returns:
        Share, low, high; NaN bounds for fewer than two clusters.
    """
    table = pd.DataFrame({"inside": inside.astype(float), "cluster": list(clusters)})
    share, totals = float(table["inside"].mean()), table.groupby("cluster")["inside"].agg(["sum", "count"])
    groups = len(totals)
    if groups < 2:
        return share, np.nan, np.nan
    if share in (0.0, 1.0):
        from statsmodels.stats.proportion import proportion_confint

        low, high = proportion_confint(round(share * groups), groups, alpha=1 - confidence, method="wilson")
        return share, float(low), float(high)
    residuals = totals["sum"] - share * totals["count"]
    error = np.sqrt(groups / (groups - 1) * float((residuals**2).sum())) / len(table)
    half = student_t.ppf(0.5 + confidence / 2, groups - 1) * error
    return share, max(share - half, 0.0), min(share + half, 1.0)


def summary_rows(first: Path, second: Path) -> Iterator[dict[str, object]]:
    """A row a table that both folders have, then one of all.

    Raises:
        RescoreError: no table of the first predicts a cell of the second.
    """
    parts = []
    for path in sorted(first.glob("*.csv")):
        if (
            (second / path.name).is_file()
            and "row" in (table := pd.read_csv(path, nrows=0)).columns
            and set(KEY) <= set(table)
        ):
            cells = paired_cells(path, second / path.name)
            if len(cells):
                parts.append(cells.assign(table=path.stem))
    if not parts:
        raise RescoreError(
            f"{first} and {second}: no cell of the second is predicted by the first. Name the tables of two runs that differ in "
            "`first_training` alone: results/demo/tables and results/replication/tables."
        )
    everything = pd.concat(parts, ignore_index=True)
    for name, cells in [*everything.groupby("table"), (ALL, everything)]:
        share, low, high = clustered_share(cells["inside"].to_numpy(bool), (cells["table"] + cells["row"]).tolist())
        yield {
            "table": name,
            "cells": len(cells),
            "inside": int(cells["inside"].sum()),
            "share": share,
            "low": low,
            "high": high,
            "clusters": (cells["table"] + cells["row"]).nunique(),
            "half_width": float(cells["half_width"].median()),
        }


def write_replication(first: Path, second: Path, output: Path) -> None:
    """Count how often the held-out run lies in the first one's prediction intervals.

    Args:
        first, second: folders of result tables of two runs on the same videos.
        output: CSV with `COLUMNS`: by table, then of all; `half_width` is the median half width of the prediction intervals, as a
            correlation or a share of 1.

    Raises:
        RescoreError: no table of the first predicts a cell of the second.
    """
    write_table(output, pd.DataFrame(list(summary_rows(first, second)), columns=COLUMNS).round(4))
