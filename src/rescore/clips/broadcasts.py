"""Many samples of few long videos: each broadcast is decoded once, front to back, and every sample is cut out in that pass.

    broadcast ─► packets ─► pictures, numbered ─┬─► 171x128, crop 112 ─► windows ─► store
                             (worker)           └─► 640x360, crop 180 ─► windows ─► wide store

A picture outside every window is decoded and dropped: it is neither scaled nor copied. One inside is scaled by FFmpeg's own
filter, straight from the decoded picture to either size; the pixels equal those of `clips.decode`, bit for bit. decord is not
used here, because it makes an RGB copy of every picture, and at one size only. Memory holds the windows that are open, however
long the broadcast is.

A broadcast that is finished leaves a record beside the unfinished stores, so that a killed run goes on with the next.
"""

import json
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd

from rescore.clips.decode import Scaler, check_sizes, decode_stream, heard, picture_of
from rescore.clips.pool import TIMEOUT, Outcome, run_tasks
from rescore.clips.store import allocate, check_policy, check_space, frame_sizes, keep_rows
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.provenance import code_hash
from rescore.engine.storage import atomic_path, canonical_json, sha256_text, write_json, write_table
from rescore.manifests.broadcasts import Timeline, scan
from rescore.manifests.contract import read_manifest
from rescore.manifests.frame_folders import is_frame_folder, list_frames
from rescore.manifests.reader import choose_stream, open_video

SLOWEST = 20
"""Frames a second below which decoding counts as hung."""
REMEDY = (
    "replace the files, or set clips.on_bad_video: drop in params.yaml to go on without these samples (they are then listed in "
    "the results). Annotations count the frames of an extraction at constant rate: where a download's rate varies or is another, "
    "frames are numbered otherwise; take another download, or resample it with `ffmpeg -i OLD -fps_mode cfr -r RATE NEW`. "
    "Broadcasts that are done are kept for the next run."
)


@dataclass(frozen=True)
class Size:
    """What one store holds of a picture."""

    store: str
    resize: tuple[int, int]
    """Width and height in pixels."""
    crop: int


@dataclass(frozen=True)
class Sample:
    name: str
    row: int
    """Of the stores."""
    first: int
    """First frame of the window; below 0 where the window begins before the broadcast does."""
    end: int | None
    """The sample's own last frame; None where the manifest has none."""


@dataclass(frozen=True)
class Job:
    """A broadcast and its samples."""

    video: str
    samples: tuple[Sample, ...]
    length: int
    """Frames of a window."""
    sizes: tuple[Size, ...]
    record: str
    identity: str
    """Of the broadcast's file, its samples, the sizes and the code: a record of another identity is not used."""


@dataclass
class Window:
    """A sample while its frames come in."""

    sample: Sample
    pictures: list[np.ndarray]
    """Per store: uint8 (length, crop, crop, 3)."""
    filled: np.ndarray
    """bool (length,)."""


@dataclass
class Numbering:
    """Which frame a picture is, and whether it is sound.

    Frames are counted. Damage may swallow some, so behind it the number comes from the presentation time, if time and count have
    agreed until then. Unsound are the frames from the damage to the next key frame, but for those that the decoder had already.
    """

    timeline: Timeline
    in_step: bool
    """Whether there are presentation times, and count and time have agreed so far."""
    following: int = 0
    """Number of the next picture, by counting."""
    sound_from: float = 0.0
    """Frame from which on pictures are sound again; infinite between damage and key frame."""
    inside: set[int] = field(default_factory=set)
    """Frames that the decoder has and has not given back."""
    spared: set[int] = field(default_factory=set)

    def at(self, time: int | None) -> int:
        return -1 if time is None else int(np.searchsorted(self.timeline.times, time))

    def take(self, packet: "av.Packet", damaged: bool) -> None:
        """Before the pictures that come with it."""
        if damaged:
            self.spared = {number for number in self.inside if self.is_sound(number)}
            self.sound_from = float("inf")
        elif packet.is_keyframe and self.sound_from == float("inf"):
            self.sound_from = self.at(packet.pts)
        if self.in_step:
            self.inside.add(self.at(packet.pts))

    def is_sound(self, number: int) -> bool:
        return number >= self.sound_from or number in self.spared

    def give(self, picture: "av.VideoFrame") -> int:
        by_time = self.at(picture.pts)
        if self.sound_from == 0:
            self.in_step = self.in_step and by_time == self.following
        number = by_time if self.in_step else self.following
        self.inside.discard(number)
        self.following = number + 1
        return number


