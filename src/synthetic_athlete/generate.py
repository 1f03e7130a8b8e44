"""Step: write the synthetic videos, their index and their manifest.

Sample k of an action is a pure function of (seed, action, k, settings): labels and nuisances come from separate generators
seeded with these numbers, so neither the number of workers nor the order of work changes a byte.
"""

import functools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from rescore.actions import ACTIONS
from rescore.engine.errors import raise_together
from rescore.engine.processes import exit_with_parent
from rescore.engine.storage import atomic_path, sha256_file, write_table
from rescore.manifests.contract import POSITIONS, REAL, REQUIRED, ROTATION_TYPES, write_manifest
from synthetic_athlete.commentary import caption
from synthetic_athlete.dives import DiveClass
from synthetic_athlete.encode import video_format, write_video
from synthetic_athlete.judging import Performance, draw_performance
from synthetic_athlete.motions import CLASSES, stage_motion
from synthetic_athlete.render import pixel_joints, render
from synthetic_athlete.scenes import EVENTS
from synthetic_athlete.staging import Take, stage

Result = TypeVar("Result")
COUNTS = {
    "diving": (300, 70),
    "gymvault": (120, 56),
    "skiing": (120, 55),
    "snowboard": (140, 66),
    "sync_diving_3m": (60, 28),
    "sync_diving_10m": (63, 28),
    "trampoline": (60, 23),
}
"""Training and test samples of AQA-7's official lists; those leave trampoline out, its 83 are split in like proportion."""
LEAST = 4  # samples a split
LEAST_SIDE = 32  # pixels of a picture
LABELS, NUISANCES, PIXELS, SPLIT, EVENT, WORDS, MOTION = range(7)  # streams of the random generators
CODES = {action.name: number for number, action in enumerate(ACTIONS)}


@dataclass(frozen=True)
class Task:
    """One video to be made; what a worker needs and nothing more."""

    action: str
    """An action, or a class of motions."""
    index: int
    path: Path
    seed: int
    size: tuple[int, int]
    length: float
    frames: int = 0
    """Motions only."""


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings that no video can be made from; only those that are given, since steps are handed what they read.

    Raises:
        RescoreError: naming each bad setting.
    """
    synthetic = settings["synthetic"]
    width, height = synthetic.get("frame_size", (LEAST_SIDE, LEAST_SIDE))
    problems = []
    if any(value < LEAST_SIDE or value % 2 for value in (width, height)):  # a fraction is not even either
        problems.append(f"synthetic.frame_size: {width} x {height}; each must be even and at least {LEAST_SIDE} pixels")
    problems += [
        f"synthetic.{name}: {synthetic[name]}; must be above 0 and at most {most}"
        for name, most in (("samples", 1), ("trampoline_samples", 1), ("length", 4))
        if not 0 < synthetic.get(name, most) <= most
    ]
    problems += [
        f"synthetic.{name}: {synthetic[name]}; must be a whole number of at least {least}"
        for name, least in (("motions_per_class", 2), ("motion_frames", 16))
        if (value := synthetic.get(name, least)) < least or value != int(value)
    ]
    if not isinstance(settings["seed"], int) or settings["seed"] < 0:
        problems.append(f"seed: {settings['seed']}; must be a whole number of at least 0")
    raise_together("Settings that no synthetic video can be made from", problems, "change them in params.yaml")


def counts(action: str, synthetic: Mapping[str, Any]) -> tuple[int, int]:
    """Training and test samples of an action at these settings."""
    share = synthetic["trampoline_samples"] if action == "trampoline" else synthetic["samples"]
    train, test = (max(LEAST, round(number * share)) for number in COUNTS[action])
    return train, test


def splits(action: str, synthetic: Mapping[str, Any], seed: int) -> NDArray[np.bool_]:
    """For each sample of an action: is it a training sample? A seeded permutation, so that split and number are unrelated."""
    train, test = counts(action, synthetic)
    order = np.random.default_rng([seed, SPLIT, CODES[action]]).permutation(train + test)
    return np.asarray(order < train)


def label(action: str, index: int, seed: int) -> Performance:
    """What sample `index` of an action performs, and its score."""
    return draw_performance(action, np.random.default_rng([seed, LABELS, CODES[action], index]))


def event_of(action: str, index: int, seed: int) -> int:
    """The event that a sample belongs to, drawn apart from its label."""
    return int(np.random.default_rng([seed, EVENT, CODES[action], index]).integers(EVENTS[action]))


def take_of(task: Task) -> Take:
    """The staged performance of a task."""
    if task.frames:
        generator = np.random.default_rng([task.seed, MOTION, CLASSES.index(task.action), task.index])
        return stage_motion(task.action, task.seed, task.frames, task.size, generator)
    generator = np.random.default_rng([task.seed, NUISANCES, CODES[task.action], task.index])
    event = event_of(task.action, task.index, task.seed)
    return stage(label(task.action, task.index, task.seed), event, task.seed, task.length, task.size, generator)


def frames_of(task: Task, take: Take) -> Iterator[NDArray[np.uint8]]:
    """The frames of a task's video, as they go into the encoder."""
    code = 100 + CLASSES.index(task.action) if task.frames else CODES[task.action]
    return render(take, np.random.default_rng([task.seed, PIXELS, code, task.index]))


