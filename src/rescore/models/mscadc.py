"""MSCADC: multiscale context aggregation with dilated convolutions (What and How Well You Performed?, 4.2, Table 3).

    16 frames ─► body (C3D with batch norm; dilation for the last two poolings) ─┬─► score head   ─► score
                                                                                ├─► class head   ─► five classifications
                                                                                └─► caption head ─► captioner

A head is a 1x1x1 convolution, a context net, a pooling, a convolution and what its task needs; heads share nothing.

The paper's Table 3 names the layers; paddings, the context net's channels and dilations, and the caption head's last two
layers are those of the authors' released network, because the paper is silent about them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.c3d import scaled
from rescore.models.captioner import CAPTION_TOKENS, PAPER_DROPOUT, PAPER_VOCABULARY, Captioner
from rescore.models.losses import DIVE_CLASSES, TASKS, checked_tasks
from rescore.models.trainable import Trainable

# Name, channels at width 1, dilation and padding of each convolution of the body, and the kernel of the pooling after it.
# conv5b's padding of 1 is one short of its dilation: every side loses two.
BODY = (
    ("1", 32, 1, 1, (1, 2, 2)),
    ("2", 64, 1, 1, (2, 2, 2)),
    ("3a", 128, 1, 1, None),
    ("3b", 128, 1, 1, (2, 2, 2)),
    ("4a", 256, 1, 1, None),
    ("4b", 256, 1, 1, None),
    ("5a", 256, 2, 2, None),
    ("5b", 256, 2, 1, None),
)
CONTEXT = ((24, 1), (24, 1), (48, 2), (96, 4), (96, 1))  # channels at width 1 and dilation of each 3x3x3 convolution
HEAD_CHANNELS = 12
SMALLEST_CROP = 32
FRAMES = 16  # of the input, which is one clip


class Body(nn.Module):
    """Frames (N, 3, 16, 180, 180) -> feature maps (N, 256, 2, 20, 20)."""

    def __init__(self, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = dropout
        channels = 3
        for name, at_width_1, dilation, padding, _ in BODY:
            out = scaled(at_width_1, width)
            self.add_module(f"conv{name}", nn.Conv3d(channels, out, 3, padding=padding, dilation=dilation))
            self.add_module(f"bn{name}", nn.BatchNorm3d(out))
            channels = out
        self.channels = channels

    def forward(self, frames: Tensor) -> Tensor:
        x = frames  # (N, 3, 16, 180, 180)
        for name, _, _, _, pool in BODY:
            x = self.get_submodule(f"bn{name}")(self.get_submodule(f"conv{name}")(x))
            # (N, 32, 16, 90, 90), (N, 64, 8, 45, 45), (N, 128, 4, 22, 22), then (N, 256, 4, 22, 22) and (N, 256, 2, 20, 20).
            # ReLU and maximum commute; after the pooling ReLU has less to do.
            x = F.relu(F.max_pool3d(x, pool) if pool else x, inplace=True)
        return F.dropout(x, self.dropout, self.training)


class Head(nn.Module):
    """The part that all heads have: body (N, 256, 2, 20, 20) -> (N, 12, 2, 11, 11)."""

    def __init__(self, body_channels: int, width: float = 1.0) -> None:
        super().__init__()
        self.channels = scaled(HEAD_CHANNELS, width)
        self.head_conv1 = nn.Conv3d(body_channels, self.channels, 1, padding=1)
        channels = self.channels
        for k, (at_width_1, dilation) in enumerate(CONTEXT, start=1):
            out = scaled(at_width_1, width)
            self.add_module(f"cntxt_conv{k}", nn.Conv3d(channels, out, 3, dilation=dilation))
            self.add_module(f"cntxt_bn{k}", nn.BatchNorm3d(out))
            channels = out
        self.cntxt_conv6 = nn.Conv3d(channels, self.channels, 1)
        self.head_bn1 = nn.BatchNorm3d(self.channels)
        self.head_conv2 = nn.Conv3d(self.channels, self.channels, 3, padding=1)
        self.head_bn2 = nn.BatchNorm3d(self.channels)

    def context(self, x: Tensor) -> Tensor:
        """The context net: (N, 12, 4, 22, 22) -> the same shape, every voxel having seen 19 in each direction."""
        reach = sum(dilation for _, dilation in CONTEXT)  # 9: what the unpadded convolutions take off each side
        x = F.pad(x, (reach,) * 6, mode="replicate")  # (N, 12, 22, 40, 40)
        for k in range(1, len(CONTEXT) + 1):
            x = F.relu(self.get_submodule(f"cntxt_bn{k}")(self.get_submodule(f"cntxt_conv{k}")(x)), inplace=True)
        return F.relu(self.head_bn1(self.cntxt_conv6(x)), inplace=True)

    def maps(self, body: Tensor) -> Tensor:
        x = self.context(self.head_conv1(body))  # (N, 12, 4, 22, 22)
        x = F.max_pool3d(x, 2)  # (N, 12, 2, 11, 11)
        return F.relu(self.head_bn2(self.head_conv2(x)), inplace=True)


class ScoreHead(Head):
    """Body -> score (N,)."""

    def __init__(self, body_channels: int, width: float = 1.0) -> None:
        super().__init__(body_channels, width)
        self.head_conv3 = nn.Conv3d(self.channels, 1, 3, padding=1)

    def forward(self, body: Tensor) -> Tensor:
        return self.head_conv3(self.maps(body)).mean((1, 2, 3, 4))  # mean over (1, 2, 11, 11)


class ClassHead(Head):
    """Body -> logits (N, classes) of each sub-action; one context net serves all five."""

    def __init__(self, body_channels: int, width: float = 1.0) -> None:
        super().__init__(body_channels, width)
        self.head_conv3 = nn.ModuleDict(
            {name: nn.Conv3d(self.channels, classes, 3, padding=1) for name, classes in DIVE_CLASSES.items()}
        )

    def forward(self, body: Tensor) -> dict[str, Tensor]:
        maps = self.maps(body)  # (N, 12, 2, 11, 11)
        return {name: conv(maps).mean((2, 3, 4)) for name, conv in self.head_conv3.items()}


class CaptionHead(Head):
    """Body -> the captioner's only step (N, 1, 1200)."""

    def __init__(self, body_channels: int, width: float = 1.0) -> None:
        super().__init__(body_channels, width)
        self.head_conv3 = nn.Conv3d(self.channels, self.channels, 3, padding=1)

    def forward(self, body: Tensor) -> Tensor:
        maps = self.head_conv3(self.maps(body))  # (N, 12, 2, 11, 11)
        return F.max_pool3d(maps, 2, stride=1).flatten(1).unsqueeze(1)  # pooled to (N, 12, 1, 10, 10)

    def features(self, crop: int, frames: int) -> int:
        """Length of the flattened maps: 1200 for 16 frames of 180x180 at width 1."""
        depth, side = frames // 4 // 2, crop // 2 // 2 // 2 // 2
        return self.channels * (depth - 1) * (side - 1) ** 2


