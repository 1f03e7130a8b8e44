"""An encoder-decoder temporal convolutional network that says of every frame which stage of a dive it shows.

    frames ─► a small network a frame ─► features ─► convolve, halve (twice) ─► double, convolve (twice) ─► 5 classes a frame

Sources: Lea et al., Temporal Convolutional Networks for Action Segmentation and Detection, CVPR 2017 (ED-TCN: normalised
ReLU, spatial dropout, pooling by 2); Xiang et al., S3D, ICIP 2018, and its authors' released code: 256 and 512 filters of
length 10, dropout 0.3. Their frame features are a ResNet's, 2048 wide; here the frames' network is trained with the rest, so
that no foreign weights are needed.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 5
"""Preparation, then the four stages: jumping, dropping, entering the water, ending."""
FRAME_GRID = 2  # side of the map that is left of a frame: above and below, left and right


class FrameNetwork(nn.Module):
    """Frames (N, 3, T, height, width) -> features (N, T, width): convolutions of stride 2, each frame by itself."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        given = 3
        for count in channels:
            layers += [
                nn.Conv3d(given, count, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
                nn.BatchNorm3d(count),
                nn.ReLU(inplace=True),
            ]
            given = count
        self.layers = nn.Sequential(*layers)
        self.project = nn.Linear(given * FRAME_GRID**2, width)

    def forward(self, video: Tensor) -> Tensor:
        maps = F.adaptive_avg_pool3d(self.layers(video), (video.shape[2], FRAME_GRID, FRAME_GRID))  # (N, C, T, 2, 2)
        return F.relu(self.project(maps.transpose(1, 2).flatten(2)))  # (N, T, width)


def normalised_relu(x: Tensor) -> Tensor:
    """ReLU divided by its largest channel at each moment (Lea et al., Section 3). (N, channels, T) -> the same."""
    x = F.relu(x)
    return x / (x.amax(1, keepdim=True) + 1e-5)


class Convolution(nn.Conv1d):
    """A convolution that leaves the length as it is; of an even kernel the longer half lies behind the moment (Keras)."""

    def forward(self, x: Tensor) -> Tensor:
        behind = self.kernel_size[0] // 2
        return super().forward(F.pad(x, (self.kernel_size[0] - 1 - behind, behind)))


class EncoderDecoder(nn.Module):
    """ED-TCN: features (N, T, width) -> class scores (N, T, 5). T may be any; it is filled up to a multiple by its last frame.

    Args:
        filters: channels of the encoder's convolutions; the decoder's are the same, backwards.
        kernel: their length in steps of their own resolution.
    """

    def __init__(self, width: int, filters: Sequence[int], kernel: int, dropout: float) -> None:
        super().__init__()
        there, back = list(filters), list(reversed(filters))
        pairs = zip([width, *there[:-1]], there, strict=True)
        self.encoder = nn.ModuleList(Convolution(given, count, kernel) for given, count in pairs)
        pairs = zip([there[-1], *back[:-1]], back, strict=True)
        self.decoder = nn.ModuleList(Convolution(given, count, kernel) for given, count in pairs)
        self.classify = nn.Linear(there[0], CLASSES)
        self.dropout = nn.Dropout1d(dropout)  # whole channels: spatial dropout

    def forward(self, features: Tensor) -> Tensor:
        frames = features.shape[1]
        x = features.transpose(1, 2)  # (N, width, T)
        x = F.pad(x, (0, -frames % 2 ** len(self.encoder)), mode="replicate")
        for layer in self.encoder:
            x = F.max_pool1d(normalised_relu(self.dropout(layer(x))), 2)  # (N, 256, T/2), (N, 512, T/4)
        for layer in self.decoder:
            x = normalised_relu(self.dropout(layer(x.repeat_interleave(2, 2))))  # (N, 512, T/2), (N, 256, T)
        return self.classify(x[..., :frames].transpose(1, 2))


class StageSegmenter(nn.Module):
    """Frames (N, 3, T, height, width) -> class scores (N, T, 5). Arguments as those of its two parts."""

    def __init__(
        self, frame_channels: Sequence[int], frame_width: int, filters: Sequence[int], kernel: int, dropout: float
    ) -> None:
        super().__init__()
        self.frames = FrameNetwork(frame_channels, frame_width)
        self.time = EncoderDecoder(frame_width, filters, kernel, dropout)

    def forward(self, video: Tensor) -> Tensor:
        return self.time(self.frames(video))


def segment_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, mean over all frames. Scores (N, T, 5), labels (N, T) int64."""
    return F.cross_entropy(scores.flatten(0, 1), labels.flatten())


def best_boundaries(log_probabilities: np.ndarray) -> np.ndarray:
    """The likeliest first frames of the four stages, given that the stages follow one another and none is empty.

    The sources cut where the most probable class changes, which is no cut where it changes back; here the sum of the frames'
    log probabilities is maximised over all orders of cuts (dynamic programming). Preparation may be empty: a window may begin
    when the diver has left.

    Args:
        log_probabilities: (T, 5), T at least 4.

    Returns:
        (4,) int64, increasing; the first is 0 or later.
    """
    frames = len(log_probabilities)
    total = np.concatenate([np.zeros((1, CLASSES)), np.cumsum(log_probabilities, 0, dtype=np.float64)])  # (T + 1, 5)
    best = total[:, 0].copy()  # of the frames before t, all preparation
    sources = []
    for stage in range(1, CLASSES):
        # gain[b]: what the frames before b give, with stage `stage` beginning at b
        gain = best - total[:, stage]
        reached = np.maximum.accumulate(gain)
        first = np.maximum.accumulate(np.where(gain == reached, np.arange(frames + 1), 0))
        # A stage that ends before t began at t - 1 or earlier.
        best = np.concatenate([[-np.inf], reached[:-1]]) + total[:, stage]
        sources.append(np.concatenate([[0], first[:-1]]))
    cuts, end = [], frames
    for source in reversed(sources):
        end = int(source[end])
        cuts.append(end)
    return np.array(cuts[::-1], np.int64)


def stage_frames(boundaries: np.ndarray, frames: int, count: int) -> np.ndarray:
    """Which frames each stage's network reads: `count` spread evenly over the stage, some twice where it is shorter.

    Args:
        boundaries: (n, 4) first frames of the stages; the last stage ends with the window.
        frames: of the window.

    Returns:
        (n, 4 * count) int64, stage by stage.
    """
    ends = np.concatenate([boundaries[:, 1:], np.full((len(boundaries), 1), frames)], 1)  # (n, 4)
    shares = (np.arange(count) + 0.5) / count
    found = boundaries[..., None] + np.floor((ends - boundaries)[..., None] * shares)  # (n, 4, count)
    return found.reshape(len(boundaries), -1).astype(np.int64)


def frame_labels(boundaries: np.ndarray, frames: int) -> np.ndarray:
    """Class of each frame: the number of stages that have begun. (n, 4) -> (n, frames) int64."""
    return (np.arange(frames)[None, :, None] >= boundaries[:, None, :]).sum(2)


@torch.inference_mode()
def frame_log_probabilities(network: StageSegmenter, video: Tensor) -> np.ndarray:
    """(N, T, 5) float64 of frames (N, 3, T, height, width)."""
    return F.log_softmax(network(video).double(), 2).cpu().numpy()
