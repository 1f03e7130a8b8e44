"""How a panel's marks become a dive's score, and what they would have become without one judge.

FINA's diving rules: an individual dive has five or seven judges, of whose marks the highest and the lowest one (two) are
cancelled; the sum of the remaining three is multiplied by the difficulty. A synchronised dive has nine judges (four for
execution, five for synchronisation) or eleven (three for each diver's execution, five for synchronisation); of each group
the highest and the lowest mark is cancelled, and the sum of the remaining five is multiplied by 0.6 and the difficulty.
"""

from collections.abc import Sequence

INDIVIDUAL_PANELS = (5, 7)
SYNCHRONISED_PANELS = (9, 11)
PANELS = INDIVIDUAL_PANELS + SYNCHRONISED_PANELS
HIGHEST_MARK = 10.0
MARK_STEP = 0.5

# Size of a panel -> its groups: (judges, marks cancelled at each end, weight of the mean of what remains). A weight is the
# number of remaining marks, times 0.6 for synchronised dives, so that every panel's weights add up to 3.
GROUPS: dict[int, tuple[tuple[int, int, float], ...]] = {
    5: ((5, 1, 3.0),),
    7: ((7, 2, 3.0),),
    9: ((4, 1, 1.2), (5, 1, 1.8)),
    11: ((3, 1, 0.6), (3, 1, 0.6), (5, 1, 1.8)),
}


def panel_kind(judges: int) -> str:
    """`individual` or `synchronised`, by the number of judges."""
    if judges not in PANELS:
        raise ValueError(f"a panel has {', '.join(map(str, PANELS))} judges, not {judges}")
    return "synchronised" if judges in SYNCHRONISED_PANELS else "individual"


def dive_points(marks: Sequence[float], difficulty: float) -> float:
    """The score of a dive: `marks` in the order of the panel (execution before synchronisation)."""
    return difficulty * sum(weight * trimmed_mean(group, cut) for group, cut, weight in split_panel(marks))


def dive_points_without(marks: Sequence[float], judge: int, difficulty: float) -> float:
    """The score that the other judges give, were the `judge`-th (from 0) not there.

    As many marks are cancelled as with the full panel (one fewer where nothing would remain), and the mean of what remains
    keeps its weight, so the points stay comparable: of seven judges, six are left, and the middle two count.
    """
    points, first = 0.0, 0
    for group, cut, weight in split_panel(marks):
        others = [mark for number, mark in enumerate(group, start=first) if number != judge]
        points += weight * trimmed_mean(others, cut if len(others) > 2 * cut else cut - 1)
        first += len(group)
    return difficulty * points


def judge_points(mark: float, difficulty: float) -> float:
    """The score that one judge alone gives: three times the mark, times the difficulty."""
    return 3 * mark * difficulty


def mark_problem(value: object) -> str | None:
    """Why `value` cannot be a judge's mark (a number from 0 to 10 in half points), or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"mark {value!r} is not a number"
    if not 0 <= value <= HIGHEST_MARK:  # also catches NaN
        return f"mark {value:g} is outside 0 to {HIGHEST_MARK:g}"
    if value % MARK_STEP:
        return f"mark {value:g} is not a multiple of {MARK_STEP:g}"
    return None


def split_panel(marks: Sequence[float]) -> list[tuple[list[float], int, float]]:
    """The panel's groups: (marks, cancelled at each end, weight)."""
    panel_kind(len(marks))
    groups, first = [], 0
    for size, cut, weight in GROUPS[len(marks)]:
        groups.append((list(marks[first : first + size]), cut, weight))
        first += size
    return groups


def trimmed_mean(marks: Sequence[float], cut: int) -> float:
    """Mean without the `cut` highest and the `cut` lowest marks."""
    middle = sorted(marks)[cut : len(marks) - cut]
    return sum(middle) / len(middle)
