"""P3D: pseudo-3D residual networks (Qiu, Yao, Mei, ICCV 2017), the network that S3D has one of for each stage of a dive.

A 3x3x3 convolution is taken apart into S, 1x3x3 in space, and T, 3x1x1 in time. Three bottlenecks differ in how the two are
joined (paper, Figure 2), and follow one another in turns:

    A  T(S(x))             serial
    B  S(x) + T(x)         side by side
    C  S(x) + T(S(x))      serial, with a shortcut around T

P3D-199 has 3, 8, 36 and 3 of them (ResNet-152's), P3D-63 3, 4, 6 and 3. Time is halved after the first pooling and after each
of the first three groups, so that of 16 frames one map is left; the last group is two-dimensional.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.c3d import scaled

CHANNELS = (64, 128, 256, 512)
"""Of the four groups' inner convolutions at width 1; a group gives four times as many."""
EXPANSION = 4
JOINED = "ABC"
CLIP_FRAMES = 16
SMALLEST_CROP = 16


class Normalised(nn.Sequential):
    """Convolution without bias and batch norm, the unit that everything here consists of."""

    def __init__(
        self, given: int, channels: int, kernel: tuple[int, int, int], stride: tuple[int, int, int] = (1, 1, 1)
    ) -> None:
        padding = kernel[0] // 2, kernel[1] // 2, kernel[2] // 2
        super().__init__(
            nn.Conv3d(given, channels, kernel, stride, padding=padding, bias=False), nn.BatchNorm3d(channels)
        )


class Bottleneck(nn.Module):
    """A residual bottleneck: 1x1x1, S and T joined as `kind` says, 1x1x1.

    Args:
        kind: `A`, `B` or `C`; `S` for one without T (the last group's).
        stride: of height and width.
    """

    def __init__(self, given: int, inner: int, kind: str, stride: int = 1) -> None:
        super().__init__()
        self.kind = kind
        self.reduce = Normalised(given, inner, (1, 1, 1), (1, stride, stride))
        self.spatial = Normalised(inner, inner, (1, 3, 3))
        self.temporal = Normalised(inner, inner, (3, 1, 1)) if kind != "S" else None
        self.restore = Normalised(inner, EXPANSION * inner, (1, 1, 1))
        same = given == EXPANSION * inner and stride == 1
        self.shortcut = None if same else Normalised(given, EXPANSION * inner, (1, 1, 1), (1, stride, stride))

    def joined(self, x: Tensor) -> Tensor:
        """S and T, each followed by ReLU."""
        spatial = F.relu(self.spatial(x))
        if self.temporal is None:
            return spatial
        if self.kind == "B":
            return spatial + F.relu(self.temporal(x))
        temporal = F.relu(self.temporal(spatial))
        return temporal if self.kind == "A" else spatial + temporal

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.shortcut is None else self.shortcut(x)
        return F.relu(kept + self.restore(self.joined(F.relu(self.reduce(x)))))


class P3D(nn.Module):
    """Clips (N, 3, frames, height, width) -> features (N, `features`): 2048 at width 1.

    Args:
        layers: bottlenecks of the four groups.
        width: multiple of all channels.

    Raises:
        RescoreError: there are not four groups of at least one bottleneck.
    """

    def __init__(self, layers: Sequence[int] = (3, 8, 36, 3), width: float = 1.0) -> None:
        super().__init__()
        if len(layers) != len(CHANNELS) or min(layers) < 1:
            raise RescoreError(f"P3D's layers are {list(layers)}; it has four groups of at least one bottleneck each.")
        channels = scaled(CHANNELS[0], width)
        self.stem = Normalised(3, channels, (1, 7, 7), (1, 2, 2))
        groups, number = [], 0
        for group, (blocks, at_width_1) in enumerate(zip(layers, CHANNELS, strict=True)):
            inner, parts = scaled(at_width_1, width), []
            for block in range(blocks):
                kind = "S" if group == len(CHANNELS) - 1 else JOINED[number % len(JOINED)]
                parts.append(Bottleneck(channels, inner, kind, 2 if group and not block else 1))
                channels, number = EXPANSION * inner, number + 1
            groups.append(nn.Sequential(*parts))
        self.groups = nn.ModuleList(groups)
        self.features = channels

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (N, 3, frames, height, width) -> (N, features), the mean over the last maps.

        Raises:
            RescoreError: fewer than 16 frames or pixels, so that nothing is left after the poolings.
        """
        if clips.shape[2] < CLIP_FRAMES or min(clips.shape[3:]) < SMALLEST_CROP:
            raise RescoreError(
                f"P3D needs {CLIP_FRAMES} frames of {SMALLEST_CROP} pixels, not {clips.shape[2]} of {min(clips.shape[3:])}. "
                "Raise stages.s3d.frames or multitask.clips.crop, or lower stages.s3d.pool."
            )
        x = F.relu(self.stem(clips))  # (N, 64, 16, 56, 56) of 16 frames of 112 pixels at width 1
        x = F.max_pool3d(x, (2, 3, 3), 2)  # (N, 64, 8, 27, 27)
        for number, group in enumerate(self.groups):
            x = group(x)  # (N, 256, 8, 27, 27), (N, 512, 4, 14, 14), (N, 1024, 2, 7, 7), (N, 2048, 1, 4, 4)
            if number < len(self.groups) - 1:
                x = F.max_pool3d(x, (2, 1, 1))
        return x.mean((2, 3, 4))


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """He initialisation (fan-out) of convolutions in place; batch norms keep PyTorch's 1 and 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.Conv2d | nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
