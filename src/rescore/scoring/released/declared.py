"""What a paper's folder declares of released files (papers/<name>/released.yaml), and nothing else knows.

    logs          text or event files of epochs: where a file is, which pattern or tag holds which statistic
    reports       what users wrote in public of runs of theirs, without a file
    predictions   arrays, named entries or tables of predicted scores: where they are, and where the labels are
    tables        which of them fills which cell of the paper's tables

A title with `each` stands for several logs or predictions, one for each combination of the values listed; its fields are filled
in wherever `{field}` stands in names and files (never in patterns). No data is read here.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.parameters import nearest
from rescore.scoring.declarations import TEXT, mapping, read_declarations
from rescore.scoring.papers import AVERAGES, LOG_RULES, PREDICTION_RULES, entries_of, filled
from rescore.sources.catalogue import BY_NAME

T = TypeVar("T")
NAME = "released.yaml"
RHO, RELATIVE_L2, TRAINING_RHO = "rho", "relative_l2", "training_rho"
SMALLER_IS_BETTER = (RELATIVE_L2, "l2", "loss")
STATISTICS = (RHO, *SMALLER_IS_BETTER, TRAINING_RHO)
"""Of the test samples, but the last; `relative_l2` in percent, as papers print it."""
AUTHORS, OTHERS = "authors", "others"

WHOLE = {"type": "integer", "minimum": 0}
LISTS = {"type": "object", "additionalProperties": {"type": "array", "items": TEXT, "minItems": 1}}
VALUE = mapping({}, {"pattern": TEXT, "tag": TEXT, "factor": {"type": "number"}})
OF = mapping(
    {"source": TEXT, "file": TEXT}, {"key": TEXT, "field": {"type": ["integer", "string"]}, "sum": {"const": True}}
)
COMMON: dict[str, Any] = {"each": LISTS, "folds": {"type": "array", "items": WHOLE, "minItems": 1}}
LOG = mapping(
    {
        "source": TEXT,
        "file": TEXT,
        "system": TEXT,
        "data": TEXT,
        "samples": {"type": "array", "items": WHOLE, "minItems": 1},
        "values": {"type": "object", "propertyNames": {"enum": list(STATISTICS)}, "additionalProperties": VALUE},
    },
    COMMON
    | {
        "whose": {"enum": [AUTHORS, OTHERS]},
        "kind": {"enum": ["text", "events"]},
        "run": TEXT,
        "epoch": TEXT,
        "beside": TEXT,
        "known": TEXT,
        "unsaid": TEXT,
    },
)
PREDICTIONS = mapping(
    {"source": TEXT, "file": TEXT, "system": TEXT, "data": TEXT, "split": {"enum": ["test", "train"]}},
    COMMON
    | {
        "target": TEXT,
        "paths": {"type": "array", "items": TEXT, "minItems": 1},
        "entry": TEXT,
        "columns": {"type": "object", "additionalProperties": TEXT},
        "labels": OF,
        "listed": OF,
    },
)
CELL = {"type": "object", "additionalProperties": TEXT}
BLOCK = mapping(
    {
        "rows": {"type": "object", "additionalProperties": CELL, "minProperties": 1},
        "columns": {"type": "object", "additionalProperties": CELL, "minProperties": 1},
    },
    {
        "log": TEXT,
        "predictions": TEXT,
        "path": TEXT,
        "value": {"enum": list(STATISTICS)},
        "at": {"enum": list(STATISTICS)},
        "rules": {"type": "array", "items": {"enum": [*LOG_RULES, *PREDICTION_RULES]}, "minItems": 1},
        "averages": {"type": "object", "additionalProperties": mapping({"rule": {"enum": list(AVERAGES)}})},
    },
)
NAMED = {"type": "object", "propertyNames": TEXT}
REPORT = mapping(
    {"system": TEXT, "data": TEXT, "value": {"type": "number"}, "read_in": TEXT, "known": TEXT, "unsaid": TEXT},
    {"printed": {"type": "number"}},
)
SCHEMA = mapping(
    {},
    {
        "reports": NAMED | {"additionalProperties": REPORT},
        "logs": NAMED | {"additionalProperties": LOG},
        "predictions": NAMED | {"additionalProperties": PREDICTIONS},
        "tables": NAMED | {"additionalProperties": {"type": "array", "items": BLOCK, "minItems": 1}},
    },
)


@dataclass(frozen=True)
class Value:
    """Where a statistic stands in a log."""

    pattern: re.Pattern[str] | None
    """A line that matches holds it, in the group `value`; a group `epoch` says of which epoch."""
    tag: str
    """Of event files."""
    factor: float
    """What brings it to correlations between -1 and 1, and relative L2 in percent."""


@dataclass(frozen=True)
class Log:
    paper: str
    name: str
    source: str
    files: Mapping[int, str]
    """By fold; one without folds has the fold 0."""
    system: str
    data: str
    samples: tuple[int, ...]
    """Test samples, fold by fold."""
    values: Mapping[str, Value]
    whose: str = AUTHORS
    kind: str = "text"
    run: re.Pattern[str] | None = None
    """A line that begins a run, where a file has several."""
    epoch: re.Pattern[str] | None = None
    """A line that begins an epoch, its number in the group `epoch`; none: each test correlation is an epoch."""
    beside: str = ""
    """Of others' runs: the printed number that they stand beside, `TABLE / ROW / COLUMN`."""
    known: str = ""
    """What is known of others' set-up, and `unsaid`, what their files do not say."""
    unsaid: str = ""

    @property
    def key(self) -> str:
        return f"{self.paper}/{self.name}"


