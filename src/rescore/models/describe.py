"""A network as a list of layers (name, kind, output shape, parameters), read off the modules themselves by running them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rescore.models.backbones import empty_backbone
from rescore.models.c3d import C3D
from rescore.models.c3d_lstm import weight_shapes
from rescore.storage import write_json

Layer = dict[str, Any]


def layer(name: str, kind: str, output: tuple[int, ...], parameters: int) -> Layer:
    return {"name": name, "kind": kind, "output": list(output), "parameters": parameters}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def c3d_layers(network: C3D, clip: Tensor) -> list[Layer]:
    """The layers of C3D on one clip (1, 3, frames, crop, crop), poolings included; shapes without the batch."""
    layers = []
    for (name, convolved, onward), group in zip(network.layers(clip), network.pool_after, strict=True):
        layers.append(layer(name, "convolution 3x3x3", tuple(convolved.shape[1:]), count(network.get_submodule(name))))
        if group:
            layers.append(layer(f"pool{group}", "max pooling", tuple(onward.shape[1:]), 0))
    layers.append(layer("fc6", "fully connected", tuple(network(clip).shape[1:]), count(network.fc6)))
    return layers


def backbone_layers(settings: Mapping[str, Any]) -> list[Layer]:
    """The layers of the scale's backbone on one clip; a torchvision network is one row a stage."""
    backbone, crop = settings["backbone"], settings["clips"]["crop"]
    network = empty_backbone(settings).eval()
    clip = torch.zeros(1, 3, backbone["clip_frames"], crop, crop)
    with torch.inference_mode():
        if isinstance(network, C3D):
            return c3d_layers(network, clip)
        rows, x = [], clip
        for name, stage in network.named_children():
            x = stage(x)
            x = x.flatten(1) if isinstance(stage, nn.AdaptiveAvgPool3d) else x
            rows.append(layer(name, type(stage).__name__, tuple(x.shape[1:]), count(stage)))
        return rows


def describe_c3d_lstm(network: Path, settings: dict[str, Any]) -> None:
    """Write C3D-LSTM (AQA-7, Figure 2) as JSON: {"network", "layers": [{"name", "kind", "output", "parameters"}]}.

    Args:
        network: output.
        settings: `backbone`, `clips`, `lstm`.
    """
    backbone, width = settings["backbone"], settings["lstm"]["width"]
    layers = backbone_layers(settings)
    for row in layers:
        row["output"] = [backbone["clips"], *row["output"]]
    features = layers[-1]["output"][-1]
    sizes = {name: math.prod(shape) for name, shape in weight_shapes(features, width).items()}
    lstm = sum(size for name, size in sizes.items() if name.startswith("lstm"))
    layers.append(layer("lstm", "LSTM", (backbone["clips"], width), lstm))
    layers.append(layer("fc", "fully connected", (1,), sum(sizes.values()) - lstm))
    write_json(network, {"network": f"C3D-LSTM ({backbone['network']}, width {backbone['width']:g})", "layers": layers})
