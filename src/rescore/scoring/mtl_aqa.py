"""Scores of the MTL-AQA experiments: Tables 4, 5, 7 and 8, cell by cell, from predictions, classes and captions alone.

    members' files ─► checked ─► one iteration a seed, by protocol ─► rho, accuracy, caption metrics ─► intervals ─► scores.csv

Row and column names are the paper's own (reported/mtl_aqa). Correlations and accuracies are in percent, as the paper prints them;
caption metrics are shares of 1.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table
from rescore.experiments.mtl_aqa_baselines import EXPERIMENT as BASELINES
from rescore.experiments.mtl_aqa_members import (
    CLASSES,
    EXPERIMENT,
    MULTITASK,
    SINGLE_TASK,
    SMALLER,
    UNLV_DIVE,
    VALIDATED,
    WHOLE,
    is_member,
)
from rescore.experiments.mtl_aqa_systems import SYSTEMS, TRAINING_SETS, system_of
from rescore.experiments.trainings import has_iterations
from rescore.scoring.aqa7 import BEST, LAST
from rescore.scoring.caption_metrics import (
    METRICS,
    NO_JAVA,
    PLAIN_TOKENS,
    CaptionStatistics,
    caption_statistics,
    has_java,
    metric_values,
)
from rescore.scoring.correlation import (
    Estimate,
    Trained,
    difference,
    estimate_spearman,
    estimate_statistic,
    percent,
)
from rescore.scoring.mtl_aqa_outputs import Outputs, read_outputs
from rescore.scoring.scores import NOTHING_CHOSEN, empty_row, score_row, write_scores
from rescore.scoring.training_variance import trained, with_variances

VALIDATION = "best_on_validation"
PROTOCOLS = (LAST, BEST, VALIDATION)
TASKS = {"AQA": SINGLE_TASK, "+ Cls": "score_classes", "+ Caps": "score_caption", "+ Cls + Caps": MULTITASK}
METHODS = {"STL": SINGLE_TASK, "MTL": MULTITASK}
COLUMNS = {"C3D-AVG": "c3d_avg", "MSCADC": "mscadc"}
CLASSIFIERS = {
    "Nibali et al.": f"mscadc/{CLASSES}/{WHOLE}",
    "MSCADC": f"mscadc/{MULTITASK}/{WHOLE}",
    "C3D-AVG": f"c3d_avg/{MULTITASK}/{WHOLE}",
    "Majority class": f"majority/{WHOLE}",
}
"""Columns of Table 5's upper half. Nibali et al. is MSCADC's body with its class head, trained for classification alone."""
CAPTIONERS = {
    "C3D-AVG": CLASSIFIERS["C3D-AVG"],
    "MSCADC": CLASSIFIERS["MSCADC"],
    "Random caption of the same class": f"random_caption/{WHOLE}",
}
"""Rows of Table 5's lower half."""
SUBTASKS = {
    "Position": "position",
    "Armstand": "armstand",
    "Rotation type": "rotation_type",
    "# Somersaults": "somersaults",
    "# Twists": "twists",
}
YARDSTICKS = {"Label only": "label_only", "Commentary only": "commentary_only", "Perfect observer": "observer"}
TABLE7_COLUMNS = {"Sp. Corr.": WHOLE, "Sp. Corr., UNLV Dive": UNLV_DIVE}
TABLE8_COLUMNS = (WHOLE, *SMALLER)
DIFFERENCES = {"table4": ("Three tasks less one", "+ Cls + Caps", "AQA"), "table8": ("MTL less STL", "MTL", "STL")}
"""A row of our own: the difference of two rows, whose replicates are drawn together, so that its interval is the pairs' own."""
SCORE = "score"


@dataclass(frozen=True)
class Cell:
    row: str
    column: str
    member: str
    part: str
    """`score`, a sub-action, or a caption metric (a key of METRICS)."""


@dataclass(frozen=True)
class Choice:
    """Where a member is scored under a protocol."""

    member: str
    """The member itself, or its twin that was trained without the validation dives."""
    iterations: np.ndarray | None
    """(seeds,); None where the protocol has none."""
    reason: str = ""
    """Why it has none."""

    @property
    def key(self) -> tuple[str, bytes]:
        return self.member, b"" if self.iterations is None else self.iterations.tobytes()


Statistics = dict[tuple[str, bytes], list[tuple[np.ndarray, CaptionStatistics]]]
"""By choice (its `key`): for each seed the samples with commentary, and what their captions add to the metrics."""


def cells_of(table: str) -> list[Cell]:
    """The cells of a table in the paper's order, then those of baselines and yardsticks.

    Raises:
        RescoreError: no such table.
    """
    tables = {"table4": table4_cells, "table5": table5_cells, "table7": table7_cells, "table8": table8_cells}
    if table not in tables:
        raise RescoreError(f"no scores are defined for '{table}': {' | '.join(tables)}")
    return tables[table]()


def table4_cells() -> list[Cell]:
    learned = [
        Cell(row, column, f"{network}/{tasks}/{WHOLE}", SCORE)
        for row, tasks in TASKS.items()
        for column, network in COLUMNS.items()
    ]
    return learned + yardstick_cells(dict.fromkeys(COLUMNS, WHOLE))


