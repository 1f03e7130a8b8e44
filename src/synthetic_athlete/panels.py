"""The single marks behind a synthetic dive's score, of which judging.py keeps only the sum of those that count.

A dive's draws are repeated in the order of `programme.label` and `judging.judge_dive`; a test holds that every dive's marks give
its score.
"""

import numpy as np

from rescore.manifests.diving_rule import dive_points
from synthetic_athlete.dive_counts import draw_counted_class
from synthetic_athlete.dives import difficulty
from synthetic_athlete.judging import (
    LARGEST,
    RULES,
    Elements,
    Rule,
    deduction,
    draw_elements,
    synchronisation_mark,
)
from synthetic_athlete.programme import EVENTS, FAILURE, LABELS, SCORES, generator, rule_of


def panel_of(event: int, dive: int, seed: int) -> tuple[float, ...]:
    """The marks of a dive (from 1) of an event: seven, or of a pair three, three and five; each group rising."""
    random, about = generator(seed, LABELS, event, dive), EVENTS[event]
    while True:
        value = difficulty(draw_counted_class(about.height, about.synchronised, random))
        failed = random.random() < FAILURE
        marks = draw_marks(RULES[rule_of(about)], about.synchronised, failed, random)
        if SCORES[0] <= round(dive_points(marks, value), 2) <= SCORES[1]:
            return marks


def draw_marks(rule: Rule, synchronised: bool, failed: bool, random: np.random.Generator) -> tuple[float, ...]:
    """Elements, then marks, drawn as `judge_dive` does."""
    names = tuple(rule.deductions)
    first = draw_elements(names, random)
    if failed:
        share = {name: float(np.copysign(random.uniform(0.8, 1), value)) for name, value in first.items()}
        first = {name: round(LARGEST[name] * value, 4) for name, value in share.items()}
    if not synchronised:
        return group(true_mark(first, rule), 7, rule, random)
    second = draw_elements(names, random)
    lag = float(LARGEST["lag"] * abs(np.tanh(0.5 * random.standard_normal())))
    second["lag"] = round(lag * float(random.choice([-1, 1])), 4)
    true = (true_mark(first, rule), true_mark(second, rule), synchronisation_mark(first, second, rule))
    return tuple(
        mark for value, judges in zip(true, (3, 3, 5), strict=True) for mark in group(value, judges, rule, random)
    )


def true_mark(elements: Elements, rule: Rule) -> float:
    return max(0.0, 10 - deduction(elements, rule))


def group(true: float, judges: int, rule: Rule, random: np.random.Generator) -> tuple[float, ...]:
    """All marks of a group of judges, in half points, rising (`judging.judge` before it strikes any)."""
    noise = rule.panel_noise * random.standard_normal() + rule.judge_noise * random.standard_normal(judges)
    return tuple(float(mark) for mark in np.sort(np.clip(np.round((true + noise) / 0.5) * 0.5, 0, 10)))
