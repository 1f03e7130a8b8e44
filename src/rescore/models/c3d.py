"""C3D, the backbone of the papers: 3x3x3 convolutions from a 16-frame clip to fc6.

    C3DBody        clip -> pool5              shared with networks that have a trunk of their own
    C3D            clip -> fc6                the frozen feature extractor
    C3DClassifier  clip -> class scores       what pre-training trains

Each adds layers to the one before, so a state dict has the same flat names (`conv3a.weight`, `fc6.bias`) as the public
Sports-1M port, and a classifier's weights load into a C3D.

Source: Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015, Figure 3.
"""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError

# Name and output channels of each convolution, in order, at width 1, and the channels of fc6 and fc7.
LAYOUTS: dict[int, tuple[tuple[str, int], ...]] = {
    8: (
        ("conv1", 64),
        ("conv2", 128),
        ("conv3a", 256),
        ("conv3b", 256),
        ("conv4a", 512),
        ("conv4b", 512),
        ("conv5a", 512),
        ("conv5b", 512),
    ),
    5: (("conv1", 64), ("conv2", 128), ("conv3", 256), ("conv4", 256), ("conv5", 256)),
}
FC_CHANNELS = {8: 4096, 5: 2048}

# Kernel (= stride) of the pooling after the last convolution of each group; pool1 leaves time alone.
POOLS = {"1": (1, 2, 2), "2": (2, 2, 2), "3": (2, 2, 2), "4": (2, 2, 2), "5": (2, 2, 2)}
# The odd 7x7 map before pool5 (112 crop) becomes 4x4.
PADDING = {"1": (0, 0, 0), "2": (0, 0, 0), "3": (0, 0, 0), "4": (0, 0, 0), "5": (0, 1, 1)}
SMALLEST_CROP = 16
SMALLEST_CLIP = 16


def scaled(channels: int, width: float) -> int:
    """Channels at a width multiplier, at least one."""
    return max(1, round(channels * width))


class C3DBody(nn.Module):
    """The convolutions of C3D.

    Args:
        width: multiple of every channel number.
        convolutions: 8 (C3D) or 5 (the smaller version: 64 128 256 256 256).
    """

    def __init__(self, width: float = 1.0, convolutions: int = 8) -> None:
        super().__init__()
        if convolutions not in LAYOUTS:
            raise RescoreError(f"backbone.convolutions is {convolutions}; C3D has layouts of {sorted(LAYOUTS)}.")
        layout = LAYOUTS[convolutions]
        groups = [name[4] for name, _ in layout] + [""]
        self.convolution_names = tuple(name for name, _ in layout)
        # Group number where a pooling follows the convolution, "" where none does.
        self.pool_after = tuple(group if group != after else "" for group, after in itertools.pairwise(groups))
        channels = 3
        for name, at_width_1 in layout:
            self.add_module(name, nn.Conv3d(channels, scaled(at_width_1, width), kernel_size=3, padding=1))
            channels = scaled(at_width_1, width)
        self.channels = channels

    def layers(self, clips: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Each convolution's name, its own output and what the next one reads (after pooling, where a pool follows, and ReLU)."""
        x = clips  # (N, 3, 16, 112, 112) at C3D's own crop; shapes are those of width 1
        for name, group in zip(self.convolution_names, self.pool_after, strict=True):
            convolved = self.get_submodule(name)(x)
            # pool1 (N, 64, 16, 56, 56), pool2 (N, 128, 8, 28, 28), pool3 (N, 256, 4, 14, 14), pool4 (N, 512, 2, 7, 7),
            # pool5 (N, 512, 1, 4, 4). ReLU and maximum commute, and after the pooling ReLU has an eighth of the work.
            pooled = F.max_pool3d(convolved, POOLS[group], padding=PADDING[group]) if group else convolved
            x = F.relu(pooled, inplace=True)
            yield name, convolved, x

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (N, 3, frames, height, width) -> pool5 (N, channels, frames // 16, h, w)."""
        for _, _, x in self.layers(clips):
            pool5 = x
        return pool5

    def activations(self, clips: Tensor) -> dict[str, Tensor]:
        """Every convolution's output after ReLU, before pooling, by layer name: what linear probes read."""
        return {name: F.relu(convolved) for name, convolved, _ in self.layers(clips)}

    def pool5_size(self, crop: int, frames: int = 16) -> int:
        """Values of a clip's flattened pool5: 8192 for a 112 crop at width 1.

        Raises:
            RescoreError: the crop or the clip is smaller than the poolings leave anything of.
        """
        if crop < SMALLEST_CROP or frames < SMALLEST_CLIP:
            raise RescoreError(
                f"C3D's poolings need {SMALLEST_CLIP} frames of {SMALLEST_CROP} pixels, not {frames} of {crop}. "
                "Raise backbone.clip_frames or clips.crop."
            )
        side = (crop // 16) // 2 + 1  # pool5 pads each side by 1
        return self.channels * (frames // 16) * side * side


class C3D(C3DBody):
    """C3D up to fc6: clips (N, 3, frames, crop, crop) -> features (N, `features`) after ReLU."""

    def __init__(self, width: float = 1.0, convolutions: int = 8, crop: int = 112, frames: int = 16) -> None:
        super().__init__(width, convolutions)
        self.crop, self.frames = crop, frames
        self.features = scaled(FC_CHANNELS[convolutions], width)
        self.fc6 = nn.Linear(self.pool5_size(crop, frames), self.features)

    def forward(self, clips: Tensor) -> Tensor:
        pool5 = super().forward(clips)  # (N, 512, 1, 4, 4)
        return F.relu(self.fc6(pool5.flatten(1)))  # (N, 4096)


class C3DClassifier(C3D):
    """C3D with its classifier: fc6, fc7 and fc8, dropout after fc6 and fc7 (0.5 in C3D)."""

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        convolutions: int = 8,
        crop: int = 112,
        frames: int = 16,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(width, convolutions, crop, frames)
        self.dropout = dropout
        self.fc7 = nn.Linear(self.features, self.features)
        self.fc8 = nn.Linear(self.features, classes)

    def forward(self, clips: Tensor) -> Tensor:
        x = F.dropout(super().forward(clips), self.dropout, self.training)  # (N, 4096)
        x = F.dropout(F.relu(self.fc7(x)), self.dropout, self.training)  # (N, 4096)
        return self.fc8(x)  # (N, classes)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """He initialisation of convolutions and linear layers (He et al. 2015, Eq. 10), biases zero, in place.

    C3D has no normalisation layers: with PyTorch's default the second moment falls sixfold a layer and eight layers pass on
    nothing, with He's it stays as it is at any width.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def forward_flops(network: C3D) -> int:
    """Floating-point operations of one clip's forward pass: 2 x multiply-adds of every convolution and linear layer.

    Products with the zero padding count, as in every published figure; ReLU, pooling and biases do not.
    """
    frames, side = network.frames, network.crop
    flops = sum(2 * layer.weight.numel() for layer in network.children() if isinstance(layer, nn.Linear))
    for name, group in zip(network.convolution_names, network.pool_after, strict=True):
        flops += 2 * network.get_parameter(f"{name}.weight").numel() * frames * side * side
        if group:
            frames, side = frames // POOLS[group][0], side // POOLS[group][1]
    return flops
