"""A network of clips trained on MTL-AQA's dives as C3D-AVG-STL is, and its files: what C3D-AVG's extensions share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rescore.engine.storage import save_arrays, sha256_file, write_table
from rescore.models.aggregation import ClipNetwork
from rescore.models.device import derived_seed, seeded_generator
from rescore.systems.common.bodies import load_body
from rescore.systems.common.dives import score_rows
from rescore.training.end_to_end import Dives, train, write_curve
from rescore.training.place import first_process
from rescore.training.restart import restart_key, to_numpy


@dataclass(frozen=True)
class Outputs:
    """What a training writes."""

    predictions: Path
    """Scores of all test and validation dives after every epoch, in points."""
    weights: Path
    """After the last epoch."""
    curve: Path
    """A row an epoch; `score_loss` is the network's own objective."""


@dataclass(frozen=True)
class Member:
    """What is trained, and how."""

    experiment: str
    system: str
    """First part of the member's name."""
    training_set: str
    seed: int
    section: Mapping[str, Any]
    """The `multitask` section as it trains."""
    colour: str
    """Convention of its input, a key of `preprocess.COLOURS`."""
    code: str
    """The module whose code decides the result: a restart point of other code is not used."""


def seed_layers(seed: int) -> None:
    """Layers that are built next start as C3D-AVG's of the same seed."""
    torch.manual_seed(derived_seed(seed, "multitask weights"))


def start_c3d(network: ClipNetwork, seed: int, settings: Mapping[str, Any], backbone: Path | None, mean: float) -> None:
    """Give a network its body's weights: C3D's of a backbone, or, without, ones drawn as C3D-AVG's are.

    Args:
        mean: training score in units of training, where `multitask.initial_score` lets a regression start.

    Raises:
        RescoreError: weights that do not fit.
    """
    fresh = seeded_generator(seed, "multitask body") if backbone is None else None
    network.start(mean if settings["multitask"]["initial_score"] == "mean" else float("nan"), fresh)
    if backbone is not None:
        load_body(network, backbone)


def train_and_write(
    member: Member,
    network: ClipNetwork,
    table: pd.DataFrame,
    dives: Dives,
    header: Mapping[str, Any],
    files: Mapping[str, Path | None],
    outputs: Outputs,
) -> None:
    """Train and write what is predicted after every epoch. A killed run goes on from its last epoch.

    Args:
        network: initialised.
        table, dives: of `dives.read_dives`.
        header: of the checkpoint, without the hashes of `files`, what it was made from.

    Raises:
        RescoreError: a loss that is not finite.
    """
    whole = {**header, "data": {name: sha256_file(path) for name, path in files.items() if path}}
    weights = outputs.weights
    restart = weights.with_name(f"{weights.stem}.restart.safetensors")
    key = restart_key(whole, member.code)
    progress = train(network, dives, member.section, member.colour, member.seed, restart, key, outputs.curve)
    if not first_process():
        return
    about = {"experiment": member.experiment, "member": f"{member.system}/{member.training_set}", "seed": member.seed}
    write_table(outputs.predictions, score_rows(table, dives, progress, about, member.section["score_scale"]))
    write_curve(outputs.curve, progress)
    save_arrays(weights, {name: to_numpy(value) for name, value in network.state_dict().items()}, whole)
    restart.unlink(missing_ok=True)
