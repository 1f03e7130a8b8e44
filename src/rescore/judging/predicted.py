"""A file of predictions as other people's code writes it: CSV, JSON, Parquet, NumPy arrays. Columns are found, or named."""

import csv
import io
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.manifests.labels import read_text, wrong_number

NAMES: dict[str, tuple[str, ...]] = {
    "predicted": (
        *("predicted", "prediction", "predictions", "pred", "preds", "predicted_score", "pred_score", "score_pred"),
        *("y_pred", "yhat", "y_hat", "output", "estimate"),
    ),
    "target": (
        *("target", "targets", "true", "truth", "gt", "ground_truth", "label", "labels", "y_true", "y", "true_score"),
        *("gt_score", "final_score", "score"),
    ),
    "sample": (
        "sample",
        "samples",
        "sample_id",
        "key",
        "video",
        "video_id",
        "video_name",
        "filename",
        "file",
        "name",
        "id",
    ),
    "seed": ("seed", "run", "training", "repetition"),
    "fold": ("fold", "cv_fold"),
    "action": ("action", "class", "sport", "apparatus", "category"),
    "split": ("split", "subset", "phase"),
    "member": ("member", "model", "system", "method"),
    "iteration": ("iteration", "epoch", "step"),
}
"""What columns are called elsewhere, the likeliest first; letters' size does not count."""
NUMBERS = ("predicted", "target")
SEPARATORS = ",;\t|"
ARRAY_KINDS = "iufUS"
"""NumPy's whole numbers, fractions and text; not truth values, complex numbers, dates and records."""
REMEDY = "correct the file and run again; it is left as it is."


@dataclass(frozen=True)
class Predictions:
    path: Path
    table: pd.DataFrame
    """`predicted`; of the others of NAMES what the file has, all but numbers as text."""
    notes: list[str] = field(default_factory=list)
    """How the file was read, where there was a choice."""

    @property
    def keyed(self) -> bool:
        """Whether it names the samples; else rows have nothing but their order."""
        return "sample" in self.table


def read_predictions(
    path: Path, named: Mapping[str, str] | None = None, truth: Path | None = None, member: str | None = None
) -> Predictions:
    """Read predictions.

    Args:
        path: .csv, .tsv, .txt; .json, .jsonl; .parquet; .npy, .npz.
        named: a key of NAMES to the file's name of the column, where it cannot be found.
        truth: an array of true scores beside an array of predictions.
        member: whose predictions, where the file has several members'.

    Raises:
        RescoreError: the file cannot be read, a column is missing or ambiguous, or cells are no numbers; by line, together.
    """
    table, notes = read_any(path), list[str]()
    if truth is not None:
        table = table.assign(target=paired(path, table, truth))
    table = with_names(table, path, named or {}, notes)
    table = one_member(table, path, member)
    if "iteration" in table:
        table = last_iteration(table, notes)
    if table.empty:
        raise RescoreError(f"{path}: no predictions in it.")
    return Predictions(path, table.reset_index(drop=True), notes)


