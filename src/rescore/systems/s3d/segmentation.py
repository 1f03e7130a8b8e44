"""Train the network that finds the stages of a dive, and ask it for every dive's.

store (uint8) ─► frames: shifted, flipped, normalised ─► StageSegmenter ─► cross-entropy ─► RMSprop
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rescore.models.device import derived_seed
from rescore.systems.s3d.tcn import StageSegmenter, frame_log_probabilities, segment_loss
from rescore.training.batches import Source, batches, draw_epoch, hold_clips, load
from rescore.training.iterations import iterate
from rescore.training.optimisers import RMSprop
from rescore.training.place import alone, open_place
from rescore.training.telling import Clock

REMEDY = "lower stages.segmentation.learning_rate."


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
        held = hold_clips(clips, place.device)
        frames, classes = (torch.from_numpy(values).to(held.device) for values in (window, labels))
        source = Source(held, frames, colour, place.device, section["pool"])
        clock = Clock("segmentation", "epoch", section["epochs"])
        for epoch in range(section["epochs"]):
            drawn = draw_epoch(rows, settings, derived_seed(seed, "segmentation"), epoch)
            torch.manual_seed(derived_seed(seed, "segmentation dropout", epoch))
            network.train()
            parts = batches(len(rows), section["batch"], least=2)
            losses = step_losses(network, source, classes, [torch.from_numpy(v).to(held.device) for v in drawn], parts)
            taken = iterate(optimiser, losses, range(len(parts)), ["segmentation"], REMEDY)
            total = sum(loss.item() * len(rows[parts[done - 1]]) for done, loss in taken)
            means.append(total / len(rows))
            clock.say(epoch + 1, loss=means[-1])
    return means


def step_losses(
    network: StageSegmenter, source: Source, classes: Tensor, drawn: Sequence[Tensor], parts: Sequence[slice]
) -> Callable[[int], Tensor]:
    """The loss of each step of an epoch.

    Args:
        classes: (samples, frames of the store), beside the clips.
        drawn: rows, shifts and flips of the epoch's dives (n,), beside the clips.
        parts: of them, by step.
    """

    def losses(step: int) -> Tensor:
        chosen, shift, flip = (values[parts[step]] for values in drawn)
        wanted = classes[chosen[:, None], source.frames + shift[:, None]].to(source.device)
        return segment_loss(network(load(source, chosen, shift, flip)), wanted)

    return losses


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
