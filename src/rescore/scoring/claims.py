"""The papers' claims about their own numbers, as statements that a program can check.

A statement is one small mapping; its one key is the kind. Cells are selected by `{table, rows | row, columns | column}`, in
the table's own order (`all` selects every one), as the product of rows and columns. In comparisons and arithmetic,
`{difference: [left, right]}` (pair by pair), `{mean: ...}` and `{maximum: ...}` of cells, or of one another, stand for cells.

    compare {left, right, relation, count | at_least}: pair by pair; one cell against many is allowed
    bound {cells, measure, relation, value, at_least}: each cell, its absolute value or its row's minimum, against a number
    arithmetic {operation, operands, relation, value, tolerance}: sum, product, difference, whole quotient or count of numbers
        and cells
    aggregate {table, row, columns, into, rule, tolerance}: a printed average recomputed by a rule
    label {cells, equals}: words
    significant {cells, level, scale}: two-sided t test of a correlation at the cell's n; scale 100 for percent
    proportional {left, right, tolerance}: two lists of numbers
    all [statements]: every one holds
    unchecked reason: a claim that the paper's numbers cannot decide

On the papers' own printed numbers a statement is checked as it stands. On ours it holds or not where the confidence intervals of
differences say so, and else cannot be told from chance (scoring.claims_on_estimates); what the numbers alone say stands beside
it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table, write_table
from rescore.scoring.claims_on_estimates import CANNOT_TELL, DECIDED, UNKNOWN
from rescore.scoring.correlation import arithmetic_mean, fisher_z_average
from rescore.scoring.declarations import CELLS, NAMES, SHARE, TEXT, mapping, read_declarations
from rescore.scoring.estimates import read_estimates
from rescore.scoring.reported import read_reported

Statement = dict[str, Any]
UNDECIDED = "undecided"
RESULTS = ("holds", "does not hold", CANNOT_TELL, UNDECIDED)
"""Of a claim; `undecided` where a number it needs is missing."""
REPORTED = "reported"
COLUMNS = [
    *("id", "section", "tables", "quote", "interpretation", "statement", "source", "result", "plain", "found"),
]
UNDER_EVERY_PROTOCOL = ("", "training_set")
"""Protocols of numbers that have no iteration to choose: they stand beside those of each other protocol."""

RELATIONS: dict[str, Callable[[float, float], bool]] = {
    "greater": lambda left, right: left > right,
    "less": lambda left, right: left < right,
    "at_least": lambda left, right: left >= right,
    "at_most": lambda left, right: left <= right,
}
OPERATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": lambda numbers: float(np.sum(numbers)),
    "product": lambda numbers: float(np.prod(numbers)),
    "difference": lambda numbers: float(numbers[0] - np.sum(numbers[1:])),
    "whole_quotient": lambda numbers: float(numbers[0] // numbers[1]),
    "count": lambda numbers: float(len(numbers)),
}
RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fisher_z": fisher_z_average,
    "arithmetic_mean": arithmetic_mean,
}

QUANTITY = {"$ref": "#/$defs/quantity"}
NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2}
RELATION = {"enum": list(RELATIONS)}
KINDS: dict[str, Any] = {
    "compare": mapping(
        {"left": QUANTITY, "right": QUANTITY, "relation": RELATION}, {"count": {"type": "integer"}, "at_least": SHARE}
    ),
    "bound": mapping(
        {"cells": CELLS, "relation": RELATION, "value": {"type": "number"}},
        {"measure": {"enum": ["value", "absolute", "row_minimum"]}, "at_least": SHARE},
    ),
    "arithmetic": mapping(
        {
            "operation": {"enum": list(OPERATIONS)},
            "operands": {"type": "array", "items": {"anyOf": [{"type": "number"}, QUANTITY]}, "minItems": 1},
            "value": {"type": "number"},
        },
        {"relation": RELATION, "tolerance": {"type": "number", "minimum": 0}},
    ),
    "aggregate": mapping(
        {
            "table": {"type": "string"},
            "row": {"type": "string"},
            "columns": NAMES,
            "into": {"type": "string"},
            "rule": {"enum": list(RULES)},
        },
        {"tolerance": {"type": "number"}},
    ),
    "label": mapping({"cells": CELLS, "equals": {"type": "string"}}),
    "significant": mapping({"cells": CELLS, "level": SHARE}, {"scale": {"type": "number", "exclusiveMinimum": 0}}),
    "proportional": mapping({"left": NUMBERS, "right": NUMBERS, "tolerance": {"type": "number"}}),
    "all": {"type": "array", "items": {"$ref": "#/$defs/statement"}, "minItems": 1},
    "unchecked": {"type": "string"},
}
SCHEMA = {
    "$defs": {
        "statement": mapping({}, KINDS) | {"minProperties": 1, "maxProperties": 1},
        "quantity": {
            "anyOf": [
                CELLS,
                mapping({"difference": {"type": "array", "items": QUANTITY, "minItems": 2, "maxItems": 2}}),
                mapping({"mean": QUANTITY}),
                mapping({"maximum": QUANTITY}),
            ]
        },
    },
    "type": "array",
    "items": mapping(
        {
            "id": TEXT,
            "section": TEXT,
            "tables": {"type": "array", "items": TEXT},
            "statement": {"$ref": "#/$defs/statement"},
        },
        {"quote": TEXT, "interpretation": TEXT, "concerns": {"const": "reported"}},
    )
    # Where a paper's words are not at hand, what its table says is put in words of ours.
    | {"anyOf": [{"required": ["quote"]}, {"required": ["interpretation"]}]},
}


class Undecided(Exception):
    """The numbers at hand do not hold what a statement needs; the message says what is missing."""


@dataclass(frozen=True)
class Finding:
    result: str
    found: str
    """The numbers that decided, or what was missing."""


def read_claims(path: Path) -> list[dict[str, Any]]:
    """Read and check a file of claims.

    Raises:
        RescoreError: the file is missing, not YAML, two claims share an id, or a claim has not the form above; all together.
    """
    return list(read_declarations(path, SCHEMA, "claims", "rescore.scoring.claims"))


def select(cells: Statement, numbers: pd.DataFrame) -> pd.DataFrame:
    """The selected cells (table, row, column, value as text, n), rows first, in the order asked for.

    Raises:
        Undecided: a cell is missing.
    """
    table = numbers[numbers["table"] == cells["table"]]
    rows = list(dict.fromkeys(table["row"])) if cells["rows"] == "all" else cells["rows"]
    columns = list(dict.fromkeys(table["column"])) if cells["columns"] == "all" else cells["columns"]
    found = table.set_index(["row", "column"])
    wanted = [(row, column) for row in rows for column in columns]
    missing = [f"{row} / {column}" for row, column in wanted if (row, column) not in found.index]
    if missing or not wanted:
        raise Undecided(
            f"no {cells['table']}: {', '.join(missing[:3]) or 'no numbers'}" + (" ..." if len(missing) > 3 else "")
        )
    return found.loc[wanted].reset_index()


def values(cells: Statement, numbers: pd.DataFrame) -> np.ndarray:
    """The selected cells, or what is computed from them, as numbers (one dimension).

    Raises:
        Undecided: a cell is missing or holds no number, or a difference has no pairs.
    """
    if "difference" in cells:
        left, right = paired(*(values(part, numbers) for part in cells["difference"]))
        # Printed digits are decimal: equal differences of them must not differ by float noise.
        return np.round(left - right, 9)
    if "mean" in cells:
        return np.array([values(cells["mean"], numbers).mean()])
    if "maximum" in cells:
        return np.array([values(cells["maximum"], numbers).max()])
    selected = select(cells, numbers)
    result = pd.to_numeric(selected["value"], errors="coerce").to_numpy(dtype=float)
    if not np.isfinite(result).all():
        bad = selected[~np.isfinite(result)].iloc[0]
        raise Undecided(f"{cells['table']}: {bad['row']} / {bad['column']} holds no number")
    return result


def paired(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both at one length; one number stands against many."""
    if len(left) != len(right) and 1 not in (len(left), len(right)):
        raise Undecided(f"{len(left)} cells against {len(right)}: they cannot be paired")
    length = max(len(left), len(right))
    return np.broadcast_to(left, length), np.broadcast_to(right, length)


