"""Time windows of the dives inside their broadcasts: overlaps, duplicates, and what a window of fixed length misses."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rescore.scoring.audit.findings import ERROR, NOTABLE, NOTE, Finding, listed, records
from rescore.scoring.audit.released import Released

FRAMES = 103
"""Frames that AQA-7 normalises to (Sec. 5) and that MTL-AQA's released code reads, ending at `end_frame`."""
USED = 96
"""Frames of them that the networks see (MTL-AQA, Sec. 4), the first ones (released code)."""
RELEASED = "a decoded broadcast that shows the action elsewhere than the annotation says"


def check(released: Released) -> Iterator[Finding]:
    """Every check of this family on MTL-AQA's annotations and sheets."""
    dives = released.dives
    if dives is None:
        return
    yield from check_annotated(dives)
    yield from check_fixed(dives)
    if released.sheets:
        yield check_sheets(released)


def lengths(dives: pd.DataFrame) -> pd.Series:
    return dives["end_frame"] - dives["start_frame"] + 1


def check_annotated(dives: pd.DataFrame) -> Iterator[Finding]:
    """Windows that end before they begin, share frames with another dive, are another's, or run against the dives' numbers."""
    ordered = dives.sort_values(["event", "start_frame", "sample"])
    same = ordered["event"] == ordered["event"].shift()
    ends = ordered.groupby("event")["end_frame"].cummax().groupby(ordered["event"]).shift()
    twice = dives.duplicated(["event", "start_frame", "end_frame"], keep=False)
    by_number = dives.sort_values("sample")
    backwards = (by_number["event"] == by_number["event"].shift()) & (
        by_number["start_frame"] < by_number["start_frame"].shift()
    )
    tests = {
        "a dive ends after it begins": ("empty", dives.loc[lengths(dives) <= 1, "sample"]),
        "two dives of a broadcast have no frame in common": (
            "overlaps",
            ordered.loc[same & (ordered["start_frame"] <= ends), "sample"],
        ),
        "two dives have two windows": ("duplicates", dives.loc[twice, "sample"]),
        "dives are numbered in the order of the broadcast": ("order", by_number.loc[backwards, "sample"]),
    }
    for statement, (name, samples) in tests.items():
        yield of_dives(name, "MTL-AQA annotations", statement, dives, samples)


def check_fixed(dives: pd.DataFrame) -> Iterator[Finding]:
    """What a window of 103 frames that ends with the dive leaves out, or takes in beside it."""
    length = lengths(dives)
    cut, late = dives[length > FRAMES], dives[length > USED]
    lost = (length[length > FRAMES] - FRAMES).to_numpy()
    yield Finding(
        id="windows/mtl_aqa/cut_at_the_start",
        subject="MTL-AQA annotations and released code",
        statement=f"the {FRAMES} frames that end with a dive hold the whole dive",
        stated=f"{len(dives)} dives of {length.min()} to {length.max()} frames",
        found=f"{len(cut)} of {len(dives)} are longer and lose their first frames",
        severity=NOTABLE if len(cut) else NOTE,
        evidence=f"median {int(np.median(lost))}, at most {lost.max()} frames lost; longest: {longest(cut)}"
        if len(cut)
        else "",
        refutation="a rule of the paper's for longer dives (it says “temporally normalized to a length of 96 frames”)",
    )
    yield Finding(
        id="windows/mtl_aqa/end_not_seen",
        subject="MTL-AQA annotations and released code",
        statement="the network sees the end of the dive, where the entry into the water is judged",
        stated=f"{FRAMES} frames that end with the dive",
        found=f"the first {USED} of them are used: the last {FRAMES - USED} frames are not seen but by a temporal shift",
        severity=NOTABLE,
        evidence=f"all {len(dives)} dives; {len(late)} are longer than {USED} frames",
        refutation="clips that begin later than released code has them",
    )
    # Released code begins at end_frame - 103.
    before = dives["end_frame"] - FRAMES < 0
    previous = previous_end(dives)
    mixed = dives.loc[dives["end_frame"] - FRAMES <= previous, "sample"]
    for name, statement, samples in (
        ("before_the_broadcast", "a window of fixed length begins inside the broadcast", dives.loc[before, "sample"]),
        ("into_another_dive", "a window of fixed length shows no frame of the dive before", mixed),
    ):
        yield of_dives(name, "MTL-AQA annotations and released code", statement, dives, samples)


def of_dives(name: str, subject: str, statement: str, dives: pd.DataFrame, samples: pd.Series) -> Finding:
    """What should hold for every dive, and the samples for which it does not."""
    return Finding(
        id=f"windows/mtl_aqa/{name}",
        subject=subject,
        statement=statement,
        stated=f"{len(dives)} dives",
        found=f"{len(samples)} of {len(dives)} do not",
        severity=ERROR if len(samples) else NOTE,
        evidence=listed(samples),
        refutation=RELEASED,
    )


def longest(dives: pd.DataFrame) -> str:
    top = dives.assign(length=lengths(dives)).sort_values(["length", "sample"], ascending=[False, True]).head(5)
    return ", ".join(f"{row.sample} {row.length}" for row in records(top))


def previous_end(dives: pd.DataFrame) -> pd.Series:
    """Last frame of the dive that ends before, in the same broadcast; -1 for the first."""
    ordered = dives.sort_values(["event", "end_frame", "sample"])
    return ordered.groupby("event")["end_frame"].shift().fillna(-1).reindex(dives.index)


def check_sheets(released: Released) -> Finding:
    """Frames, difficulty and score of the raw sheets and of the processed annotations agree."""
    differing = [
        f"{dive.key[0]:02d}/{dive.key[1]:03d} {field}"
        for dive in released.sheets
        for field in ("start_frame", "end_frame", "difficulty", "final_score")
        if dive.key in released.annotations and abs(released.annotations[dive.key][field] - getattr(dive, field)) > 1e-9
    ]
    return Finding(
        id="windows/mtl_aqa/sheets",
        subject="MTL-AQA sheets and annotations",
        statement="the raw sheets and the processed annotations have the same frames, difficulties and scores",
        stated=f"{len(released.sheets)} readable rows",
        found=f"{len(differing)} values differ",
        severity=ERROR if differing else NOTE,
        evidence=listed(differing),
        refutation="another version of the sheets or of the annotations",
    )
