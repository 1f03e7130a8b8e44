"""Train the networks of semi-supervised assessment on stored segment features (S4AQA, its ablation and what it is held against).

rescore step systems.s4aqa.networks.run --dataset mtl_aqa --features F.npy --rows F.parquet --splits S ...

    <system>/mtl_aqa/<percent>                           MTL-AQA, labels on so many percent of the training dives
    <system>/rhythmic_gymnastics/<percent>/<apparatus>   an apparatus is a training of its own
    <system>/unlv_dive/<percent>                         real stage posteriors (`run_open`)

`seed` is the draw of the labels. docs/systems/semi_supervised.md says what is known of every system and what was chosen.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.unlv_dive import read_stage_posteriors, read_unlv_dive
from rescore.engine.errors import raise_together
from rescore.engine.storage import load_arrays, save_arrays, write_table
from rescore.models.device import reuse_memory
from rescore.models.losses import DIVE_CLASSES
from rescore.systems.common.dives import read_labels
from rescore.systems.common.label_draws import (
    MTL_AQA,
    UNLV_DIVE,
    Pool,
    Task,
    Videos,
    make_videos,
    prediction_rows,
    read_videos,
    tasks,
)
from rescore.systems.common.open_predictions import write_findings
from rescore.systems.common.repetition import label_draws
from rescore.systems.s4aqa.regressions import regressor_tables
from rescore.training.restart import restart_key
from rescore.training.semi_supervised import LABELS_ALONE, SYSTEMS, Member, Trained, train_system

EXPERIMENT = "s4aqa"
MTL_AQA_ALONE = ("usdl", "c3d_avg_stl", "c3d_avg_mtl")
"""Systems that the paper has on MTL-AQA and not on Rhythmic Gymnastics."""


def systems_of(dataset: str) -> list[str]:
    """The systems that a data set's table names; dive classes are known on MTL-AQA alone."""
    absent = {MTL_AQA: (), UNLV_DIVE: ("c3d_avg_mtl",)}.get(dataset, MTL_AQA_ALONE)
    return [system for system in SYSTEMS if system not in absent]


def run(
    dataset: str,
    features: list[Path],
    rows: Path,
    predictions: Path,
    members: Path,
    settings: dict[str, Any],
    splits: Path | None = None,
) -> None:
    """Train every system on every draw of labels and predict the test videos.

    Args:
        dataset: `mtl_aqa` or `rhythmic_gymnastics`.
        features, rows, splits: see `label_draws.read_videos`.
        predictions: written, Parquet: a row a member, draw, evaluated iteration and test video.
        members: written; safetensors, `<system>/<weight>` with the member first. A killed run goes on from its last whole system.
        settings: `seed`, `first_training`, `semi_supervised`, `backbone.weights`.

    Raises:
        RescoreError: data that cannot be used, or a loss that is not finite.
    """
    videos = read_videos(dataset, features, rows, settings, splits)
    table = run_systems(videos, members, settings)
    write_table(predictions, table)
    shutil.rmtree(restart_folder(members), ignore_errors=True)


def run_open(directory: Path, predictions: Path, members: Path, findings: Path, settings: dict[str, Any]) -> None:
    """All systems on the real stage posteriors of UNLV-Dive, which no score went into; regressions on them too.

    Args:
        directory: the S3D authors' files.
        predictions, members: as in `run`.
        findings: written, CSV: what is odd about the files.
        settings: `seed`, `first_training`, `semi_supervised`, `support_vector_regression`.

    Raises:
        RescoreError: files are missing, malformed or contradict each other.
    """
    dives = read_unlv_dive(directory)
    frames = read_stage_posteriors(directory, dives)  # (dives, frames, stages)
    videos = unlv_videos(dives.table.reset_index(drop=True), frames, settings)
    parts = [run_systems(videos, members, settings), *regressor_tables(EXPERIMENT, videos, settings)]
    write_table(predictions, pd.concat(parts, ignore_index=True))
    write_findings(findings, [("unlv_dive_s3d", dives.findings)])
    shutil.rmtree(restart_folder(members), ignore_errors=True)


def unlv_videos(table: pd.DataFrame, frames: np.ndarray, settings: Mapping[str, Any]) -> Videos:
    """Stage posteriors (dives, frames, stages) as T segments of consecutive frames: (dives, T, frames / T x stages)."""
    segments = settings["semi_supervised"]["posterior_segments"]
    length = frames.shape[1] // segments
    kept = frames[:, : length * segments].reshape(len(frames), segments, -1)
    pool = Pool("", *(np.flatnonzero(table["split"] == split) for split in ("train", "test")))
    return make_videos(UNLV_DIVE, table, [kept], (pool,), dict.fromkeys(label_draws(settings), 0), {})


