"""Activations of C3D's five groups of convolutions, pooled: what linear probes read (What and How Well You Performed?, 5.2).

    clip ─► conv1 ─► conv2 ─► conv3a, b ─► conv4a, b ─► conv5a, b    one pass over the videos gives all five
              c1       c2           c3           c4           c5     each group's last convolution, after ReLU, before the pooling
              └────────┴────────────┴────────────┴────────────┘
                 adaptive pooling, mean over the video's clips

The paper follows Zhang et al. (Colorful Image Colorization, ECCV 2016; Split-Brain Autoencoders, CVPR 2017), who bring every
layer to nearly the same number of values, at most 10 000, so that no layer wins by its size. Theirs are images; what happens to
time is decided here (`grid_of`). The bodies have convolutions alone, so a body reads frames of any size.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from rescore.errors import RescoreError, raise_together
from rescore.models.backbones import input_colour
from rescore.models.c3d import C3DBody
from rescore.models.c3d_avg import fold_clips
from rescore.models.device import choose_device, make_deterministic, reuse_memory
from rescore.models.preprocess import open_clips, preprocess
from rescore.models.state_dicts import differences
from rescore.provenance import code_hash
from rescore.storage import load_arrays, read_table, save_arrays, sha256_file

DIVES, VAULTS = "dives", "vaults"
VAULT = "gymvault"
BACKBONE = "backbone"
CLIP_FRAMES = 16
COLOUR = "rgb_imagenet"  # of bodies that do not start from the backbone's weights
POOLINGS = {"average": F.adaptive_avg_pool3d, "maximum": F.adaptive_max_pool3d}


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
            header names body, seed and samples.
        settings: sections `clips`, `backbone`, `multitask.clips` and `linear_probes` of params.yaml.

    Raises:
        RescoreError: weights without C3D's convolutions, a store that does not fit its table or the settings, no vaults, or
            activations that are not finite (every such sample is named).
    """
    make_deterministic()
    reuse_memory()
    device = choose_device()
    body, colour, about = read_body(weights)
    body = body.to(device, memory_format=torch.channels_last_3d)
    knobs = settings["multitask"]["clips"]
    frames = {DIVES: dive_frames(knobs), VAULTS: vault_frames(settings["backbone"], knobs["step"])}
    tables = {DIVES: read_samples(dive_rows), VAULTS: read_samples(vault_rows)}
    stores = {
        DIVES: open_clips(
            dive_clips, (len(tables[DIVES]), knobs["frames"] + 2 * knobs["shift"], *[knobs["crop"]] * 2, 3)
        ),
        VAULTS: open_clips(
            vault_clips, (len(tables[VAULTS]), settings["clips"]["frames"], *[settings["clips"]["crop"]] * 2, 3)
        ),
    }
    chosen = {DIVES: np.arange(len(tables[DIVES])), VAULTS: np.flatnonzero(tables[VAULTS]["action"] == VAULT)}
    if not len(chosen[VAULTS]):
        raise RescoreError(f"{vault_rows}: no vaults (action {VAULT}). Check AQA-7's manifest and its dropped samples.")
    arrays, grids = {}, {}
    for dataset, rows in chosen.items():
        samples = tables[dataset]["sample"].astype(str).to_numpy()[rows]
        parts = list(
            pooled_batches(
                body, stores[dataset], rows, frames[dataset], colour, device, settings, f"{about['body']}, {dataset}"
            )
        )
        for layer in parts[0]:
            values = np.concatenate([part[layer] for part in parts])  # (samples, channels, time, height, width)
            check_finite(values, samples, weights)
            grids[f"{dataset}.{layer}"] = list(values.shape[1:])
            arrays[f"{dataset}.{layer}"] = values.reshape(len(values), -1).astype(np.float16)
    header = {
        "what": "pooled activations of C3D's convolutions",
        **about,
        "samples": {
            name: tables[name]["sample"].astype(str).to_numpy()[rows].tolist() for name, rows in chosen.items()
        },
        "grids": grids,
        "parameters": settings,
        "code": code_hash(__name__),
        "data": {path.name: sha256_file(path) for path in (weights, dive_rows, vault_rows)},
    }
    save_arrays(activations, arrays, header)


def read_body(weights: Path) -> tuple[C3DBody, str, dict[str, Any]]:
    """The convolutions of a backbone or of a member of C3D-AVG, in evaluation mode.

    Returns:
        The body, its input's convention (a key of `preprocess.COLOURS`), and `body` (`backbone`, or the member's tasks) and
        `seed`.

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
        colour, about = input_colour(backbone), {"body": BACKBONE, "seed": 0}
    given = {
        name.removeprefix(prefix): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(f"{prefix}conv")
    }
    problems = differences(body.state_dict(), given)
    raise_together(f"{weights}: not C3D's convolutions", problems, "run the step that writes the weights again.")
    body.load_state_dict(given)
    return body.eval().requires_grad_(False), colour, about


def dive_frames(clips: Mapping[str, Any]) -> np.ndarray:
    """Which frames of the store C3D-AVG reads at test, in whole clips: those of training without a shift."""
    return clips["shift"] + whole_clips(np.arange(0, clips["frames"], clips["step"]), "multitask.clips")


def vault_frames(backbone: Mapping[str, Any], step: int) -> np.ndarray:
    """Which frames of AQA-7's store are read, in whole clips: every `step`-th of those that the frozen features rest on."""
    frames = np.arange(0, backbone["clips"] * backbone["clip_frames"], step)
    return backbone["test_offset"] + whole_clips(frames, "backbone.clips")


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
    body: C3DBody,
    store: np.ndarray,
    rows: np.ndarray,
    frames: np.ndarray,
    colour: str,
    device: torch.device,
    settings: Mapping[str, Any],
    title: str,
) -> Iterator[dict[str, np.ndarray]]:
    """By layer (c1 .. c5) the pooled activations (videos, channels, time, height, width) of some videos after another.

    Args:
        store: uint8 (samples, frames, crop, crop, 3).
        rows: samples of the store, in the order wanted.
        frames: (clips x 16,) frames of a video.
    """
    if frames[-1] >= store.shape[1]:
        raise RescoreError(
            f"frame {frames[-1]} is read of videos that have {store.shape[1]}. Lower backbone.test_offset or backbone.clips, or "
            "raise clips.frames."
        )
    clips = len(frames) // CLIP_FRAMES
    videos = max(1, settings["backbone"]["batch"] // clips)
    for first in tqdm(range(0, len(rows), videos), desc=title, unit="batch", disable=None):
        batch = store[rows[first : first + videos, None], frames]  # (videos, clips x 16, crop, crop, 3)
        x = preprocess(torch.from_numpy(batch).to(device), colour)  # (videos, 3, clips x 16, crop, crop)
        x = fold_clips(x, CLIP_FRAMES)  # (videos x clips, 3, 16, crop, crop)
        yield {
            layer: pooled.unflatten(0, (-1, clips)).mean(1).cpu().numpy()
            for layer, pooled in pooled_layers(body, x, settings["linear_probes"]).items()
        }


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


def check_finite(values: np.ndarray, samples: np.ndarray, weights: Path) -> None:
    """Every sample with an activation that is not finite, or beyond float16's 65504, is an error."""
    bad = ~(np.abs(values.reshape(len(values), -1)) <= np.finfo(np.float16).max).all(axis=1)
    raise_together(
        f"{weights}: activations that are not finite",
        [str(name) for name in samples[bad]],
        "the weights do not belong to this input, or their training diverged: look at its learning curve.",
    )
