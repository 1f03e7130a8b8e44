"""The sixteen synthetic events, how many dives each has, and what is done in each dive."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthetic_athlete.dive_counts import draw_counted_class
from synthetic_athlete.dives import difficulty
from synthetic_athlete.judging import Performance, judge_dive

TRAIN, TEST = 1059, 353
"""Samples of MTL-AQA's split."""
LEAST = {"train": 24, "test": 16}
SCORES = (0.0, 104.5)
"""Range of MTL-AQA's scores; a draw outside it is drawn again."""
FAILURE = 1 / 200
"""Share of dives in which everything goes wrong; of MTL-AQA's 1412, five score below 20."""
LABELS, NUISANCES, PIXELS, WORDS, SPLIT = range(5)  # streams of the broadcasts' random generators
ROOT = 7003


@dataclass(frozen=True)
class Event:
    height: int
    """Metres of the board above the water."""
    synchronised: bool
    gender: str
    weight: int
    """Its dives, relative to the other events'; those of MTL-AQA's release where it has such an event."""


# Heights and genders of the individual events are those that the release's dives and commentary show. The release has 15
# events, all with panels of seven judges; that there are 16, and pairs among them, is the paper's word (its Table 1).
EVENTS = {
    1: Event(10, False, "male", 191),
    2: Event(10, False, "male", 108),
    3: Event(10, False, "male", 73),
    4: Event(10, False, "female", 129),
    5: Event(10, False, "female", 90),
    6: Event(10, False, "female", 60),
    7: Event(10, False, "male", 99),
    8: Event(10, False, "female", 88),
    9: Event(10, True, "female", 44),
    10: Event(10, True, "male", 30),
    11: Event(10, False, "female", 87),
    12: Event(3, False, "male", 169),
    13: Event(3, False, "male", 72),
    14: Event(3, True, "female", 48),
    15: Event(3, True, "male", 40),
    16: Event(10, False, "male", 124),
}
UNLV_EVENTS = (1, 2, 3, 7)
"""Where the counterpart of UNLV-Dive comes from, which is men's individual dives from 10 m."""


def generator(seed: int, stream: int, *numbers: int) -> np.random.Generator:
    """The random generator of a stream (LABELS, ...) for an event, or for a dive of it."""
    return np.random.default_rng([seed, ROOT, stream, *numbers])


def counts(synthetic: Mapping[str, Any]) -> tuple[int, int]:
    """Training and test dives at these settings."""
    share = float(synthetic["dives"])
    return max(LEAST["train"], round(TRAIN * share)), max(LEAST["test"], round(TEST * share))


def dives_of_events(synthetic: Mapping[str, Any]) -> dict[int, int]:
    """Dives of each event: as near its weight as can be, six at least where UNLV-Dive's counterpart comes from, one elsewhere."""
    total = sum(counts(synthetic))
    weights = sum(event.weight for event in EVENTS.values())
    wanted = {number: event.weight * total / weights for number, event in EVENTS.items()}
    dives = {number: 6 if number in UNLV_EVENTS else 1 for number in EVENTS}
    for _ in range(total - sum(dives.values())):
        dives[max(EVENTS, key=lambda number: wanted[number] - dives[number])] += 1
    return dives


def sample_name(event: int, dive: int) -> str:
    """(1, 64) -> `01/064`, as for MTL-AQA."""
    return f"{event:02d}/{dive:03d}"


def rule_of(event: Event) -> str:
    """The action whose score rule applies."""
    return f"sync_diving_{event.height}m" if event.synchronised else "diving"


def label(event: int, dive: int, seed: int) -> Performance:
    """What is done in a dive (from 1) of an event, and its score; a pure function of its arguments."""
    random, about = generator(seed, LABELS, event, dive), EVENTS[event]
    while True:
        dive_class = draw_counted_class(about.height, about.synchronised, random)
        failed = random.random() < FAILURE
        performance = judge_dive(rule_of(about), dive_class, difficulty(dive_class), random, failed)
        if SCORES[0] <= performance.score <= SCORES[1]:
            return performance
