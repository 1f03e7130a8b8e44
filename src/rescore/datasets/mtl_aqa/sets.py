"""MTL-AQA's training sets: the whole one (1059), the smaller ones of the paper's Table 8, and UNLV-Dive's for Table 7.

The released lists contradict the paper. `as_shipped` takes them as they are, `clean` (the default) without what spoils a table:

    set         released                                            clean
    1059        1059 training and 353 test dives                     the same
    450         443, of which 115 are test dives of Table 8          328
    280         279, of which 80 are                                 199
    140         143, of which 36 are                                 107
    unlv_dive   300 and 70; 23 of the 70 are dives that the S3D      the S3D authors' own 300 and 70: the test set that Table 7's
                authors train on; one of the 300 has no annotation   other methods were measured on
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.release import (
    OFFICIAL,
    SMALLER_SIZES,
    Key,
    read_keys,
    read_smaller_training_set,
    read_unlv_split,
    sample_name,
)
from rescore.datasets.mtl_aqa.unlv_dive import corresponding_dives, read_unlv_dive, split_findings
from rescore.engine.errors import RescoreError

WHOLE, UNLV = "1059", "unlv_dive"
VARIANTS = ("clean", "as_shipped")


@dataclass(frozen=True)
class TrainingSet:
    name: str
    train: list[str]
    """Samples, each once, in the list's order."""
    test: list[str]


def read_sets(
    directory: Path, unlv_dive: Path, annotations: Mapping[Key, Mapping[str, Any]], variant: str
) -> tuple[list[TrainingSet], list[str]]:
    """The five training sets, and what is odd about the released ones, a sentence each.

    Args:
        directory: MTL-AQA's release.
        unlv_dive: the S3D authors' files, whose split of UNLV-Dive is the clean one.
        variant: `clean` or `as_shipped`. A sample without annotation is in neither: there is nothing to learn from it.

    Raises:
        RescoreError: a file is missing or damaged, or the variant is neither.
    """
    if variant not in VARIANTS:
        raise RescoreError(
            f"multitask.training_sets is {variant!r}; it is {' or '.join(VARIANTS)}. Correct params.yaml."
        )
    clean = variant == "clean"
    official = {name: read_keys(directory / OFFICIAL / f"{name}_split_0.pkl") for name in ("train", "test")}
    whole = TrainingSet(WHOLE, *([sample_name(key) for key in official[name]] for name in ("train", "test")))
    sets, findings = [whole], []
    known = {sample_name(key) for key in annotations}
    for size in sorted(SMALLER_SIZES, reverse=True):
        found, odd = smaller_set(size, read_smaller_training_set(directory, size), whole.test, known, clean)
        sets.append(found)
        findings += odd
    dives, released = read_unlv_dive(unlv_dive), read_unlv_split(directory)
    findings += [f"UNLV-Dive, {finding}" for finding in dives.findings]
    findings += split_findings(dives, annotations, released)
    if clean:
        keys = corresponding_dives(dives, annotations)
        released = {
            str(name): [keys[number] for number in rows["sample"].astype(int) if number in keys]
            for name, rows in dives.table.groupby("split")
        }
    parts = {name: [sample_name(key) for key in keys if key in annotations] for name, keys in released.items()}
    return [*sets, TrainingSet(UNLV, parts["train"], parts["test"])], findings


def smaller_set(
    size: int, listed: Sequence[str], test: Sequence[str], annotated: set[str], clean: bool
) -> tuple[TrainingSet, list[str]]:
    """One of the smaller sets, and what is odd about it."""
    once = list(dict.fromkeys(listed))
    tested, lacking = set(once) & set(test), set(once) - annotated
    kept = [sample for sample in once if sample not in lacking and not (clean and sample in tested)]
    findings = [
        f"smaller training set {size}: {len(listed)} dives, {len(tested)} of them test dives of the official split; "
        f"{len(kept)} are used",
        *(f"smaller training set {size}: {sample} has no annotation" for sample in sorted(lacking)),
    ]
    if len(once) != len(listed):
        findings.append(f"smaller training set {size}: {len(listed) - len(once)} dives are listed more than once")
    return TrainingSet(str(size), kept, list(test)), findings


def split_table(sets: Sequence[TrainingSet], validation: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """A row a sample of a split of a training set: `training_set, sample, split` (train, validation, test).

    Args:
        validation: `share` of the training samples, drawn by seed and set; `separate`: they stand under `train` as well, for
            the papers' protocols, and only a second training leaves them out.

    Raises:
        RescoreError: a share that leaves nothing to one side.
    """
    rows = []
    for each in sets:
        held = draw_validation(each, float(validation["share"]), seed)
        train = [sample for sample in each.train if validation["separate"] or sample not in held]
        parts = {"train": train, "validation": [s for s in each.train if s in held], "test": each.test}
        rows += [(each.name, sample, split) for split, samples in parts.items() for sample in samples]
    return pd.DataFrame(rows, columns=["training_set", "sample", "split"])


def draw_validation(training_set: TrainingSet, share: float, seed: int) -> set[str]:
    """At least one training sample, and not all."""
    count = len(training_set.train)
    if not 0 < share < 1 or count < 2:
        raise RescoreError(
            f"multitask.validation.share {share:g} of training set {training_set.name} ({count} samples) leaves nothing to one "
            "side; it lies between 0 and 1. Correct params.yaml."
        )
    generator = np.random.default_rng([seed, zlib.crc32(training_set.name.encode())])
    held = min(count - 1, max(1, round(share * count)))
    return {training_set.train[at] for at in generator.permutation(count)[:held]}
