"""The clip store: every video decoded once, as uint8, so that reading one is a slice of a memory map.

manifest row ─► worker: decode, resize, crop, normalise ─► its own row of one .npy (memory map, shared by all workers)
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.clips.decode import check_keep, check_sizes, normalise_length, read_frames
from rescore.clips.pool import Outcome, run_tasks
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, write_table
from rescore.manifests.contract import read_manifest, select_actions


@dataclass(frozen=True)
class Job:
    """What a worker needs for one sample."""

    store: str
    row: int
    """First row of the store that this sample fills."""
    video: str
    start: int
    end: int | None
    """Inclusive; None: to the last frame."""
    resize: tuple[int, int]
    crop: int
    length: int
    """Frames of one row."""
    keep: str
    windows: int = 1
    """Rows this sample fills."""


def read_sample(job: Job) -> np.ndarray:
    """The sample's own frames: (frames, crop, crop, 3).

    Raises:
        RescoreError: see `read_frames`; or the video has fewer frames than the manifest says. More are allowed, because a
            sample may be a part of its video.
    """
    frames = read_frames(Path(job.video), job.resize, job.crop)
    if job.end is not None and job.end >= len(frames):
        raise RescoreError(f"{job.video}: {len(frames)} frames where the manifest's sample ends at frame {job.end}")
    if job.start >= len(frames):
        raise RescoreError(f"{job.video}: {len(frames)} frames where the manifest's sample starts at frame {job.start}")
    return frames[job.start : None if job.end is None else job.end + 1]


def fill_clip(job: Job) -> list[dict[str, int]]:
    """Decode a sample into its row; return its `frames` and `padding`."""
    frames = read_sample(job)
    clip, padding = normalise_length(frames, job.length, job.keep)
    np.load(job.store, mmap_mode="r+")[job.row] = clip
    return [{"frames": len(frames), "padding": padding}]


def window_starts(frames: int, length: int, windows: int) -> list[int]:
    """Where evenly spread windows begin: the first at frame 0, the last ending with the video; all 0 in a shorter video."""
    return np.linspace(0, max(0, frames - length), windows).round().astype(int).tolist()


def fill_windows(job: Job) -> list[dict[str, int]]:
    """Decode a video into its windows' rows; return `frames`, `padding`, `window` and `window_start` of each."""
    frames = read_sample(job)
    store = np.load(job.store, mmap_mode="r+")
    rows = []
    for window, start in enumerate(window_starts(len(frames), job.length, job.windows)):
        store[job.row + window], padding = normalise_length(frames[start : start + job.length], job.length, "first")
        rows.append({"frames": len(frames), "padding": padding, "window": window, "window_start": start})
    return rows


