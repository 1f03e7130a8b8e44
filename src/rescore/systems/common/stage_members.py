"""What S3D and Li et al.'s network share: a member a training set and seed, trained one after another, and their files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from rescore.engine.storage import save_arrays, sha256_file, write_table
from rescore.models.device import derived_seed
from rescore.models.trainable import Trainable
from rescore.systems.common.clip_members import Outputs
from rescore.systems.common.dives import DiveFiles, read_dives, score_rows
from rescore.systems.common.repetition import network_seeds
from rescore.training.end_to_end import Dives, train
from rescore.training.place import alone
from rescore.training.restart import restart_key, to_numpy

TRAINING_SETS = ("unlv_dive", "1059")
"""Where Table 7 of What and How Well You Performed? has these systems, and our own addition."""


CURVE_COLUMNS = ("epoch", "iteration", "learning_rate", "loss", "test_correlation", "validation_correlation")
TRAINING = (
    *("epochs", "batch", "pool", "optimiser", "learning_rate", "anneal_every", "anneal_factor", "momentum"),
    "weight_decay",
)
"""What a system's section says of its training."""


@dataclass(frozen=True)
class System:
    """A system to train."""

    name: str
    """The experiment's, and that of its section in `stages`."""
    build: Callable[[int], Trainable]
    """The network of a seed before training; it has `start_scores`."""
    frames: Callable[[int], np.ndarray]
    """Of a seed: (samples, F) int64, which frames of the store the network reads of each dive at shift 0."""
    colour: str
    header: Mapping[str, Any]
    """What else the results depend on: hashes by name."""


def read_training_sets(files: DiveFiles, settings: Mapping[str, Any]) -> tuple[pd.DataFrame, dict[str, Dives]]:
    """The store's table, and what the members of each training set read.

    Raises:
        RescoreError: data that do not fit together, of one training set all at once.
    """
    multitask = settings["multitask"]
    crop = multitask["clips"]["crop"]
    found = {name: read_dives(files, crop, ("score",), name, (), multitask) for name in TRAINING_SETS}
    return found[TRAINING_SETS[0]][0], {name: dives for name, (_, dives) in found.items()}


def run_members(
    system: System,
    module: str,
    table: pd.DataFrame,
    sets: Mapping[str, Dives],
    files: DiveFiles,
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
    header = {
        "experiment": system.name,
        "members": [f"{name}/{seed}" for name in sets for seed in seeds],
        "parameters": dict(settings),
        "data": {name: sha256_file(path) for name, path in vars(files).items() if path} | dict(system.header),
    }
    key = restart_key(header, module)
    training = {**alone(settings["multitask"]), **{name: section[name] for name in TRAINING}, "accumulate": 1}
    arrays, predictions, curves, restarts = dict(extra), [], [], []
    for name, dives in sets.items():
        for seed in seeds:
            network = system.build(seed)
            if settings["multitask"]["initial_score"] == "mean":
                network.start_scores(float(dives.targets["score"][dives.train].mean()))  # type: ignore[operator]
            read = replace(dives, frames=system.frames(seed))
            restarts.append(outputs.weights.with_name(f"{name}_{seed}.restart.safetensors"))
            progress = train(network, read, training, system.colour, seed, restarts[-1], f"{key}/{name}/{seed}")
            member = f"{system.name}/{name}"
            about = {"experiment": system.name, "member": member, "seed": seed}
            predictions.append(score_rows(table, dives, progress, about, settings["multitask"]["score_scale"]))
            curve = pd.DataFrame(progress.curve, columns=list(CURVE_COLUMNS))
            curves.append(curve.assign(member=member, seed=seed)[["member", "seed", *CURVE_COLUMNS]])
            arrays |= {f"{name}/{seed}/{part}": to_numpy(value) for part, value in network.state_dict().items()}
    save_arrays(outputs.weights, arrays, header)
    write_table(outputs.curve, pd.concat(curves, ignore_index=True))
    write_table(outputs.predictions, pd.concat(predictions, ignore_index=True))
    for restart in restarts:
        restart.unlink(missing_ok=True)


def seed_weights(seed: int, purpose: str) -> None:
    """Layers that are built next start from this seed."""
    torch.manual_seed(derived_seed(seed, purpose))
