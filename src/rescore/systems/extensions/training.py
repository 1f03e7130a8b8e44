"""Train one system of the table `extensions` on MTL-AQA's dives, by the loop that trains MTL-AQA's own members.

rescore step systems.extensions.training.train_member --system '{"name": "attention", ...}' --training-set 1059 ...

store, rows, splits, judges ─► what the system reads ─► training.end_to_end ─► predictions, weights, curve
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rescore.datasets.mtl_aqa.judges import MARKS
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays
from rescore.models.aggregation import CLIP_FRAMES, ClipNetwork
from rescore.models.device import derived_seed
from rescore.models.state_dicts import differences
from rescore.systems.common.bodies import body_colour
from rescore.systems.common.clip_members import Member, Outputs, seed_layers, start_c3d, train_and_write
from rescore.systems.common.dives import BodyFiles, read_columns, read_dives
from rescore.systems.extensions.contrastive_regression import ContrastiveRegression
from rescore.systems.extensions.members import (
    CONTRASTIVE,
    EXPERIMENT,
    HEADS,
    JUDGES,
    TOLD_DIFFICULTY,
    training_settings,
)
from rescore.systems.extensions.score_distribution import JudgesDistributions, ScoreDistribution
from rescore.training.end_to_end import Dives

NETWORKS: dict[str, type[ClipNetwork]] = dict(
    zip(HEADS, (ClipNetwork, ScoreDistribution, JudgesDistributions, ContrastiveRegression), strict=True)
)
KINETICS_COLOUR = "rgb_kinetics"


@dataclass(frozen=True, kw_only=True)
class Files(BodyFiles):
    """What a system reads."""

    judges: Path | None = None
    """Table of `datasets.mtl_aqa.judges.write_judges`, which MUSDL needs."""


def train_member(
    files: Files, outputs: Outputs, system: dict[str, Any], training_set: str, seed: int, settings: dict[str, Any]
) -> None:
    """Train a system and write what it predicts after every epoch. A killed run goes on from its last epoch.

    Args:
        files: read.
        outputs: written.
        system: `name`, `backbone`, `aggregation`, `head` (extensions_members.System).
        training_set: of the splits; with `_validated` without the validation dives.
        seed: of the member.
        settings: sections `multitask`, `backbone` and `extensions` of params.yaml.

    Raises:
        RescoreError: data that do not fit together or cannot be learned (all of them at once), weights that do not fit, or a
            loss that is not finite.
    """
    head = system["head"]
    wanted = training_settings(settings, head)
    table, dives = read_dives(files, wanted["clips"]["crop"], ("score",), training_set, [], wanted)
    module = initial_network(system, seed, settings, files.backbone, float(dives.targets["score"][dives.train].mean()))
    dives, notes = with_targets(module, head, table, dives, files.judges, seed)
    header = {
        "experiment": EXPERIMENT,
        **{"system": system, "training_set": training_set, "seed": seed, **notes},
        "parameters": settings,
    }
    read = {name: path for name, path in vars(files).items() if name != "dropped"}
    colour = colour_of(system, settings)
    member = Member(EXPERIMENT, system["name"], training_set, seed, wanted, colour, __name__)
    train_and_write(member, module, table, dives, header, read, outputs)


def build_system(system: Mapping[str, Any], settings: Mapping[str, Any]) -> ClipNetwork:
    """A system's network of the sizes that the settings ask for; its weights are PyTorch's defaults.

    Raises:
        RescoreError: an unknown backbone, aggregation or head.
    """
    if system["head"] not in NETWORKS:
        raise RescoreError(f"head is {system['head']}; known: {', '.join(NETWORKS)}.")
    multitask, extensions = settings["multitask"], settings["extensions"]
    shape = multitask["clips"]
    clips = len(range(0, shape["frames"], shape["step"])) // CLIP_FRAMES
    width = multitask["width"] if system["backbone"] == "c3d" else extensions["resnet_width"]
    return NETWORKS[system["head"]](
        system["backbone"],
        system["aggregation"],
        width,
        shape["crop"],
        clips,
        extensions,
        multitask["score_scale"],
    )


def initial_network(
    system: Mapping[str, Any], seed: int, settings: Mapping[str, Any], backbone: Path | None, mean: float
) -> ClipNetwork:
    """The network before training: as `systems.multitask.training.initial_network` starts C3D-AVG of the same seed.

    Args:
        mean: training score in units of training, where `multitask.initial_score` lets a regression start.

    Raises:
        RescoreError: unknown parts, or weights that do not fit.
    """
    seed_layers(seed)
    module = build_system(system, settings)
    start_c3d(module, seed, settings, backbone if system["backbone"] == "c3d" else None, mean)
    if backbone is not None and system["backbone"] != "c3d":
        load_resnet(module, backbone)
    return module


def load_resnet(network: ClipNetwork, path: Path) -> None:
    """Give a body the converted weights of one of torchvision's networks.

    Raises:
        RescoreError: weights of another network or width.
    """
    arrays, _ = load_arrays(path)
    state = network.body.state_dict()
    # Scalars (batch normalisation's counters) come back as arrays of one value.
    given = {
        name: torch.from_numpy(np.array(array)).reshape(() if name in state and not state[name].shape else array.shape)
        for name, array in arrays.items()
    }
    raise_together(
        f"{path}: weights that do not fit the body",
        differences(state, given),
        "set extensions.resnet_width to 1.0, or extensions.resnet_weights to random.",
    )
    network.body.load_state_dict(given)


def colour_of(system: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The convention of the input: C3D-AVG's, or that of Kinetics' weights."""
    return body_colour(settings) if system["backbone"] == "c3d" else KINETICS_COLOUR


