"""Released predictions, read by what is declared of them: arrays beside true scores, entries by name, or tables.

Pickles and object arrays go through the project's own reader, which runs nothing. Predictions are paired with labels by name, or
where arrays have no names by an order that is shown to hold; where it cannot be shown they are refused.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.scoring.released.declared import Of, Predicted
from rescore.sources.pickles import load_object_array, load_pickle

COLUMNS = [
    "record",
    "system",
    "data",
    "split",
    "run",
    "fold",
    "epoch",
    "path",
    "sample",
    "entry",
    "target",
    "predicted",
]
"""A row an entry of a path in an epoch of a run and fold; entries of one sample (two cameras) are rows of their own."""
REMEDY = "Ask its authors, or leave the record out of released.yaml."
SHOWN = 5


def read_predictions(predicted: Predicted, fold: int, folders: Mapping[str, Path]) -> tuple[pd.DataFrame, list[str]]:
    """One fold's predictions, and notes of how they were paired with their labels.

    Args:
        predicted: as declared.
        fold: which of its files.
        folders: of the sources, by name.

    Returns:
        A table of COLUMNS, sorted, and notes.

    Raises:
        RescoreError: a file is missing, unreadable or asks for code; predictions and labels are not as many, cannot be paired,
            or are NaN or infinite.
    """
    notes: list[str] = []
    if predicted.columns:
        table = from_table(predicted, folders[predicted.source] / predicted.files[fold], fold)
    else:
        parts = []
        for epoch, path in files_by_epoch(folders[predicted.source], predicted.files[fold]):
            rows, told = from_file(predicted, path, folders)
            parts.append(rows.assign(epoch=epoch))
            notes += [note for note in told if note not in notes]
        table = pd.concat(parts, ignore_index=True).assign(run=0, fold=fold)
        notes += listed_notes(predicted, fold, set(table["sample"]), folders)
    require_finite(table, str(folders[predicted.source] / predicted.files[fold]))
    table = table.assign(record=predicted.key, system=predicted.system, data=predicted.data, split=predicted.split)
    return table[COLUMNS].sort_values(["run", "epoch", "path", "entry"]).reset_index(drop=True), notes


def files_by_epoch(folder: Path, name: str) -> list[tuple[int, Path]]:
    """The file, or where its name has `{epoch}` every file whose name has a number there, by that number.

    Raises:
        RescoreError: there is none.
    """
    if "{epoch}" not in name:
        if not (folder / name).is_file():
            raise RescoreError(f"{folder / name}: no such file. Run `rescore fetch {folder.name}`.")
        return [(0, folder / name)]
    pattern = re.compile(re.escape(name).replace(re.escape("{epoch}"), r"(\d+)"))
    inside = (path.relative_to(folder).as_posix() for path in (folder / name).parent.glob("*"))
    found = sorted((int(match[1]), folder / match[0]) for match in map(pattern.fullmatch, inside) if match)
    if not found:
        raise RescoreError(f"{folder / name}: no such files. Run `rescore fetch {folder.name}`.")
    return found


def from_file(predicted: Predicted, path: Path, folders: Mapping[str, Path]) -> tuple[pd.DataFrame, list[str]]:
    """Rows `sample, entry, path, target, predicted` of one file."""
    values = load_object_array(path) if path.suffix == ".npy" else load_pickle(path)
    values = values.item() if isinstance(values, np.ndarray) and values.dtype.hasobject and not values.shape else values
    if isinstance(values, Mapping):
        return by_name(predicted, path, values, folders), []
    return in_order(predicted, path, np.asarray(values, dtype=float).reshape(-1), folders)


def by_name(predicted: Predicted, path: Path, values: Mapping[Any, Any], folders: Mapping[str, Path]) -> pd.DataFrame:
    """Rows of entries that have names, with the label of each entry's sample.

    Raises:
        RescoreError: entries have another number of values than there are paths, no sample, or samples no label.
    """
    if predicted.labels is None:
        raise RescoreError(f"{path}: entries by name, and no `labels` are declared for them.")
    known, entries = labels_of(predicted.labels, folders), sorted(map(str, values))
    arrays = {str(name): np.asarray(value, dtype=float).reshape(-1) for name, value in values.items()}
    width = len(predicted.paths)
    problems = [f"{name} has {len(arrays[name])} values, not {width}" for name in entries if len(arrays[name]) != width]
    samples = {name: sample_of(predicted, name) for name in entries}
    problems += [f"{name}: no label of '{samples[name]}'" for name in entries if samples[name] not in known]
    refuse(path, problems)
    return pd.DataFrame(
        [
            (samples[name], name, of_path, known[samples[name]], arrays[name][place])
            for name in entries
            for place, of_path in enumerate(predicted.paths)
        ],
        columns=["sample", "entry", "path", "target", "predicted"],
    )


def refuse(path: Path, problems: Sequence[str]) -> None:
    """Raise what is wrong with a file's entries in one sentence, or do nothing."""
    if problems:
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise RescoreError(f"{path}: {'; '.join(problems[:SHOWN])}{more}. {REMEDY}")


