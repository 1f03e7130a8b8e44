"""What a check of the audit says, and the file that all checks write."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

ERROR, NOTABLE, NOTE = "error", "notable", "note"
SEVERITIES = (ERROR, NOTABLE, NOTE)
"""`error`: two printed or released statements contradict each other, so that at least one is wrong. `notable`: no contradiction
without a reading of words, but a result has to be read otherwise. `note`: what was checked, or could not be."""
COLUMNS = ("id", "subject", "statement", "stated", "found", "severity", "evidence", "refutation")


@dataclass(frozen=True)
class Finding:
    id: str
    """`family/paper or data set/name`, stable from run to run."""
    subject: str
    """The table, file or data set concerned."""
    statement: str
    """What is said, or should hold, in words."""
    stated: str
    found: str
    severity: str
    evidence: str
    refutation: str
    """What it would take to refute the finding; for a note, to make it say more."""


def as_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """The findings as text, the gravest first, then by id.

    Raises:
        ValueError: two findings share an id, or one has another severity than the three.
    """
    found = sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), finding.id))
    table = pd.DataFrame([dataclasses.asdict(finding) for finding in found], columns=list(COLUMNS), dtype=object)
    doubled = table.loc[table["id"].duplicated(), "id"].tolist()
    if doubled:
        raise ValueError(f"findings that share an id: {', '.join(doubled)}")
    return table


def number(value: float, digits: int = 4) -> str:
    """A number for reading: at most so many decimals, no trailing zeros; `undefined` for NaN."""
    text = f"{value:.{digits}f}"
    return "undefined" if value != value else text.rstrip("0").rstrip(".") if "." in text else text


def listed(names: Iterable[object], limit: int = 40) -> str:
    """Names in order, `; `-separated, and how many more there are than `limit`."""
    words = [str(name) for name in names]
    more = [f"and {len(words) - limit} more"] if len(words) > limit else []
    return "; ".join([*words[:limit], *more])


def ordered(keys: Iterable[str]) -> Sequence[str]:
    """Each once, sorted."""
    return sorted(set(keys))


def records(table: pd.DataFrame) -> Iterator[Any]:
    """The rows, columns as attributes; what a column holds, its maker knows."""
    return iter(table.itertuples())


def slug(*parts: object) -> str:
    """Words of an id: lower case, underscores for whatever is no letter or digit."""
    text = "_".join(str(part) for part in parts).lower()
    words = "".join(character if character.isalnum() else " " for character in text).split()
    return "_".join(words)
