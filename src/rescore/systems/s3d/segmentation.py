"""Train the network that finds the stages of a dive, and ask it for every dive's.

store (uint8) ─► frames: shifted, flipped, normalised ─► StageSegmenter ─► cross-entropy ─► RMSprop
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rescore.models.device import derived_seed
from rescore.systems.s3d.tcn import StageSegmenter, frame_log_probabilities, segment_loss
from rescore.training.batches import Source, batches, draw_epoch, hold_clips, load
from rescore.training.end_to_end import check_losses
from rescore.training.optimisers import RMSprop
from rescore.training.place import alone, open_place
from rescore.training.telling import Clock


def train_segmenter(
    network: StageSegmenter,
    clips: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    settings: Mapping[str, Any],
    section: Mapping[str, Any],
    colour: str,
    seed: int,
) -> list[float]:
    """Train a segmenter in place on the frames' stages.

    Args:
        clips: the store, (samples, frames + 2 shift, crop, crop, 3).
        labels: (samples, frames + 2 shift) int64 classes of the store's frames; those of other rows are not read.
        rows: the labelled training dives.
        settings: the `multitask` section.
        section: `stages.segmentation`.
        colour: a key of `preprocess.COLOURS`.
        seed: of the member.

    Returns:
        The mean loss of each epoch.

    Raises:
        RescoreError: the loss is not finite.
    """
    means = []
    window = np.arange(settings["clips"]["frames"]) + settings["clips"]["shift"]  # the store's frames at shift 0
    with open_place(alone(settings)) as place:
        network.to(place.device)
        # The released code trains with RMSprop and Keras' defaults.
        optimiser = RMSprop(network.parameters(), section["learning_rate"], smoothing=0.9, eps=1e-7)
        held, classes, frames = hold_clips(clips, place.device), torch.from_numpy(labels), torch.from_numpy(window)
        source = Source(held, frames.to(held.device), colour, place.device, section["pool"])
        clock = Clock("segmentation", "epoch", section["epochs"])
        for epoch in range(section["epochs"]):
            order, shifts, flips = draw_epoch(rows, settings, derived_seed(seed, "segmentation"), epoch)
            torch.manual_seed(derived_seed(seed, "segmentation dropout", epoch))
            network.train()
            total = 0.0
            for part in batches(len(order), section["batch"], least=2):
                chosen, shift, flip = (torch.from_numpy(drawn[part]) for drawn in (order, shifts, flips))
                wanted = classes[chosen[:, None], frames + shift[:, None]].to(place.device)
                x = load(source, chosen.to(held.device), shift.to(held.device), flip.to(held.device))
                found = segment_loss(network(x), wanted)
                found.backward()
                optimiser.step()
                optimiser.zero_grad()
                total += float(found.detach()) * len(chosen)
            check_losses({"loss": total / len(order)}, epoch + 1, section["learning_rate"])
            means.append(total / len(order))
            clock.say(epoch + 1, loss=means[-1])
    return means


def predict_stages(
    network: StageSegmenter,
    clips: np.ndarray,
    rows: np.ndarray,
    settings: Mapping[str, Any],
    section: Mapping[str, Any],
    colour: str,
) -> np.ndarray:
    """Log probabilities (n, frames, 5) of the classes of each frame, without shift and flip."""
    window = torch.arange(settings["clips"]["frames"]) + settings["clips"]["shift"]
    with open_place(alone(settings)) as place:
        network.to(place.device).eval()
        held = hold_clips(clips, place.device)
        source = Source(held, window.to(held.device), colour, place.device, section["pool"])
        found = []
        for part in torch.from_numpy(rows).to(held.device).split(section["batch"]):
            still = torch.zeros_like(part)
            found.append(frame_log_probabilities(network, load(source, part, still, still.bool())))
    return np.concatenate(found)
