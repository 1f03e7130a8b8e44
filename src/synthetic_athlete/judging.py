"""What happens in a performance and what the judges make of it: quality elements and the sports' score rules.

All quality elements are physical quantities that the video shows. A perfect observer who reads them off the video knows
`observer`; the official `score` differs from it by the judges' noise alone. A draw whose score lies outside the range that
AQA-7's Table 1 gives is drawn again, so the score rules hold exactly for every sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from synthetic_athlete.dives import DiveClass, difficulty, draw_dive_class

LARGEST = {
    "split": 45.0,  # degrees between the legs
    "looseness": 65.0,  # degrees a tuck or pike is too open
    "rotation": 38.0,  # degrees of over- (positive) or under-rotation (negative)
    "wobble": 16.0,  # degrees of the body's swing in flight
    "lowness": 1.0,  # share of the action's range of heights that is missing
    "splash": 1.0,  # share of the largest splash
    "landing": 1.0,  # 0 stuck; HAND_TOUCH, FALL below
    "lag": 0.24,  # seconds between synchronised divers
}
"""Each element's value at full deduction."""
HAND_TOUCH, FALL = 0.42, 0.58
"""Landing values above which a hand touches the ground, and above which the athlete goes down."""
SKILLS = 10

Elements = dict[str, float]


@dataclass(frozen=True)
class Rule:
    """How an action is judged. `deductions` are marks for a full fault, in proportion to |element| / LARGEST."""

    deductions: Mapping[str, float]
    score_range: tuple[float, float]
    judge_noise: float
    """Standard deviation of one judge's mark about the true one, marks."""
    panel_noise: float
    """Standard deviation of what all judges of a performance have in common, marks."""


_DIVE = {"split": 1.7, "looseness": 1.9, "rotation": 1.9, "wobble": 1.1, "splash": 1.6, "lowness": 0.6}
_PAIR = {"split": 1.8, "looseness": 2.0, "rotation": 2.0, "wobble": 1.2, "splash": 1.6, "lowness": 0.6}
RULES = {
    "diving": Rule(_DIVE, (21.60, 102.60), 0.5, 0.22),
    "gymvault": Rule(
        {"split": 0.8, "looseness": 0.9, "rotation": 0.5, "wobble": 0.4, "lowness": 0.6, "landing": 1.0},
        (12.30, 16.87),
        0.16,
        0.11,
    ),
    "skiing": Rule({"split": 3.5, "looseness": 4.0, "rotation": 3.0, "wobble": 3.0}, (8.0, 50.0), 2.0, 1.2),
    "snowboard": Rule({"looseness": 5.0, "rotation": 4.0, "wobble": 4.0}, (8.0, 50.0), 2.0, 1.2),
    "sync_diving_3m": Rule(_PAIR, (46.20, 104.88), 0.5, 0.25),
    "sync_diving_10m": Rule(_PAIR, (49.80, 99.36), 0.5, 0.25),
    "trampoline": Rule({"split": 0.12, "looseness": 0.18, "rotation": 0.1, "wobble": 0.1}, (6.72, 62.99), 0.3, 0.25),
}
# Big air: shares of difficulty, execution, amplitude and landing in the mark, and what is left of it after a fall.
BIG_AIR = {"skiing": (0.32, 0.26, 0.14, 0.28, 0.38), "snowboard": (0.36, 0.18, 0.22, 0.24, 0.32)}


@dataclass(frozen=True)
class Trick:
    """A skill of vault, big air or trampoline. `position` as in dives, 0 being straight here."""

    position: int
    somersaults: int
    """Half somersaults."""
    twists: int
    """Half twists."""
    backward: bool


@dataclass(frozen=True)
class Performance:
    """Everything that the scores and the video of a sample follow from."""

    action: str
    athletes: tuple[Elements, ...]
    """Quality elements of each athlete, signed where direction matters."""
    difficulty: float
    execution: float
    """As awarded: with `difficulty` it gives the score by the action's rule."""
    observer: float
    """The score without the judges' noise."""
    score: float
    dive: DiveClass | None = None
    tricks: tuple[Trick, ...] = ()
    skills: tuple[Elements, ...] = field(default=())
    """Trampoline: elements of each skill done."""
    flight_seconds: float = 0.0
    """Trampoline: time in the air over the routine."""


