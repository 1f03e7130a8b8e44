"""A small data set for the multitask networks: squares that fall, so that every task can be learned from the pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.models.backbones import convert_weights
from rescore.systems.multitask.training import Files, Outputs, train_member

CROP, FRAMES, SHIFT = 32, 34, 2
WORDS = ["<eos>", "<sos>", "a", "fast", "slow", "dive", "pike", "tuck"]
BACKBONE = {
    **{"network": "c3d", "weights": "random", "convolutions": 8, "width": 0.0625, "colour": "rgb_imagenet"},
    **{"clip_frames": 16, "batch": 16},
}
SUFFIXES = {
    "predictions": "parquet",
    "classes": "parquet",
    "captions": "parquet",
    "weights": "safetensors",
    "curve": "csv",
}


def settings(**changes: Any) -> dict[str, Any]:
    """Sections `multitask` and `backbone` of params.yaml at a size for tests."""
    section = {
        "clips": {"frames": FRAMES, "shift": SHIFT, "step": 1, "crop": CROP, "wide_crop": CROP},
        "body_weights": "backbone",
        **{
            "width": 0.0625,
            "wide_width": 0.0625,
            "wide_head_width": 0.0625,
            "wide_dropout": 0.5,
            "initial_score": "default",
            "caption_hidden": 8,
            "caption_embedding": 6,
        },
        **{"caption_dropout": 0.2, "caption_tokens": 8, "score_scale": 17, "flip": 0.5},
        "weights": {"score": 1.0, "classes": 1.0, "caption": 0.01},
        **{"epochs": 3, "batch": 4, "evaluation_batch": 5, "learning_rate": 0.002},
        **{"precision": "bfloat16", "compile": False, "accumulate": 1, "gpus": 0, "tensorboard": False},
        **changes,
    }
    wide = {f"wide_{name}": section.get(name, 0) for name in ("epochs", "anneal_every")}
    return {"first_training": 0, "multitask": {**wide, **section}, "backbone": BACKBONE}


def write_dives(directory: Path, samples: int = 25) -> dict[str, Path]:
    """Store, rows, splits, vocabulary and backbone of squares that fall fast or slowly; the brighter, the higher the score."""
    generator = np.random.default_rng(0)
    clips = generator.integers(0, 40, (samples, FRAMES + 2 * SHIFT, CROP, CROP, 3), np.uint8)
    fast = np.arange(samples) % 2 == 0
    brightness = generator.integers(80, 250, samples)
    for sample in range(samples):
        left = generator.integers(2, 20)
        for frame in range(FRAMES + 2 * SHIFT):
            top = int(frame * (0.65 if fast[sample] else 0.1))
            clips[sample, frame, top : top + 8, left : left + 8] = brightness[sample]
    rows = pd.DataFrame(
        {
            "dataset": "synthetic_mtl_aqa",
            "sample": [f"01/{number:03d}" for number in range(samples)],
            "action": "diving",
            "score": brightness / 3.0,
            "position": np.where(fast, "pike", "tuck"),
            "armstand": np.arange(samples) % 3 == 0,
            "rotation_type": "forward",
            "somersaults": np.where(fast, 2.5, 0.0),
            "twists": 3.5,
            "caption": np.where(fast, "a fast pike dive", "a slow tuck"),
        }
    )
    roles = np.array(["test", "train", "train", "validation", "train"])[np.arange(samples) % 5]
    splits = pd.DataFrame({"training_set": "1059", "sample": rows["sample"], "split": roles})
    files = {
        "clips": directory / "clips.npy",
        "rows": directory / "rows.parquet",
        "splits": directory / "splits.parquet",
        "vocabulary": directory / "words.json",
        "backbone": directory / "body.safetensors",
    }
    np.save(files["clips"], clips)
    rows.to_parquet(files["rows"])
    splits.to_parquet(files["splits"])
    files["vocabulary"].write_text(json.dumps(WORDS))
    convert_weights(files["backbone"], {"backbone": BACKBONE, "clips": {"crop": CROP}, "seed": 0})
    return files


def outputs(directory: Path) -> dict[str, Path]:
    return {name: directory / f"{name}.{suffix}" for name, suffix in SUFFIXES.items()}


def train(
    directory: Path,
    data: dict[str, Path],
    network: str = "c3d_avg",
    tasks: str = "score_classes_caption",
    **changes: Any,
) -> dict[str, Path]:
    """Train a member on the data set's only training set; the files it wrote."""
    written = outputs(directory)
    train_member(Files(**data), Outputs(**written), network, tasks, "1059", 0, settings(**changes))
    return written


def command(
    data: dict[str, Path], written: dict[str, Path], network: str, tasks: str, wanted: dict[str, Any]
) -> list[str]:
    """The same as words of a command line, after `python -m rescore`."""
    named = {**data, **written, "network": network, "tasks": tasks, "training-set": "1059", "seed": 0}
    named["settings"] = json.dumps(wanted)
    options = [word for name, value in named.items() for word in (f"--{name}", str(value))]
    return ["step", "systems.multitask.training.train_member", *options]