def run_systems(videos: Videos, checkpoint: Path, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Train all systems, write their weights, and return their predictions."""
    reuse_memory()
    every = tasks(videos, settings)
    classes = dive_classes(videos)
    header = {
        "experiment": EXPERIMENT,
        "dataset": videos.dataset,
        "parameters": dict(settings),
        **{f"{name}_sha256": digest for name, digest in videos.hashes.items()},
    }
    arrays: dict[str, np.ndarray] = {}
    parts, listed = [], []
    for system in systems_of(videos.dataset):
        mine = [task for task in every if system in LABELS_ALONE or len(task.unlabelled)]
        members = [make_member(system, task, videos, classes) for task in mine]
        restart = restart_folder(checkpoint) / f"{system}.safetensors"
        trained = train_or_resume(system, videos, members, settings, restart, restart_key(header, __name__))
        arrays |= {f"{system}/{name}": values for name, values in trained.weights.items()}
        listed += [{"member": member.name, "seed": member.seed} for member in members]
        for place, (task, member) in enumerate(zip(mine, members, strict=True)):
            mean, sd = standard(videos.scores[task.labelled])
            for iteration, predicted in trained.predictions.items():
                points = mean + sd * predicted[place].astype(np.float64)
                found = prediction_rows(EXPERIMENT, member.name, videos, task.pool.test, points, member.seed, iteration)
                parts.append(found)
    save_arrays(checkpoint, arrays, header | {"members": listed})
    return pd.concat(parts, ignore_index=True)


def make_member(system: str, task: Task, videos: Videos, classes: Mapping[str, np.ndarray]) -> Member:
    """A network's data; its targets are standardised by the labelled scores, the only ones that it may know."""
    scores = videos.scores[task.labelled]
    mean, sd = standard(scores)
    first = videos.first_row(task.draw)
    return Member(
        name=f"{system}/{task.suffix}",
        seed=task.draw,
        labelled=first + task.labelled,
        targets=(scores - mean) / sd,
        unlabelled=first + task.unlabelled,
        evaluated=first + task.pool.test,
        classes={name: values[task.labelled] for name, values in classes.items()} if system == "c3d_avg_mtl" else {},
    )


def standard(scores: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of labelled scores, in points; equal scores keep their unit."""
    return float(scores.mean()), float(scores.std()) or 1.0


def dive_classes(videos: Videos) -> dict[str, np.ndarray]:
    """(sample,) class numbers of MTL-AQA's sub-actions; nothing for other data.

    Raises:
        RescoreError: dives whose classes are not known.
    """
    if videos.dataset != MTL_AQA:
        return {}
    labels, problems = read_labels(videos.rows, videos.pools[0].train)
    raise_together(f"{videos.dataset}: dive classes", problems, "mend the manifest and run again.")
    return {name: labels[name].numpy() for name in DIVE_CLASSES}


def restart_folder(members: Path) -> Path:
    """Where the systems that are done already lie until all are."""
    return members.with_suffix(".restart")


def train_or_resume(
    system: str, videos: Videos, members: Sequence[Member], settings: Mapping[str, Any], restart: Path, key: str
) -> Trained:
    """A system as an earlier, killed run with the same data, settings and code left it, or trained now."""
    if restart.exists():
        arrays, header = load_arrays(restart)
        if header.get("key") == key:
            return unpack(arrays, header["iterations"], len(members))
    trained = train_system(system, videos.segments, members, settings["semi_supervised"])
    arrays = {f"weights/{name}": values for name, values in trained.weights.items()}
    for iteration, predicted in trained.predictions.items():
        arrays |= {f"predictions/{iteration}/{place}": values for place, values in enumerate(predicted)}
    save_arrays(restart, arrays, {"key": key, "iterations": list(trained.predictions)})
    return trained


def unpack(arrays: Mapping[str, np.ndarray], iterations: Sequence[int], members: int) -> Trained:
    weights = {name.partition("/")[2]: values for name, values in arrays.items() if name.startswith("weights/")}
    predictions = {
        iteration: [arrays[f"predictions/{iteration}/{place}"] for place in range(members)] for iteration in iterations
    }
    return Trained(weights, predictions)