def sample_of(predicted: Predicted, entry: str) -> str:
    """The sample that an entry shows; the entry itself where nothing is declared or nothing matches."""
    match = predicted.entry.fullmatch(entry) if predicted.entry else None
    return match["sample"] if match else entry


def in_order(
    predicted: Predicted, path: Path, values: np.ndarray, folders: Mapping[str, Path]
) -> tuple[pd.DataFrame, list[str]]:
    """Rows of an array without names, with how its order was established.

    Raises:
        RescoreError: true scores or labels are not as many, or the order cannot be established.
    """
    target, names, notes = None, None, list[str]()
    if predicted.target:
        target = np.asarray(load_object_array(folders[predicted.source] / predicted.target), dtype=float).reshape(-1)
        require_length(path, values, target, predicted.target)
    if predicted.labels is not None and predicted.listed is not None:
        names = [str(name) for name in names_of(predicted.listed, folders)]
        known = labels_of(predicted.labels, folders)
        refuse(
            path, [f"no label of '{name}', which {predicted.listed.file} lists" for name in names if name not in known]
        )
        labels = np.array([known[name] for name in names])
        require_length(path, values, labels, predicted.listed.file)
        names, note = ordered_names(path, names, labels, target)
        notes.append(note)
        target = labels if target is None else target
    if target is None:
        raise RescoreError(
            f"{path}: neither true scores beside it nor labels with a list of names are declared. {REMEDY}"
        )
    names = [f"{place:05d}" for place in range(len(values))] if names is None else names
    table = pd.DataFrame(
        {"sample": names, "entry": names, "path": predicted.paths[0], "target": target, "predicted": values}
    )
    return table, notes


def require_length(path: Path, values: np.ndarray, others: np.ndarray, whose: str) -> None:
    """Refuse predictions that are not as many as their true scores."""
    if len(values) != len(others):
        raise RescoreError(f"{path}: {len(values)} predictions, but {len(others)} in {whose}. {REMEDY}")


def ordered_names(
    path: Path, names: Sequence[str], labels: np.ndarray, target: np.ndarray | None
) -> tuple[list[str], str]:
    """Names in the order of an array of true scores, and how that order was established.

    Raises:
        RescoreError: the true scores are not the labels, or several orders would fit.
    """
    if target is None:
        raise RescoreError(
            f"{path}: nothing beside it holds true scores, so that its order cannot be told from another. {REMEDY}"
        )
    if np.allclose(target, labels, atol=1e-3, rtol=0):
        return list(names), f"order established: all {len(names)} true scores equal the labels of the list, one by one"
    places, back = np.argsort(labels, kind="stable"), np.argsort(np.argsort(target, kind="stable"))
    if not np.allclose(np.sort(target), np.sort(labels), atol=1e-3, rtol=0):
        strangers = Counter(target.round(3).tolist()) - Counter(labels.round(3).tolist())
        off = sum(strangers.values())
        raise RescoreError(
            f"{path}: {off} of {len(names)} true scores are none of the labels, in whatever order. {REMEDY}"
        )
    if len(np.unique(labels.round(3))) < len(labels):
        raise RescoreError(
            f"{path}: its true scores stand in another order than the list, and equal scores leave several orders open. {REMEDY}"
        )
    return [
        names[place] for place in places[back]
    ], "order established: each true score belongs to one sample of the list alone"


