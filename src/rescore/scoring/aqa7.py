"""Scores of the AQA-7 experiments: Tables 2, 3, 4 and Figure 3, cell by cell, from predictions alone.

    predictions ─► blocks (seed, iteration, sample) ─► iteration by protocol ─► rho, interval ─► averages ─► scores.csv

Row and column names are the paper's own (reported/aqa7); the dicts and functions here tie them to members and actions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.actions import BY_NAME, EXPERIMENT_ACTIONS
from rescore.errors import RescoreError, raise_together
from rescore.scoring.correlation import (
    Estimate,
    arithmetic_mean,
    bca_interval,
    bootstrap_spearman,
    combine,
    fisher_z_average,
    fisher_z_interval,
    spearman,
)
from rescore.scoring.predictions import KEY, coverage_problems, read_predictions
from rescore.storage import read_table, write_table

TITLES = {action: BY_NAME[action].title for action in EXPERIMENT_ACTIONS}
TABLE2_TITLES = TITLES | {"snowboard": "Snowboarding"}
"""Table 2 spells one action in another way than Tables 3 and 4."""
TABLE2_ROWS = {"Single-action C3D-SVR": "svr/{}", "Single-action C3D-LSTM": "single/{}", "All-action C3D-LSTM": "all"}
TABLE3_ROWS = {
    "Random Wts./Ini.": "random",
    **{TITLES[action]: f"single/{action}" for action in EXPERIMENT_ACTIONS},
    "Multi-action": "without/{}",
}
TABLE4_ROWS = {"RI": "random", "AA": "multi_action"}
OBSERVER = "Perfect observer"
"""Row of synthetic data only: the correlation of what is visible, without error, with the score."""
AVERAGE = "Avg. Corr."
PROTOCOLS = ("last_iteration", "best_iteration_on_test")
SCORES = ["experiment", "row", "column", "statistic", "protocol", "value", "low", "high", "n", "seeds"]


@dataclass(frozen=True)
class Cell:
    row: str
    column: str
    member: str
    action: str


@dataclass(frozen=True)
class Block:
    """Predictions of one member on one action."""

    iterations: np.ndarray
    samples: np.ndarray
    """(seeds, n) names."""
    target: np.ndarray
    """(seeds, n) points."""
    predicted: np.ndarray
    """(seeds, iterations, n) points."""


def cells_of(table: str, settings: dict[str, Any]) -> list[Cell]:
    """The cells of a table, averages aside, in the paper's order.

    Raises:
        RescoreError: no such table.
    """
    if table == "table2":
        pairs = [(row, member, TABLE2_TITLES) for row, member in TABLE2_ROWS.items()]
    elif table == "table3":
        pairs = [(row, member, TITLES) for row, member in TABLE3_ROWS.items()]
    elif table in ("table4", "figure3"):
        return list(fine_tuning_cells(settings["fine_tuning"]["training_samples"]))
    else:
        raise RescoreError(f"no scores are defined for '{table}': table2 | table3 | table4 | figure3")
    return [
        Cell(row, titles[action], member.format(action), action) for row, member, titles in pairs for action in titles
    ]


def fine_tuning_cells(sizes: dict[str, list[int]]) -> Iterator[Cell]:
    """Cells of Table 4, which are the curves of Figure 3 too."""
    for row, start in TABLE4_ROWS.items():
        for action in EXPERIMENT_ACTIONS:
            for size in sizes["synchronised" if BY_NAME[action].synchronised else "default"]:
                yield Cell(row, f"{TITLES[action]} {size}", f"fine_tuned/{action}/{size}/{start}", action)


def blocks_of(table: pd.DataFrame) -> dict[tuple[str, str], Block]:
    """Checked predictions (sorted by seed, iteration, sample) as arrays for each member and action."""
    blocks = {}
    for (member, action), group in table.groupby(["member", "action"]):
        seeds, iterations = group["seed"].nunique(), np.sort(group["iteration"].unique())
        shape = (seeds, len(iterations), -1)
        blocks[str(member), str(action)] = Block(
            iterations=iterations,
            samples=group["sample"].to_numpy(dtype=object).reshape(shape)[:, 0],
            target=group["target"].to_numpy(dtype=float).reshape(shape)[:, 0],
            predicted=group["predicted"].to_numpy(dtype=float).reshape(shape),
        )
    return blocks


def observer_cells(cells: list[Cell], blocks: dict[tuple[str, str], Block], rows: pd.DataFrame) -> list[Cell]:
    """Add the perfect observer, on the samples of each cell of the table's last row, where the data set has one."""
    if (
        "observer" not in rows.columns
        or not rows.loc[rows["action"].isin(EXPERIMENT_ACTIONS), "observer"].notna().all()
    ):
        return []
    seen = rows.set_index("sample")["observer"]
    added = []
    for cell in (cell for cell in cells if cell.row == cells[-1].row):
        block = blocks[cell.member, cell.action]
        # Seeds that share their samples see the same observer: one repetition says all.
        keep = slice(0, 1) if (block.samples == block.samples[0]).all() else slice(None)
        samples = block.samples[keep]
        predicted = np.stack([seen[names].to_numpy(dtype=float) for names in samples])[:, None]
        added.append(Cell(OBSERVER, cell.column, f"observer/{cell.member}", cell.action))
        blocks[added[-1].member, cell.action] = Block(np.zeros(1, int), samples, block.target[keep], predicted)
    return added