def decide(holds: bool, found: str) -> Finding:
    return Finding("holds" if holds else "does not hold", found)


def number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def check_compare(statement: Statement, numbers: pd.DataFrame) -> Finding:
    left, right = paired(values(statement["left"], numbers), values(statement["right"], numbers))
    kept = [RELATIONS[statement["relation"]](a, b) for a, b in zip(left, right, strict=True)]
    pairs = ", ".join(f"{number(a)} : {number(b)}" for a, b in zip(left, right, strict=True))
    found = f"{statement['relation'].replace('_', ' ')} in {sum(kept)} of {len(kept)} ({pairs})"
    if "count" in statement:
        return decide(sum(kept) == statement["count"], found)
    return decide(sum(kept) >= statement.get("at_least", 1) * len(kept), found)


def check_bound(statement: Statement, numbers: pd.DataFrame) -> Finding:
    found = values(statement["cells"], numbers)
    measure = statement.get("measure", "value")
    if measure == "absolute":
        found = np.abs(found)
    elif measure == "row_minimum":
        found = pd.Series(found).groupby(select(statement["cells"], numbers)["row"], sort=False).min().to_numpy()
    kept = [RELATIONS[statement["relation"]](value, statement["value"]) for value in found]
    relation, shown = statement["relation"].replace("_", " "), ", ".join(map(number, found))
    text = f"{relation} {number(statement['value'])} in {sum(kept)} of {len(kept)} ({shown})"
    return decide(sum(kept) >= statement.get("at_least", 1) * len(kept), text)


