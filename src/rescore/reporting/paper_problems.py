"""What is wrong with the papers' folders, said before anything runs: what their form alone (scoring.papers) cannot tell."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.engine.parameters import nearest
from rescore.manifests.summary import REPORTED_ONLY
from rescore.reporting.wording import note
from rescore.scoring.caption_metrics import METRICS
from rescore.scoring.claims import read_claims
from rescore.scoring.comparisons import read_comparisons
from rescore.scoring.controls import EXACT, read_controls
from rescore.scoring.mtl_aqa_samples import SUBTASKS
from rescore.scoring.papers import FIELDS, SCORE, Block, Paper, Settings, Table, unpredicted
from rescore.scoring.reported import read_reported

FILES = ("claims.yaml", "comparisons.yaml", "facts.yaml", "aggregates.yaml")
PARTS = {SCORE, *METRICS, *SUBTASKS.values()}


@dataclass(frozen=True)
class Known:
    """What there is that papers can name."""

    settings: Settings
    experiments: Mapping[str, Collection[str] | None]
    """With the members of each; None where its files alone say."""
    data: Collection[str]
    """Data sets; none where nothing holds predictions against them."""


def paper_problems(folder: Path, papers: Mapping[str, Paper], known: Callable[[Paper], Known]) -> Iterator[str]:
    """Everything wrong with the papers of a folder, each line naming its file.

    Args:
        folder: of the papers.
        papers: as read.
        known: what a paper can name.
    """
    for path in sorted(path.parent for name in FILES for path in folder.glob(f"*/{name}")):
        if not (path / "paper.yaml").is_file():
            yield f"{path}: no paper.yaml beside its {', '.join(name for name in FILES if (path / name).is_file())}"
    for paper in papers.values():
        where, there = folder / paper.name, known(paper)
        for table in paper.tables.values():
            yield from (
                f"{where}/paper.yaml, table {table.name}: {problem}" for problem in table_problems(table, there)
            )
            yield from printed_problems(where / "tables" / f"{table.name}.csv", table, there.settings)
        yield from statement_problems(where, paper, there.settings)
    if papers and (settings := known(next(iter(papers.values()))).settings):
        yield from control_problems(folder / "controls" / "controls.yaml", folder, papers, settings)


def lines_of(read: Callable[[], Any]) -> list[str]:
    """What reading something says against it, as one line; nothing where it can be read."""
    try:
        read()
    except RescoreError as error:
        return [" ".join(str(error).split())]
    return []


def table_problems(table: Table, known: Known) -> Iterator[str]:
    """What a table declares that nothing is, or that means nothing."""
    if table.videos and table.videos not in known.settings["sources"]:
        yield f"videos: no source '{table.videos}', {nearest(table.videos, known.settings['sources'])}"
    text = note(table, [], {"scoring": {"confidence": 0.95}})
    yield from (f"note: no passage {name}" for name in re.findall(r"\{\w+\}", text))
    if "blocks" not in table.declared:
        return
    if told := lines_of(lambda: table.blocks(known.settings)):
        yield from told
        return
    blocks = table.blocks(known.settings)
    yield from unpredicted(table, [cell for block in blocks for cell in block.cells], known.experiments)
    yield from data_problems(table, known)
    yield from twice(table, blocks)
    yield from named_for_nothing(table, blocks)
    yield from unused_fields(table.declared["blocks"])


def data_problems(table: Table, known: Known) -> Iterator[str]:
    """Data sets that there are none of, and samples that could not be held against any."""
    if known.data:
        yield from (
            f"data: no data set '{name}', {nearest(name, known.data)}" for name in table.data if name not in known.data
        )
        if not table.data and table.samples != "any":
            yield f"no `data`, so nothing says which samples have to be predicted; name of {', '.join(known.data)}"
    if table.samples != "drawn" and "drawn" in table.declared:
        yield "drawn: counts nothing without `samples: drawn`"


def titles(table: Table, blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """Row and column of everything that a table will show."""
    for block in blocks:
        rows = dict.fromkeys([*(cell.row for cell in block.cells), *block.known])
        columns = dict.fromkeys(cell.column for cell in block.cells)
        if not block.averages_alone:
            yield from ((cell.row, cell.column) for cell in block.cells)
            yield from ((row, column) for row in block.known for column in columns)
        yield from ((row, average.column) for row in rows for average in block.averages)
        for title, (minuend, _) in table.differences.items():
            yield from ((title, column) for column in columns if minuend in rows)
        if table.beyond:
            yield from (
                (row, table.beyond["column"]) for row in rows if row != table.beyond["row"] and not block.annotated
            )


def twice(table: Table, blocks: Iterable[Block]) -> Iterator[str]:
    """Cells that are filled in two ways."""
    for (row, column), count in Counter(titles(table, blocks)).items():
        if count > 1:
            yield f"{row} / {column} is filled {count} times; give rows and columns names of their own"


def named_for_nothing(table: Table, blocks: Iterable[Block]) -> Iterator[str]:
    """Rows, columns, fields and parts that other keys name and that the table has not."""
    cells = [cell for block in blocks for cell in block.cells]
    shown = list(titles(table, blocks))
    rows, columns = {row for row, _ in shown}, {column for _, column in shown}
    named = [("differences", name, rows) for pair in table.differences.values() for name in pair]
    named += [("beyond", table.beyond["row"], rows)] if table.beyond else []
    named += [("row_labels", name, rows) for name in table.row_labels]
    named += [("forest", name, columns) for name in table.forest_columns]
    named += [("own", name, columns) for name in table.own]
    named += [("part", cell.part, PARTS) for cell in cells]
    for block in blocks:
        fields = {name for cell in block.cells for name in cell.fields}
        named += [("averages, without", average.without, fields) for average in block.averages if average.without]
    for what, name, there in dict.fromkeys((what, name, frozenset(there)) for what, name, there in named):
        if name not in there:
            yield f"{what}: no '{name}', {nearest(name, there)}"


def unused_fields(blocks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Words in blocks, their rows or columns that no member and no key reads: a misspelt key, mostly."""
    axes = [fields for block in blocks for axis in ("rows", "columns") for fields in block[axis].values()]
    templates = [name for fields in (*blocks, *axes) for name in as_list(fields.get("member", []))]
    read = {name for template in templates for name in re.findall(r"\{(\w+)\}", template)}
    averages = [average for block in blocks for average in block.get("averages", {}).values()]
    read |= {average["without"] for average in averages if "without" in average}
    read |= {*FIELDS["properties"], "action", "part"}
    words = [name for block in blocks for name, value in block.items() if isinstance(value, str)]
    for name in dict.fromkeys([*words, *(name for axis in axes for name in axis)]):
        if name not in read:
            yield f"'{name}' is read by nothing, {nearest(name, read)}"