@dataclass(frozen=True)
class Of:
    """A file of labels or of sample names, and what of it counts."""

    source: str
    file: str
    key: str = ""
    """An entry of its dictionary; empty: all of it."""
    field: int | str | None = None
    """Place or name of the score within a sample's label."""
    sum: bool = False
    """Whether a label's numbers are added up."""


@dataclass(frozen=True)
class Predicted:
    paper: str
    name: str
    source: str
    files: Mapping[int, str]
    """By fold. `{epoch}` in one stands for any number."""
    system: str
    data: str
    split: str
    target: str = ""
    """File of the true scores beside an array of predictions."""
    paths: tuple[str, ...] = ("",)
    """What the columns of an entry are."""
    entry: re.Pattern[str] | None = None
    """How a named entry's sample is found: the group `sample`; entries of one sample are resampled together."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of tables: the column of `sample`, `predicted`, `target`, and where there are `fold`, `run`, `epoch`."""
    labels: Of | None = None
    listed: Of | None = None
    """The names of the split's samples, in their order, or by fold."""

    @property
    def key(self) -> str:
        return f"{self.paper}/{self.name}"


@dataclass(frozen=True)
class Cell:
    row: str
    column: str
    kind: str
    """`log` or `predictions`."""
    record: str
    """Key of its log or predictions."""
    value: str
    path: str
    at: str
    """The statistic by whose best epoch the epoch is chosen; `value` itself, where not declared."""
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What a user wrote in public of a run of the system's code."""

    system: str
    data: str
    value: float
    """Spearman's rho."""
    read_in: str
    known: str
    unsaid: str
    printed: float | None = None
    """The printed number, where no paper here has it."""


@dataclass(frozen=True)
class Average:
    column: str
    rule: str


@dataclass(frozen=True)
class Declared:
    """Everything that a paper declares of released files."""

    paper: str
    logs: Mapping[str, Log]
    predictions: Mapping[str, Predicted]
    tables: Mapping[str, tuple[tuple[tuple[Cell, ...], tuple[Average, ...]], ...]]
    """By name: blocks of cells and their averages."""
    reports: Mapping[str, Report] = field(default_factory=dict)

    @property
    def sources(self) -> list[str]:
        """Everything that has to be at hand."""
        records: list[Log | Predicted] = [*self.logs.values(), *self.predictions.values()]
        beside = [of.source for one in self.predictions.values() for of in (one.labels, one.listed) if of]
        return list(dict.fromkeys([*(record.source for record in records), *beside]))

    @property
    def has_others(self) -> bool:
        """Whether anything of others is declared."""
        return bool(self.reports) or any(log.whose == OTHERS for log in self.logs.values())


def declared_files(folder: Path) -> list[Path]:
    """Every paper's declaration of released files, in the order of names."""
    return sorted(folder.glob(f"*/{NAME}"))


