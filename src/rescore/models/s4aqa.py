"""Networks of semi-supervised assessment on stored segment features, many members of one shape side by side.

    segments v_1..v_T ─► encoder E ─┬─► regressor ─► score                              L_reg, labelled videos
                                    ├─► decoder PHI ─► the masked segment v_k           L_rec, unlabelled videos
                                    ├─► gradient reversal ─► discriminator D            L_adv, both: labelled or not
                                    └─► order head ─► which permutation                 S4L-style comparator

S4AQA (Zhang et al., Semi-Supervised Action Quality Assessment with Self-Supervised Segment Feature Recovery, TCSVT 2022) is
known here by its losses and its two-layer PHI; layers that it leaves open are parameters. Every weight has the member first: one
product serves all members, and no member sees another's numbers (docs/systems/semi_supervised.md).
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.device import seeded_generator
from rescore.models.losses import DIVE_CLASSES
from rescore.models.products import product

MASKED_SLOTS = ("zero", "mean_of_others")


class ReversedGradient(torch.autograd.Function):
    """The identity whose gradient is multiplied by -coefficient (Ganin and Lempitsky 2015, Eqs. 9 and 10)."""

    @staticmethod
    def forward(context: Any, features: Tensor, coefficient: float) -> Tensor:
        context.coefficient = coefficient
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.coefficient * gradient, None


def reverse_gradient(features: Tensor, coefficient: float = 1.0) -> Tensor:
    """Features as they are; whoever produced them learns the opposite of what the reader of the result wants."""
    reversed_features: Tensor = ReversedGradient.apply(features, coefficient)
    return reversed_features


class StackedLinear(nn.Module):
    """A fully connected layer for each member: (members, batch, in) -> (members, batch, out).

    Weights and biases start as torch.nn.Linear's, uniform in +-1/sqrt(in); a member's draw depends on its own seed and the
    layer's name alone, so what two systems have in common starts alike.
    """

    def __init__(self, seeds: Sequence[int], name: str, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        drawn = []
        for seed in seeds:
            generator = seeded_generator(seed, "semi-supervised layer", name)
            drawn.append((2 * torch.rand(inputs + 1, outputs, generator=generator) - 1) * bound)
        values = torch.stack(drawn)
        self.weight = nn.Parameter(values[:, :-1].contiguous())
        self.bias = nn.Parameter(values[:, -1:].contiguous())

    def forward(self, x: Tensor) -> Tensor:
        return product(x, self.weight) + self.bias


class Perceptron(nn.Module):
    """Fully connected layers with ReLU between them: (members, batch, widths[0]) -> (members, batch, widths[-1])."""

    def __init__(self, seeds: Sequence[int], name: str, widths: Sequence[int]) -> None:
        super().__init__()
        pairs = itertools.pairwise(widths)
        self.layers = nn.ModuleList(
            StackedLinear(seeds, f"{name} {number}", inputs, outputs) for number, (inputs, outputs) in enumerate(pairs)
        )

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(F.relu(x) if number else x)
        return x


class SegmentEncoder(nn.Module):
    """E: a layer that every segment shares, the segments side by side, a layer over them all; ReLU after both.

    The order of the segments is kept, so that the place of a masked one can be seen.

    Args:
        seeds: of the members.
        segments: T.
        inputs: width of a segment's features.
        segment_width, width: of the shared layer and of the video's features.
    """

    def __init__(self, seeds: Sequence[int], segments: int, inputs: int, segment_width: int, width: int) -> None:
        super().__init__()
        self.shared = StackedLinear(seeds, "encoder shared", inputs, segment_width)
        self.joined = StackedLinear(seeds, "encoder joined", segments * segment_width, width)

    def forward(self, segments: Tensor) -> Tensor:
        """(members, batch, T, inputs) -> (members, batch, width)."""
        members, batch = segments.shape[:2]
        each = F.relu(self.shared(segments.flatten(1, 2)))  # (members, batch x T, segment width)
        return F.relu(self.joined(each.view(members, batch, -1)))


class AverageTrunk(nn.Module):
    """C3D-AVG's trunk on stored features: the mean over segments, one layer, ReLU (MTL-AQA, Sec. 4.1)."""

    def __init__(self, seeds: Sequence[int], inputs: int, width: int) -> None:
        super().__init__()
        self.trunk = StackedLinear(seeds, "average trunk", inputs, width)

    def forward(self, segments: Tensor) -> Tensor:
        """(members, batch, T, inputs) -> (members, batch, width)."""
        return F.relu(self.trunk(segments.mean(2)))


def mask_segments(segments: Tensor, masked: Tensor, fill: str) -> Tensor:
    """Segments with one of each sample filled in.

    Args:
        segments: (members, batch, T, width).
        masked: (members, batch) int64, k of each sample, from 0.
        fill: `zero` (with standardised features the mean of the training videos) or `mean_of_others` (of the same video).

    Raises:
        RescoreError: no such filling.
    """
    hidden = F.one_hot(masked, segments.shape[2]).to(torch.bool).unsqueeze(3)  # (members, batch, T, 1)
    shown = segments.masked_fill(hidden, 0)
    if fill == "zero":
        return shown
    if fill != "mean_of_others":
        raise RescoreError(f"semi_supervised.masked_slot is {fill}; known: {', '.join(MASKED_SLOTS)}.")
    others = shown.sum(2, keepdim=True) / max(segments.shape[2] - 1, 1)
    return torch.where(hidden, others, segments)


