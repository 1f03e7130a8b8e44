"""Predictions joined to their labels by the samples' names, and what is odd about them, a sentence each with its remedy."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.judging.predicted import Predictions
from rescore.judging.references import RELEASED, Reference
from rescore.scoring.correlation import spearman
from rescore.scoring.predictions import shown

ENDINGS = r"\.(avi|mp4|mov|mkv|webm|m4v|npy|npz|pt|pkl|jpg|png)$"
FEW = 30
KEY = ["seed", "fold", "sample"]


@dataclass(frozen=True)
class Joined:
    """What is judged."""

    table: pd.DataFrame
    """`seed, fold, sample, action, target, predicted`, and `difficulty, event, dive_class` where the labels have them; finite
    numbers, every seed on the same samples."""
    odd: list[str]
    comparable: bool
    """Whether predictions are in the scores' own unit, so that errors in points mean something."""


def join(predictions: Predictions, reference: Reference | None, split: str | None = None) -> Joined:
    """Join predictions to labels, and say what is odd.

    Args:
        predictions: as read.
        reference: the labels; None: the file's own true scores.
        split: whose test samples are judged; None: the data set's own.

    Raises:
        RescoreError: nothing says what the true scores are, no sample is known, or a sample has two predictions.
    """
    table = predictions.table.copy()
    odd = list(predictions.notes)
    for name in ("seed", "fold"):
        if name not in table:
            table[name] = ""
    if "split" in table and (table["split"].str.lower() == "test").any():
        kept = table["split"].str.lower() == "test"
        if not kept.all():
            odd.append(f"{(~kept).sum()} rows are marked as another split than test: they are left out")
        table = table[kept]
    table = labelled(table, predictions, reference, odd)
    if reference is not None:
        table = of_split(table, reference, split, odd)
    table = once(table, predictions, odd)
    table = finite(table, odd)
    table = on_all_seeds(table, odd)
    if reference is not None:
        odd += missing(table, reference.test(split))
    found = list(value_oddities(table))
    comparable = not any(message.startswith(UNIT) for message in found)
    return Joined(table.reset_index(drop=True), odd + found, comparable)


def words_of(name: str) -> tuple[str, ...]:
    """What a sample is called, however it is spelled: `01/064`, `(1, 64)`, `1_64.mp4` and `1-64` are one."""
    stem = re.sub(ENDINGS, "", str(name).strip().lower())
    return tuple(word.lstrip("0") or "0" for word in re.findall(r"[^\W_]+", stem))


def labelled(
    table: pd.DataFrame, predictions: Predictions, reference: Reference | None, odd: list[str]
) -> pd.DataFrame:
    """The rows with their true scores; those of samples that are not in the labels are left out."""
    if reference is None:
        if "target" not in table:
            raise RescoreError(
                f"{predictions.path}: no true scores. Name a data set (--data), a table of labels (--labels), or a column of true"
                " scores (--column target=NAME)."
            )
        return table.assign(sample=own_names(table), action=table.get("action", ""))
    if not predictions.keyed:
        table = by_order(table, predictions, reference, odd)
    found = matched(table, reference)
    unknown = table.loc[found.isna(), "sample"]
    if len(unknown) == len(table):
        examples = (
            f"{shown(list(unknown.unique()))} in the file, {shown(list(reference.table['sample']))} in the labels"
        )
        raise RescoreError(
            f"{predictions.path}: no sample is one of {reference.name}: {examples}. Is it this data set?"
        )
    if len(unknown):
        odd.append(
            f"{unknown.nunique()} samples are not in {reference.name} ({shown(list(unknown.unique()))}): they are left out"
        )
    table = table.assign(sample=found)[found.notna()]
    labels = reference.table.set_index("sample")
    given = table.get("target")
    table = table.assign(target=labels["score"].reindex(table["sample"]).to_numpy(dtype=float))
    for name in ("action", "difficulty", "event", "dive_class"):
        if name in labels:
            table[name] = labels[name].reindex(table["sample"]).to_numpy()
    if "action" not in table:
        table["action"] = ""
    if given is not None:
        odd += target_oddities(given.to_numpy(dtype=float), table)
    return table


