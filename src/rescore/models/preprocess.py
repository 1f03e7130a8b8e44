"""From the clip store's bytes to a network's input: colour order, range and normalisation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rescore.engine.errors import RescoreError


@dataclass(frozen=True)
class Colour:
    """An input convention: `(value * scale - mean) / sd` per channel, value in 0..255."""

    bgr: bool
    scale: float
    mean: tuple[float, float, float]
    """In the order in which the network reads the channels."""
    sd: tuple[float, float, float]


COLOURS = {
    "rgb_imagenet": Colour(False, 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "bgr_sports1m": Colour(True, 1.0, (90.25, 97.66, 101.41), (1.0, 1.0, 1.0)),
    "rgb_kinetics": Colour(False, 1 / 255, (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
}


def preprocess(frames: Tensor, colour: str) -> Tensor:
    """Normalise clips on the device where they lie.

    Args:
        frames: uint8 (N, frames, height, width, 3) RGB, as the clip store keeps them.
        colour: a key of `COLOURS`.

    Returns:
        float32 (N, 3, frames, height, width) in channels_last_3d, which is the store's own memory order: nothing is transposed.
    """
    convention = COLOURS[colour]
    mean = torch.tensor(convention.mean, device=frames.device)  # (3,)
    sd = torch.tensor(convention.sd, device=frames.device)  # (3,)
    x = frames.flip(-1) if convention.bgr else frames  # (N, frames, height, width, 3)
    # Whole lines of pixels at once: with an innermost axis of three numbers, processors are five times slower.
    lines, width = x.float().flatten(-2), x.shape[-2]  # (N, frames, height, width * 3)
    lines.mul_((convention.scale / sd).repeat(width)).sub_((mean / sd).repeat(width))
    return lines.unflatten(-1, (width, 3)).permute(0, 4, 1, 2, 3)  # (N, 3, frames, height, width)


def cut_clips(frames: np.ndarray, clips: int, clip_frames: int, first: int) -> np.ndarray:
    """Consecutive clips of a video from frame `first` on; frames that are left over are unused.

    Args:
        frames: (frames, height, width, 3).

    Returns:
        (clips, clip_frames, height, width, 3).

    Raises:
        RescoreError: the video is too short.
    """
    last = first + clips * clip_frames
    if last > len(frames):
        raise RescoreError(
            f"{clips} clips of {clip_frames} frames from frame {first} need {last} frames, not {len(frames)}. "
            "Raise clips.frames, or lower backbone.clips or backbone.test_offset."
        )
    return np.ascontiguousarray(frames[first:last]).reshape(clips, clip_frames, *frames.shape[1:])


def open_clips(path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """Memory map of a clip store.

    Args:
        path: uint8 .npy.
        shape: what it must have; None for any size.

    Raises:
        RescoreError: the file is missing, truncated, no .npy, or of another shape or type.
    """
    try:
        clips = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(
            f"{path}: no such clips. Run the step that writes them (`rescore plan` names it)."
        ) from error
    except (ValueError, EOFError, OSError) as error:
        raise RescoreError(f"{path}: not a readable clip store ({error}). Delete it and run again.") from error
    fits = len(clips.shape) == len(shape) and all(
        want in (None, size) for want, size in zip(shape, clips.shape, strict=True)
    )
    if not fits or clips.dtype != np.uint8:
        wanted = " x ".join("any" if size is None else str(size) for size in shape)
        raise RescoreError(
            f"{path}: {clips.dtype} of {' x '.join(map(str, clips.shape))}, but its rows and the settings ask for uint8 of "
            f"{wanted}. Run the step that writes the clips again."
        )
    return clips
