"""The small data set of the multitask tests, with what S3D and Li et al.'s network read besides."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.stages import write_stages
from tests.training.dives import FRAMES, SHIFT, settings, write_dives

SCHEDULE = {
    **{"epochs": 2, "batch": 4, "optimiser": "adam", "learning_rate": 0.002, "anneal_every": 1, "anneal_factor": 0.5},
    **{"momentum": 0.9, "weight_decay": 0.0, "dropout": 0.2, "pool": 1},
}
STAGES = {
    "segmentation": {
        **{"frame_channels": [4, 8], "frame_width": 16, "filters": [16, 16], "kernel": 4, "dropout": 0.0, "pool": 2},
        **{"epochs": 12, "batch": 3, "learning_rate": 0.003},
    },
    "s3d": {
        **{"layers": [1, 1, 1, 1], "width": 0.0625, "frames": 16, "fusion": "mean", "stage_loss": 1.0},
        **SCHEDULE,
    },
    "li": {
        **{"clips": 3, "clip_frames": 16, "width": 0.0625, "body_weights": "backbone"},
        **{"ranking_weight": 1.0, "ranking_margin": 0.1},
        **SCHEDULE,
    },
}


def stage_settings(**changes: Any) -> dict[str, Any]:
    """Sections `multitask`, `backbone` and `stages`; keyword arguments change `stages.s3d` and `stages.li`."""
    found = settings()
    found["multitask"] |= {"seeds": 1, "initial_score": "mean"}
    found["multitask"]["clips"]["window"] = "end"
    stages = {name: section | (changes if name != "segmentation" else {}) for name, section in STAGES.items()}
    return found | {"stages": stages}


def write_files(directory: Path) -> dict[str, Any]:
    """Store, rows, dropped, splits with both training sets, backbone; stages that darken the whole picture step by step."""
    files = write_dives(directory)
    rows = pd.read_parquet(files["rows"])
    rows["end_frame"] = 200 + 50 * np.arange(len(rows))
    rows["start_frame"] = rows["end_frame"] - FRAMES + 1
    rows.to_parquet(files["rows"])
    splits = pd.read_parquet(files["splits"])
    pd.concat([splits, splits.assign(training_set="unlv_dive")], ignore_index=True).to_parquet(files["splits"])
    generator = np.random.default_rng(1)
    clips, stages = np.load(files["clips"]), {}
    for row in range(len(rows)):
        cuts = np.array([3, 10, 18, 25]) + generator.integers(0, 4)
        stages[rows["sample"][row]] = cuts + int(rows["start_frame"][row])
        shown = (np.arange(FRAMES + 2 * SHIFT)[:, None] - SHIFT >= cuts).sum(1)
        clips[row, :, 20:] = 40 * shown[:, None, None, None]
    np.save(files["clips"], clips)
    written: dict[str, Any] = {name: files[name] for name in ("clips", "rows", "splits")}
    written["backbone"] = [files["backbone"]]
    written["dropped"], written["stages"] = directory / "dropped.csv", directory / "stages.parquet"
    written["dropped"].write_text("sample,video,reason\n")
    write_stages(written["stages"], stages)
    return written
