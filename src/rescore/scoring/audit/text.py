"""Numbers in the running text, in released code and in released files, against the tables and against each other.

The statements are those of claims.yaml and facts.yaml, evaluated by `scoring.claims`; averages have a family of their own.
"""

from collections.abc import Iterator

import pandas as pd

from rescore.scoring.audit.declared import Entry, Paper
from rescore.scoring.audit.findings import ERROR, NOTABLE, NOTE, Finding, listed, slug
from rescore.scoring.claims import evaluate

HARD = ("arithmetic", "label", "proportional", "bound", "all")
"""Kinds that compare numbers as they stand; the others weigh words."""


def check(paper: Paper, data: pd.DataFrame) -> Iterator[Finding]:
    """Every statement of a paper that its own numbers, or the released data, contradict, and a note that counts them.

    Args:
        data: counts of the released data as `table, row, column, value, n`; empty where it is not at hand.
    """
    numbers = pd.concat([paper.numbers, data], ignore_index=True)
    results: dict[str, list[str]] = {"holds": [], "does not hold": [], "undecided": []}
    for source, statements in (("claims", paper.claims), ("facts", paper.facts)):
        for entry in statements:
            # What was read off a table in words of ours, nobody has stated.
            if "aggregate" in entry["statement"] or "quote" not in entry:
                continue
            finding = evaluate(entry["statement"], numbers)
            results[finding.result].append(entry["id"])
            if finding.result == "does not hold":
                yield contradiction(paper, source, entry, finding.found)
    if any(results.values()):
        yield counted(paper, results)


def contradiction(paper: Paper, source: str, entry: Entry, found: str) -> Finding:
    reading, kind = entry.get("interpretation", ""), next(iter(entry["statement"]))
    hard = kind in HARD and not reading
    where = f"papers/{paper.name}/{source}.yaml, {entry['id']}"
    return Finding(
        id=f"text/{paper.name}/{slug(entry['id'])}",
        subject=f"{paper.name}, Sec. {entry['section']}"
        if entry["section"][0].isdigit()
        else f"{paper.name}, {entry['section']}",
        statement=f"“{entry['quote']}”" + (f", read as: {reading}" if reading else ""),
        stated=entry["quote"],
        found=found,
        severity=ERROR if hard else NOTABLE,
        evidence=where + (f"; tables {', '.join(entry['tables'])}" if entry["tables"] else ""),
        refutation="another reading of the words, under which the numbers fit" if reading else "numbers read wrongly",
    )


def counted(paper: Paper, results: dict[str, list[str]]) -> Finding:
    total = sum(map(len, results.values()))
    return Finding(
        id=f"text/{paper.name}",
        subject=paper.name,
        statement="the running text fits the tables and the released data",
        stated=f"{total} statements",
        found=f"{len(results['holds'])} hold, {len(results['does not hold'])} do not, {len(results['undecided'])} undecided",
        severity=NOTE,
        evidence=f"undecided: {listed(results['undecided'])}" if results["undecided"] else "",
        refutation="undecided statements need numbers that are not printed, or released data that is not at hand",
    )
