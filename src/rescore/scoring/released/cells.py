"""Cells of papers' tables from released files: statistics of logs by the rule that chooses the epoch, and of predictions.

    points ─► mean over folds ─► the rule's epochs ─► mean over runs          (no interval: a log has no predictions)
    predictions ─► each fold ─► mean over folds, bootstrap over the samples within each fold

What authors average is averaged as they do: folds and runs by their plain mean.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import read_table
from rescore.scoring.correlation import (
    Estimate,
    Trained,
    arithmetic_mean,
    combine,
    estimate_statistic,
    fisher_z_average,
    resample_spearman,
    spearman,
)
from rescore.scoring.error_measures import relative_l2
from rescore.scoring.papers import LOG_LAST, LOG_TEN, PREDICTED_BEST
from rescore.scoring.released.collect import LEFT_OUT
from rescore.scoring.released.declared import (
    RELATIVE_L2,
    SMALLER_IS_BETTER,
    Average,
    Cell,
    Declared,
    read_declared,
)
from rescore.scoring.scores import empty_row, score_row, write_scores

TEN = 10
EXPERIMENT = "released"
AVERAGES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "arithmetic_mean": arithmetic_mean,
    "fisher_z_average": fisher_z_average,
}
NO_INTERVAL = "no interval: a log has no predictions"


@dataclass(frozen=True)
class Chosen:
    """A statistic of a log under a rule."""

    value: float
    samples: int
    runs: int
    where: str
    """Files and lines that it stands in."""


@dataclass(frozen=True)
class Files:
    """What was collected."""

    points: pd.DataFrame
    predictions: pd.DataFrame
    left_out: Mapping[str, str]
    """Records that could not be read, and why."""


def score_released(
    declared: Path,
    points: Path,
    predictions: Path,
    findings: Path,
    scores: Path,
    table: str,
    settings: dict[str, Any],
) -> None:
    """Fill a table of a paper.

    Args:
        declared: papers/<name>/released.yaml.
        points, predictions, findings: of `collect.collect`.
        scores: written, CSV of the scores contract; its reasons name the files, lines and epochs.
        table: one of the declaration's tables.
        settings: `seed`; `scoring`: `bootstrap` (replicates), `confidence`.

    Raises:
        RescoreError: the declaration has not its form.
    """
    paper = read_declared(declared)
    found = read_files(points, predictions, findings)
    rows = [row for block in paper.tables[table] for row in block_rows(*block, paper, found, settings)]
    write_scores(scores, EXPERIMENT, rows)


def read_files(points: Path, predictions: Path, findings: Path) -> Files:
    """What was collected, with the reasons of what was left out."""
    told = read_table(findings)
    lost = told[told["kind"] == LEFT_OUT]
    return Files(read_table(points), read_table(predictions), dict(zip(lost["record"], lost["finding"], strict=True)))


def block_rows(
    cells: Sequence[Cell], averages: Sequence[Average], paper: Declared, found: Files, settings: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Score rows of a block: each cell under each of its rules, then the averages of its rows."""
    parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        for rule in cell.rules:
            row = (
                log_row(cell, rule, paper, found) if cell.kind == "log" else predicted_row(cell, rule, found, settings)
            )
            parts.setdefault((cell.row, rule), []).append(row)
            yield row
    for (title, rule), own in parts.items():
        for average in averages:
            yield average_row(title, rule, average, own, settings["scoring"]["confidence"])


def average_row(
    row: str, rule: str, average: Average, parts: Sequence[Mapping[str, Any]], confidence: float
) -> dict[str, Any]:
    """The average of a row's cells; empty where one of them is."""
    values = np.array([part["value"] for part in parts], dtype=float)
    if np.isnan(values).any():
        reason = next(part["reason"] for part in parts if np.isnan(part["value"]))
        return empty_row(row, average.column, average.rule, rule, reason)
    where = f"{average.rule.replace('_', ' ')} of {', '.join(part['column'] for part in parts)}"
    if all("estimate" in part for part in parts):
        estimate = combine([part["estimate"] for part in parts], AVERAGES[average.rule])
        return score_row(row, average.column, average.rule, rule, estimate, confidence, where)
    value = float(AVERAGES[average.rule](values))
    chosen = Chosen(value, sum(part["n"] for part in parts), min(part["seeds"] for part in parts), where)
    return plain_row(row, average.column, average.rule, rule, chosen)


