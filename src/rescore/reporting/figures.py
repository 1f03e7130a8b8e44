"""Figures as SVG and PNG, with equal bytes from equal numbers: no dates, a fixed salt for identifiers, fixed sizes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from rescore.actions import ACTIONS
from rescore.errors import RescoreError
from rescore.reporting.tables import TITLES, read_result, scale_line
from rescore.storage import atomic_path, read_table

STYLE = {
    "svg.hashsalt": "rescore",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "figure.dpi": 100,
    "savefig.dpi": 110,
}
MULTI_ACTION, RANDOM = "#1f5fbf", "#c62f2f"
"""The paper's own colours in Figure 3: blue for the multi-action start, red for the random one."""
COLOURS = {"AA": MULTI_ACTION, "RI": RANDOM}
LABELS = {"AA": "from the multi-action model", "RI": "from random weights"}
PROTOCOL_COLOURS = {"last_iteration": "#2b7a4b", "best_iteration_on_test": "#b8860b"}


@contextmanager
def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> Iterator[tuple[Figure, np.ndarray]]:
    """A styled figure (inches) and its axes as a 2-D array, closed at the end."""
    with matplotlib.rc_context():
        sns.set_theme(style="whitegrid", context="paper", rc=STYLE)
        figure, axes = plt.subplots(
            rows, columns, figsize=(width, height), squeeze=False, layout="constrained", **options
        )
        try:
            yield figure, axes
        finally:
            plt.close(figure)


def save(figure: Figure, svg: Path, png: Path) -> None:
    """Write both forms without dates or versions, so that equal figures are equal files."""
    with atomic_path(svg) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
    with atomic_path(png) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def head(figure: Figure, title: str, settings: dict[str, Any]) -> None:
    """The title with what the figure's numbers are worth beneath it."""
    figure.suptitle(f"{title}\n{scale_line(settings)}", fontsize=9)


def draw_curves(axes: Axes, curves: pd.DataFrame) -> None:
    """One panel of Figure 3: mean rho against iteration with its interval, both starts."""
    for row, part in curves.groupby("row", sort=True):
        part = part.sort_values("iteration")
        axes.fill_between(
            part["iteration"], part["low"], part["high"], color=COLOURS[str(row)], alpha=0.18, linewidth=0
        )
        axes.plot(part["iteration"], part["value"], color=COLOURS[str(row)], linewidth=1.4, label=LABELS[str(row)])
    axes.axhline(0, color="0.6", linewidth=0.6)