def table5_cells() -> list[Cell]:
    """Accuracies (sub-tasks by networks), then caption metrics (networks by metrics)."""
    classes = [
        Cell(row, column, member, subtask)
        for row, subtask in SUBTASKS.items()
        for column, member in CLASSIFIERS.items()
    ]
    return classes + [Cell(row, metric, member, metric) for row, member in CAPTIONERS.items() for metric in METRICS]


def table7_cells() -> list[Cell]:
    learned = [
        Cell(f"{title}-{name}", column, f"{network}/{tasks}/{training_set}", SCORE)
        for name, tasks in METHODS.items()
        for title, network in reversed(COLUMNS.items())
        for column, training_set in TABLE7_COLUMNS.items()
    ]
    systems = [
        Cell(system.title, column, f"{name}/{training_set}", SCORE)
        for name, system in SYSTEMS.items()
        for column, training_set in TABLE7_COLUMNS.items()
        if training_set in TRAINING_SETS
    ]
    return systems + learned + yardstick_cells(TABLE7_COLUMNS)


def table8_cells() -> list[Cell]:
    learned = [
        Cell(row, size, f"c3d_avg/{tasks}/{size}", SCORE) for row, tasks in METHODS.items() for size in TABLE8_COLUMNS
    ]
    return learned + yardstick_cells(dict(zip(TABLE8_COLUMNS, TABLE8_COLUMNS, strict=True)))


def yardstick_cells(columns: Mapping[str, str]) -> list[Cell]:
    """A row a yardstick; `columns` names the training set behind each column."""
    return [
        Cell(row, column, f"{name}/{training_set}", SCORE)
        for row, name in YARDSTICKS.items()
        for column, training_set in columns.items()
    ]


def members_of(table: str) -> list[str]:
    """The trained members that a table needs (`<network>/<tasks>/<training set>`); the workflow asks for their files."""
    members = dict.fromkeys(cell.member for cell in cells_of(table))
    return [member for member in members if is_member(member)]


def score_mtl_aqa(
    table: str,
    predictions: list[Path],
    rows: Path,
    splits: Path,
    scores: Path,
    settings: dict[str, Any],
    classes: list[Path] | None = None,
    captions: list[Path] | None = None,
    estimates: Path | None = None,
    variance: list[Path] | None = None,
) -> None:
    """Score one table of the paper.

    Args:
        table: table4 | table5 | table7 | table8.
        predictions: predictions.parquet of the members and seeds that the table needs (`members_of`, with their `_validated`
            twins where there are any), and of the baselines.
        rows: table of the data set's clips; samples that were dropped from it are not expected.
        splits: `training_set, sample, split`.
        scores: output CSV, with a column `reason` that says why a cell is empty or not what it seems.
        settings: `seed`, `scoring`, the counts of trainings (`experiments.trainings`).
        classes, captions: classes.parquet and captions.parquet of the same members; Table 5 needs them.
        estimates: output Parquet, what claims need of each cell (scoring.estimates).
        variance: files of variances over trainings, for systems that were trained once.

    Raises:
        RescoreError: the files are not what the table needs; every reason together.
    """
    cells = cells_of(table)
    outputs = read_outputs(
        members_of(table), predictions, classes or [], captions or [], read_table(rows), read_table(splits), settings
    )
    cells = [cell for cell in cells if cell.member in outputs.members]  # a data set may lack a yardstick
    lines = score_lines(table, cells, outputs, with_variances(settings, variance))
    write_scores(scores, EXPERIMENT, lines, ("reason",), estimates)