def segments_at(segments: Tensor, places: Tensor) -> Tensor:
    """The segment v_k of each sample: (members, batch, T, width), (members, batch) -> (members, batch, width)."""
    index = places[..., None, None].expand(-1, -1, 1, segments.shape[3])
    return segments.gather(2, index).squeeze(2)


def reorder_segments(segments: Tensor, orders: Tensor) -> Tensor:
    """Each sample's segments in an order of its own; orders: (members, batch, T) int64, place i shows segment orders[i]."""
    return segments.gather(2, orders.unsqueeze(3).expand(-1, -1, -1, segments.shape[3]))


class AssessmentNetwork(nn.Module):
    """The parts that a system needs, stacked over members.

    Args:
        parts: `regressor`, `decoder`, `discriminator`, `order`, `classes`, `bins`; `trunk` puts C3D-AVG's mean over segments in
            the encoder's place.
        seeds: of the members.
        segments, inputs: T and the width of a segment's features.
        settings: section `semi_supervised` of params.yaml.
    """

    def __init__(
        self, parts: Sequence[str], seeds: Sequence[int], segments: int, inputs: int, settings: Mapping[str, Any]
    ) -> None:
        super().__init__()
        sizes, average = settings["encoder"], settings["c3d_avg"]
        averaged = "trunk" in parts
        width = average["width"] if averaged else sizes["width"]
        self.encoder: nn.Module = (
            AverageTrunk(seeds, inputs, width)
            if averaged
            else SegmentEncoder(seeds, segments, inputs, sizes["segment_width"], width)
        )
        if "regressor" in parts:
            self.regressor = Perceptron(seeds, "regressor", [width, 1])
        if "decoder" in parts:
            self.decoder = Perceptron(seeds, "decoder", [width, settings["decoder_width"], inputs])
        if "discriminator" in parts:
            self.discriminator = Perceptron(seeds, "discriminator", [width, settings["discriminator_width"], 1])
        if "order" in parts:
            self.order = Perceptron(seeds, "order", [width, settings["s4l"]["orders"]])
        if "classes" in parts:
            self.classes = nn.ModuleDict(
                {name: Perceptron(seeds, f"class {name}", [width, count]) for name, count in DIVE_CLASSES.items()}
            )
        if "bins" in parts:
            usdl = settings["usdl"]
            self.bins = Perceptron(seeds, "bins", [width, *usdl["widths"], usdl["bins"]])

    def forward(self, segments: Tensor) -> Tensor:
        """Scores in standard deviations: (members, batch, T, inputs) -> (members, batch).

        Score distributions give the value of their likeliest bin (Tang et al., CVPR 2020, Sec. 3.2).
        """
        features = self.encoder(segments)
        if hasattr(self, "bins"):
            logits = self.bins(features)
            return bin_values(logits.shape[2], logits.device)[logits.argmax(2)]
        scores: Tensor = self.regressor(features).squeeze(2)
        return scores


BIN_RANGE = 3.0
"""Score distributions cover this many standard deviations of the labelled scores to either side of their mean."""


def bin_values(bins: int, device: torch.device) -> Tensor:
    """(bins,) the score that each bin stands for, in standard deviations from the labelled mean."""
    return torch.linspace(-BIN_RANGE, BIN_RANGE, bins, device=device)


def score_distributions(scores: Tensor, bins: int, sd: float) -> Tensor:
    """Gaussian score distributions (..., bins), each adding up to 1 (Tang et al., CVPR 2020, Eqs. 1 and 2).

    Args:
        scores: (...,) standard deviations.
        bins: how many.
        sd: of the Gaussian, in bins.
    """
    values = bin_values(bins, scores.device)
    distance = (values - scores.unsqueeze(-1)) / (values[1] - values[0])
    return torch.softmax(-0.5 * (distance / sd) ** 2, dim=-1)


def virtual_adversarial_perturbation(
    network: nn.Module, segments: Tensor, noise: Tensor, settings: Mapping[str, Any]
) -> Tensor:
    """The small change of each sample that moves its predicted score most (Miyato et al., TPAMI 2018, Algorithm 1).

    A regressor has no distribution to compare, so the divergence is the squared difference of the predicted scores.

    Args:
        network: (members, batch, T, width) -> (members, batch).
        segments: (members, batch, T, width).
        noise: as segments, standard normal: where the power iteration starts.
        settings: `epsilon` (root mean square of the change, in standard deviations of a feature), `xi` (the same of the finite
            difference), `power_iterations`.

    Returns:
        As segments, without a graph; every sample's has the length epsilon sqrt(T width).
    """
    segments = segments.detach()
    scale = (segments.shape[2] * segments.shape[3]) ** 0.5
    with torch.no_grad():
        clean = network(segments)
    direction = unit(noise)
    for _ in range(settings["power_iterations"]):
        probe = (settings["xi"] * scale * direction).requires_grad_()
        divergence = (network(segments + probe) - clean).square().sum()
        (gradient,) = torch.autograd.grad(divergence, probe)
        direction = unit(gradient)
    return settings["epsilon"] * scale * direction


def unit(values: Tensor) -> Tensor:
    """Each sample's (T, width) scaled to length 1; zeros stay zeros."""
    length = values.flatten(2).norm(dim=2)[..., None, None]
    return values / length.clamp_min(torch.finfo(values.dtype).tiny)
