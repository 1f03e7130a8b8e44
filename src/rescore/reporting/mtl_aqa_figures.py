"""Figures of the MTL-AQA paper: dives with what the network says of them, architectures, learning curves."""

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

from rescore.engine.errors import RescoreError
from rescore.engine.storage import atomic_path, read_table
from rescore.reporting.figures import canvas, paper_head, read_network, save
from rescore.scoring.mtl_aqa_samples import SUBTASKS, class_word

SHOWN_FRAMES = 10
"""Frames drawn of a dive, evenly spaced over its window."""
CHARACTERS = 165
"""A line of a caption."""
FIGURE1_DIVE = 1
"""Figure 1 shows the second of Table 6's dives."""
NETWORK_TITLES = {"c3d_avg": "C3D-AVG", "mscadc": "MSCADC"}
CURVES = {
    "score_loss": "score loss (Eq. 1)",
    "class_loss": "class loss (Eq. 2)",
    "caption_loss": "caption loss (Eq. 3)",
    "test_correlation": "rho, test dives",
    "validation_correlation": "rho, validation dives",
    "test_class_accuracy": "class accuracy, test dives",
}
"""Columns of curve.csv that are drawn, with their titles."""
HEADS = ("AQA Score Head", "Action recognition Head", "Captioning Head")
BODY_READERS = "Every head reads what the body gives."
TRUNK_READERS = (
    "Score and class heads read the first column's last layer; the captioning head reads the clips before their mean."
)
TASK_TITLES = {
    "score": "AQA",
    "score_classes": "+ Cls",
    "score_caption": "+ Caps",
    "score_classes_caption": "+ Cls + Caps",
    "classes": "Cls alone (Nibali et al.)",
}


def read_samples(path: Path) -> list[dict[str, Any]]:
    """What `scoring.mtl_aqa_samples` chose.

    Raises:
        RescoreError: the file is missing or not that.
    """
    try:
        samples = json.loads(path.read_text(encoding="utf-8"))
        if [{"sample", "place", "true", "predicted"} <= set(sample) for sample in samples].count(True) > FIGURE1_DIVE:
            return list(samples)
    except (OSError, ValueError, TypeError) as error:
        raise RescoreError(
            f"{path}: not a list of chosen dives ({error}). Delete it and run the workflow again."
        ) from error
    raise RescoreError(f"{path}: not a list of chosen dives. Delete it and run the workflow again.")


def strip(store: np.ndarray, place: int, settings: dict[str, Any]) -> np.ndarray:
    """Evenly spaced frames of a dive's window, as tests read it (shift 0): uint8 (crop, SHOWN_FRAMES x (crop + 1), 3)."""
    window = settings["multitask"]["clips"]
    chosen = window["shift"] + np.linspace(0, window["frames"] - 1, SHOWN_FRAMES).round().astype(int)
    gap = np.full((store.shape[2], 1, 3), 255, np.uint8)
    return np.concatenate([part for frame in chosen for part in (np.asarray(store[place, frame]), gap)], axis=1)


def label_text(told: dict[str, Any]) -> str:
    """`80.41; [Tuck, No, Backwards, 3.5, 0]`, as Table 6 prints it."""
    return f"{told['score']:.2f}; [{', '.join(class_word(told[subaction]) for subaction in SUBTASKS.values())}]"


def wrapped(title: str, text: str) -> list[str]:
    return textwrap.wrap(f"{title}: {text or '(says nothing)'}", CHARACTERS) or [f"{title}:"]


def show_strip(panel: Axes, frames: np.ndarray, title: str) -> None:
    panel.imshow(frames, interpolation="nearest", aspect="equal")
    panel.set_title(title, fontsize=9, loc="left")
    panel.set_axis_off()


def show_text(panel: Axes, lines: list[str]) -> None:
    panel.set_axis_off()
    panel.text(0, 1, "\n".join(lines), va="top", fontsize=7.5, parse_math=False, transform=panel.transAxes)


