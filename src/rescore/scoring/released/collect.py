"""Every released file that a paper declares, read once: points of logs, predictions, and what is wrong with them.

A record that cannot be read is named with its reason and left out; the others go on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_table
from rescore.scoring.released.arrays import COLUMNS as PREDICTION_COLUMNS
from rescore.scoring.released.arrays import read_predictions
from rescore.scoring.released.declared import Declared, Log, Predicted, read_declared
from rescore.scoring.released.logs import read_log

LOG_COLUMNS = [
    "record",
    "system",
    "data",
    "whose",
    "file",
    "samples",
    "run",
    "fold",
    "epoch",
    "statistic",
    "value",
    "line",
]
FINDING_COLUMNS = ["source", "finding", "record", "kind"]
LEFT_OUT, NOTED = "left out", "noted"
"""Kinds of findings: a record that no number is made from, and one that is read with a reservation."""


def collect(declared: list[Path], sources: list[Path], points: Path, predictions: Path, findings: Path) -> None:
    """Read what is declared.

    Args:
        declared: papers/<name>/released.yaml.
        sources: folders of the fetched sources, each named as in the catalogue.
        points: written, Parquet of LOG_COLUMNS: a row a statistic of an epoch.
        predictions: written, Parquet of `arrays.COLUMNS`.
        findings: written, CSV of FINDING_COLUMNS.

    Raises:
        RescoreError: a declaration has not its form; every problem together.
    """
    read, arrays, told = gather(read_all(declared), {path.name: path for path in sources})
    write_table(points, read)
    write_table(predictions, arrays)
    write_table(findings, told)


def read_all(paths: Iterable[Path]) -> list[Declared]:
    """The declarations of several papers.

    Raises:
        RescoreError: one has not its form; every problem of all together.
    """
    papers, problems = [], []
    for path in paths:
        try:
            papers.append(read_declared(path))
        except RescoreError as error:
            problems.append(str(error))
    if problems:
        raise RescoreError("\n".join(problems))
    return papers


def gather(papers: Sequence[Declared], folders: Mapping[str, Path]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Points, predictions and findings of everything declared.

    Args:
        folders: of the sources at hand, by name.
    """
    told: list[dict[str, str]] = []
    logs = [table for paper in papers for log in paper.logs.values() for table in logged(log, folders, told)]
    arrays = [
        table for paper in papers for one in paper.predictions.values() for table in predicted(one, folders, told)
    ]
    return (
        stacked(logs, LOG_COLUMNS),
        stacked(arrays, PREDICTION_COLUMNS),
        pd.DataFrame(told, columns=FINDING_COLUMNS),
    )


def stacked(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Tables below each other; none of them gives the columns alone."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))


def logged(log: Log, folders: Mapping[str, Path], told: list[dict[str, str]]) -> list[pd.DataFrame]:
    """The points of a log, fold by fold; nothing where one of its files cannot be read, since a mean over folds needs all."""
    tables: list[pd.DataFrame] = []
    for place, (fold, file) in enumerate(log.files.items()):
        try:
            reading = read_log(log, fold, folder_of(log.source, folders))
        except RescoreError as error:
            note(told, log, LEFT_OUT, [str(error)])
            return []
        note(told, log, NOTED, [f"{file}: {text}" for text in reading.notes])
        rows = [(point.run, fold, point.epoch, point.statistic, point.value, point.line) for point in reading.points]
        table = pd.DataFrame(rows, columns=["run", "fold", "epoch", "statistic", "value", "line"])
        about = {"record": log.key, "system": log.system, "data": log.data, "whose": log.whose, "file": file}
        tables.append(table.assign(**about, samples=log.samples[place])[LOG_COLUMNS])
    note(told, log, NOTED, undefined(stacked(tables, LOG_COLUMNS)))
    return tables


def undefined(points: pd.DataFrame) -> Iterator[str]:
    """What is NaN or missing of a log's statistics, over all its runs and folds."""
    epochs = points[["run", "fold", "epoch"]].drop_duplicates()
    for statistic, part in points.groupby("statistic", sort=False):
        nothing = part[part["value"].isna()]
        if len(nothing):
            last = nothing["epoch"].max()
            yield f"{statistic} is NaN in {len(nothing)} of {len(part)} epochs of all runs and folds, the last {last}"
        if lacking := len(epochs) - len(part):
            yield f"{lacking} of {len(epochs)} epochs have no {statistic}"


def predicted(one: Predicted, folders: Mapping[str, Path], told: list[dict[str, str]]) -> list[pd.DataFrame]:
    """The predictions of a record, fold by fold; nothing where one of its files cannot be read."""
    tables, pairing = list[pd.DataFrame](), dict[str, None]()
    for fold in one.files:
        try:
            for name in needed(one):
                folder_of(name, folders)
            table, notes = read_predictions(one, fold, folders)
        except RescoreError as error:
            note(told, one, LEFT_OUT, [str(error)])
            return []
        tables.append(table)
        pairing |= dict.fromkeys(notes)
    note(told, one, NOTED, pairing)
    return tables


def needed(one: Predicted) -> list[str]:
    """Sources of predictions and of what stands beside them."""
    return [one.source, *(of.source for of in (one.labels, one.listed) if of)]


def folder_of(source: str, folders: Mapping[str, Path]) -> Path:
    """The folder of a source.

    Raises:
        RescoreError: it was not fetched.
    """
    if source not in folders:
        raise RescoreError(f"{source}: not fetched. Run `rescore fetch {source}`.")
    return folders[source]


def note(told: list[dict[str, str]], record: Log | Predicted, kind: str, texts: Iterable[str]) -> None:
    """Add findings of a record, a line each."""
    about = {"source": record.source, "record": record.key, "kind": kind}
    told.extend({**about, "finding": " ".join(text.split())} for text in texts)
