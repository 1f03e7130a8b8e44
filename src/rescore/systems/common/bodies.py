"""The bodies that networks of clips start from: C3D's convolutions of a backbone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays
from rescore.models.backbones import input_colour
from rescore.models.state_dicts import differences
from rescore.models.trainable import Trainable

COLOUR = "rgb_imagenet"  # of networks without a pre-trained body


def body_colour(settings: Mapping[str, Any]) -> str:
    """The convention of the input of networks with C3D's body: the backbone's where its weights are used."""
    return input_colour(settings["backbone"]) if settings["multitask"]["body_weights"] == "backbone" else COLOUR


def load_body(network: Trainable, path: Path | None) -> None:
    """Give C3D-AVG's body a backbone's convolutions.

    Raises:
        RescoreError: no file, or convolutions of another layout or width.
    """
    if path is None:
        raise RescoreError(
            "multitask.body_weights is backbone, but no weights are given. Name them (--backbone), or set it to random."
        )
    arrays, _ = load_arrays(path)
    given = {name: torch.from_numpy(array) for name, array in arrays.items() if name.startswith("conv")}
    raise_together(
        f"{path}: a backbone that does not fit C3D-AVG's body",
        differences(network.body.state_dict(), given),
        "set multitask.width to backbone.width and use c3d with 8 convolutions, or set multitask.body_weights to random.",
    )
    network.body.load_state_dict(given)