def sound_frames(path: Path, timeline: Timeline, messages: list[str]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decode front to back; yield each frame that is whole, with its number (see `Numbering`).

    Where frames cannot be numbered any more, decoding ends: behind damage in a container without presentation times.

    Args:
        messages: gets the decoder's complaint about each damage.
    """
    if is_frame_folder(path):
        yield from sound_images(path, messages)
        return
    numbering = Numbering(timeline, timeline.timed)
    with open_video(path) as container, heard() as log:
        for packet, pictures, complaint in decode_stream(container, choose_stream(container, path), log):
            if complaint:
                messages.append(complaint)
                if not numbering.in_step:
                    return
            numbering.take(packet, complaint is not None)
            for picture in pictures:
                number = numbering.give(picture)
                if numbering.is_sound(number):
                    yield number, picture


def sound_images(folder: Path, messages: list[str]) -> Iterator[tuple[int, av.VideoFrame]]:
    """`sound_frames` of a folder of extracted frames: a damaged image costs itself alone."""
    for number, file in enumerate(list_frames(folder)):
        try:
            yield number, picture_of(file)
        except RescoreError as error:
            messages.append(str(error))


def cut_broadcast(job: Job) -> list[dict[str, Any]]:
    """Decode a broadcast and write its samples' rows of every store.

    Returns:
        A dictionary a sample, in the job's order: `frames` and `padding`, or the `reason` why there is no clip.

    Raises:
        RescoreError: nothing of the broadcast can be read.
    """
    path = Path(job.video)
    timeline = scan(path)
    outcomes: dict[int, dict[str, Any]] = {}
    waiting: deque[Sample] = deque()
    for sample in sorted(job.samples, key=lambda sample: sample.first):
        reason = beyond_the_end(sample, job.video, timeline)
        if reason:
            outcomes[sample.row] = {"reason": reason}
        else:
            waiting.append(sample)
    try:
        cut_windows(job, path, timeline, waiting, outcomes)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise RescoreError(f"{path}: cannot be decoded ({error})") from error
    result = [outcomes[sample.row] for sample in job.samples]
    write_json(Path(job.record), {"identity": job.identity, "outcomes": result})
    return result


def cut_windows(
    job: Job, path: Path, timeline: Timeline, waiting: deque[Sample], outcomes: dict[int, dict[str, Any]]
) -> None:
    """The one pass over a broadcast. `waiting` is ordered by first frame and is used up; `outcomes` (by row) is filled."""
    messages: list[str] = []
    opened: list[Window] = []
    scalers = [Scaler(size.resize, size.crop) for size in job.sizes]
    for number, picture in sound_frames(path, timeline, messages):
        while waiting and waiting[0].first <= number:
            opened.append(open_window(waiting.popleft(), job))
        for window in [window for window in opened if number >= window.sample.first + job.length]:
            opened.remove(window)
            outcomes[window.sample.row] = close_window(window, job, timeline, messages)
        if not opened and not waiting:
            return
        if opened:
            put([scale(picture) for scale in scalers], number, opened)
    for window in opened + [open_window(sample, job) for sample in waiting]:
        outcomes[window.sample.row] = close_window(window, job, timeline, messages)


def put(pictures: Sequence[np.ndarray], number: int, opened: Sequence[Window]) -> None:
    for window in opened:
        place = number - window.sample.first
        window.filled[place] = True
        for target, picture in zip(window.pictures, pictures, strict=True):
            target[place] = picture


def open_window(sample: Sample, job: Job) -> Window:
    pictures = [np.zeros((job.length, size.crop, size.crop, 3), np.uint8) for size in job.sizes]
    return Window(sample, pictures, np.zeros(job.length, bool))


def beyond_the_end(sample: Sample, video: str, timeline: Timeline) -> str | None:
    """Why a sample cannot be in a broadcast of this length, or None."""
    if sample.end is None:
        return f"{video}: the manifest has no end_frame for {sample.name}, because the video was bad; make the manifest again"
    if sample.end < timeline.frames:
        return None
    return f"{video}: {sample.name} ends at frame {sample.end}, and the video has frames 0 to {timeline.frames - 1}: {timeline}"


def close_window(window: Window, job: Job, timeline: Timeline, messages: Sequence[str]) -> dict[str, Any]:
    """Write a window into the stores' rows, or say which of its frames are missing.

    Frames before the broadcast's first are zero; where the window's shift reaches over the broadcast's last frame, that one is
    repeated.
    """
    first = window.sample.first
    padding, end = max(0, -first), min(job.length, timeline.frames - first)
    missing = np.flatnonzero(~window.filled[padding:end]) + padding + first
    if len(missing):
        said = f" ({messages[0]})" if messages else ""
        return {
            "reason": f"{job.video}: {len(missing)} of {window.sample.name}'s frames cannot be decoded, the first is "
            f"{missing[0]}{said}"
        }
    for size, pictures in zip(job.sizes, window.pictures, strict=True):
        pictures[end:] = pictures[end - 1]
        store = np.load(size.store, mmap_mode="r+")
        store[window.sample.row] = pictures
        store.flush()
    return {"frames": end - padding, "padding": padding}


def make_jobs(
    manifest: pd.DataFrame, clips: Mapping[str, Any], sizes: tuple[Size, Size], folder: Path, code: str
) -> list[Job]:
    """A job a broadcast, the longest first, so that no worker begins it last."""
    length = int(clips["frames"]) + 2 * int(clips["shift"])
    jobs = []
    for video, rows in manifest.assign(row=range(len(manifest))).groupby("video", sort=True):
        samples = tuple(make_sample(row, clips) for row in rows.to_dict("records"))
        file = Path(str(video))
        state = [file.stat().st_size, file.stat().st_mtime_ns] if file.is_file() else None
        about = [str(video), state, [asdict(sample) for sample in samples], length, dict(clips), code]
        record = folder / f"{sha256_text(str(video))[:16]}.json"
        jobs.append(Job(str(video), samples, length, sizes, str(record), sha256_text(canonical_json(about))))
    return sorted(jobs, key=lambda job: -max(sample.first for sample in job.samples))


def make_sample(row: Mapping[Any, Any], clips: Mapping[str, Any]) -> Sample:
    """A sample's window: it ends `shift` frames behind `end_frame`, or begins `shift` frames before `start_frame`."""
    frames, shift = int(clips["frames"]), int(clips["shift"])
    end = None if pd.isna(row["end_frame"]) else int(row["end_frame"])
    last = int(row["start_frame"]) if end is None else end
    first = int(row["start_frame"]) - shift if clips["window"] == "start" else last - frames - shift + 1
    return Sample(str(row["sample"]), int(row["row"]), first, end)


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse before the first broadcast what would fail after the last.

    Raises:
        RescoreError: naming the parameter.
    """
    clips = settings["multitask"]["clips"]
    for prefix in ("", "wide_"):
        names = (f"multitask.clips.{prefix}resize", f"multitask.clips.{prefix}crop")
        resize, crop = frame_sizes(clips, prefix)
        check_sizes(resize, crop, 1, names)
    if clips["window"] not in ("end", "start"):
        raise RescoreError(
            f"multitask.clips.window is {clips['window']!r}; it is `end` or `start`. Correct params.yaml."
        )
    if int(clips["frames"]) < 1 or int(clips["shift"]) < 0:
        raise RescoreError(
            "multitask.clips.frames is at least 1, multitask.clips.shift at least 0. Correct params.yaml."
        )
    check_policy(settings["clips"]["on_bad_video"])


def prepare_stores(folder: Path, sizes: Sequence[Size], samples: int, length: int) -> None:
    """The unfinished stores: those that a killed run left, where they have the same shape, or new ones."""
    shapes = [(samples, length, size.crop, size.crop, 3) for size in sizes]
    if all(has_shape(Path(size.store), shape) for size, shape in zip(sizes, shapes, strict=True)):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    check_space(folder / "both stores", (sum(int(np.prod(shape)) for shape in shapes),))
    for size, shape in zip(sizes, shapes, strict=True):
        with atomic_path(Path(size.store)) as temporary:
            allocate(temporary, shape)


def has_shape(store: Path, shape: tuple[int, ...]) -> bool:
    try:
        return bool(np.load(store, mmap_mode="r").shape == shape)
    except (OSError, ValueError):
        return False


def recorded(job: Job) -> Outcome | None:
    """What an earlier, killed run made of this broadcast; None where it did not finish it, or anything has changed."""
    try:
        record = json.loads(Path(job.record).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return Outcome(result=record["outcomes"]) if record.get("identity") == job.identity else None


def run_jobs(jobs: Sequence[Job], workers: int) -> list[dict[str, Any]]:
    """Every sample's outcome (see `cut_broadcast`), by row."""
    outcomes = {job.video: outcome for job in jobs if (outcome := recorded(job)) is not None}
    todo = [job for job in jobs if job.video not in outcomes]
    if todo:
        longest = max(sample.first for job in todo for sample in job.samples)
        found = run_tasks(cut_broadcast, todo, workers, "broadcasts", max(TIMEOUT, longest // SLOWEST))
        outcomes |= {job.video: outcome for job, outcome in zip(todo, found, strict=True)}
    by_row: dict[int, dict[str, Any]] = {}
    for job in jobs:
        outcome = outcomes[job.video]
        results = outcome.result or [{"reason": outcome.reason}] * len(job.samples)
        by_row |= {sample.row: result for sample, result in zip(job.samples, results, strict=True)}
    return [by_row[row] for row in range(len(by_row))]


def lost_samples(manifest: pd.DataFrame, outcomes: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """`sample, video, reason` of the samples without a clip."""
    lost = [
        (row.sample, row.video, outcome["reason"])
        for row, outcome in zip(manifest.itertuples(index=False), outcomes, strict=True)
        if "reason" in outcome
    ]
    return pd.DataFrame(lost, columns=["sample", "video", "reason"])


def report_lost(lost: pd.DataFrame, total: int, policy: str, manifest: Path) -> None:
    """Stop on lost samples under `fail`; under `drop` go on, unless nothing is left.

    Raises:
        RescoreError: all of them together, a reason that several share said once.
    """
    if policy == "drop" and len(lost) < total:
        return
    problems = []
    for (video, reason), samples in lost.groupby(["video", "reason"], sort=False)["sample"]:
        text = str(reason) if str(reason).startswith(str(video)) else f"{video}: {reason}"
        problems.append(f"{text} [{', '.join(samples)}]" if len(samples) > 1 else f"{text} [{samples.iloc[0]}]")
    raise_together(f"{manifest}: {len(lost)} of {total} samples give no clip", problems, REMEDY)


def write_broadcast_clips(
    manifest: Path,
    clips: Path,
    rows: Path,
    dropped: Path,
    wide_clips: Path,
    wide_rows: Path,
    settings: dict[str, Any],
    workers: int,
) -> None:
    """Cut all samples of a data set of broadcasts into two clip stores, each broadcast decoded once and sequentially.

    With F = frames and S = shift of the settings, a store's row holds F + 2 S frames, so that the sample shifted by s frames,
    -S to S, is the slice [S + s : S + s + F]. Under `window: end` (the released code's rule) that slice ends at frame
    `end_frame` + s, inclusive; under `start` it begins at `start_frame` + s.

    Args:
        manifest: Parquet (docs/design.md); several samples share a `video`.
        clips: .npy to write, uint8 (sample, F + 2 S, crop, crop, 3) RGB: C3D-AVG's.
        rows: Parquet to write: the manifest's rows in the store's order, plus `frames` (decoded) and `padding` (zero frames in
            front, where the window begins before the broadcast). The last frame is repeated where the shift reaches over the
            broadcast's end: F + 2 S - frames - padding times.
        dropped: CSV to write: `sample, video, reason`; the header only where nothing was dropped.
        wide_clips: .npy to write, the same frames at `wide_resize` and `wide_crop`: MSCADC's.
        wide_rows: Parquet to write, equal to `rows`.
        settings: {"multitask": {"clips": {frames, shift, window, resize, crop, wide_resize, wide_crop}},
            "clips": {on_bad_video}}.
        workers: processes; one decodes one broadcast.

    Raises:
        RescoreError: under `on_bad_video: fail` all samples without a clip, together: broadcast missing, no video, truncated or
            damaged within their frames, or shorter than `end_frame`; under `drop` when none is left; a setting that is none; a
            full disk.
    """
    check_settings(settings)
    table = read_manifest(manifest)
    knobs = settings["multitask"]["clips"]
    folder = clips.parent / f".{clips.stem}.partial"
    sizes = (
        Size(str(folder / "clips.npy"), *frame_sizes(knobs)),
        Size(str(folder / "wide_clips.npy"), *frame_sizes(knobs, "wide_")),
    )
    prepare_stores(folder, sizes, len(table), int(knobs["frames"]) + 2 * int(knobs["shift"]))
    outcomes = run_jobs(make_jobs(table, knobs, sizes, folder, code_hash(__name__)), workers)
    lost = lost_samples(table, outcomes)
    report_lost(lost, len(table), str(settings["clips"]["on_bad_video"]), manifest)
    kept = np.flatnonzero(["reason" not in outcome for outcome in outcomes])
    measured = pd.DataFrame([outcomes[row] for row in kept], columns=["frames", "padding"])
    cut = pd.concat([table.iloc[kept].reset_index(drop=True), measured], axis=1)
    for size, path in zip(sizes, (clips, wide_clips), strict=True):
        if len(lost):
            keep_rows(Path(size.store), kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(size.store).replace(path)
    write_table(rows, cut)
    write_table(wide_rows, cut)
    write_table(dropped, lost)
    shutil.rmtree(folder)
