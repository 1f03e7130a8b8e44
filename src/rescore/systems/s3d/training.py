"""S3D on MTL-AQA's dives (Xiang et al., S3D, ICIP 2018; MTL-AQA, Table 7: 86.00 on UNLV-Dive).

rescore step systems.s3d.training.run --clips ... --stages ... --predictions ...

    stage labels (UNLV-Dive's training dives) ─► segmenter (ED-TCN) ─► four stages of every dive, found not labelled
    16 frames of each stage ─► four P3Ds ─► fused ─► score             both training sets

The segmenter never sees a score or the label of a test dive of UNLV-Dive. docs/systems/stages.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.stages import STAGES, read_stages
from rescore.engine.errors import RescoreError
from rescore.engine.storage import sha256_file, write_table
from rescore.models.device import seeded_generator
from rescore.models.p3d import initialise
from rescore.systems.common.clip_members import Outputs
from rescore.systems.common.dives import DiveFiles
from rescore.systems.common.repetition import network_seeds
from rescore.systems.common.stage_members import System, read_training_sets, run_members, seed_weights
from rescore.systems.s3d.network import S3D
from rescore.systems.s3d.segmentation import predict_stages, train_segmenter
from rescore.systems.s3d.tcn import StageSegmenter, best_boundaries, frame_labels, stage_frames
from rescore.training.end_to_end import Dives
from rescore.training.restart import to_numpy

EXPERIMENT = "s3d"
COLOUR = "rgb_imagenet"
LABELLED = "unlv_dive"
"""The training set whose training dives' stage labels the segmenter learns from: no other real dives have any."""
SEGMENTATION_COLUMNS = (
    *("training_set", "seed", "dives", "frames"),
    *("frame_accuracy", "segmented_accuracy", "majority_accuracy", "boundary_error"),
)


def run(files: DiveFiles, stages: Path, outputs: Outputs, segmentation: Path, settings: dict[str, Any]) -> None:
    """Find the stages of all dives, train on UNLV-Dive and on MTL-AQA, and write what is predicted after every epoch.

    Args:
        files: MTL-AQA's dives.
        stages: table of `datasets.mtl_aqa.stages`.
        outputs: written; weights are of every member, `<training set>/<seed>/<name>`, and of the segmenters,
            `segmentation/<seed>/<name>`; the curve has a row a member and epoch.
        segmentation: written: how well the stages of labelled test dives are found, a row a training set and seed.
        settings: `first_training`, sections `multitask`, `stages.segmentation` and `stages.s3d`.

    Raises:
        RescoreError: data that do not fit together or cannot be learned, no labelled training dive, or a loss that is not finite.
    """
    table, sets = read_training_sets(files, settings)
    labels, labelled = window_labels(table, read_stages(stages), settings["multitask"]["clips"])
    if not labelled[sets[LABELLED].train].any():
        raise RescoreError(
            f"{stages}: no training dive of {LABELLED} has stage labels. Run the step that writes it again."
        )
    frames: dict[int, np.ndarray] = {}
    arrays: dict[str, np.ndarray] = {}
    found: list[dict[str, Any]] = []
    for seed in network_seeds(settings):
        segmenter, frames[seed], rows = segment(sets, labels, labelled, settings, seed)
        found += rows
        arrays |= {f"segmentation/{seed}/{name}": to_numpy(value) for name, value in segmenter.state_dict().items()}
    write_table(segmentation, pd.DataFrame(found, columns=list(SEGMENTATION_COLUMNS)))
    system = System(
        EXPERIMENT,
        lambda seed: initial_network(seed, settings["stages"]["s3d"]),
        lambda seed: frames[seed],
        COLOUR,
        {"stages": sha256_file(stages)},
    )
    run_members(system, __name__, table, sets, files, outputs, settings, arrays)