def correlations(block: Block) -> np.ndarray:
    """(seeds, iterations) Spearman's rho on the full test data; NaN where undefined."""
    seeds, iterations, _ = block.predicted.shape
    rho = [[spearman(block.target[s], block.predicted[s, i]).value for i in range(iterations)] for s in range(seeds)]
    return np.array(rho)


def choose_iterations(cells: list[Cell], blocks: dict[tuple[str, str], Block], protocol: str) -> dict[Cell, np.ndarray]:
    """Index of the iteration that each seed of each cell is scored at.

    `best_iteration_on_test` takes, for each member and seed, the iteration with the best mean correlation over the cells
    that the member fills in its row, chosen once on the full test data; the earliest of equals. Bootstrap replicates keep
    the choice, so the interval is conditional on it and does not show the optimism of choosing on test data.
    """
    chosen: dict[Cell, np.ndarray] = {}
    for row, member in dict.fromkeys((cell.row, cell.member) for cell in cells):
        mine = [cell for cell in cells if (cell.row, cell.member) == (row, member)]
        first = blocks[member, mine[0].action]
        if protocol == "last_iteration":
            index = np.full(len(first.predicted), len(first.iterations) - 1)
        else:
            mean = np.mean([correlations(blocks[member, cell.action]) for cell in mine], axis=0)
            index = np.argmax(np.where(np.isnan(mean), -np.inf, mean), axis=1)
        chosen |= dict.fromkeys(mine, index)
    return chosen


def estimate_cell(cell: Cell, block: Block, index: np.ndarray, settings: dict[str, Any]) -> Estimate:
    """The cell's mean rho over seeds, each seed at its chosen iteration, with bootstrap replicates."""
    predicted = block.predicted[np.arange(len(index)), index]
    return bootstrap_spearman(
        block.target, predicted, block.samples, cell.member, settings["scoring"]["bootstrap"], settings["seed"]
    )


def averaged_cells(table: str, row: str, cells: list[Cell]) -> list[Cell]:
    """The cells behind a row's average: in Table 3 a single-action row leaves out the action it was trained on.

    The caption says "across all columns", but the printed averages follow only without the diagonal (docs/statistics.md).
    """
    trained_on = {title: action for action, title in TITLES.items()}.get(row) if table == "table3" else None
    return [cell for cell in cells if cell.row == row and cell.action != trained_on]


AVERAGES: dict[str, list[tuple[str, str, Callable[[np.ndarray], np.ndarray]]]] = {
    "table2": [
        (AVERAGE, "fisher_z_average", fisher_z_average),
        (f"{AVERAGE} (arithmetic mean)", "arithmetic_mean", arithmetic_mean),
    ],
    # The printed averages of Table 3 are arithmetic means, though the caption says Fisher's z: like is held against like.
    "table3": [
        (AVERAGE, "arithmetic_mean", arithmetic_mean),
        (f"{AVERAGE} (Fisher's z)", "fisher_z_average", fisher_z_average),
    ],
    "table4": [],
}


