"""What a paper's folder declares, and nothing else knows: which system fills which cell, under which selection rules.

    papers/<name>/paper.yaml     titles, whose videos, and each table: rows, columns, averages, notes, why a cell is empty
    papers/<name>/tables/*.csv   the printed numbers; beside them claims.yaml, comparisons.yaml, facts.yaml, aggregates.yaml

A cell's fields are its block's, its row's and its column's, each laid over the one before; its member is the template `member`
filled in with them. A title with `each` stands for several rows or columns, one for each entry of a list of params.yaml. The form
is SCHEMA, docs/adding.md has an example, and reporting.paper_problems says what a form cannot. No framework and no data is read
here: the workflow asks which tables there are.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.parameters import nearest
from rescore.scoring.declarations import TEXT, mapping, read_declarations

Settings = Mapping[str, Any]
FOLDER = Path("papers")
SCORE = "score"
"""The part of a cell that holds a rank correlation."""
LAST, BEST, VALIDATION = "last_iteration", "best_iteration_on_test", "best_on_validation"
NOTHING_CHOSEN, TRAINING_SET, BEST_ON_TEST = "", "training_set", "best_on_test"
"""Selection rules where there is no iteration to choose: nothing chosen, by cross-validation inside the training set, or (shown
beside it, no measure of anything) of a grid on test data."""
RULES = (NOTHING_CHOSEN, TRAINING_SET, BEST_ON_TEST, LAST, VALIDATION, BEST)
LOG_TEN, LOG_LAST, LOG_BEST = "log_mean_of_last_ten", "log_last_epoch", "log_best_epoch_on_test"
PREDICTED, PREDICTED_BEST = "released_predictions", "released_predictions_best_epoch_on_test"
LOG_RULES = (LOG_TEN, LOG_LAST, LOG_BEST)
"""Of numbers read in a released log: the mean of its last ten epochs, its last epoch, its best on test."""
PREDICTION_RULES = (PREDICTED, PREDICTED_BEST)
"""Of numbers recomputed from released predictions: those of the only or the last epoch, and the best on test."""
RELEASED_RULES = (*LOG_RULES, *PREDICTION_RULES)
AVERAGES = ("fisher_z_average", "arithmetic_mean")
FIGURES = "figures"

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
"""Of papers, tables and figures: they name files."""
RESERVED = ("claims", "comparisons")
"""Names of files beside a paper's tables."""
NAMES = {"type": "array", "items": TEXT}
SELECTION = {"type": "array", "items": {"enum": list(RULES)}, "minItems": 1, "uniqueItems": True}
WORDS = {"type": "object", "additionalProperties": {"type": "string"}}
EACH = {"anyOf": [TEXT, {"type": "object", "additionalProperties": TEXT}]}
FIELDS = {
    "type": "object",
    "properties": {
        "member": {"anyOf": [TEXT, NAMES]},
        "absent": {"type": "string"},
        "grid": TEXT,
        "selection": SELECTION,
        "each": EACH,
        "experiment": TEXT,
    },
    "additionalProperties": {"type": "string"},
}
AXIS = {"type": "object", "additionalProperties": FIELDS, "minProperties": 1, "propertyNames": TEXT}
AVERAGE = mapping({"rule": {"enum": list(AVERAGES)}}, {"without": TEXT})
BLOCK = {
    "type": "object",
    "properties": {
        **FIELDS["properties"],  # type: ignore[dict-item]
        "rows": AXIS,
        "columns": AXIS,
        "averages": {"type": "object", "additionalProperties": AVERAGE, "propertyNames": TEXT},
        "averages_alone": {"type": "boolean"},
        "known": WORDS,
        "annotated": {"type": "boolean"},
    },
    "required": ["rows", "columns"],
    "additionalProperties": {"type": "string"},
}
SERIES = {"type": "object", "additionalProperties": mapping({"label": TEXT, "colour": TEXT})}
TABLE = mapping(
    {"title": TEXT},
    {
        "note": TEXT,
        "videos": {"type": "string"},
        "measure": TEXT,
        "forest": {"anyOf": [{"type": "boolean"}, NAMES]},
        "characteristics": {"type": "boolean"},
        "differs": TEXT,
        "prints": {"enum": [*RULES, *RELEASED_RULES]},
        "other_input": WORDS,
        "row_labels": WORDS,
        "own": WORDS,
        "experiments": NAMES,
        "data": NAMES,
        "samples": {"enum": ["test", "training_set", "drawn", "any"]},
        "drawn": TEXT,
        "unit": {"enum": ["correlation", "percent"]},
        "selection": SELECTION,
        "inside_training": {"enum": [NOTHING_CHOSEN, TRAINING_SET]},
        "blocks": {"type": "array", "items": BLOCK, "minItems": 1},
        "differences": {"type": "object", "additionalProperties": {**NAMES, "minItems": 2, "maxItems": 2}},
        "beyond": mapping({"row": TEXT, "column": TEXT}),
    },
) | {"dependentRequired": {"blocks": ["experiments"]}}
NAMED = {"type": "object", "propertyNames": {"type": "string", "pattern": NAME}}
SCHEMA = mapping(
    {
        "title": TEXT,
        "short": TEXT,
        "videos": {"type": "string"},
        "tables": NAMED | {"additionalProperties": TABLE, "minProperties": 1},
    },
    {
        **dict.fromkeys(("authors", "venue", "heading"), TEXT),
        "year": {"type": "integer"},
        "texts": WORDS,
        "rows": WORDS,
        "segments": WORDS,
        "real": {"type": "boolean"},
        "optional": {"type": "boolean"},
        "counted": NAMES,
        "pictures": NAMES,
        "curves": NAMED | {"additionalProperties": mapping({"title": TEXT, "of": TEXT}, {"series": SERIES})},
        FIGURES: NAMED | WORDS,
    },
)