def read_declared(path: Path) -> Declared:
    """What a paper declares of released files.

    Args:
        path: papers/<name>/released.yaml; the folder names the paper.

    Raises:
        RescoreError: the file is missing, not YAML, has not the form of SCHEMA, or names patterns, sources or records that are
            none; every problem together.
    """
    content = read_declarations(path, SCHEMA, "released files", "docs/adding.md")
    paper, problems = path.absolute().parent.name, list[str]()
    logs = made(content.get("logs", {}), lambda *told: log_of(paper, *told), "logs", problems)
    predictions = made(
        content.get("predictions", {}), lambda *told: predicted_of(paper, *told), "predictions", problems
    )
    found = Declared(paper, logs, predictions, {})
    problems += [f"no source '{name}', {nearest(name, BY_NAME)}" for name in found.sources if name not in BY_NAME]
    tables = {}
    for table, blocks in content.get("tables", {}).items():
        tables[table] = tuple(block_of(block, found, f"tables, {table}", problems) for block in blocks)
    raise_together(f"{path}: bad released files", problems, "mend the file; docs/adding.md describes it.")
    reports = {name: Report(**told) for name, told in content.get("reports", {}).items()}
    return Declared(paper, logs, predictions, tables, reports)


def made(
    named: Mapping[str, Mapping[str, Any]],
    make: Callable[[str, Mapping[str, Any], Mapping[str, str]], T],
    kind: str,
    problems: list[str],
) -> dict[str, T]:
    """Records by name; what is wrong with one is added to `problems`."""
    records = {}
    for name, fields, told in expanded(named):
        try:
            records[name] = make(name, fields, told)
        except RescoreError as error:
            problems.append(f"{kind}, {name}: {error}")
    return records


def expanded(named: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any], dict[str, str]]]:
    """Names, declared fields, and the values of `each` that the name is filled in with."""
    for title, declared in named.items():
        each = declared.get("each", {})
        for chosen in itertools.product(*each.values()):
            told = dict(zip(each, chosen, strict=True))
            yield filled(title, told), declared, told


def with_each(text: str, told: Mapping[str, str]) -> str:
    """A text with the fields of `each` filled in; others stay for folds and epochs."""
    return re.sub(r"\{(\w+)\}", lambda match: told.get(match[1], match[0]), text)


def pattern_of(text: str | None, groups: Iterable[str] = ()) -> re.Pattern[str] | None:
    """A compiled pattern; None where none is declared.

    Raises:
        RescoreError: it is no regular expression, or has not the groups.
    """
    if text is None:
        return None
    try:
        found = re.compile(text)
    except re.error as error:
        raise RescoreError(f"'{text}' is no regular expression ({error})") from error
    if lacking := [name for name in groups if name not in found.groupindex]:
        raise RescoreError(f"'{text}' has no group (?P<{lacking[0]}>...)")
    return found


def files_of(fields: Mapping[str, Any], told: Mapping[str, str]) -> dict[int, str]:
    """The files of a record by fold."""
    template = with_each(fields["file"], told)
    return {fold: template.replace("{fold}", str(fold)) for fold in fields.get("folds", [0])}


def log_of(paper: str, name: str, fields: Mapping[str, Any], told: Mapping[str, str]) -> Log:
    """A declared log.

    Raises:
        RescoreError: a pattern is none, a statistic has none, or folds and samples are not as many.
    """
    kind, files = fields.get("kind", "text"), files_of(fields, told)
    values = {}
    for statistic, value in fields["values"].items():
        if ("tag" if kind == "events" else "pattern") not in value:
            raise RescoreError(f"{statistic}: no {'tag' if kind == 'events' else 'pattern'}, which {kind} files need")
        pattern = pattern_of(value.get("pattern"), ["value"])
        values[statistic] = Value(pattern, value.get("tag", ""), float(value.get("factor", 1)))
    if RHO not in values:
        raise RescoreError(f"no `{RHO}` among its values")
    if len(fields["samples"]) != len(files):
        raise RescoreError(f"{len(fields['samples'])} numbers of samples for {len(files)} folds")
    return Log(
        paper=paper,
        name=name,
        source=fields["source"],
        files=files,
        system=with_each(fields["system"], told),
        data=with_each(fields["data"], told).replace("_", " "),
        samples=tuple(fields["samples"]),
        values=values,
        whose=fields.get("whose", AUTHORS),
        kind=kind,
        run=pattern_of(fields.get("run")),
        epoch=pattern_of(fields.get("epoch"), ["epoch"]),
        beside=with_each(fields.get("beside", ""), told),
        known=fields.get("known", ""),
        unsaid=fields.get("unsaid", ""),
    )


