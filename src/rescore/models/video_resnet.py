"""torchvision's video ResNets at any width: R3D-18, MC3-18 and R(2+1)D-18 without their classifier.

Built of torchvision's own blocks. At width 1 names, shapes and outputs are torchvision's, so that its Kinetics-400 weights load;
a smaller width multiplies every channel number and serves where the whole network cannot be afforded.

Source: Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018.
"""

from torch import Tensor, nn
from torchvision.models.video.resnet import (  # type: ignore[import-untyped]
    BasicBlock,
    Conv2Plus1D,
    Conv3DNoTemporal,
    Conv3DSimple,
)

from rescore.engine.errors import RescoreError
from rescore.models.c3d import scaled

# The convolution of each of the four layers, and whether the stem is factorised into space and time.
LAYOUTS: dict[str, tuple[tuple[type[nn.Module], ...], bool]] = {
    "r3d_18": ((Conv3DSimple,) * 4, False),
    "mc3_18": ((Conv3DSimple, *(Conv3DNoTemporal,) * 3), False),
    "r2plus1d_18": ((Conv2Plus1D,) * 4, True),
}
CHANNELS = (64, 128, 256, 512)
STEM_MIDDLE = 45  # channels between the two convolutions of R(2+1)D's stem
BLOCKS = 2


class VideoResNet(nn.Module):
    """Clips (N, 3, frames, height, width) -> features (N, `features`), averaged over time and space (512 at width 1).

    Args:
        network: a key of LAYOUTS.
        width: multiple of every channel number.

    Raises:
        RescoreError: no such network.
    """

    def __init__(self, network: str, width: float = 1.0) -> None:
        super().__init__()
        if network not in LAYOUTS:
            raise RescoreError(f"backbone is {network}; of torchvision's there are {', '.join(LAYOUTS)}.")
        convolutions, factorised = LAYOUTS[network]
        channels = [scaled(at_width_1, width) for at_width_1 in CHANNELS]
        self.features = channels[-1]
        self.stem = stem(channels[0], scaled(STEM_MIDDLE, width) if factorised else None)
        for number, (before, after, convolution) in enumerate(
            zip([channels[0], *channels], channels, convolutions, strict=False), start=1
        ):
            self.add_module(f"layer{number}", layer(before, after, convolution, stride=1 if number == 1 else 2))
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):  # as torchvision starts it (He et al. 2015)
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, clips: Tensor) -> Tensor:
        x = self.stem(clips)  # (N, 64, 16, 56, 56) at crop 112
        for number in range(1, len(CHANNELS) + 1):
            x = self.get_submodule(f"layer{number}")(x)  # (N, 512, 2, 7, 7) after the last; MC3-18 keeps all 16 frames
        return self.avgpool(x).flatten(1)


def stem(channels: int, middle: int | None) -> nn.Sequential:
    """The first convolution, 7 x 7 in space and 3 in time; with `middle` channels between the two where it is factorised."""
    if middle is None:
        whole = nn.Conv3d(3, channels, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False)
        return nn.Sequential(whole, nn.BatchNorm3d(channels), nn.ReLU(inplace=True))
    space = nn.Conv3d(3, middle, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False)
    time = nn.Conv3d(middle, channels, (3, 1, 1), padding=(1, 0, 0), bias=False)
    return nn.Sequential(
        space, nn.BatchNorm3d(middle), nn.ReLU(inplace=True), time, nn.BatchNorm3d(channels), nn.ReLU(inplace=True)
    )


def layer(before: int, after: int, convolution: type[nn.Module], stride: int) -> nn.Sequential:
    """Two residual blocks, of which the first halves the resolution (stride 2) and changes the channels."""
    shortcut = None
    if stride != 1 or before != after:
        strides = convolution.get_downsample_stride(stride)  # type: ignore[attr-defined]
        shortcut = nn.Sequential(nn.Conv3d(before, after, 1, stride=strides, bias=False), nn.BatchNorm3d(after))
    first = BasicBlock(before, after, convolution, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(after, after, convolution) for _ in range(BLOCKS - 1)))
