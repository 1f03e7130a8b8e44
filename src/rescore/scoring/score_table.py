"""Scores of a paper's table, cell by cell, from what its members wrote; paper.yaml says which member fills which cell.

predictions, classes, captions ─► checked ─► one iteration a seed, by selection rule ─► rho, accuracy, caption metrics ─►
intervals ─► averages, differences ─► scores.csv, estimates.parquet
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import read_table
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
    arithmetic_mean,
    combine,
    difference,
    estimate_spearman,
    estimate_statistic,
    fisher_z_average,
    percent,
)
from rescore.scoring.outputs import Files, Outputs, Predicted, read_outputs
from rescore.scoring.papers import (
    BEST,
    BEST_ON_TEST,
    LAST,
    NOTHING_CHOSEN,
    RULES,
    SCORE,
    VALIDATION,
    Average,
    Block,
    Cell,
    Settings,
    Table,
    read_paper,
)
from rescore.scoring.scores import empty_row, filled_by, score_row, write_scores
from rescore.scoring.training_variance import trained, with_variances
from rescore.systems.common.repetition import Chosen
from rescore.systems.common.training_sets import VALIDATED
from rescore.systems.trainings import declared

AVERAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fisher_z_average": fisher_z_average,
    "arithmetic_mean": arithmetic_mean,
}
DIFFERENCE = "difference"
KNOWN = "known"
"""Field of a cell that a column of the data set's table fills, and no member."""


@dataclass(frozen=True)
class Choice:
    """Where a member is scored under a selection rule."""

    member: str
    """The member itself, or its twin that was trained without the validation samples."""
    iterations: np.ndarray | None
    """(seeds,); None where the rule has none."""
    reason: str = ""
    """Why it has none."""

    @property
    def key(self) -> tuple[str, bytes]:
        return self.member, b"" if self.iterations is None else self.iterations.tobytes()


Statistics = dict[tuple[str, bytes], list[tuple[np.ndarray, CaptionStatistics]]]
"""By choice (its `key`): for each seed the samples with commentary, and what their captions add to the metrics."""


def score_table(
    paper: Path,
    table: str,
    files: Files,
    scores: Path,
    settings: dict[str, Any],
    estimates: Path | None = None,
    variance: list[Path] | None = None,
) -> None:
    """Score one table of a paper, or the curves of one of its figures.

    Args:
        paper: papers/<name>/paper.yaml.
        table: name of a table, or of a figure of scores by iteration, whose scores have a column `iteration` besides.
        files: of the members that the table declares, and of their `_validated` twins where there are any. Splits are for tables
            whose members are tested on their training set's own test samples, classes and captions for those that show them.
        scores: output CSV of the scores contract (scoring.scores).
        settings: `seed`, `scoring`, the counts of trainings (`systems.trainings`), and those that the table `reads`.
        estimates: output Parquet, what claims and comparisons need of each cell (scoring.estimates).
        variance: files of variances over trainings, for systems that were trained once.

    Raises:
        RescoreError: no such table, or the files are not what it needs; every reason together.
    """
    declaration = read_paper(paper)
    wanted = declaration.table_of(table)
    outputs, blocks = read_outputs(wanted, wanted.blocks(settings), files, settings)
    settings, experiment = with_variances(settings, variance), ", ".join(wanted.experiments)
    if table in declaration.curves:
        write_scores(scores, experiment, curve_lines(wanted, blocks, outputs, settings), ("iteration",), estimates)
    else:
        samples = (
            pd.concat([read_table(path) for path in files.rows], ignore_index=True) if files.rows else pd.DataFrame()
        )
        blocks = [with_known(block, outputs, samples) for block in blocks]
        write_scores(scores, experiment, score_lines(wanted, blocks, outputs, settings), estimates=estimates)


def with_known(block: Block, outputs: Outputs, samples: pd.DataFrame) -> Block:
    """A block with rows for what the data set itself knows of the samples of its last row; their values join the outputs.

    A column that is not known of every sample gives no row.
    """
    added: list[Cell] = []
    last = [cell for cell in block.cells if cell.row == block.cells[-1].row]
    for title, column in block.known.items() if last else ():
        known = samples.set_index("sample")[column] if column in samples else pd.Series(dtype=float)
        cells = [
            Cell(title, cell.column, f"{column}/{cell.member}", cell.action, fields={KNOWN: column}) for cell in last
        ]
        values = [known_values(outputs.scores[cell.member, cell.action, "test"], known) for cell in last]
        if all(value is not None for value in values):
            keys = ((cell.member, cell.action, "test") for cell in cells)
            outputs.scores |= {key: value for key, value in zip(keys, values, strict=True) if value is not None}
            added += cells
    return replace(block, cells=(*block.cells, *added))


