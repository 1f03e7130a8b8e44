"""Judge a file of predictions: what is odd, the measures, what labels alone give, a verdict on a printed number, a difference."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np

from rescore.engine.errors import RescoreError
from rescore.engine.parameters import nearest
from rescore.judging.measures import (
    ALL,
    ARITHMETIC,
    FISHER,
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
from rescore.scoring.correlation import Estimate
from rescore.scoring.papers import FOLDER, SCORE, Table, read_papers
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
    of: str | None = None,
) -> Judgement:
    """Judge predictions.

    Args:
        predictions: as read.
        reference: the labels; None: the file's own true scores.
        options: `replicates`, `confidence`, `seed`.
        split: whose test samples; None: the data set's own.
        printed: a number to hold the rank correlation against.
        against: other predictions of the same samples.
        of: which of the correlations the printed number is; None: that of all samples, the mean of folds, Fisher's z average
            of actions.

    Raises:
        RescoreError: the files cannot be joined to labels.
    """
    joined = join(predictions, reference, split)
    confidence = options["confidence"]
    estimates = list(correlations(joined.table, options))
    found = [measure(RHO, name, estimate, confidence) for name, estimate in estimates]
    found += errors(joined.table, ranges(reference), options) if joined.comparable else []
    odd, between = list(joined.odd), None
    odd += [f"{name}: {estimate.reason}, so nothing stands there" for name, estimate in estimates if estimate.reason]
    if against is not None:
        other = join(against, reference, split)
        odd += [f"{against.path.name}: {message}" for message in other.odd]
        compared = compare(joined.table, other.table, options)
        if isinstance(compared, str):
            odd.append(f"no difference: {compared}")
        else:
            between = compared
    return Judgement(
        files=tuple(str(each.path) for each in (predictions, against) if each is not None),
        labels=reference.name if reference is not None else "true scores of the file",
        odd=tuple(odd),
        measures=tuple(found),
        baselines=tuple(label_measures(joined, reference, options)),
        verdict=verdict(printed, *headline(estimates, of), confidence) if printed else None,
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
    if reference is None or joined.table["action"].nunique() > 1 or joined.table["fold"].nunique() > 1:
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


def headline(estimates: Sequence[tuple[str, Estimate]], of: str | None) -> tuple[str, Estimate]:
    """The correlation that a printed number is held against.

    Raises:
        RescoreError: none is called so.
    """
    known = dict(estimates)
    if of is not None:
        if of not in known:
            raise RescoreError(f"--of {of}: no such correlation, {nearest(of, list(known))}")
        return of, known[of]
    by_action = ALL in known
    averages = [pair for pair in estimates if pair[0].startswith(FISHER if by_action else ARITHMETIC)]
    return averages[0] if averages else estimates[0]


def verdict(printed: Printed, of: str, estimate: Estimate, confidence: float) -> Verdict:
    """Whether the predictions give the printed number; whether it could be that of other samples is said beside it."""
    value, (low, high) = estimate.value, bounds(estimate, confidence)
    said = f"printed {printed.text}" + (f" ({printed.where})" if printed.where else "")
    if not np.isfinite(value):
        return Verdict(DIFFERS, f"{said}; {of}: from these predictions no correlation is defined")
    if abs(value - printed.value) <= 0.5 * 10.0**-printed.places + 1e-12:
        return Verdict(SAME, f"{said}, {of}: from these predictions {value:.{printed.places}f}")
    beside = f"it lies {'inside' if low <= printed.value <= high else 'outside'} the interval {low:.4f} to {high:.4f}"
    return Verdict(
        DIFFERS,
        f"{said}, {of}: from these predictions {value:.{max(printed.places, 4)}f}; {beside}, which says where new samples would "
        "put it, and not that the number was made from these predictions",
    )


def as_printed(text: str, places: int | None = None, percent: bool | None = None, where: str = "") -> Printed:
    """A printed correlation, or a percentage of one.

    Args:
        text: as it is printed; a whole number says nothing of its digits, so `places` has to.
        places: decimals of it that count; None: those that are printed.
        percent: whether it is one; None: by its size.

    Raises:
        RescoreError: no number, none that a correlation can be, or no digits to hold against.
    """
    said = where or f"--reported {text}"
    try:
        number = Decimal(text.strip())
    except InvalidOperation as error:
        raise RescoreError(f"{said}: '{text}' is no number.") from error
    if not number.is_finite() or abs(number) > 100:
        raise RescoreError(f"{said}: {text} is no correlation (-1 to 1), and no percentage of one (-100 to 100).")
    percent = abs(number) > 1 if percent is None else percent
    printed = -int(number.as_tuple().exponent)
    counted = max(printed, 0) if places is None else places
    if counted < 0 or (counted == 0 and not percent):
        raise RescoreError(f"{said}: {text} has no decimals to hold against. Say how many count: --places 2")
    return Printed(text, float(number) / (100 if percent else 1), counted + (2 if percent else 0), where)


def from_paper(words: str, folder: Path = FOLDER, places: int | None = None) -> Printed:
    """A printed correlation by `PAPER TABLE ROW [COLUMN]`.

    Raises:
        RescoreError: there is no such paper, table, row or column, several columns to choose from, or no correlation in the cell.
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
    table, numbers = papers[paper].tables[name], read_reported(folder / paper / "tables" / f"{name}.csv")
    rows = numbers[numbers["row"] == row]
    if rows.empty:
        raise RescoreError(f"--as {words}: no row '{row}', {nearest(row, list(dict.fromkeys(numbers['row'])))}")
    columns = list(rows["column"])
    column = given[3] if len(given) == 4 else columns[0] if len(columns) == 1 else None
    if column not in columns:
        raise RescoreError(f"--as {words}: say which column, one of {', '.join(columns)}")
    if table.characteristics or part_of(table, row, str(column)) != SCORE:
        raise RescoreError(
            f"--as {words}: that cell is no rank correlation of scores, which is what predictions are judged by."
        )
    text = str(rows.loc[rows["column"] == column, "value"].iloc[0])
    return as_printed(text, places, table.percent, f"{papers[paper].short}, {name}, {row} / {column}")


def part_of(table: Table, row: str, column: str) -> str:
    """What a table's cell shows."""
    for block in table.declared.get("blocks", ()):
        fields = {**block, **block["rows"].get(row, {}), **block["columns"].get(column, {})}
        if row in block["rows"] and "part" in fields:
            return str(fields["part"])
    return SCORE
