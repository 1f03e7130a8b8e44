"""`rescore explain`: the whole lineage of one number, from the table to the sources, as text."""

from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from rescore.engine.errors import RescoreError
from rescore.engine.parameters import nearest
from rescore.engine.storage import canonical_json, read_table, remedy_of_damaged
from rescore.reporting.cells import Seed, average_of, cannot_take, filled, mean_of, members_behind, seeds_behind
from rescore.reporting.evidence import (
    BESIDE,
    NOT_RECORDED,
    Link,
    Place,
    hash_problems,
    links,
    place_of,
    read_provenance,
    recorded,
    scores_path,
)
from rescore.reporting.table_view import table_of
from rescore.reporting.tables import read_result, records
from rescore.reporting.wording import PROTOCOLS
from rescore.scoring.estimates import FILE, NONE, NOTHING_TRAINED, TRAININGS
from rescore.scoring.papers import FOLDER, read_papers

AVERAGES = {"fisher_z_average": "Fisher's z average", "arithmetic_mean": "arithmetic mean"}
"""How a column averages the cells of its row, by the rule's name in the scores."""
WRONG = "WRONG:"
"""Above what the hashes contradict."""
INTERVALS = ("low", "high", "prediction_low", "prediction_high", "variance")
LINE = ("row", "column", "protocol", "reported", "reproduced", *INTERVALS, "n", "seeds", "verdict", "reason")
"""Columns that a cell's account is made from."""


def choose(result: pd.DataFrame, table: Path, row: str, column: str, protocol: str | None) -> list[dict[str, Any]]:
    """The table's lines of one cell, one a protocol.

    Raises:
        RescoreError: the table has no such cell; the nearest names are given.
    """
    if missing := [name for name in LINE if name not in result.columns]:
        raise RescoreError(
            f"{table}: no table of cells, without the columns {', '.join(missing)}. Tables are <paper>_<table>.csv beside it; "
            f"one that was changed: {remedy_of_damaged(table)}"
        )
    if row not in set(result["row"]):
        raise RescoreError(f"{table}: no row '{row}', {nearest(row, set(result['row']))}")
    mine = result[(result["row"] == row) & (result["column"] == column)]
    if mine.empty:
        columns = set(result.loc[result["row"] == row, "column"])
        raise RescoreError(f"{table}: row '{row}' has no column '{column}', {nearest(column, columns)}")
    if protocol is not None:
        known = set(mine["protocol"])
        mine = mine[mine["protocol"] == protocol]
        if mine.empty:
            valid = (
                nearest(protocol, known) if known - {""} else "it has none: nothing was chosen; leave --protocol out"
            )
            raise RescoreError(f"{table}: this cell has no selection rule '{protocol}', {valid}")
    return records(mine)


def line_of(path: Path | None, **wanted: str) -> str:
    """`PATH, line 12` of the first line of a CSV whose columns hold the wanted text; the path alone where none does."""
    if path is None or not path.is_file():
        return NOT_RECORDED
    table = read_result(path)
    mask = pd.Series(True, index=table.index)
    for name, value in wanted.items():
        mask &= table[name] == value if name in table.columns else True
    return f"{path}, line {list(mask).index(True) + 2}" if mask.any() else str(path)


def number_lines(place: Place, line: dict[str, Any]) -> list[str]:
    """What the table says of a cell under one protocol, and where its two sides stand."""
    cell = {"row": line["row"], "column": line["column"]}
    reported_file = place.root / FOLDER / place.paper / "tables" / f"{place.table}.csv"
    intervals = interval_lines(line)
    reported = f"{line['reported']}  ({shown(line_of(reported_file, **cell), place)})" if line["reported"] else "none"
    scores = line_of(scores_path(place), **cell, protocol=line["protocol"])
    seeds = f", {line['seeds']} seed{'s' * (line['seeds'] != '1')}" if line["seeds"] else ""
    rests = f"n = {line['n']}{seeds}"
    ours = f"{line['reproduced']}, {rests}  ({shown(scores, place)})" if line["reproduced"] else "none"
    return [
        f"  reported    {reported}",
        f"  reproduced  {ours}",
        *intervals,
        f"  verdict     {line['verdict']}: {line['reason']}",
    ]