def figure3(curves: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Figure 3: rho on the test samples at every evaluated iteration of fine-tuning, a panel an action and training size.

    Args:
        curves: what score_aqa7 writes for figure3.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    table = read_table(curves)
    names = list(dict.fromkeys(table["column"]))
    with canvas(9, 1.7 * -(-len(names) // 3) + 0.9, -(-len(names) // 3), 3, sharey=True) as (figure, axes):
        for panel, name in zip(axes.flat, names, strict=False):
            part = table[table["column"] == name]
            draw_curves(panel, part)
            panel.set_title(f"{name} training samples (test n = {part['n'].iloc[0]})", fontsize=8)
            panel.tick_params(labelsize=7)
        for panel in axes.flat[len(names) :]:
            panel.set_axis_off()
        axes[0, 0].legend(fontsize=7)
        figure.supxlabel("iteration", fontsize=8)
        figure.supylabel("Spearman's rho", fontsize=8)
        head(figure, "Figure 3: fine-tuning from random and from multi-action weights", settings)
        save(figure, svg, png)


def read_network(path: Path) -> dict[str, Any]:
    """The description of a network: {"network": str, "layers": [{"name", "kind", "output", "parameters"}]}.

    Raises:
        RescoreError: the file is not that.
    """
    try:
        network = json.loads(path.read_text(encoding="utf-8"))
        layers = [
            (layer["name"], layer["kind"], list(layer["output"]), int(layer["parameters"]))
            for layer in network["layers"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RescoreError(
            f"{path}: not a description of a network ({error!r}). Delete it and run the workflow again."
        ) from error
    if not layers:
        raise RescoreError(f"{path}: a network without layers. Delete it and run the workflow again.")
    return dict(network)


def figure2(network: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Figure 2: the network, a box a layer with its output's shape and its parameters, read off the module itself.

    Args:
        network: network.json.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    described = read_network(network)
    layers = described["layers"]
    kinds = sorted({layer["kind"] for layer in layers})
    colours = dict(zip(kinds, sns.color_palette("pastel", len(kinds)), strict=True))
    with canvas(6, 0.42 * len(layers) + 1.2) as (figure, axes):
        panel = axes[0, 0]
        for position, layer in enumerate(layers):
            y = -position
            box = FancyBboxPatch(
                (0, y - 0.36), 10, 0.72, boxstyle="round,pad=0.02", facecolor=colours[layer["kind"]], edgecolor="0.4"
            )
            panel.add_patch(box)
            shape = " × ".join(str(size) for size in layer["output"])
            panel.text(0.2, y, f"{layer['name']}  ({layer['kind']})", va="center", fontsize=8)
            panel.text(6.6, y, shape, va="center", ha="center", fontsize=8)
            panel.text(
                9.8, y, f"{layer['parameters']:,}" if layer["parameters"] else "–", va="center", ha="right", fontsize=8
            )
        panel.text(6.6, 0.75, "output", ha="center", fontsize=7, color="0.3")
        panel.text(9.8, 0.75, "parameters", ha="right", fontsize=7, color="0.3")
        panel.set(xlim=(-0.2, 10.2), ylim=(-len(layers) + 0.4, 1.1))
        panel.set_axis_off()
        total = sum(layer["parameters"] for layer in layers)
        figure.suptitle(
            f"Figure 2: {described['network']}, {total:,} parameters (scale {settings['scale']})", fontsize=9
        )
        save(figure, svg, png)


def figure1(clips: Path, rows: Path, png: Path, settings: dict[str, Any]) -> None:
    """Figure 1: a preview of the data set, one test video an action (the one with the median score), read by memory map.

    Args:
        clips: clip store, uint8 (sample, frame, height, width, 3).
        rows: its table.
        png: output.
        settings: `scale`, `sources`.
    """
    from rescore.reporting.contact_sheet import contact_sheet

    table = read_table(rows).reset_index(drop=True)
    store = np.load(clips, mmap_mode="r", allow_pickle=False)
    videos, captions = [], []
    for action in ACTIONS:
        part = table[(table["action"] == action.name)].sort_values(["split", "score", "sample"], kind="stable")
        if len(part):
            chosen = part.iloc[len(part) // 2]
            videos.append(store[chosen.name])
            mark = (
                "synthetic, " if scale_line(settings).startswith("SYNTHETIC (") or settings["scale"] == "smoke" else ""
            )
            captions.append(f"{action.title} ({mark}{chosen['sample']}, score {chosen['score']:.2f})")
    contact_sheet(videos, captions, png, 8)


def forest(table: str, result: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Reported against recomputed: a panel a column, a line a row, the reported number as a diamond beside our intervals.

    Args:
        table: table2 | table3 | table4.
        result: the results table.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    lines = read_result(result)
    for name in ("reported", "reproduced", "low", "high"):
        lines[name] = pd.to_numeric(lines[name], errors="coerce")
    rows, columns = list(dict.fromkeys(lines["row"])), list(dict.fromkeys(lines["column"]))
    across = min(4, len(columns))
    height = -(-len(columns) // across)
    with canvas(10, height * (0.28 * len(rows) + 0.7) + 0.9, height, across, sharex=True, sharey=True) as (
        figure,
        axes,
    ):
        for panel, column in zip(axes.flat, columns, strict=False):
            draw_forest(panel, lines[lines["column"] == column], rows)
            panel.set_title(column, fontsize=8)
        for panel in axes.flat[len(columns) :]:
            panel.set_axis_off()
        handles, labels = axes.flat[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7)
        head(figure, f"{TITLES[table]}: Spearman's rho", settings)
        save(figure, svg, png)


def draw_forest(panel: Axes, part: pd.DataFrame, rows: list[str]) -> None:
    """One column of a results table as dots, intervals and diamonds."""
    height = part["row"].map(rows.index)
    for offset, (protocol, colour) in zip((-0.15, 0.15), PROTOCOL_COLOURS.items(), strict=True):
        mine = part["protocol"] == protocol
        y, value = height[mine] + offset, part.loc[mine, "reproduced"]
        panel.hlines(y, part.loc[mine, "low"], part.loc[mine, "high"], color=colour, linewidth=1.2)
        panel.plot(value, y, "o", color=colour, markersize=3.5, label=f"ours, {protocol.replace('_', ' ')}")
    panel.plot(part["reported"], height, "D", color="black", markersize=3.5, label="reported")
    panel.axvline(0, color="0.6", linewidth=0.6)
    panel.set_yticks(range(len(rows)), rows, fontsize=7)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.tick_params(axis="x", labelsize=7)


def learning_curve(curve: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """The backbone's pre-training: every measured column of curve.csv against its iteration.

    Args:
        curve: CSV with `iteration` and measured columns (loss, accuracy); empty cells where one was not measured.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    table = read_table(curve)
    measured = [name for name in table.select_dtypes("number").columns if name not in ("iteration", "learning_rate")]
    if "iteration" not in table.columns or not measured:
        raise RescoreError(
            f"{curve}: not a learning curve (columns {', '.join(table.columns)}). Delete it and run the workflow again."
        )
    with canvas(3.2 * len(measured) + 0.5, 2.9, 1, len(measured)) as (figure, axes):
        for panel, name in zip(axes.flat, measured, strict=True):
            part = table[["iteration", name]].dropna()
            panel.plot(
                part["iteration"], part[name], color=MULTI_ACTION, linewidth=1.2, marker="." if len(part) < 60 else None
            )
            panel.set_title(name.replace("_", " "), fontsize=8)
            panel.set_xlabel("iteration", fontsize=8)
        mark = "SYNTHETIC motions" if settings["sources"]["pretraining_videos"] == "synthetic" else "UCF-101"
        figure.suptitle(f"Pre-training of the backbone ({mark}, scale {settings['scale']})", fontsize=9)
        save(figure, svg, png)
