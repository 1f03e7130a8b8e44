"""Scores of the linear probes: Tables 9 and 10 of What and How Well You Performed?, from predictions alone.

    predictions ─► checked ─► rho of each seed, in percent ─► mean over seeds, interval ─► scores.csv

Row and column names are the paper's own. Nothing is chosen on test data: a body is probed as its training left it, and a ridge
penalty is chosen inside the training set. So every number counts under every protocol.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table
from rescore.experiments.linear_probes import (
    BODIES,
    DIVES,
    EXPERIMENT,
    LAYERS,
    NO_EVENTS,
    OUTSIDE,
    TABLES,
    VAULT,
    WITHIN,
    has_events,
    vaults_of,
)
from rescore.experiments.mtl_aqa_baselines import EXPERIMENT as BASELINES
from rescore.experiments.mtl_aqa_members import WHOLE
from rescore.scoring.aqa7 import YARDSTICKS, Block, Cell, blocks_of, yardstick_block
from rescore.scoring.correlation import Estimate, estimate_spearman, percent
from rescore.scoring.mtl_aqa import line_of
from rescore.scoring.predictions import (
    KEY,
    coverage_problems,
    read_columns,
    seed_problems,
    shown,
    target_problems,
    value_problems,
)
from rescore.scoring.scores import NOTHING_CHOSEN, write_scores
from rescore.scoring.training_variance import trained, with_variances

COLUMNS = {DIVES: "{}", WITHIN: "Within-dataset {}", OUTSIDE: "Out-of-dataset {}"}
ACTIONS = {DIVES: "diving", WITHIN: VAULT, OUTSIDE: VAULT}
LABEL_ONLY = "Label only"
Blocks = Mapping[tuple[str, str], Block]


def cells_of(table: str) -> list[Cell]:
    """The cells of a table in the paper's order, yardsticks aside.

    Raises:
        RescoreError: no such table.
    """
    if table not in TABLES:
        raise RescoreError(f"no linear probes are defined for '{table}': {' | '.join(TABLES)}")
    return [
        Cell(row, COLUMNS[evaluation].format(layer), f"{body}/{evaluation}/{layer}", ACTIONS[evaluation])
        for evaluation in TABLES[table]
        for row, body in BODIES.items()
        for layer in LAYERS
    ]


def score_linear_probes(
    table: str,
    predictions: Path,
    rows: Path,
    scores: Path,
    settings: dict[str, Any],
    baselines: Path | None = None,
    estimates: Path | None = None,
    variance: list[Path] | None = None,
) -> None:
    """Score one table.

    Args:
        table: table9 | table10.
        predictions: of `experiments.linear_probes`, dives for Table 9 and vaults for Table 10.
        rows: table of the data set's clips.
        scores: output CSV; beyond the contract's columns `reason`, and `member` and `action` behind a cell.
        settings: `seed`, `scoring`, the counts of trainings (`experiments.trainings`).
        baselines: predictions of MTL-AQA's baselines, for Table 9's row `Label only`.
        estimates: output Parquet, what claims need of each cell (scoring.estimates).
        variance: files of variances over trainings, for systems that were trained once.

    Raises:
        RescoreError: predictions are missing, duplicated, not finite, or not of the data set's samples; every reason together.
    """
    samples = read_table(rows)
    cells = cells_of(table)
    known = has_events(vaults_of(samples))
    run = [cell for cell in cells if known or f"/{OUTSIDE}/" not in cell.member]
    found = read_probes(predictions, samples, run, settings)
    blocks = blocks_of(found)
    run += yardstick_cells(run, blocks, samples)
    experiments = [EXPERIMENT]
    if baselines is not None:
        labels = read_labels(baselines, samples, found)
        blocks |= blocks_of(labels)
        tested = [cell for cell in cells if cell.row == cells[-1].row]
        run += [Cell(LABEL_ONLY, cell.column, str(labels["member"].iloc[0]), cell.action) for cell in tested]
        experiments.append(BASELINES)
    shown = [*run, *(cell for cell in cells if cell not in run)]
    lines = score_lines(shown, blocks, with_variances(settings, variance))
    write_scores(scores, ", ".join(experiments), lines, ("reason", "member", "action"), estimates)


def read_probes(path: Path, samples: pd.DataFrame, cells: list[Cell], settings: Mapping[str, Any]) -> pd.DataFrame:
    """The probes' predictions, in a fixed order.

    Raises:
        RescoreError: as `score_linear_probes`.
    """
    table, remedy = read_columns(path)
    mine = table[table["member"].isin({cell.member for cell in cells})]
    problems = [*coverage_problems(mine, {cell.member: (cell.action,) for cell in cells})]
    problems += [*value_problems(mine), *target_problems(mine, samples), *seed_problems(mine, settings)]
    problems += draw_problems(mine)
    raise_together(f"{path}: bad predictions", problems, remedy)
    return mine.sort_values(KEY).reset_index(drop=True)


def draw_problems(table: pd.DataFrame) -> Iterator[str]:
    """Seeds of one evaluation with other samples than the rest."""
    evaluation = table["member"].str.split("/").str[1]
    for (name, seed), part in table.groupby([evaluation, "seed"], sort=True):
        sets = part.groupby("member")["sample"].agg(frozenset)
        if odd := [str(member) for member, names in sets.items() if names != sets.iloc[0]]:
            yield f"{name}, seed {seed}: other samples than {sets.index[0]}: {shown(odd)}"
    sizes = table.groupby([evaluation, "seed", "member"])["sample"].nunique().groupby(level=0).nunique()
    yield from (f"{name}: not the same number of samples in all seeds" for name, count in sizes.items() if count > 1)


def read_labels(path: Path, samples: pd.DataFrame, probes: pd.DataFrame) -> pd.DataFrame:
    """What difficulty and dive class alone predict, on the probes' test dives.

    Raises:
        RescoreError: they are not there for all of these dives.
    """
    table, remedy = read_columns(path)
    tested = set(probes["sample"])
    mine = table[(table["member"] == f"label_only/{WHOLE}") & table["sample"].isin(tested)]
    missing = sorted(tested - set(mine["sample"]))
    problems = [f"label_only/{WHOLE}: {len(missing)} test dives are missing: {shown(missing)}"] if missing else []
    raise_together(
        f"{path}: bad predictions", [*problems, *value_problems(mine), *target_problems(mine, samples)], remedy
    )
    return mine.sort_values(KEY).reset_index(drop=True)


def yardstick_cells(cells: list[Cell], blocks: dict[tuple[str, str], Block], samples: pd.DataFrame) -> list[Cell]:
    """Rows for the yardsticks that the data set knows of all its tested samples; their blocks are added."""
    added = []
    for cell in [cell for cell in cells if cell.row == cells[-1].row]:
        block = blocks[cell.member, cell.action]
        for title, column in YARDSTICKS.items():
            known = samples.set_index("sample")[column] if column in samples else pd.Series(dtype=float)
            known = known.reindex(np.unique(block.samples.ravel()))
            if known.notna().all():
                added.append(Cell(title, cell.column, f"{column}/{cell.member}", cell.action))
                blocks[added[-1].member, cell.action] = yardstick_block(block, known)
    return sorted(added, key=lambda cell: list(YARDSTICKS).index(cell.row))


def score_lines(cells: list[Cell], blocks: Blocks, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line a cell; what was not run has its reason alone."""
    for cell in cells:
        block = blocks.get((cell.member, cell.action))
        estimate = None if block is None else estimate_of(block, cell.member, settings)
        reason = NO_EVENTS if estimate is None else ""
        line = line_of(cell.row, cell.column, "spearman_percent", NOTHING_CHOSEN, estimate, reason, settings)
        named = block is not None and cell.row not in YARDSTICKS
        yield line | {"member": cell.member if named else "", "action": cell.action if named else ""}


def estimate_of(block: Block, member: str, settings: Mapping[str, Any]) -> Estimate:
    """Mean over trainings of Spearman's rho in percent, with what its intervals need."""
    whose = trained(member, block.numbers, "spearman", settings)
    draws = settings["scoring"]["bootstrap"], settings["seed"]
    return percent(estimate_spearman(block.target, block.predicted[:, 0], block.samples, whose, *draws))