def make_video(task: Task) -> dict[str, Any]:
    """Write one video; return its index entry, its number of frames and, for performances, its joints in pixels."""
    cv2.setNumThreads(1)  # the workers are the parallelism
    take = take_of(task)
    write_video(task.path, frames_of(task, take), take.rate, video_format(task.index), task.size)
    return {
        "video": task.path.as_posix(),
        "bytes": task.path.stat().st_size,
        "sha256": sha256_file(task.path),
        "frames": len(take.joints),
        "joints": None if task.frames else pixel_joints(take).astype(np.float16),
    }


def make_all(function: Callable[[Any], Result], tasks: Sequence[Any], workers: int, title: str) -> list[Result]:
    """`function` of every task, in `workers` processes; results in the tasks' order."""
    progress = functools.partial(tqdm, total=len(tasks), desc=title, unit="video", disable=None)  # None: not in a pipe
    if workers <= 1:
        return list(progress(map(function, tasks)))
    # Spawned, not forked: forking a process that has threads can deadlock.
    context = multiprocessing.get_context("spawn")
    chunk = max(1, min(8, len(tasks) // (8 * workers)))  # few large tasks one by one, many small ones in batches
    with ProcessPoolExecutor(workers, mp_context=context, initializer=exit_with_parent) as pool:
        return list(progress(pool.map(function, tasks, chunksize=chunk)))


def make_videos(index: Path, manifest: Path, directory: Path, settings: dict[str, Any], workers: int) -> None:
    """Write the synthetic AQA-7: videos under `directory`/<action>/NNN.<suffix>, their index and their manifest.

    Beside each action's videos lies `joints.npz`: for each sample number the true joints, float16 (frames, athletes, 17, 2)
    pixels, column and row, and `elements.csv`: the quality elements that the scores follow from.

    Args:
        index: CSV to write: video, bytes, sha256.
        manifest: Parquet to write; columns as in docs/design.md.
        settings: {"seed": int, "synthetic": section of params.yaml}.
        workers: processes.

    Raises:
        RescoreError: settings that no video can be made from, or a full disk.
    """
    check_settings(settings)
    tasks = performance_tasks(directory, settings)
    entries = make_all(make_video, tasks, workers, "synthetic athlete")
    for action in COUNTS:
        chosen = [(task, entry) for task, entry in zip(tasks, entries, strict=True) if task.action == action]
        write_joints(
            directory / action / "joints.npz", {f"{task.index:03d}": entry["joints"] for task, entry in chosen}
        )
        write_table(directory / action / "elements.csv", element_table([task for task, _ in chosen]))
    rows = [performance_row(task, entry, settings) for task, entry in zip(tasks, entries, strict=True)]
    write_outputs(index, manifest, entries, rows)


def performance_tasks(directory: Path, settings: Mapping[str, Any]) -> list[Task]:
    """One task a sample, in the order of actions and sample numbers; numbers start at 1, as AQA-7's do."""
    synthetic = settings["synthetic"]
    length = float(synthetic["length"])
    return [
        Task(action, number, video_path(directory, action, number), settings["seed"], frame_size(synthetic), length)
        for action in COUNTS
        for number in range(1, sum(counts(action, synthetic)) + 1)
    ]


def video_path(directory: Path, action: str, number: int) -> Path:
    return directory / action / f"{number:03d}{video_format(number).suffix}"


def frame_size(synthetic: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height, pixels."""
    width, height = synthetic["frame_size"]
    return int(width), int(height)


def performance_row(task: Task, entry: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A sample's row of the manifest."""
    performance = label(task.action, task.index, task.seed)
    words = np.random.default_rng([task.seed, WORDS, CODES[task.action], task.index])
    training = splits(task.action, settings["synthetic"], task.seed)[task.index - 1]
    return {
        "dataset": "synthetic_aqa7",
        "sample": f"{task.action}/{task.index:03d}",
        "action": task.action,
        "split": "train" if training else "test",
        "video": entry["video"],
        "start_frame": 0,
        "end_frame": entry["frames"] - 1,
        "score": performance.score,
        "difficulty": performance.difficulty,
        **dive_columns(performance.dive),
        "caption": caption(performance, words),
        "execution": performance.execution,
        "event": f"{task.action}-{event_of(task.action, task.index, task.seed)}",
        "observer": performance.observer,
    }


def dive_columns(dive: DiveClass | None) -> dict[str, Any]:
    """The dive class as the manifest has it, nothing for other actions."""
    if dive is None:
        return {}
    return {
        "position": POSITIONS[dive.position],
        "armstand": bool(dive.armstand),
        "rotation_type": ROTATION_TYPES[dive.rotation_type],
        "somersaults": dive.somersaults / 2,
        "twists": dive.twists / 2,
    }


def element_table(tasks: Iterable[Task]) -> pd.DataFrame:
    """Quality elements, a row for each athlete (trampoline: for each skill) of each sample, with what else the rule needs."""
    rows = []
    for task in tasks:
        performance = label(task.action, task.index, task.seed)
        parts = performance.skills or performance.athletes
        for number, elements in enumerate(parts):
            trick = performance.tricks[number if performance.skills else 0].__dict__ if performance.tricks else {}
            rows.append({"sample": f"{task.action}/{task.index:03d}", "part": number, **elements, **trick})
    return pd.DataFrame(rows)


def write_joints(path: Path, joints: Mapping[str, NDArray[np.float16]]) -> None:
    """Arrays by sample number in one uncompressed .npz, without time stamps."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **joints)


def make_motions(index: Path, manifest: Path, directory: Path, settings: dict[str, Any], workers: int) -> None:
    """Write the labelled motions for pre-training; `action` holds the class, scores are empty. Arguments as make_videos."""
    check_settings(settings)
    synthetic = settings["synthetic"]
    seed, size = settings["seed"], frame_size(synthetic)
    amount, frames = int(synthetic["motions_per_class"]), int(synthetic["motion_frames"])
    tasks = [
        Task(name, number, video_path(directory, name, number), seed, size, 1.0, frames)
        for name in CLASSES
        for number in range(1, amount + 1)
    ]
    entries = make_all(make_video, tasks, workers, "labelled motions")
    rows = [motion_row(task, entry, amount) for task, entry in zip(tasks, entries, strict=True)]
    write_outputs(index, manifest, entries, rows, scored=False)


def motion_row(task: Task, entry: Mapping[str, Any], amount: int) -> dict[str, Any]:
    """A motion's row: the last fifth of a class, at least one video, is its test set (videos are drawn independently)."""
    test = task.index > amount - max(1, round(0.2 * amount))
    return {
        "dataset": "synthetic_motions",
        "sample": f"{task.action}/{task.index:03d}",
        "action": task.action,
        "split": "test" if test else "train",
        "video": entry["video"],
        "start_frame": 0,
        "end_frame": entry["frames"] - 1,
    }


def write_outputs(
    index: Path, manifest: Path, entries: list[dict[str, Any]], rows: list[dict[str, Any]], scored: bool = True
) -> None:
    """Index of video files and manifest; the manifest last, since its presence says that all is there."""
    write_table(index, pd.DataFrame(entries)[["video", "bytes", "sha256"]])
    table = pd.DataFrame(rows)
    empty = {name: np.nan for name, kind in REQUIRED.items() if kind == REAL and name not in table}
    write_manifest(manifest, table.assign(**empty), scored)
