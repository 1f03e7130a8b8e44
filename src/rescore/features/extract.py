"""Features of every clip of a data set, computed once with the frozen backbone and reused by every experiment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, read_table, write_table
from rescore.models.backbones import build_backbone, input_colour
from rescore.models.c3d import C3D, C3DBody
from rescore.models.device import choose_device, make_deterministic, reuse_memory
from rescore.models.preprocess import open_clips, preprocess


def extract(
    clips: Path, rows: Path, weights: Path, features: Path, features_rows: Path, settings: dict[str, Any]
) -> None:
    """Run the backbone over a clip store.

    Every sample gets every temporal offset (copies of a video with one frame start difference, AQA-7, Sec. 5 Data Preparation):
    an official test sample is evaluated at `test_offset` alone, but fine-tuning draws its training samples from both splits.

    Args:
        clips: uint8 .npy (sample, frame, crop, crop, 3).
        rows: its table, with `sample` and `split`.
        weights: safetensors of the backbone.
        features: written; float16 .npy (sample, temporal offset, clip, feature width).
        features_rows: written; the rows again.
        settings: sections `clips` and `backbone` of params.yaml.

    Raises:
        RescoreError: inputs that do not fit together, or features that are not finite (every such sample is named).
    """
    backbone, crop = settings["backbone"], settings["clips"]["crop"]
    table = read_rows(rows)
    store = open_clips(clips, (len(table), None, crop, crop, 3))
    work = clip_positions(len(table), store.shape[1], backbone)
    values = compute(build_backbone(settings, weights), store, work, backbone)
    check_finite(values, work, table, clips)

    with atomic_path(features) as temporary:
        np.save(temporary, values.reshape(len(table), -1, backbone["clips"], values.shape[1]))
    write_table(features_rows, table)


def extract_dives(
    clips: Path, rows: Path, weights: Path, features: Path, features_rows: Path, settings: dict[str, Any]
) -> None:
    """Run the backbone over MTL-AQA's clip store, on the frames that C3D-AVG reads (MTL-AQA, Sec. 4.1).

    Every sample gets every start that C3D-AVG's training may draw: offset o begins o frames after the store does, and offset
    `shift` is the unshifted sample that testing reads.

    Args:
        clips: uint8 .npy (sample, frames + 2 shift, crop, crop, 3).
        rows: its table, with `sample` and `split`.
        weights: safetensors of the backbone.
        features: written; float16 .npy (sample, 2 shift + 1, clip, feature width): fc6, or flattened pool5 where the clips have
            another crop than the backbone's (`dive_network`).
        features_rows: written; the rows again.
        settings: sections `clips`, `backbone` and `multitask.clips` of params.yaml.

    Raises:
        RescoreError: inputs that do not fit together, or features that are not finite (every such sample is named).
    """
    backbone, dives = settings["backbone"], settings["multitask"]["clips"]
    table = read_rows(rows)
    store = open_clips(clips, (len(table), dives["frames"] + 2 * dives["shift"], dives["crop"], dives["crop"], 3))
    offsets, count = 2 * dives["shift"] + 1, dive_clips(dives, backbone["clip_frames"])
    work = np.argwhere(np.ones((len(table), offsets, count), bool))
    values = compute(dive_network(settings, weights), store, work, backbone, dives["step"])
    check_finite(values, work, table, clips)

    with atomic_path(features) as temporary:
        np.save(temporary, values.reshape(len(table), offsets, count, -1))
    write_table(features_rows, table)


def dive_clips(dives: Mapping[str, Any], clip_frames: int) -> int:
    """Clips of a dive: as many as the frames make of which every `step`-th is read; the last ones may belong to none.

    Raises:
        RescoreError: there is not one.
    """
    count = len(range(0, dives["frames"], dives["step"])) // clip_frames
    if not count:
        raise RescoreError(
            f"multitask.clips: {dives['frames']} frames of which each {dives['step']}th is read make no clip of {clip_frames}. "
            "Lower step."
        )
    return count


def dive_network(settings: Mapping[str, Any], weights: Path) -> nn.Module:
    """The frozen network for MTL-AQA's clips: (N, 3, clip_frames, crop, crop) -> (N, feature width).

    C3D's fc6 has learned the places of its own crop's pool5, so clips of another crop stop at pool5, flattened. Networks that
    average over places take any crop.
    """
    network = build_backbone(settings, weights)
    if isinstance(network, C3D) and settings["multitask"]["clips"]["crop"] != network.crop:
        return FlattenedBody(network)
    return network


class FlattenedBody(nn.Module):
    """A C3D up to pool5, flattened: (N, channels x frames // 16 x h x w)."""

    def __init__(self, network: C3D) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        return C3DBody.forward(self.network, clips).flatten(1)


def compute(
    network: nn.Module, store: np.ndarray, work: np.ndarray, backbone: Mapping[str, Any], step: int = 1
) -> np.ndarray:
    """Features (n, feature width) in float16 of the clips at these positions (n, 3), batch by batch; see `run_batch`."""
    make_deterministic()
    reuse_memory()
    device = choose_device()
    network = network.to(device)
    starts = tqdm(range(0, len(work), backbone["batch"]), desc="features", unit="batch", disable=None)
    return np.concatenate(
        [run_batch(network, store, work[i : i + backbone["batch"]], backbone, device, step) for i in starts]
    )


def read_rows(path: Path) -> pd.DataFrame:
    """The clip store's table, checked for what is read of it here."""
    table = read_table(path)
    missing = {"sample", "split"} - set(table.columns)
    if missing:
        raise RescoreError(f"{path}: no column {', '.join(sorted(missing))}. Run the step that writes the clips again.")
    if not len(table):
        raise RescoreError(f"{path}: no samples. Check the manifest and the list of dropped samples.")
    wrong = [f"{row.sample}: split {row.split!r}" for row in table.itertuples() if row.split not in ("train", "test")]
    raise_together(f"{path}: unknown splits", wrong, "a split is train or test; correct the manifest")
    return table


def clip_positions(samples: int, frames: int, backbone: Mapping[str, Any]) -> np.ndarray:
    """Which clips to run: (n, 3) of sample number, temporal offset, clip number; clip c of offset o starts at frame o + 16 c.

    Raises:
        RescoreError: the last clip of the largest offset would end after the last frame.
    """
    clips = backbone["clips"]
    offsets = max(backbone["temporal_offsets"], backbone["test_offset"] + 1)
    needed = offsets - 1 + clips * backbone["clip_frames"]
    if needed > frames:
        raise RescoreError(
            f"{clips} clips of {backbone['clip_frames']} frames at the largest start need {needed} frames, videos have {frames}. "
            "Lower backbone.temporal_offsets, test_offset or clips, or raise clips.frames."
        )
    return np.argwhere(np.ones((samples, offsets, clips), bool))


@torch.inference_mode()
def run_batch(
    network: nn.Module,
    store: np.ndarray,
    work: np.ndarray,
    backbone: Mapping[str, Any],
    device: torch.device,
    step: int = 1,
) -> np.ndarray:
    """Features (n, feature width) in float16 of the clips at these positions (n, 3). Computed in float32, on CUDA in bfloat16.

    A clip reads every `step`-th frame; clip c of offset o starts at frame o + step x 16 c.
    """
    length = backbone["clip_frames"] * step
    starts = work[:, 1] + length * work[:, 2]
    batch = np.stack([store[row, start : start + length : step] for row, start in zip(work[:, 0], starts, strict=True)])
    x = preprocess(torch.from_numpy(batch).to(device), input_colour(backbone))  # (n, 3, 16, crop, crop)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        y: Tensor = network(x)  # (n, feature width)
    return y.half().cpu().numpy()


def check_finite(values: np.ndarray, work: np.ndarray, table: pd.DataFrame, clips: Path) -> None:
    """Every sample with a feature that is not finite, or beyond float16's 65504, is an error."""
    bad = np.unique(work[~np.isfinite(values).all(axis=1), 0])
    names = [str(name) for name in table["sample"].iloc[bad]]
    raise_together(
        f"{clips}: features that are not finite",
        names,
        "the weights do not belong to this input: check backbone.weights and backbone.colour",
    )