def own_names(table: pd.DataFrame) -> pd.Series:
    """Samples' names where no labels are at hand: the file's, with the action in front where names begin anew in each; without
    any the row's number in its seed and fold."""
    if "sample" not in table:
        return "row " + (table.groupby(["seed", "fold"]).cumcount() + 1).astype(str)
    if "action" in table and table.duplicated(KEY).any() and not table.duplicated([*KEY, "action"]).any():
        return table["action"] + "/" + table["sample"]
    return table["sample"]


def by_order(table: pd.DataFrame, predictions: Predictions, reference: Reference, odd: list[str]) -> pd.DataFrame:
    """Rows without names take those of the test samples whose true scores they have, in the released order."""
    if "target" in table:
        for split in reference.splits or {RELEASED: frozenset(reference.table["sample"])}:
            labels = reference.table[
                reference.table["sample"].isin(reference.test(split if reference.splits else None))
            ]
            for order in (labels, labels.sort_values("sample")):
                if len(order) == len(table) and np.allclose(order["score"], table["target"], atol=0.01):
                    odd.append(f"rows have no names; their true scores are those of the {split} test samples in order")
                    return table.assign(sample=order["sample"].to_numpy())
    raise RescoreError(
        f"{predictions.path}: no column of samples, and its order is not that of {reference.name}'s test samples. Add a column"
        " sample"
        " (or --column sample=NAME), or leave --data out to judge by the file's own true scores."
    )


def matched(table: pd.DataFrame, reference: Reference) -> pd.Series:
    """The label's name of each row's sample; None where there is none, or several."""
    names = list(reference.table["sample"])
    known: dict[tuple[str, ...], str | None] = {}
    for name in names:
        words = words_of(name)
        known[words] = (
            None if words in known else name
        )  # two labels that are spelled alike match by their exact names alone
    exact, longest = set(names), max(len(words) for words in known)

    def find(name: str, action: str) -> str | None:
        if name in exact:
            return name
        words = words_of(name)
        options = [
            words,
            (*words_of(action), *words),
            *(words[-size:] for size in range(longest, 1, -1) if size < len(words)),
        ]
        return next((known[option] for option in options if known.get(option)), None)

    actions = table["action"] if "action" in table else [""] * len(table)
    return pd.Series(
        [find(*pair) for pair in zip(table["sample"], actions, strict=True)], index=table.index, dtype=object
    )


def target_oddities(given: np.ndarray, table: pd.DataFrame) -> Iterator[str]:
    """True scores in the file that are not the labels."""
    true = table["target"].to_numpy()
    known = np.isfinite(given)
    if not known.any():
        return
    apart = np.abs(given - true)
    wrong = known & (apart > 0.01)
    ratio = given[known & (true > 0)] / true[known & (true > 0)]
    if wrong.any() and len(ratio) and np.ptp(ratio) < 1e-3 * abs(np.median(ratio)):
        yield f"the file's true scores are {np.median(ratio):.4g} times the labels': the labels count"
    elif wrong.any():
        place = int(np.nanargmax(np.where(wrong, apart, np.nan)))
        sample = table["sample"].iloc[place]
        yield (
            f"the file's true scores are not the labels at {wrong.sum()} of {known.sum()} rows (most at {sample}: "
            f"{given[place]:g}, the label is {true[place]:g}): the labels count. Were scores changed, or samples mixed up?"
        )


