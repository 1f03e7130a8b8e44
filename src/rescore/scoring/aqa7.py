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
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table
from rescore.scoring.correlation import (
    Estimate,
    arithmetic_mean,
    combine,
    estimate_spearman,
    fisher_z_average,
    spearman,
)
from rescore.scoring.predictions import KEY, coverage_problems, read_predictions
from rescore.scoring.scores import NOTHING_CHOSEN, score_row, write_scores
from rescore.scoring.training_variance import trained, with_variances

TITLES = {action: BY_NAME[action].title for action in EXPERIMENT_ACTIONS}
TABLE2_TITLES = TITLES | {"snowboard": "Snowboarding"}
"""Table 2 spells one action in another way than Tables 3 and 4."""
POSE_ROWS = {
    "Pose+DCT": "pose_dct/{}",
    "Pose+DCT, true joints": "pose_dct_true/{}",
    "Pose+ApEn": "pose_apen/{}",
    "Pose+ApEn, true joints": "pose_apen_true/{}",
}
"""Rows of Table 2 that are there only where they were predicted: official videos have no true joints."""
TABLE2_ROWS = {
    **POSE_ROWS,
    "Single-action C3D-SVR": "svr/{}",
    "Single-action C3D-LSTM": "single/{}",
    "All-action C3D-LSTM": "all",
}
TABLE3_ROWS = {
    "Random Wts./Ini.": "random",
    **{TITLES[action]: f"single/{action}" for action in EXPERIMENT_ACTIONS},
    "Multi-action": "without/{}",
}
TABLE4_ROWS = {"RI": "random", "AA": "multi_action"}
YARDSTICKS = {"Perfect observer": "observer", "Difficulty alone": "difficulty"}
"""Rows that no model fills: a column of the data set's table, where it is known for every sample, against the score."""
AVERAGE = "Avg. Corr."
LAST, BEST = "last_iteration", "best_iteration_on_test"


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
    numbers: tuple[int, ...] = ()
    """The seeds: numbers of the trainings, ascending; empty where they are not known."""


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
            numbers=tuple(int(seed) for seed in np.sort(group["seed"].unique())),
        )
    return blocks


def yardstick_cells(cells: list[Cell], blocks: dict[tuple[str, str], Block], rows: pd.DataFrame) -> list[Cell]:
    """Cells of the yardsticks that the data set knows, on the samples of the table's last row; their blocks are added."""
    tested = rows[rows["action"].isin(EXPERIMENT_ACTIONS)]
    added = []
    for title, column in YARDSTICKS.items():
        if column not in tested.columns or not tested[column].notna().all():
            continue
        known = tested.set_index("sample")[column]
        for cell in (cell for cell in cells if cell.row == cells[-1].row):
            added.append(Cell(title, cell.column, f"{column}/{cell.member}", cell.action))
            blocks[added[-1].member, cell.action] = yardstick_block(blocks[cell.member, cell.action], known)
    return added


def yardstick_block(block: Block, known: pd.Series) -> Block:
    """What is known of a block's samples, in the place of predictions, as of one iteration."""
    # Seeds that share their samples see the same values: one repetition says all.
    keep = slice(0, 1) if (block.samples == block.samples[0]).all() else slice(None)
    samples = block.samples[keep]
    predicted = np.stack([known[names].to_numpy(dtype=float) for names in samples])[:, None]
    return Block(np.zeros(1, int), samples, block.target[keep], predicted)


def correlations(block: Block) -> np.ndarray:
    """(seeds, iterations) Spearman's rho on the full test data; NaN where undefined."""
    seeds, iterations, _ = block.predicted.shape
    rho = [[spearman(block.target[s], block.predicted[s, i]).value for i in range(iterations)] for s in range(seeds)]
    return np.array(rho)


def cells_by_protocol(cells: list[Cell], blocks: dict[tuple[str, str], Block]) -> dict[str, list[Cell]]:
    """The cells to score under each protocol: rows whose members have a single iteration once, the others under both."""
    several = {cell.row for cell in cells if len(blocks[cell.member, cell.action].iterations) > 1}
    once = [cell for cell in cells if cell.row not in several]
    both = [cell for cell in cells if cell.row in several]
    return {NOTHING_CHOSEN: once, LAST: both, BEST: both}


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
        if protocol == BEST:
            mean = np.mean([correlations(blocks[member, cell.action]) for cell in mine], axis=0)
            index = np.argmax(np.where(np.isnan(mean), -np.inf, mean), axis=1)
        else:
            index = np.full(len(first.predicted), len(first.iterations) - 1)
        chosen |= dict.fromkeys(mine, index)
    return chosen


