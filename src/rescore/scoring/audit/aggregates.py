"""Printed cells that follow from other printed cells: averages, repeated numbers, shares of n samples.

Every average grows with each of its cells, so cells known to half a unit of their last digit bound it exactly: a rule is possible
where its bounds, rounded as printed, meet the printed average.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from rescore.scoring.audit.declared import Entry, Paper, cells, printed, unit_of
from rescore.scoring.audit.findings import ERROR, NOTE, Finding, listed, number, slug
from rescore.scoring.correlation import arithmetic_mean, fisher_z_average

Average = Callable[[np.ndarray, np.ndarray], float]
FLOAT_NOISE = 1e-9

RULES: dict[str, Average] = {
    "arithmetic_mean": lambda parts, n: float(arithmetic_mean(parts)),
    "fisher_z": lambda parts, n: float(fisher_z_average(parts)),
    "arithmetic_mean weighted by n": lambda parts, n: float(np.average(parts, weights=n)),
    "fisher_z weighted by n - 3": lambda parts, n: float(fisher_z_average(parts, n - 3)),
}


def check(paper: Paper) -> Iterator[Finding]:
    """Every declared average, repetition and share of a paper."""
    for entry in paper.aggregates["averages"]:
        yield from check_average(paper, entry)
    for entry in paper.aggregates["repeats"]:
        yield from check_repeat(paper, entry)
    for entry in paper.aggregates["shares"]:
        yield from check_share(paper, entry)


def check_average(paper: Paper, entry: Entry) -> Iterator[Finding]:
    """Which rule each printed average of a table follows, and a note that counts them."""
    stated, subject = entry.get("stated"), f"{paper.name} {entry['table']}"
    followed: dict[str, int] = {}
    rows = list(cells(paper, entry["table"], entry["rows"], "all"))
    for line in rows:
        row = str(line["row"].iloc[0])
        average = line[line["column"] == entry["into"]]
        parts = line[line["column"].isin(entry["columns"])]
        if average.empty or parts.empty:
            continue
        text = str(average["value"].iloc[0])
        results = candidates(parts, row)
        possible = [name for name, bounds in results.items() if meets(bounds, text)]
        kind = " or ".join(possible) or "no rule"
        followed[kind] = followed.get(kind, 0) + 1
        if stated is not None and stated not in possible:
            yield average_finding(paper, entry, row, text, results, possible)
        yield from check_total(subject, entry, row, parts, average)
    yield Finding(
        id=f"aggregates/{paper.name}/{slug(entry['id'])}",
        subject=subject,
        statement=f"the averages in column {entry['into']} follow a rule",
        stated=f"{stated} over all of {', '.join(entry['columns'])}" if stated else "no rule is known to be stated",
        found=listed(f"{count} of {len(rows)}: {kind}" for kind, count in sorted(followed.items())),
        severity=NOTE,
        evidence="each average recomputed from its row's printed cells, rounding of both allowed for",
        refutation="a cell read wrongly off the paper",
    )


def candidates(parts: pd.DataFrame, row: str) -> dict[str, tuple[float, float]]:
    """The bounds that each rule gives, over all cells and, where the row's own name is a column, without that diagonal cell."""
    kept = {"": parts}
    if row in set(parts["column"]):
        kept[", without the diagonal"] = parts[parts["column"] != row]
    return {name + how: bounds(RULES[name], part) for how, part in kept.items() for name in RULES if usable(name, part)}


def usable(name: str, parts: pd.DataFrame) -> bool:
    n = pd.to_numeric(parts["n"], errors="coerce")
    return "weighted" not in name or bool((n > 3).all() and n.nunique() > 1)


def bounds(rule: Average, parts: pd.DataFrame) -> tuple[float, float]:
    """What the rule gives for cells half a unit of their last digit lower, and higher."""
    values = parts["value"].astype(float).to_numpy()
    half = np.array([unit_of(text) / 2 for text in parts["value"]])
    n = pd.to_numeric(parts["n"], errors="coerce").to_numpy(float)
    return rule(values - half, n), rule(values + half, n)


