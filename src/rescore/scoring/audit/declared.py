"""papers/<paper>/aggregates.yaml: which printed cells follow from which others, read and checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.scoring.claims import read_claims, reported_numbers
from rescore.scoring.comparisons import read_comparisons
from rescore.scoring.declarations import NAMES, TEXT, Entry, mapping, read_declarations

FILES = ("claims.yaml", "facts.yaml", "aggregates.yaml", "comparisons.yaml")
RULES = ("arithmetic_mean", "fisher_z")
CELL = {"type": "array", "items": TEXT, "minItems": 3, "maxItems": 3}
WORDS = {"type": "object", "additionalProperties": TEXT}
SECTIONS = {
    "averages": mapping(
        {"id": TEXT, "table": TEXT, "rows": NAMES, "columns": NAMES, "into": TEXT},
        {"stated": {"enum": list(RULES)}, "quote": TEXT, "section": TEXT},
    ),
    "repeats": mapping({"id": TEXT, "cells": {"type": "array", "items": CELL, "minItems": 2}}),
    "shares": mapping({"id": TEXT, "table": TEXT, "rows": NAMES, "columns": NAMES}),
    "examples": mapping({"id": TEXT, "table": TEXT, "rows": NAMES, "score": TEXT, "classes": WORDS, "labels": WORDS}),
    "results": mapping({"split": TEXT, "cell": CELL}, {"scale": {"type": "number", "exclusiveMinimum": 0}}),
}
SCHEMA = mapping({}, {name: {"type": "array", "items": item} for name, item in SECTIONS.items()})


@dataclass(frozen=True)
class Paper:
    name: str
    """Directory under papers/."""
    numbers: pd.DataFrame
    """table, row, column, value (as printed), n."""
    claims: tuple[Entry, ...]
    facts: tuple[Entry, ...]
    comparisons: tuple[Entry, ...]
    aggregates: dict[str, list[Entry]]
    """Section of aggregates.yaml -> its entries; every section is there."""


def read_papers(papers: Path) -> list[Paper]:
    """Every directory under `papers` that declares facts, by name.

    Raises:
        RescoreError: none does, or a file is not what it should be.
    """
    folders = sorted(path for path in papers.glob("*") if any((path / file).exists() for file in FILES))
    if not folders:
        raise RescoreError(f"{papers}: no paper with {', '.join(FILES)}. Run in the repository's root.")
    return [read_paper(folder) for folder in folders]


def read_paper(folder: Path) -> Paper:
    def entries(file: str, read: Any) -> tuple[Entry, ...]:
        return tuple(read(folder / file)) if (folder / file).exists() else ()

    path = folder / "aggregates.yaml"
    return Paper(
        name=folder.name,
        numbers=reported_numbers(folder),
        claims=entries("claims.yaml", read_claims),
        facts=entries("facts.yaml", read_claims),
        comparisons=entries("comparisons.yaml", read_comparisons),
        aggregates=read_aggregates(path) if path.exists() else {name: [] for name in SECTIONS},
    )


def read_aggregates(path: Path) -> dict[str, list[Entry]]:
    """The sections of aggregates.yaml.

    Raises:
        RescoreError: not YAML, or not in the form of SCHEMA.
    """
    content = read_declarations(path, SCHEMA, "facts", "rescore.scoring.audit.declared")
    return {name: content.get(name, []) for name in SECTIONS}


def cells(paper: Paper, table: str, rows: Any, columns: Any) -> Iterator[pd.DataFrame]:
    """The named cells of a table, a frame a row; what the table leaves empty has no line."""
    found = paper.numbers[paper.numbers["table"] == table]
    wanted = list(dict.fromkeys(found["row"])) if rows == "all" else rows
    for row in wanted:
        line = found[found["row"] == row]
        yield line if columns == "all" else line.set_index("column").reindex(columns).dropna().reset_index()


def printed(paper: Paper, table: str, row: str, column: str) -> str | None:
    """A cell's text, or None where it is not printed."""
    numbers = paper.numbers
    found = numbers[(numbers["table"] == table) & (numbers["row"] == row) & (numbers["column"] == column)]
    return str(found["value"].iloc[0]) if len(found) else None


def unit_of(text: str) -> float:
    """The unit of a printed number's last digit: 0.01 of `7.25`."""
    return float(10.0 ** -len(text.partition(".")[2]))
