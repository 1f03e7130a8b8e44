"""Restart points of training: what a killed run goes on from, for stacked members and for a network with its optimiser."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rescore.engine import arithmetic
from rescore.engine.provenance import code_hash
from rescore.engine.storage import canonical_json, load_arrays, save_arrays, sha256_text
from rescore.models.c3d_lstm import Weights, weight_shapes

SLOTS = ("momentum_buffer", "step", "exp_avg", "exp_avg_sq")  # what SGD and Adam keep of each parameter


def restart_key(what: object, module: str) -> str:
    """What a restart point must have been written for to be used: this training, by this code, in this arithmetic.

    Args:
        what: all that the training depends on, as JSON can hold it.
        module: whose code trains (its `__name__`).
    """
    said = arithmetic.in_use()
    return sha256_text(canonical_json([what, code_hash(module), said["mode"], said["threads"]]))


@dataclass(frozen=True)
class Restarts:
    """Where stacked members keep their restart points."""

    directory: Path
    """One file a stack; whoever trains removes it when the results are safe."""
    data_hash: str
    """Of the features: a restart point of others is not used."""


@dataclass
class Stack:
    """Stacked members in the middle of their training: all that a restart needs."""

    weights: Weights
    moments: list[Weights]
    """Adam's first and second moments."""
    iteration: int
    """Iterations done; -1 before the first evaluation."""
    predictions: dict[int, np.ndarray] = field(default_factory=dict)
    """(M, e) padded to the longest member, by iteration."""


def write_restart(path: Path | None, identity: str, stack: Stack) -> None:
    """Write a restart point where one is wanted; a kill while it is written leaves the one before it."""
    if path is None:
        return
    groups = {"weights": stack.weights, "moment1": stack.moments[0], "moment2": stack.moments[1]}
    arrays = {
        f"{group}/{name}": value.cpu().numpy() for group, values in groups.items() for name, value in values.items()
    }
    arrays |= {f"predictions/{at}": predicted for at, predicted in stack.predictions.items()}
    save_arrays(path, arrays, {"identity": identity, "iteration": stack.iteration})


def read_restart(path: Path | None, identity: str, device: torch.device) -> Stack | None:
    """The stack of a restart point; None where there is none or it belongs to other members, settings, data or code.

    Raises:
        RescoreError: the file is damaged.
    """
    if path is None or not path.exists():
        return None
    arrays, header = load_arrays(path)
    if header.get("identity") != identity:
        return None
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        group, _, key = name.partition("/")
        groups.setdefault(group, {})[key] = array
    weights, first, second = (
        {key: torch.from_numpy(groups[group][key]).to(device) for key in weight_shapes(1, 1)}
        for group in ("weights", "moment1", "moment2")
    )
    predictions = {int(at): predicted for at, predicted in groups.get("predictions", {}).items()}
    return Stack(weights, [first, second], header["iteration"], dict(sorted(predictions.items())))


def network_arrays(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """A network's state as `network.<name>`, and what SGD or Adam keeps of each parameter as `optimiser.<slot>.<name>`."""
    arrays = {f"network.{name}": to_numpy(value) for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        arrays |= {f"optimiser.{slot}.{name}": to_numpy(value) for slot, value in optimiser.state[parameter].items()}
    return arrays


def restore_network(arrays: Mapping[str, np.ndarray], network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Put a network and its SGD or Adam, in place, where `network_arrays` found them."""
    state = network.state_dict()
    for name, value in state.items():
        value.copy_(torch.from_numpy(arrays[f"network.{name}"]).view(value.shape))
    for name, parameter in network.named_parameters():
        for slot in SLOTS:
            if (array := arrays.get(f"optimiser.{slot}.{name}")) is None:
                continue
            # Moments lie in memory as their parameter does, so that the same kernels round in the same way.
            like = torch.empty((), device=parameter.device) if slot == "step" else torch.empty_like(parameter)
            optimiser.state[parameter][slot] = like.detach().copy_(torch.from_numpy(array).view(like.shape))


def to_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy()