def check_space(path: Path, shape: Sequence[int]) -> None:
    """Refuse before the first byte what the disk cannot hold.

    Raises:
        RescoreError: the disk of `path` has less free than a uint8 array of this shape needs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    needed, free = int(np.prod([float(size) for size in shape])), shutil.disk_usage(path.parent).free
    if needed > free:
        raise RescoreError(
            f"{path}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free. Free space, or make the clips "
            "smaller (clips.crop, clips.frames) in params.yaml."
        )


def make_jobs(manifest: pd.DataFrame, store: Path, clips: dict[str, Any], length: int, windows: int) -> list[Job]:
    resize, crop = frame_sizes(clips)
    return [
        Job(
            store=str(store),
            row=position * windows,
            video=row["video"],
            start=int(row["start_frame"]),
            end=None if pd.isna(row["end_frame"]) else int(row["end_frame"]),
            resize=resize,
            crop=crop,
            length=length,
            keep=clips["long_videos"],
            windows=windows,
        )
        for position, row in enumerate(manifest.to_dict("records"))
    ]


def frame_sizes(clips: Mapping[str, Any], prefix: str = "") -> tuple[tuple[int, int], int]:
    """`resize` (width, height) and `crop` of the settings, or those with a prefix."""
    width, height = clips[f"{prefix}resize"]
    return (int(width), int(height)), int(clips[f"{prefix}crop"])


def check_settings(clips: dict[str, Any]) -> None:
    """Refuse before the first video what would fail after the last.

    Raises:
        RescoreError: naming the parameter.
    """
    resize, crop = frame_sizes(clips)
    check_sizes(resize, crop, 1)
    check_keep(clips["long_videos"])
    check_policy(clips["on_bad_video"])


def check_policy(policy: str) -> None:
    """Refuse a word for `clips.on_bad_video` that is none.

    Raises:
        RescoreError: naming the parameter.
    """
    if policy not in ("fail", "drop"):
        raise RescoreError(f"clips.on_bad_video is {policy!r}; it is `fail` or `drop`. Correct params.yaml.")


def dropped_rows(manifest: pd.DataFrame, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """`sample, video, reason` of the samples without a clip."""
    lost = [
        (row.sample, row.video, outcome.reason)
        for row, outcome in zip(manifest.itertuples(index=False), outcomes, strict=True)
        if outcome.reason is not None
    ]
    return pd.DataFrame(lost, columns=["sample", "video", "reason"])


def handle_bad_videos(lost: pd.DataFrame, total: int, policy: str, manifest: Path) -> None:
    """Stop on bad videos under `fail`; under `drop` go on, unless nothing is left.

    Raises:
        RescoreError: all bad videos together.
    """
    if policy == "fail" or len(lost) == total:
        reasons = [f"{row.sample}: {in_one(str(row.video), str(row.reason))}" for row in lost.itertuples(index=False)]
        raise_together(
            f"{manifest}: videos that give no clip",
            reasons,
            "replace the files, or set clips.on_bad_video: drop in params.yaml to go on without these samples "
            "(they are then listed in the results).",
        )


def in_one(video: str, reason: str) -> str:
    """The reason with the video's name in front, once."""
    return reason if reason.startswith(video) else f"{video}: {reason}"


def allocate(store: Path, shape: Sequence[int]) -> None:
    """Make a .npy of zeros and take its disk space now: a worker that writes to a map without space behind it is killed."""
    np.lib.format.open_memmap(store, mode="w+", dtype=np.uint8, shape=tuple(shape)).flush()
    if hasattr(os, "posix_fallocate"):
        with store.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, store.stat().st_size)


def keep_rows(store: Path, kept: np.ndarray) -> None:
    """Replace a store by one of these rows, copied one at a time, so that memory stays small."""
    source = np.load(store, mmap_mode="r")
    shape = (len(kept), *source.shape[1:])
    check_space(store, shape)
    with atomic_path(store) as smaller:
        allocate(smaller, shape)
        target = np.load(smaller, mmap_mode="r+")
        for position, row in enumerate(kept):
            target[position] = source[row]


def write_store(
    manifest: Path,
    samples: pd.DataFrame,
    outputs: tuple[Path, Path, Path],
    clips: dict[str, Any],
    fill: Callable[[Job], list[dict[str, int]]],
    length: int,
    windows: int,
    workers: int,
) -> None:
    """Decode `samples` into a store and its tables; see `write_clips` and `write_windows`."""
    store, rows, dropped = outputs
    check_settings(clips)
    crop = int(clips["crop"])
    shape = (len(samples) * windows, length, crop, crop, 3)
    check_space(store, shape)
    with atomic_path(store) as temporary:
        allocate(temporary, shape)
        jobs = make_jobs(samples, temporary, clips, length, windows)
        outcomes = run_tasks(fill, jobs, workers, store.stem)
        lost = dropped_rows(samples, outcomes)
        handle_bad_videos(lost, len(samples), str(clips["on_bad_video"]), manifest)
        kept = np.flatnonzero([outcome.reason is None for outcome in outcomes])
        if len(lost):
            keep_rows(temporary, (kept[:, None] * windows + np.arange(windows)).ravel())
        measured = pd.DataFrame([row for index in kept for row in outcomes[index].result])
        table = samples.iloc[np.repeat(kept, windows)].reset_index(drop=True)
        write_table(rows, pd.concat([table, measured], axis=1))
        write_table(dropped, lost)
        say_padding(table, measured)