def plain_row(row: str, column: str, statistic: str, rule: str, chosen: Chosen) -> dict[str, Any]:
    """A row without intervals."""
    return empty_row(row, column, statistic, rule, f"{chosen.where}; {NO_INTERVAL}") | {
        "value": chosen.value,
        "n": chosen.samples,
        "seeds": chosen.runs,
    }


def log_row(cell: Cell, rule: str, paper: Declared, found: Files) -> dict[str, Any]:
    """A cell that a log fills, under one rule."""
    if cell.record in found.left_out:
        return empty_row(cell.row, cell.column, cell.value, rule, found.left_out[cell.record])
    points = found.points[found.points["record"] == cell.record]
    chosen = chosen_of(points, cell.value, cell.at, rule)
    if isinstance(chosen, str):
        return empty_row(cell.row, cell.column, cell.value, rule, chosen)
    return plain_row(cell.row, cell.column, cell.value, rule, chosen)


def by_epoch(points: pd.DataFrame, statistic: str) -> pd.DataFrame:
    """Epoch by run: the plain mean over folds, NaN where it is NaN in any of them.

    Args:
        points: of one log.
    """
    part = points[points["statistic"] == statistic]
    folds = points["fold"].nunique()
    groups = part.groupby(["epoch", "run"])["value"]
    means = groups.mean().where(groups.count() == folds)
    return means.unstack("run").sort_index()


def chosen_of(points: pd.DataFrame, statistic: str, at: str, rule: str) -> Chosen | str:
    """A statistic of a log under a rule, or why there is none.

    Args:
        points: of one log.
        at: the statistic whose best epoch counts, for the best on test.
    """
    values, by = by_epoch(points, statistic), by_epoch(points, at)
    if rule == LOG_TEN and len(values) < TEN:
        return f"{len(values)} epochs, fewer than {TEN}"
    numbers, epochs = [], []
    for run in values:
        series = values[run]
        if rule == LOG_TEN:
            mine = series.iloc[-TEN:]
        elif rule == LOG_LAST:
            mine = series.iloc[-1:]
        else:
            if by[run].isna().all():
                return f"{at} is NaN in every epoch"
            best = by[run].idxmin() if at in SMALLER_IS_BETTER else by[run].idxmax()
            mine = series[series.index == best]
        if mine.isna().any():
            return f"{statistic} is NaN in epochs that the rule takes"
        numbers.append(float(mine.mean()))
        epochs.append(mine.index.tolist())
    samples = int(points[["fold", "samples"]].drop_duplicates()["samples"].sum())
    return Chosen(float(np.mean(numbers)), samples, len(numbers), place_of(points, statistic, epochs, len(values)))


def place_of(points: pd.DataFrame, statistic: str, epochs: Sequence[Sequence[int]], count: int) -> str:
    """Files, lines and epochs that a number was read at."""
    files = list(dict.fromkeys(points["file"]))
    name = files[0] if len(files) == 1 else f"{files[0]} to {files[-1].rpartition('/')[2]}"
    shown = "; ".join(f"{mine[0]}" if len(mine) == 1 else f"{mine[0]} to {mine[-1]}" for mine in epochs)
    if len(files) == 1 and len(epochs) == 1:
        lines = points[(points["statistic"] == statistic) & points["epoch"].isin(epochs[0])]["line"]
        line = f"line {lines.min()}" if len(lines) == 1 else f"lines {lines.min()} to {lines.max()}"
        return f"{name}, {line}, epoch {shown} of {count} with a test"
    runs = f", {len(epochs)} runs" if len(epochs) > 1 else ""
    return f"{name}, {len(files)} folds{runs}, epoch {shown} of {count}"


