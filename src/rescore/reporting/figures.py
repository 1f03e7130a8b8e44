"""Figures as SVG and PNG, with equal bytes from equal numbers: no dates, a fixed salt for identifiers, fixed sizes."""

import json
from collections.abc import Iterator, Mapping
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
from matplotlib.ticker import MaxNLocator, MultipleLocator

from rescore.actions import ACTIONS
from rescore.engine.errors import RescoreError
from rescore.engine.storage import atomic_path, read_table
from rescore.reporting.tables import columns_of, read_result, sample_counts
from rescore.reporting.wording import PROTOCOLS, figure_title, is_synthetic, scale_line
from rescore.scoring.papers import read_paper
from rescore.scoring.scores import INTERVALS

STYLE = {
    "svg.hashsalt": "rescore",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "figure.dpi": 100,
    "savefig.dpi": 110,
}
LINE = "#1f5fbf"
PROTOCOL_STYLES = {
    "": (0.0, "#47607a"),
    "last_iteration": (-0.2, "#2b7a4b"),
    "best_on_validation": (0.0, "#7a4bb0"),
    "best_iteration_on_test": (0.2, "#b8860b"),
}
"""Place beside the row's line (rows) and colour."""
SYNTHETIC = "#7a1fa2"
"""Colour of titles over synthetic numbers, as of the page's banner."""
C3D_RESIZE, C3D_CROP = (171, 128), 112
"""Pixels: Figure 1 shows what C3D sees of a frame, at its own size whatever the scale."""


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


def head(figure: Figure, title: str, settings: dict[str, Any], videos: str | None) -> None:
    """The title with what the figure's numbers are worth beneath it; `videos` is the setting of `sources` that tells."""
    colour = SYNTHETIC if is_synthetic(settings, videos) else "black"
    figure.suptitle(f"{title}\n{scale_line(settings, videos)}", fontsize=10, color=colour)


def paper_head(figure: Figure, paper: Path, name: str, settings: dict[str, Any], more: str = "") -> None:
    """The head of a figure that a paper declares by its name; `more` follows the title on a line of its own."""
    declared = read_paper(paper)
    head(figure, figure_title(declared, name) + (f"\n{more}" if more else ""), settings, declared.videos)