def segment(
    sets: Mapping[str, Dives], labels: np.ndarray, labelled: np.ndarray, settings: Mapping[str, Any], seed: int
) -> tuple[StageSegmenter, np.ndarray, list[dict[str, Any]]]:
    """Train a segmenter and let it cut all dives.

    Args:
        labels, labelled: of `window_labels`.

    Returns:
        The segmenter; the frames of the store that S3D reads of each dive (samples, F); and a row a training set of how well the
        labelled test dives are cut.
    """
    clip, section = settings["multitask"]["clips"], settings["stages"]["segmentation"]
    dives = sets[LABELLED]
    learned = dives.train[labelled[dives.train]]
    used = np.unique(np.concatenate([part for each in sets.values() for part in everything(each)]))
    segmenter = initial_segmenter(seed, section)
    common = settings["multitask"], section, COLOUR
    train_segmenter(segmenter, dives.clips, labels, learned, *common, seed)
    chances = predict_stages(segmenter, dives.clips, used, *common)  # (used, frames, 5)
    guessed = np.full((len(labels), chances.shape[1]), -1)
    cuts = np.zeros((len(labels), len(STAGES)), np.int64)
    guessed[used], cuts[used] = chances.argmax(2), [best_boundaries(chance) for chance in chances]
    read = stage_frames(cuts, clip["frames"], settings["stages"]["s3d"]["frames"]) + clip["shift"]
    return segmenter, read, segmentation_rows(sets, guessed, cuts, labels, labelled, learned, clip, seed)


def window_labels(
    table: pd.DataFrame, stages: Mapping[str, np.ndarray], clips: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Classes (samples, frames + 2 shift) int64 of the store's frames, and whether each sample has labels (samples,)."""
    begin = table["start_frame"] if clips["window"] == "start" else table["end_frame"] - clips["frames"] + 1
    first = begin - clips["shift"]  # frame of the broadcast that the store's first is
    labelled = table["sample"].astype(str).isin(list(stages)).to_numpy()
    cuts = np.zeros((len(table), len(STAGES)), np.int64)
    for row in np.flatnonzero(labelled):
        cuts[row] = stages[str(table["sample"][row])] - int(first[row])
    return frame_labels(cuts, clips["frames"] + 2 * clips["shift"]), labelled


def everything(dives: Dives) -> tuple[np.ndarray, ...]:
    """Rows of all splits."""
    return dives.train, dives.test, dives.validation


def initial_segmenter(seed: int, section: Mapping[str, Any]) -> StageSegmenter:
    """The segmenter before training: PyTorch's initialisation."""
    seed_weights(seed, "segmentation weights")
    names = ("frame_channels", "frame_width", "filters", "kernel", "dropout")
    return StageSegmenter(**{name: section[name] for name in names})


def initial_network(seed: int, section: Mapping[str, Any]) -> S3D:
    """The network before training: He's initialisation of all convolutions, PyTorch's of the scores."""
    seed_weights(seed, "s3d weights")
    network = S3D(**{name: section[name] for name in ("layers", "width", "fusion", "dropout", "stage_loss")})
    initialise(network, seeded_generator(seed, "s3d convolutions"))
    return network


def segmentation_rows(
    sets: Mapping[str, Dives],
    guessed: np.ndarray,
    cuts: np.ndarray,
    labels: np.ndarray,
    labelled: np.ndarray,
    learned: np.ndarray,
    clips: Mapping[str, Any],
    seed: int,
) -> list[dict[str, Any]]:
    """How well the stages of each training set's labelled test dives are found, those left out that the segmenter learned from.

    Args:
        guessed: (samples, frames) each frame's likeliest class.
        cuts: (samples, 4) boundaries in the window.
        labels: (samples, frames + 2 shift).
        labelled: (samples,) whether there are labels.
        learned: rows that the segmenter was trained on; the baseline is their most frequent class at each frame.
    """
    frames, shift = clips["frames"], clips["shift"]
    truth = labels[:, shift : shift + frames]
    majority = np.stack([(truth[learned] == number).sum(0) for number in range(5)]).argmax(0)  # (frames,)
    rows = []
    for name, dives in sets.items():
        tested = np.setdiff1d(dives.test[labelled[dives.test]], learned)
        if not len(tested):
            continue
        true_cuts = (truth[tested][:, :, None] <= np.arange(4)).sum(1)  # (n, 4): frames before the stage
        rows.append(
            {"training_set": name, "seed": seed, "dives": len(tested), "frames": truth[tested].size}
            | {
                "frame_accuracy": float((guessed[tested] == truth[tested]).mean()),
                "segmented_accuracy": float((frame_labels(cuts, frames)[tested] == truth[tested]).mean()),
                "majority_accuracy": float((majority == truth[tested]).mean()),
                "boundary_error": float(np.abs(cuts[tested] - true_cuts).mean()),
            }
        )
    return rows
