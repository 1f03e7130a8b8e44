"""The MTL-AQA networks as their members are built, layer by layer (What and How Well You Performed?, Figure 2 and Table 3)."""

import json
from pathlib import Path
from typing import Any

import torch

from rescore.engine.errors import RescoreError
from rescore.engine.storage import write_json
from rescore.models.describe import multitask_layers
from rescore.models.losses import TASKS
from rescore.systems.multitask.members import NETWORKS
from rescore.systems.multitask.training import build_network
from rescore.training.batches import CLIP_FRAMES

TITLES = {"c3d_avg": "C3D-AVG-MTL", "mscadc": "MSCADC-MTL"}
CLIPS = {"c3d_avg": 6, "mscadc": 1}


def describe(network: str, vocabulary: Path, output: Path, settings: dict[str, Any]) -> None:
    """Write a network with all three tasks as JSON: {"network", "parameters", "layers"} (see `models.describe.multitask_layers`).

    Args:
        network: `c3d_avg` or `mscadc`.
        vocabulary: JSON list of words; their number sizes the captioner.
        settings: `multitask`.

    Raises:
        RescoreError: no such network.
    """
    if network not in NETWORKS:
        raise RescoreError(f"network is {network}; known: {', '.join(NETWORKS)}.")
    multitask = settings["multitask"]
    words = json.loads(vocabulary.read_text(encoding="utf-8"))
    crop = multitask["clips"]["crop" if network == "c3d_avg" else "wide_crop"]
    with torch.device("meta"):  # shapes without numbers: full size costs nothing
        module = build_network(network, TASKS, len(words), multitask).eval()
        video = torch.zeros(1, 3, CLIP_FRAMES * CLIPS[network], crop, crop)
        layers = multitask_layers(module, video, torch.zeros(1, multitask["caption_tokens"], dtype=torch.long))
    total = sum(parameter.numel() for parameter in module.parameters())
    width = multitask["width" if network == "c3d_avg" else "wide_width"]
    write_json(output, {"network": f"{TITLES[network]} (width {width:g})", "parameters": total, "layers": layers})
