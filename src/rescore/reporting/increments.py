"""Figure: where dives lose points, clip by clip, as C3D-LSTM with incremental labels sees it (Parmar and Morris, CVPRW 2017)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table
from rescore.reporting.figures import canvas, legend_below, paper_head
from rescore.reporting.mtl_aqa_figures import save_png, show_strip, strip
from rescore.scoring.mtl_aqa_samples import SHARES
from rescore.systems.common.training_sets import WHOLE

MEMBER = f"c3d_lstm_incremental/{WHOLE}"


def increments(
    paper: Path, increments: Path, predictions: Path, rows: Path, clips: Path, png: Path, settings: dict[str, Any]
) -> None:
    """Four test dives, chosen as Table 6's are (by the rank of their absolute error): frames, and the points of each clip.

    Args:
        paper: papers/<name>/paper.yaml, which has the title.
        increments: of `systems.frozen_features.c3d_lstm_incremental`.
        predictions: of the same; they hold the true scores.
        rows: the clip store's table.
        clips: the clip store that C3D-AVG reads.
        png: output.
        settings: `scale`, `sources`, `multitask.clips`.

    Raises:
        RescoreError: fewer than four test dives.
    """
    growing, said, table = first_seed(read_table(increments)), first_seed(read_table(predictions)), read_table(rows)
    said = said[said["iteration"] == said["iteration"].max()]
    said = said.assign(error=(said["predicted"] - said["target"]).abs()).sort_values(["error", "sample"])
    if len(said) < len(SHARES):
        raise RescoreError(f"{increments}: {len(said)} test dives, {len(SHARES)} are shown. Raise synthetic.dives.")
    shown = [said.iloc[int(share * len(said))] for share in SHARES]
    store = np.load(clips, mmap_mode="r")
    with canvas(11, 2.7 * len(shown), 2 * len(shown), 1, gridspec_kw={"height_ratios": [1.1, 1.4] * len(shown)}) as (
        figure,
        axes,
    ):
        for number, dive in enumerate(shown):
            place = int(np.flatnonzero(table["sample"] == dive["sample"])[0])
            title = f"{dive['sample']}: true score {dive['target']:.2f}, predicted {dive['predicted']:.2f} points"
            show_strip(axes[2 * number, 0], strip(store, place, settings), title)
            draw_points(axes[2 * number + 1, 0], growing[growing["sample"] == dive["sample"]].sort_values("clip"))
        axes[-1, 0].set_xlabel("clip")
        legend_below(figure, axes[1, 0], "what the network adds with each clip; above, the difference in points")
        paper_head(figure, paper, "increments", settings)
        save_png(figure, png)


def first_seed(table: pd.DataFrame) -> pd.DataFrame:
    """Test rows of MEMBER's lowest seed."""
    mine = table[(table["member"] == MEMBER) & (table["split"] == "test")]
    return mine[mine["seed"] == mine["seed"].min()]


def draw_points(panel: Axes, dive: pd.DataFrame) -> None:
    """A pair of bars a clip: the dive's points and the mean training dive's, with the difference above."""
    gained = {name: np.diff(dive[name], prepend=0.0) for name in ("predicted", "expected")}
    clip = dive["clip"].to_numpy()
    panel.bar(clip - 0.2, gained["predicted"], 0.38, color="C0", label="this dive")
    panel.bar(clip + 0.2, gained["expected"], 0.38, color="0.75", label="mean training dive")
    for at, own, mean in zip(clip, gained["predicted"], gained["expected"], strict=True):
        panel.annotate(
            f"{round(own - mean, 1) + 0.0:+.1f}",
            (at, max(own, mean, 0)),
            (0, 2),
            textcoords="offset points",
            ha="center",
        )
    panel.set(ylabel="points", xticks=clip)
    panel.margins(y=0.2)
    panel.grid(False, axis="x")
