"""ACTION-NET on Rhythmic Gymnastics (Zeng et al., ACM MM 2020), held against S4AQA: labelled routines alone, two streams.

rescore step systems.action_net.training.run --features F.npy --rows F.parquet --static M.npy ...

    action_net/rhythmic_gymnastics/<percent>/<apparatus>   an apparatus is a training of its own

`seed` is the draw of the labels, the same as the other systems'. docs/systems/semi_supervised.md says what was chosen.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import save_arrays, sha256_file, write_table
from rescore.models.device import reuse_memory
from rescore.systems.action_net.loop import train_action_net
from rescore.systems.common.label_draws import GYMNASTICS, Task, Videos, prediction_rows, read_videos, tasks
from rescore.training.semi_supervised import Member

EXPERIMENT = "action_net"


def run(features: Path, rows: Path, static: Path, predictions: Path, members: Path, settings: dict[str, Any]) -> None:
    """Train on every draw of labels and predict the test routines.

    Args:
        features, rows: see `label_draws.read_videos`.
        static: (sample, 1, moment, width) of the same samples, NaN where nobody was found (datasets.rhythmic_gymnastics.moments).
        predictions: written, Parquet: a row a member, draw, evaluated iteration and test routine.
        members: written; safetensors, `<weight>` with the member first.
        settings: `seed`, `first_training`, `semi_supervised.labels`, `.label_draws`, `action_net`.

    Raises:
        RescoreError: data that cannot be used, or a loss that is not finite.
    """
    knobs = settings["action_net"]
    reuse_memory()
    videos = read_videos(GYMNASTICS, [features], rows, settings)
    moments = read_moments(static, videos)
    every = tasks(videos, settings)
    networks = [make_member(task, videos, knobs["highest"]) for task in every]
    trained = train_action_net(videos.segments, moments, networks, knobs)
    parts = [
        prediction_rows(
            EXPERIMENT,
            network.name,
            videos,
            task.pool.test,
            knobs["highest"] * predicted[place].astype(np.float64),
            network.seed,
            iteration,
        )
        for place, (task, network) in enumerate(zip(every, networks, strict=True))
        for iteration, predicted in trained.predictions.items()
    ]
    header = {
        "experiment": EXPERIMENT,
        "dataset": videos.dataset,
        "parameters": settings,
        **{f"{name}_sha256": digest for name, digest in videos.hashes.items()},
        "static_sha256": sha256_file(static),
        "members": [{"member": network.name, "seed": network.seed} for network in networks],
    }
    save_arrays(members, trained.weights, header)
    write_table(predictions, pd.concat(parts, ignore_index=True))


def make_member(task: Task, videos: Videos, highest: float) -> Member:
    """A network's data; its targets are the labelled scores, the only ones that it may know, as shares of the highest.

    Raises:
        RescoreError: labelled scores that no sigmoid reaches.
    """
    scores = videos.scores[task.labelled]
    beyond = [
        f"{videos.rows['sample'][row]}: {score} points"
        for row, score in zip(task.labelled, scores, strict=True)
        if not 0 <= score <= highest
    ]
    raise_together(f"scores outside 0 to {highest}, ACTION-NET's range", beyond, "raise action_net.highest.")
    return Member(
        name=f"{EXPERIMENT}/{task.suffix}",
        seed=task.draw,
        labelled=task.labelled,
        targets=scores / highest,
        unlabelled=task.unlabelled,
        evaluated=task.pool.test,
    )


def read_moments(path: Path, videos: Videos) -> np.ndarray:
    """(sample, moment, width) float32, standardised over the training videos' moments of each pool; NaN where nobody was found.

    Raises:
        RescoreError: the file is missing or damaged, is not of these videos, or videos have no moment (all of them together).
    """
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run the step that writes it.") from error
    except (ValueError, OSError, EOFError) as error:
        raise RescoreError(f"{path}: not a readable .npy file ({error}). Delete it and run again.") from error
    if array.ndim != 4 or len(array) != len(videos.rows):
        raise RescoreError(
            f"{path}: shape {array.shape} for {len(videos.rows)} videos; (sample, 1, moment, width) expected."
            " Delete it and compute the features again."
        )
    values = array[:, 0].astype(np.float64)
    finite = np.isfinite(values)
    problems = [
        f"{videos.rows['sample'][row]}: no moment with features, or moments with a part of them"
        for row in range(len(values))
        if not finite[row].any() or (finite[row].any(axis=1) != finite[row].all(axis=1)).any()
    ]
    raise_together(f"{path}: videos that ACTION-NET cannot read", problems, "compute the features again.")
    standardised = np.full(values.shape, np.nan, np.float32)
    for pool in videos.pools:
        train = values[pool.train]
        mean, sd = np.nanmean(train, (0, 1)), np.nanstd(train, (0, 1))
        mine = np.concatenate([pool.train, pool.test])
        standardised[mine] = (values[mine] - mean) / np.where(sd > 1e-6, sd, 1)
    return standardised