@dataclass(frozen=True)
class Cell:
    row: str
    column: str
    member: str
    action: str = ""
    """The action that its samples show; empty where the member was tested on one alone."""
    part: str = SCORE
    """SCORE, a sub-action, or a caption metric (a key of caption_metrics.METRICS)."""
    selection: tuple[str, ...] | None = field(default=None, compare=False)
    """Selection rules of its own; None: the table's."""
    fields: Mapping[str, str] = field(default_factory=dict, compare=False)
    """All that the paper declares of it."""
    alternatives: tuple[str, ...] = field(default=(), compare=False)
    """Members that fill it where `member` was not predicted."""
    absent: str | None = field(default=None, compare=False)
    """Why it is empty where nothing of its row was predicted (empty: the row is not there then); None: it has to be predicted."""


@dataclass(frozen=True)
class Average:
    """A column that averages the cells of its row."""

    column: str
    rule: str
    """One of AVERAGES."""
    without: str
    """A field of the row: cells of the action that it names are left out; empty: none."""


@dataclass(frozen=True)
class Block:
    """Rows by columns of a table that are filled in one way."""

    cells: tuple[Cell, ...]
    averages: tuple[Average, ...] = ()
    averages_alone: bool = False
    """Whether its cells are in the table through their averages alone."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Rows that no model fills, and the column of the data set's table that does, where it is known of every sample."""
    annotated: bool = False
    """Whether its members predict every annotated sample, those too whose video is lost; these are left out."""


