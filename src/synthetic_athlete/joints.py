"""Steps: the true joints of the synthetic videos, computed again from the seed; no picture is drawn and no video is read.

They are what the renderer draws (`render.pixel_joints`), for the pose systems: to train the small keypoint network on training
samples, and to stand in for a pose estimator without error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.engine.storage import atomic_path, write_table
from synthetic_athlete.body import JOINTS
from synthetic_athlete.broadcasts import check_broadcast_settings, requests
from synthetic_athlete.generate import check_settings, make_all, performance_tasks, take_of
from synthetic_athlete.programme import sample_name
from synthetic_athlete.render import pixel_joints
from synthetic_athlete.shots import Request, shots
from synthetic_athlete.staging import Take

ATHLETES = 2
"""Most in a picture."""
Array = NDArray[np.float16]


@dataclass(frozen=True)
class Filmed:
    """The true joints of a sample."""

    sample: str
    first_frame: int
    """The video's frame that the first row shows."""
    joints: Array
    """(frames, 2, 17, 3): column and row in pixels, and 1 where the joint is not under water; NaN for a missing athlete."""


def write_aqa7(joints: Path, table: Path, settings: dict[str, Any], workers: int) -> None:
    """The true joints of the synthetic AQA-7, trampoline left out (no experiment reads it).

    Args:
        joints: .npy to write, float16 (frame, athlete, joint, 3): the samples' frames one after another; see `Filmed`.
        table: Parquet to write: `sample`, `first_row` and `frames` (its rows of `joints`), `first_frame` (of its video).
        settings: {"seed": int, "synthetic": section of params.yaml}.
        workers: processes.

    Raises:
        RescoreError: settings that no video can be made from, or a full disk.
    """
    check_settings(settings)
    tasks = [task for task in performance_tasks(Path("videos"), settings) if task.action in EXPERIMENT_ACTIONS]
    write(joints, table, make_all(film_performance, tasks, workers, "true joints"))


def write_mtl_aqa(joints: Path, table: Path, settings: dict[str, Any], workers: int) -> None:
    """The true joints of the synthetic MTL-AQA's dives, from before start_frame to behind end_frame; arguments as `write_aqa7`.

    Args:
        settings: as `write_aqa7`, and {"multitask": {"clips": {frames, shift}, "validation"}}.
    """
    check_broadcast_settings(settings)
    made = make_all(film_event, requests(settings), workers, "true joints")
    write(joints, table, [filmed for event in made for filmed in event])


def film_performance(task: Any) -> Filmed:
    """One sample of AQA-7: its video is the sample."""
    return Filmed(f"{task.action}/{task.index:03d}", 0, seen_joints(take_of(task)))


def film_event(request: Request) -> list[Filmed]:
    """The dives of one broadcast, with where each lies in it."""
    found, position = [], 0
    for shot in shots(request):
        if shot.dive:
            found.append(Filmed(sample_name(request.event, shot.dive), position, seen_joints(shot.take)))
        position += len(shot.take.joints)
    return found


def seen_joints(take: Take) -> Array:
    """(frames, 2, 17, 3) of a take; see `Filmed`."""
    frames, athletes = take.joints.shape[:2]
    joints = np.full((frames, ATHLETES, len(JOINTS), 3), np.nan, np.float16)
    joints[:, :athletes, :, :2] = pixel_joints(take)
    joints[:, :athletes, :, 2] = (take.joints[..., 1] > 0) | (
        not take.water
    )  # water is drawn over what lies below y = 0
    return joints


def write(joints: Path, table: Path, filmed: Sequence[Filmed]) -> None:
    """All samples' joints one after another, and the table that says where each begins."""
    lengths = np.array([len(each.joints) for each in filmed])
    rows: Mapping[str, Any] = {
        "sample": [each.sample for each in filmed],
        "first_row": np.cumsum(lengths) - lengths,
        "frames": lengths,
        "first_frame": [each.first_frame for each in filmed],
    }
    with atomic_path(joints) as temporary:
        np.save(temporary, np.concatenate([each.joints for each in filmed]))
    write_table(table, pd.DataFrame(rows))