def meets(limits: tuple[float, float], text: str) -> bool:
    """Whether some number within the limits is rounded to the printed text."""
    half = unit_of(text) / 2 + FLOAT_NOISE
    return limits[0] - half <= float(text) <= limits[1] + half


def average_finding(
    paper: Paper, entry: Entry, row: str, text: str, results: dict[str, tuple[float, float]], possible: list[str]
) -> Finding:
    stated = entry["stated"]
    return Finding(
        id=f"aggregates/{paper.name}/{slug(entry['id'], row)}",
        subject=f"{paper.name} {entry['table']}, {row}",
        statement=f"“{entry.get('quote', '')}” ({entry.get('section', '')})",
        stated=f"{text} by {stated}",
        found=f"{number(sum(results[stated]) / 2)} by {stated}; {text} follows from {' or '.join(possible) or 'no rule tried'}",
        severity=ERROR,
        evidence=listed(f"{name} {number(sum(limits) / 2)}" for name, limits in results.items()),
        refutation="cells read wrongly off the paper, or an averaging by the stated rule that gives the printed value",
    )


def check_total(subject: str, entry: Entry, row: str, parts: pd.DataFrame, average: pd.DataFrame) -> Iterator[Finding]:
    """The samples behind an average are those of its cells, where all are known."""
    total, n = (pd.to_numeric(side["n"], errors="coerce") for side in (average, parts))
    if total.notna().all() and n.notna().all() and int(total.iloc[0]) != int(n.sum()):
        yield Finding(
            id=f"aggregates/{slug(subject)}/{slug(entry['id'], row, 'samples')}",
            subject=f"{subject}, {row}",
            statement="the samples behind an average are those of its cells together",
            stated=str(int(total.iloc[0])),
            found=str(int(n.sum())),
            severity=ERROR,
            evidence=", ".join(f"{column} {int(count)}" for column, count in zip(parts["column"], n, strict=True)),
            refutation="sample counts read wrongly",
        )


def check_repeat(paper: Paper, entry: Entry) -> Iterator[Finding]:
    """One quantity, printed in several places."""
    values = {" / ".join(cell): printed(paper, *cell) for cell in entry["cells"]}
    known = {name: float(text) for name, text in values.items() if text is not None}
    same = len(set(known.values())) <= 1 and len(known) == len(values)
    yield Finding(
        id=f"aggregates/{paper.name}/repeat_{slug(entry['id'])}",
        subject=f"{paper.name}, {', '.join(dict.fromkeys(cell[0] for cell in entry['cells']))}",
        statement="one quantity is printed alike wherever it stands",
        stated=str(next(iter(values.values()))),
        found=listed(f"{name}: {text if text is not None else 'not printed'}" for name, text in values.items()),
        severity=NOTE if same else ERROR,
        evidence=f"{len(known)} places",
        refutation="the places print different quantities, or a cell is read wrongly",
    )


def check_share(paper: Paper, entry: Entry) -> Iterator[Finding]:
    """A percentage of n samples is a whole number of them (the GRIM test: Brown & Heathers 2017)."""
    impossible, count = [], 0
    for line in cells(paper, entry["table"], entry["rows"], entry["columns"]):
        for text, n, row, column in line[["value", "n", "row", "column"]].itertuples(index=False):
            nearest = round(float(text) / 100 * int(n))
            count += 1
            if not meets((100 * nearest / int(n),) * 2, text):
                impossible.append(f"{row} / {column}: {text} lies between {nearest - 1} to {nearest + 1} of {n}")
    yield Finding(
        id=f"aggregates/{paper.name}/share_{slug(entry['id'])}",
        subject=f"{paper.name} {entry['table']}",
        statement="a percentage of n samples is a whole number of samples",
        stated=f"{count} percentages",
        found=f"{count - len(impossible)} of {count} are possible",
        severity=ERROR if impossible else NOTE,
        evidence=listed(impossible),
        refutation="another number of test samples, or averages over several trainings",
    )
