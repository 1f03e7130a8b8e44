"""Activations of C3D's five groups of convolutions, pooled: what linear probes read (What and How Well You Performed?, 5.2).

    clip ─► conv1 ─► conv2 ─► conv3a, b ─► conv4a, b ─► conv5a, b    one pass over the videos gives all five
              c1       c2           c3           c4           c5     each group's last convolution, after ReLU, before the pooling
              └────────┴────────────┴────────────┴────────────┘
                 adaptive pooling, mean over the video's clips

The paper follows Zhang et al. (Colorful Image Colorization, ECCV 2016; Split-Brain Autoencoders, CVPR 2017), who bring every
layer to nearly the same number of values, at most 10 000, so that no layer wins by its size. Theirs are images; what happens to
time is decided here (`grid_of`). The bodies have convolutions alone, so a body reads frames of any size.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays, read_table, save_arrays, sha256_file, sha256_text
from rescore.models.backbones import input_colour
from rescore.models.c3d import C3DBody
from rescore.models.c3d_avg import fold_clips
from rescore.models.device import choose_device, make_deterministic, reuse_memory
from rescore.models.preprocess import open_clips, preprocess
from rescore.models.state_dicts import differences

DIVES, VAULTS = "dives", "vaults"
VAULT = "gymvault"
BACKBONE = "backbone"
CLIP_FRAMES = 16
COLOUR = "rgb_imagenet"  # of bodies that do not start from the backbone's weights
POOLINGS: dict[str, Callable[[Tensor, tuple[int, int, int]], Tensor]] = {
    "average": F.adaptive_avg_pool3d,
    "maximum": F.adaptive_max_pool3d,
}


@dataclass(frozen=True)
class Videos:
    """What is read of a data set."""

    store: np.ndarray
    """uint8 (samples, frames, crop, crop, 3), a memory map."""
    rows: np.ndarray
    """Samples of the store, in the order wanted."""
    samples: list[str]
    """Their names."""
    frames: np.ndarray
    """(clips x 16,) frames of a video."""


def extract_activations(
    weights: Path,
    dive_clips: Path,
    dive_rows: Path,
    vault_clips: Path,
    vault_rows: Path,
    activations: Path,
    settings: dict[str, Any],
) -> None:
    """Run one body over all dives and vaults and keep what its five groups of convolutions say of each video.

    Dives are read as C3D-AVG reads them at test: the frames of `multitask.clips` without shift, in consecutive clips of 16.
    Vaults are read from `backbone.test_offset` on, every `multitask.clips.step`-th frame too, so that a body sees both sports at
    the rate that it was trained on.

    Args:
        weights: the backbone's, or those of a member of C3D-AVG; the header says which and what its input is.
        dive_clips, dive_rows: MTL-AQA's clip store and its table.
        vault_clips, vault_rows: AQA-7's; of its actions the vaults alone are read.
        activations: written; safetensors, `dives.c1` .. `vaults.c5`, float16 (sample, values), mean over the video's clips. The
            header names body and seed, and has a hash of the samples' names.
        settings: sections `clips`, `backbone`, `multitask.clips` and `linear_probes` of params.yaml.

    Raises:
        RescoreError: weights without C3D's convolutions, a store that does not fit its table or the settings, no vaults, or
            activations that are not finite (every such sample is named).
    """
    make_deterministic()
    reuse_memory()
    device = choose_device()
    body, colour, about = read_body(weights)
    body = body.to(device).to(memory_format=torch.channels_last_3d)
    data = {
        DIVES: read_dives(dive_clips, dive_rows, settings["multitask"]["clips"]),
        VAULTS: read_vaults(vault_clips, vault_rows, settings),
    }
    arrays, grids = {}, {}
    for name, videos in data.items():
        batches = list(pooled_batches(body, videos, colour, device, settings))
        for layer in batches[0]:
            values = np.concatenate([batch[layer] for batch in batches])  # (samples, channels, time, height, width)
            check_finite(values, videos.samples, weights)
            grids[f"{name}.{layer}"] = list(values.shape[1:])
            arrays[f"{name}.{layer}"] = values.reshape(len(values), -1).astype(np.float16)
    header = {
        "what": "pooled activations of C3D's convolutions",
        **about,
        "samples_sha256": {name: sha256_text("\n".join(videos.samples)) for name, videos in data.items()},
        "grids": grids,
        "parameters": settings,
        "data": {
            "weights": sha256_file(weights),
            "dive_rows": sha256_file(dive_rows),
            "vault_rows": sha256_file(vault_rows),
        },
    }
    save_arrays(activations, arrays, header)


def read_body(weights: Path) -> tuple[C3DBody, str, dict[str, Any]]:
    """The convolutions of a backbone or of a member of C3D-AVG, in evaluation mode.

    Returns:
        The body, its input's convention (a key of `preprocess.COLOURS`), and `body` (`backbone`, or the member's tasks) and
        `seed` (of a backbone its number).

    Raises:
        RescoreError: the file is missing, of another network, or its convolutions are not those that its header promises.
    """
    arrays, header = load_arrays(weights)
    parameters = header.get("parameters", {})
    backbone = parameters.get("backbone")
    if backbone is None or header.get("network", backbone["network"]) not in ("c3d", "c3d_avg"):
        raise RescoreError(
            f"{weights}: neither a C3D backbone nor a member of C3D-AVG. Linear probes need backbone.network c3d."
        )
    if header.get("network") == "c3d_avg":
        multitask = parameters["multitask"]
        body, prefix = C3DBody(multitask["width"]), "body."
        colour = input_colour(backbone) if multitask["body_weights"] == "backbone" else COLOUR
        about = {"body": header["tasks"], "seed": header["seed"]}
    else:
        body, prefix = C3DBody(backbone["width"], backbone["convolutions"]), ""
        colour, about = (
            input_colour(backbone),
            {"body": BACKBONE, "seed": header.get("training", 0)},
        )  # given weights name none
    given = {
        name.removeprefix(prefix): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(f"{prefix}conv")
    }
    problems = differences(body.state_dict(), given)
    raise_together(f"{weights}: not C3D's convolutions", problems, "run the step that writes the weights again.")
    body.load_state_dict(given)
    return body.eval().requires_grad_(False), colour, about


def read_dives(clips: Path, rows: Path, knobs: Mapping[str, Any]) -> Videos:
    """Every dive, with the frames that C3D-AVG reads at test: those of training without a shift, in whole clips."""
    samples = read_samples(rows)["sample"].astype(str).tolist()
    store = open_clips(clips, (len(samples), knobs["frames"] + 2 * knobs["shift"], knobs["crop"], knobs["crop"], 3))
    frames = knobs["shift"] + whole_clips(np.arange(0, knobs["frames"], knobs["step"]), "multitask.clips")
    return Videos(store, np.arange(len(samples)), samples, frames)


def read_vaults(clips: Path, rows: Path, settings: Mapping[str, Any]) -> Videos:
    """AQA-7's vaults, with every `multitask.clips.step`-th of the frames that the frozen features rest on, in whole clips."""
    table, backbone, crop = read_samples(rows), settings["backbone"], settings["clips"]["crop"]
    store = open_clips(clips, (len(table), settings["clips"]["frames"], crop, crop, 3))
    chosen = np.flatnonzero(table["action"] == VAULT)
    if not len(chosen):
        raise RescoreError(f"{rows}: no vaults (action {VAULT}). Check AQA-7's manifest and its dropped samples.")
    frames = np.arange(0, backbone["clips"] * backbone["clip_frames"], settings["multitask"]["clips"]["step"])
    frames = backbone["test_offset"] + whole_clips(frames, "backbone.clips")
    if frames[-1] >= store.shape[1]:
        raise RescoreError(
            f"frame {frames[-1]} is read of videos that have {store.shape[1]}. Lower backbone.test_offset or backbone.clips, "
            "or raise clips.frames."
        )
    return Videos(store, chosen, table["sample"].astype(str).to_numpy()[chosen].tolist(), frames)