def draw_elements(names: tuple[str, ...], generator: np.random.Generator) -> Elements:
    """Quality elements of one athlete, of whom most are good and some are not.

    An eighth of the variance behind each fault is the athlete's ability, the rest the moment's: no single element gives
    the others away, so a score has to be read from all of them.
    """
    ability, moment = generator.standard_normal(), generator.standard_normal(len(names))
    signs = generator.choice([-1.0, 1.0], size=len(names))
    ranks = 0.5 + 0.5 * np.tanh(0.8 * (0.35 * ability + 0.94 * moment))  # close to uniform in (0, 1)
    values = {name: float(LARGEST[name] * rank**2.2) for name, rank in zip(names, ranks, strict=True)}
    if "rotation" in values:
        values["rotation"] *= float(signs[names.index("rotation")])
        fault = abs(values["rotation"]) / LARGEST["rotation"]
        for name in ("splash", "landing"):  # a crooked body lands badly and splashes
            if name in values:
                values[name] = float(np.clip(0.8 * values[name] + 0.3 * fault, 0, 1))
    return {name: round(value, 4) for name, value in values.items()}


def deduction(elements: Elements, rule: Rule) -> float:
    """Sum of deductions, marks."""
    return sum(full * abs(elements[name]) / LARGEST[name] for name, full in rule.deductions.items())


def judge(
    true: float, judges: int, dropped: int, step: float, rule: Rule, generator: np.random.Generator
) -> np.ndarray:
    """Marks between 0 and 10 that count: `judges` give one, `dropped` highest and as many lowest are struck.

    Args:
        step: marks are given in multiples of it.

    Returns:
        (judges - 2 * dropped,) marks, rising.
    """
    noise = rule.panel_noise * generator.standard_normal() + rule.judge_noise * generator.standard_normal(judges)
    marks = np.sort(np.clip(np.round((true + noise) / step) * step, 0, 10))
    return marks[dropped : judges - dropped]


def draw_performance(action: str, generator: np.random.Generator) -> Performance:
    """Draw a performance whose score lies within the action's range."""
    draw = {"gymvault": _vault, "skiing": _big_air, "snowboard": _big_air, "trampoline": _trampoline}
    low, high = RULES[action].score_range
    while True:
        performance = draw.get(action, _dive)(action, generator)
        if low <= performance.score <= high:
            return performance


def _dive(action: str, generator: np.random.Generator) -> Performance:
    synchronised = action != "diving"
    platform = action != "sync_diving_3m"
    required = synchronised and generator.random() < 0.35
    dive = draw_dive_class(generator, platform, required)
    value = 2.0 if required else difficulty(dive)
    return judge_dive(action, dive, value, generator)


def judge_dive(
    action: str, dive: DiveClass, value: float, generator: np.random.Generator, failed: bool = False
) -> Performance:
    """How one or two divers do a dive, and what they get for it: score = difficulty x execution.

    FINA: seven judges, the middle three add up; synchronised dives have three judges for each diver (the middle one counts)
    and five for synchronisation (the middle three), times 0.6.

    Args:
        action: an action with dives, whose rule applies; value: the difficulty.
        failed: everything goes wrong for the first diver.
    """
    rule, synchronised = RULES[action], action != "diving"
    names = tuple(rule.deductions)
    first = draw_elements(names, generator)
    if failed:
        share = {name: float(np.copysign(generator.uniform(0.8, 1), value)) for name, value in first.items()}
        first = {name: round(LARGEST[name] * value, 4) for name, value in share.items()}
    mark = max(0.0, 10 - deduction(first, rule))
    if not synchronised:
        execution = float(judge(mark, 7, 2, 0.5, rule, generator).sum())
        return Performance(action, (first,), value, execution, value * 3 * mark, round(value * execution, 2), dive)
    second = draw_elements(names, generator)
    lag = float(LARGEST["lag"] * abs(np.tanh(0.5 * generator.standard_normal())))
    second["lag"] = round(lag * float(generator.choice([-1, 1])), 4)
    second_mark = max(0.0, 10 - deduction(second, rule))
    together = synchronisation_mark(first, second, rule)
    counted = [judge(mark, 3, 1, 0.5, rule, generator), judge(second_mark, 3, 1, 0.5, rule, generator)]
    counted.append(judge(together, 5, 1, 0.5, rule, generator))
    execution = round(0.6 * float(np.concatenate(counted).sum()), 2)
    observer = value * 0.6 * (mark + second_mark + 3 * together)
    return Performance(action, (first, second), value, execution, observer, round(value * execution, 2), dive)


def synchronisation_mark(first: Elements, second: Elements, rule: Rule) -> float:
    """10 less 4.5 for a full lag and 0.5 for each mark that the divers' deductions differ."""
    lag = abs(second["lag"]) / LARGEST["lag"]
    return max(0.0, 10 - 4.5 * lag - 0.5 * abs(deduction(first, rule) - deduction(second, rule)))


