"""What the page shows of one results table: its lines with intervals to draw, its reasons once each, and its lineage."""

import itertools
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.reporting.cells import members_behind
from rescore.reporting.evidence import (
    Link,
    Place,
    Provenance,
    hash_problems,
    links,
    place_of,
    recorded,
    split_stem,
)
from rescore.reporting.tables import JUDGED, VERDICTS, layout, read_result, records, sample_counts
from rescore.reporting.wording import PROTOCOLS, is_synthetic, note
from rescore.scoring.papers import LAST, Paper, Table
from rescore.scoring.scores import INTERVALS

WIDTH = 124.0
"""Of a drawn interval, in pixels; its template knows it too."""
MARGIN = 7.0
Decided = Mapping[tuple[str, str, str], str]
"""Table, row and column (empty: all) -> what the controls that ask for these cells came to."""
CONTROLLED = (PROTOCOLS[LAST], PROTOCOLS[""])
"""Controls are asked of numbers that nothing was selected for."""
OFTEN = 3
"""A reason that so many lines have is said once below the table."""
PARAMETERS = 6000
"""Characters shown of a checkpoint's header; `rescore explain` prints all of it."""


def table_of(stem: str, papers: Mapping[str, Paper]) -> Table:
    """What is declared of a results table.

    Raises:
        RescoreError: no paper declares it.
    """
    paper, name = split_stem(stem, papers)
    if paper not in papers or name not in papers[paper].tables:
        known = [table.key for declared in papers.values() for table in declared.tables.values()]
        raise RescoreError(f"{stem}.csv: results tables are named <paper>_<table>.csv: {', '.join(known)}")
    return papers[paper].tables[name]


def short(title: str, papers: Mapping[str, Paper]) -> str:
    """`Table 4` of `MTL-AQA, Table 4: one task against several`."""
    start, names = title.partition(":")[0], [paper.short for paper in papers.values()]
    return next((start.removeprefix(f"{name}, ") for name in names if start.startswith(name)), start)


def value_of(text: str) -> float:
    """A printed number; NaN for words, ranges and empty cells."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def ticks(low: float, high: float) -> list[float]:
    """At most nine round numbers from `low` to `high`."""
    span = high - low
    step = next(
        step for step in (10.0**power * unit for power in range(-4, 7) for unit in (1, 2, 5)) if span / step <= 8
    )
    return [round(step * i, 6) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def place_in(value: float, span: tuple[float, float]) -> float | None:
    """Where a value is drawn, in pixels; None for NaN."""
    if math.isnan(value):
        return None
    share = (value - span[0]) / (span[1] - span[0]) if span[1] > span[0] else 0.5
    return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)


def spans(lines: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """The ends of each column's axis: one for all columns whose numbers have one magnitude (shares of 1, percentages)."""
    extent: dict[str, tuple[float, float]] = {}
    for line in lines:
        numbers = [value_of(line[name]) for name in ("reported", "reproduced", *INTERVALS)]
        known = [number for number in numbers if not math.isnan(number)]
        if known:
            low, high = extent.get(line["column"], (math.inf, -math.inf))
            extent[line["column"]] = (min(low, *known), max(high, *known))
    small = [end for end in extent.values() if max(map(abs, end)) <= 1]
    large = [end for end in extent.values() if max(map(abs, end)) > 1]
    shared = {id(group): widened(group) for group in (small, large) if group}
    return {column: shared[id(small if max(map(abs, end)) <= 1 else large)] for column, end in extent.items()}


def widened(ends: list[tuple[float, float]]) -> tuple[float, float]:
    """Ends that hold all the given ones, rounded outwards to ticks."""
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if low == high:
        low, high = low - 0.5, high + 0.5
    inner = ticks(low, high)
    step = inner[1] - inner[0] if len(inner) > 1 else high - low
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def marks(line: dict[str, Any], span: tuple[float, float]) -> dict[str, float | None]:
    """Where a line's numbers are drawn: both intervals, ours, the reported one, and zero where it is within."""
    named = {"ours": "reproduced", "said": "reported"} | dict(zip(INTERVALS, INTERVALS, strict=True))
    found = {name: place_in(value_of(line[column]), span) for name, column in named.items()}
    return found | {"zero": place_in(0.0, span) if span[0] <= 0 <= span[1] else None}


def difference(line: dict[str, Any]) -> str:
    """Reproduced less reported, exactly as printed, of a number that was judged; empty for others."""
    if line["verdict"] not in JUDGED or math.isnan(value_of(line["reported"]) + value_of(line["reproduced"])):
        return ""
    return f"{Decimal(line['reproduced']) - Decimal(line['reported']):+}"


def protocol_title(protocol: str) -> str:
    """`last iteration`, a word or two beside a column's name; empty where nothing was chosen."""
    title = "" if protocol == "" else PROTOCOLS.get(protocol, protocol.replace("_", " "))
    title = title.removeprefix("ours, ").removesuffix(" data").replace("iteration on", "on")
    return title.replace("inside the training set", "in training")


def reasons_of(result: pd.DataFrame) -> list[dict[str, Any]]:
    """Verdict, reason and count of what several lines have in common, in order of appearance."""
    counted = result.groupby(["verdict", "reason"], sort=False).size().reset_index(name="count")
    return records(counted[(counted["count"] >= OFTEN) & (counted["reason"] != "")])


NO_LINEAGE: dict[str, Any] = {"members": [], "command": ""}


