"""What a step reads: frames of the clip store, shifted, flipped and normalised, in an order that an epoch draws."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.device import derived_seed
from rescore.models.losses import caption_mask
from rescore.models.mscadc import MSCADC
from rescore.models.preprocess import preprocess
from rescore.models.trainable import Trainable

CLIP_FRAMES = 16  # of C3D's clips, and of MSCADC's whole input
GPU_SHARE = 0.6  # of the free device memory that the clips may take; the rest is the step's


@dataclass(frozen=True)
class Source:
    """Clips, and how the network reads them."""

    clips: Tensor
    """uint8 (samples, frames + 2 shift, crop, crop, 3), on the device where it fits, else the memory map."""
    frames: Tensor
    """(F,) int64: frames of the store that the network reads at shift 0; or, where they differ by sample, (samples, F)."""
    colour: str
    """A key of `preprocess.COLOURS`."""
    device: torch.device
    pool: int = 1
    """Pixels, height and width, that are averaged into one before the network."""


def hold_clips(clips: np.ndarray, device: torch.device) -> Tensor:
    """The clips on the device where they fit; else they stay mapped, and each batch is sent."""
    if device.type == "cuda" and clips.nbytes < GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
        held = torch.empty(clips.shape, dtype=torch.uint8, device=device)
        for sample, frames_of_one in enumerate(clips):
            held[sample] = torch.from_numpy(np.array(frames_of_one))
        return held
    with warnings.catch_warnings():  # of a map that cannot be written; nothing here does
        warnings.simplefilter("ignore")
        return torch.from_numpy(clips)


def place_clips(
    clips: np.ndarray,
    network: Trainable,
    settings: Mapping[str, Any],
    colour: str,
    device: torch.device,
    frames: np.ndarray | None = None,
) -> Source:
    """Clips where they are picked from, and how a network reads them: of each dive these `frames`, else by `settings.clips`."""
    held, shape = hold_clips(clips, device), settings["clips"]
    if frames is None:
        frames = network_frames(network, shape["frames"], shape["step"]) + shape["shift"]  # (F,)
    return Source(held, torch.from_numpy(frames).to(held.device), colour, device, settings.get("pool", 1))


def network_frames(network: Trainable, frames: int, step: int) -> np.ndarray:
    """Which of a sample's frames a network reads.

    C3D-AVG and every other network of clips: every step-th frame, in as many clips of 16 as there are: the first 96 of 103
    (released code). MSCADC: 16 spread evenly, `int(6.5 k)` of 103 (released code).

    Raises:
        RescoreError: there is not one whole clip.
    """
    if not isinstance(network, MSCADC):
        read = np.arange(0, frames, step)
        if len(read) < CLIP_FRAMES:
            raise RescoreError(
                f"multitask.clips: {frames} frames of which each {step}th is read make no clip of {CLIP_FRAMES}. Lower step."
            )
        return read[: len(read) // CLIP_FRAMES * CLIP_FRAMES]
    return (np.arange(CLIP_FRAMES) * (frames + 1) / CLIP_FRAMES).astype(np.int64)


def load(source: Source, rows: Tensor, shift: Tensor, flip: Tensor) -> Tensor:
    """Samples as network input; all four beside the clips.

    Args:
        rows: (N,) int64.
        shift: (N,) int64, frames later.
        flip: (N,) bool, left to right.

    Returns:
        (N, 3, F, crop // pool, crop // pool) float32 on the device, in channels_last_3d.
    """
    frames = source.frames if source.frames.ndim == 1 else source.frames[rows]
    x = source.clips[rows[:, None], frames + shift[:, None]]  # (N, F, crop, crop, 3) uint8
    x = torch.where(flip.view(-1, 1, 1, 1, 1), x.flip(3), x)
    if x.device != source.device:
        x = x.pin_memory().to(source.device, non_blocking=True)
    x = preprocess(x, source.colour)
    if source.pool == 1:
        return x
    # Frame by frame: the pooling of pictures keeps channels last, that of videos does not.
    pictures = F.avg_pool2d(x.transpose(1, 2).flatten(0, 1), source.pool)  # (N * F, 3, h, w)
    return pictures.unflatten(0, (len(x), -1)).transpose(1, 2)


def batches(samples: int, size: int, least: int = 1) -> list[slice]:
    """Slices of at most `size`; a last one of fewer than `least` joins the one before."""
    starts = list(range(0, samples, size))
    if len(starts) > 1 and samples - starts[-1] < least:
        starts.pop()
    return [slice(first, after) for first, after in zip(starts, [*starts[1:], samples], strict=True)]


def draw_epoch(
    train: np.ndarray, settings: Mapping[str, Any], seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An epoch's samples in order, their shifts in frames and whether each is flipped: (samples,) each.

    They do not depend on network and tasks, so that members of one seed and training set differ in nothing else.
    """
    generator = np.random.default_rng([seed, derived_seed(seed, "order, shift, flip"), epoch])
    shift = settings["clips"]["shift"]
    order = generator.permutation(train)
    shifts = generator.integers(-shift, shift + 1, len(train))
    return order, shifts, generator.random(len(train)) < settings["flip"]


def draw_companions(
    network: Trainable, order: np.ndarray, settings: Mapping[str, Any], seed: int, epoch: int
) -> list[np.ndarray]:
    """The dives that a network wants beside an epoch's, as `draw_epoch` gives those: rows, shifts, flips; none for most."""
    generator = np.random.default_rng([seed, derived_seed(seed, "companions"), epoch])
    rows = network.companions(order, generator)
    if rows is None:
        return []
    shift = settings["clips"]["shift"]
    return [rows, generator.integers(-shift, shift + 1, len(rows)), generator.random(len(rows)) < settings["flip"]]


def caption_lengths(targets: Mapping[str, Tensor], samples: int) -> np.ndarray:
    """Tokens of each caption through its <eos> (samples,); 0 where captions are no task."""
    if "caption" not in targets:
        return np.zeros(samples, np.int64)
    return caption_mask(targets["caption"]).sum(1).numpy()
