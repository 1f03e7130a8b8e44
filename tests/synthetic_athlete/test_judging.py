"""Score rules recomputed from the stored elements; ranges, spreads, the perfect observer; fairness of nuisances."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy.stats import spearmanr

from rescore.actions import ACTIONS
from synthetic_athlete import judging
from synthetic_athlete.dives import DiveClass, difficulty, dive_name
from synthetic_athlete.encode import FORMATS, video_format
from synthetic_athlete.generate import event_of, label, splits
from synthetic_athlete.judging import LARGEST, RULES, Performance, deduction, judge

ALL = [action.name for action in ACTIONS]
OFFICIAL_SD = {
    "diving": 13.98,
    "gymvault": 0.858,
    "skiing": 11.75,
    "snowboard": 13.02,
    "sync_diving_3m": 14.71,
    "sync_diving_10m": 15.31,
}
DRAWS = 1200


@functools.cache
def draws(action: str) -> tuple[Performance, ...]:
    return tuple(label(action, index, 0) for index in range(DRAWS))


def fault(elements: dict[str, float], name: str) -> float:
    return abs(elements[name]) / LARGEST[name]


@pytest.mark.parametrize("action", ALL)
def test_scores_lie_in_the_range_of_table_1(action: str) -> None:
    scores = np.array([performance.score for performance in draws(action)])
    low, high = RULES[action].score_range
    assert low <= scores.min()
    assert scores.max() <= high
    if action in OFFICIAL_SD:
        assert scores.std() == pytest.approx(OFFICIAL_SD[action], rel=0.3)


@pytest.mark.parametrize("action", ALL)
def test_a_perfect_observer_is_near_one_but_not_one(action: str) -> None:
    scores, observed = np.array([(performance.score, performance.observer) for performance in draws(action)]).T
    assert 0.95 <= spearmanr(scores, observed).statistic <= 0.995


@pytest.mark.parametrize("action", ["diving", "sync_diving_3m", "sync_diving_10m"])
def test_dives_score_difficulty_times_execution(action: str) -> None:
    for performance in draws(action)[:200]:
        assert performance.score == pytest.approx(performance.difficulty * performance.execution, abs=0.006)
        assert performance.dive is not None
        assert performance.difficulty in (difficulty(performance.dive), 2.0)


def test_vault_scores_difficulty_plus_execution() -> None:
    for performance in draws("gymvault")[:200]:
        assert performance.score == pytest.approx(performance.difficulty + performance.execution, abs=0.001)


def test_trampoline_scores_difficulty_plus_execution_plus_flight() -> None:
    for performance in draws("trampoline")[:200]:
        flight = sum(1.75 - 0.45 * skill["lowness"] for skill in performance.skills)
        assert performance.score == pytest.approx(performance.difficulty + performance.execution + flight, abs=0.001)
        assert len(performance.skills) == len(performance.tricks) <= 10


def test_observer_of_a_dive_is_recomputed_from_its_elements() -> None:
    weights = {"split": 1.7, "looseness": 1.9, "rotation": 1.9, "wobble": 1.1, "splash": 1.6, "lowness": 0.6}
    for performance in draws("diving")[:200]:
        mark = 10 - sum(weight * fault(performance.athletes[0], name) for name, weight in weights.items())
        assert performance.observer == pytest.approx(performance.difficulty * 3 * mark)


def test_observer_of_synchronised_dives_counts_both_divers_and_the_lag() -> None:
    rule = RULES["sync_diving_10m"]
    for performance in draws("sync_diving_10m")[:200]:
        first, second = performance.athletes
        marks = [10 - deduction(elements, rule) for elements in (first, second)]
        together = 10 - 4.5 * abs(second["lag"]) / LARGEST["lag"] - 0.5 * abs(marks[0] - marks[1])
        expected = performance.difficulty * 0.6 * (sum(marks) + 3 * together)
        assert performance.observer == pytest.approx(expected)


def test_big_air_mark_is_holistic() -> None:
    for performance in draws("skiing")[:200]:
        elements = performance.athletes[0]
        share = 0.32 * performance.difficulty / 6.7 + 0.26 * performance.execution / 10
        share += 0.14 * (1 - elements["lowness"]) + 0.28 * (1 - elements["landing"])
        fallen = elements["landing"] > judging.FALL
        assert performance.observer == pytest.approx(50 * share * (0.38 if fallen else 1), abs=0.01)


@pytest.mark.parametrize("action", ALL)
def test_every_fault_costs_points(action: str) -> None:
    """More of any element never raises the mark, and each counted one lowers it."""
    rule = RULES[action]
    clean = dict.fromkeys(LARGEST, 0.0)
    for name in rule.deductions:
        assert deduction({**clean, name: LARGEST[name]}, rule) == pytest.approx(rule.deductions[name])


def test_judges_extremes_are_struck() -> None:
    rule = dataclasses.replace(RULES["diving"], judge_noise=0.0, panel_noise=0.0)
    assert judge(7.26, 7, 2, 0.5, rule, np.random.default_rng(0)).tolist() == [7.5, 7.5, 7.5]
    noisy = judge(7.0, 7, 2, 0.5, RULES["diving"], np.random.default_rng(0))
    assert len(noisy) == 3
    assert (np.diff(noisy) >= 0).all()


def test_difficulty_of_known_dives() -> None:
    """Computed values near the federation's: 109C 3.7, 207B 3.6, 5255B 3.6."""
    assert difficulty(DiveClass(2, 0, 1, 9, 0)) == 3.7
    assert difficulty(DiveClass(1, 0, 0, 7, 0)) == 3.6
    assert difficulty(DiveClass(1, 0, 0, 5, 5)) == 3.6
    assert dive_name(DiveClass(1, 0, 3, 5, 2)) == "reverse two and a half somersaults with one twist in pike position"


@pytest.mark.parametrize("action", ALL)
def test_labels_know_nothing_of_nuisances(action: str) -> None:
    """Codec, event, number and split correlate with score only by chance: |rho| below 4 / sqrt(n)."""
    scores = np.array([performance.score for performance in draws(action)])[1:]
    indices = range(1, DRAWS)
    events = np.array([event_of(action, index, 0) for index in indices])
    codecs = np.array([FORMATS.index(video_format(index)) for index in indices])
    share = {"samples": 1.0, "trampoline_samples": 1.0}
    training = splits(action, share, 0)
    bound = 4 / np.sqrt(DRAWS)
    for nuisance in (
        *(events == event for event in np.unique(events)),
        *(codecs == codec for codec in range(4)),
        np.array(indices),
    ):
        assert abs(spearmanr(scores, nuisance).statistic) < bound
    assert abs(spearmanr(scores[: len(training)], training).statistic) < 4 / np.sqrt(len(training))