def whole_clips(frames: np.ndarray, setting: str) -> np.ndarray:
    """The frames without those at the end that make no clip of 16.

    Raises:
        RescoreError: they make none.
    """
    if len(frames) < CLIP_FRAMES:
        raise RescoreError(
            f"{setting}: {len(frames)} frames are read of a video, and a clip has {CLIP_FRAMES}. Lower multitask.clips.step."
        )
    return frames[: len(frames) // CLIP_FRAMES * CLIP_FRAMES]


def read_samples(path: Path) -> pd.DataFrame:
    """A clip store's table with the columns read here."""
    table = read_table(path)
    missing = [name for name in ("sample", "action") if name not in table]
    raise_together(f"{path}: columns are missing", missing, "run the step that writes the clips again.")
    return table


def pooled_batches(
    body: C3DBody, videos: Videos, colour: str, device: torch.device, settings: Mapping[str, Any]
) -> Iterator[dict[str, np.ndarray]]:
    """By layer (c1 .. c5) the mean over clips of the pooled activations: (videos, channels, time, height, width) a batch."""
    clips = len(videos.frames) // CLIP_FRAMES
    at_once = max(1, settings["backbone"]["batch"] // clips)
    for first in tqdm(range(0, len(videos.rows), at_once), desc="activations", unit="batch", disable=None):
        batch = videos.store[
            videos.rows[first : first + at_once, None], videos.frames
        ]  # (N, clips x 16, crop, crop, 3)
        x = preprocess(torch.from_numpy(batch).to(device), colour)  # (N, 3, clips x 16, crop, crop)
        layers = pooled_layers(body, fold_clips(x, CLIP_FRAMES), settings["linear_probes"])  # (N x clips, ...) each
        yield {layer: pooled.unflatten(0, (-1, clips)).mean(1).cpu().numpy() for layer, pooled in layers.items()}


@torch.inference_mode()
def pooled_layers(body: C3DBody, clips: Tensor, probes: Mapping[str, Any]) -> dict[str, Tensor]:
    """Pooled activations of the five groups for a batch of clips (N, 3, 16, height, width), float32.

    Computed in float32, on CUDA in bfloat16; pooled as soon as a layer is there, so that one layer is held at a time.

    Returns:
        `c1` .. `c5`: (N, channels, time, height, width) of `grid_of` each layer.
    """
    pool, found = POOLINGS[probes["pooling"]], {}
    with torch.autocast(clips.device.type, torch.bfloat16, enabled=clips.device.type == "cuda"):
        for (_, convolved, _), group in zip(body.layers(clips), body.pool_after, strict=True):
            if group:
                grid = grid_of(tuple(convolved.shape[1:]), probes["width"], probes["time"])
                found[f"c{group}"] = pool(F.relu(convolved).float(), grid)
    return found


def grid_of(shape: Sequence[int], width: int, time: int) -> tuple[int, int, int]:
    """Time steps, rows and columns that a layer is pooled to, at most `width` values with its channels.

    `time` steps, or the layer's own where it has fewer, so that all layers keep alike much of time (conv5 of a 16-frame clip has
    two); then the largest square of places that fits, at most the layer's own. C3D at full size and 10 000: 64 x 2 x 8 x 8,
    128 x 2 x 6 x 6, 256 x 2 x 4 x 4, 512 x 2 x 3 x 3 twice, 8192 to 9216 values.

    Args:
        shape: channels, time, height, width of the layer.

    Raises:
        RescoreError: the channels alone are more than `width`.
    """
    channels, steps, height, across = shape
    steps = min(steps, time)
    side = int(np.sqrt(width / (channels * steps)))
    if side < 1:
        raise RescoreError(
            f"linear_probes.width is {width}, fewer than the {channels} channels of a layer at {steps} time steps. Raise it."
        )
    return steps, min(side, height), min(side, across)


def check_finite(values: np.ndarray, samples: Sequence[str], weights: Path) -> None:
    """Every sample with an activation that is not finite, or beyond float16's 65504, is an error."""
    bad = ~(np.abs(values.reshape(len(values), -1)) <= np.finfo(np.float16).max).all(axis=1)
    raise_together(
        f"{weights}: activations that are not finite",
        [samples[int(index)] for index in np.flatnonzero(bad)],
        "the weights do not belong to this input, or their training diverged: look at its learning curve.",
    )