def score_lines(
    table: str, cells: list[Cell], outputs: Outputs, settings: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Score rows protocol by protocol; what has no iterations is given once, under no protocol."""
    choices = {
        (cell.member, protocol): choose(cell.member, protocol, outputs)
        for cell in cells
        for protocol in (PROTOCOLS if has_iterations(cell.member) else (NOTHING_CHOSEN,))
    }
    speakers = {cell.member for cell in cells if cell.part in METRICS}
    statistics = statistics_of_captions(
        [choice for (member, _), choice in choices.items() if member in speakers], outputs
    )
    for protocol in (*PROTOCOLS, NOTHING_CHOSEN):
        found: dict[tuple[str, str], Estimate] = {}
        for cell in (cell for cell in cells if (cell.member, protocol) in choices):
            estimate, reason = estimate_cell(cell, choices[cell.member, protocol], statistics, outputs, settings)
            line = line_of(cell.row, cell.column, statistic_of(cell.part), protocol, estimate, reason, settings)
            yield line | {"experiment": experiment_of(cell.member)}
            if estimate is not None:
                found[cell.row, cell.column] = estimate
        if table in DIFFERENCES:
            yield from difference_lines(*DIFFERENCES[table], protocol, found, settings)


def experiment_of(member: str) -> str:
    """Whose predictions a member's are: the folder under runs/<scale>."""
    if (system := system_of(member)) is not None:
        return system.experiment
    return EXPERIMENT if is_member(member) else BASELINES


def choose(member: str, protocol: str, outputs: Outputs) -> Choice:
    """The iteration at which each seed of a member is scored.

    The criterion is rho where the member predicts scores, else its mean accuracy over the sub-actions; the earliest of equals.
    `best_on_validation` is chosen on dives held out of training: by the member itself where no training sees them, else by its
    twin `<member>_validated`, which alone was trained without them and is scored in its place.
    """
    if protocol in (LAST, NOTHING_CHOSEN):
        return Choice(member, outputs.last(member))
    split = "validation" if protocol == VALIDATION else "test"
    source = member + VALIDATED if protocol == VALIDATION and member + VALIDATED in outputs.members else member
    iterations, values = outputs.criterion(source, split)  # (iterations,), (seeds, iterations)
    if values.size == 0:
        return Choice(source, None, f"no {split} predictions: nothing to choose the iteration by")
    if np.isnan(values).all(axis=1).any():
        return Choice(source, None, f"the criterion is undefined on the {split} dives (fewer than 4, or constant)")
    return Choice(source, iterations[np.argmax(np.where(np.isnan(values), -np.inf, values), axis=1)])


def statistic_of(part: str) -> str:
    """What a cell holds; percentages are named so, and printed with the paper's two digits."""
    return METRICS.get(part) or ("spearman_percent" if part == SCORE else "accuracy_percent")


def line_of(
    row: str,
    column: str,
    statistic: str,
    protocol: str,
    estimate: Estimate | None,
    reason: str,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """A score row, its experiment aside; without an estimate, the reason alone."""
    if estimate is None:
        return empty_row(row, column, statistic, protocol, reason)
    confidence = settings["scoring"]["confidence"]
    return score_row(row, column, statistic, protocol, estimate, confidence) | {"reason": reason}


def estimate_cell(
    cell: Cell, choice: Choice, statistics: Statistics, outputs: Outputs, settings: Mapping[str, Any]
) -> tuple[Estimate | None, str]:
    """The cell's mean over seeds, each at its chosen iteration, in the paper's unit, or None and the reason."""
    draws = settings["scoring"]["bootstrap"], settings["seed"]
    if choice.iterations is None:
        return None, choice.reason
    whose = trained(choice.member, outputs.numbers(choice.member), variance_name(cell.part), settings)
    if cell.part in METRICS:
        return estimate_captions(cell.part, choice, statistics, whose, draws)
    if cell.part == SCORE:
        samples, target, predicted = outputs.scores_at(choice.member, choice.iterations)  # (seeds, n) each
        return percent(estimate_spearman(target, predicted, samples, whose, *draws)), ""
    samples, right = outputs.right_at(choice.member, cell.part, choice.iterations)

    def in_resamples(seed: int, counts: np.ndarray) -> np.ndarray:
        return counts @ right[seed] / counts.sum(axis=1)

    return percent(estimate_statistic(in_resamples, right.mean(axis=1), samples, whose, "angular", draws)), ""


def variance_name(part: str) -> str:
    """What a file of variances calls the statistic of a cell's part."""
    return statistic_of(part).removesuffix("_percent")


def statistics_of_captions(choices: Iterable[Choice], outputs: Outputs) -> Statistics:
    """Sample names and statistics of every seed's captions at the chosen iterations; each Java program runs once for all."""
    spoken = {choice.key: outputs.captions_at(choice.member, choice.iterations) for choice in choices}
    wanted = {key: said for key, said in spoken.items() if said is not None}
    found = iter(caption_statistics([(left, right) for said in wanted.values() for _, left, right in said]))
    return {key: [(samples, next(found)) for samples, _, _ in said] for key, said in wanted.items()}


def estimate_captions(
    metric: str, choice: Choice, statistics: Statistics, whose: Trained, draws: tuple[int, int]
) -> tuple[Estimate | None, str]:
    """A caption metric: of the corpus for BLEU and METEOR, the mean over captions for the others."""
    if metric == "M" and not has_java():
        return None, f"METEOR {NO_JAVA}"
    if choice.key not in statistics:
        return None, "no captions were kept of the chosen iteration"
    each = statistics[choice.key]
    samples = np.array([names for names, _ in each], dtype=object)

    def in_resamples(seed: int, counts: np.ndarray) -> np.ndarray:
        return metric_values(each[seed][1], metric, counts)

    everything = np.ones((1, samples.shape[1]))
    points = np.array([float(in_resamples(seed, everything)[0]) for seed in range(len(each))])
    estimate = estimate_statistic(in_resamples, points, samples, whose, "positive", draws)
    return estimate, "" if has_java() else PLAIN_TOKENS


def difference_lines(
    title: str,
    minuend: str,
    subtrahend: str,
    protocol: str,
    found: Mapping[tuple[str, str], Estimate],
    settings: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    """One row less another, column by column."""
    for column in [column for row, column in found if row == minuend and (subtrahend, column) in found]:
        less = difference(found[minuend, column], found[subtrahend, column])
        yield line_of(title, column, "spearman_percent", protocol, less, "", settings)
