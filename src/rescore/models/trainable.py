"""What the training loop asks of a network beyond its outputs, with the answers that suit a network of Eqs. 1-4.

A network with another objective overrides what differs; the loop (training.end_to_end) is one for all and imports none of them.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from rescore.models.losses import losses


class Trainable(nn.Module):
    """A network that the loop can train: `tasks`, `body`, `encode`, `heads`, and what stands here."""

    tasks: tuple[str, ...]
    body: nn.Module
    least_batch: int = 1
    """Samples that a step needs: two where batch norm would see one value a channel."""

    exemplars: np.ndarray = np.zeros(0, np.int64)
    """(m,) rows of the clip store that predictions are made against; most networks have none."""

    def bodies_to_compile(self) -> Iterable[nn.Module]:
        """What most of its operations are in."""
        return (self.body,)

    def forward(self, video: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        """Video (N, 3, F, H, W) -> outputs by name: `score` (N,) in units of training, and what else `losses` reads."""
        return self.heads(self.encode(video), given)

    def encode(self, video: Tensor) -> Tensor:
        """Video (N, 3, F, H, W) -> what `heads` reads."""
        raise NotImplementedError

    def heads(self, encoded: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        """What `encode` gives -> outputs by name; `given` as `forward` has it."""
        raise NotImplementedError

    def captions(self, encoded: Tensor, steps: int) -> Tensor:
        """Captions of what `encode` gives; networks without that task are never asked."""
        raise NotImplementedError

    def companions(self, order: np.ndarray, generator: np.random.Generator) -> np.ndarray | None:
        """A further dive (rows of the clip store) for each of an epoch's dives `order`, loaded behind the batch; None for none.

        A batch of N dives then is 2 N videos, and targets are those of all 2 N; the loss is a mean over the N.
        """
        return None

    def given(self, wanted: Mapping[str, Tensor]) -> Tensor | None:
        """What `forward` reads beside the video, of a batch's targets: captions, for teacher forcing."""
        return wanted.get("caption")

    def losses(
        self, outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """Losses by task and under `total`, means over the batch."""
        return losses(outputs, wanted, weights)

    def remember(self, encoded: Tensor) -> None:
        """Take what `encode` makes of `exemplars`, before predictions are made after an epoch."""

    def predict(self, encoded: Tensor, told: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Predictions: `score` (N,) in units of training, class logits; `told` is what the network is told beside the video."""
        return self.heads(encoded)

    def example(self, video: tuple[int, ...], tokens: int) -> tuple[Tensor, Tensor | None]:
        """Inputs of one training sample on no device (`meta`), to count its operations: of this shape (1, 3, F, H, W)."""
        words = torch.zeros(1, tokens, dtype=torch.long, device="meta") if "caption" in self.tasks else None
        return torch.empty(*video, device="meta"), words
