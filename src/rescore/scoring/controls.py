"""Controls: statements whose truth is known by construction, decided by the statistics that decide the papers' claims.

    papers/controls/controls.yaml ─► cells of any paper's table ─► estimates ─► kept, broken or undecided ─► controls.csv

A control says one of three things:

    holds        a statement of scoring.claims that must hold: kept where it does, broken where it does not
    never        one that must not: broken where it holds beyond chance, else kept
    equivalent   {cells, within}: correlations that must be 0 to within a tolerance, by two one-sided t tests (Schuirmann 1987),
                 with Holm's correction over all such cells of the file: kept where all are told to lie inside, broken where one
                 is told to lie outside

Whatever the numbers at hand cannot tell is undecided. Nothing is tuned until a control holds.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from rescore.engine.storage import canonical_json, read_table, write_table
from rescore.scoring.claims import SCHEMA as CLAIMS
from rescore.scoring.claims import UNDECIDED, Undecided, evaluate, evaluate_estimates, reproduced_numbers, select
from rescore.scoring.claims_on_estimates import FAILS, HOLDS, size_told
from rescore.scoring.comparisons import holm
from rescore.scoring.correlation import Estimate
from rescore.scoring.declarations import CELLS, SHARE, TEXT, mapping, read_declarations
from rescore.scoring.estimates import intervals_of, spread
from rescore.scoring.intervals import SCALES
from rescore.scoring.papers import LAST, RULES

KINDS = ("positive", "negative", "leak")
KEPT, BROKEN = "kept", "broken"
RESULTS = (BROKEN, UNDECIDED, KEPT)
"""In the order of what a reader has to know first."""
EXACT = ("same_training",)
"""Tables of numbers without error, which are written for controls alone."""
FORMS = ("holds", "never", "equivalent")
COLUMNS = ["control", "kind", "says", "why", "broken", "selection", "result", "found", "cells"]
STATEMENT = {"$ref": "#/$defs/statement"}
SCHEMA = {
    "$defs": CLAIMS["$defs"],
    "type": "array",
    "items": mapping(
        {"id": TEXT, "kind": {"enum": list(KINDS)}, "says": TEXT, "why": TEXT, "broken": TEXT},
        {
            "selection": {"enum": list(RULES)},
            "holds": STATEMENT,
            "never": STATEMENT,
            "equivalent": mapping({"cells": CELLS, "within": SHARE}),
        },
    )
    | {"oneOf": [{"required": [form]} for form in FORMS]},
}
"""`says`: the control in a sentence; `why` its truth is certain; `broken`: what it would mean if it did not hold; `selection`:
the rule whose numbers it is asked of, `last_iteration` where none is named."""
DECIDED = {
    "holds": {HOLDS: KEPT, FAILS: BROKEN},
    "never": {HOLDS: BROKEN, UNDECIDED: UNDECIDED},
}
"""What a statement's result makes of a control; what is not named here: undecided, of `never` kept."""


@dataclass(frozen=True)
class Test:
    """A cell that has to be 0 to within a tolerance."""

    control: str
    cell: str
    estimate: Estimate
    within: float
    p: float

    def outside(self, confidence: float) -> bool:
        """Whether it is told to lie outside."""
        return size_told(self.estimate, "greater", self.within * self.estimate.unit, confidence) is True

    def described(self, confidence: float) -> str:
        """Value, the interval that has to lie inside, and p."""
        low, high = intervals_of(self.estimate, 2 * confidence - 1).confidence
        found = f"{self.estimate.value:.4f}, {2 * confidence - 1:.0%} interval {low:.4f} to {high:.4f}"
        return f"{self.cell} {found}, p (Holm) {self.p:.4f}"


def read_controls(path: Path) -> list[dict[str, Any]]:
    """Read and check a file of controls.

    Raises:
        RescoreError: the file is missing, not YAML, two controls share an id, or one has not the form above; all together.
    """
    return list(read_declarations(path, SCHEMA, "controls", "rescore.scoring.controls"))


def evaluate_controls(
    controls: Path,
    tables: list[Path],
    estimates: list[Path],
    output: Path,
    settings: dict[str, Any],
    exact: list[Path] | None = None,
) -> None:
    """Decide every control.

    Args:
        controls: papers/controls/controls.yaml; its tables are named `<paper>_<table>`.
        tables: results tables; a missing cell leaves a control undecided.
        estimates: `<paper>_<table>.estimates.parquet` of the same tables.
        output: CSV of COLUMNS, the broken ones first.
        settings: `scoring.confidence`.
        exact: CSVs `table, row, column, value, n` of numbers without error, which stand beside those of every rule.

    Raises:
        RescoreError: a file is damaged, or not in its form; everything together.
    """
    declared, confidence = read_controls(controls), settings["scoring"]["confidence"]
    known = [read_table(path).assign(estimate=None) for path in exact or []]
    numbers = {
        rule: pd.concat([table, *known], ignore_index=True) if known else table
        for rule, table in reproduced_numbers("", tables, [], estimates)
    }
    tests = tests_of(declared, numbers)
    lines = [
        line_of(entry, numbers_for(entry, numbers), [test for test in tests if test.control == entry["id"]], confidence)
        for entry in declared
    ]
    lines.sort(key=lambda line: RESULTS.index(line["result"]))
    write_table(output, pd.DataFrame(lines, columns=COLUMNS))


