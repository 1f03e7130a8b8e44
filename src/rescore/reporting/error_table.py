"""The table of errors beside correlations: every member's RMSE and relative L2, and whose data they were measured on."""

from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_table, write_text
from rescore.reporting.tables import records
from rescore.reporting.wording import PROTOCOLS, not_comparable, scale_line
from rescore.scoring.error_measures import COLUMNS as MEASURED

TITLE = "Errors in points beside the correlations"
DIGITS = {"spearman": 4, "rmse": 2, "low": 2, "high": 2, "relative_l2": 3, "lowest": 2, "highest": 2}
ORIGIN = "official videos"
COLUMNS = [*MEASURED, "origin"]
HEADINGS = {
    "member": "Member",
    "data": "Data set, action",
    "protocol": "Selection rule",
    "n": "n",
    "seeds": "Seeds",
    "spearman": "rho",
    "rmse": "RMSE (points)",
    "interval": "Confidence interval",
    "variance": "Variance over trainings",
    "relative_l2": "Relative L2 (%)",
    "range": "Range (points)",
}
"""What is shown of a line, by its name in `error_lines`."""


def note(settings: dict[str, Any]) -> str:
    """How to read the numbers."""
    confidence = f"{settings['scoring']['confidence']:.0%}"
    return (
        "Every member that predicts scores, each by data set and action: means over seeds, at the last iteration where a member"
        f" has several. RMSE has a {confidence} confidence interval over new trainings and test samples; over test samples"
        " only where nothing is trained again, or where one training was made and nothing says how others would vary."
        " Relative L2 is 100 times the mean squared error over the squared range; the range is that of the scores of all samples"
        " of the data set and action, training samples included. The papers print neither measure."
    )


def make_error_table(scores: Path, csv: Path, markdown_file: Path, settings: dict[str, Any]) -> None:
    """Write the measured errors as a results table: text to the printed digits, each line with the origin of its data.

    Args:
        scores: what scoring.error_measures writes.
        csv, markdown_file: outputs.
        settings: `scale`, `sources`, `scoring`.

    Raises:
        RescoreError: columns are missing.
    """
    measured = read_table(scores)
    missing = [f"no column '{name}'" for name in MEASURED if name not in measured.columns]
    raise_together(f"{scores}: not a table of errors", missing, "delete it and run the workflow again.")
    result = pd.DataFrame({name: text_of(measured[name], name) for name in MEASURED})
    result["origin"] = [origin_of(dataset, settings) for dataset in result["dataset"]]
    write_table(csv, result[COLUMNS])
    write_text(markdown_file, markdown(result, settings))


def text_of(column: pd.Series, name: str) -> list[str]:
    """A column as it is printed; empty where undefined."""
    if name in DIGITS:
        return ["" if pd.isna(value) else f"{value:.{DIGITS[name]}f}" for value in column]
    return ["" if pd.isna(value) else str(value) for value in column]


def origin_of(dataset: str, settings: dict[str, Any]) -> str:
    """Whether a data set's videos, or what a network learned from, are synthetic; the data set's own name says it too."""
    name = dataset.removeprefix("synthetic_")
    videos = next((setting for setting in (f"{name}_videos", name) if setting in settings["sources"]), None)
    return not_comparable(settings, videos) or ORIGIN


def error_lines(result: pd.DataFrame) -> list[dict[str, Any]]:
    """What the page and the Markdown show of the table's lines (text)."""
    return [
        {
            **line,
            "data": f"{line['dataset'].removeprefix('synthetic_')}, {line['action']}",
            "protocol": "" if not line["protocol"] else PROTOCOLS[line["protocol"]].removeprefix("ours, "),
            "interval": f"{line['low']} to {line['high']}" if line["low"] else "",
            "range": f"{line['lowest']} to {line['highest']}",
            "synthetic": line["origin"].startswith("synthetic"),
        }
        for line in records(result)
    ]


def markdown(result: pd.DataFrame, settings: dict[str, Any]) -> str:
    """The table in Markdown; what is synthetic is said above it and in every line."""
    text = [f"## {TITLE}", "", f"**{scale_line(settings)}**", "", note(settings), ""]
    text += ["| " + " | ".join([*HEADINGS.values(), "Origin"]) + " |"]
    text += ["|" + "---|" * 3 + "---:|" * (len(HEADINGS) - 3) + "---|"]
    for line in error_lines(result):
        text.append("| " + " | ".join([*(line[name] for name in HEADINGS), line["origin"]]) + " |")
    return "\n".join(text) + "\n"