def from_table(predicted: Predicted, path: Path, fold: int) -> pd.DataFrame:
    """Rows of a CSV by its declared columns.

    Raises:
        RescoreError: it is missing, no CSV, or has not the columns or numbers.
    """
    try:
        table = pd.read_csv(path)
    except OSError as error:
        raise RescoreError(
            f"{path}: cannot be read ({error.strerror}). Run `rescore fetch {predicted.source}`."
        ) from error
    except ValueError as error:
        raise RescoreError(f"{path}: not a CSV ({error}). {REMEDY}") from error
    if lacking := [name for name in predicted.columns.values() if name not in table]:
        raise RescoreError(f"{path}: no column {', '.join(lacking)}; it has {', '.join(map(str, table))}. {REMEDY}")
    rows = pd.DataFrame({name: table[column] for name, column in predicted.columns.items()})
    for name in ("predicted", "target"):
        numbers = pd.to_numeric(rows[name], errors="coerce")
        words = rows.index[numbers.isna() & rows[name].notna()]
        refuse(path, [f"line {place + 2}: {name} '{rows[name][place]}' is no number" for place in words])
        rows[name] = numbers.astype(float)
    rows["entry"] = rows["sample"] = rows["sample"].astype(str)
    rows["sample"] = [sample_of(predicted, entry) for entry in rows["entry"]]
    given: dict[str, int | str] = {"fold": fold, "run": 0, "epoch": 0, "path": predicted.paths[0]}
    for name, value in given.items():
        rows[name] = rows.get(name, value)
    doubled = rows[rows.duplicated(["fold", "run", "epoch", "path", "entry"])]
    refuse(path, [f"line {place + 2}: {rows['entry'][place]} stands twice in one epoch" for place in doubled.index])
    return rows


def require_finite(table: pd.DataFrame, where: str) -> None:
    """Refuse NaN and infinities, all named together."""
    for name in ("predicted", "target"):
        bad = table.loc[~np.isfinite(table[name].astype(float)), "entry"].tolist()
        if bad:
            listed = ", ".join(bad[:SHOWN]) + (f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else "")
            raise RescoreError(f"{where}: {name} is NaN or infinite for {listed}. {REMEDY}")


def content_of(of: Of, folders: Mapping[str, Path]) -> Any:
    """A file of labels or names, or the entry of it that is declared.

    Raises:
        RescoreError: the file is missing or unreadable, or has no such entry.
    """
    path = folders[of.source] / of.file
    if path.suffix == ".json":
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RescoreError(
                f"{path}: not a readable JSON file ({error}). Run `rescore fetch {of.source}`."
            ) from error
    else:
        content = load_object_array(path) if path.suffix == ".npy" else load_pickle(path)
        content = content.item() if isinstance(content, np.ndarray) and not content.shape else content
    if of.key and (not isinstance(content, Mapping) or of.key not in content):
        raise RescoreError(f"{path}: no entry '{of.key}'. Correct released.yaml.")
    return content[of.key] if of.key else content


def labels_of(of: Of, folders: Mapping[str, Path]) -> dict[str, float]:
    """Scores by the samples' names."""
    content = content_of(of, folders)
    if not isinstance(content, Mapping):
        raise RescoreError(f"{folders[of.source] / of.file}: no labels by name. Correct released.yaml.")
    found = {}
    for name, label in content.items():
        value = label[of.field] if of.field is not None else label
        found[str(name)] = float(np.sum(value)) if of.sum else float(value)
    return found


def names_of(of: Of, folders: Mapping[str, Path]) -> Sequence[Any]:
    """The listed names, or where there are folds the list of each."""
    content = content_of(of, folders)
    if isinstance(content, Mapping):
        raise RescoreError(f"{folders[of.source] / of.file}: no list of names, but entries by name. Declare a `key`.")
    return list(content)


def listed_notes(predicted: Predicted, fold: int, samples: set[str], folders: Mapping[str, Path]) -> Iterator[str]:
    """What the samples of a fold have to do with the lists of the folds.

    Raises:
        RescoreError: test samples of a fold are not the listed ones.
    """
    if predicted.listed is None or predicted.labels is None:
        return
    lists = names_of(predicted.listed, folders)
    if not lists or not isinstance(lists[0], list | tuple) or isinstance(lists[0][0], int | np.integer):
        return
    if any(not isinstance(name, str) for name in lists[0]):
        return
    own = set(lists[fold]) if fold < len(lists) else set[str]()
    others = {name for place, names in enumerate(lists) for name in names if place != fold}
    wanted = own if predicted.split == "test" else others
    if wanted != samples:
        off = sorted(wanted ^ samples)
        raise RescoreError(
            f"{folders[predicted.source] / predicted.files[fold]}: other samples than fold {fold} of {predicted.listed.file}: "
            f"{', '.join(off[:SHOWN])}. {REMEDY}"
        )
    rest = (
        "the listed test samples of each fold"
        if predicted.split == "test"
        else "all but the listed test samples of each fold"
    )
    yield f"paired with their labels by name: {rest}"
