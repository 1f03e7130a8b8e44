"""Training of the small heat-map network, on frames of training samples whose true joints the synthetic athlete knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table, sha256_file
from rescore.features.true_poses import frame_numbers, real_frames
from rescore.models.device import choose_device, derived_seed, make_deterministic, reuse_memory
from rescore.models.keypoints import as_input, empty_network, joint_targets, log_probabilities, save_network
from rescore.models.preprocess import open_clips
from rescore.training.iterations import iterate
from rescore.training.schedule import stops
from rescore.training.telling import Clock


@dataclass(frozen=True)
class Pictures:
    """Frames of one data set's training samples, with the joints in them."""

    store: np.ndarray
    """uint8 (sample, frame, crop, crop, 3), a memory map."""
    poses: np.ndarray
    """(sample, time, 13, 2) pixels."""
    frames: np.ndarray
    """(time,) frame of the store."""
    work: np.ndarray
    """(pictures, 2): sample and time of each."""

    def batch(self, chosen: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        """Input (n, 3, crop, crop) and joints (n, 13, 2) of some pictures."""
        samples, times = self.work[chosen].T
        frames = np.stack([self.store[row, self.frames[time]] for row, time in zip(samples, times, strict=True)])
        return as_input(frames, device), torch.from_numpy(self.poses[samples, times]).to(device)


def train(
    weights: Path,
    settings: dict[str, Any],
    datasets: list[str],
    clips: list[Path],
    poses: list[Path],
    rows: list[Path],
    training: int,
    splits: Path | None = None,
) -> None:
    """Train the heat-map network.

    It sees frames of AQA-7's training samples and of the MTL-AQA dives that no training set tests or validates on.

    Args:
        weights: written; safetensors with a header.
        settings: sections `clips`, `multitask.clips` and `poses` of params.yaml.
        datasets: aqa7, mtl_aqa: those that are synthetic.
        clips, poses, rows: for each of them the clip store, the true poses and their rows.
        training: its number, the seed of all that is random in it.
        splits: `training_set, sample, split`; where mtl_aqa is among the data sets.

    Raises:
        RescoreError: no data set to learn from, or the loss is not finite.
    """
    make_deterministic()
    reuse_memory()
    if not datasets:
        raise RescoreError(
            "poses.estimator is heat_map, which learns from the synthetic athlete's true joints, and no source is synthetic. "
            "Set poses.estimator: keypoint_rcnn in params.yaml."
        )
    device, knobs = choose_device(), settings["poses"]["training"]
    table = read_table(splits) if splits else None
    sets = [read_pictures(*paths, settings, table) for paths in zip(datasets, clips, poses, rows, strict=True)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(training, "keypoints"))
        network = empty_network(settings).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    draw = np.random.default_rng(derived_seed(training, "keypoint pictures"))
    steps, clock = int(knobs["iterations"]), Clock("keypoints", "step", int(knobs["iterations"]))
    optimiser = torch.optim.Adam(network.parameters(), lr=knobs["learning_rate"], fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, knobs["learning_rate"], total_steps=max(steps, 10))
    sizes = np.array([len(pictures.work) for pictures in sets], float)
    network.train()

    def losses(step: int) -> Tensor:
        pictures = sets[int(draw.choice(len(sets), p=sizes / sizes.sum()))]
        frames, joints = pictures.batch(draw.integers(len(pictures.work), size=int(knobs["batch"])), device)
        logits = network(frames)
        wanted = joint_targets(joints, *logits.shape[-2:])
        return -(wanted * log_probabilities(logits)).sum(dim=2).mean()

    told = stops(steps, 50)
    for done, loss in iterate(optimiser, losses, range(steps), ["keypoints"], "lower poses.training.learning_rate."):
        schedule.step()
        if done in told:
            clock.say(done, loss=loss.item())
    data = {f"{name} poses": sha256_file(path) for name, path in zip(datasets, poses, strict=True)}
    save_network(weights, network, settings, data, training)


def read_pictures(
    dataset: str, clips: Path, poses: Path, rows: Path, settings: Mapping[str, Any], splits: pd.DataFrame | None
) -> Pictures:
    """The pictures of one data set's training samples.

    Raises:
        RescoreError: the files do not belong together, or no sample trains.
    """
    table = read_table(rows)
    store = open_clips(clips, (len(table), None, None, None, 3))
    true = np.load(poses, allow_pickle=False)
    frames = frame_numbers(settings, dataset)
    if true.shape[:2] != (len(table), len(frames)):
        raise RescoreError(
            f"{poses}: {true.shape[:2]} for {len(table)} samples of {len(frames)} frames. Make it again."
        )
    trains = training_samples(table, splits if dataset == "mtl_aqa" else None)
    work = np.argwhere(real_frames(table, settings, dataset) & trains[:, None])
    if not len(work):
        raise RescoreError(f"{rows}: no training sample to learn joints from. Check the splits.")
    return Pictures(store, true, frames, work)


def training_samples(table: pd.DataFrame, splits: pd.DataFrame | None) -> np.ndarray:
    """(sample,) which samples may be learnt from: by their own split, or, with a split table, those that are never held out."""
    if splits is None:
        return (table["split"] == "train").to_numpy()
    held_out = set(splits.loc[splits["split"] != "train", "sample"])
    return (table["sample"].isin(splits["sample"]) & ~table["sample"].isin(held_out)).to_numpy()