def table6_frames(paper: Path, samples: Path, clips: Path, png: Path, settings: dict[str, Any]) -> None:
    """The four dives of Table 6: frames as C3D-AVG sees them, and beneath them what is true and what it says.

    Args:
        paper: papers/<name>/paper.yaml, which has the title.
        samples: JSON of `scoring.mtl_aqa_samples`.
        clips: the clip store that C3D-AVG reads.
        png: output.
        settings: `scale`, `sources`, `multitask.clips`.
    """
    dives, store = read_samples(samples), np.load(clips, mmap_mode="r")
    texts = [
        [
            f"true labels: {label_text(dive['true'])}     C3D-AVG labels: {label_text(dive['predicted'])}",
            *wrapped("true commentary", dive["true"]["caption"]),
            *wrapped("C3D-AVG", dive["predicted"]["caption"]),
        ]
        for dive in dives
    ]
    width = 11.0
    ratios = [size for lines in texts for size in (width / SHOWN_FRAMES, 0.14 * len(lines) + 0.05)]
    height = sum(ratios) + 0.3 * len(dives) + 0.7
    with canvas(width, height, 2 * len(dives), 1, gridspec_kw={"height_ratios": ratios}) as (figure, axes):
        for number, (dive, lines) in enumerate(zip(dives, texts, strict=True)):
            title = f"Dive {number + 1}: {dive['sample']}, error {dive['error']:.2f} points, rank {dive['rank']} of {dive['of']}"
            show_strip(axes[2 * number, 0], strip(store, dive["place"], settings), title)
            show_text(axes[2 * number + 1, 0], lines)
        paper_head(figure, paper, "table6_frames", settings)
        save_png(figure, png)


def figure1(paper: Path, samples: Path, clips: Path, png: Path, settings: dict[str, Any]) -> None:
    """Figure 1: one dive with the three outputs of C3D-AVG-MTL. Arguments as `table6_frames`."""
    dive, store = read_samples(samples)[FIGURE1_DIVE], np.load(clips, mmap_mode="r")
    with canvas(11, 4.2, 2, 1, gridspec_kw={"height_ratios": [1.1, 2.2]}) as (figure, axes):
        show_strip(
            axes[0, 0], strip(store, dive["place"], settings), f"{dive['sample']}: frames as the network sees them"
        )
        panel = axes[1, 0]
        panel.set(xlim=(0, 11), ylim=(0, 2.2))
        panel.set_axis_off()
        for left, right, (title, lines) in zip((0, 2.6, 6.0), (2.4, 5.8, 11), outputs_of(dive), strict=True):
            box = FancyBboxPatch(
                (left + 0.05, 0.08),
                right - left - 0.1,
                1.95,
                boxstyle="round,pad=0.03",
                facecolor="#eef2f8",
                edgecolor="0.5",
            )
            panel.add_patch(box)
            panel.text(left + 0.15, 1.9, title, va="top", fontsize=9, weight="bold")
            panel.text(left + 0.15, 1.6, "\n".join(lines), va="top", fontsize=7.5, parse_math=False)
        paper_head(figure, paper, "figure1", settings)
        save_png(figure, png)


