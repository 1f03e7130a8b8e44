"""Table 1 of AQA-7 from a manifest or from the lists alone, and where it differs from the printed one."""

from pathlib import Path

import pandas as pd

from rescore.actions import ACTIONS, BY_NAME
from rescore.engine.storage import read_table, write_table

# The rows as the paper prints them (AQA-7, Table 1).
TITLES = {
    "diving": "Single Diving 10m platform",
    "gymvault": "Gymnastic vault",
    "skiing": "Big Air Skiing",
    "snowboard": "Big Air Snowboarding",
    "sync_diving_3m": "Sync. Diving 3m springboard",
    "sync_diving_10m": "Sync. Diving 10m platform",
    "trampoline": "Trampoline",
}
COLUMNS = ("Avg. Seq. Len.", "# Samples", "Score Range", "# Participants", "View Variation")

REPORTED_ONLY = "reported only: "
"""Begins the reason of a printed cell that names no experiment: nothing that could be run would fill it."""
NO_VIDEO = "sequence lengths need the videos"
NO_MEASURE = f"{REPORTED_ONLY}the paper's own judgement (negligible, small, large); it names no measure"


def sequence_length(rows: pd.DataFrame) -> str | None:
    """Mean number of frames, whole as printed; None without frames of every sample."""
    if not {"start_frame", "end_frame"} <= set(rows.columns) or rows["end_frame"].isna().any():
        return None
    return f"{(rows['end_frame'] - rows['start_frame'] + 1).astype(float).mean():.0f}"


def score_range(scores: pd.Series) -> str:
    """`8 - 50` where both ends are whole, else `21.60 - 102.60`: the two spellings of Table 1."""
    low, high = float(scores.min()), float(scores.max())
    whole = low.is_integer() and high.is_integer()
    return f"{low:.0f} - {high:.0f}" if whole else f"{low:.2f} - {high:.2f}"


def summarise(samples: pd.DataFrame) -> pd.DataFrame:
    """Table 1's characteristics of a manifest, or of the lists (which have no frames).

    Args:
        samples: `action, score` and, where known, `start_frame, end_frame`; a row a sample.

    Returns:
        Long table `row, column, value, n, reason`: `value` is text as the paper prints it, and is missing, with the reason,
        where it cannot be measured. Actions without samples have no rows.
    """
    lines = []
    for action in (entry.name for entry in ACTIONS):
        rows = samples[samples["action"] == action]
        if rows.empty:
            continue
        values = (
            (sequence_length(rows), NO_VIDEO),
            (str(len(rows)), ""),
            (score_range(rows["score"]), ""),
            (str(BY_NAME[action].athletes), ""),
            (None, NO_MEASURE),
        )
        for column, (value, reason) in zip(COLUMNS, values, strict=True):
            lines.append((TITLES[action], column, value, len(rows), "" if value is not None else reason))
    return pd.DataFrame(lines, columns=["row", "column", "value", "n", "reason"])


def compare(summary: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Where a summary differs from the printed table, cell by cell.

    Args:
        summary: from `summarise`.
        reported: `row, column, value, n` with every printed value as text.

    Returns:
        `row, column, reported, measured, reason` of the cells that differ or could not be measured, in the printed order;
        empty where all is as printed.
    """
    printed = reported[["row", "column", "value"]].rename(columns={"value": "reported"}).astype("str")
    measured = summary[["row", "column", "value", "reason"]].rename(columns={"value": "measured"})
    both = printed.merge(measured, on=["row", "column"], how="left")
    absent = both["measured"].isna()
    both.loc[absent & both["reason"].isna(), "reason"] = "no samples of this action"
    both.loc[~absent, "reason"] = "differs from the printed value"
    differing = both[absent | (both["measured"] != both["reported"])]
    return differing.reset_index(drop=True)


def write_summary(manifest: Path, summary: Path) -> None:
    """Write Table 1's characteristics of a manifest as CSV (`row, column, value, n, reason`)."""
    write_table(summary, summarise(read_table(manifest)))
