"""The control of the prediction intervals as a table and a section of the page: how often a held-out run lay inside."""

from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_json, write_table, write_text
from rescore.reporting.tables import records
from rescore.reporting.wording import scale_line
from rescore.scoring.replication import COLUMNS

TITLE = "Replication: this run predicted, a held-out run stands against it"
HEADINGS = ["Table", "Cells", "Inside", "Share", "95% interval of the share", "Clusters", "Median half width"]
NOTE = (
    "The whole scale was run again on the same videos with other trainings, backbones included. A cell is inside where the second"
    " run's mean lies in the interval that the first run gives for as many further trainings; 0.95 is what the intervals promise."
    " The share's interval takes the cells of a row, which the same networks fill, as one cluster. The half width says how sharp"
    " the predictions are, as a correlation or a share of 1."
)


def shown(line: dict[str, Any]) -> list[str]:
    """A line's cells as text, in the order of HEADINGS."""
    interval = "" if pd.isna(line["low"]) else f"{line['low']:.3f} to {line['high']:.3f}"
    share, half = f"{line['share']:.3f}", f"{line['half_width']:.3f}"
    return [str(line["table"]), str(line["cells"]), str(line["inside"]), share, interval, str(line["clusters"]), half]


def make_replication_table(
    replication: Path, csv: Path, markdown_file: Path, record: Path, settings: dict[str, Any]
) -> None:
    """Write the control's table.

    Args:
        replication: what scoring.replication writes.
        csv, markdown_file: the table.
        record: JSON object for the page, a field a table.
        settings: `scale`, `sources`.

    Raises:
        RescoreError: columns are missing.
    """
    counted = read_table(replication)
    missing = [f"no column '{name}'" for name in COLUMNS if name not in counted.columns]
    raise_together(f"{replication}: not a table of a replication", missing, "`rescore replicate` writes it anew.")
    lines = [shown(line) for line in records(counted)]
    head = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    body = ["| " + " | ".join(line) + " |" for line in lines]
    write_table(csv, counted)
    write_text(
        markdown_file,
        "\n".join([f"## {TITLE}", "", f"**{scale_line(settings)}**", "", NOTE, "", *head, *body]) + "\n",
    )
    fields = {line[0]: "; ".join(map(": ".join, zip(HEADINGS[1:], line[1:], strict=True))) for line in lines}
    write_json(record, {"how to read it": NOTE, **fields})
