"""Li et al. on MTL-AQA's dives (End-to-end learning for action quality assessment, PCM 2018; MTL-AQA, Table 7: 80.09).

rescore step systems.li.training.run --clips ... --predictions ...

Nine clips of a dive, a C3D for each, trained end to end with squared error and a ranking loss. docs/systems/stages.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays, sha256_file
from rescore.models.backbones import input_colour
from rescore.models.c3d import initialise
from rescore.models.device import seeded_generator
from rescore.models.p3d import initialise as initialise_convolutions
from rescore.models.state_dicts import differences
from rescore.systems.common.clip_members import Outputs
from rescore.systems.common.dives import DiveFiles
from rescore.systems.common.repetition import backbone_of, backbones, network_seeds
from rescore.systems.common.stage_members import System, read_training_sets, run_members, seed_weights
from rescore.systems.li.network import LiNetwork, clip_frames_of

EXPERIMENT = "li"


def run(files: DiveFiles, outputs: Outputs, settings: dict[str, Any], backbone: list[Path] | None = None) -> None:
    """Train on UNLV-Dive and on MTL-AQA, and write what is predicted after every epoch.

    Args:
        files: MTL-AQA's dives.
        outputs: written; weights are of every member, `<training set>/<seed>/<name>`, the curve has a row a member and epoch.
        settings: `first_training`, sections `multitask`, `backbone` and `stages.li`.
        backbone: C3D's weights, needed where `stages.li.body_weights` is `backbone`: of every backbone that the trainings rest
            on, in the order of `repetition.backbones`; all nine C3Ds of a training start from them.

    Raises:
        RescoreError: data that do not fit together or cannot be learned, weights that do not fit, or a loss that is not finite.
    """
    section, multitask = settings["stages"]["li"], settings["multitask"]
    table, sets = read_training_sets(files, settings)
    given = section["body_weights"] == "backbone"
    bodies = read_bodies(backbone or [], settings) if given else {}
    window = clip_frames_of(multitask["clips"]["frames"], section["clips"], section["clip_frames"])
    frames = np.tile(window + multitask["clips"]["shift"], (len(table), 1))  # (samples, F)
    system = System(
        EXPERIMENT,
        lambda seed: initial_network(seed, settings, bodies[backbone_of(seed, settings)] if given else None),
        lambda seed: frames,
        input_colour(settings["backbone"]) if given else "rgb_imagenet",
        {"backbone": [sha256_file(path) for path in backbone or ()] if given else None},
    )
    run_members(system, __name__, table, sets, files, outputs, settings, {})


def read_bodies(paths: Sequence[Path], settings: Mapping[str, Any]) -> dict[int, dict[str, torch.Tensor]]:
    """The convolutions of each backbone, by its number.

    Raises:
        RescoreError: not as many files as backbones, or one is missing or damaged.
    """
    known = backbones(network_seeds(settings), settings)
    if len(paths) != len(known):
        raise RescoreError(
            f"stages.li.body_weights is backbone, but {len(paths)} files of weights are given for the backbones "
            f"{', '.join(map(str, known))}. Name them (--backbone), or set it to random."
        )
    loaded = [load_arrays(path)[0] for path in paths]
    return {
        number: {name: torch.from_numpy(array) for name, array in arrays.items() if name.startswith("conv")}
        for number, arrays in zip(known, loaded, strict=True)
    }


def initial_network(seed: int, settings: dict[str, Any], body: dict[str, torch.Tensor] | None) -> LiNetwork:
    """The network before training: nine times the backbone's convolutions, or nine different draws, and He's initialisation.

    Raises:
        RescoreError: a backbone of another layout or width.
    """
    section = settings["stages"]["li"]
    seed_weights(seed, "li weights")
    crop = settings["multitask"]["clips"]["crop"] // section["pool"]
    network = LiNetwork(
        **{
            name: section[name]
            for name in ("clips", "clip_frames", "width", "dropout", "ranking_weight", "ranking_margin")
        },
        crop=crop,
    )
    # Twelve layers without normalisation: under PyTorch's default the last ones hand on too little to learn from.
    initialise_convolutions(network.conv1, seeded_generator(seed, "li conv1"))
    initialise_convolutions(network.conv2, seeded_generator(seed, "li conv2"))
    initialise(network.hidden, seeded_generator(seed, "li hidden"))
    for number, each in enumerate(network.bodies):
        if body is None:
            initialise(each, seeded_generator(seed, "li body", number))
            continue
        raise_together(
            "a backbone that does not fit the C3Ds of stages.li",
            differences(each.state_dict(), body),
            "set stages.li.width to backbone.width and use c3d with 8 convolutions, or set stages.li.body_weights to random.",
        )
        each.load_state_dict(body)
    return network