def as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def printed_problems(path: Path, table: Table, settings: Settings) -> Iterator[str]:
    """What is wrong with a table's printed numbers: their form, their unit, and cells that nothing fills."""
    if told := lines_of(lambda: read_reported(path)):
        yield from told
        return
    printed = read_reported(path)
    if "blocks" not in table.declared or lines_of(lambda: table.blocks(settings)):
        return
    blocks = table.blocks(settings)
    filled, fixed = set(titles(table, blocks)), not table.reads
    why = printed["reason"].str.startswith(REPORTED_ONLY) if "reason" in printed else pd.Series(False, printed.index)
    names = zip(printed["row"], printed["column"], strict=True)
    for (row, column), explained in zip(names, why, strict=True):
        if fixed and not explained and (row, column) not in filled:
            yield f"{path}: {row} / {column} is filled by no row of paper.yaml; declare one, or say why in a column `reason`"
    scored = {(cell.row, cell.column) for block in blocks for cell in block.cells if cell.part == SCORE}
    pairs = zip(printed["row"], printed["column"], strict=True)
    mine = printed[pd.Series([pair in scored for pair in pairs], index=printed.index, dtype=bool)]
    values = pd.to_numeric(mine["value"], errors="coerce")
    for row, column, value in mine.loc[values.isna(), ["row", "column", "value"]].itertuples(index=False):
        yield f"{path}: {row} / {column}: '{value}' is no number (a point before its decimals, and no words)"
    if table.percent and len(values) > 1 and (values.abs() <= 1).all():
        yield f"{path}: no number above 1, though paper.yaml says `unit: percent`"
    if not table.percent and (values.abs() > 1).any():
        yield f"{path}: a correlation above 1; say `unit: percent` in paper.yaml where the paper prints 100 times rho"