def predicted_of(paper: str, name: str, fields: Mapping[str, Any], told: Mapping[str, str]) -> Predicted:
    """Declared predictions.

    Raises:
        RescoreError: its pattern is none, or nothing says what its true scores are.
    """
    if not {"labels", "target", "columns"} & set(fields):
        raise RescoreError("nothing says where the true scores are: `target`, `labels`, or `columns` of a table")
    if lacking := {"sample", "predicted", "target"} - set(
        fields.get("columns", {"sample": "", "predicted": "", "target": ""})
    ):
        raise RescoreError(f"columns: no {', '.join(sorted(lacking))}")
    return Predicted(
        paper=paper,
        name=name,
        source=fields["source"],
        files=files_of(fields, told),
        system=with_each(fields["system"], told),
        data=with_each(fields["data"], told).replace("_", " "),
        split=fields["split"],
        target=with_each(fields.get("target", ""), told),
        paths=tuple(fields.get("paths", [""])),
        entry=pattern_of(fields.get("entry"), ["sample"]),
        columns=fields.get("columns", {}),
        labels=of(fields.get("labels"), told),
        listed=of(fields.get("listed"), told),
    )


def of(fields: Mapping[str, Any] | None, told: Mapping[str, str]) -> Of | None:
    """A declared file beside predictions."""
    if fields is None:
        return None
    texts = {name: with_each(fields.get(name, ""), told) for name in ("source", "file", "key")}
    return Of(**texts, field=fields.get("field"), sum=fields.get("sum", False))


def block_of(
    declared: Mapping[str, Any], known: Declared, where: str, problems: list[str]
) -> tuple[tuple[Cell, ...], tuple[Average, ...]]:
    """A declared block's cells, row by row, and its averages; what is wrong with it is added to `problems`."""
    cells = []
    plain = {name: value for name, value in declared.items() if name not in ("rows", "columns", "averages")}
    for row, of_row in entries_of(declared["rows"], {}):
        for column, of_column in entries_of(declared["columns"], {}):
            try:
                cells.append(cell_of(row, column, {**plain, **of_row, **of_column}, known))
            except RescoreError as error:
                problems.append(f"{where}: {row} / {column}: {error}")
    averages = tuple(Average(column, told["rule"]) for column, told in declared.get("averages", {}).items())
    return tuple(cells), averages


def cell_of(row: str, column: str, fields: Mapping[str, Any], known: Declared) -> Cell:
    """A cell by its fields.

    Raises:
        RescoreError: it names no record, or one that is not there.
    """
    kind = next((kind for kind in ("log", "predictions") if kind in fields), "")
    if not kind:
        raise RescoreError("neither a `log` nor `predictions` fills it")
    try:
        record, path = (filled(fields.get(name, ""), fields) for name in (kind, "path"))
    except KeyError as error:
        raise RescoreError(f"it names the field {error}, which it has not") from error
    there: Mapping[str, Any] = known.logs if kind == "log" else known.predictions
    if record not in there:
        raise RescoreError(f"no {kind} '{record}', {nearest(record, there)}")
    value = fields.get("value", RHO)
    if kind == "log" and value not in there[record].values:
        raise RescoreError(f"the log '{record}' has no {value}")
    if kind == "predictions" and path not in there[record].paths:
        raise RescoreError(f"'{record}' has no path '{path}', {nearest(path, there[record].paths)}")
    default = LOG_RULES if kind == "log" else PREDICTION_RULES[:1]
    return Cell(
        row=row,
        column=column,
        kind=kind,
        record=there[record].key,
        value=value,
        path=path,
        at=fields.get("at", value),
        rules=tuple(fields.get("rules", default)),
    )