WHOSE_VARIANCE = {
    TRAININGS: "variance over trainings from the trainings themselves",
    FILE: "one training; the variance over trainings is the family's, from a file",
    NONE: "over test samples only: one training was made, and nothing says how others would vary",
    NOTHING_TRAINED: "over test samples: nothing is trained again",
}


def interval_lines(line: dict[str, Any]) -> list[str]:
    """Both intervals of a cell, what each is for, and where the variance over trainings is from."""
    text = []
    if line["low"]:
        text.append(
            f"  confidence  [{line['low']}, {line['high']}], {WHOSE_VARIANCE.get(line['variance'], line['variance'])}"
        )
    if line["prediction_low"]:
        bounds = f"({line['prediction_low']}, {line['prediction_high']})"
        text.append(f"  prediction  {bounds}, one new training on these test samples; printed numbers are judged by it")
    return text


def shown(text: str, place: Place) -> str:
    """A path relative to the root."""
    return text.replace(f"{place.root}/", "")


def seed_lines(seeds: list[Seed], line: dict[str, Any], why_none: str, average: str = "") -> list[str]:
    """Every seed's iteration and number, taken from the predictions again, and whether the table's number follows from them.

    Args:
        seeds: of all cells behind the number.
        line: the table's.
        why_none: why there are no seeds, as far as it is known.
        average: the rule by which the number averages its cells; empty where it is one cell's.
    """
    if not seeds:
        reason = why_none or "not a mean over seeds that can be taken from predictions alone"
        return [f"  by seed     {NOT_RECORDED}: {reason}"]
    rows = [(seed.member, seed.what, seed.seed, seed.iteration, seed.n, f"{seed.value:.4f}") for seed in seeds]
    head = ["member", "scored on", "seed", "iteration", "n", seeds[0].measure]
    table = tabulate(rows, head, tablefmt="plain", disable_numparse=True)
    text = ["  from the predictions, just now:", *[f"    {part}" for part in table.splitlines()]]
    unit, count = seeds[0].unit, len({(seed.member, seed.what) for seed in seeds})
    if any(seed.sign < 0 for seed in seeds):
        what, value = "difference of the means over seeds", mean_of(seeds)
    elif count == 1:
        what, value = "mean over seeds", mean_of(seeds)
    else:
        what, value = (
            f"{AVERAGES.get(average, average)} of the {count} cells' means over seeds",
            average_of(seeds, average),
        )
    digits = len(line["reproduced"].partition(".")[2])
    found = f"{round(value * unit, 10):.{digits}f}"
    agrees = "as in the table" if found == line["reproduced"] else f"NOT what the table says: {line['reproduced']}"
    return [*text, f"    {what} {found}{' (in percent)' if unit == 100 else ''}, {agrees}"]


def fact_lines(facts: dict[str, Any], members: list[str]) -> list[str]:
    """A file's own facts, a line each; of a checkpoint's members those of the cell alone."""
    text = []
    for name, value in facts.items():
        if name == "members" and isinstance(value, dict):
            mine = {member: value[member] for member in members if member in value}
            value = f"{len(value)}" + "".join(f"; {member} with seeds {seeds}" for member, seeds in mine.items())
        elif isinstance(value, dict | list):
            value = canonical_json(value)
        text.append(f"     {name.replace('_', ' ')}: {value}")
    return text