def outputs_of(dive: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Title and lines of the three boxes of Figure 1."""
    true, said = dive["true"], dive["predicted"]
    classes = [
        f"{title}: {class_word(said[subaction])}"
        + ("" if said[subaction] == true[subaction] else f" (true: {class_word(true[subaction])})")
        for title, subaction in SUBTASKS.items()
    ]
    caption = [
        *textwrap.wrap(said["caption"] or "(says nothing)", 78),
        "",
        *textwrap.wrap(f"true: {true['caption']}", 78),
    ]
    return [
        ("Action quality score", [f"{said['score']:.2f} points", f"true: {true['score']:.2f}"]),
        ("Factorised action recognition", classes),
        ("Commentary", [*caption[:11], *(["..."] if len(caption) > 11 else [])]),
    ]


def save_png(figure: Any, png: Path) -> None:
    """Photographs make large vector files, so there is only a PNG."""
    with atomic_path(png) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def architecture(paper: Path, figure_name: str, network: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """A network of several heads, a box a layer: body (and trunk) in the first column, then a column a head.

    Args:
        paper: papers/<name>/paper.yaml, which has the title.
        figure_name: of a figure that it declares.
        network: JSON of `systems.multitask.architecture.describe`.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    described = read_network(network)
    layers = described["layers"]
    columns = [[layer for layer in layers if layer["part"] not in HEADS]]
    columns += [[layer for layer in layers if layer["part"] == part] for part in HEADS]
    kinds = sorted({layer["kind"] for layer in layers})
    colours = dict(zip(kinds, sns.color_palette("pastel", len(kinds)), strict=True))
    deepest = max(map(len, columns))
    with canvas(14, 0.42 * deepest + 1.5) as (figure, axes):
        panel = axes[0, 0]
        for place, (title, column) in enumerate(zip(("Common network body", *HEADS), columns, strict=True)):
            panel.text(place * 10.6, 1.0, title, fontsize=9, weight="bold")
            for depth, layer in enumerate(column):
                draw_box(panel, place * 10.6, -depth, layer, colours[layer["kind"]])
        panel.set(xlim=(-0.2, 42.2), ylim=(-deepest + 0.4, 1.6))
        panel.set_axis_off()
        total = sum(layer["parameters"] for layer in layers)
        read = TRUNK_READERS if any(layer["part"] == "Trunk" for layer in layers) else BODY_READERS
        note = f"{described['network']}, {total:,} parameters; outputs: channels × frames × height × width\n{read}"
        paper_head(figure, paper, figure_name, settings, note)
        save(figure, svg, png)


def draw_box(panel: Axes, x: float, y: float, layer: dict[str, Any], colour: Any) -> None:
    """One layer: name and kind, the shape of its output, its parameters."""
    panel.add_patch(
        FancyBboxPatch((x, y - 0.36), 10, 0.72, boxstyle="round,pad=0.02", facecolor=colour, edgecolor="0.4")
    )
    kind = layer["kind"].replace("batch normalisation", "BN").replace("gated recurrent units", "GRU, 2 layers")
    name = layer["name"] if layer["name"] != kind else ""
    panel.text(x + 0.2, y + 0.16, f"{name}  {kind}".strip(), va="center", fontsize=7)
    panel.text(x + 0.2, y - 0.17, " × ".join(map(str, layer["output"])), va="center", fontsize=7, color="0.25")
    if layer["parameters"]:
        panel.text(x + 9.8, y - 0.17, f"{layer['parameters']:,}", va="center", ha="right", fontsize=7, color="0.25")


def read_curves(paths: list[Path]) -> pd.DataFrame:
    """Learning curves of several members and seeds as one table with `network`, `tasks` and `seed`, which the folders name.

    Raises:
        RescoreError: a file is no learning curve.
    """
    parts = []
    for path in paths:
        table = read_table(path)
        if "epoch" not in table.columns or not set(CURVES) & set(table.columns):
            raise RescoreError(
                f"{path}: not a learning curve (columns {', '.join(table.columns)}). Delete it and run the workflow again."
            )
        network, tasks, _, seed = path.parts[-5:-1]
        parts.append(table.assign(network=network, tasks=tasks, seed=seed))
    return pd.concat(parts, ignore_index=True)


def curves(paper: Path, curves: list[Path], svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Learning curves: a row a network, a panel a measured column, a line a set of tasks (mean over seeds; band: their range).

    Args:
        paper: papers/<name>/paper.yaml, which has the title.
        curves: curve.csv of members, `<network>/<tasks>/<training set>/<seed>/curve.csv`, of one training set.
        svg, png: outputs.
        settings: `scale`, `sources`.
    """
    table = read_curves(curves)
    shown = [name for name in CURVES if name in table and table[name].notna().any()]
    networks = [name for name in NETWORK_TITLES if name in set(table["network"])]
    tasks = [name for name in TASK_TITLES if name in set(table["tasks"])]
    colours = dict(zip(TASK_TITLES, sns.color_palette("colorblind", len(TASK_TITLES)), strict=True))
    with canvas(2.6 * len(shown) + 0.6, 2.5 * len(networks) + 1.3, len(networks), len(shown), sharex=True) as (
        figure,
        axes,
    ):
        for row, network in enumerate(networks):
            for column, name in enumerate(shown):
                for task in tasks:
                    part = table[(table["network"] == network) & (table["tasks"] == task)]
                    draw_curve(axes[row, column], part, name, colours[task], TASK_TITLES[task])
                axes[row, column].set_title(f"{NETWORK_TITLES[network]}: {CURVES[name]}", fontsize=8.5)
                axes[row, column].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        # Every task stands in the panel of its own loss at the latest; the legend takes one handle of each.
        handles = {
            label: handle
            for panel in axes.flat
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=8, frameon=False)
        for panel in axes[-1]:
            panel.set_xlabel("epoch", fontsize=8.5)
        paper_head(figure, paper, "curves", settings)
        save(figure, svg, png)


def draw_curve(panel: Axes, part: pd.DataFrame, name: str, colour: Any, label: str) -> None:
    """Mean over seeds against epochs, and the range of the seeds; nothing where the members do not measure it."""
    measured = part[["epoch", name]].dropna()
    if measured.empty:
        return
    by_epoch = measured.groupby("epoch")[name]
    middle = by_epoch.mean()
    marker = "." if len(middle) < 20 else None
    panel.plot(middle.index, middle, color=colour, linewidth=1.4, marker=marker, label=label)
    panel.fill_between(middle.index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.15, linewidth=0)