def known_values(block: Predicted, known: pd.Series) -> Predicted | None:
    """What is known of a member's samples, in the place of predictions, as of one iteration; None where it is not of each."""
    # Seeds that share their samples see the same values: one repetition says all.
    keep = slice(0, 1) if (block.samples == block.samples[0]).all() else slice(None)
    samples = block.samples[keep]
    if not known.reindex(np.unique(samples.ravel())).notna().all():
        return None
    predicted = np.stack([known[names].to_numpy(dtype=float) for names in samples])[:, None]
    return Predicted(np.zeros(1, int), samples, block.target[keep], predicted)


def rules_of(cell: Cell, table: Table, settings: Settings) -> tuple[str, ...]:
    """The selection rules that a cell is scored under: several for what has iterations."""
    if cell.selection is not None:
        return cell.selection
    chosen = declared(cell.member, settings).chosen
    if chosen is Chosen.ITERATION:
        return table.selection
    return (table.inside_training,) if chosen is Chosen.INSIDE_TRAINING else (NOTHING_CHOSEN,)


def choose(member: str, actions: Sequence[str], rule: str, outputs: Outputs) -> Choice:
    """The iteration at which each seed of a member is scored.

    The criterion is the mean of rho over the actions that the member is scored on, chosen once for all of them on the full data;
    the mean accuracy over sub-actions where it predicts no score; the earliest of equals. `best_on_validation` is chosen on
    samples held out of training: by the member itself where no training sees them, else by its twin `<member>_validated`, which
    alone was trained without them and is scored in its place. Intervals are conditional on the choice and do not show the
    optimism of choosing on test data.
    """
    if rule not in (BEST, VALIDATION):
        return Choice(member, outputs.last(member))
    split = "validation" if rule == VALIDATION else "test"
    source = member + VALIDATED if rule == VALIDATION and member + VALIDATED in outputs.members else member
    iterations, values = outputs.criterion(source, actions or outputs.actions(source), split)
    if values.size == 0:
        return Choice(source, None, f"no {split} predictions: nothing to choose the iteration by")
    if np.isnan(values).all(axis=1).any():
        return Choice(source, None, f"the criterion is undefined on the {split} samples (fewer than 4, or constant)")
    return Choice(source, iterations[np.argmax(np.where(np.isnan(values), -np.inf, values), axis=1)])


def choices(
    blocks: Sequence[Block], rule: str, table: Table, outputs: Outputs, settings: Settings
) -> dict[Cell, Choice]:
    """Where each cell is scored under a rule: a member is chosen once for all cells that it fills in a row."""
    found: dict[Cell, Choice] = {}
    cells = [cell for block in blocks for cell in block.cells if rule in rules_of(cell, table, settings)]
    for row, member in dict.fromkeys((cell.row, cell.member) for cell in cells):
        mine = [cell for cell in cells if (cell.row, cell.member) == (row, member)]
        actions = list(dict.fromkeys(cell.action for cell in mine if cell.part == SCORE))
        grid = mine[0].fields.get("grid") if rule == BEST_ON_TEST else None
        chosen = choose(member, actions, rule, outputs) if grid is None else best_of_grid(grid, actions, outputs)
        found |= dict.fromkeys(mine, chosen)
    return found


def best_of_grid(prefix: str, actions: Sequence[str], outputs: Outputs) -> Choice:
    """The member of a grid that is best on test data, the first of equals."""
    members = sorted(member for member in outputs.members if member.startswith(prefix))
    if not members:
        return Choice(prefix, None, "its grid was not predicted")
    rho = [outputs.criterion(member, actions, "test")[1].mean(axis=0)[-1] for member in members]
    best = members[int(np.argmax(np.nan_to_num(rho, nan=-np.inf)))]
    return Choice(best, outputs.last(best))


