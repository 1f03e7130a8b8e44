"""Which members' predictions fill a cell of a table, as its scores say, and the numbers of its seeds taken from them again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from rescore.engine.storage import read_table
from rescore.reporting.evidence import BESIDE, PREDICTIONS, Place, experiments_of, prediction_files, scores_path
from rescore.scoring.caption_metrics import (
    METRICS,
    NO_JAVA,
    PLAIN_TOKENS,
    CaptionStatistics,
    caption_statistics,
    has_java,
    metric_values,
)
from rescore.scoring.correlation import spearman
from rescore.scoring.outputs import SPLITS, Outputs, Said, outputs_of
from rescore.scoring.papers import block_of
from rescore.scoring.predictions import COLUMNS, KEY
from rescore.scoring.score_table import AVERAGES, DIFFERENCE, Choice, choose
from rescore.systems.common.training_sets import VALIDATED


@dataclass(frozen=True)
class Part:
    """A member that fills a cell, alone or with others."""

    member: str
    what: str
    """The action, sub-action or caption metric that it was scored on."""
    samples: str = ""
    """How the names of the samples begin that count; empty: all."""


@dataclass(frozen=True)
class Filled:
    """A line of scores: what fills a cell under one selection rule."""

    row: str
    column: str
    protocol: str
    parts: tuple[Part, ...]
    combined: str
    """How the parts are combined: a key of score_table.AVERAGES, DIFFERENCE, or empty where there is one."""
    unit: float
    """What 1 is in the table."""
    reason: str


@dataclass(frozen=True)
class Seed:
    """One seed's part of a cell."""

    member: str
    what: str
    seed: int
    iteration: int
    n: int
    value: float
    measure: str = "rho"
    """What `value` is: a correlation, an accuracy, or a caption metric."""
    unit: float = 1.0
    """What 1 is in the table."""
    sign: int = 1
    """-1 where the number is a difference and this is taken away."""


def lines_of(place: Place) -> tuple[Filled, ...]:
    """What fills each cell of a table, by its scores; nothing for characteristics."""
    path = scores_path(place)
    if path is None:
        return ()
    state = path.stat()
    return read_lines(path, state.st_mtime_ns, state.st_size)


@cache
def read_lines(path: Path, changed: int, size: int) -> tuple[Filled, ...]:
    """The lines of a file of scores as it is now: every cell of a table asks for its own."""
    table = read_table(path)
    if "cells" not in table.columns:
        return ()
    texts = (
        table[["row", "column", "protocol", "statistic", "cells", "combined", "reason"]]
        .astype(object)
        .fillna("")
        .astype(str)
    )
    return tuple(
        Filled(
            **{name: line[name] for name in ("row", "column", "protocol", "combined", "reason")},
            parts=tuple(Part(*part) for part in json.loads(line["cells"] or "[]")),
            unit=100.0 if line["statistic"].endswith("_percent") else 1.0,
        )
        for line in texts.to_dict("records")
    )


def filled(place: Place, row: str, column: str) -> list[Filled]:
    """The lines of a cell, one a selection rule."""
    return [line for line in lines_of(place) if (line.row, line.column) == (row, column)]


def members_behind(place: Place, row: str, column: str) -> list[str]:
    """Names of the members behind a cell, under any rule."""
    return list(dict.fromkeys(part.member for line in filled(place, row, column) for part in line.parts))


def read_members(place: Place, members: Sequence[str], name: str) -> pd.DataFrame:
    """Members' rows of every file of one name, test and validation samples, in a fixed order.

    Samples whose video is lost, which only what predicts every annotated sample has, are left out as the scores leave them out.
    """
    parts = [pd.DataFrame(columns=[*COLUMNS, "subaction"])]
    for experiment in experiments_of(scores_path(place)):
        for path in prediction_files(place, experiment, members, name):
            table = pd.read_parquet(path)
            parts.append(table[table["member"].isin(members) & table["split"].isin(SPLITS)])
    found = [part for part in parts if len(part)]
    table = pd.concat(found, ignore_index=True).sort_values(KEY, kind="stable") if found else parts[0]
    rows = samples_of(place)
    if rows.empty:
        return table
    return table[~table["member"].isin(annotated_members(place)) | table["sample"].isin(rows["sample"])]


def annotated_members(place: Place) -> set[str]:
    """Members of a table that predict every annotated sample."""
    blocks = place.declared.declared.get("blocks", ()) if place.declared else ()
    found = [block_of(block, {}) for block in blocks if block.get("annotated")]
    return {cell.member for block in found for cell in block.cells}


def samples_of(place: Place) -> pd.DataFrame:
    """The samples that a table's data sets kept, with their commentary; empty where these tables are not at hand."""
    names = place.declared.data if place.declared else ()
    paths = [path for name in names if (path := place.data / "clips" / f"{name}.parquet").is_file()]
    return pd.concat([read_table(path) for path in paths]) if paths else pd.DataFrame(columns=["sample"])


