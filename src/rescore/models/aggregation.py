"""What may stand in place of C3D-AVG's average over clips, and the network of clips that it stands in.

    video ─► clips ─► body ─► clip features (N, C, F) ─► aggregation ─► trunk ─► head
                      C3D or one of torchvision's            (here)

C3D-AVG averages, so that a clip's features are counted wherever they stand; "this might be an area for improvement". Each
aggregation here sees the clips' order or content and learns:

    mean              C3D-AVG's own
    fully_connected   clips side by side: the trunk, a fully connected layer, has weights of its own for each clip
    attention         softmax over clips of w tanh(V x), then the weighted sum (Ilse et al., ICML 2018, Eqs. 7 and 8)
    lstm              the last state of an LSTM over the clips (as AQA-7's C3D-LSTM)
    transformer       an encoder over the clips with learned positions (Vaswani et al. 2017), averaged over its outputs
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.c3d import C3DBody, initialise, scaled
from rescore.models.c3d_avg import TRUNK_CHANNELS, fold_clips
from rescore.models.trainable import Trainable
from rescore.models.video_resnet import VideoResNet

CLIP_FRAMES = 16


class Mean(nn.Module):
    """Clip features (N, C, F) -> (N, F)."""

    def __init__(self, features: int, clips: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.out_features = features

    def forward(self, clip_features: Tensor) -> Tensor:
        return clip_features.mean(1)


class SideBySide(nn.Module):
    """Clip features (N, C, F) -> (N, C * F); what is learned of the clips' places is the next layer's."""

    def __init__(self, features: int, clips: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.out_features = clips * features

    def forward(self, clip_features: Tensor) -> Tensor:
        return clip_features.flatten(1)


class Attention(nn.Module):
    """Clip features (N, C, F) -> (N, F): their sum, weighted by softmax over clips of w tanh(V x)."""

    def __init__(self, features: int, clips: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.out_features = features
        self.hidden = nn.Linear(features, settings["attention_width"])
        self.score = nn.Linear(settings["attention_width"], 1, bias=False)  # a bias would not change the softmax

    def weights(self, clip_features: Tensor) -> Tensor:
        """(N, C), positive, each row adds up to 1."""
        return self.score(torch.tanh(self.hidden(clip_features))).squeeze(2).softmax(1)

    def forward(self, clip_features: Tensor) -> Tensor:
        return (self.weights(clip_features).unsqueeze(2) * clip_features).sum(1)


class Recurrent(nn.Module):
    """Clip features (N, C, F) -> (N, lstm_width): an LSTM's state after the last clip."""

    def __init__(self, features: int, clips: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.out_features = settings["lstm_width"]
        self.lstm = nn.LSTM(features, self.out_features, batch_first=True)

    def forward(self, clip_features: Tensor) -> Tensor:
        # oneDNN's own LSTM, which torch takes where no gradient is asked for, differs between processors.
        with torch.backends.mkldnn.flags(enabled=False):
            return self.lstm(clip_features)[0][:, -1]


class Encoder(nn.Module):
    """Clip features (N, C, F) -> (N, width): a Transformer encoder over the clips, its outputs averaged."""

    def __init__(self, features: int, clips: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        wanted = settings["transformer"]
        width, heads = wanted["width"], wanted["heads"]
        if width % heads:
            raise RescoreError(
                f"extensions.aggregation.transformer: width {width} is no multiple of heads {heads}. Change one."
            )
        self.out_features = width
        self.embedding = nn.Linear(features, width)
        self.positions = nn.Parameter(0.02 * torch.randn(clips, width))
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, wanted["dropout"], batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(block, wanted["layers"], nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, clip_features: Tensor) -> Tensor:
        return self.encoder(self.embedding(clip_features) + self.positions).mean(1)


AGGREGATIONS: dict[str, Callable[[int, int, Mapping[str, Any]], nn.Module]] = {
    "mean": Mean,
    "fully_connected": SideBySide,
    "attention": Attention,
    "lstm": Recurrent,
    "transformer": Encoder,
}


class ClipNetwork(Trainable):
    """A network of clips that scores dives: body, aggregation, trunk (fully connected, ReLU) and a linear head.

    With C3D's body and the mean it is C3D-AVG with the task `score` alone: the same layers, names and numbers.

    Args:
        backbone: `c3d` or one of torchvision's (video_resnet.LAYOUTS).
        aggregation: a key of AGGREGATIONS.
        width: multiple of the channels of body and trunk.
        crop: pixels, height and width of the input.
        clips: clips a video.
        settings: section `extensions` of params.yaml.
        scale: points a unit of training.
    """

    def __init__(
        self,
        backbone: str,
        aggregation: str,
        width: float,
        crop: int,
        clips: int,
        settings: Mapping[str, Any],
        scale: float = 17.0,
    ) -> None:
        super().__init__()
        self.tasks = ("score",)
        self.scale = scale
        channels = scaled(TRUNK_CHANNELS, width)
        if backbone == "c3d":
            self.body: nn.Module = C3DBody(width)
            features = self.body.pool5_size(crop)
        else:
            self.body = VideoResNet(backbone, width)
            features = self.body.features
        if aggregation not in AGGREGATIONS:
            raise RescoreError(f"aggregation is {aggregation}; known: {', '.join(AGGREGATIONS)}.")
        self.aggregation = AGGREGATIONS[aggregation](features, clips, settings["aggregation"])
        self.trunk = nn.Linear(int(self.aggregation.out_features), channels)  # type: ignore[arg-type]
        self.add_head(channels, settings)

    def add_head(self, channels: int, settings: Mapping[str, Any]) -> None:
        """Make what stands above the trunk."""
        self.score_head = nn.Linear(channels, 1)

    def start(self, mean: float, generator: torch.Generator | None) -> None:
        """Initialise what PyTorch's default would not: He's for C3D's body where a generator is given, and the score's bias.

        Args:
            mean: score at which the head's bias starts; NaN leaves it.
        """
        if generator is not None and isinstance(self.body, C3DBody):
            initialise(self.body, generator)
        if not math.isnan(mean):
            with torch.no_grad():
                self.score_head.bias.fill_(mean)

    def encode(self, video: Tensor) -> Tensor:
        """Video (N, 3, C*16, H, W) -> clip features (N, C, F): C3D's pool5, flattened channel first, or averaged maps."""
        return self.body(fold_clips(video, CLIP_FRAMES)).flatten(1).unflatten(0, (len(video), -1))

    def video_features(self, clip_features: Tensor) -> Tensor:
        """Clip features (N, C, F) -> video features (N, channels)."""
        return F.relu(self.trunk(self.aggregation(clip_features)))

    def heads(self, clip_features: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        """Clip features (N, C, F) -> `score` (N,) in units of training."""
        return {"score": self.score_head(self.video_features(clip_features)).squeeze(1)}

    def forward(self, video: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        """Video (N, 3, C*16, H, W), normalised -> what `heads` gives."""
        return self.heads(self.encode(video), given)