def score_lines(table: Table, blocks: Sequence[Block], outputs: Outputs, settings: Settings) -> list[dict[str, Any]]:
    """Score rows in the order that the table declares: every cell, the averages of its row, rows and columns of differences."""
    by_rule = {rule: choices(blocks, rule, table, outputs, settings) for rule in RULES}
    spoken = {chosen[cell].key: chosen[cell] for chosen in by_rule.values() for cell in chosen if cell.part in METRICS}
    statistics = statistics_of_captions(spoken.values(), outputs)
    lines: list[dict[str, Any]] = []
    for rule, chosen in by_rule.items():
        found: dict[Cell, Estimate] = {}
        for block in blocks:
            for cell in (cell for cell in block.cells if cell in chosen):
                estimate, reason = estimate_cell(cell, chosen[cell], statistics, outputs, table.percent, settings)
                if estimate is not None:
                    found[cell] = estimate
                if not block.averages_alone:
                    statistic = statistic_of(cell.part, table.percent)
                    line = line_of(cell.row, cell.column, statistic, rule, estimate, reason, settings)
                    lines.append(line | whose([cell], chosen))
            for average in block.averages:
                lines += average_lines(average, block, rule, chosen, found, settings)
        lines += difference_lines(table, rule, chosen, found, settings)
    order = row_order(table, blocks)
    return sorted(lines, key=lambda line: order.index(line["row"]))


def row_order(table: Table, blocks: Sequence[Block]) -> list[str]:
    """Titles of rows, block by block; differences follow the block that they are taken in."""
    order: dict[str, None] = {}
    for block in blocks:
        rows = dict.fromkeys(cell.row for cell in block.cells)
        order |= rows | {title: None for title, (minuend, _) in table.differences.items() if minuend in rows}
    return list(order)


def whose(cells: Sequence[Cell], chosen: Mapping[Cell, Choice], combined: str = "") -> dict[str, str]:
    """The members that a score rests on; none for what the data set itself knows."""
    predicted = [cell for cell in cells if KNOWN not in cell.fields]
    return filled_by([(chosen[cell].member, cell.action or cell.part) for cell in predicted], combined)


def average_lines(
    average: Average,
    block: Block,
    rule: str,
    chosen: Mapping[Cell, Choice],
    found: Mapping[Cell, Estimate],
    settings: Settings,
) -> Iterator[dict[str, Any]]:
    """A row's average, of the cells that it is taken over; none where one of them has no number."""
    for row in dict.fromkeys(cell.row for cell in block.cells if cell in chosen):
        cells = [cell for cell in block.cells if cell.row == row and cell in chosen]
        cells = [cell for cell in cells if not average.without or cell.action != cell.fields.get(average.without)]
        if cells and all(cell in found for cell in cells):
            estimate = combine([found[cell] for cell in cells], AVERAGES[average.rule])
            statistic = average.rule + ("_percent" if estimate.unit == 100 else "")
            line = line_of(row, average.column, statistic, rule, estimate, estimate.reason, settings)
            yield line | whose(cells, chosen, average.rule)


def difference_lines(
    table: Table,
    rule: str,
    chosen: Mapping[Cell, Choice],
    found: Mapping[Cell, Estimate],
    settings: Settings,
) -> Iterator[dict[str, Any]]:
    """One row less another, column by column, and each learned row less the one that is to be beaten, drawn in pairs."""
    for title, (minuend, subtrahend) in table.differences.items():
        for pair in pairs_of(found, minuend, subtrahend):
            yield difference_line(title, pair[0].column, rule, pair, chosen, found, settings)
    if (beyond := table.beyond) is not None:
        for row in dict.fromkeys(cell.row for cell in found if cell.row != beyond["row"]):
            for pair in pairs_of(found, row, beyond["row"]):
                yield difference_line(row, beyond["column"], rule, pair, chosen, found, settings)


def pairs_of(found: Iterable[Cell], minuend: str, subtrahend: str) -> Iterator[tuple[Cell, Cell]]:
    """The cells of two rows, column by column."""
    below = {cell.column: cell for cell in found if cell.row == subtrahend}
    yield from ((cell, below[cell.column]) for cell in found if cell.row == minuend and cell.column in below)


