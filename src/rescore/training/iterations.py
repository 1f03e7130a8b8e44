"""One loop for whatever trains by iterations: pre-training, joints, stages of frames, and stacked networks on features.

    losses of an iteration ─► finite? ─► gradients ─► optimiser ─► the caller: what is due now

Networks of dives have epochs, several processes and restart points besides (end_to_end); the LSTMs write their gradients out
(members).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from rescore.engine.errors import raise_together


def iterate(
    optimiser: torch.optim.Optimizer,
    losses: Callable[[int], Tensor],
    iterations: Iterable[int],
    names: Sequence[str],
    remedy: str,
) -> Iterator[tuple[int, Tensor]]:
    """Take a step an iteration, and yield after each how many are done and the losses (networks,) that it had.

    Args:
        optimiser: of all networks' parameters.
        losses: of an iteration, counted from 0: () of one network, or (networks,) of stacked ones, which share no parameter.
        iterations: those still to be taken.
        names: of the networks.
        remedy: what may help where a loss is not finite.

    Raises:
        RescoreError: a loss is not finite; all such networks by name.
    """
    for iteration in iterations:
        found = losses(iteration)
        values = found.detach().reshape(-1)  # (networks,)
        if not torch.isfinite(values).all():
            lost = [name for name, value in zip(names, values.tolist(), strict=True) if not np.isfinite(value)]
            raise_together(f"training diverged: the loss is not finite at iteration {iteration + 1}", lost, remedy)
        optimiser.zero_grad()
        found.sum().backward()
        optimiser.step()
        yield iteration + 1, values
