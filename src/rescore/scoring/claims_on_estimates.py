"""Claims on our own numbers: does a statement hold for new trainings and new samples, or could chance have made it so?

Every elementary comparison of a statement is decided by the confidence interval of a difference, or of a cell against a
number: it is told, told to be otherwise, or not told. The statement's own rule of counting (each, at least a share, exactly so
many) is then applied to what is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rescore.scoring.correlation import Estimate, Trained, arithmetic_mean, combine, difference
from rescore.scoring.estimates import NONE, against_zero, intervals_of, variance_of

HOLDS, FAILS, CANNOT_TELL = "holds", "does not hold", "cannot be told from chance"
UNKNOWN = Estimate(np.nan, 0, np.full(1, np.nan), np.zeros(0, dtype=object), np.zeros((1, 0)), Trained((0,)))
"""In the place of an estimate that is not at hand: nothing can be told of it."""
Quantity = Estimate | float
Told = bool | None
"""None: chance could have made it either way."""
ABOVE = {"greater": 1, "at_least": 1, "less": -1, "at_most": -1}
"""On which side of the right one the left one is said to be; that they are equal has no probability."""


def quantities(cells: dict[str, Any], chosen: Callable[[dict[str, Any]], pd.DataFrame]) -> list[Quantity]:
    """The selected cells, or what is computed from them: estimates where they are known, else exact numbers.

    Args:
        cells: as a statement selects them.
        chosen: the lines (`value`, `estimate`) of a selection of cells.
    """
    if "difference" in cells:
        left, right = paired(*(quantities(part, chosen) for part in cells["difference"]))
        return [less(a, b) for a, b in zip(left, right, strict=True)]
    if "mean" in cells:
        return [together(quantities(cells["mean"], chosen), arithmetic_mean)]
    if "maximum" in cells:
        return [together(quantities(cells["maximum"], chosen), lambda values: values.max(axis=-1))]
    lines = chosen(cells)
    return [
        estimate if isinstance(estimate, Estimate) else float(value)
        for value, estimate in zip(lines["value"], lines["estimate"], strict=True)
    ]


def paired(left: Sequence[Quantity], right: Sequence[Quantity]) -> tuple[list[Quantity], list[Quantity]]:
    """Both at one length; one stands against many."""
    length = max(len(left), len(right))
    return list(left) * (length // len(left)), list(right) * (length // len(right))


def less(left: Quantity, right: Quantity) -> Quantity:
    """A difference; of an estimate and an exact number, the estimate moved by it."""
    if isinstance(left, Estimate) and isinstance(right, Estimate):
        return difference(left, right)
    if isinstance(left, Estimate):
        return combine([plainly(left)], lambda values: values[..., 0] - right)
    if isinstance(right, Estimate):
        return combine([plainly(right)], lambda values: left - values[..., 0])
    return left - right


def plainly(estimate: Estimate) -> Estimate:
    """An estimate on the scale of its own unit, where it may be added to other numbers."""
    return replace(estimate, scale="identity", unit=1.0)


def together(parts: Sequence[Quantity], function: Callable[[np.ndarray], np.ndarray]) -> Quantity:
    """A function of several: an estimate where all are, else of their numbers."""
    known = [part for part in parts if isinstance(part, Estimate)]
    if len(known) == len(parts):
        return combine(known, function)
    return float(function(np.array([part.value if isinstance(part, Estimate) else part for part in parts])))


def told(left: Quantity, relation: str, right: Quantity, confidence: float) -> Told:
    """Whether a relation of two quantities is told by the confidence interval of their difference."""
    if not isinstance(left, Estimate) and not isinstance(right, Estimate):
        sign = float(np.sign(left - right)) * ABOVE[relation]
        return sign > 0 or (sign == 0 and relation.startswith("at_"))
    if isinstance(left, Estimate) and isinstance(right, Estimate):
        return beyond(difference(left, right), 0.0, ABOVE[relation], confidence)
    if isinstance(left, Estimate):
        return beyond(left, float(right), ABOVE[relation], confidence)  # type: ignore[arg-type]
    return beyond(right, left, -ABOVE[relation], confidence)  # type: ignore[arg-type]


def beyond(estimate: Estimate, bound: float, side: int, confidence: float) -> Told:
    """Whether an estimate is told to lie above (side 1) or below (-1) a number."""
    low, high = intervals_of(estimate, confidence).confidence
    if variance_of(estimate) == NONE or not np.isfinite([low, high]).all() or low <= bound <= high:
        return None
    return (low > bound) == (side > 0)


def within(quantity: Quantity, value: float, tolerance: float, confidence: float) -> Told:
    """Whether a quantity is told to be a number to within a tolerance."""
    if not isinstance(quantity, Estimate):
        return abs(quantity - value) <= tolerance
    low, high = intervals_of(quantity, confidence).confidence
    if variance_of(quantity) == NONE or not np.isfinite([low, high]).all():
        return None
    if low > value + tolerance or high < value - tolerance:
        return False
    return True if value - tolerance <= low and high <= value + tolerance else None


def counted(found: Sequence[Told], statement: dict[str, Any]) -> str:
    """What follows from elementary comparisons by the statement's rule: exactly `count` of them, at least a share, or each."""
    sure, possible = sum(part is True for part in found), sum(part is not False for part in found)
    if "count" in statement:
        wanted = statement["count"]
        if not sure <= wanted <= possible:
            return FAILS
        return HOLDS if sure == possible == wanted else CANNOT_TELL
    needed = statement.get("at_least", 1) * len(found)
    return HOLDS if sure >= needed else CANNOT_TELL if possible >= needed else FAILS


