"""Judge a file of predictions: what is odd, the measures, what labels alone give, a verdict on a printed number, a difference."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rescore.engine.errors import RescoreError
from rescore.engine.parameters import nearest
from rescore.judging.measures import (
    RHO,
    Difference,
    Measure,
    baselines,
    bounds,
    compare,
    correlations,
    errors,
    measure,
    rho_of,
)
from rescore.judging.predicted import Predictions
from rescore.judging.references import Reference
from rescore.judging.samples import Joined, join
from rescore.scoring.papers import FOLDER, read_papers
from rescore.scoring.reported import read_reported

SAME, DIFFERS = "the same number", "another number"


@dataclass(frozen=True)
class Printed:
    """A number that a paper prints, as a correlation."""

    text: str
    value: float
    places: int
    """Of the correlation: two fewer are printed where it is a percentage."""
    where: str = ""


@dataclass(frozen=True)
class Verdict:
    word: str
    reason: str


@dataclass(frozen=True)
class Judgement:
    files: tuple[str, ...]
    labels: str
    odd: tuple[str, ...]
    measures: tuple[Measure, ...]
    baselines: tuple[Measure, ...]
    verdict: Verdict | None
    difference: Difference | None
    options: Mapping[str, Any]


def judge(
    predictions: Predictions,
    reference: Reference | None,
    options: dict[str, Any],
    split: str | None = None,
    printed: Printed | None = None,
    against: Predictions | None = None,
) -> Judgement:
    """Judge predictions.

    Args:
        predictions: as read.
        reference: the labels; None: the file's own true scores.
        options: `replicates`, `confidence`, `seed`.
        split: whose test samples; None: the data set's own.
        printed: a number to hold the rank correlation against.
        against: other predictions of the same samples.

    Raises:
        RescoreError: the files cannot be joined to labels.
    """
    joined = join(predictions, reference, split)
    confidence = options["confidence"]
    estimates = list(correlations(joined.table, options))
    found = [measure(RHO, of, estimate, confidence) for of, estimate in estimates]
    found += errors(joined.table, ranges(reference), options) if joined.comparable else []
    odd, between = list(joined.odd), None
    if against is not None:
        other = join(against, reference, split)
        odd += [f"{against.path.name}: {message}" for message in other.odd]
        between = compare(joined.table, other.table, options)
        if between is None:
            odd.append("the two files share fewer than 4 samples, or one's correlation is undefined: no difference")
    return Judgement(
        files=tuple(str(each.path) for each in (predictions, against) if each is not None),
        labels=reference.name if reference is not None else "true scores of the file",
        odd=tuple(odd),
        measures=tuple(found),
        baselines=tuple(label_measures(joined, reference, options)),
        verdict=verdict(printed, estimates[0][1].value, bounds(estimates[0][1], confidence)) if printed else None,
        difference=between,
        options=options,
    )


def ranges(reference: Reference | None) -> dict[str, tuple[float, float]]:
    """Lowest and highest score of each action of a data set."""
    if reference is None:
        return {}
    table = reference.table if "action" in reference.table else reference.table.assign(action="")
    return {str(name): (float(part.min()), float(part.max())) for name, part in table.groupby("action")["score"]}


def label_measures(joined: Joined, reference: Reference | None, options: dict[str, Any]) -> list[Measure]:
    """Rank correlations of what labels alone predict of the first seed's samples; of one action alone, whose labels are alike."""
    if reference is None or joined.table["action"].nunique() > 1:
        return []
    first = joined.table[joined.table["seed"] == joined.table["seed"].iloc[0]]
    training = reference.table[~reference.table["sample"].isin(set(joined.table["sample"]))]
    if "split" in training:
        training = training[training["split"] == "train"]
    found = []
    for name, values in baselines(first, training):
        if np.ptp(values) > 0:
            estimate = rho_of(first.assign(baseline=values), options, "baseline")
            found.append(measure(RHO, name, estimate, options["confidence"]))
    return found


def verdict(printed: Printed, value: float, interval: tuple[float, float]) -> Verdict:
    """Whether the predictions give the printed number; whether it could be that of other samples is said beside it."""
    where = f" ({printed.where})" if printed.where else ""
    if not np.isfinite(value):
        return Verdict(DIFFERS, f"printed {printed.text}{where}; from these predictions no correlation is defined")
    inside = interval[0] <= printed.value <= interval[1]
    beside = f"it lies {'inside' if inside else 'outside'} the interval {interval[0]:.4f} to {interval[1]:.4f}"
    if abs(value - printed.value) <= 0.5 * 10.0**-printed.places + 1e-12:
        return Verdict(SAME, f"printed {printed.text}{where}, from these predictions {value:.{printed.places}f}")
    return Verdict(
        DIFFERS,
        f"printed {printed.text}{where}, from these predictions {value:.{max(printed.places, 4)}f}; {beside}, which "
        "says where new samples would put it, and not that the number was made from these predictions",
    )


def as_printed(text: str, places: int | None = None) -> Printed:
    """A printed correlation, or a percentage.

    Raises:
        RescoreError: no number, or none that a correlation can be.
    """
    try:
        value = float(text)
    except ValueError as error:
        raise RescoreError(f"--reported {text}: no number.") from error
    digits = len(text.partition(".")[2])
    percent = abs(value) > 1
    if not np.isfinite(value) or abs(value) > 100:
        raise RescoreError(f"--reported {text}: no correlation (-1 to 1), and no percentage of one (-100 to 100).")
    return Printed(
        text, value / 100 if percent else value, (digits + 2 if percent else digits) if places is None else places
    )


def from_paper(words: str, folder: Path = FOLDER) -> Printed:
    """A printed number by `PAPER TABLE ROW [COLUMN]`.

    Raises:
        RescoreError: there is no such paper, table, row or column, or several columns to choose from.
    """
    try:
        given = shlex.split(words)
    except ValueError as error:
        raise RescoreError(f"--as {words}: {error}. Write: \"PAPER TABLE 'ROW' 'COLUMN'\"") from error
    if len(given) not in (3, 4):
        raise RescoreError(f"--as {words}: write \"PAPER TABLE 'ROW'\", and 'COLUMN' where a row has several.")
    paper, name, row = given[:3]
    papers = read_papers(folder)
    for what, known in ((paper, papers), (name, papers[paper].tables if paper in papers else {})):
        if what not in known:
            raise RescoreError(f"--as {words}: no '{what}', {nearest(what, known)}")
    numbers = read_reported(folder / paper / "tables" / f"{name}.csv")
    rows = numbers[numbers["row"] == row]
    if rows.empty:
        raise RescoreError(f"--as {words}: no row '{row}', {nearest(row, list(dict.fromkeys(numbers['row'])))}")
    columns = list(rows["column"])
    column = given[3] if len(given) == 4 else columns[0] if len(columns) == 1 else None
    if column not in columns:
        raise RescoreError(f"--as {words}: say which column, one of {', '.join(columns)}")
    text = str(rows.loc[rows["column"] == column, "value"].iloc[0])
    found, percent = as_printed(text), papers[paper].tables[name].percent
    places = len(text.partition(".")[2]) + (2 if percent else 0)
    return (
        Printed(text, float(text) / (100 if percent else 1), places, f"{papers[paper].short}, {name}, {row} / {column}")
        if percent or abs(found.value) <= 1
        else found
    )
