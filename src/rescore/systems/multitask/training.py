"""Train one network on MTL-AQA's dives: the step behind every learned cell of What and How Well You Performed?.

rescore step systems.multitask.training.train_member --network c3d_avg --tasks score_classes_caption --training-set 1059 ...

store, rows, splits, vocabulary ─► what the member reads ─► training.end_to_end ─► predictions, classes, captions, weights, curve
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rescore.engine.errors import RescoreError
from rescore.engine.storage import save_arrays, sha256_file, write_table
from rescore.models.c3d import initialise
from rescore.models.c3d_avg import C3DAverage
from rescore.models.device import derived_seed, seeded_generator
from rescore.models.mscadc import MSCADC
from rescore.systems.common.bodies import COLOUR, body_colour, load_body
from rescore.systems.common.dives import (
    BodyFiles,
    caption_rows,
    class_rows,
    read_dives,
    read_vocabulary,
    score_rows,
)
from rescore.systems.common.training_sets import split_tasks
from rescore.systems.multitask.members import EXPERIMENT, NETWORKS
from rescore.training.end_to_end import Dives, Progress, train, write_curve
from rescore.training.place import first_process
from rescore.training.restart import restart_key, to_numpy

Network = C3DAverage | MSCADC


@dataclass(frozen=True, kw_only=True)
class Files(BodyFiles):
    """What a member reads; C3D-AVG needs a backbone where `multitask.body_weights` is `backbone`."""

    vocabulary: Path
    """JSON list of words by token."""


@dataclass(frozen=True)
class Outputs:
    """What a member writes."""

    predictions: Path
    """Scores of all test and validation dives after every epoch, in points. No rows without that task."""
    classes: Path
    """As predictions, a row a sub-action."""
    captions: Path
    """Those of the test dives after the last epoch and the best ones."""
    weights: Path
    """After the last epoch."""
    curve: Path
    """A row an epoch. `speed.csv` beside it holds what the clock said: it is no result, because it differs from run to run."""


def train_member(
    files: Files, outputs: Outputs, network: str, tasks: str, training_set: str, seed: int, settings: dict[str, Any]
) -> None:
    """Train a member and write what it predicts after every epoch. A killed run goes on from its last epoch.

    Args:
        files: read.
        outputs: written.
        network: `c3d_avg` or `mscadc`.
        tasks: `score`, `classes`, `caption` joined by `_`.
        training_set: of the splits; with `_validated` without the validation dives.
        seed: of the member.
        settings: sections `multitask` and `backbone` of params.yaml.

    Raises:
        RescoreError: data that do not fit together or cannot be learned (all of them at once), weights that do not fit, or a
            loss that is not finite.
    """
    if network not in NETWORKS:
        raise RescoreError(f"network is {network}; known: {', '.join(NETWORKS)}.")
    names = split_tasks(tasks)
    words = read_vocabulary(files.vocabulary)
    crop = settings["multitask"]["clips"]["crop" if network == "c3d_avg" else "wide_crop"]
    table, dives = read_dives(files, crop, names, training_set, words, settings["multitask"])
    module = initial_network(network, names, len(words), seed, settings, files.backbone)
    if "score" in names and settings["multitask"]["initial_score"] == "mean":
        start_scores(module, float(dives.targets["score"][dives.train].mean()))
    read = {name: path for name, path in vars(files).items() if path and name != "dropped"}
    header = {
        "experiment": EXPERIMENT,
        **{"network": network, "tasks": tasks, "training_set": training_set, "seed": seed},
        "parameters": settings,
        "vocabulary": len(words),
        "data": {name: sha256_file(path) for name, path in read.items()},
    }
    restart = outputs.weights.with_name(f"{outputs.weights.stem}.restart.safetensors")
    key = restart_key(header, __name__)
    colour = body_colour(settings) if network == "c3d_avg" else COLOUR
    progress = train(module, dives, network_settings(network, settings), colour, seed, restart, key, outputs.curve)
    if not first_process():
        return
    about = {"experiment": EXPERIMENT, "member": f"{network}/{tasks}/{training_set}", "seed": seed}
    write_predictions(outputs, table, dives, progress, about, settings["multitask"]["score_scale"], words)
    write_curve(outputs.curve, progress)
    save_arrays(outputs.weights, {name: to_numpy(value) for name, value in module.state_dict().items()}, header)
    restart.unlink(missing_ok=True)


def write_predictions(
    outputs: Outputs,
    table: pd.DataFrame,
    dives: Dives,
    progress: Progress,
    about: Mapping[str, Any],
    scale: float,
    words: Sequence[str],
) -> None:
    """Scores, classes and captions of a training; arguments as `common.dives` has them."""
    write_table(outputs.predictions, score_rows(table, dives, progress, about, scale))
    write_table(outputs.classes, class_rows(table, dives, progress, about))
    write_table(outputs.captions, caption_rows(table, dives, progress, about, words))


def network_settings(network: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The `multitask` section as a network's training reads it: MSCADC's epochs and falling rate are its own."""
    multitask = settings["multitask"]
    wide = {name: multitask[f"wide_{name}"] for name in ("epochs", "anneal_every")} if network == "mscadc" else {}
    return {**multitask, **wide}


def initial_network(
    network: str, tasks: tuple[str, ...], vocabulary: int, seed: int, settings: Mapping[str, Any], backbone: Path | None
) -> Network:
    """The network before training. What two task sets have in common starts alike for one seed.

    C3D-AVG's body is the backbone's, or He's initialisation (eight layers without normalisation fade under PyTorch's default);
    everything else is PyTorch's default, as in the released code.

    Raises:
        RescoreError: unknown tasks, sizes that the network cannot take, or a backbone that does not fit.
    """
    torch.manual_seed(derived_seed(seed, "multitask weights"))
    module = build_network(network, tasks, vocabulary, settings["multitask"])
    if isinstance(module, C3DAverage):
        if settings["multitask"]["body_weights"] == "random":
            initialise(module.body, seeded_generator(seed, "multitask body"))
        else:
            load_body(module, backbone)
    return module


def start_scores(network: Network, mean: float) -> None:
    """Let the score head's bias start at the mean training score, in units of training.

    From PyTorch's default an offset of some four units is learned first, by all layers at once; in few steps of a narrow network
    that leaves the trunk little that tells dives apart (docs/training.md).
    """
    head = network.score_head if isinstance(network, C3DAverage) else network.score_head.head_conv3
    with torch.no_grad():
        head.get_parameter("bias").fill_(mean)


def build_network(network: str, tasks: tuple[str, ...], vocabulary: int, settings: Mapping[str, Any]) -> Network:
    """A network of the sizes that the `multitask` section asks for."""
    caption = {name: settings[name] for name in ("caption_hidden", "caption_embedding", "caption_dropout")}
    clips = settings["clips"]
    if network == "c3d_avg":
        return C3DAverage(tasks, settings["width"], clips["crop"], vocabulary=vocabulary, **caption)
    widths = settings["wide_width"], settings["wide_head_width"]
    dropout = settings["wide_dropout"]
    return MSCADC(tasks, *widths, dropout=dropout, crop=clips["wide_crop"], vocabulary=vocabulary, **caption)