def compared(statement: dict[str, Any], chosen: Callable[[dict[str, Any]], pd.DataFrame], confidence: float) -> str:
    left, right = paired(*(quantities(statement[side], chosen) for side in ("left", "right")))
    return counted([told(a, statement["relation"], b, confidence) for a, b in zip(left, right, strict=True)], statement)


def bounded(statement: dict[str, Any], chosen: Callable[[dict[str, Any]], pd.DataFrame], confidence: float) -> str:
    found, relation, value = quantities(statement["cells"], chosen), statement["relation"], float(statement["value"])
    measure = statement.get("measure", "value")
    if measure == "absolute":
        return counted([size_told(part, relation, value, confidence) for part in found], statement)
    if measure == "row_minimum":
        rows = chosen(statement["cells"])["row"]
        groups = [[part for part, of in zip(found, rows, strict=True) if of == row] for row in dict.fromkeys(rows)]
        return counted([minimum_told(group, relation, value, confidence) for group in groups], statement)
    return counted([told(part, relation, value, confidence) for part in found], statement)


def size_told(quantity: Quantity, relation: str, value: float, confidence: float) -> Told:
    """Whether the absolute value of a quantity is told to be above or below a number."""
    inside = within(quantity, 0.0, value, confidence)
    return inside if inside is None or ABOVE[relation] < 0 else not inside


def minimum_told(group: Sequence[Quantity], relation: str, value: float, confidence: float) -> Told:
    """Whether the least of several is told to be above or below a number: each of them above it, or one below."""
    found = [told(part, relation, value, confidence) for part in group]
    if ABOVE[relation] < 0:
        return True if True in found else None if None in found else False
    return False if False in found else None if None in found else True


def computed(
    statement: dict[str, Any], chosen: Callable[[dict[str, Any]], pd.DataFrame], confidence: float
) -> str | None:
    """A sum, or a difference of two, of cells; None where it has another form, which numbers alone decide."""
    operation, value = statement["operation"], float(statement["value"])
    if operation not in ("sum", "difference"):
        return None  # and its cells may be words
    operands = [
        part
        for operand in statement["operands"]
        for part in (quantities(operand, chosen) if isinstance(operand, dict) else [float(operand)])
    ]
    if operation == "sum" and len(operands) == 1:
        result = operands[0]
    elif operation == "difference" and len(operands) == 2:
        result = less(operands[0], operands[1])
    else:
        return None
    if "relation" in statement:
        return counted([told(result, statement["relation"], value, confidence)], {})
    return counted([within(result, value, statement.get("tolerance", 0) + 1e-9, confidence)], {})


def significant(statement: dict[str, Any], chosen: Callable[[dict[str, Any]], pd.DataFrame], confidence: float) -> str:
    """Whether correlations are told from 0 at the statement's own level, for new trainings too."""
    found = quantities(statement["cells"], chosen)
    p = [against_zero(part)[1] if isinstance(part, Estimate) else np.nan for part in found]
    return HOLDS if all(value < statement["level"] for value in p) else CANNOT_TELL


DECIDED: dict[str, Callable[..., str | None]] = {
    "compare": compared,
    "bound": bounded,
    "arithmetic": computed,
    "significant": significant,
}
"""Kinds of statements that chance may have made hold; numbers alone decide the others."""
