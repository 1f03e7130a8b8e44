"""Small files of segment features for the semi-supervised experiments, and settings for seconds."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "backbone": {"weights": "pretrained"},
    "semi_supervised": {
        "labels": {"mtl_aqa": [20, 40], "rhythmic_gymnastics": [40], "unlv_dive": [10, 40, 100]},
        "label_draws": 2,
        "posterior_segments": 8,
        "gymnastics": {"routines": 0.06, "segments": 4, "width": 6, "noise": 0.5},
        "encoder": {"segment_width": 4, "width": 5},
        "masked_slot": "zero",
        "decoder_width": 6,
        "discriminator_width": 4,
        "recovery_weight": 8.0,
        "alignment_weight": 0.1,
        "reversal": 1.0,
        "iterations": 4,
        "labelled_batch": 4,
        "unlabelled_batch": 4,
        "learning_rate": 0.01,
        "weight_decay": 0.01,
        "evaluate_every": 2,
        "pseudo_labels": {"warm_up": 0.25, "renew_every": 2, "weight": 0.5},
        "vat": {"epsilon": 0.1, "xi": 0.01, "power_iterations": 1, "weight": 1.0},
        "s4l": {"orders": 6, "weight": 0.5},
        "usdl": {"bins": 21, "sd": 2, "widths": [6]},
        "c3d_avg": {"width": 6, "class_weight": 1.0},
        "coreg": {"neighbours": 3, "orders": [2, 5], "pool": 6, "rounds": 4},
    },
    "action_net": {
        "static": {"moments": 5, "width": 6, "share": 0.5, "noise": 0.5, "missed": 0.2},
        "highest": 25.0,
        "width": 4,
        "attention_width": 3,
        "head_width": 4,
        "dropout": 0.5,
        "iterations": 4,
        "batch": 4,
        "learning_rate": 0.01,
        "head_rate": 5.0,
        "momentum": 0.9,
        "weight_decay": 0.0001,
        "anneal_at": [0.5],
        "evaluate_every": 2,
    },
    "support_vector_regression": {
        "kernels": ["linear"],
        "c": [1.0],
        "epsilon": [0.1],
        "folds": 3,
        "max_iterations": 100000,
    },
    "ridge": {"penalties": [1.0], "folds": 3},
    "scoring": {"bootstrap": 60, "confidence": 0.95},
}


def write_dives(folder: Path, dives: int = 44) -> dict[str, Any]:
    """Features of two backbones, rows and splits of made-up dives; a quarter is tested on."""
    random = np.random.default_rng(0)
    quality = random.standard_normal(dives)
    values = [quality[:, None, None] + random.standard_normal((dives, 4, 6)) for _ in range(2)]
    split = np.where(np.arange(dives) % 4 == 0, "test", "train")
    names = [f"01/{number:03d}" for number in range(dives)]
    rows = pd.DataFrame(
        {
            "dataset": "synthetic_mtl_aqa",
            "sample": names,
            "action": "diving",
            "split": split,
            "score": 60 + 10 * quality + random.standard_normal(dives),
            "difficulty": 3 + 0.2 * quality,
            "position": np.array(["tuck", "pike", "free"])[np.arange(dives) % 3],
            "armstand": np.arange(dives) % 5 == 0,
            "rotation_type": np.array(["forward", "backward", "inward", "reverse"])[np.arange(dives) % 4],
            "somersaults": 1.5 + np.arange(dives) % 3,
            "twists": np.arange(dives) % 3 / 2,
            "observer": 60 + 10 * quality,
        }
    )
    files = {name: folder / name for name in ("0.npy", "1.npy", "rows.parquet", "splits.parquet")}
    for number in (0, 1):
        np.save(files[f"{number}.npy"], values[number].astype(np.float16)[:, None])
    rows.to_parquet(files["rows.parquet"])
    roles = np.where((split == "train") & (np.arange(dives) % 7 == 1), "validation", split)
    splits = pd.DataFrame({"training_set": "1059", "sample": names, "split": roles})
    splits.to_parquet(files["splits.parquet"])
    features = [files["0.npy"], files["1.npy"]]
    return {"features": features, "rows": files["rows.parquet"], "splits": files["splits.parquet"]}