def with_targets(
    module: ClipNetwork, head: str, table: pd.DataFrame, dives: Dives, judges: Path | None, seed: int
) -> tuple[Dives, dict[str, Any]]:
    """The dives with what a head learns from and is told, and what is to be noted of that.

    Raises:
        RescoreError: no difficulty above 0 where a head multiplies by it, or no table of judges for MUSDL.
    """
    targets, told, notes = dict(dives.targets), dict[str, Tensor](), dict[str, Any]()
    targets["points"] = torch.from_numpy(dives.points.astype(np.float32))
    if head not in TOLD_DIFFICULTY:
        return replace(dives, targets=targets), notes
    difficulty = table["difficulty"].to_numpy(np.float64) if "difficulty" in table else np.full(len(table), np.nan)
    used = np.concatenate([dives.train, dives.test, dives.validation])
    problems = [
        f"row {row} ({table['sample'][row]}): difficulty {difficulty[row]:g}" for row in used if not difficulty[row] > 0
    ]
    raise_together("dives that cannot be multiplied by their difficulty", problems, "mend the manifest and run again.")
    execution = dives.points / np.where(difficulty > 0, difficulty, 1.0)  # (samples,) points a unit of difficulty
    told["difficulty"] = torch.from_numpy(difficulty.astype(np.float32))
    if head == JUDGES:
        marks, missing = read_marks(judges, table["sample"].astype(str).to_numpy(), execution)
        targets["marks"] = torch.from_numpy(marks)
        notes["training dives without marks"] = int(missing[dives.train].sum())
    if head == CONTRASTIVE and isinstance(module, ContrastiveRegression):
        module.prepare(dives.train, difficulty, execution)
        targets["execution"] = torch.from_numpy(execution.astype(np.float32))
        tested = np.concatenate([dives.test, dives.validation])
        told["exemplars"] = module.choose(tested, len(table), derived_seed(seed, "exemplars"))
    return replace(dives, targets=targets, told=told), notes


def read_marks(path: Path | None, samples: np.ndarray, execution: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seven marks of each sample (samples, 7) float32, and whether it has none of its own.

    A dive whose sheet cannot be read has a third of its execution (score / difficulty) seven times: what its counted marks are on
    average.

    Raises:
        RescoreError: no table is given, or it lacks columns.
    """
    if path is None:
        raise RescoreError("MUSDL learns from judges' marks, but no table of them is given. Name it (--judges).")
    known = read_columns(path, ("sample", *MARKS)).set_index("sample")[list(MARKS)].reindex(samples)
    missing = known.isna().any(axis=1).to_numpy()
    filled = np.where(missing[:, None], np.clip(execution / 3, 0, 10)[:, None], known.to_numpy(np.float64))
    return filled.astype(np.float32), missing
