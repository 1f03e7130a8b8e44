"""The synthetic athlete's true joints, put where they lie in the frames of a clip store: what a perfect pose estimator sees.

No framework is imported.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, read_table, write_table
from synthetic_athlete.body import INDEX

LIMBS = ("shoulder", "elbow", "hand", "hip", "knee", "ankle")
POSE = [INDEX["head"], *(INDEX[f"{side}_{limb}"] for side in ("left", "right") for limb in LIMBS)]
"""The thirteen joints of `models.keypoints.JOINTS` among the body's seventeen."""
WITHIN = 2.0
"""Pixels of the clip store's frame within which `compare` counts a joint as found."""


def clip_knobs(settings: Mapping[str, Any], dataset: str) -> Mapping[str, Any]:
    """The section of params.yaml that a data set's clip store was cut by."""
    return settings["multitask"]["clips"] if dataset == "mtl_aqa" else settings["clips"]


def frame_numbers(settings: Mapping[str, Any], dataset: str) -> np.ndarray:
    """Frames of a clip store's row whose pose is looked at: every `poses.every`-th, of MTL-AQA without the shift's."""
    knobs = clip_knobs(settings, dataset)
    first = int(knobs["shift"]) if dataset == "mtl_aqa" else 0
    return np.arange(first, first + int(knobs["frames"]), int(settings["poses"]["every"]))


def real_frames(rows: pd.DataFrame, settings: Mapping[str, Any], dataset: str) -> np.ndarray:
    """(sample, time) whether a looked-at frame is of the video, not one of the zero frames in front."""
    return frame_numbers(settings, dataset)[None, :] >= rows["padding"].to_numpy()[:, None]


def first_frames(rows: pd.DataFrame, settings: Mapping[str, Any], dataset: str) -> np.ndarray:
    """The video's frame that frame 0 of each sample's row shows; negative where zero frames stand in front."""
    knobs = clip_knobs(settings, dataset)
    start, end = (rows[name].to_numpy(np.int64) for name in ("start_frame", "end_frame"))
    length = int(knobs["frames"])
    if dataset == "mtl_aqa":
        shift = int(knobs["shift"])
        return start - shift if knobs["window"] == "start" else end - length - shift + 1
    long = end - start + 1 >= length
    return np.where(long & (knobs["long_videos"] == "first"), start, end - length + 1)


def write_true_poses(
    joints: Path, table: Path, rows: Path, poses: Path, poses_rows: Path, settings: dict[str, Any], dataset: str
) -> None:
    """The true poses of a clip store's samples, in the form of `features.poses.estimate`.

    A joint outside the store's crop or under water is NaN, as it would be for an estimator that never errs. Of two athletes
    it is the one nearer to the camera.

    Args:
        joints, table: of `synthetic_athlete.joints`.
        rows: the clip store's table.
        poses: written; float32 .npy (sample, time, joint, 2), column and row in pixels of the store's frames.
        poses_rows: written; the rows again, with `found`: the share of joints in the video's frames that are not NaN.
        settings: sections `synthetic.frame_size`, `clips`, `multitask.clips` and `poses` of params.yaml.
        dataset: aqa7 | mtl_aqa.

    Raises:
        RescoreError: samples without true joints, or whose frames lie outside them: all together.
    """
    samples, where = read_table(rows), read_table(table).set_index("sample")
    lost = [f"{name}: no true joints" for name in samples["sample"] if name not in where.index]
    raise_together(f"{table}: samples are missing", lost, "run the step that writes the true joints again.")
    filmed = np.load(joints, mmap_mode="r", allow_pickle=False)
    taken = first_frames(samples, settings, dataset)[:, None] + frame_numbers(settings, dataset)  # (sample, time)
    real = real_frames(samples, settings, dataset)
    found = np.full((*taken.shape, len(POSE), 2), np.nan, np.float32)
    for number, name in enumerate(samples["sample"]):
        place = where.loc[name]
        frames = taken[number, real[number]] - int(place["first_frame"])
        if len(frames) and (frames[0] < 0 or frames[-1] >= place["frames"]):
            raise RescoreError(f"{rows}: {name} reaches beyond its true joints in {joints}. Make both again.")
        body = filmed[int(place["first_row"]) + frames, 0][:, POSE]  # (time, 13, 3)
        found[number, real[number]] = in_clip(body, settings, dataset)
    with atomic_path(poses) as temporary:
        np.save(temporary, found)
    write_table(poses_rows, samples.assign(found=found_share(found, real)))


def in_clip(body: np.ndarray, settings: Mapping[str, Any], dataset: str) -> np.ndarray:
    """Joints (..., 3) of the video's frame (pixels, visible) as pixels (..., 2) of the cropped one, NaN where unseen."""
    knobs = clip_knobs(settings, dataset)
    resize, crop = np.array(knobs["resize"]), int(knobs["crop"])
    ratio, margin = resize / np.array(settings["synthetic"]["frame_size"], float), (resize - crop) // 2
    # Pixel centres keep their place when a picture is scaled.
    pixels = (body[..., :2].astype(np.float64) + 0.5) * ratio - 0.5 - margin
    inside = ((pixels > -0.5) & (pixels < crop - 0.5)).all(axis=-1) & (body[..., 2] > 0)
    return np.where(inside[..., None], pixels, np.nan).astype(np.float32)


def found_share(poses: np.ndarray, real: np.ndarray) -> np.ndarray:
    """(sample,) share of joints that are known, in the frames that are the video's."""
    known = np.isfinite(poses).all(axis=-1).mean(axis=-1) * real  # (sample, time)
    return known.sum(axis=1) / np.maximum(real.sum(axis=1), 1)


def compare(estimated: list[Path], true: list[Path], rows: list[Path], accuracy: Path) -> None:
    """How far the estimator is from the truth on test samples, by data set and action.

    Args:
        estimated, true, rows: poses and their rows, one file each a data set, in the same order.
        accuracy: CSV to write: `dataset, action, samples, joints` (visible ones), `missed` (share of them not found),
            `median_pixels` (error of the found ones), `within_2_pixels` (share of the visible ones found that near).
    """
    lines = []
    for paths in zip(estimated, true, rows, strict=True):
        guess, truth = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths[:2])
        table = read_table(paths[2])
        for (dataset, action), group in table[table["split"] == "test"].groupby(["dataset", "action"]):
            error = np.linalg.norm(guess[group.index] - truth[group.index], axis=-1)
            visible = np.isfinite(truth[group.index]).all(axis=-1)
            lines.append(
                {
                    "dataset": dataset,
                    "action": action,
                    "samples": len(group),
                    "joints": int(visible.sum()),
                    "missed": float(np.isnan(error[visible]).mean()),
                    "median_pixels": float(np.nanmedian(error[visible]))
                    if np.isfinite(error[visible]).any()
                    else np.nan,
                    "within_2_pixels": float((error[visible] <= WITHIN).mean()),
                }
            )
    write_table(accuracy, pd.DataFrame(lines))
