"""What S3D and Li et al.'s network share: a member a training set and seed, trained one after another, and their files."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from rescore.engine.storage import save_arrays, sha256_file, write_table
from rescore.models.device import derived_seed
from rescore.systems.common.dives import read_dives, score_rows
from rescore.systems.common.repetition import network_seeds
from rescore.training.multitask import Dives
from rescore.training.restart import restart_key, to_numpy
from rescore.training.stages import CURVE_COLUMNS, Loss, train

TRAINING_SETS = ("unlv_dive", "1059")
"""Where Table 7 of What and How Well You Performed? has these systems, and our own addition."""


@dataclass(frozen=True)
class Inputs:
    clips: Path
    rows: Path
    dropped: Path
    splits: Path


@dataclass(frozen=True)
class Outputs:
    predictions: Path
    weights: Path
    curve: Path


@dataclass(frozen=True)
class System:
    """A system to train."""

    name: str
    """The experiment's, and that of its section in `stages`."""
    build: Callable[[int], nn.Module]
    """The network of a seed before training; it has `start_scores`."""
    frames: Callable[[int], np.ndarray]
    """Of a seed: (samples, F) int64, which frames of the store the network reads of each dive at shift 0."""
    loss: Loss
    colour: str
    header: Mapping[str, Any]
    """What else the results depend on: hashes by name."""


def read_training_sets(inputs: Inputs, settings: Mapping[str, Any]) -> tuple[pd.DataFrame, dict[str, Dives]]:
    """The store's table, and what the members of each training set read.

    Raises:
        RescoreError: data that do not fit together, of one training set all at once.
    """
    multitask = settings["multitask"]
    crop = multitask["clips"]["crop"]
    paths = inputs.clips, inputs.rows, inputs.splits
    found = {name: read_dives(crop, ("score",), name, *paths, (), multitask, inputs.dropped) for name in TRAINING_SETS}
    return found[TRAINING_SETS[0]][0], {name: dives for name, (_, dives) in found.items()}


def run_members(
    system: System,
    module: str,
    table: pd.DataFrame,
    sets: Mapping[str, Dives],
    inputs: Inputs,
    outputs: Outputs,
    settings: Mapping[str, Any],
    extra: Mapping[str, np.ndarray],
) -> None:
    """Train every member and write predictions, weights and curves. A killed run goes on from its last epoch.

    Weights are named `<training set>/<seed>/<name>`.

    Args:
        module: of the experiment; a restart point of other code is not used.
        extra: further arrays for the weights' file.
    """
    section, seeds = settings["stages"][system.name], network_seeds(settings)
    files = vars(inputs)
    header = {
        "experiment": system.name,
        "members": [f"{name}/{seed}" for name in sets for seed in seeds],
        "parameters": dict(settings),
        "data": {name: sha256_file(path) for name, path in files.items()} | dict(system.header),
    }
    key = restart_key(header, module)
    restart = outputs.weights.with_suffix(".restart")
    arrays, predictions, curves = dict(extra), [], []
    for name, dives in sets.items():
        for seed in seeds:
            network = system.build(seed)
            if settings["multitask"]["initial_score"] == "mean":
                network.start_scores(float(dives.targets["score"][dives.train].mean()))  # type: ignore[operator]
            point = restart / f"{name}_{seed}.safetensors"
            common = settings["multitask"], section, system.colour, seed, point, f"{key}/{name}/{seed}"
            progress = train(network, dives, system.frames(seed), system.loss, *common)
            member = f"{system.name}/{name}"
            about = {"experiment": system.name, "member": member, "seed": seed}
            predictions.append(score_rows(table, dives, progress, about, settings["multitask"]["score_scale"]))
            curve = pd.DataFrame(progress.curve, columns=list(CURVE_COLUMNS))
            curves.append(curve.assign(member=member, seed=seed)[["member", "seed", *CURVE_COLUMNS]])
            arrays |= {f"{name}/{seed}/{part}": to_numpy(value) for part, value in network.state_dict().items()}
    save_arrays(outputs.weights, arrays, header)
    write_table(outputs.curve, pd.concat(curves, ignore_index=True))
    write_table(outputs.predictions, pd.concat(predictions, ignore_index=True))
    shutil.rmtree(restart, ignore_errors=True)


def seed_weights(seed: int, purpose: str) -> None:
    """Layers that are built next start from this seed."""
    torch.manual_seed(derived_seed(seed, purpose))
