"""Poses: the joints of the athlete in the frames of a clip store, once for all systems that read poses."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from rescore.engine.storage import atomic_path, write_table
from rescore.features.extract import read_rows
from rescore.features.true_poses import clip_knobs, found_share, frame_numbers, real_frames
from rescore.models.device import choose_device, make_deterministic, reuse_memory
from rescore.models.keypoints import JOINTS, build_locator
from rescore.models.preprocess import open_clips


def estimate(
    clips: Path, rows: Path, weights: Path, poses: Path, poses_rows: Path, settings: dict[str, Any], dataset: str
) -> None:
    """Run the pose estimator over a clip store.

    Args:
        clips: uint8 .npy (sample, frame, crop, crop, 3) RGB.
        rows: its table.
        weights: safetensors of the estimator.
        poses: written; float32 .npy (sample, time, joint, 2): column and row in pixels of the store's frames, NaN where no joint
            was found and for the zero frames in front. Joints are `models.keypoints.JOINTS`, times `frame_numbers`.
        poses_rows: written; the rows again, with `found`: the share of joints located in the video's frames.
        settings: sections `clips`, `multitask.clips` and `poses` of params.yaml.
        dataset: aqa7 | mtl_aqa.

    Raises:
        RescoreError: inputs that do not fit together.
    """
    make_deterministic()
    reuse_memory()
    table, crop = read_rows(rows), int(clip_knobs(settings, dataset)["crop"])
    store = open_clips(clips, (len(table), None, crop, crop, 3))
    frames, real = frame_numbers(settings, dataset), real_frames(table, settings, dataset)
    locator = build_locator(settings, weights, choose_device())
    work, batch = np.argwhere(real), int(settings["poses"]["batch"])  # (pictures, 2): sample, time
    found = np.full((*real.shape, len(JOINTS), 2), np.nan, np.float32)
    with torch.inference_mode():
        for start in tqdm(range(0, len(work), batch), desc=f"poses of {dataset}", unit="batch", disable=None):
            samples, times = work[start : start + batch].T
            pictures = np.stack([store[row, frames[time]] for row, time in zip(samples, times, strict=True)])
            found[samples, times] = locator(pictures)
    with atomic_path(poses) as temporary:
        np.save(temporary, found)
    write_table(poses_rows, table.assign(found=found_share(found, real)))
