"""Step: write the synthetic counterpart of MTL-AQA: sixteen broadcasts, manifest, splits and vocabulary.

A broadcast is one long video of one event: dive after dive, with the empty pool and a few replays between. The frames of dive d
of event e are a pure function of (seed, e, d, frame size, length, window) before they are encoded; where they lie is not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rescore.engine.errors import raise_together
from rescore.engine.storage import sha256_file, write_json, write_table
from rescore.manifests.contract import write_manifest
from synthetic_athlete.dive_commentary import comment
from synthetic_athlete.encode import BROADCAST_FORMATS, VideoFormat, write_video
from synthetic_athlete.generate import check_settings, dive_columns, frame_size, make_all, write_joints
from synthetic_athlete.programme import EVENTS, PIXELS, WORDS, dives_of_events, generator, label, sample_name
from synthetic_athlete.render import pixel_joints, render
from synthetic_athlete.shots import Request, Shot, shots
from synthetic_athlete.training_sets import main_split, split_table

MARKERS = ("<eos>", "<sos>")
"""The first words of the vocabulary."""


@dataclass(frozen=True)
class Task:
    request: Request
    directory: Path

    @property
    def form(self) -> VideoFormat:
        return BROADCAST_FORMATS[(self.request.event - 1) % len(BROADCAST_FORMATS)]

    @property
    def path(self) -> Path:
        return self.directory / f"{self.request.event:02d}{self.form.suffix}"


def make_broadcasts(
    index: Path,
    manifest: Path,
    splits: Path,
    vocabulary: Path,
    directory: Path,
    settings: dict[str, Any],
    workers: int,
) -> None:
    """Write the synthetic MTL-AQA.

    The broadcasts are `directory`/NN.<suffix>; beside them lie `NN/joints.npz`: for each dive's number the true joints from
    start_frame to end_frame, float16 (frames, divers, 17, 2) pixels, column and row, and `NN/elements.csv`: the quality
    elements that the scores follow from, a row a diver.

    Args:
        index: CSV to write: video, bytes, sha256.
        manifest: Parquet to write; columns as in docs/design.md, dataset `synthetic_mtl_aqa`.
        splits: Parquet to write: training_set (1059, 450, 280, 140, unlv_dive), sample, split (train, validation, test).
        vocabulary: JSON to write: the captions' words by index, after `<eos>` and `<sos>`.
        settings: {"seed": int, "synthetic": ..., "multitask": ...}, sections of params.yaml.
        workers: processes.

    Raises:
        RescoreError: settings that no broadcast can be made from, or a full disk.
    """
    check_broadcast_settings(settings)
    tasks = [Task(request, directory) for request in requests(settings)]
    largest_first = sorted(tasks, key=lambda task: -task.request.dives)
    made = make_all(make_broadcast, largest_first, workers, "synthetic broadcasts")
    entries = sorted(made, key=lambda entry: entry["event"])
    write_table(index, pd.DataFrame(entries)[["video", "bytes", "sha256"]])
    split_of = main_split(settings["synthetic"], settings["seed"])
    rows = [
        dive_row(entry, dive, span, split_of, settings["seed"])
        for entry in entries
        for dive, span in entry["spans"].items()
    ]
    table = pd.DataFrame(rows)
    write_table(splits, split_table(settings))
    write_json(vocabulary, words_of(table, settings["multitask"]["vocabulary"]))
    write_manifest(manifest, table)


def check_broadcast_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings that no broadcast can be made from.

    Raises:
        RescoreError: naming each bad setting.
    """
    check_settings(settings)
    share = settings["synthetic"]["dives"]
    held = settings["multitask"]["validation"]["share"]
    problems = [] if 0 < share <= 1 else [f"synthetic.dives: {share}; must be above 0 and at most 1"]
    if not 0 < held <= 0.5:
        problems.append(f"multitask.validation.share: {held}; must be above 0 and at most 0.5")
    raise_together("Settings that no synthetic broadcast can be made from", problems, "change them in params.yaml")


def requests(settings: Mapping[str, Any]) -> list[Request]:
    """The sixteen events' broadcasts."""
    synthetic, clips = settings["synthetic"], settings["multitask"]["clips"]
    size, length = frame_size(synthetic), float(synthetic["length"])
    return [
        Request(event, dives, settings["seed"], size, length, int(clips["frames"]), int(clips["shift"]))
        for event, dives in dives_of_events(synthetic).items()
    ]


def make_broadcast(task: Task) -> dict[str, Any]:
    """Write one event's broadcast, joints and elements; return its index entry and where its dives lie."""
    cv2.setNumThreads(1)  # the workers are the parallelism
    request, spans, joints = task.request, {}, {}

    def frames() -> Iterator[NDArray[np.uint8]]:
        position = 0
        for number, shot in enumerate(shots(request)):
            if shot.dive:
                spans[shot.dive] = (position + shot.start, position + shot.end)
                joints[f"{shot.dive:03d}"] = joints_of(shot)
            between = 0 if shot.dive else number
            yield from render(shot.take, generator(request.seed, PIXELS, request.event, shot.dive, between))
            position += len(shot.take.joints)

    write_video(task.path, frames(), request.rate, task.form, request.size)
    beside = task.directory / f"{request.event:02d}"
    write_joints(beside / "joints.npz", joints)
    write_table(beside / "elements.csv", element_table(request))
    return {
        "event": request.event,
        "video": task.path.as_posix(),
        "bytes": task.path.stat().st_size,
        "sha256": sha256_file(task.path),
        "spans": spans,
    }


def joints_of(shot: Shot) -> NDArray[np.float16]:
    """(frames, divers, 17, 2) pixels, from start_frame to end_frame."""
    return np.asarray(pixel_joints(shot.take)[shot.start : shot.end + 1], np.float16)


def element_table(request: Request) -> pd.DataFrame:
    """The quality elements of an event, a row a diver."""
    return pd.DataFrame(
        {"sample": sample_name(request.event, dive), "part": part, **elements}
        for dive in range(1, request.dives + 1)
        for part, elements in enumerate(label(request.event, dive, request.seed).athletes)
    )


def dive_row(
    entry: Mapping[str, Any], dive: int, span: tuple[int, int], split_of: Mapping[str, str], seed: int
) -> dict[str, Any]:
    """A dive's row of the manifest."""
    event = int(entry["event"])
    performance, name = label(event, dive, seed), sample_name(event, dive)
    about = asdict(EVENTS[event])
    return {
        "dataset": "synthetic_mtl_aqa",
        "sample": name,
        "action": "diving",
        "split": split_of[name],
        "video": entry["video"],
        "start_frame": span[0],
        "end_frame": span[1],
        "score": performance.score,
        "difficulty": performance.difficulty,
        **dive_columns(performance.dive),
        "caption": comment(performance, generator(seed, WORDS, event, dive)),
        "execution": performance.execution,
        "event": f"{event:02d}",
        "observer": performance.observer,
        **{name: about[name] for name in ("synchronised", "height", "gender")},
    }


def words_of(manifest: pd.DataFrame, scope: str) -> list[str]:
    """The vocabulary by index: the markers, then the words of the captions in alphabetical order.

    Args:
        scope: `train_and_test`, or `train` for the words of training captions alone.
    """
    captions = (
        manifest["caption"] if scope == "train_and_test" else manifest.loc[manifest["split"] == "train", "caption"]
    )
    return [*MARKERS, *sorted({word for caption in captions for word in caption.split()})]
