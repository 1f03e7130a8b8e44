"""Optimisers by their settings, none of whose square roots are MKL's.

torch takes square roots of whole tensors from MKL, which approximates them in another way on each processor. Fused Adam does not;
RMSprop has no fused form.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


def make_optimiser(parameters: Iterable[Tensor], settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """SGD or Adam as settings name it (`optimiser`, `learning_rate`, `momentum`, `weight_decay`); Adam where they name none."""
    rate, decay = settings["learning_rate"], settings.get("weight_decay", 0.0)
    if settings.get("optimiser") == "sgd":
        return torch.optim.SGD(parameters, rate, settings["momentum"], weight_decay=decay)
    return torch.optim.Adam(parameters, rate, weight_decay=decay, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Let an optimiser's next steps be of this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


class RMSprop(torch.optim.Optimizer):
    """torch.optim.RMSprop (Tieleman and Hinton 2012) without its options: w -= rate g / (sqrt(mean g^2) + eps).

    Args:
        parameters: what it updates.
        learning_rate: step size.
        smoothing: share of the mean that each step keeps.
        eps: added to the root.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, smoothing: float, eps: float) -> None:
        super().__init__(parameters, {"lr": learning_rate, "smoothing": smoothing, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                mean = self.state[parameter].setdefault("square_avg", torch.zeros_like(parameter))
                mean.mul_(group["smoothing"]).addcmul_(parameter.grad, parameter.grad, value=1 - group["smoothing"])
                # sqrt() and pow(0.5) would be MKL's; of 0, this is 0 too.
                root = mean.rsqrt().reciprocal_()
                parameter.addcdiv_(parameter.grad, root.add_(group["eps"]), value=-group["lr"])
