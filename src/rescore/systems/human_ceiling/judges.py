"""The human ceiling: each judge against the rest of the panel, on the judges' own marks (MTL-AQA's raw sheets).

MTL-AQA (Sec. 6) cites 96% for human experts (Pirsiavash et al. 2014) and measures none. Here judge k's points
(3 x mark x difficulty) are held against the points that the diving rule gives the other judges, so that no judge is
compared with a score that contains that judge. Difficulty is common to both and lifts the correlation; the members
`execution/k` compare the points before it is multiplied in (three times the mark).

A judge's number is a seat, not a person: each event has its own panel.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.release import OFFICIAL, Key, read_annotations, sample_name
from rescore.datasets.mtl_aqa.sheets import SheetDive, UnreadableRow, read_sheets, sheet_findings
from rescore.engine.storage import write_json, write_table
from rescore.manifests.diving_rule import dive_points, dive_points_without, judge_points, panel_kind
from rescore.systems.common.open_predictions import prediction_rows, write_findings

EXPERIMENT = "human_ceiling"
EXACT = 0.005
"""Scores are printed to hundredths: half of one is agreement."""


def run(directory: Path, predictions: Path, rule: Path, findings: Path) -> None:
    """Recompute all scores from the marks, and hold each judge against the others.

    Args:
        directory: MTL-AQA's release (`Raw_Annotations` and `Ready_2_Use` lie in it).
        predictions: written, Parquet: members `judge/k` (points) and `execution/k` (points before the difficulty), a row a
            dive. Synchronised dives are members `synchronised/judge/k`, `synchronised/execution/k`.
        rule: written, JSON: how many scores the diving rule gives exactly, by event and kind of panel.
        findings: written, CSV: unreadable rows, disagreements with the annotations, scores the rule does not give.

    Raises:
        RescoreError: sheets or annotations cannot be used.
    """
    dives, unreadable = read_sheets(directory)
    annotations = read_annotations(directory / OFFICIAL / "final_annotations_dict.pkl")
    annotated = [dive for dive in dives if dive.key in annotations]
    write_table(predictions, leave_one_judge_out(annotated))
    write_json(rule, rule_summary(dives, unreadable, annotations))
    odd = sheet_findings(dives, unreadable, annotations) + rule_findings(dives)
    write_findings(findings, [("mtl_aqa/Raw_Annotations", odd)])


def leave_one_judge_out(dives: Sequence[SheetDive]) -> pd.DataFrame:
    """Predictions of every judge of every panel: `target` is what the others give."""
    rows = []
    for dive in dives:
        prefix = "" if panel_kind(len(dive.marks)) == "individual" else "synchronised/"
        for seat, mark in enumerate(dive.marks):
            others = dive_points_without(dive.marks, seat, dive.difficulty)
            sample, alone = sample_name(dive.key), judge_points(mark, dive.difficulty)
            rows.append((f"{prefix}judge/{seat + 1}", sample, others, alone))
            rows.append((f"{prefix}execution/{seat + 1}", sample, others / dive.difficulty, judge_points(mark, 1.0)))
    # Equal marks must stay equal points: a difference in the 15th digit would be a rank.
    table = pd.DataFrame(rows, columns=["member", "sample", "score", "predicted"]).round(6)
    # Judges learn nothing, so every dive is a test sample, whatever the official split says.
    table = table.assign(dataset="mtl_aqa", action="diving", split="test")
    return pd.concat(
        [
            prediction_rows(EXPERIMENT, str(member), group, group["predicted"].to_numpy())
            for member, group in table.groupby("member", sort=True)
        ],
        ignore_index=True,
    )


def rule_difference(dive: SheetDive) -> float:
    """Printed score minus the rule's, points."""
    return dive.final_score - dive_points(dive.marks, dive.difficulty)


def rule_findings(dives: Sequence[SheetDive]) -> list[str]:
    return [
        f"{sample_name(dive.key)}: the sheet's score {dive.final_score:g} is not what the rule gives its marks, "
        f"{dive_points(dive.marks, dive.difficulty):.2f} ({rule_verdict(dive)})"
        for dive in dives
        if rule_verdict(dive) != "exact"
    ]


def rule_verdict(dive: SheetDive) -> str:
    """`exact`, or what kind of disagreement there is between a dive's marks and its score.

    A referee can take two points off every mark (a false start, say), that is six times the difficulty off the score. A
    score that is no multiple of half the difficulty comes from no marks at all, so the score or the difficulty is misprinted.
    """
    difference = rule_difference(dive)
    if abs(difference) <= EXACT:
        return "exact"
    if abs(difference + 6 * dive.difficulty) <= EXACT:
        return "two points taken off every mark"
    halves = round(2 * dive.final_score / dive.difficulty)
    possible = abs(dive.final_score - halves / 2 * dive.difficulty) <= EXACT
    return "a mark or the score misprinted" if possible else "no marks give this score"


def rule_summary(
    dives: Sequence[SheetDive], unreadable: Sequence[UnreadableRow], annotations: Mapping[Key, Mapping[str, Any]]
) -> dict[str, Any]:
    """Counts of dives and of exact scores: all rows of the sheets, the annotated ones, and by event and kind of panel."""
    annotated = [dive for dive in dives if dive.key in annotations]
    differences = np.abs([rule_difference(dive) for dive in annotated])
    return {
        "rows": len(dives) + len(unreadable),
        "readable": counts(dives),
        "annotated": counts(annotated),
        "annotations": len(annotations),
        "by_panel": {
            kind: counts([dive for dive in annotated if panel_kind(len(dive.marks)) == kind])
            for kind in ("individual", "synchronised")
        },
        "by_judges": dict(sorted(Counter(str(len(dive.marks)) for dive in annotated).items())),
        "by_event": {
            f"{event:02d}": counts([dive for dive in annotated if dive.key[0] == event])
            for event in sorted({dive.key[0] for dive in annotated})
        },
        "verdicts": dict(sorted(Counter(rule_verdict(dive) for dive in annotated).items())),
        "largest_difference_points": round(float(differences.max(initial=0.0)), 2),
        "median_difference_where_not_exact_points": (
            round(float(np.median(differences[differences > EXACT])), 2) if (differences > EXACT).any() else None
        ),
    }


def counts(dives: Sequence[SheetDive]) -> dict[str, int]:
    return {"dives": len(dives), "exact": sum(rule_verdict(dive) == "exact" for dive in dives)}
