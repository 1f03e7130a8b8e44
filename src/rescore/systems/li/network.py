"""Li et al.'s network: nine clips, a C3D of its own for each, convolutions over the clips, fully connected layers, a score.

    9 clips of 16 frames ─► 9 C3Ds (to pool5) ─► side by side (8192 x 9) ─► 2 convolutions over the clips ─► 2 fully connected

Source: Li, Chai, Chen, End-to-end learning for action quality assessment, PCM 2018, as What and How Well You Performed?
describes it (Section 2): nine clips and nine networks, features concatenated and "processed through conv and fc layers", a
ranking loss "along with the more typical L2 loss". The sizes of those layers are not given there; docs/systems/stages.md.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.c3d import C3DBody, scaled
from rescore.models.trainable import Trainable

CHANNELS, HIDDEN = 512, 1024
"""Of the convolutions over the clips, and of the fully connected layer, at width 1."""
KERNEL = 3


class LiNetwork(Trainable):
    """Frames (N, 3, clips * f, height, width), clip by clip -> `score` (N,) in units of training.

    Args:
        clips: number of clips and of C3Ds.
        clip_frames: frames a clip.
        width: multiple of all channels.
        crop: pixels, height and width of the input.
        dropout: before the last layer.
        ranking_weight, ranking_margin: of the ranking loss beside the squared error, and its margin in units of training.

    Raises:
        RescoreError: crop or clip so small that nothing is left after the poolings.
    """

    tasks = ("score",)
    least_batch = 2  # the ranking loss compares dives

    def __init__(
        self,
        clips: int = 9,
        clip_frames: int = 16,
        width: float = 1.0,
        crop: int = 112,
        dropout: float = 0.5,
        ranking_weight: float = 1.0,
        ranking_margin: float = 0.1,
    ) -> None:
        super().__init__()
        self.ranking_weight, self.ranking_margin = ranking_weight, ranking_margin
        bodies = [C3DBody(width) for _ in range(clips)]
        self.bodies = nn.ModuleList(bodies)
        features = bodies[0].pool5_size(crop, clip_frames)  # 8192
        channels = scaled(CHANNELS, width)
        self.conv1 = nn.Conv1d(features, channels, KERNEL, padding="same")
        self.conv2 = nn.Conv1d(channels, channels, KERNEL, padding="same")
        self.hidden = nn.Linear(channels * clips, scaled(HIDDEN, width))
        self.score_head = nn.Linear(scaled(HIDDEN, width), 1)
        self.dropout = nn.Dropout(dropout)

    def bodies_to_compile(self) -> Iterable[nn.Module]:
        return self.bodies

    def encode(self, video: Tensor) -> Tensor:
        """Frames -> features of the clips (N, 8192, 9)."""
        parts = video.chunk(len(self.bodies), 2)
        return torch.stack([body(part).flatten(1) for body, part in zip(self.bodies, parts, strict=True)], 2)

    def heads(self, encoded: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        x = F.relu(self.conv2(F.relu(self.conv1(encoded))))  # (N, 512, 9)
        x = self.dropout(F.relu(self.hidden(x.flatten(1))))  # (N, 1024)
        return {"score": self.score_head(x).squeeze(1)}

    def losses(
        self, outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """Squared error, and `ranking_weight` times the ranking loss."""
        ranking = ranking_loss(outputs["score"], wanted["score"], self.ranking_margin)
        return {"total": F.mse_loss(outputs["score"], wanted["score"]) + self.ranking_weight * ranking}

    def start_scores(self, mean: float) -> None:
        """Let the score start at the mean training score, in units of training."""
        nn.init.constant_(self.score_head.get_parameter("bias"), mean)


def ranking_loss(predicted: Tensor, target: Tensor, margin: float) -> Tensor:
    """Hinge loss of all pairs of a batch with different targets: by how much the better one's score is not `margin` above.

    Mean over the pairs; 0 where no two targets differ. Both (N,), in units of training.
    """
    better = (target[:, None] > target[None, :]).to(predicted.dtype)  # (N, N)
    missing = F.relu(margin - (predicted[:, None] - predicted[None, :]))
    return (better * missing).sum() / better.sum().clamp(min=1)


def clip_frames_of(frames: int, clips: int, clip_frames: int) -> np.ndarray:
    """Which frames the clips read: clips of consecutive frames whose starts are spread evenly over the window.

    UNLV-Dive's 151 frames hold nine clips of 16 without overlap; in the 103 of MTL-AQA they overlap by a third.

    Returns:
        (clips * clip_frames,) int64, clip by clip.

    Raises:
        RescoreError: the window is shorter than a clip.
    """
    if frames < clip_frames:
        raise RescoreError(
            f"a window of {frames} frames holds no clip of {clip_frames}. Raise multitask.clips.frames, "
            "or lower stages.li.clip_frames."
        )
    starts = np.round(np.linspace(0, frames - clip_frames, clips)).astype(np.int64)
    return (starts[:, None] + np.arange(clip_frames)).ravel()