def statement_problems(where: Path, paper: Paper, settings: Settings) -> Iterator[str]:
    """Claims and comparisons that are not in their form, or name tables, rows or columns that the paper has not."""
    tables = {*paper.tables, *paper.curves, *paper.counted, *(path.stem for path in (where / "tables").glob("*.csv"))}
    for name, read in (("claims.yaml", read_claims), ("comparisons.yaml", read_comparisons)):
        path = where / name
        if not path.is_file():
            continue
        if told := lines_of(lambda read=read, path=path: read(path)):  # type: ignore[misc]
            yield from told
            continue
        for entry in read(path):
            problems = dict.fromkeys(
                cell_problems(entry, tables, lambda table: cells_of(table, paper, where, settings))
            )
            yield from (f"{path}, {entry['id']}: {problem}" for problem in problems)


def control_problems(path: Path, folder: Path, papers: Mapping[str, Paper], settings: Settings) -> Iterator[str]:
    """Controls that are not in their form, or name tables, rows or columns that no paper of the videos has."""
    if not path.is_file():
        return
    if told := lines_of(lambda: read_controls(path)):
        yield from told
        return
    tables = {table.key: table for paper in papers.values() if not paper.real for table in paper.tables.values()}

    def there(key: str) -> set[tuple[str, str]] | None:
        if key in EXACT:
            return None
        paper = papers[tables[key].paper]
        return cells_of(tables[key].name, paper, folder / paper.name, settings)

    for entry in read_controls(path) if tables else ():
        problems = dict.fromkeys(cell_problems(entry, [*tables, *EXACT], there))
        yield from (f"{path}, {entry['id']}: {problem}" for problem in problems)


def cell_problems(
    entry: Mapping[str, Any], tables: Collection[str], cells: Callable[[str], set[tuple[str, str]] | None]
) -> Iterator[str]:
    """What an entry names that is neither printed nor filled.

    Args:
        tables: that there are.
        cells: row and column of every cell of one; None where something else decides which there are.
    """
    for table, rows, columns in cells_in(entry, ""):
        if table not in tables:
            yield f"no table '{table}', {nearest(table, tables)}"
        elif (there := cells(table)) is not None:
            for kind, named, place in (("row", rows, 0), ("column", columns, 1)):
                known = {cell[place] for cell in there}
                yield from (
                    f"{table} has no {kind} '{name}', {nearest(name, known)}" for name in named if name not in known
                )


def cells_of(table: str, paper: Paper, where: Path, settings: Settings) -> set[tuple[str, str]] | None:
    """Row and column of every cell that is printed or filled; None where something else decides which there are."""
    path = where / "tables" / f"{table}.csv"
    if table not in paper.tables or paper.tables[table].reads or lines_of(lambda: read_reported(path)):
        return None
    declared, printed = paper.tables[table], read_reported(path)
    cells = set(zip(printed["row"], printed["column"], strict=True))
    if "blocks" not in declared.declared:
        return cells
    return (
        None
        if lines_of(lambda: declared.blocks(settings))
        else cells | set(titles(declared, declared.blocks(settings)))
    )


def cells_in(entry: Any, table: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Table, rows and columns of every choice of cells in an entry, however deep; a table holds for what stands in it."""
    if isinstance(entry, Mapping):
        table = entry["table"] if isinstance(entry.get("table"), str) else table
        rows = [entry["row"]] if "row" in entry else entry.get("rows", [])
        columns = [*as_named(entry.get("columns", [])), *([entry["into"]] if "into" in entry else [])]
        if table and ("table" in entry or rows or columns):
            yield table, as_named(rows), columns
        for value in entry.values():
            yield from cells_in(value, table)
    elif isinstance(entry, list):
        for value in entry:
            yield from cells_in(value, table)


def as_named(chosen: Any) -> list[str]:
    """Names of chosen rows or columns; `all` names none."""
    return list(chosen) if isinstance(chosen, list) else []
