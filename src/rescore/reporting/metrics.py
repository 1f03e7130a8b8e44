"""The few numbers of a run that `dvc metrics show` and `dvc metrics diff` speak of: verdicts and average correlations."""

from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.storage import read_table, write_json

AVERAGES = {"Avg. Corr.", "Sp. Corr."}
"""Columns of correlations that a table prints once a row: the average over actions, or the only one."""


def average_correlations(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The reproduced averages of a table by protocol and row; rows that were not run have none."""
    values = pd.to_numeric(table["reproduced"], errors="coerce")
    wanted = table["column"].isin(AVERAGES) & values.notna()
    averages: dict[str, dict[str, float]] = {}
    rows = zip(table["protocol"].fillna("any")[wanted], table["row"][wanted], values[wanted], strict=True)
    for protocol, row, value in rows:
        averages.setdefault(str(protocol), {})[str(row)] = float(value)
    return averages


def write_metrics(tables: list[Path], output: Path) -> None:
    """Write counts of verdicts and average correlations of each table, as JSON.

    Args:
        tables: `results/<scale>/tables/<paper>_<table>.csv`, reported beside reproduced.
        output: nested: table name, then `verdicts` (name and count) and, where it has any, `average_correlations`
            (protocol, row, value).
    """
    metrics: dict[str, dict[str, Any]] = {}
    for path in tables:
        table = read_table(path)
        verdicts = {str(name): int(count) for name, count in table["verdict"].value_counts().items()}
        averages = average_correlations(table)
        metrics[path.stem] = {"verdicts": verdicts} | ({"average_correlations": averages} if averages else {})
    write_json(output, metrics)