def link_lines(number: int, link: Link, members: list[str]) -> list[str]:
    """One file of the chain: hash, facts, the rule that wrote it, its log and what the step recorded."""
    size = f"{link.bytes:,} bytes" if link.bytes is not None else ""
    step = [f"{name} {value}" for name, value in recorded(link.record).items()]
    made = [f"     rule: {link.rule or NOT_RECORDED}; log: {link.log or NOT_RECORDED}"]
    made += [f"     step: {'; '.join(step) if step else NOT_RECORDED}"]
    return [
        f"{number:3}. {link.what}: {link.path}",
        f"     {size}, sha256 {link.sha256 or f'{NOT_RECORDED} (a large file, not hashed to show it)'}",
        *fact_lines(link.facts, members),
        *(made if link.rule or link.log or step else [f"     rule, log and step: {NOT_RECORDED}"]),
    ]


def explain(
    table: Path,
    row: str,
    column: str,
    protocol: str | None = None,
    step_records: Path | None = None,
    lock: Path | None = None,
) -> str:
    """The whole chain of one cell as text.

    Args:
        table: results/<scale>/tables/<paper>_<table>.csv.
        row, column: of the cell, spelled as in the table.
        protocol: a selection rule; None: all that the cell has.
        step_records: folder of step records; None: runs/<scale>/records.
        lock: the provenance lock; None: workflow/provenance/<scale>.lock.jsonl.

    Raises:
        RescoreError: no such table, cell or selection rule, or a file of the chain is damaged.
    """
    place_of(table, {})  # refuses what stands in no results tree
    if not table.is_file():
        raise RescoreError(f"{table}: no such file. Run the workflow, which writes it.")
    papers = read_papers(table.absolute().parents[3] / FOLDER)
    place = place_of(table, papers)
    lines = choose(read_result(table), table, row, column, protocol)
    table_of(table.stem, papers)  # a copy under another name would be told the lineage of nothing
    provenance = read_provenance(step_records or place.records, lock or place.lock)
    members = members_behind(place, row, column)
    text = [f"{place.paper} {place.table} ({papers[place.paper].title}), scale {place.scale}"]
    text += [f"row '{row}', column '{column}'"]
    why_none = cannot_take(place, row, column)
    for line in lines:
        text += ["", PROTOCOLS.get(line["protocol"], line["protocol"]), *number_lines(place, line)]
        if line["reproduced"]:
            seeds = seeds_behind(place, row, column, line["protocol"])
            rules = {each.protocol: each.combined for each in filled(place, row, column)}
            text += seed_lines(seeds, line, why_none, rules.get(line["protocol"], ""))
            # Where a twin trained without the validation samples is scored in a member's place, its files belong to the chain.
            members = list(dict.fromkeys([*members, *(seed.member for seed in seeds)]))
    chain = links(place, provenance, members or None)
    text += ["", f"members: {member_line(place, row, members)}", "", "made from:"]
    for number, link in enumerate(chain, 1):
        text += link_lines(number, link, members)
        text += entering_lines(place, link, members)
    return "\n".join([*text, *problem_lines(hash_problems(chain, provenance))])


def member_line(place: Place, row: str, members: list[str]) -> str:
    """Who fills a cell."""
    known = place.declared.known if place.declared else {}
    if row in known and not members:
        return f"none; a baseline, the column `{known[row]}` of the samples against their scores"
    return ", ".join(members) or f"{NOT_RECORDED}; the files below are the whole table's"


def entering_lines(place: Place, link: Link, members: list[str]) -> list[str]:
    """How many rows of a file of predictions, classes or captions belong to the cell's members."""
    kinds = {"predictions", *BESIDE}
    if link.what not in kinds or not members:
        return []
    table = read_table(place.root / link.path)
    mine = table[table["member"].isin(members) & (table["split"] == "test")]
    iterations = mine["iteration"].nunique()
    return [f"     of these rows {len(mine)} are test predictions of the cell's members, at {iterations} iterations"]


def problem_lines(problems: list[str]) -> list[str]:
    """What the hashes contradict."""
    return ["", WRONG, *[f"  {problem}" for problem in problems]] if problems else []
