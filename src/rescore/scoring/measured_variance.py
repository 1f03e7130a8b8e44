"""Writes the file of variances over trainings: from predictions of a scale that trains every family several times.

predictions, classes, captions ─► last iteration of every training ─► MS and covariance by member ─► pooled by family ─► CSV
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_table
from rescore.scoring.caption_metrics import METRICS, has_java
from rescore.scoring.correlation import Estimate
from rescore.scoring.error_measures import root_mean_square
from rescore.scoring.outputs import CAPTION_COLUMNS, CLASS_COLUMNS, Outputs, outputs_of
from rescore.scoring.papers import SCORE, Cell
from rescore.scoring.predictions import COLUMNS, value_problems
from rescore.scoring.score_table import Choice, estimate_cell, statistics_of_captions, variance_name
from rescore.scoring.training_variance import COLUMNS as MEASURED
from rescore.scoring.training_variance import pooled, trained
from rescore.systems.trainings import family_of


def measure_variance(
    predictions: list[Path],
    rows: Path,
    variance: Path,
    settings: dict[str, Any],
    classes: list[Path] | None = None,
    captions: list[Path] | None = None,
) -> None:
    """Write the variance over trainings of every family and statistic.

    Args:
        predictions, classes, captions: files of the measured members, of all their trainings.
        rows: table of the dives' clips, for their commentary.
        variance: output CSV (`scoring.training_variance.COLUMNS`).
        settings: `seed`, `scoring`, `extensions.systems`.

    Raises:
        RescoreError: files lack columns, values are NaN or infinite, or no member was trained more than once.
    """
    scored, labelled = read_parts(predictions, COLUMNS), read_parts(classes, CLASS_COLUMNS)
    problems = list(value_problems(scored))
    raise_together("the predictions of the measured members", problems, "rerun the experiments that write them.")
    outputs = outputs_of(scored, labelled, read_parts(captions, CAPTION_COLUMNS), read_table(rows))
    found: dict[tuple[str, str], list[tuple[str, Estimate]]] = {}
    for member in sorted(outputs.members):
        for statistic, estimate in estimates_of(member, outputs, settings):
            found.setdefault((family_of(member, settings), statistic), []).append((member, estimate))
    lines = [line for key, estimates in sorted(found.items()) if (line := pooled(*key, estimates))]
    nothing = [] if lines else ["no member was trained more than once"]
    raise_together("nothing to measure", nothing, "raise multitask.seeds of the scale.")
    write_table(variance, pd.DataFrame(lines, columns=MEASURED).round(8))


def read_parts(paths: list[Path] | None, columns: tuple[str, ...]) -> pd.DataFrame:
    """Test rows of several files.

    Raises:
        RescoreError: a file is missing or damaged, or lacks columns.
    """
    tables = {path: read_table(path) for path in paths or []}
    missing = [f"{path}: no column '{name}'" for path, table in tables.items() for name in columns if name not in table]
    raise_together("files of measured members have another form", missing, "delete them and run the workflow again.")
    kept = [table.loc[table["split"] == "test", list(columns)] for table in tables.values()]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=list(columns))


def estimates_of(member: str, outputs: Outputs, settings: Mapping[str, Any]) -> Iterator[tuple[str, Estimate]]:
    """Every statistic of a member at the last iteration of its trainings, by the name it has in the file."""
    choice = Choice(member, outputs.last(member))
    said = outputs.captions_at(member, choice.iterations)
    statistics = statistics_of_captions([choice], outputs) if said else {}
    actions = outputs.actions(member)
    parts = [(SCORE, action) for action in actions]
    parts += [(part, "") for part in outputs.labels[member, "test"].right] if (member, "test") in outputs.labels else []
    parts += [(metric, "") for metric in METRICS if said and (metric != "M" or has_java())]
    for part, action in parts:
        cell = Cell("", "", member, action, part)
        estimate, _ = estimate_cell(cell, choice, statistics, outputs, True, settings)
        if estimate is not None and np.isfinite(estimate.value):
            yield variance_name(part), estimate
    for action in actions:
        samples, target, predicted = outputs.scores_at(member, action, outputs.last(member))
        whose = trained(member, outputs.numbers(member), "rmse", settings)
        yield "rmse", root_mean_square(target, predicted, samples, whose, settings)
