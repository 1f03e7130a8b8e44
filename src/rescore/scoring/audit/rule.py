"""Scores that the sport's rule does not give, labels that contradict each other, and one dive labelled in two ways."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.release import sample_name
from rescore.manifests.diving_rule import dive_points
from rescore.scoring.audit.findings import ERROR, NOTE, Finding, listed, number, records, slug
from rescore.scoring.audit.released import Released
from rescore.systems.human_ceiling.judges import rule_difference, rule_verdict

CLASS = ["position", "armstand", "rotation_type", "somersaults", "twists"]
MISPRINT = "the competition's own result sheet, with the printed marks, difficulty and score"


def check(released: Released) -> Iterator[Finding]:
    """Every check of this family on what is at hand."""
    if released.sheets:
        yield from check_marks(released)
    if released.dives is not None:
        if not released.sheets:  # the marks say more
            yield from check_possible("MTL-AQA", released.dives)
        yield check_classes(released.dives)
    if released.unlv is not None:
        yield from check_possible("UNLV-Dive", released.unlv.table)
        if released.dives is not None:
            yield from check_same_dive(released)
    if released.gymnastics is not None:
        yield check_sums(released.gymnastics)


def check_marks(released: Released) -> Iterator[Finding]:
    """Each printed score recomputed from the judges' marks and the difficulty, and marks that are none."""
    dives = [dive for dive in released.sheets if dive.key in released.annotations]
    kinds: dict[str, list[str]] = {}
    for dive in dives:
        verdict = rule_verdict(dive)
        points = dive_points(dive.marks, dive.difficulty)
        off = number(rule_difference(dive), 2)
        shown = f"{sample_name(dive.key)} {number(dive.final_score, 2)} for {number(points, 2)} ({off})"
        kinds.setdefault(verdict, []).append(shown)
    exact = len(kinds.pop("exact", []))
    for verdict, listing in sorted(kinds.items()):
        penalty = verdict.startswith("two points")
        yield Finding(
            id=f"rule/mtl_aqa/{slug(verdict)}",
            subject="MTL-AQA sheets",
            statement="the diving rule gives each score from its marks and difficulty",
            stated=f"{len(dives)} annotated dives with readable marks",
            found=f"{len(listing)}: {verdict}",
            severity=NOTE if penalty else ERROR,
            evidence=listed(listing),
            refutation=MISPRINT,
        )
    yield Finding(
        id="rule/mtl_aqa/exact",
        subject="MTL-AQA sheets",
        statement="the diving rule gives each score from its marks and difficulty",
        stated=f"{len(dives)} annotated dives with readable marks",
        found=f"{exact} exactly",
        severity=NOTE,
        evidence=f"not readable: {listed(f'{sample_name(at.key)} ({at.reason})' for at in released.unreadable)}",
        refutation=MISPRINT,
    )


def check_possible(dataset: str, table: pd.DataFrame) -> Iterator[Finding]:
    """Three marks in half points add up to a multiple of a half, times the difficulty: other scores are misprinted."""
    score, difficulty = table["score"].to_numpy(float), table["difficulty"].to_numpy(float)
    nearest = np.round(2 * score / difficulty) / 2 * difficulty
    bad = table[np.abs(score - nearest) > 0.005 + 1e-9]
    yield Finding(
        id=f"rule/{slug(dataset)}/possible_scores",
        subject=f"{dataset} labels",
        statement="a score is a multiple of half its difficulty",
        stated=f"{len(table)} dives",
        found=f"{len(bad)} of {len(table)} are not",
        severity=ERROR if len(bad) else NOTE,
        evidence=listed(f"{row.sample} {number(row.score, 2)} at {number(row.difficulty, 1)}" for row in records(bad)),
        refutation=MISPRINT,
    )


def check_classes(dives: pd.DataFrame) -> Finding:
    """A dive's class and the height of the board fix its difficulty, and an event has one height."""
    odd = []
    for key, group in dives.groupby(["event", *CLASS], sort=True):
        counts = group["difficulty"].value_counts().sort_index()
        if len(counts) > 1:
            shown = ", ".join(
                f"{number(difficulty, 1)} x {count}"
                for difficulty, count in zip(counts.index.astype(float), counts, strict=True)
            )
            few = group.loc[group["difficulty"] != counts.idxmax(), "sample"]
            odd.append(f"event {key[0]}, {class_name(key[1:])}: {shown} ({listed(few, 8)})")
    return Finding(
        id="rule/mtl_aqa/class_difficulty",
        subject="MTL-AQA annotations",
        statement="dives of one class in one event have one difficulty",
        stated=f"{dives.groupby(['event', *CLASS]).ngroups} classes within events",
        found=f"{len(odd)} have several",
        severity=ERROR if odd else NOTE,
        evidence=listed(odd),
        refutation="a rule that gives one class two difficulties from one height (flying dives, say), or an event on two heights",
    )


def class_name(values: tuple[object, ...]) -> str:
    position, armstand, rotation, somersaults, twists = values
    return f"{rotation} {somersaults} somersaults {twists} twists {position}" + (" armstand" if armstand else "")


def check_same_dive(released: Released) -> Iterator[Finding]:
    """The same dive's score and difficulty in UNLV-Dive and in MTL-AQA."""
    assert released.unlv is not None  # the caller's condition
    assert released.dives is not None
    split = next(split for split in released.splits if split.dataset == "UNLV-Dive")
    theirs: dict[str, Any] = {row.sample: row for row in records(released.dives)}
    differing = []
    for row in records(released.unlv.table.sort_values("sample")):
        name = split.dives.get(str(row.sample))
        if name is None or name not in theirs:
            continue
        for field in ("score", "difficulty"):
            ours, other = float(getattr(row, field)), float(getattr(theirs[name], field))
            if abs(ours - other) > 0.005:
                differing.append(f"{row.sample} is {name}: {field} {number(ours, 2)} and {number(other, 2)}")
    yield Finding(
        id="rule/unlv_dive/other_labels_in_mtl_aqa",
        subject="UNLV-Dive and MTL-AQA labels",
        statement="a dive has the same score and difficulty in both data sets",
        stated=f"{len(split.dives)} dives in both",
        found=f"{len(differing)} values differ",
        severity=ERROR if differing else NOTE,
        evidence=listed(differing),
        refutation=MISPRINT,
    )


def check_sums(routines: pd.DataFrame) -> Finding:
    """Rhythmic Gymnastics: total = difficulty + execution - penalty, where execution and total are rounded to hundredths."""
    total = routines["Difficulty_Score"] + routines["Execution_Score"] - routines["Penalty"]
    bad = routines.assign(total=total)[(total - routines["Total_Score"]).abs() > 0.01 + 1e-9]
    return Finding(
        id="rule/rhythmic_gymnastics/totals",
        subject="Rhythmic Gymnastics labels",
        statement="a total is difficulty and execution less the penalty",
        stated=f"{len(routines)} routines",
        found=f"{len(bad)} of {len(routines)} are not",
        severity=ERROR if len(bad) else NOTE,
        evidence=listed(
            f"{row.Video_Name} {number(row.Total_Score, 2)} for {number(row.total, 2)}" for row in records(bad)
        ),
        refutation="the competition's own result sheet",
    )