def read_any(path: Path) -> pd.DataFrame:
    """The file's table as it is."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or device, not a file" if path.exists() else "no such file"
        raise RescoreError(f"{path}: {what}. Name a file of predictions.")
    kind = path.suffix.lower()
    readers = {".json": read_json, ".jsonl": read_json, ".parquet": read_parquet, ".pq": read_parquet}
    readers |= {".npy": read_arrays, ".npz": read_arrays}
    if kind in (".pkl", ".pickle", ".pt", ".pth", ".mat", ".xlsx", ".xls", ".h5"):
        raise RescoreError(f"{path}: {kind} is not read. Save it as CSV with columns sample and predicted.")
    return readers.get(kind, read_csv)(path)


def read_csv(path: Path) -> pd.DataFrame:
    """A table of text whose columns are separated by commas, semicolons, tabs or bars; numbers may have decimal commas then."""
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    told = re.match(rf"\s*sep=([{SEPARATORS}])[ \t]*\n", text, re.IGNORECASE)  # Excel's own first line
    text = text[told.end() :] if told else text
    head = next((line for line in text.split("\n") if line.strip()), "")
    if not head:
        raise RescoreError(f"{path}: empty. The first line names the columns.")
    separator = told[1] if told else max(SEPARATORS, key=head.count)
    try:
        rows = [
            row for row in csv.reader(io.StringIO(text), delimiter=separator, strict=True) if any(map(str.strip, row))
        ]
    except csv.Error as error:
        raise RescoreError(f"{path}: {error}. Is a quotation mark not closed?") from error
    names = [cell.strip() for cell in rows[0]]
    if any(is_number(name) for name in names):
        raise RescoreError(
            f"{path}: its first line is {head.strip()[:60]!r}; put the columns' names there: sample{separator}predicted"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    raise_together(f"{path}: columns", [f"'{name}' stands twice" for name in twice], REMEDY)
    uneven = [
        f"row {number}: {len(row)} cells, {len(names)} columns"
        for number, row in enumerate(rows[1:], 2)
        if len(row) != len(names)
    ]
    raise_together(f"{path}: rows that do not fit", uneven, REMEDY)
    table = pd.DataFrame([[cell.strip() for cell in row] for row in rows[1:]], columns=names, dtype=object)
    return table.map(lambda cell: cell.replace(",", ".")) if separator == ";" and decimal_commas(table) else table


def decimal_commas(table: pd.DataFrame) -> bool:
    """Whether numbers are written 85,5: no cell has a point beside digits, some have a comma."""
    cells = [cell for column in table for cell in table[column]]
    return any(is_number(cell.replace(",", ".")) and "," in cell for cell in cells) and not any(
        is_number(cell) and "." in cell for cell in cells
    )


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def read_json(path: Path) -> pd.DataFrame:
    """A list of objects, an object of equally long lists, an object sample -> number, or an object a line."""
    twice: list[str] = []
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json_of(text, twice)
    except UnicodeDecodeError as error:
        raise RescoreError(f"{path}: not in UTF-8 (byte {error.start}). Save it in UTF-8.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise RescoreError(f"{path}: not JSON ({error}).") from error
    raise_together(f"{path}: names that stand twice, of which JSON takes the last", sorted(set(twice)), REMEDY)
    if (
        isinstance(content, dict)
        and content
        and all(isinstance(value, int | float | None) for value in content.values())
    ):
        return pd.DataFrame({"sample": list(content), "predicted": list(content.values())}, dtype=object)
    lists = isinstance(content, dict) and all(isinstance(value, list) for value in content.values())
    sizes = {len(value) for value in content.values()} if lists else set()
    rows = isinstance(content, list) and all(isinstance(value, dict) for value in content)
    if not content or not (rows or len(sizes) == 1):
        raise RescoreError(
            f"{path}: neither a list of objects with sample and predicted, nor an object of equally long lists, nor one from"
            " sample to prediction."
        )
    return pd.DataFrame(content, dtype=object)


def json_of(text: str, twice: list[str]) -> Any:
    """One value, or a list of those that stand a line each.

    Args:
        twice: gets the names that stand twice in an object.

    Raises:
        ValueError: no JSON, with the line.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            names = [name for name, _ in pairs]
            twice.extend(name for name in content if names.count(name) > 1)
        return content

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as whole:
        twice.clear()
        values = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                values += [json.loads(line, object_pairs_hook=once)] if line.strip() else []
            except json.JSONDecodeError as error:
                if not values:  # not a value a line, but one that is broken
                    raise whole from None
                raise ValueError(f"line {number}: {error.msg}, column {error.colno}") from error
        if len(values) < 2:
            raise
        return values


def read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
        named = [name for name in table.index.names if name is not None and name not in table]
        return (table.reset_index(named) if named else table).astype(object)
    except Exception as error:  # pyarrow raises many types for a damaged file
        raise RescoreError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}).") from error


