"""What declarations of networks on MTL-AQA's two training sets share (`common.stage_members` trains them). No framework."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from rescore.systems.common import amounts
from rescore.systems.declaration import Cost, Settings

MULTITASK = (
    *("clips", "compile", "evaluation_batch", "flip", "gpus", "initial_score", "precision", "score_scale", "seeds"),
    "tensorboard",
)
SETTINGS = (*(f"multitask.{name}" for name in MULTITASK), "first_training")
"""What these trainings read of the networks' own section."""
WRITES = {"predictions": "predictions.parquet", "weights": "weights.safetensors", "curve": "curve.csv"}
DIVES = [amounts.TRAINING_DIVES[name] for name in ("1059", "unlv_dive")]


def cost(section: str, forward: float, needs: str) -> Callable[[Settings], list[Cost]]:
    """Of a system with a section in `stages`: forward operations of a video at full width and crop."""

    def count(settings: Settings) -> list[Cost]:
        knobs, own = settings["multitask"], settings["stages"][section]
        each = forward * own["width"] ** 2 * (knobs["clips"]["crop"] / 112) ** 2
        operations = knobs["seeds"] * own["epochs"] * amounts.epoch_operations(sum(DIVES), each)
        return [Cost(section, 1, needs, operations, 2 * knobs["seeds"] * 0.35e9, memory=20e9)]

    return count


def steps(section: str) -> Callable[[Settings], dict[str, float]]:
    """Optimiser steps of all trainings on both training sets."""

    def count(settings: Settings) -> dict[str, float]:
        own = settings["stages"][section]
        total = sum(math.ceil(dives / own["batch"]) for dives in DIVES)
        return {"": settings["multitask"]["seeds"] * own["epochs"] * total * amounts.EVALUATED}

    return count


def half_batch(section: str) -> Callable[[Settings], Mapping[str, Any]]:
    """Half the batch of a section, which cannot be cut into parts."""

    def change(settings: Settings) -> Mapping[str, Any]:
        batch = max(1, settings["stages"][section]["batch"] // 2)
        return {"stages": {section: {"batch": batch}}, "multitask": {"evaluation_batch": 1}}

    return change