def score_rows(
    table: str, protocol: str, cells: list[Cell], estimates: dict[Cell, Estimate], confidence: float
) -> Iterator[dict[str, Any]]:
    """Long score rows of one protocol: every cell with both intervals, then the averages of its row."""
    for row in dict.fromkeys(cell.row for cell in cells):
        for cell in (cell for cell in cells if cell.row == row):
            estimate = estimates[cell]
            yield score_row(row, cell.column, "spearman", protocol, estimate, bca_interval(estimate, confidence))
            interval = fisher_z_interval(estimate.value, estimate.n, confidence)
            yield score_row(row, cell.column, "spearman_fisher_z_interval", protocol, estimate, interval)
        for column, statistic, function in AVERAGES[table]:
            average = combine([estimates[cell] for cell in averaged_cells(table, row, cells)], function)
            yield score_row(row, column, statistic, protocol, average, bca_interval(average, confidence))


def score_row(
    row: str, column: str, statistic: str, protocol: str, estimate: Estimate, interval: tuple[float, float]
) -> dict[str, Any]:
    low, high = interval
    return {
        "row": row,
        "column": column,
        "statistic": statistic,
        "protocol": protocol,
        "value": estimate.value,
        "low": low,
        "high": high,
        "n": estimate.n,
        "seeds": estimate.seeds,
    }


def read_blocks(
    table: str, cells: list[Cell], paths: list[Path], rows: pd.DataFrame, settings: dict[str, Any]
) -> tuple[str, dict[tuple[str, str], Block]]:
    """Checked predictions of an experiment, from one file or several, as blocks; and the experiment's name."""
    needed: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        needed[cell.member] = (*needed.get(cell.member, ()), cell.action)
    samples = settings["fine_tuning"]["test_samples"] if table in ("table4", "figure3") else None
    parts = [read_predictions(path, rows, settings["seeds"], samples) for path in paths]
    merged = pd.concat(parts, ignore_index=True)
    merged = merged[merged["member"].isin(needed)].sort_values(KEY)
    names = ", ".join(map(str, paths))
    problems = list(coverage_problems(merged, needed))
    raise_together(
        f"{names}: predictions that {table} needs are missing", problems, "rerun the experiments that write them."
    )
    return ", ".join(sorted(map(str, merged["experiment"].unique()))), blocks_of(merged)


def score_aqa7(table: str, predictions: list[Path], rows: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Score one table of the paper (or Figure 3's curves) from predictions.

    Args:
        table: table2 | table3 | table4 | figure3.
        predictions: predictions.parquet of the experiments: all_action for table2, all_action and zero_shot for table3
            (whose middle rows are the single-action models of all_action), fine_tuning for table4 and figure3.
        rows: table of the data set's samples (clips or features), with `observer` where the data is synthetic.
        scores: output CSV; for figure3 with a column `iteration`.
        settings: `seed`, `seeds`, `scoring`, and `fine_tuning` for table4 and figure3.

    Raises:
        RescoreError: the predictions are not what the table needs; every reason together.
    """
    cells, samples = cells_of(table, settings), read_table(rows)
    experiment, blocks = read_blocks(table, cells, predictions, samples, settings)
    if table == "figure3":
        table_rows = list(curve_rows(cells, blocks, settings))
    else:
        cells = cells + observer_cells(cells, blocks, samples)
        table_rows = []
        for protocol in PROTOCOLS:
            chosen = choose_iterations(cells, blocks, protocol)
            estimates = {
                cell: estimate_cell(cell, blocks[cell.member, cell.action], chosen[cell], settings) for cell in cells
            }
            table_rows += score_rows(table, protocol, cells, estimates, settings["scoring"]["confidence"])
    frame = pd.DataFrame(table_rows).assign(experiment=experiment)
    write_table(scores, frame[[*SCORES, *(["iteration"] if table == "figure3" else [])]].round(10))


def curve_rows(
    cells: list[Cell], blocks: dict[tuple[str, str], Block], settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Figure 3: rho with its interval at every evaluated iteration of every fine-tuned member."""
    for cell in cells:
        block = blocks[cell.member, cell.action]
        for position, iteration in enumerate(block.iterations):
            index = np.full(len(block.predicted), position)
            estimate = estimate_cell(cell, block, index, settings)
            interval = bca_interval(estimate, settings["scoring"]["confidence"])
            yield score_row(cell.row, cell.column, "spearman", "every_iteration", estimate, interval) | {
                "iteration": int(iteration)
            }