def read_arrays(path: Path) -> pd.DataFrame:
    """One array (n,) of predictions, or several by name."""
    try:
        content: Any = np.load(path, allow_pickle=False)
        arrays = (
            {name: content[name] for name in content.files} if path.suffix.lower() == ".npz" else {"predicted": content}
        )
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise RescoreError(
            f"{path}: not readable arrays ({error}). Save plain numbers: np.save(path, values)"
        ) from error
    arrays = {name: np.squeeze(array) for name, array in arrays.items()}
    wrong = [f"'{name}' is {array.shape}, not one number a sample" for name, array in arrays.items() if array.ndim != 1]
    kinds = {name: array.dtype for name, array in arrays.items() if array.dtype.kind not in ARRAY_KINDS}
    wrong += [f"'{name}' holds {kind}, which are no numbers" for name, kind in kinds.items()]
    raise_together(f"{path}: arrays", wrong, REMEDY)
    if len({len(array) for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise RescoreError(f"{path}: arrays of unequal length ({sizes}).")
    return pd.DataFrame(arrays).astype(object)


def paired(path: Path, table: pd.DataFrame, truth: Path) -> list[Any]:
    """True scores of an array, one for each prediction."""
    true = read_any(truth)
    if len(true.columns) != 1 or len(true) != len(table):
        raise RescoreError(
            f"{path} has {len(table)} predictions and {truth} {len(true)} true scores: one for each is needed."
        )
    return true.iloc[:, 0].tolist()


def with_names(table: pd.DataFrame, path: Path, named: Mapping[str, str], notes: list[str]) -> pd.DataFrame:
    """The columns that are known, under our names."""
    lost = [f"no column '{column}' for {what}" for what, column in named.items() if column not in table]
    raise_together(f"{path}: columns, of {', '.join(map(str, table))}", lost, "name one that is there.")
    options = {what: [named[what]] if what in named else called(table, NAMES[what], named) for what in NAMES}
    found: dict[str, Any] = {what: columns[0] if columns else None for what, columns in options.items()}
    score = [column for column in options["target"] if str(column).strip().lower() == "score"]
    if found["predicted"] is None and score and "target" not in named:
        rest = [column for column in options["target"] if column not in score]
        options |= {"predicted": score, "target": rest}
        found |= {"predicted": score[0], "target": rest[0] if rest else None}
        notes.append(f"column '{score[0]}' is taken for the predictions")
    for what in ("predicted", "target", "sample"):
        if len(options[what]) > 1:
            others = ", ".join(map(str, options[what][1:]))
            notes.append(
                f"column '{found[what]}' is taken for {what}, and not {others}: --column {what}=NAME takes another"
            )
    if found["predicted"] is None:
        raise RescoreError(
            f"{path}: no column of predictions among {', '.join(map(str, table))}. Name it: --column predicted=NAME"
        )
    chosen = pd.DataFrame({what: table[column] for what, column in found.items() if column is not None})
    problems: list[str] = []
    for name in chosen:
        if name in NUMBERS:
            chosen[name] = numbers(chosen[name], str(found[str(name)]), problems)
        else:
            chosen[name] = [text_of(value) for value in chosen[name]]
    raise_together(f"{path}: cells that are no numbers", problems, REMEDY)
    return chosen


def called(table: pd.DataFrame, names: Sequence[str], named: Mapping[str, str]) -> list[Any]:
    """The columns that are called so and were not named for something else, the likeliest first."""
    free = [column for column in table if column not in named.values()]
    return [column for name in names for column in free if str(column).strip().lower().replace(" ", "_") == name]


def text_of(value: Any) -> str:
    """A key as text; the whole numbers of a float column without their `.0`, keys of several parts with a slash between."""
    if isinstance(value, list | tuple | np.ndarray):
        return "/".join(map(text_of, value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def numbers(column: pd.Series, name: str, problems: list[str]) -> np.ndarray:
    """A column as numbers, NaN where a cell is empty; other cells are named by their row."""
    values = np.full(len(column), np.nan)
    for place, cell in enumerate(column):
        if pd.api.types.is_scalar(cell) and pd.isna(cell):
            continue
        if isinstance(cell, str) and cell.strip().lower() in ("", "nan", "none", "null", "na"):
            continue
        try:
            values[place] = float(cell)
        except (TypeError, ValueError):
            problems.append(f"row {place + 2}: {name} is {cell!r}")
        else:
            if isinstance(cell, bool | np.bool_):
                problems.append(f"row {place + 2}: {name} is {cell}, a truth value")
            elif isinstance(cell, str) and math.isfinite(values[place]) and (wrong := wrong_number(cell)):
                problems.append(f"row {place + 2}: {name} {wrong}")
    return values


def one_member(table: pd.DataFrame, path: Path, member: str | None) -> pd.DataFrame:
    """The rows of one member."""
    known = list(dict.fromkeys(table["member"])) if "member" in table else []
    if member is not None and member not in known:
        raise RescoreError(f"{path}: no member '{member}'. It has {', '.join(known[:20]) or 'no column of members'}.")
    if member is None and len(known) > 1:
        raise RescoreError(
            f"{path}: predictions of {len(known)} members ({', '.join(known[:8])}{' ...' if len(known) > 8 else ''}). Say whose: "
            "--member NAME"
        )
    return table[table["member"] == (member or known[0])] if known else table


def last_iteration(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The rows of the last iteration: another could only be chosen by looking at the test samples."""
    order = pd.to_numeric(table["iteration"], errors="coerce")
    if order.isna().any() or order.nunique() < 2:
        return table
    by = [table[name] for name in ("seed", "fold") if name in table]
    last = order.groupby(by).transform("max") if by else pd.Series(order.max(), order.index)
    each = "of each seed or fold " if by else ""
    judged = ", ".join(f"{number:g}" for number in sorted(set(last)))
    notes.append(f"{order.nunique()} iterations stand in the file; the last {each}is judged: {judged}")
    return table[order == last]
