"""scores.csv: a row a statistic, with its interval and what it rests on; the form that every table of scores has."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.scoring.correlation import Estimate
from rescore.storage import write_table

COLUMNS = ["experiment", "row", "column", "statistic", "protocol", "value", "low", "high", "n", "seeds"]
NOTHING_CHOSEN = ""
"""Protocol of a number that no choice went into (no iterations, no grid): the same under every protocol, so given once."""


def score_row(
    row: str, column: str, statistic: str, protocol: str, estimate: Estimate, interval: tuple[float, float]
) -> dict[str, Any]:
    """One row, the experiment's name aside."""
    return {
        "row": row,
        "column": column,
        "statistic": statistic,
        "protocol": protocol,
        "value": estimate.value,
        "low": interval[0],
        "high": interval[1],
        "n": estimate.n,
        "seeds": estimate.seeds,
    }


def write_scores(path: Path, experiment: str, rows: Iterable[dict[str, Any]], more: tuple[str, ...] = ()) -> None:
    """Write rows to 10 decimal places; undefined values stay empty.

    Args:
        experiment: whose predictions were scored, but for rows that name another one under `experiment`.
        more: columns beyond the contract's.
    """
    lines = [{"experiment": experiment, **row} for row in rows]
    table = pd.DataFrame(lines).astype({"n": "Int64", "seeds": "Int64"})
    write_table(path, table[[*COLUMNS, *more]].round(10))