def check_arithmetic(statement: Statement, numbers: pd.DataFrame) -> Finding:
    operands: list[float] = []
    for operand in statement["operands"]:
        if not isinstance(operand, dict):
            operands.append(float(operand))
        elif statement["operation"] == "count" and "table" in operand:
            operands += [np.nan] * len(select(operand, numbers))
        else:
            operands += values(operand, numbers).tolist()
    result, stated = OPERATIONS[statement["operation"]](operands), statement["value"]
    # The tolerance is half a unit of the last digit stated; float noise on top of it must not decide.
    close = abs(result - stated) <= statement.get("tolerance", 0) + 1e-9
    holds = RELATIONS[statement["relation"]](result, stated) if "relation" in statement else close
    return decide(holds, f"{statement['operation'].replace('_', ' ')} is {number(result)}, stated {number(stated)}")


def check_aggregate(statement: Statement, numbers: pd.DataFrame) -> Finding:
    cells = {"table": statement["table"], "rows": [statement["row"]], "columns": statement["columns"]}
    printed = values(cells | {"columns": [statement["into"]]}, numbers)[0]
    parts = values(cells, numbers)
    result = float(RULES[statement["rule"]](parts))
    others = ", ".join(f"{rule.replace('_', ' ')} {number(float(function(parts)))}" for rule, function in RULES.items())
    return decide(abs(result - printed) <= statement.get("tolerance", 0) + 1e-9, f"printed {number(printed)}; {others}")


def check_label(statement: Statement, numbers: pd.DataFrame) -> Finding:
    words = [str(word) for word in select(statement["cells"], numbers)["value"]]
    return decide(all(word == statement["equals"] for word in words), ", ".join(words))


def check_significant(statement: Statement, numbers: pd.DataFrame) -> Finding:
    """t = rho sqrt((n - 2) / (1 - rho^2)) with n - 2 degrees of freedom (Kendall & Gibbons 1990, Sec. 4.14)."""
    rho = values(statement["cells"], numbers) / statement.get("scale", 1)
    if (np.abs(rho) >= 1).any():
        raise Undecided(
            f"{number(np.abs(rho).max())} is no correlation inside -1 to 1; is it a percentage without `scale`?"
        )
    n = pd.to_numeric(select(statement["cells"], numbers)["n"], errors="coerce").to_numpy(dtype=float)
    if not np.isfinite(n).all():
        raise Undecided("the number of samples behind the cell is unknown")
    p = np.asarray(2 * student_t.sf(np.abs(rho) * np.sqrt((n - 2) / (1 - rho**2)), n - 2))
    text = ", ".join(f"rho {number(r)}, n {int(m)}, p {number(q)}" for r, m, q in zip(rho, n, p, strict=True))
    return decide(bool((p < statement["level"]).all()), text)


def check_proportional(statement: Statement, numbers: pd.DataFrame) -> Finding:
    ratio = np.array(statement["right"]) / np.array(statement["left"])
    spread = ratio.max() / ratio.min() - 1
    return decide(bool(spread <= statement["tolerance"]), f"ratios {', '.join(map(number, ratio))}")


def check_all(statements: list[Statement], numbers: pd.DataFrame) -> Finding:
    findings = [evaluate(statement, numbers) for statement in statements]
    return Finding(worst([finding.result for finding in findings]), "; ".join(finding.found for finding in findings))


def worst(results: Sequence[str]) -> str:
    """The result of a claim whose parts must all hold."""
    return max(results, key=["holds", CANNOT_TELL, UNDECIDED, "does not hold"].index)


def check_unchecked(reason: str, numbers: pd.DataFrame) -> Finding:
    raise Undecided(reason)


CHECKS: dict[str, Callable[[Any, pd.DataFrame], Finding]] = {
    "compare": check_compare,
    "bound": check_bound,
    "arithmetic": check_arithmetic,
    "aggregate": check_aggregate,
    "label": check_label,
    "significant": check_significant,
    "proportional": check_proportional,
    "all": check_all,
    "unchecked": check_unchecked,
}


def evaluate(statement: Statement, numbers: pd.DataFrame) -> Finding:
    """Check a statement on a long table of numbers.

    Args:
        statement: one key, the kind, as the module describes.
        numbers: columns table, row, column, value (text or number), n.

    Returns:
        Whether it holds, with the numbers found; `undecided` where a number is missing.
    """
    kind, content = next(iter(statement.items()))
    try:
        return CHECKS[kind](content, numbers)
    except Undecided as reason:
        return Finding("undecided", str(reason))