def numbers_for(entry: Mapping[str, Any], numbers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Our numbers under a control's selection rule; no rows where nothing was selected by it."""
    none = pd.DataFrame(columns=["table", "row", "column", "value", "n", "estimate"])
    return numbers.get(entry.get("selection", LAST), none)


def line_of(
    entry: Mapping[str, Any], numbers: pd.DataFrame, tests: Sequence[Test], confidence: float
) -> dict[str, str]:
    """A control with its result and the numbers that decided."""
    form = next(name for name in FORMS if name in entry)
    if form == "equivalent":
        result, found = equivalent(tests, confidence)
    else:
        told = evaluate_estimates(entry[form], numbers, confidence)
        result = DECIDED[form].get(told, KEPT if form == "never" else UNDECIDED)
        found = f"{told}: {evaluate(entry[form], numbers).found}"
    said = {name: entry[name] for name in ("kind", "says", "why", "broken")}
    decided = {"selection": entry.get("selection", LAST), "result": result, "found": found}
    return {"control": entry["id"], **said, **decided, "cells": canonical_json(sorted(set(asked_cells(entry[form]))))}


def asked_cells(statement: Any) -> Iterator[tuple[str, str, str]]:
    """Table, row and column of the cells that a statement is about; empty where it takes all rows or all columns."""
    if isinstance(statement, Mapping) and "table" in statement:
        chosen = (
            [statement[name]] if name in statement else statement.get(f"{name}s", [""]) for name in ("row", "column")
        )
        yield from itertools.product([statement["table"]], *chosen)
    elif isinstance(statement, Mapping | list):
        for part in statement.values() if isinstance(statement, Mapping) else statement:
            yield from asked_cells(part)


def equivalence(estimate: Estimate, within: float) -> float:
    """p of the two one-sided t tests of an estimate lying closer to 0 than `within`, over new samples and new trainings; NaN
    where its spread is unknown.

    Args:
        estimate: a correlation, or an average of some.
        within: as a correlation, whatever the estimate's unit.
    """
    if (found := spread(estimate)) is None:
        return float("nan")
    bound, error = SCALES[estimate.scale].forward(within), np.sqrt(found.variance)
    above = student_t.sf((found.mean + bound) / error, found.variance_degrees)
    below = student_t.cdf((found.mean - bound) / error, found.variance_degrees)
    return float(max(above, below))


def tests_of(declared: Sequence[Mapping[str, Any]], numbers: Mapping[str, pd.DataFrame]) -> list[Test]:
    """Every cell that a file says to be equivalent to 0: one family of tests, their p adjusted for each other. Cells that are
    missing are none."""
    found = [
        Test(entry["id"], f"{row} / {column}", estimate, within, equivalence(estimate, within))
        for entry in declared
        if "equivalent" in entry
        for within in [entry["equivalent"]["within"]]
        for row, column, estimate in cells_of(entry, numbers_for(entry, numbers))
    ]
    return [replace(test, p=float(p)) for test, p in zip(found, holm([test.p for test in found]), strict=True)]


def cells_of(entry: Mapping[str, Any], numbers: pd.DataFrame) -> list[tuple[str, str, Estimate]]:
    """Row, column and estimate of each cell of an equivalence; none where one is missing."""
    try:
        chosen = select(entry["equivalent"]["cells"], numbers)
    except Undecided:
        return []
    cells = list(zip(chosen["row"], chosen["column"], chosen["estimate"], strict=True))
    return cells if all(isinstance(estimate, Estimate) for _, _, estimate in cells) else []


def equivalent(tests: Sequence[Test], confidence: float) -> tuple[str, str]:
    """What the tests of a control make of it, and the numbers that decided."""
    if not tests:
        return UNDECIDED, "a number that it needs is missing"
    found = "; ".join(test.described(confidence) for test in tests)
    if any(test.outside(confidence) for test in tests):
        return BROKEN, found
    return (KEPT if all(test.p < 1 - confidence for test in tests) else UNDECIDED), found


def counts(table: pd.DataFrame) -> dict[str, int]:
    """How many controls have each result, in the order of RESULTS."""
    return {result: int((table["result"] == result).sum()) for result in RESULTS}


def in_words(table: pd.DataFrame) -> str:
    """The line that ends a run: how many hold, and which do not."""
    found = counts(table)
    said = f"controls: {found[KEPT]} of {len(table)} kept, {found[BROKEN]} broken, {found[UNDECIDED]} undecided"
    broken = table.loc[table["result"] == BROKEN, "control"]
    return said + (f" (broken: {', '.join(broken)})" if len(broken) else "")