def predicted_row(cell: Cell, rule: str, found: Files, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A cell that predictions fill: at their last epoch, or the best on test."""
    if cell.record in found.left_out:
        return empty_row(cell.row, cell.column, cell.value, rule, found.left_out[cell.record])
    table = found.predictions[(found.predictions["record"] == cell.record) & (found.predictions["path"] == cell.path)]
    epochs = sorted(table["epoch"].unique())
    epoch = epochs[-1]
    if rule == PREDICTED_BEST:
        worth = predicted_by_epoch(table, cell.at)
        epoch = worth.idxmin() if cell.at in SMALLER_IS_BETTER else worth.idxmax()
    mine = table[table["epoch"] == epoch]
    if (mine["split"] == "train").any():
        return training_row(cell, rule, mine)
    estimate = combine([fold_estimate(fold, cell.value, settings) for _, fold in mine.groupby("fold")], arithmetic_mean)
    trials = mine["sample"].nunique()
    entries = f", {len(mine)} entries" if len(mine) != trials else ""
    folds = f", {mine['fold'].nunique()} folds" if mine["fold"].nunique() > 1 else ""
    saved = f", epoch {epoch} ({len(epochs)} epochs saved)" if len(epochs) > 1 else ""
    where = f"recomputed from {cell.record}: {trials} samples{entries}{folds}{saved}"
    return score_row(cell.row, cell.column, cell.value, rule, estimate, settings["scoring"]["confidence"], where)


def training_row(cell: Cell, rule: str, table: pd.DataFrame) -> dict[str, Any]:
    """A cell of training samples, which stand in several folds: no interval says what new samples would give."""
    value = float(np.mean([statistic_of(fold, cell.value) for _, fold in table.groupby("fold")]))
    samples, folds = table["sample"].nunique(), table["fold"].nunique()
    where = f"recomputed from {cell.record}: {samples} training samples, {len(table)} entries, {folds} folds"
    reason = f"{where}; no interval: the networks were trained on them"
    return empty_row(cell.row, cell.column, cell.value, rule, reason) | {"value": value, "n": samples, "seeds": 1}


def predicted_by_epoch(table: pd.DataFrame, statistic: str) -> pd.Series:
    """A statistic of predictions, the plain mean over folds, by epoch."""
    values = {
        epoch: np.mean([statistic_of(fold, statistic) for _, fold in part.groupby("fold")])
        for epoch, part in table.groupby("epoch")
    }
    return pd.Series(values, dtype=float)


def statistic_of(table: pd.DataFrame, statistic: str) -> float:
    """A statistic of one fold's predictions."""
    target, predicted = table["target"].to_numpy(float), table["predicted"].to_numpy(float)
    if statistic == RELATIVE_L2:
        return 100 * relative_l2(target, predicted)
    return spearman(target, predicted).value


def fold_estimate(table: pd.DataFrame, statistic: str, settings: Mapping[str, Any]) -> Estimate:
    """A statistic of one fold with what its interval needs; entries of one sample (two cameras) are drawn together.

    The range of relative L2 is that of the fold's true scores, as the released code has it.
    """
    target, predicted = table["target"].to_numpy(float), table["predicted"].to_numpy(float)
    samples, of_entry = np.unique(table["sample"].to_numpy(str), return_inverse=True)
    value = statistic_of(table, statistic)
    span = np.ptp(target)

    def in_resamples(_: int, counts: np.ndarray) -> np.ndarray:
        by_entry = counts[:, of_entry]
        if statistic == RELATIVE_L2:
            return 100 * (by_entry @ np.square((target - predicted) / span)) / by_entry.sum(axis=1)
        return resample_spearman(target, predicted, by_entry)

    if np.isnan(value):
        nothing = np.full((1, len(samples)), np.nan)
        return Estimate(
            value, len(samples), np.array([value]), samples.astype(object), nothing, reason="constant predictions"
        )
    scale = "log" if statistic == RELATIVE_L2 else "artanh"
    draws = settings["scoring"]["bootstrap"], settings["seed"]
    return estimate_statistic(in_resamples, np.array([value]), samples[None].astype(object), Trained(), scale, draws)