@dataclass(frozen=True)
class Table:
    """A table of a paper: what is said about it, what fills it, and how its numbers are judged."""

    paper: str
    name: str
    videos: str
    """The setting under `sources` that says what its numbers are made from; empty: several."""
    declared: Mapping[str, Any]
    texts: Mapping[str, str] = field(default_factory=dict)
    """Passages that notes of the paper share."""
    row_notes: Mapping[str, str] = field(default_factory=dict)
    """What rows of ours are, by their titles."""

    @property
    def key(self) -> str:
        """`aqa7_table2`: the stem of its files."""
        return f"{self.paper}_{self.name}"

    @property
    def title(self) -> str:
        return str(self.declared["title"])

    @property
    def measure(self) -> str:
        """What a forest plot of it shows."""
        return str(self.declared.get("measure", "Spearman's rho"))

    @property
    def characteristics(self) -> bool:
        """Counts, ranges and words: equal to the printed digits or not, without intervals."""
        return bool(self.declared.get("characteristics", False))

    @property
    def differs(self) -> str:
        """What it means that a characteristic differs."""
        return str(self.declared.get("differs", "another value in the data"))

    @property
    def prints(self) -> str | None:
        """The selection rule that the paper says its numbers are by; None where it does not say."""
        return self.declared.get("prints")

    @property
    def other_input(self) -> Mapping[str, str]:
        """Rows whose reported number was measured on another input than ours, and which."""
        return self.declared.get("other_input", {})

    @property
    def row_labels(self) -> Mapping[str, str]:
        """What a forest plot says in the place of rows' names."""
        return self.declared.get("row_labels", {})

    @property
    def own(self) -> Mapping[str, str]:
        """Columns of ours, and why nothing stands beside them."""
        return self.declared.get("own", {})

    @property
    def has_forest(self) -> bool:
        return bool(self.declared.get("forest", "blocks" in self.declared))

    @property
    def forest_columns(self) -> tuple[str, ...]:
        """Columns of the forest plot; empty: all."""
        columns = self.declared.get("forest", True)
        return () if isinstance(columns, bool) else tuple(columns)

    @property
    def experiments(self) -> tuple[str, ...]:
        """Folders under runs/<scale> whose predictions fill it: the table's, and those that rows name themselves."""
        rows = [fields for block in self.declared.get("blocks", ()) for fields in block["rows"].values()]
        named = [fields["experiment"] for fields in rows if "experiment" in fields]
        return tuple(dict.fromkeys([*self.declared.get("experiments", ()), *named]))

    @property
    def data(self) -> tuple[str, ...]:
        """Data sets whose samples were predicted."""
        return tuple(self.declared.get("data", ()))

    @property
    def samples(self) -> str:
        """Which samples a member has to be tested on: `test` (of its action), `training_set` (the test samples of the training
        set that its name ends in), `drawn` (as many in each training), `any`."""
        return str(self.declared.get("samples", "test"))

    @property
    def percent(self) -> bool:
        return bool(self.declared.get("unit") == "percent")

    @property
    def selection(self) -> tuple[str, ...]:
        """Selection rules of members that have iterations."""
        return tuple(self.declared.get("selection", (LAST, BEST)))

    @property
    def inside_training(self) -> str:
        """How what was chosen inside the training set is named; empty: not at all."""
        return str(self.declared.get("inside_training", NOTHING_CHOSEN))

    @property
    def differences(self) -> Mapping[str, Sequence[str]]:
        """Rows of ours: the difference of two others, whose replicates are drawn together."""
        return self.declared.get("differences", {})

    @property
    def beyond(self) -> Mapping[str, str] | None:
        """A column of ours (`column`): each learned row less one (`row`)."""
        return self.declared.get("beyond")

    @property
    def known(self) -> dict[str, str]:
        """Rows that no model fills, and the column of the samples that does."""
        return {
            row: column for block in self.declared.get("blocks", ()) for row, column in block.get("known", {}).items()
        }

    @property
    def parts(self) -> set[str]:
        """What its cells show besides rank correlations: sub-actions and caption metrics."""
        axes = [axis for block in self.declared.get("blocks", ()) for axis in (block["rows"], block["columns"])]
        return {fields["part"] for axis in axes for fields in axis.values() if "part" in fields}

    @property
    def reads(self) -> tuple[str, ...]:
        """Settings that decide which cells there are, beyond those that every table has: `extensions.systems`."""
        axes = [axis for block in self.declared.get("blocks", ()) for axis in (block["rows"], block["columns"])]
        each = [fields["each"] for axis in axes for fields in axis.values() if "each" in fields]
        names = [name for entry in each for name in (entry.values() if isinstance(entry, dict) else [entry])]
        return tuple(dict.fromkeys([*names, *([self.declared["drawn"]] if "drawn" in self.declared else [])]))

    def blocks(self, settings: Settings) -> list[Block]:
        """What fills it, in the paper's order.

        Args:
            settings: those that it `reads`.

        Raises:
            RescoreError: no scores are declared for it, or a template names a field that a cell has not.
        """
        if "blocks" not in self.declared:
            raise RescoreError(
                f"no scores are declared for '{self.key}'. papers/{self.paper}/paper.yaml declares them."
            )
        found: list[Block] = []
        problems: list[str] = []
        for block in self.declared["blocks"]:
            try:
                found.append(block_of(block, settings))
            except RescoreError as error:
                problems += str(error).splitlines()
        raise_together(f"papers/{self.paper}/paper.yaml, table {self.name}", problems, "mend what it declares.")
        return found

    def cells(self, settings: Settings) -> list[Cell]:
        """Every cell that predictions fill, averages aside."""
        return [cell for block in self.blocks(settings) for cell in block.cells]

    def why_absent(self, row: str, column: str) -> str:
        """Why a printed cell is empty where its row was not predicted; empty where nothing is declared."""
        for block in self.declared.get("blocks", ()):
            fields = {**block, **block["rows"].get(row, {})}
            if row in block["rows"] and (column in block["columns"] or column in block.get("averages", {})):
                return str(fields.get("absent", ""))
        return ""