def legend_below(figure: Figure, panel: Axes, title: str) -> None:
    """One legend for all panels, below them, whose title says what the panels show."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, fontsize=9, title=title, title_fontsize=9, frameon=False
    )


def draw_curves(axes: Axes, curves: pd.DataFrame, series: Mapping[str, Mapping[str, str]]) -> None:
    """One panel: mean rho against iteration with its interval, a line a row, as the paper colours and calls them."""
    for row, part in curves.groupby("row", sort=True):
        part, told = part.sort_values("iteration"), series.get(str(row), {})
        colour, label = told.get("colour", LINE), told.get("label", str(row))
        axes.fill_between(part["iteration"], part["low"], part["high"], color=colour, alpha=0.18, linewidth=0)
        axes.plot(part["iteration"], part["value"], color=colour, linewidth=1.6, label=label)
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.tick_params(labelsize=8)


def score_curves(paper: Path, figure: str, curves: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Rho on the test samples at every evaluated iteration, a panel a column.

    Args:
        paper: papers/<name>/paper.yaml, which declares the figure under `curves`.
        figure: its name there.
        curves: its scores (scoring.score_table).
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    table, told = read_table(curves), read_paper(paper).curves[figure]
    names = list(dict.fromkeys(table["column"]))
    rows = -(-len(names) // 3)
    with canvas(10, 1.75 * rows + 1.2, rows, 3, sharey=True) as (drawn, axes):
        for panel, name in zip(axes.flat, names, strict=False):
            part = table[table["column"] == name]
            draw_curves(panel, part, told.get("series", {}))
            panel.set_title(f"{name} (test n = {part['n'].iloc[0]})", fontsize=8.5)
        for panel in axes.flat[len(names) :]:
            panel.set_axis_off()
        seeds = table["seeds"].max()
        below = f"against iterations; line: mean over {seeds} seeds; band: confidence interval"
        legend_below(drawn, axes[0, 0], below)
        drawn.supylabel("Spearman's rho", fontsize=9)
        paper_head(drawn, paper, figure, settings)
        save(drawn, svg, png)


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


def figure2(paper: Path, network: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Figure 2: the network, a box a layer with its output's shape and its parameters, read off the module itself.

    Args:
        paper: papers/<name>/paper.yaml.
        network: network.json.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    described = read_network(network)
    layers = described["layers"]
    kinds = sorted({layer["kind"] for layer in layers})
    colours = dict(zip(kinds, sns.color_palette("pastel", len(kinds)), strict=True))
    with canvas(7.5, 0.36 * len(layers) + 1.4) as (figure, axes):
        panel = axes[0, 0]
        for position, layer in enumerate(layers):
            draw_layer(panel, -position, layer, colours[layer["kind"]])
        panel.text(0.2, 0.75, "layer", fontsize=8, color="0.3")
        panel.text(
            6.3, 0.75, "output: clips × channels × frames × height × width", ha="center", fontsize=8, color="0.3"
        )
        panel.text(9.8, 0.75, "parameters", ha="right", fontsize=8, color="0.3")
        panel.set(xlim=(-0.2, 10.2), ylim=(-len(layers) + 0.4, 1.1))
        panel.set_axis_off()
        total = sum(layer["parameters"] for layer in layers)
        head(figure, f"Figure 2: {described['network']}, {total:,} parameters", settings, read_paper(paper).videos)
        save(figure, svg, png)


def draw_layer(panel: Axes, y: float, layer: dict[str, Any], colour: Any) -> None:
    """One layer's box with its name and kind, its output's shape and its parameters."""
    box = FancyBboxPatch((0, y - 0.36), 10, 0.72, boxstyle="round,pad=0.02", facecolor=colour, edgecolor="0.4")
    panel.add_patch(box)
    shape = " × ".join(str(size) for size in layer["output"])
    parameters = f"{layer['parameters']:,}" if layer["parameters"] else "–"
    panel.text(0.2, y, f"{layer['name']}  ({layer['kind']})", va="center", fontsize=9)
    panel.text(6.3, y, shape, va="center", ha="center", fontsize=9)
    panel.text(9.8, y, parameters, va="center", ha="right", fontsize=9)


def figure1(manifest: Path, png: Path, settings: dict[str, Any]) -> None:
    """Figure 1: a preview of the data set, one test video an action (the one with the median score), trampoline included.

    Args:
        manifest: the data set's table of samples; the seven videos are read from where it says.
        png: output.
        settings: `scale`, `sources`.
    """
    from rescore.clips.decode import read_frames
    from rescore.reporting.contact_sheet import contact_sheet

    table = read_table(manifest)
    mark = "SYNTHETIC, " if is_synthetic(settings) and settings["sources"]["aqa7_videos"] == "synthetic" else ""
    videos, captions = [], []
    for action in ACTIONS:
        part = table[(table["action"] == action.name) & (table["split"] == "test") & table["end_frame"].notna()]
        if len(part):
            chosen = part.sort_values(["score", "sample"]).iloc[len(part) // 2]
            frames = read_frames(Path(chosen["video"]), C3D_RESIZE, C3D_CROP)
            videos.append(frames[int(chosen["start_frame"]) : int(chosen["end_frame"]) + 1])
            captions.append(f"{action.title} ({mark}{chosen['sample']}, score {chosen['score']:.2f} points)")
    contact_sheet(videos, captions, png, 8)


def forest(paper: Path, table: str, result: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Reported against recomputed: a panel a column, a line a row, the reported number as a diamond beside our intervals.

    Args:
        paper: papers/<name>/paper.yaml.
        table: one of its tables.
        result: the results table.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    declared = read_paper(paper)
    lines, told = read_result(result), declared.table_of(table)
    lines = lines[lines["column"].isin(told.forest_columns)] if told.forest_columns else lines
    rows, columns = list(dict.fromkeys(lines["row"])), columns_of(lines)
    for name in ("reported", "reproduced", *INTERVALS):
        lines[name] = pd.to_numeric(lines[name], errors="coerce")
    # Three training sizes an action, five layers an evaluation; else as many as can be read.
    across = next((group for group in (3, 5) if len(columns) % group == 0), min(4, len(columns)))
    down = -(-len(columns) // across)
    with canvas(11, down * (0.3 * len(rows) + 0.7) + 1.2, down, across, sharex=True, sharey=True) as (figure, axes):
        for panel, column in zip(axes.flat, columns, strict=False):
            part = lines[lines["column"] == column]
            draw_forest(panel, part, rows, told.row_labels)
            panel.set_title(" ".join([column, sample_counts(part)]), fontsize=8.5)
        for panel in axes.flat[len(columns) :]:
            panel.set_axis_off()
        legend_below(
            figure,
            axes.flat[0],
            f"{told.measure} on n test samples; bars: confidence intervals; ends: prediction intervals",
        )
        head(figure, figure_title(declared, f"{table}_forest"), settings, told.videos)
        save(figure, svg, png)


def draw_forest(panel: Axes, part: pd.DataFrame, rows: list[str], labels: Mapping[str, str]) -> None:
    """One column of a results table as dots, intervals and diamonds."""
    height = part["row"].map(rows.index)
    for protocol, (offset, colour) in PROTOCOL_STYLES.items():
        mine = (part["protocol"] == protocol) & part["reproduced"].notna()
        y = height[mine] + offset
        panel.hlines(y, part.loc[mine, "low"], part.loc[mine, "high"], color=colour, linewidth=1.6)
        for end in INTERVALS[2:]:
            panel.plot(part.loc[mine, end], y, "|", color=colour, markersize=6, markeredgewidth=1)
        panel.plot(part.loc[mine, "reproduced"], y, "o", color=colour, markersize=4, label=PROTOCOLS[protocol])
    # Hollow, so that it hides no dot of ours beneath it.
    panel.plot(part["reported"], height, "D", color="black", fillstyle="none", markersize=5, label="reported")
    panel.axvline(0, color="0.6", linewidth=0.6)
    panel.set_yticks(range(len(rows)), [labels.get(row, row) for row in rows], fontsize=8.5)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    percent = bool((part[["reported", "reproduced"]].abs() > 1).any(axis=None))
    panel.xaxis.set_major_locator(MaxNLocator(5) if percent else MultipleLocator(0.5))
    panel.tick_params(axis="x", labelsize=8)


def learning_curve(paper: Path, curve: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """The backbone's pre-training: every measured column of curve.csv against its iteration.

    Args:
        paper: papers/<name>/paper.yaml, which has the title.
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
    mark = "SYNTHETIC motions" if settings["sources"]["pretraining_videos"] == "synthetic" else "UCF-101"
    with canvas(3.4 * len(measured) + 0.5, 3.1, 1, len(measured), sharex=True) as (figure, axes):
        for panel, name in zip(axes.flat, measured, strict=True):
            part = table[["iteration", name]].dropna()
            marker = "." if len(part) < 60 else None
            panel.plot(part["iteration"], part[name], color=LINE, linewidth=1.4, marker=marker)
            share = name.endswith("accuracy")
            panel.set_ylim(0, 1 if share else None)
            panel.set_title(name.replace("_", " "), fontsize=9)
            panel.set_ylabel(
                "share of windows right" if share else "cross-entropy (nats)" if name == "loss" else "", fontsize=9
            )
            panel.set_xlabel("iteration", fontsize=9)
        colour = SYNTHETIC if mark.startswith("SYNTHETIC") else "black"
        figure.suptitle(
            f"{figure_title(read_paper(paper), 'pretraining')} ({mark}, scale {settings['scale']})",
            fontsize=10,
            color=colour,
        )
        save(figure, svg, png)