def difference_line(
    row: str,
    column: str,
    rule: str,
    pair: tuple[Cell, Cell],
    chosen: Mapping[Cell, Choice],
    found: Mapping[Cell, Estimate],
    settings: Settings,
) -> dict[str, Any]:
    less = difference(found[pair[0]], found[pair[1]])
    statistic = statistic_of(SCORE, less.unit == 100)
    return line_of(row, column, statistic, rule, less, "", settings) | whose(pair, chosen, DIFFERENCE)


def statistic_of(part: str, in_percent: bool) -> str:
    """What a cell holds; percentages are named so, and printed with the paper's two digits."""
    if part in METRICS:
        return METRICS[part]
    return variance_name(part) + ("_percent" if in_percent else "")


def variance_name(part: str) -> str:
    """What a file of variances calls the statistic of a cell's part."""
    return METRICS.get(part) or ("spearman" if part == SCORE else "accuracy")


def line_of(
    row: str,
    column: str,
    statistic: str,
    rule: str,
    estimate: Estimate | None,
    reason: str,
    settings: Settings,
) -> dict[str, Any]:
    """A score row, its members aside; without an estimate, the reason alone."""
    if estimate is None:
        return empty_row(row, column, statistic, rule, reason)
    return score_row(
        row, column, statistic, rule, estimate, settings["scoring"]["confidence"], reason or estimate.reason
    )


def estimate_cell(
    cell: Cell, choice: Choice, statistics: Statistics, outputs: Outputs, in_percent: bool, settings: Settings
) -> tuple[Estimate | None, str]:
    """The cell's mean over seeds, each at its chosen iteration, in the paper's unit, or None and the reason."""
    draws = settings["scoring"]["bootstrap"], settings["seed"]
    if choice.iterations is None:
        return None, choice.reason
    whose_trainings = trained(choice.member, outputs.numbers(choice.member), variance_name(cell.part), settings)
    if cell.part in METRICS:
        return estimate_captions(cell.part, choice, statistics, whose_trainings, draws)
    if cell.part == SCORE:
        samples, target, predicted = outputs.scores_at(choice.member, cell.action, choice.iterations)  # (seeds, n) each
        found = estimate_spearman(target, predicted, samples, whose_trainings, *draws)
        return (percent(found) if in_percent else found), ""
    samples, right = outputs.right_at(choice.member, cell.part, choice.iterations)

    def in_resamples(seed: int, counts: np.ndarray) -> np.ndarray:
        return counts @ right[seed] / counts.sum(axis=1)

    found = estimate_statistic(in_resamples, right.mean(axis=1), samples, whose_trainings, "angular", draws)
    return (percent(found) if in_percent else found), ""


def statistics_of_captions(choices: Iterable[Choice], outputs: Outputs) -> Statistics:
    """Sample names and statistics of every seed's captions at the chosen iterations; each Java program runs once for all."""
    spoken = {choice.key: outputs.captions_at(choice.member, choice.iterations) for choice in choices}
    wanted = {key: said for key, said in spoken.items() if said is not None}
    found = iter(caption_statistics([(left, right) for said in wanted.values() for _, left, right in said]))
    return {key: [(samples, next(found)) for samples, _, _ in said] for key, said in wanted.items()}


def estimate_captions(
    metric: str, choice: Choice, statistics: Statistics, whose_trainings: Trained, draws: tuple[int, int]
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
    estimate = estimate_statistic(in_resamples, points, samples, whose_trainings, "positive", draws)
    return estimate, "" if has_java() else PLAIN_TOKENS


def curve_lines(
    table: Table, blocks: Sequence[Block], outputs: Outputs, settings: Settings
) -> Iterator[dict[str, Any]]:
    """Rho with its intervals at every evaluated iteration of every member that has several."""
    for cell in (cell for block in blocks for cell in block.cells if LAST in rules_of(cell, table, settings)):
        predicted = outputs.scores[cell.member, cell.action, "test"]
        for iteration in predicted.iterations:
            choice = Choice(cell.member, np.full(len(predicted.samples), iteration))
            estimate, _ = estimate_cell(cell, choice, {}, outputs, table.percent, settings)
            line = line_of(
                cell.row, cell.column, statistic_of(SCORE, table.percent), "every_iteration", estimate, "", settings
            )
            yield line | whose([cell], {cell: choice}) | {"iteration": int(iteration)}
