"""The diving rule on worked examples; panels and marks that cannot be."""

import pytest

from rescore.manifests.diving_rule import (
    GROUPS,
    dive_points,
    dive_points_without,
    judge_points,
    mark_problem,
    panel_kind,
)


def test_seven_judges_count_the_middle_three() -> None:
    # MTL-AQA event 01, dive 1: printed 88.00.
    assert dive_points([9.5, 9, 9.5, 9, 8.5, 9.5, 8.5], 3.2) == pytest.approx(3.2 * (9 + 9 + 9.5))


def test_five_judges_cancel_one_at_each_end() -> None:
    assert dive_points([7, 8, 6.5, 7.5, 9], 2.0) == pytest.approx(2.0 * (7 + 7.5 + 8))


def test_nine_judges_cancel_in_execution_and_synchronisation_apart() -> None:
    execution, synchronisation = [7, 7.5, 8, 6], [8, 8.5, 9, 7, 8]
    expected = 0.6 * 3.0 * (7 + 7.5 + 8 + 8 + 8.5)
    assert dive_points(execution + synchronisation, 3.0) == pytest.approx(expected)


def test_eleven_judges_cancel_for_each_diver_apart() -> None:
    first, second, synchronisation = [5, 6, 9], [8, 8.5, 7], [8, 8.5, 9, 7, 8]
    expected = 0.6 * 3.3 * (6 + 8 + 8 + 8 + 8.5)
    assert dive_points(first + second + synchronisation, 3.3) == pytest.approx(expected)


@pytest.mark.parametrize("judges", sorted(GROUPS))
def test_a_unanimous_panel_gives_three_times_the_mark_with_and_without_any_judge(judges: int) -> None:
    marks = [7.5] * judges
    assert dive_points(marks, 2.8) == pytest.approx(judge_points(7.5, 2.8))
    for judge in range(judges):
        assert dive_points_without(marks, judge, 2.8) == pytest.approx(judge_points(7.5, 2.8))


def test_without_a_judge_nothing_of_that_judge_is_left() -> None:
    marks = [7, 7.5, 8, 8.5, 6, 7, 9]
    for judge in range(7):
        changed = [*marks[:judge], 0.0, *marks[judge + 1 :]]
        assert dive_points_without(marks, judge, 3.0) == dive_points_without(changed, judge, 3.0)
    # Six are left, two cancelled at each end: the middle two count.
    assert dive_points_without(marks, 0, 3.0) == pytest.approx(3 * 3.0 * (7.5 + 8) / 2)


def test_a_synchronised_panel_without_one_judge_keeps_its_other_groups() -> None:
    marks = [5, 6, 9, 8, 8.5, 7, 8, 8.5, 9, 7, 8]
    # The first diver's judges are two now: none is cancelled.
    expected = 3.0 * (0.6 * (5 + 6) / 2 + 0.6 * 8 + 1.8 * (8 + 8 + 8.5) / 3)
    assert dive_points_without(marks, 2, 3.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("7..5", "number"),
        (None, "number"),
        (True, "number"),
        (45, "outside"),
        (-0.5, "outside"),
        (7.3, "multiple"),
        (float("nan"), "outside"),
    ],
)
def test_impossible_marks_are_explained(value: object, word: str) -> None:
    assert word in str(mark_problem(value))


@pytest.mark.parametrize("value", [0, 10, 7.5])
def test_possible_marks_have_no_problem(value: float) -> None:
    assert mark_problem(value) is None


def test_a_panel_of_six_is_refused() -> None:
    assert panel_kind(7) == "individual"
    assert panel_kind(11) == "synchronised"
    with pytest.raises(ValueError, match="not 6"):
        dive_points([7] * 6, 3.0)