class MSCADC(Trainable):
    """MSCADC with any of its tasks. The dive classifier of Nibali et al. is `MSCADC(tasks=("classes",))`.

    Args:
        tasks: any of `score`, `classes`, `caption`; a network has no parameters of tasks that it lacks.
        width: multiple of the body's channels.
        head_width: multiple of the heads' channels; `width` when None.
        dropout: of the body's maps, in training; the released code has 0.5.
        crop: pixels, height and width of the input.
        vocabulary, caption_hidden, caption_embedding, caption_dropout: as in C3DAverage.

    Raises:
        RescoreError: unknown task; crop or clip so small that nothing is left after the poolings.
    """

    def __init__(
        self,
        tasks: tuple[str, ...] = TASKS,
        width: float = 1.0,
        head_width: float | None = None,
        dropout: float = 0.5,
        crop: int = 180,
        vocabulary: int = PAPER_VOCABULARY,
        caption_hidden: int = 512,
        caption_embedding: int = 512,
        caption_dropout: float = PAPER_DROPOUT,
    ) -> None:
        super().__init__()
        if crop < SMALLEST_CROP:
            raise RescoreError(f"MSCADC's poolings need frames of {SMALLEST_CROP} pixels, not of {crop}. Raise it.")
        self.tasks = checked_tasks(tasks)
        head_width = width if head_width is None else head_width
        self.body = Body(width, dropout)
        if "score" in self.tasks:
            self.score_head = ScoreHead(self.body.channels, head_width)
        if "classes" in self.tasks:
            self.class_head = ClassHead(self.body.channels, head_width)
        if "caption" in self.tasks:
            self.caption_head = CaptionHead(self.body.channels, head_width)
            features = self.caption_head.features(crop, FRAMES)
            self.captioner = Captioner(features, vocabulary, caption_hidden, caption_embedding, caption_dropout)

    def encode(self, frames: Tensor) -> Tensor:
        """Frames (N, 3, 16, 180, 180) -> the body's maps (N, 256, 2, 20, 20)."""
        return self.body(frames)

    def heads(self, body: Tensor, tokens: Tensor | None = None) -> dict[str, Tensor]:
        """Body maps -> outputs, as `forward`."""
        outputs: dict[str, Tensor] = {}
        if "score" in self.tasks:
            outputs["score"] = self.score_head(body)  # (N,)
        if "classes" in self.tasks:
            outputs |= self.class_head(body)  # (N, classes) each
        if "caption" in self.tasks and tokens is not None:
            outputs["caption"] = self.captioner(self.caption_head(body), tokens)  # (N, T-1, vocabulary)
        return outputs

    def forward(self, frames: Tensor, tokens: Tensor | None = None) -> dict[str, Tensor]:
        """Every task's prediction.

        Args:
            frames: (N, 3, frames, crop, crop), normalised, best in channels_last_3d.
            tokens: (N, T) int64 captions for teacher forcing; without them there is no `caption` output.

        Returns:
            `score` (N,) in units of training, `position` .. `twists` logits (N, classes), `caption` logits (N, T-1, vocabulary).
        """
        return self.heads(self.encode(frames), tokens)

    @torch.no_grad()
    def captions(self, body: Tensor, steps: int = CAPTION_TOKENS - 1) -> Tensor:
        """Greedy captions from what `encode` gives: tokens (N, steps), see `Captioner.greedy`."""
        return self.captioner.greedy(self.caption_head(body), steps)
