"""Features of every clip of a data set, computed once with the frozen backbone and reused by every experiment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from rescore.errors import RescoreError, raise_together
from rescore.models.backbones import build_backbone, input_colour
from rescore.models.device import choose_device, make_deterministic, reuse_memory
from rescore.models.preprocess import open_clips, preprocess
from rescore.storage import atomic_path, read_table, write_table


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
    make_deterministic()
    reuse_memory()
    device = choose_device()
    backbone, crop = settings["backbone"], settings["clips"]["crop"]
    table = read_rows(rows)
    store = open_clips(clips, (len(table), None, crop, crop, 3))
    work = clip_positions(len(table), store.shape[1], backbone)
    network = build_backbone(settings, weights).to(device)

    starts = tqdm(range(0, len(work), backbone["batch"]), desc="features", unit="batch", disable=None)
    blocks = [run_batch(network, store, work[i : i + backbone["batch"]], backbone, device) for i in starts]
    values = np.concatenate(blocks)  # (clips of all samples, feature width)
    check_finite(values, work, table, clips)

    with atomic_path(features) as temporary:
        np.save(temporary, values.reshape(len(table), -1, backbone["clips"], values.shape[1]))
    write_table(features_rows, table)


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
    network: nn.Module, store: np.ndarray, work: np.ndarray, backbone: Mapping[str, Any], device: torch.device
) -> np.ndarray:
    """Features (n, feature width) in float16 of the clips at these positions (n, 3). Computed in float32, on CUDA in bfloat16."""
    length = backbone["clip_frames"]
    starts = work[:, 1] + length * work[:, 2]
    batch = np.stack([store[row, start : start + length] for row, start in zip(work[:, 0], starts, strict=True)])
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