def of_split(table: pd.DataFrame, reference: Reference, split: str | None, odd: list[str]) -> pd.DataFrame:
    """The rows of a split's test samples; all of them where none is one."""
    test, given = reference.test(split), frozenset(table["sample"])
    name = split or next(iter(reference.splits), "")
    odd += another_split(given, reference, name)
    inside = table["sample"].isin(test)
    if not inside.any():
        odd.append(
            f"none of the samples is a test sample of {reference.name} ({name} split): what follows was measured on training "
            "samples and says nothing of new ones"
        )
        return table
    if not inside.all():
        outside = table.loc[~inside, "sample"].unique()
        odd.append(
            f"{len(outside)} samples are training samples of the {name} split ({shown(list(outside))}): they are left out"
        )
    return table[inside]


def another_split(given: frozenset[str], reference: Reference, name: str) -> Iterator[str]:
    """The split whose test samples fit better than those of the one that is judged by."""
    overlap = {other: len(given & test) / len(given | test) for other, test in reference.splits.items()}
    best = max(overlap, key=lambda other: overlap[other], default=name)
    if overlap and overlap[best] > overlap[name]:
        test = reference.splits[best]
        yield (
            f"the samples fit the test samples of the {best} split better ({len(given & test)} of {len(test)}) than those of the "
            f"{name} split ({len(given & reference.splits[name])} of {len(reference.splits[name])}): --split {best} judges by it"
        )


def once(table: pd.DataFrame, predictions: Predictions, odd: list[str]) -> pd.DataFrame:
    """Each sample once in each seed and fold."""
    kept = table.drop_duplicates([*KEY, "predicted", "target"])
    twice = kept.loc[kept.duplicated(KEY), "sample"].unique()
    if len(twice):
        raise RescoreError(
            f"{predictions.path}: {len(twice)} samples have two predictions, or true scores, each ({shown(list(twice))}), and "
            "nothing says which counts. Add a column seed or fold, or keep one of them."
        )
    if len(kept) < len(table):
        again = table.loc[table.duplicated([*KEY, "predicted", "target"]), "sample"].unique()
        odd.append(
            f"{len(again)} samples stand more than once with the same prediction ({shown(list(again))}): they count once"
        )
    return kept


def finite(table: pd.DataFrame, odd: list[str]) -> pd.DataFrame:
    """The samples that every seed has a number for."""
    for name, what in (("predicted", "predictions"), ("target", "true scores")):
        bad = table.loc[~np.isfinite(table[name]), "sample"].unique()
        if len(bad) == table["sample"].nunique():
            raise RescoreError(
                f"every one of the {len(bad)} {what} is missing, NaN or infinite. Nothing can be ranked."
            )
        if len(bad):
            odd.append(
                f"{what} of {len(bad)} samples are missing, NaN or infinite ({shown(list(bad))}): they are left out"
            )
        table = table[~table["sample"].isin(bad)]
    return table


def on_all_seeds(table: pd.DataFrame, odd: list[str]) -> pd.DataFrame:
    """The samples that every seed predicted (of a fold's, each in its own fold)."""
    seeds = table["seed"].nunique()
    counts = table.groupby(["fold", "sample"])["seed"].transform("nunique")
    if (counts < seeds).any():
        some = table.loc[counts < seeds, "sample"].unique()
        odd.append(
            f"{len(some)} samples were not predicted by every one of {seeds} seeds ({shown(list(some))}): they are left out"
        )
        table = table[counts == seeds]
        if table.empty:
            raise RescoreError(
                f"no sample was predicted by all {seeds} seeds. Is the column seed one of folds? --column fold=NAME"
            )
    return table


def missing(table: pd.DataFrame, test: frozenset[str]) -> Iterator[str]:
    """Test samples without a prediction."""
    absent = sorted(test - set(table["sample"]))
    if absent and len(absent) < len(test):
        yield (
            f"{len(absent)} of {len(test)} test samples have no prediction ({shown(absent)}): the numbers are those of the other "
            f"{len(test) - len(absent)}, and not those of the whole test set"
        )


UNIT = "predictions are not in the scores' unit"


