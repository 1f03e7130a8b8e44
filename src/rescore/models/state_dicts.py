"""State dicts that others saved with torch.save: read without running anything, and held against a network's own."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from rescore.engine.errors import RescoreError


def read_state_dict(path: Path, remedy: str) -> dict[str, Tensor]:
    """Tensors by name from a file of torch.save's, by its weights-only unpickler: tensors and plain containers, no code.

    Args:
        path: a state dict, or a dictionary that has one under `state_dict`.
        remedy: ends the message where the file is missing or cannot be read: where to get it.

    Raises:
        RescoreError: the file is missing, damaged, holds anything but named tensors, or has code in it.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such weights. {remedy}") from error
    except pickle.UnpicklingError as error:
        raise RescoreError(
            f"{path}: refused, because it is damaged or holds more than tensors ({first_line(error)}); nothing of it was run. "
            f"{remedy} Never load it by other means."
        ) from error
    except Exception as error:  # torch raises many types for a damaged file
        raise RescoreError(f"{path}: not a readable file of PyTorch's ({first_line(error)}). {remedy}") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise RescoreError(f"{path}: not a state dict (tensors by name). {remedy}")
    return {str(name): value for name, value in state.items()}


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def differences(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """What keeps a state dict from being loaded: missing, unexpected, mis-shaped and non-finite entries, sorted."""
    problems = [f"{name} {tuple(wanted[name].shape)} is missing" for name in wanted if name not in given]
    problems += [f"{name} {tuple(given[name].shape)} is not in the network" for name in given if name not in wanted]
    for name in wanted.keys() & given.keys():
        if wanted[name].shape != given[name].shape:
            problems.append(f"{name} is {tuple(given[name].shape)}, not {tuple(wanted[name].shape)}")
        elif not bool(given[name].isfinite().all()):
            problems.append(f"{name} has values that are not finite")
    return sorted(problems)
