"""ACTION-NET on stored features, many members side by side.

    segments (motion)        ─► embedding ─┬────────────────────────────┐
                                           └─► graph over time ─► beside ┴─► attention ─► weighted sum ─┐
    moments (the athlete)    ─► the same, with weights of its own ─────────────────────────────────────┴─► head ─► sigmoid

Zeng et al., Hybrid Dynamic-static Context-aware Attention Network for Action Assessment in Long Videos, ACM MM 2020. Layers,
their order and the relations are those of the authors' released network (github.com/qinghuannn/ACTION-NET, models/action_net.py).
Every weight has the member first, as in models/s4aqa.py; a video may lack moments (docs/systems/semi_supervised.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.models.products import product
from rescore.models.s4aqa import Perceptron, StackedLinear


def temporal_relations(seen: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Relations of instances, by their distance in time alone: exp(-|i - j|), normalised by the degrees of both.

    Args:
        seen: (..., N) bool; an instance that is not seen has no relations, and the others' are as if it were not there.

    Returns:
        (..., N, N), D^-1/2 A D^-1/2.
    """
    place = torch.arange(seen.shape[-1], device=seen.device, dtype=dtype)
    both = seen.unsqueeze(-1) & seen.unsqueeze(-2)
    near = torch.exp(-(place[:, None] - place).abs()) * both
    scale = near.sum(-1).clamp_min(torch.finfo(near.dtype).tiny).rsqrt() * seen
    return scale.unsqueeze(-1) * near * scale.unsqueeze(-2)


class ContextAwareAttention(nn.Module):
    """One stream's features: instances, what is around each in time, and a weight for each.

    Args:
        seeds: of the members.
        name: of the stream; its layers are drawn by it.
        inputs: width of an instance's features.
        settings: `width` (of the embedding and of the graph's two layers), `attention_width`.
    """

    def __init__(self, seeds: Sequence[int], name: str, inputs: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width = settings["width"]
        self.embedding = Perceptron(seeds, f"{name} embedding", [inputs, max(inputs // 2, 1), width])
        self.graph = nn.ModuleList(StackedLinear(seeds, f"{name} graph {number}", width, width) for number in range(2))
        self.attention = Perceptron(seeds, f"{name} attention", [2 * width, settings["attention_width"], 1])

    def forward(self, instances: Tensor, seen: Tensor, relations: Tensor) -> tuple[Tensor, Tensor]:
        """Features (members, batch, 2 width) and weights (members, batch, N), which add up to 1.

        Args:
            instances: (members, batch, N, inputs), finite where unseen too.
            seen: (members, batch, N) bool, at least one of each video.
            relations: (members, batch, N, N) of `temporal_relations`.
        """
        shape = instances.shape[:3]
        alone = F.relu(self.embedding(instances.flatten(1, 2))).view(*shape, -1)
        around = alone
        for layer in self.graph:
            around = F.relu(layer(product(relations, around).flatten(1, 2))).view(*shape, -1)
        both = torch.cat([alone, around], 3)
        logits = self.attention(both.flatten(1, 2)).view(shape)
        weights = torch.softmax(logits.masked_fill(~seen, -torch.inf), 2)
        return product(weights.unsqueeze(2), both).squeeze(2), weights


class ActionNet(nn.Module):
    """Both streams and the regression, stacked over members.

    Args:
        seeds: of the members.
        dynamic, static: widths of a segment's and of a moment's features.
        settings: section `action_net` of params.yaml.
    """

    def __init__(self, seeds: Sequence[int], dynamic: int, static: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.dynamic = ContextAwareAttention(seeds, "dynamic stream", dynamic, settings)
        self.static = ContextAwareAttention(seeds, "static stream", static, settings)
        self.hidden = StackedLinear(seeds, "action net hidden", 4 * settings["width"], settings["head_width"])
        self.score = StackedLinear(seeds, "action net score", settings["head_width"], 1)
        start_as_xavier(self)

    def forward(self, segments: Tensor, moments: Tensor, seen: Tensor, kept: Tensor | None = None) -> Tensor:
        """Scores as shares of the highest: (members, batch), between 0 and 1.

        Args:
            segments: (members, batch, T, dynamic).
            moments: (members, batch, N, static).
            seen: (members, batch, N) bool, moments in which the athlete was found.
            kept: (members, batch, head width) multipliers of the head's hidden layer, its dropout; None: all are kept.
        """
        whole = torch.ones(segments.shape[:3], dtype=torch.bool, device=segments.device)
        # Every video has all its segments, so one matrix serves them all.
        motion, _ = self.dynamic(segments, whole, temporal_relations(whole[:1, :1], segments.dtype))
        posture, _ = self.static(moments, seen, temporal_relations(seen, moments.dtype))
        hidden = F.relu(self.hidden(torch.cat([motion, posture], 2)))
        scores: Tensor = self.score(hidden if kept is None else hidden * kept).squeeze(2)
        return torch.sigmoid(scores)


@torch.no_grad()
def start_as_xavier(network: nn.Module) -> None:
    """Uniform weights in +-sqrt(6 / (in + out)) and no biases, from the same draws (the authors' utils.py, weight_init)."""
    for layer in network.modules():
        if isinstance(layer, StackedLinear):
            _, inputs, outputs = layer.weight.shape
            layer.weight.mul_((6 * inputs / (inputs + outputs)) ** 0.5)  # drawn in +-1 / sqrt(in)
            layer.bias.zero_()