def _vault(action: str, generator: np.random.Generator) -> Performance:
    """score = difficulty + execution; five judges, the middle three's mean; a fall costs one mark more."""
    rule = RULES[action]
    position, halves = int(generator.integers(3)), int(generator.choice([2, 4], p=[0.6, 0.4]))
    twists = int(generator.integers(0, 6 if halves == 2 else 3))
    value = round(4.2 + 0.4 * halves + 0.16 * twists + (0.5, 0.25, 0.0)[position], 1)
    elements = draw_elements(tuple(rule.deductions), generator)
    mark = 10 - deduction(elements, rule) - 1.0 * (elements["landing"] > FALL)
    execution = round(float(judge(mark, 5, 1, 0.05, rule, generator).mean()), 3)
    trick = (Trick(position, halves, twists, bool(generator.integers(2))),)
    return Performance(action, (elements,), value, execution, value + mark, round(value + execution, 3), None, trick)


def _big_air(action: str, generator: np.random.Generator) -> Performance:
    """Holistic mark of six judges (0..50, the middle four's mean): shares of difficulty, execution, amplitude and landing."""
    rule = RULES[action]
    halves = int(generator.choice([2, 4, 6], p=[0.45, 0.4, 0.15]))
    twists = int(generator.integers(0, 7))
    position = int(generator.choice([1, 2]))
    value = round(1.0 + 0.5 * halves + 0.45 * twists, 2)
    elements = draw_elements((*rule.deductions, "lowness", "landing"), generator)
    execution = max(0.0, 10 - deduction(elements, rule))
    true = big_air_mark(action, value, execution, elements)
    marks = judge(true / 5, 6, 1, 0.2, Rule({}, (0, 0), rule.judge_noise / 5, rule.panel_noise / 5), generator)
    score = round(5 * float(marks.mean()), 2)
    trick = (Trick(position, halves, twists, bool(generator.integers(2))),)
    return Performance(action, (elements,), value, round(execution, 4), true, score, None, trick)


def big_air_mark(action: str, value: float, execution: float, elements: Elements) -> float:
    """50 x (shares of difficulty / 6.7, execution / 10, amplitude and landing), times the rest that a fall leaves."""
    difficult, executed, amplitude, landed, rest = BIG_AIR[action]
    share = difficult * value / 6.7 + executed * execution / 10
    share += amplitude * (1 - elements["lowness"]) + landed * (1 - elements["landing"])
    return 50 * share * (rest if elements["landing"] > FALL else 1.0)


def _trampoline(action: str, generator: np.random.Generator) -> Performance:
    """score = difficulty + execution + time of flight over ten bounces; five judges, the middle three's sum.

    A routine may break off early; what was not jumped earns nothing.
    """
    rule = RULES[action]
    base = draw_elements((*rule.deductions, "lowness"), generator)
    done = SKILLS if generator.random() < 0.85 else int(generator.integers(2, SKILLS))
    tricks, skills = [], []
    for _ in range(done):
        tricks.append(_skill(generator))
        scatter = generator.uniform(0.4, 1.6, len(base))
        values = zip(base.items(), scatter, strict=True)
        skills.append({name: round(float(np.clip(v * s, -LARGEST[name], LARGEST[name])), 4) for (name, v), s in values})
    value = round(sum(skill_difficulty(trick) for trick in tricks), 1)
    mark = done - sum(deduction(skill, rule) for skill in skills)
    flight = sum(bounce_seconds(skill["lowness"]) for skill in skills)
    marks = judge(mark, 5, 1, 0.1, rule, generator)
    execution = round(float(marks.sum()), 2)
    score = round(value + execution + flight, 3)
    observer = value + 3 * mark + flight
    return Performance(action, (base,), value, execution, observer, score, None, tuple(tricks), tuple(skills), flight)


def _skill(generator: np.random.Generator) -> Trick:
    halves = int(generator.choice([2, 4, 6], p=[0.3, 0.6, 0.1]))
    return Trick(int(generator.integers(3)), halves, int(generator.integers(0, 4)), bool(generator.integers(2)))


def skill_difficulty(trick: Trick) -> float:
    """0.25 a half somersault, 0.1 a half twist, 0.1 more for pike and 0.2 for straight."""
    return 0.25 * trick.somersaults + 0.1 * trick.twists + (0.2, 0.1, 0.0)[trick.position]


def bounce_seconds(lowness: float) -> float:
    """Seconds in the air of one trampoline jump."""
    return 1.75 - 0.45 * lowness
