"""A network as a list of layers (name, kind, output shape, parameters), read off the modules themselves by running them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rescore.engine.storage import write_json
from rescore.models.backbones import empty_backbone
from rescore.models.c3d import C3D
from rescore.models.c3d_avg import C3DAverage
from rescore.models.c3d_lstm import weight_shapes
from rescore.models.losses import DIVE_CLASSES
from rescore.models.mscadc import MSCADC

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


@dataclass(frozen=True)
class Call:
    """One operation of a forward pass."""

    kind: str
    """What torch calls it: `conv3d`, `max_pool3d`, `mean`, ..."""
    output: tuple[int, ...]
    weights: tuple[Tensor, ...]
    """Parameters among its arguments."""
    arguments: dict[str, Any]
    """Its arguments by name, as far as ARGUMENTS names them."""


ARGUMENTS = {
    "conv3d": ("input", "weight", "bias", "stride", "padding", "dilation"),
    "max_pool3d": ("input", "kernel_size"),
    "dropout": ("input", "p"),
    "mean": ("input",),
}
KINDS = {
    "conv3d": "convolution",
    "batch_norm": "batch normalisation",
    "max_pool3d": "max pooling",
    "linear": "fully connected",
    "gru": "gated recurrent units",
    "embedding": "word vectors",
    "dropout": "dropout",
    "mean": "mean",
}
"""Operations that are layers; others (activations, padding, reshaping) are not."""
PARTS = {
    "body": "Common network body",
    "trunk": "Trunk",
    "score_head": "AQA Score Head",
    "class_head": "Action recognition Head",
    "class_heads": "Action recognition Head",
    "caption_head": "Captioning Head",
    "captioner": "Captioning Head",
}
"""Part of the network, in the words of the paper's Table 3, by the first word of a parameter's name."""
CONTEXT_NET, SUB_HEADS = "{Cntxt net}", "(Action recognition sub-heads)"
GRUS = {"video_gru": "Enc. GRU", "word_gru": "Dec. GRU"}


class Trace(TorchFunctionMode):
    """Every operation that is a layer while it is active, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        kind = getattr(func, "__name__", "")
        if kind in KINDS:
            output = result[0] if isinstance(result, tuple) else result
            arguments = dict(zip(ARGUMENTS.get(kind, ()), args, strict=False)) | (kwargs or {})
            given = flatten([*args, *(kwargs or {}).values()])
            weights = tuple(value for value in given if isinstance(value, nn.Parameter))
            self.calls.append(Call(kind, tuple(output.shape), weights, arguments))
        return result


def flatten(values: Any) -> Iterator[Any]:
    """Values of nested lists and tuples."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flatten(value)
        else:
            yield value


def multitask_layers(network: C3DAverage | MSCADC, video: Tensor, tokens: Tensor) -> list[Layer]:
    """The layers of a network with all tasks, in the order in which they are computed.

    Args:
        video, tokens: what one forward pass reads; on the meta device it computes nothing, whatever the network's size.

    Returns:
        Layers as in `describe_c3d_lstm`, with two more fields: `part` of the network, and `notation`, the layer as the paper's
        Table 3 writes it (empty for what it does not write on a line of its own). Batch normalisation belongs to its convolution.
    """
    with torch.no_grad(), Trace() as trace:
        network(video, tokens)
    names = {id(parameter): name.rpartition(".")[0] for name, parameter in network.named_parameters()}
    layers: list[Layer] = []
    for call in trace.calls:
        owner = names[id(call.weights[0])] if call.weights else ""
        size = sum(weight.numel() for weight in call.weights)
        if call.kind == "batch_norm":
            add_normalisation(layers[-1], size)
            continue
        # What has no parameters of its own belongs to what came before it.
        part = PARTS[owner.partition(".")[0]] if owner else layers[-1]["part"]
        name = owner.partition(".")[2] or owner or KINDS[call.kind]
        found = layer(name, KINDS[call.kind], call.output[1:] or (1,), size)
        layers.append(found | {"part": part, "notation": notation(call, name, layers)})
    return layers


def add_normalisation(convolution: Layer, parameters: int) -> None:
    convolution["parameters"] += parameters
    convolution["kind"] += ", batch normalisation"
    if convolution["notation"] not in ("", CONTEXT_NET):
        convolution["notation"] += "; BN"


def notation(call: Call, name: str, before: list[Layer]) -> str:
    """A layer as Table 3 writes it; a context net is one line, and so are the five sub-heads, whatever they are made of."""
    last = before[-1]["notation"] if before else ""
    if "cntxt" in name:
        return "" if last in (CONTEXT_NET, "") else CONTEXT_NET
    if name.rpartition(".")[2] in DIVE_CLASSES:
        return "" if last in (SUB_HEADS, "") else SUB_HEADS
    if call.kind == "conv3d":
        side, dilation = call.weights[0].shape[-1], max(flatten([call.arguments["dilation"]]))
        return f"C{side}({f'd={dilation},' if dilation > 1 else ''}{call.weights[0].shape[0]})"
    if call.kind == "max_pool3d":
        kernel = call.arguments["kernel_size"]
        return f"MP({','.join(map(str, (kernel,) * 3 if isinstance(kernel, int) else kernel))})"
    if call.kind == "mean":
        maps = call.arguments["input"].shape
        return f"AP({','.join(map(str, maps[2:]))})" if len(maps) == 5 and last not in (SUB_HEADS, "") else ""
    return f"Dropout({call.arguments['p']:g})" if call.kind == "dropout" else GRUS.get(name, "")