def value_oddities(table: pd.DataFrame) -> Iterator[str]:
    """What is odd about the numbers of the first seed, and about how many there are."""
    n = table["sample"].nunique()
    if n < FEW:
        yield f"{n} samples: fewer than {FEW}, an interval of a rank correlation is wide and rough there"
    first = table[table["seed"] == table["seed"].iloc[0]]
    target, predicted = first["target"].to_numpy(dtype=float), first["predicted"].to_numpy(dtype=float)
    if np.ptp(target) == 0:
        yield f"every true score is {target[0]:g}: a constant has no order, so no correlation is defined"
        return
    if np.ptp(predicted) == 0:
        yield f"every prediction is {predicted[0]:g}: a constant has no order, so no correlation is defined"
        return
    values = len(np.unique(predicted))
    if values < min(10, n / 3):
        yield f"the predictions have {values} different values among {n} samples: ties hide the order. Were they rounded?"
    rho = spearman(target, predicted).value
    yield from unit_oddities(first, target, predicted, rho)
    exact = float(np.mean(np.isclose(predicted, target, rtol=0, atol=1e-6)))
    if rho > 0.999 or exact > 0.5:
        yield (
            f"the agreement is suspiciously perfect (rho {rho:.4f}, {exact:.0%} of the predictions equal to the true score): "
            "are these the labels?"
        )
    if rho < -0.2:
        yield f"predictions run against the scores (rho {rho:.4f}): is a loss, a rank or a negated score predicted?"


def unit_oddities(first: pd.DataFrame, target: np.ndarray, predicted: np.ndarray, rho: float) -> Iterator[str]:
    """Predictions in another unit: divided by difficulty, normalised, a hundredfold."""
    if "difficulty" in first:
        difficulty = first["difficulty"].to_numpy(dtype=float)
        known = np.isfinite(difficulty) & (difficulty > 0)
        if (
            known.sum() > 3
            and np.ptp(difficulty[known]) > 0
            and divided(target[known], predicted[known], difficulty[known])
        ):
            again = spearman(target[known], predicted[known] * difficulty[known]).value
            yield (
                f"{UNIT}: they look like score / difficulty; times the difficulty their rho is {again:.4f} instead of {rho:.4f}. "
                "Multiply them before the score is judged"
            )
            return
    if not (target >= 0).all() or not np.median(target) > 0:
        return  # scores about zero have no size to compare with
    spread, middle = np.std(predicted) / np.std(target), np.median(predicted) / np.median(target)
    where = f"{predicted.min():.4g} to {predicted.max():.4g}, scores {target.min():.4g} to {target.max():.4g}"
    after = "correlations stand, errors in points are left out until they are scaled back"
    if target.max() > 2 and predicted.min() >= -0.5 and predicted.max() <= 1.5:
        yield f"{UNIT}: they look normalised to 0 to 1 ({where}); {after}"
    elif target.max() > 10 and abs(np.mean(predicted)) < 0.5 and 0.2 < np.std(predicted) < 3:
        yield f"{UNIT}: they look standardised to mean 0 ({where}); {after}"
    elif 30 < middle < 300 and spread > 10:
        yield f"{UNIT}: they look a hundredfold ({where}); {after}"
    elif 1 / 300 < middle < 1 / 30 and spread < 0.1:
        yield f"{UNIT}: they look like a hundredth ({where}); {after}"
    elif not 0.2 < middle < 5:
        yield f"{UNIT}, it seems ({where}); {after}"


def divided(target: np.ndarray, predicted: np.ndarray, difficulty: np.ndarray) -> bool:
    """Whether predictions lie nearer to score / difficulty, in size and in order, than to the score."""
    quotient = target / difficulty
    nearer = np.median(np.abs(predicted - quotient)) < 0.5 * np.median(np.abs(predicted - target))
    alike = 2 / 3 < np.median(predicted) / np.median(quotient) < 1.5
    return bool(nearer and alike and spearman(quotient, predicted).value > 0)