def estimate_cell(cell: Cell, block: Block, index: np.ndarray, settings: dict[str, Any]) -> Estimate:
    """The cell's mean rho over trainings, each at its chosen iteration, with what its intervals need."""
    predicted = block.predicted[np.arange(len(index)), index]
    whose = trained(cell.member, block.numbers, "spearman", settings)
    draws = settings["scoring"]["bootstrap"], settings["seed"]
    return estimate_spearman(block.target, predicted, block.samples, whose, *draws)


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
    """Long score rows of one protocol: every cell, then the averages of its row."""
    for row in dict.fromkeys(cell.row for cell in cells):
        for cell in (cell for cell in cells if cell.row == row):
            yield score_row(row, cell.column, "spearman", protocol, estimates[cell], confidence)
        for column, statistic, function in AVERAGES[table]:
            average = combine([estimates[cell] for cell in averaged_cells(table, row, cells)], function)
            yield score_row(row, column, statistic, protocol, average, confidence)


def read_blocks(
    table: str, cells: list[Cell], paths: list[Path], rows: pd.DataFrame, settings: dict[str, Any]
) -> tuple[str, list[Cell], dict[tuple[str, str], Block]]:
    """Checked predictions of an experiment, from one file or several, as blocks; its name; and the cells that they fill."""
    samples = settings["fine_tuning"]["test_samples"] if table in ("table4", "figure3") else None
    parts = [read_predictions(path, rows, settings, samples) for path in paths]
    merged = pd.concat(parts, ignore_index=True)
    cells = predicted_cells(cells, merged)
    needed: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        needed[cell.member] = (*needed.get(cell.member, ()), cell.action)
    merged = merged[merged["member"].isin(needed)].sort_values(KEY)
    names = ", ".join(map(str, paths))
    problems = list(coverage_problems(merged, needed))
    raise_together(
        f"{names}: predictions that {table} needs are missing", problems, "rerun the experiments that write them."
    )
    return ", ".join(sorted(map(str, merged["experiment"].unique()))), cells, blocks_of(merged)


def predicted_cells(cells: list[Cell], predictions: pd.DataFrame) -> list[Cell]:
    """The cells to score: all, but for rows of POSE_ROWS of which nothing was predicted."""
    members = set(predictions["member"])
    there = {cell.row for cell in cells if cell.member in members}
    return [cell for cell in cells if cell.row in there or cell.row not in POSE_ROWS]


def score_aqa7(
    table: str,
    predictions: list[Path],
    rows: Path,
    scores: Path,
    settings: dict[str, Any],
    estimates: Path | None = None,
    variance: list[Path] | None = None,
) -> None:
    """Score one table of the paper (or Figure 3's curves) from predictions.

    Args:
        table: table2 | table3 | table4 | figure3.
        predictions: predictions.parquet of the experiments: all_action and pose_aqa7 for table2, all_action and zero_shot for
            table3 (whose middle rows are the single-action models of all_action), fine_tuning for table4 and figure3.
        rows: table of the data set's samples (clips or features); where it knows `observer` and `difficulty`, Tables 2 to 4
            get a row for each as a yardstick.
        scores: output CSV; for figure3 with a column `iteration`.
        settings: `seed`, `scoring`, the counts of trainings (`experiments.trainings`), and `fine_tuning` for table4 and figure3.
        estimates: output Parquet, what claims need of each cell (scoring.estimates).
        variance: files of variances over trainings, for systems that were trained once.

    Raises:
        RescoreError: the predictions are not what the table needs; every reason together.
    """
    cells, samples = cells_of(table, settings), read_table(rows)
    experiment, cells, blocks = read_blocks(table, cells, predictions, samples, settings)
    settings = with_variances(settings, variance)
    if table == "figure3":
        write_scores(scores, experiment, curve_rows(cells, blocks, settings), ("iteration",), estimates)
    else:
        cells = cells + yardstick_cells(cells, blocks, samples)
        write_scores(scores, experiment, table_rows(table, cells, blocks, settings), estimates=estimates)


def table_rows(
    table: str, cells: list[Cell], blocks: dict[tuple[str, str], Block], settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Score rows of a table, protocol by protocol."""
    for protocol, mine in cells_by_protocol(cells, blocks).items():
        chosen = choose_iterations(mine, blocks, protocol)
        estimates = {
            cell: estimate_cell(cell, blocks[cell.member, cell.action], chosen[cell], settings) for cell in mine
        }
        yield from score_rows(table, protocol, mine, estimates, settings["scoring"]["confidence"])


def curve_rows(
    cells: list[Cell], blocks: dict[tuple[str, str], Block], settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Figure 3: rho with its interval at every evaluated iteration of every fine-tuned member."""
    for cell in cells:
        block = blocks[cell.member, cell.action]
        for position, iteration in enumerate(block.iterations):
            index = np.full(len(block.predicted), position)
            estimate = estimate_cell(cell, block, index, settings)
            confidence = settings["scoring"]["confidence"]
            line = score_row(cell.row, cell.column, "spearman", "every_iteration", estimate, confidence)
            yield line | {"iteration": int(iteration)}