def evaluate_estimates(statement: Statement, numbers: pd.DataFrame, confidence: float) -> str:
    """Whether a statement holds of our numbers for new trainings and new samples.

    Args:
        statement: as `evaluate` takes it.
        numbers: with a column `estimate`, which is None where a number is exact.
        confidence: of the intervals.

    Returns:
        One of RESULTS.
    """
    kind, content = next(iter(statement.items()))
    if kind == "all":
        return worst([evaluate_estimates(part, numbers, confidence) for part in content])
    plain = evaluate(statement, numbers).result
    if kind not in DECIDED or plain == UNDECIDED:
        return plain
    return DECIDED[kind](content, lambda cells: select(cells, numbers), confidence) or plain


def reported_numbers(folder: Path) -> pd.DataFrame:
    """All reported tables of a paper's folder as one long table, values as printed."""
    paths = sorted((folder / "tables").glob("*.csv"))
    if not paths:
        raise RescoreError(f"{folder}/tables: no reported tables (*.csv)")
    return pd.concat([read_reported(path).assign(table=path.stem) for path in paths], ignore_index=True).fillna("")


def reproduced_numbers(
    paper: str, tables: Sequence[Path], curves: Sequence[Path], estimates: Sequence[Path] = ()
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Our numbers as long tables, one for each protocol, with the estimate behind each where it has one.

    Points of curves are columns `Diving 25 at 100`.
    """
    known = {
        (path.name.split(".")[0].removeprefix(f"{paper}_"), *key): estimate
        for path in estimates
        for key, estimate in read_estimates(path).items()
    }
    results = [
        pd.read_csv(path, dtype=str, keep_default_na=False).assign(table=path.stem.removeprefix(f"{paper}_"))
        for path in tables
    ]
    parts = [result.rename(columns={"reproduced": "value"}) for result in results]
    for path in curves:
        points = read_table(path)
        names = points["column"] + " at " + points["iteration"].astype(str)
        parts.append(points.assign(table=path.stem.removeprefix(f"{paper}_"), column=names, protocol=""))
    if not parts:
        return
    numbers = pd.concat(parts, ignore_index=True)
    keys = numbers[["table", "row", "column", "protocol"]].itertuples(index=False, name=None)
    repeated = numbers["seeds"].fillna("").astype(str) != "" if "seeds" in numbers else [False] * len(numbers)
    # A number that was trained for, and of which no estimate is at hand, is not an exact one.
    found = [known.get(key, UNKNOWN if scored else None) for key, scored in zip(keys, repeated, strict=True)]
    numbers["estimate"] = pd.Series(found, index=numbers.index, dtype=object)
    for protocol in sorted({*numbers["protocol"]} - {*UNDER_EVERY_PROTOCOL}):
        kept = numbers[numbers["protocol"].isin([protocol, *UNDER_EVERY_PROTOCOL])]
        yield protocol, kept.loc[kept["value"].astype(str) != "", ["table", "row", "column", "value", "n", "estimate"]]


def evaluate_claims(
    claims: Path,
    tables: list[Path],
    output: Path,
    settings: dict[str, Any],
    curves: list[Path] | None = None,
    estimates: list[Path] | None = None,
) -> None:
    """Evaluate every claim in the reported numbers themselves, and in ours by their confidence intervals.

    Args:
        claims: papers/<paper>/claims.yaml; the folder names the paper, and its `tables` has the reported numbers.
        tables: results tables (`<paper>_<table>.csv`); a missing cell leaves a claim undecided.
        output: CSV: id, section, tables, quote (empty where a claim is read off a table), interpretation, source (reported or a
            protocol), result, plain (what the numbers say as they stand), found.
        settings: `scoring.confidence`.
        curves: scores by iteration, `<paper>_<figure>.csv`.
        estimates: `<paper>_<table>.estimates.parquet` of the same tables and figures.
    """
    folder = claims.absolute().parent
    ours = reproduced_numbers(folder.name, tables, curves or [], estimates or [])
    sources, confidence = [(REPORTED, reported_numbers(folder)), *ours], settings["scoring"]["confidence"]
    rows = []
    for claim in read_claims(claims):
        for source, numbers in sources[:1] if claim.get("concerns") == "reported" else sources:
            finding, result = evaluate(claim["statement"], numbers), ""
            if source != REPORTED:
                result = evaluate_estimates(claim["statement"], numbers, confidence)
            rows.append(
                {
                    "id": claim["id"],
                    "section": claim["section"],
                    "tables": " ".join(claim["tables"]),
                    "quote": claim.get("quote", ""),
                    "interpretation": claim.get("interpretation", ""),
                    "statement": json.dumps(claim["statement"], sort_keys=True),
                    "source": source,
                    "result": result or finding.result,
                    "plain": finding.result,
                    "found": finding.found,
                }
            )
    write_table(output, pd.DataFrame(rows, columns=COLUMNS))
