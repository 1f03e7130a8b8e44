"""Scores of the table `extensions`: every system's rank correlation, and its difference to C3D-AVG-STL's on the same dives.

    predictions of systems and baselines ─► checked ─► one iteration a seed, by protocol ─► rho, difference ─► intervals ─► scores

The protocols, their choices and the unit (percent) are those of MTL-AQA's own tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table
from rescore.experiments.extensions_members import EXPERIMENT, REFERENCE, reference_member, systems
from rescore.experiments.mtl_aqa_members import VALIDATED, WHOLE
from rescore.scoring.aqa7 import blocks_of
from rescore.scoring.correlation import Estimate, difference
from rescore.scoring.mtl_aqa import PROTOCOLS, SCORE, Cell, choose, estimate_cell, line_of
from rescore.scoring.mtl_aqa_outputs import REMEDY, SPLITS, Outputs, expected_samples, missing_samples
from rescore.scoring.predictions import COLUMNS, KEY, seed_problems, target_problems, value_problems
from rescore.scoring.scores import NOTHING_CHOSEN, write_scores
from rescore.scoring.training_variance import with_variances

COLUMN, BEYOND = "Sp. Corr.", "Less C3D-AVG-STL"
YARDSTICKS = {"Label only": f"label_only/{WHOLE}", "Perfect observer": f"observer/{WHOLE}"}


def score_extensions(
    predictions: list[Path],
    rows: Path,
    splits: Path,
    scores: Path,
    settings: dict[str, Any],
    variance: list[Path] | None = None,
) -> None:
    """Score every system.

    Args:
        predictions: predictions.parquet of every system and seed (with `_validated` twins where there are any), of the row to
            beat, and of MTL-AQA's baselines.
        rows: table of the clips; samples that were dropped from it are not expected.
        splits: `training_set, sample, split`.
        scores: output CSV, with columns `reason` (why a cell is empty) and `member`.
        settings: `seed`, `multitask`, `extensions`, `scoring`.
        variance: files of variances over trainings, for systems that were trained once.

    Raises:
        RescoreError: the files are not what the table needs; every reason together.
    """
    cells = cells_of(settings)
    outputs = read_outputs([cell.member for cell in cells], predictions, read_table(rows), read_table(splits), settings)
    cells = [cell for cell in cells if cell.member in outputs.members]  # a data set may lack a yardstick
    lines = score_lines(cells, outputs, with_variances(settings, variance))
    write_scores(scores, EXPERIMENT, lines, more=("reason", "member"))


def cells_of(settings: Mapping[str, Any]) -> list[Cell]:
    """The row to beat, the systems in the order of params.yaml, the yardsticks."""
    learned = [Cell(REFERENCE.row, COLUMN, reference_member(settings), SCORE)]
    learned += [
        Cell(system.row, COLUMN, f"{system.name}/{WHOLE}", SCORE)
        for system in systems(settings)
        if system.name != REFERENCE.name
    ]
    return learned + [Cell(row, COLUMN, member, SCORE) for row, member in YARDSTICKS.items()]


def read_outputs(
    members: Sequence[str],
    paths: Sequence[Path],
    rows: pd.DataFrame,
    splits: pd.DataFrame,
    settings: Mapping[str, Any],
) -> Outputs:
    """The files' predictions of the members asked for and their twins, checked.

    Raises:
        RescoreError: columns, members, seeds or samples are missing, rows are duplicated, values are NaN or infinite, or targets
            are not the data set's.
    """
    tables, problems = [pd.DataFrame(columns=list(COLUMNS))], []
    for path in paths:
        table = read_table(path)
        absent = [name for name in COLUMNS if name not in table.columns]
        problems += [f"{path}: no column '{name}'" for name in absent]
        tables += [] if absent or table.empty else [table[list(COLUMNS)]]
    raise_together("the predictions of the extensions have another form", problems, REMEDY)
    whole = pd.concat(tables[1:] or tables, ignore_index=True)
    table = whole[whole["member"].isin([*members, *(member + VALIDATED for member in members)])]
    yardstick = table["member"].isin(YARDSTICKS.values())
    table = table[~yardstick | table["sample"].isin(rows["sample"])].reset_index(drop=True)
    yardstick = table["member"].isin(YARDSTICKS.values())
    present = set(table["member"])
    problems = [
        *(f"{name}: no predictions" for name in members if name not in present and name not in YARDSTICKS.values()),
        *value_problems(table),
        *target_problems(table, rows),
        *seed_problems(table[~yardstick], settings),
        *missing_samples(table, expected_samples(rows, splits)),
    ]
    raise_together("the predictions of the extensions cannot be scored", problems, REMEDY)
    outputs = Outputs()
    for split in SPLITS:
        part = table[table["split"] == split].sort_values(KEY)
        outputs.scores |= {(member, split): block for (member, _), block in blocks_of(part).items()}
    return outputs


def score_lines(cells: Sequence[Cell], outputs: Outputs, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Score rows protocol by protocol, each system's followed by its difference to the row to beat, drawn in pairs."""
    for protocol in (*PROTOCOLS, NOTHING_CHOSEN):
        beaten: Estimate | None = None
        for cell in cells:
            if (cell.member in YARDSTICKS.values()) != (protocol == NOTHING_CHOSEN):
                continue
            choice = choose(cell.member, protocol, outputs)
            estimate, reason = estimate_cell(cell, choice, {}, outputs, settings)
            member = {"member": choice.member}
            yield line_of(cell.row, COLUMN, "spearman_percent", protocol, estimate, reason, settings) | member
            if cell.row == REFERENCE.row:
                beaten = estimate
            elif protocol != NOTHING_CHOSEN and estimate is not None and beaten is not None:
                beyond = difference(estimate, beaten)
                yield line_of(cell.row, BEYOND, "spearman_percent", protocol, beyond, "", settings) | member