@dataclass(frozen=True)
class Paper:
    name: str
    title: str
    short: str
    year: int | None
    heading: str
    tables: Mapping[str, Table]
    """By their names, in the order shown."""
    curves: Mapping[str, Mapping[str, Any]]
    """Figures of scores by iteration: title, the table (`of`) whose cells they show, and how rows are called and coloured."""
    figures: Mapping[str, str]
    """Titles of its figures, by the stem of their files behind the paper's name."""
    videos: str
    segments: Mapping[str, str]
    """Names of features, by data set, where they are not the data set's."""
    real: bool
    """Whether its numbers need no video: they are made beside those of every scale."""
    optional: bool
    """Whether it is left out where nothing that it names runs."""
    counted: Sequence[str]
    """Tables of counts that its claims name, read off the data (runs/<scale>/summary/<paper>_<name>.csv)."""
    pictures: Sequence[str]
    """Figures that are pictures (.png); the others are drawings (.svg)."""

    def table_of(self, name: str) -> Table:
        """A table by its name, or the one whose cells a figure of scores by iteration shows.

        Raises:
            RescoreError: it has neither.
        """
        if (found := self.tables.get(self.curves[name]["of"] if name in self.curves else name)) is None:
            raise RescoreError(f"no scores are declared for '{name}': {' | '.join([*self.tables, *self.curves])}")
        return found


def read_paper(path: Path) -> Paper:
    """A paper's declaration.

    Args:
        path: papers/<name>/paper.yaml; the folder names the paper.

    Raises:
        RescoreError: the file is missing, not YAML, or has not the form of SCHEMA; every problem together.
    """
    content = read_declarations(path, SCHEMA, "paper", "docs/adding.md")
    name = path.absolute().parent.name
    texts, rows = content.get("texts", {}), content.get("rows", {})
    tables = {
        table: Table(name, table, declared.get("videos", content["videos"]), declared, texts, rows)
        for table, declared in content["tables"].items()
    }
    curves = content.get("curves", {})
    lost = [
        f"curves.{figure}: no table '{told['of']}' that members fill"
        for figure, told in curves.items()
        if "blocks" not in content["tables"].get(told["of"], {})
    ]
    lost += [] if re.match(NAME, name) else [f"the folder's name '{name}': letters, digits, _ and - alone"]
    raise_together(f"{path}: bad paper", lost, "mend the names.")
    return Paper(
        name=name,
        title=content["title"],
        short=content["short"],
        year=content.get("year"),
        heading=content.get("heading", f"{content['title']}, recomputed"),
        tables=tables,
        curves=curves,
        figures=content.get(FIGURES, {}),
        videos=content["videos"],
        segments=content.get("segments", {}),
        real=content.get("real", False),
        optional=content.get("optional", False),
        counted=content.get("counted", ()),
        pictures=content.get("pictures", ()),
    )


def read_papers(folder: Path = FOLDER) -> dict[str, Paper]:
    """Every paper of a folder by its name, the oldest first, then what has no year.

    Raises:
        RescoreError: there is none, or declarations are not what they should be: all of them together.
    """
    found, papers, problems = sorted(folder.glob("*/paper.yaml")), list[Paper](), list[str]()
    if not found:
        raise RescoreError(f"{folder}: no folder in it has a paper.yaml. Run in the repository's root.")
    for path in found:
        try:
            papers.append(read_paper(path))
        except RescoreError as error:
            problems.append(str(error))
    if problems:
        raise RescoreError("\n".join(problems))
    papers.sort(key=lambda paper: (paper.year or 9999, paper.name))
    raise_together(f"{folder}", list(colliding(papers)), "give one of them another name.")
    return {paper.name: paper for paper in papers}


def colliding(papers: Sequence[Paper]) -> Iterator[str]:
    """Tables and curves of different papers, or of one, whose files would have one name."""
    keys = [
        (f"{paper.name}_{name}", f"{name} of {paper.name}")
        for paper in papers
        for name in (*paper.tables, *paper.curves, *RESERVED)
    ]
    for key, of in itertools.groupby(sorted(keys), key=lambda pair: pair[0]):
        if len(names := [name for _, name in of]) > 1:
            yield f"{' and '.join(names)} are both {key}"


