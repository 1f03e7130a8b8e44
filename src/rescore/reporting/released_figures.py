"""The price of choosing the epoch on test, over all logs, by the number of test samples."""

from pathlib import Path
from typing import Any

import numpy as np

from rescore.engine.storage import read_table
from rescore.reporting.figures import canvas, paper_head, save
from rescore.scoring.released.choice import CHANCE, HALF, PRICE

FIGURE = "price_of_choosing"
SHOWN = (PRICE, HALF, CHANCE)
OURS, NOISE = "#1f5fbf", "#8a8a8a"
HEIGHT = 0.24
"""Inches of a log's line."""


def price_of_choosing(paper: Path, scores: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """A line a log: what choosing on test adds in the log's last half, beside what the same noise gives by chance.

    Args:
        paper: papers/<name>/paper.yaml, which declares the figure.
        scores: of `scoring.released.choice.price_choices`, in its order.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    table = read_table(scores)
    rows = list(dict.fromkeys(table["row"]))
    by_column = {column: part.set_index("row").loc[rows] for column, part in table.groupby("column") if column in SHOWN}
    samples = by_column[PRICE]["n"].astype(int).tolist()
    places = np.arange(len(rows))
    with canvas(9, HEIGHT * len(rows) + 1.6) as (figure, axes):
        panel, chance = axes[0, 0], by_column[CHANCE]
        panel.hlines(places, chance["low"], chance["high"], color=NOISE, linewidth=4, alpha=0.5, label="by chance, 95%")
        panel.plot(chance["value"], places, "|", color=NOISE, markersize=9, label="by chance, mean")
        panel.plot(by_column[HALF]["value"], places, "o", color=OURS, markersize=4, label="the log's last half")
        panel.plot(
            by_column[PRICE]["value"], places, "o", color=OURS, markersize=6, fillstyle="none", label="the whole log"
        )
        panel.set_yticks(
            places, [f"{row} (n = {count})" for row, count in zip(rows, samples, strict=True)], fontsize=7.5
        )
        panel.invert_yaxis()
        panel.set_xlim(left=0)
        panel.set_xlabel("best epoch on test less the mean of the last ten (Spearman's rho)", fontsize=9)
        panel.legend(fontsize=8, loc="best")
        paper_head(figure, paper, FIGURE, settings)
        save(figure, svg, png)
