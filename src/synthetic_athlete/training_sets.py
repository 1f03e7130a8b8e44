"""Which dives train and which test: MTL-AQA's split, its smaller training sets and UNLV-Dive's counterpart, all synthetic.

The official split is drawn over all dives of all events (event by event it holds 18 to 31 % test dives), and so is this one.
The release's smaller sets are not nested: each is a fresh draw of three quarters of the dives of event 1, of events 1 to 3,
or of events 1 to 5, a quarter of which are test dives of the official split. Here they come from the same few events, but
from training dives alone, and one is contained in the next.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from synthetic_athlete.programme import SPLIT, UNLV_EVENTS, counts, dives_of_events, generator, sample_name

SMALLER = {"450": 450, "280": 280, "140": 140}
GROUPS = ((1,), (2, 3), (4, 5))
"""Events that the smaller sets are filled from, in this order; then all others."""
UNLV = {"train": 300, "test": 70}
LEAST = {"train": 16, "validation": 8, "test": 8}
"""Samples a split at least; the training dives of which validation takes its part are twice as many."""
MAIN, VALIDATION, UNLV_DRAW, FILL = range(4)  # what is drawn


def all_samples(synthetic: Mapping[str, Any]) -> list[str]:
    """Every dive of every event, in order."""
    return [
        sample_name(event, dive) for event, dives in dives_of_events(synthetic).items() for dive in range(1, dives + 1)
    ]


def main_split(synthetic: Mapping[str, Any], seed: int) -> dict[str, str]:
    """Sample -> train or test, drawn over all events."""
    samples = all_samples(synthetic)
    order = generator(seed, SPLIT, MAIN).permutation(len(samples))
    training = set(order[: counts(synthetic)[0]].tolist())
    return {sample: "train" if number in training else "test" for number, sample in enumerate(samples)}


def smaller_set(training: Sequence[str], size: int, seed: int) -> list[str]:
    """`size` training samples out of the first events; sets of one seed are nested."""
    order = [training[number] for number in generator(seed, SPLIT, FILL).permutation(len(training))]
    group = {event: number for number, events in enumerate(GROUPS) for event in events}
    filled = sorted(order, key=lambda sample: group.get(int(sample[:2]), len(GROUPS)))  # stable: chance within a group
    return sorted(filled[:size])


def unlv_sets(synthetic: Mapping[str, Any], seed: int) -> tuple[list[str], list[str]]:
    """Training and test samples of UNLV-Dive's counterpart; they cut across the main split, as UNLV-Dive's do."""
    share = float(synthetic["dives"])
    train, test = (max(LEAST[split], round(number * share)) for split, number in UNLV.items())
    samples = [sample for sample in all_samples(synthetic) if int(sample[:2]) in UNLV_EVENTS]
    order = generator(seed, SPLIT, UNLV_DRAW).permutation(len(samples))
    return (
        sorted(samples[number] for number in order[:train]),
        sorted(samples[number] for number in order[train : train + test]),
    )


def split_table(settings: Mapping[str, Any]) -> pd.DataFrame:
    """Columns training_set, sample, split (train, validation, test), a row a sample of a split of a set.

    With multitask.validation.separate validation samples stand in train as well.
    """
    synthetic, seed = settings["synthetic"], settings["seed"]
    main = main_split(synthetic, seed)
    training, test = ([sample for sample, name in main.items() if name == split] for split in ("train", "test"))
    share = float(synthetic["dives"])
    sets = {str(1059): (training, test)}
    for name, full in SMALLER.items():
        sets[name] = (smaller_set(training, max(LEAST["train"], round(full * share)), seed), test)
    sets["unlv_dive"] = unlv_sets(synthetic, seed)
    validation = settings["multitask"]["validation"]
    rows = [
        (name, sample, split)
        for number, (name, (train, tested)) in enumerate(sets.items())
        for split, samples in with_validation(train, tested, validation, seed, number).items()
        for sample in samples
    ]
    return pd.DataFrame(rows, columns=["training_set", "sample", "split"])


def with_validation(
    train: Sequence[str], test: Sequence[str], validation: Mapping[str, Any], seed: int, number: int
) -> dict[str, list[str]]:
    """Split -> samples; `number` keeps the draws of training sets apart."""
    amount = max(LEAST["validation"], round(validation["share"] * len(train)))
    held = set(generator(seed, SPLIT, VALIDATION, number).permutation(len(train))[:amount].tolist())
    kept = [sample for place, sample in enumerate(train) if validation["separate"] or place not in held]
    return {
        "train": kept,
        "validation": [sample for place, sample in enumerate(train) if place in held],
        "test": list(test),
    }
