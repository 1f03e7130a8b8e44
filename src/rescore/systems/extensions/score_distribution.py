"""Score distributions in place of a score: USDL and MUSDL (Tang et al., CVPR 2020), on any network of clips.

    USDL    one distribution over `bins` scores from 0 to `highest` points; learned from a Gaussian about the score
    MUSDL   one for each of seven judges over the marks 0, 0.5, .. 10; the middle three predicted marks x difficulty is the score

The loss is the Kullback-Leibler divergence from the Gaussian label, which is cut at the ends of the scale and normalised; a mean
over samples and bins (nn.KLDivLoss in the released code, nzl-thu/MUSDL). MUSDL is told the difficulty, at test too.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.models.aggregation import ClipNetwork

JUDGES = 7
COUNTED = slice(2, 5)  # of seven marks in order, those that count
HIGHEST_MARK = 10.0


def gaussian_labels(values: Tensor, bins: int, highest: float, deviation: float) -> Tensor:
    """Distributions (..., bins) about values (...) on a scale of `bins` equal steps from 0 to `highest`; each adds up to 1.

    Args:
        deviation: standard deviation, in bins.
    """
    places = torch.arange(bins, device=values.device, dtype=values.dtype)
    distance = (places - (values * ((bins - 1) / highest)).unsqueeze(-1)) / deviation  # (..., bins)
    return torch.softmax(-0.5 * distance**2, -1)


def divergence(logits: Tensor, labels: Tensor) -> Tensor:
    """Kullback-Leibler divergence of softmax(logits) from labels, both (N, ..., bins), mean over everything."""
    return F.kl_div(F.log_softmax(logits, -1), labels, reduction="none").mean()


def value_of(logits: Tensor, highest: float, prediction: str) -> Tensor:
    """What distributions (..., bins) stand for (...): the likeliest value (`argmax`, the paper's) or the mean (`expectation`)."""
    bins = logits.shape[-1]
    if prediction == "argmax":
        return logits.argmax(-1).to(logits.dtype) * (highest / (bins - 1))
    places = torch.arange(bins, device=logits.device, dtype=logits.dtype) * (highest / (bins - 1))
    return (logits.softmax(-1) * places).sum(-1)


def evaluator(channels: int, hidden: tuple[int, ...], bins: int) -> nn.Sequential:
    """The paper's head: fully connected layers with ReLU (256, 128), then the bins' logits."""
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(channels, size), nn.ReLU()]
        channels = size
    return nn.Sequential(*layers, nn.Linear(channels, bins))


class ScoreDistribution(ClipNetwork):
    """USDL. Its targets: `points` (N,)."""

    def add_head(self, channels: int, settings: Mapping[str, Any]) -> None:
        self.settings = settings["score_distribution"]
        self.evaluator = evaluator(channels, tuple(self.settings["hidden"]), self.settings["bins"])

    def start(self, mean: float, generator: torch.Generator | None) -> None:
        super().start(float("nan"), generator)

    def heads(self, clip_features: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        """Clip features (N, C, F) -> `distribution`, logits (N, bins)."""
        return {"distribution": self.evaluator(self.video_features(clip_features))}

    def losses(
        self, outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        wished = gaussian_labels(
            wanted["points"], self.settings["bins"], self.settings["highest"], self.settings["deviation"]
        )
        loss = divergence(outputs["distribution"], wished)
        return {"score": loss, "total": weights["score"] * loss}

    def predict(self, clip_features: Tensor, told: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`score` (N,) in units of training."""
        logits = self.heads(clip_features)["distribution"].float()
        return {"score": value_of(logits, self.settings["highest"], self.settings["prediction"]) / self.scale}


class JudgesDistributions(ScoreDistribution):
    """MUSDL. Its targets: `marks` (N, 7), in order; it is told `difficulty` (N,)."""

    def add_head(self, channels: int, settings: Mapping[str, Any]) -> None:
        self.settings = settings["score_distribution"]
        hidden, bins = tuple(self.settings["hidden"]), self.settings["judge_bins"]
        self.evaluators = nn.ModuleList(evaluator(channels, hidden, bins) for _ in range(JUDGES))

    def heads(self, clip_features: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        """Clip features (N, C, F) -> `distribution`, logits (N, 7, bins)."""
        features = self.video_features(clip_features)
        return {"distribution": torch.stack([judge(features) for judge in self.evaluators], 1)}

    def losses(
        self, outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """The sum over judges of their divergences."""
        bins, deviation = self.settings["judge_bins"], self.settings["judge_deviation"]
        loss = JUDGES * divergence(
            outputs["distribution"], gaussian_labels(wanted["marks"], bins, HIGHEST_MARK, deviation)
        )
        return {"score": loss, "total": weights["score"] * loss}

    def predict(self, clip_features: Tensor, told: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`score` (N,) in units of training: the middle three of the seven predicted marks, times the difficulty."""
        logits = self.heads(clip_features)["distribution"].float()
        marks = value_of(logits, HIGHEST_MARK, self.settings["prediction"])  # (N, 7)
        return {"score": marks.sort(1).values[:, COUNTED].sum(1) * told["difficulty"] / self.scale}
