"""Checkpoints as MTL-AQA's authors write them, of networks of ours."""

from pathlib import Path

import torch

from rescore.models.authors_weights import Network, authors_names


def save_authors_weights(network: Network, directory: Path) -> None:
    """Write a network as the authors do: one state dict per module, `<module>.pth`."""
    directory.mkdir(exist_ok=True)
    names, state = authors_names(network), network.state_dict()
    for module in dict.fromkeys(module for module, _ in names.values()):
        entries = {
            entry: state[name].detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, (owner, entry) in names.items()
            if owner == module
        }
        torch.save(entries, directory / f"{module}.pth")