def say_padding(table: pd.DataFrame, measured: pd.DataFrame) -> None:
    """Print which samples are more zero frames than video."""
    most = table[["sample", "video"]].assign(frames=measured["frames"], padding=measured["padding"])
    most = most[most["padding"] > most["frames"]].drop_duplicates("sample")
    for row in most.itertuples(index=False):
        print(f"{row.sample}: {row.video} has {row.frames} frames; the clip is {row.padding} zero frames and these")


def write_clips(
    manifest: Path,
    clips: Path,
    rows: Path,
    dropped: Path,
    settings: dict[str, Any],
    workers: int,
    actions: Sequence[str] | None = EXPERIMENT_ACTIONS,
) -> None:
    """Decode a data set into its clip store.

    Args:
        manifest: Parquet (docs/design.md).
        clips: .npy to write, uint8 (sample, settings.clips.frames, crop, crop, 3) RGB, zero frames in front.
        rows: Parquet to write: the manifest's rows in the store's order, plus `frames` (decoded) and `padding`.
        dropped: CSV to write: `sample, video, reason`; the header only where nothing was dropped.
        settings: {"clips": {frames, long_videos, resize, crop, on_bad_video}}.
        actions: the actions kept; trampoline is left out by default (AQA-7, Sec. 5 Data Preparation). None keeps all.

    Raises:
        RescoreError: bad videos (all together) under `on_bad_video: fail`, or under `drop` when none is good; no sample of
            these actions; a setting that is none; a full disk.
    """
    samples = select_actions(read_manifest(manifest), actions)
    if samples.empty:
        raise RescoreError(f"{manifest}: no sample of the actions {', '.join(actions or ())}. Check the manifest.")
    knobs = settings["clips"]
    write_store(manifest, samples, (clips, rows, dropped), knobs, fill_clip, int(knobs["frames"]), 1, workers)


def write_windows(
    manifest: Path, clips: Path, rows: Path, dropped: Path, settings: dict[str, Any], workers: int
) -> None:
    """Decode a pre-training set into its store of short windows.

    Args:
        manifest: Parquet; `action` is the class.
        clips: .npy to write, uint8 (video x window, clip_frames, crop, crop, 3) RGB: `clips_per_video` windows of each
            video, evenly spread from its first frame to its last.
        rows: Parquet to write: the manifest's row of each window, plus `frames`, `padding`, `window`, `window_start`.
        dropped: CSV to write: `sample, video, reason`.
        settings: {"clips": {...}, "backbone": {"clip_frames"}, "pretraining": {"clips_per_video"}}.

    Raises:
        RescoreError: as `write_clips`.
    """
    samples = read_manifest(manifest, scored=False)
    length, windows = int(settings["backbone"]["clip_frames"]), int(settings["pretraining"]["clips_per_video"])
    write_store(manifest, samples, (clips, rows, dropped), settings["clips"], fill_windows, length, windows, workers)


def window(clip: np.ndarray, offset: int, clips: int, clip_frames: int) -> np.ndarray:
    """One temporal copy of a video: consecutive clips that start `offset` frames in (AQA-7, Sec. 5: six copies of a training
    video, one frame start difference; stride 16, 6 steps).

    Args:
        clip: (frames, height, width, 3), contiguous in its first axis.

    Returns:
        (clips, clip_frames, height, width, 3), a view: nothing is copied.

    Raises:
        RescoreError: the video is too short for this offset.
    """
    end = offset + clips * clip_frames
    if offset < 0 or end > len(clip):
        raise RescoreError(
            f"{clips} clips of {clip_frames} frames from frame {offset} end at {end}, and a video has {len(clip)} frames. "
            "Lower backbone.clips, backbone.clip_frames or backbone.temporal_offsets in params.yaml, or raise clips.frames."
        )
    return clip[offset:end].reshape(clips, clip_frames, *clip.shape[1:])