def seeds_behind(place: Place, row: str, column: str, protocol: str) -> list[Seed]:
    """Each seed's iteration, number of test samples and number behind a cell; empty where they cannot be taken again.

    Averages have a line for each cell that they are taken over, differences for each of both sides.
    """
    line = next((line for line in filled(place, row, column) if line.protocol == protocol), None)
    if line is None or not line.parts:
        return []
    outputs, found = outputs_behind(place, [part.member for part in line.parts], line.parts[0].samples), []
    for number, part in enumerate(line.parts):
        choice = choice_of(place, line, part, outputs)
        measured = values_at(place, line, part, choice, outputs) if choice else None
        if choice is None or choice.iterations is None or measured is None:
            return []
        measure, n, values = measured
        sign = -1 if line.combined == DIFFERENCE and number else 1
        numbers = outputs.numbers(choice.member)
        for seed, iteration, value in zip(numbers, choice.iterations, values, strict=True):
            found.append(Seed(choice.member, part.what, seed, int(iteration), n, value, measure, line.unit, sign))
    return found


def outputs_behind(place: Place, members: Sequence[str], samples: str) -> Outputs:
    """What members wrote; of samples whose names begin so."""
    wanted = list(dict.fromkeys([*members, *(member + VALIDATED for member in members)]))
    names = (PREDICTIONS, *BESIDE.values())
    tables = [read_members(place, wanted, name) for name in names]
    tables = [table[table["sample"].astype(str).str.startswith(samples)] for table in tables]
    return outputs_of(*tables, samples_of(place))  # type: ignore[call-arg]


def choice_of(place: Place, line: Filled, part: Part, outputs: Outputs) -> Choice | None:
    """The iterations of a member under a line's rule, chosen anew: once for all that it fills in the row."""
    if part.member not in outputs.members:
        return None
    beside = [other for other in lines_of(place) if (other.row, other.protocol) == (line.row, line.protocol)]
    named = [one.what for other in (*beside, line) for one in other.parts if one.member == part.member]
    known = outputs.actions(part.member)
    return choose(part.member, [what for what in dict.fromkeys(named) if what in known], line.protocol, outputs)


def values_at(
    place: Place, line: Filled, part: Part, choice: Choice, outputs: Outputs
) -> tuple[str, int, list[float]] | None:
    """What is measured, on how many samples, and each seed's value; None where it cannot be computed here."""
    if choice.iterations is None:
        return None
    if part.what in METRICS:
        said = outputs.captions_at(choice.member, choice.iterations)
        return None if said is None or cannot_take(place, line.row, line.column) else caption_values(line, part, said)
    if (choice.member, "test") in outputs.labels and part.what in outputs.labels[choice.member, "test"].right:
        samples, right = outputs.right_at(choice.member, part.what, choice.iterations)
        return "accuracy", samples.shape[1], [float(value) for value in right.mean(axis=1)]
    if (choice.member, part.what, "test") not in outputs.scores:
        return None
    samples, target, predicted = outputs.scores_at(choice.member, part.what, choice.iterations)
    return "rho", samples.shape[1], [spearman(*pair).value for pair in zip(target, predicted, strict=True)]


def caption_values(line: Filled, part: Part, said: list[Said]) -> tuple[str, int, list[float]]:
    """A caption metric of each seed, on the tokens that the table's was computed on."""
    pairs = tuple((tuple(references), tuple(captions)) for _, references, captions in said)
    statistics = said_statistics(pairs, line.reason != PLAIN_TOKENS, part.what == "M")
    everything = np.ones((1, len(pairs[0][0])))
    values = [float(metric_values(each, part.what, everything)[0]) for each in statistics]
    return METRICS[part.what], len(pairs[0][0]), values


@cache
def said_statistics(
    pairs: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...], treebank: bool, meteor: bool
) -> list[CaptionStatistics]:
    """Statistics of captions; a Java program takes seconds to start, and the rules often choose the same captions."""
    return caption_statistics(pairs, treebank, meteor)


def cannot_take(place: Place, row: str, column: str) -> str:
    """Why a cell's number cannot be taken from the predictions here, as far as it is known; empty where it can."""
    metrics = [line for line in filled(place, row, column) if any(part.what in METRICS for part in line.parts)]
    if not metrics:
        return ""
    if samples_of(place).empty:
        return "the data set's commentary (data/<scale>/clips/mtl_aqa.parquet) is not here"
    if has_java() or (column != "M" and metrics[0].reason == PLAIN_TOKENS):
        return ""
    return f"METEOR {NO_JAVA}" if column == "M" else f"these captions were tokenised by a program that {NO_JAVA}"


def mean_of(seeds: Sequence[Seed]) -> float:
    """The mean over seeds; of a difference, the mean of the one side less that of the other."""
    sides = [[seed.value for seed in seeds if seed.sign == sign] for sign in (1, -1)]
    return float(np.mean(sides[0]) - (np.mean(sides[1]) if sides[1] else 0.0))


def average_of(seeds: Sequence[Seed], rule: str) -> float:
    """An average of cells, each the mean over its seeds."""
    cells = dict.fromkeys((seed.member, seed.what) for seed in seeds)
    means = [mean_of([seed for seed in seeds if (seed.member, seed.what) == cell]) for cell in cells]
    return float(AVERAGES[rule](np.array(means)))


def single_cells(place: Place) -> Iterator[tuple[str, str, Part]]:
    """Row, column and member of the cells that one member fills, each once."""
    found: dict[tuple[str, str], Part] = {}
    for line in lines_of(place):
        if len(line.parts) == 1 and not line.combined:
            found.setdefault((line.row, line.column), line.parts[0])
    yield from ((row, column, part) for (row, column), part in found.items())
