"""Labels that predictions are held against: those of the published data sets that are at hand, or a table of one's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from rescore.datasets.aqa7 import official as aqa7
from rescore.datasets.mtl_aqa import release as mtl_aqa
from rescore.datasets.mtl_aqa import unlv_dive
from rescore.datasets.rhythmic_gymnastics import segments as gymnastics
from rescore.engine.errors import RescoreError, raise_together
from rescore.judging.predicted import read_any
from rescore.manifests import labels
from rescore.sources import fetch

RELEASED = "released"
"""The split that a data set's own files name."""
DIVE_CLASS = ("position", "armstand", "rotation_type", "somersaults", "twists")


@dataclass(frozen=True)
class Reference:
    name: str
    table: pd.DataFrame
    """`sample, score`; where known `action, split, difficulty, event, dive_class`."""
    splits: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Test samples, by the split's name; the data set's own first. Empty: every sample is one."""

    def test(self, split: str | None) -> frozenset[str]:
        """Test samples of a split; of the first one without a name.

        Raises:
            RescoreError: there is no such split.
        """
        if split is None:
            return next(iter(self.splits.values()), frozenset(self.table["sample"]))
        if split not in self.splits:
            known = ", ".join(self.splits) or "none: every sample is a test sample"
            raise RescoreError(f"--split {split}: no such split of {self.name}. Known: {known}.")
        return self.splits[split]


def read_mtl_aqa(directory: Path) -> Reference:
    table, _ = mtl_aqa.read_manifest(directory, Path("videos"))
    classes = [table[name].astype(str) for name in DIVE_CLASS]
    table["dive_class"] = [" ".join(words) for words in zip(*classes, strict=True)]
    unlv = frozenset(map(mtl_aqa.sample_name, mtl_aqa.read_unlv_split(directory)["test"]))
    return Reference("mtl_aqa", table, {RELEASED: released(table), "unlv_dive": unlv & frozenset(table["sample"])})


def read_aqa7(directory: Path) -> Reference:
    table = aqa7.read_lists(directory)
    return Reference("aqa7", table, {RELEASED: released(table)})


def read_unlv_dive(directory: Path) -> Reference:
    table = unlv_dive.read_unlv_dive(directory).table
    return Reference("unlv_dive", table, {RELEASED: released(table)})


def read_rhythmic_gymnastics(directory: Path) -> Reference:
    table = pd.concat([gymnastics.read_labels(directory / f"{split}.txt", split) for split in ("train", "test")])
    return Reference("rhythmic_gymnastics", table.reset_index(drop=True), {RELEASED: released(table)})


def released(table: pd.DataFrame) -> frozenset[str]:
    return frozenset(table.loc[table["split"] == "test", "sample"])


DATA: dict[str, tuple[str, Callable[[Path], Reference]]] = {
    "mtl_aqa": ("mtl-aqa-annotations", read_mtl_aqa),
    "aqa7": ("aqa7-lists", read_aqa7),
    "unlv_dive": ("unlv-dive-s3d", read_unlv_dive),
    "rhythmic_gymnastics": ("rhythmic-gymnastics", read_rhythmic_gymnastics),
}
"""Published labels: where they come from, and how they are read."""


def published(name: str, root: Path = Path("data/raw"), mirror: Path | None = None) -> Reference:
    """The labels of a published data set.

    Args:
        name: a key of DATA.
        root: where sources are kept.
        mirror: folder of copies, looked at too.

    Raises:
        RescoreError: no such data set, or its labels are not at hand or damaged.
    """
    if name not in DATA:
        raise RescoreError(
            f"--data {name}: its labels are not among {', '.join(DATA)}. Give a table of them: --labels FILE, with columns"
            " sample and score."
        )
    source, read = DATA[name]
    folder = fetch.locate(source, root, mirror)
    if folder is None:
        raise RescoreError(f"--data {name}: its labels are not in {root}. Fetch them: rescore fetch {source}")
    return read(folder)


def own(path: Path) -> Reference:
    """Labels of one's own: CSV or Parquet with columns `sample, score`, and `split, action, difficulty, event` where known.

    Raises:
        RescoreError: the file is missing or not such a table; bad lines together.
    """
    problems: list[str] = []
    if path.suffix.lower() in (".parquet", ".pq"):
        table = read_any(path)
        missing = [name for name in ("sample", "score") if name not in table]
        if missing:
            raise RescoreError(f"{path}: no column {' and '.join(missing)}. A table of labels has sample and score.")
        unnamed = table["sample"].isna()
        problems += [f"row {place + 1}: its sample is missing" for place in np.flatnonzero(unnamed)]
        table = table[~unnamed].reset_index(drop=True).astype({"sample": str})
    else:
        table = labels.read_labels(path, ["sample"], ["score"])
    numbers = [name for name in ("score", "difficulty") if name in table]
    for name in numbers:
        problems += not_numbers(table, name)
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    twice = table.loc[table["sample"].duplicated(), "sample"].unique()
    problems += [f"{len(twice)} samples stand twice: {', '.join(twice[:5])}"] if len(twice) else []
    problems += [] if len(table) or problems else ["no sample stands in it"]
    splits = {}
    if "split" in table:
        table["split"] = table["split"].astype(str).str.strip().str.lower()
        splits = {RELEASED: released(table)}
        if not splits[RELEASED]:
            problems.append(
                f"column split names no sample `test` (it has {', '.join(sorted(set(table['split']))[:5])}); without "
                "the column all are judged"
            )
    raise_together(f"{path}: labels that cannot be used", problems, "correct the table; it is left as it is.")
    return Reference(path.name, table, splits)


def not_numbers(table: pd.DataFrame, name: str) -> list[str]:
    """Cells of a column of labels that are no numbers, a sentence each; only a score must be there."""
    problems = []
    for sample, cell in zip(table["sample"], table[name], strict=True):
        missing = cell is None or cell is pd.NA or cell != cell or cell == ""
        if missing and name == "score":
            problems.append(f"{sample}: its score is missing or no number")
        elif not missing and (wrong := labels.wrong_number(str(cell).strip())):
            problems.append(f"{sample}: its {name} {wrong}")
    return problems
