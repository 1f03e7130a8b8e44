"""What the pose estimator loses: its joints against the synthetic athlete's true ones, as a table and a section of the page."""

from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_json, write_table, write_text
from rescore.reporting.tables import records
from rescore.reporting.wording import scale_line

TITLE = "Pose estimator against true joints"
COLUMNS = ["dataset", "action", "samples", "joints", "missed", "median_pixels", "within_2_pixels"]
HEADINGS = ["Data set", "Action", "Test samples", "Visible joints", "Not found (%)", "Median error", "Within 2 (%)"]
DIGITS = {"missed": 1, "median_pixels": 2, "within_2_pixels": 1}
PERCENT = ("missed", "within_2_pixels")
NOTE = (
    "Test samples of synthetic videos, joints in the picture and above water; errors in pixels of the clip's frames. What the"
    " estimator costs in correlation stands beside each pose system: its row with true joints, in AQA-7's Table 2 and MTL-AQA's"
    " Table 7, is what it would reach if no joint were missed."
)


def make_pose_table(accuracy: Path, csv: Path, markdown_file: Path, record: Path, settings: dict[str, Any]) -> None:
    """Write the estimator's accuracy, shares in percent, to the printed digits.

    Args:
        accuracy: what features.true_poses.compare writes.
        csv, markdown_file: the table.
        record: JSON object for the page, a field a data set and action.
        settings: `scale`, `sources`.

    Raises:
        RescoreError: columns are missing.
    """
    measured = read_table(accuracy)
    missing = [f"no column '{name}'" for name in COLUMNS if name not in measured.columns]
    raise_together(f"{accuracy}: not a table of accuracies", missing, "delete it and run the workflow again.")
    result = measured[COLUMNS].astype(object)
    for name, digits in DIGITS.items():
        unit = 100 if name in PERCENT else 1
        result[name] = ["" if pd.isna(value) else f"{unit * value:.{digits}f}" for value in measured[name]]
    write_table(csv, result)
    lines = [[str(line[name]) for name in COLUMNS] for line in records(result)]
    head = ["| " + " | ".join(HEADINGS) + " |", "|---|---|" + "---:|" * (len(HEADINGS) - 2)]
    body = ["| " + " | ".join(line) + " |" for line in lines]
    text = [f"## {TITLE}", "", f"**{scale_line(settings)}**", "", NOTE, "", *head, *body]
    write_text(markdown_file, "\n".join(text) + "\n")
    shown = {
        f"{line[1]}, {line[0]}": "; ".join(map(": ".join, zip(HEADINGS[2:], line[2:], strict=True))) for line in lines
    }
    write_json(record, {"how to read it": NOTE, **shown})