def lineage(path: Path, place: Place, line: Mapping[str, Any]) -> dict[str, Any]:
    """The members behind a cell, and the command that prints the whole chain."""
    members = members_behind(place, line["row"], line["column"]) if line["reproduced"] else []
    command = f'rescore explain {shown_path(path)} --cell "{line["row"]}" "{line["column"]}"'
    return {"members": members, "command": command}


def table_section(
    path: Path,
    papers: Mapping[str, Paper],
    settings: dict[str, Any],
    provenance: Provenance,
    with_runs: bool,
    decided: Decided,
) -> dict[str, Any]:
    """What the template shows of one results table.

    Args:
        path: results table.
        papers: what is declared.
        settings: `scale`, `sources`, `scoring`.
        provenance: what steps recorded.
        with_runs: whether the files behind the table are at hand (results and runs in one tree).
        decided: what the controls came to, where there are any.
    """
    result, table = read_result(path), table_of(path.stem, papers)
    lines, reasons = records(result), reasons_of(result)
    numbered = {(reason["verdict"], reason["reason"]): number for number, reason in enumerate(reasons, 1)}
    axes = {} if table.characteristics else spans(lines)
    place = place_of(path, papers) if with_runs else None
    # The lineage stands once a cell, in its first line with a number: the page is as large as it may be.
    leading = {(line["row"], line["column"]): line for line in reversed(lines)}
    leading |= {(line["row"], line["column"]): line for line in reversed(lines) if line["reproduced"]}
    shown = [
        {
            **line,
            "protocol": protocol_title(line["protocol"]),
            "marks": marks(line, axes[line["column"]]) if line["column"] in axes else marks(line, (0.0, 1.0)),
            "difference": difference(line),
            "footnote": numbered.get((line["verdict"], line["reason"])),
            **(lineage(path, place, line) if place and line is leading[line["row"], line["column"]] else NO_LINEAGE),
        }
        for line in lines
    ]
    chain = links(place, provenance) if place else []
    return {
        "id": path.stem,
        "paper": table.paper,
        "synthetic": is_synthetic(settings, table.videos),
        "title": table.title,
        "short": short(table.title, papers),
        "note": note(table, list(result["row"]), settings),
        "lines": shown,
        "bars": bool(axes) and any(line["low"] for line in lines),
        "axis": axis_of(axes),
        "differences": any(line["difference"] for line in shown),
        "seeds": any(line["seeds"] for line in lines),
        "protocols": [(word, word) for word in dict.fromkeys(line["protocol"] for line in shown if line["protocol"])],
        "verdicts": [(word, word) for word in VERDICTS if (result["verdict"] == word).any()],
        "reasons": reasons,
        **matrix_of(result, table, decided),
        "links": chain,
        "back": [link_view(link) for link in chain],
        "problems": hash_problems(chain, provenance),
    }


def shown_path(path: Path) -> str:
    """results/<scale>/tables/<name>.csv, as from the root."""
    return "/".join(path.absolute().parts[-4:])


def axis_of(axes: dict[str, tuple[float, float]]) -> list[tuple[float | None, str]]:
    """Place and text of the ends, and of zero, on the axis that all columns share; empty where they share none."""
    if len(set(axes.values())) != 1:
        return []
    low, high = next(iter(axes.values()))
    inner = [0.0] if low < 0 < high and min(-low, high) > 0.15 * (high - low) else []
    return [(place_in(value, (low, high)), f"{value:g}") for value in (low, *inner, high)]


def matrix_of(result: pd.DataFrame, table: Table, decided: Decided) -> dict[str, Any]:
    """The table as the paper lays it out: columns with their numbers of samples, and rows with a line for each of us.

    A cell of ours has the verdict that it earned, or what the control that it is asked for came to.
    """
    columns, lines = layout(result)
    counts = [(column, sample_counts(result[result["column"] == column])) for column in columns]
    earned = {
        (line["row"], PROTOCOLS[line["protocol"]], line["column"]): line["verdict"]
        for line in records(result)
        if line["verdict"] in JUDGED
    }

    def word(row: str, whose: str, column: str) -> str:
        if whose == "reported":
            return ""
        asked = [(table.key, row, column), (table.key, row, ""), (table.key, "", column)]
        controls = (decided[cell] for cell in asked if cell in decided and whose in CONTROLLED)
        return earned.get((row, whose, column)) or next(controls, "")

    def shown(row: str, whose: str, cells: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        return {column: (text, word(row, whose, column)) for column, text in cells.items()}

    groups = [
        (row, [(whose, shown(row, whose, cells)) for _, whose, cells in group])
        for row, group in itertools.groupby(lines, key=lambda line: line[0])
    ]
    return {"columns": counts, "groups": groups}


def link_view(link: Link) -> dict[str, Any]:
    """What the page shows of a file behind a table."""
    long = {name for name, value in link.facts.items() if isinstance(value, dict | list) or name.endswith("sha256")}
    plain = {name: value for name, value in link.facts.items() if name not in long and value != ""}
    if isinstance(seeds := link.facts.get("seeds"), list):
        plain["seeds"], long = len(seeds), long - {"seeds"}
    return {
        "what": link.what,
        "path": link.path,
        "sha256": link.sha256,
        "summary": "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain.items()),
        "details": readable({name: link.facts[name] for name in sorted(long)}),
        "rule": link.rule,
        "log": link.log,
        "seconds": recorded(link.record).get("run time", ""),
    }


def readable(facts: dict[str, Any]) -> str:
    """Facts as indented JSON with lists on one line, cut where they are long; empty for none."""
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) if facts else ""
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    return text if len(text) <= PARAMETERS else text[:PARAMETERS] + "\n… (rescore explain prints all)"
