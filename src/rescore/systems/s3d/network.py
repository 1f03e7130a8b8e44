"""S3D: a P3D network for each of four stages of a dive, fused to one score (Xiang et al., S3D, ICIP 2018).

    frames of a stage (16) ─► its own P3D ─► features (2048) ─┬─► that stage's score (auxiliary)
                                                              └─► mean over the stages ─► fully connected ─► score

Its authors train each stage's P3D on the score by itself, and a regression on the mean of the four features after it (that is
what their released features are). Here both are one training: the loss is that of the score and, weighted, those of the stages.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.models.p3d import P3D
from rescore.models.trainable import Trainable

STAGES = 4
FUSIONS = ("mean", "concatenation")


class S3D(Trainable):
    """Frames (N, 3, 4 * f, height, width), stage by stage -> `score` (N,), `stages` (N, 4), in units of training.

    Args:
        layers, width: of each P3D.
        fusion: `mean` (the released features') or `concatenation`.
        dropout: of the features before the scores.
        stage_loss: weight of the stages' own scores in the loss.
    """

    tasks = ("score",)
    least_batch = 2  # a P3D ends in one value a channel

    def __init__(
        self,
        layers: Sequence[int] = (3, 8, 36, 3),
        width: float = 1.0,
        fusion: str = "mean",
        dropout: float = 0.5,
        stage_loss: float = 1.0,
    ) -> None:
        super().__init__()
        self.fusion, self.stage_loss = fusion, stage_loss
        bodies = [P3D(layers, width) for _ in range(STAGES)]
        self.bodies = nn.ModuleList(bodies)
        features = bodies[0].features
        self.stage_heads = nn.ModuleList(nn.Linear(features, 1) for _ in range(STAGES))
        self.score_head = nn.Linear(features * (STAGES if fusion == "concatenation" else 1), 1)
        self.dropout = nn.Dropout(dropout)

    def bodies_to_compile(self) -> Iterable[nn.Module]:
        return self.bodies

    def encode(self, video: Tensor) -> Tensor:
        """Frames -> features of the stages (N, 4, 2048)."""
        parts = video.chunk(STAGES, 2)
        return torch.stack([body(part) for body, part in zip(self.bodies, parts, strict=True)], 1)

    def heads(self, encoded: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        features = self.dropout(encoded)
        stages = [head(features[:, number]) for number, head in enumerate(self.stage_heads)]
        fused = features.flatten(1) if self.fusion == "concatenation" else features.mean(1)
        return {"score": self.score_head(fused).squeeze(1), "stages": torch.cat(stages, 1)}

    def losses(
        self, outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """Squared error of the score, and `stage_loss` times the mean of those of the stages."""
        target = wanted["score"]
        stages = F.mse_loss(outputs["stages"], target[:, None].expand(-1, STAGES))
        return {"total": F.mse_loss(outputs["score"], target) + self.stage_loss * stages}

    def start_scores(self, mean: float) -> None:
        """Let all scores start at the mean training score, in units of training."""
        for head in (self.score_head, *self.stage_heads):
            nn.init.constant_(head.get_parameter("bias"), mean)