def unpredicted(table: Table, cells: Sequence[Cell], known: Mapping[str, Collection[str] | None]) -> Iterator[str]:
    """What a table names that nothing will write, told before anything runs.

    Args:
        table: with its `cells`.
        known: by experiment, the members that it predicts; None where its files alone say.

    Yields:
        Experiments that there are none of, and members of systems whose members are all known and that are not among them.
    """
    for experiment in table.experiments:
        if experiment not in known:
            yield f"{table.key}: no experiment '{experiment}', {nearest(experiment, known)}"
    listed = {member for experiment in table.experiments for member in known.get(experiment) or ()}
    systems = {member.partition("/")[0] for member in listed}
    for cell in cells:
        members = (cell.member, *cell.alternatives)
        if all(name.partition("/")[0] in systems and name not in listed for name in members):
            yield f"{table.key}: {cell.row} / {cell.column}: no member '{cell.member}', {nearest(cell.member, listed)}"


def setting_of(settings: Settings, name: str) -> Any:
    """A setting by its dotted name.

    Raises:
        RescoreError: there is none.
    """
    value: Any = settings
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise RescoreError(
                f"no setting '{name}', which a paper.yaml names. Mend it there or add it to params.yaml."
            )
        value = value[part]
    return value


def entries_of(axis: Mapping[str, Mapping[str, Any]], settings: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    """Titles and fields of an axis, those with `each` once an entry.

    Raises:
        RescoreError: `each` names no list, or a title a field that its entries have not.
    """
    for title, fields in axis.items():
        each, plain = fields.get("each"), {name: value for name, value in fields.items() if name != "each"}
        if each is None:
            yield title, plain
            continue
        if isinstance(each, str):
            listed = [{name: str(value) for name, value in entry.items()} for entry in list_of(settings, each, dict)]
        else:
            values = [[str(value) for value in list_of(settings, name, object)] for name in each.values()]
            listed = [dict(zip(each, chosen, strict=True)) for chosen in itertools.product(*values)]
        try:
            yield from [(filled(title, entry), {**plain, **entry}) for entry in listed]
        except KeyError as error:
            raise RescoreError(f"'{title}': its title names the field {error}, which `each` has not") from error


def list_of(settings: Settings, name: str, kind: type) -> list[Any]:
    """A setting that is a list of things of one kind.

    Raises:
        RescoreError: it is none.
    """
    value = setting_of(settings, name)
    if not isinstance(value, list) or not all(isinstance(entry, kind) for entry in value):
        what = "no list of mappings" if kind is dict else "no list"
        raise RescoreError(f"`each` names '{name}', which is {what} in params.yaml")
    return value


def filled(template: str, fields: Mapping[str, Any]) -> str:
    """A template with each `{field}` filled in.

    Raises:
        KeyError: a field is not there.
    """
    return re.sub(r"\{(\w+)\}", lambda found: str(fields[found[1]]), template)


def block_of(declared: Mapping[str, Any], settings: Settings) -> Block:
    """A declared block with its cells, row by row.

    Raises:
        RescoreError: a title, a member or a setting cannot be found out; a line a problem.
    """
    inherited = {name: value for name, value in declared.items() if isinstance(value, str | list)}
    columns = list(entries_of(declared["columns"], settings))
    cells, problems = list[Cell](), list[str]()
    for row, of_row in entries_of(declared["rows"], settings):
        for column, of_column in columns:
            try:
                cells.append(cell_of(row, column, {**inherited, **of_row, **of_column}))
            except RescoreError as error:
                problems.append(str(error))
    if problems:
        raise RescoreError("\n".join(problems))
    return Block(
        cells=tuple(cells),
        averages=tuple(
            Average(column, average["rule"], average.get("without", ""))
            for column, average in declared.get("averages", {}).items()
        ),
        averages_alone=declared.get("averages_alone", False),
        known=declared.get("known", {}),
        annotated=declared.get("annotated", False),
    )


def cell_of(row: str, column: str, fields: Mapping[str, Any]) -> Cell:
    """A cell by its fields.

    Raises:
        RescoreError: it has no member, or the member's template names a field that it has not.
    """
    templates = fields.get("member", [])
    try:
        members = [filled(name, fields) for name in ([templates] if isinstance(templates, str) else templates)]
    except KeyError as error:
        raise RescoreError(f"{row} / {column}: its member names the field {error}, which it has not") from error
    if not members:
        raise RescoreError(f"{row} / {column}: it has no member")
    return Cell(
        row=row,
        column=column,
        member=members[0],
        action=fields.get("action", ""),
        part=fields.get("part", SCORE),
        selection=tuple(fields["selection"]) if "selection" in fields else None,
        fields=fields,
        alternatives=tuple(members[1:]),
        absent=fields.get("absent"),
    )
