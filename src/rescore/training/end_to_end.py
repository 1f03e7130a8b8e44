"""Train a network of dives on any of its tasks: one loop for C3D-AVG, MSCADC, their extensions, S3D and Li et al.'s network.

    clip store (uint8) ─► a batch's frames: shifted, flipped, normalised ─► network ─► losses ─► optimiser every step
                                                                            network ─► predictions         every epoch
                                                                            everything ─► restart point    every epoch

What a network asks of it stands in models.trainable. All that is random follows from the member's seed and the epoch's number, so
a killed run goes on from its restart point and ends with the same bytes (on a CPU; on CUDA to rounding). docs/training.md says
what several processes compute alike.
"""

import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, save_arrays, write_table
from rescore.models.device import derived_seed
from rescore.models.losses import DIVE_CLASSES
from rescore.models.trainable import Trainable
from rescore.training.batches import (
    Source,
    batches,
    caption_lengths,
    draw_companions,
    draw_epoch,
    load,
    place_clips,
)
from rescore.training.optimisers import make_optimiser, set_rate
from rescore.training.place import Place, gather, matrix_rate, my_parts, open_place, share_buffers
from rescore.training.restart import network_arrays, restore_network
from rescore.training.schedule import annealed
from rescore.training.telling import Clock
from rescore.training.watching import SPEED_COLUMNS, open_board, speed_row, training_flops, write_board

LOSS_COLUMNS = {"total": "loss", "score": "score_loss", "classes": "class_loss", "caption": "caption_loss"}
CURVE_COLUMNS = (
    *("epoch", "iteration", "learning_rate", *LOSS_COLUMNS.values()),
    *("test_correlation", "test_class_accuracy", "validation_correlation", "validation_class_accuracy"),
)
ON_TEST, ON_VALIDATION = "best_iteration_on_test", "best_on_validation"


@dataclass(frozen=True)
class Dives:
    """What a member reads. Row numbers are those of the clip store."""

    clips: np.ndarray
    """uint8 (samples, frames + 2 shift, crop, crop, 3), a memory map."""
    points: np.ndarray
    """(samples,) float64 scores."""
    targets: dict[str, Tensor]
    """`score` (samples,) float32 in units of training, labels (samples,) int64 by sub-action, `caption` (samples, tokens)
    int64. Only what the network's tasks need."""
    train: np.ndarray
    test: np.ndarray
    validation: np.ndarray
    """Held out of `train`; may be empty."""
    told: dict[str, Tensor] = field(default_factory=dict)
    """(samples,) each: what a network is told of a dive beside its video, at test too (`difficulty`). Nothing for most."""
    frames: np.ndarray | None = None
    """Of a network that reads other frames of each dive: (samples, F) int64, frames of the store at shift 0."""


@dataclass
class Progress:
    """What training has shown so far: with network and optimiser, all that a restart needs."""

    curve: list[dict[str, Any]] = field(default_factory=list)
    """A row an epoch, the same on every run."""
    speed: list[dict[str, Any]] = field(default_factory=list)
    """A row an epoch: what the clock said."""
    scores: list[np.ndarray] = field(default_factory=list)
    """Of each epoch (test + validation,) float32, in units of training; no entries without that task."""
    classes: list[np.ndarray] = field(default_factory=list)
    """Of each epoch (test + validation, 5) uint8, in the order of DIVE_CLASSES; no entries without that task."""
    captions: dict[int, np.ndarray] = field(default_factory=dict)
    """(test, tokens) int64 by epoch: of the best epochs so far, and of the last."""
    best: dict[str, dict[str, float]] = field(default_factory=dict)
    """By protocol: `epoch` (from 1) with the highest criterion, the earliest of equals, and its `value`."""


@dataclass(frozen=True)
class Run:
    """What stays the same through a member's epochs."""

    network: Trainable
    replica: nn.Module
    """The network, or with several processes what exchanges their gradients."""
    optimiser: torch.optim.Optimizer
    source: Source
    dives: Dives
    targets: dict[str, Tensor]
    """Those of the dives, beside the clips, as is `told`."""
    told: dict[str, Tensor]
    lengths: np.ndarray
    """(samples,) tokens of each caption through its <eos>."""
    settings: Mapping[str, Any]
    seed: int
    place: Place
    flops: float
    """Operations of one sample's forward and backward pass."""
    peak: float
    """Operations a second of a large matrix product, all processes together."""


def train(
    network: Trainable,
    dives: Dives,
    settings: Mapping[str, Any],
    colour: str,
    seed: int,
    restart: Path,
    key: str,
    curve: Path | None = None,
) -> Progress:
    """Train a network in place, and predict the test and validation dives after every epoch.

    Args:
        network: initialised, on the CPU.
        dives: data, checked by the caller.
        settings: the `multitask` section of params.yaml, in which a system's own training may stand: with `optimiser`,
            `momentum`, `weight_decay` where it is not Adam, `anneal_every` (epochs) and `anneal_factor` where its rate falls, and
            `pool` (pixels averaged into one) where its pictures are smaller than the store's.
        colour: of the network's input, a key of `preprocess.COLOURS`.
        seed: of the member: order, shifts, flips and dropout.
        restart: restart point, written after every epoch; the caller removes it when the results are safe.
        key: of all that the results depend on; a restart point with another key is not used.
        curve: written after every epoch (`write_curve`), for whoever watches.

    Raises:
        RescoreError: the loss is not finite, the restart point is damaged, processes and `gpus` do not fit, or TensorBoard
            is asked for and not installed.
    """
    with open_place(settings) as place:
        run = begin(network, dives, settings, colour, seed, place)
        progress = resume(restart, key, network, run.optimiser)
        board = open_board(
            restart.with_name("tensorboard") / restart.name.split(".")[0], settings, place, len(progress.curve)
        )
        clock = Clock(restart.name.split(".")[0], "epoch", settings["epochs"], len(progress.curve))
        for epoch in range(len(progress.curve), settings["epochs"]):
            means, seconds = train_epoch(run, epoch)
            check_losses(means, epoch + 1, learning_rate(settings, epoch))
            row = evaluate(run, epoch, means, progress)
            progress.speed.append(speed_row(epoch + 1, len(dives.train), seconds, run.flops, run.peak, place))
            if place.rank == 0:
                write_board(board, row, progress.speed[-1])
                save(restart, key, network, run.optimiser, progress)
                if curve:
                    write_curve(curve, progress)
                told = ("loss", "test_correlation", "test_class_accuracy")
                rate = {"samples_per_second": progress.speed[-1]["samples_per_second"]}
                clock.say(epoch + 1, **{name: row[name] for name in told}, **rate)
    return progress


def begin(network: Trainable, dives: Dives, settings: Mapping[str, Any], colour: str, seed: int, place: Place) -> Run:
    """Network, optimiser and data where they compute; arguments as `train` has them."""
    world, device = place.world, place.device
    network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if world > 1 and device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # batch statistics over all processes
    optimiser = make_optimiser(network.parameters(), settings)
    source = place_clips(dives.clips, network, settings, colour, device, dives.frames)
    home = source.clips.device  # what batches are picked from lies where the clips do
    targets = {name: value.to(home) for name, value in dives.targets.items()}
    told = {name: value.to(home) for name, value in dives.told.items()}
    lengths = caption_lengths(dives.targets, len(dives.points))  # (samples,)
    flops, peak = training_flops(network, source, lengths[dives.train]), world * matrix_rate(place)
    if settings["compile"]:
        for body in network.bodies_to_compile():
            body.compile()
    replica = DistributedDataParallel(network) if world > 1 else network
    return Run(network, replica, optimiser, source, dives, targets, told, lengths, settings, seed, place, flops, peak)


def learning_rate(settings: Mapping[str, Any], epoch: int) -> float:
    """Of an epoch, counted from 0."""
    rate = float(settings["learning_rate"])
    return (
        annealed(rate, epoch, settings["anneal_every"], settings["anneal_factor"])
        if settings.get("anneal_every")
        else rate
    )


def steps(run: Run) -> list[slice]:
    """The parts of an epoch's order that its steps take."""
    return batches(len(run.dives.train), run.settings["batch"], run.network.least_batch)


def train_epoch(run: Run, epoch: int) -> tuple[dict[str, float | None], float]:
    """One pass over the training dives, `epoch` counted from 0: mean losses as columns of the curve, and seconds."""
    settings, place, home = run.settings, run.place, run.source.clips.device
    drawn = draw_epoch(run.dives.train, settings, run.seed, epoch)  # (samples,) each
    beside = draw_companions(run.network, drawn[0], settings, run.seed, epoch)
    columns = [torch.from_numpy(values).to(home) for values in drawn]
    companions = [torch.from_numpy(values).to(home) for values in beside]
    torch.manual_seed(derived_seed(run.seed, "dropout", epoch, place.rank))
    run.network.train()
    sums: dict[str, Tensor] = {}
    set_rate(run.optimiser, learning_rate(settings, epoch))
    begun = time.perf_counter()
    title, silent = f"epoch {epoch + 1} of {settings['epochs']}", None if place.rank == 0 else True
    for step in tqdm(steps(run), title, unit="step", disable=silent):
        size = step.stop - step.start
        parts = my_parts(step.start, size, place, settings["accumulate"])
        for number, (part, weight) in enumerate(parts, start=1):
            longest = run.lengths[drawn[0][part]].max()
            x, wanted = read_part(run, [c[part] for c in columns], [c[part] for c in companions], longest)
            found = add_gradients(run, x, wanted, weight, number == len(parts))
            for name, loss in found.items():
                sums[name] = sums.get(name, 0) + loss.detach().double() * (weight * size)
        run.optimiser.step()
        run.optimiser.zero_grad()
    means = mean_losses(sums, len(drawn[0]), place.world)
    return means, time.perf_counter() - begun  # the means have waited for the device


def read_part(
    run: Run, drawn: list[Tensor], companions: list[Tensor], longest: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Input (N, 3, F, crop, crop) and targets of a part of a batch: rows, shifts and flips of it, and of the dives beside it.

    Captions are cut to the `longest`, in tokens: columns of nothing but padding add nothing to the loss.
    """
    if companions:
        drawn = [torch.cat(both) for both in zip(drawn, companions, strict=True)]
    rows, shift, flip = drawn
    x = load(run.source, rows, shift, flip)
    wanted = {name: value[rows].to(run.place.device) for name, value in run.targets.items()}
    if "caption" in wanted:
        wanted["caption"] = wanted["caption"][:, :longest]  # (N, T)
    return x, wanted


def add_gradients(run: Run, x: Tensor, wanted: dict[str, Tensor], weight: float, last: bool) -> dict[str, Tensor]:
    """Forward and backward pass of a part with this share of the batch; its losses, not weighted.

    A loss is the mean over its samples: weighted by their share, all parts give the batch's mean. Several processes exchange
    gradients once a step, with its `last` part, and take their mean.
    """
    world, device = run.place.world, run.place.device
    alone = world > 1 and not last
    with run.replica.no_sync() if alone else contextlib.nullcontext():  # type: ignore[operator]
        with torch.autocast(device.type, torch.bfloat16, enabled=run.place.autocast):
            outputs = run.replica(x, run.network.given(wanted))
        outputs = {name: value.float() for name, value in outputs.items()}
        found = run.network.losses(outputs, wanted, run.settings.get("weights", {}))
        (found["total"] * (weight * world)).backward()
    return found


def evaluate(run: Run, epoch: int, means: dict[str, float | None], progress: Progress) -> dict[str, Any]:
    """Predict the test and validation dives after an epoch (counted from 0), add it to `progress`; its row of the curve."""
    network, dives, settings, place = run.network, run.dives, run.settings, run.place
    share_buffers(network, place.world)
    remember(network, run.source, settings, place)
    tested, features = predict(network, run.source, dives.test, settings, place, run.told)
    validated, _ = predict(network, run.source, dives.validation, settings, place, run.told)
    rate = learning_rate(settings, epoch)
    row: dict[str, Any] = {"epoch": epoch + 1, "iteration": (epoch + 1) * len(steps(run)), "learning_rate": rate}
    row |= means | measure("test", tested, dives, dives.test)
    row |= measure("validation", validated, dives, dives.validation)
    kept = record(progress, row, tested, validated)
    last = settings["epochs"]
    if "caption" in network.tasks and (epoch + 1 in kept or epoch + 1 == last):
        progress.captions[epoch + 1] = speak(network, features, settings, place)  # (test, T)
    progress.captions = {at: said for at, said in progress.captions.items() if at in {*kept, last}}
    return row


def mean_losses(sums: Mapping[str, Tensor], samples: int, world: int) -> dict[str, float | None]:
    """Losses of an epoch as columns of the curve, means over all samples of all processes; None for absent tasks."""
    found = torch.stack([torch.as_tensor(sums[name]) for name in sums])
    if world > 1:
        dist.all_reduce(found)
    means = dict(zip(sums, (found / samples).tolist(), strict=True))
    return {column: means.get(name) for name, column in LOSS_COLUMNS.items()}


def check_losses(means: Mapping[str, float | None], epoch: int, rate: float) -> None:
    if not all(math.isfinite(mean) for mean in means.values() if mean is not None):
        raise RescoreError(
            f"training diverged: the mean losses of epoch {epoch} are {dict(means)} at learning rate {rate:g}. "
            "Lower learning_rate in the section of params.yaml that this system is trained by."
        )


@torch.inference_mode()
def remember(network: Trainable, source: Source, settings: Mapping[str, Any], place: Place) -> None:
    """Show a network the dives that it predicts against, without shift and flip; each process encodes all of them."""
    if not len(network.exemplars):
        return
    network.eval()
    encoded = []
    for part in torch.from_numpy(network.exemplars).to(source.clips.device).split(settings["evaluation_batch"]):
        x = load(source, part, torch.zeros_like(part), torch.zeros_like(part, dtype=torch.bool))
        with torch.autocast(place.device.type, torch.bfloat16, enabled=place.autocast):
            encoded.append(network.encode(x))
    with torch.autocast(place.device.type, torch.bfloat16, enabled=place.autocast):
        network.remember(torch.cat(encoded))


@torch.inference_mode()
def predict(
    network: Trainable,
    source: Source,
    rows: np.ndarray,
    settings: Mapping[str, Any],
    place: Place,
    told: Mapping[str, Tensor],
) -> tuple[dict[str, np.ndarray], Tensor | None]:
    """Predictions of samples without shift and flip; each process computes its part and gets the whole.

    Returns:
        `score` (n,) float32 in units of training and `classes` (n, 5) uint8, those of the network's tasks; and, with captions,
        what the network encodes of this process's samples.
    """
    network.eval()
    mine = torch.from_numpy(rows[place.rank :: place.world]).to(source.clips.device)
    encoded, scores, classes = [], [torch.zeros(0)], [torch.zeros(0, len(DIVE_CLASSES), dtype=torch.uint8)]
    for part in mine.split(settings["evaluation_batch"]) if len(mine) else ():
        x = load(source, part, torch.zeros_like(part), torch.zeros_like(part, dtype=torch.bool))
        with torch.autocast(place.device.type, torch.bfloat16, enabled=place.autocast):
            features = network.encode(x)
            outputs = network.predict(features, {name: value[part].to(place.device) for name, value in told.items()})
        if "score" in network.tasks:
            scores.append(outputs["score"].float().cpu())
        if "classes" in network.tasks:
            classes.append(torch.stack([outputs[name].argmax(1) for name in DIVE_CLASSES], 1).byte().cpu())
        if "caption" in network.tasks:
            encoded.append(features)
    found = {"score": torch.cat(scores), "classes": torch.cat(classes)}
    whole = {name: gather(value.numpy(), place) for name, value in found.items() if name in network.tasks}
    return whole, torch.cat(encoded) if encoded else None


@torch.inference_mode()
def speak(network: Trainable, features: Tensor | None, settings: Mapping[str, Any], place: Place) -> np.ndarray:
    """Greedy captions of what `predict` encoded, all processes' together: tokens (n, caption_tokens - 1) int64."""
    steps = settings["caption_tokens"] - 1
    if features is None:
        return gather(np.zeros((0, steps), np.int64), place)
    with torch.autocast(place.device.type, torch.bfloat16, enabled=place.autocast):
        return gather(network.captions(features, steps).cpu().numpy(), place)


def measure(split: str, found: Mapping[str, np.ndarray], dives: Dives, rows: np.ndarray) -> dict[str, float | None]:
    """Columns of the curve: Spearman's correlation of the scores, and the mean accuracy of the five sub-actions."""
    correlation = accuracy = None
    if "score" in found and len(np.unique(found["score"])) > 1 and len(np.unique(dives.points[rows])) > 1:
        correlation = float(np.corrcoef(rankdata(found["score"]), rankdata(dives.points[rows]))[0, 1])
    if "classes" in found and len(rows):
        labels = np.stack([dives.targets[name].numpy()[rows] for name in DIVE_CLASSES], 1)  # (n, 5)
        accuracy = float((found["classes"] == labels).mean())
    return {f"{split}_correlation": correlation, f"{split}_class_accuracy": accuracy}


def record(
    progress: Progress, row: dict[str, Any], tested: Mapping[str, np.ndarray], validated: Mapping[str, np.ndarray]
) -> set[int]:
    """Add an epoch to what is known. Its criterion is the correlation of scores, or the accuracy of a network without that task.

    Returns:
        The epochs that are the best so far by one of the two criteria.
    """
    progress.curve.append(row)
    if "score" in tested:
        progress.scores.append(np.concatenate([tested["score"], validated["score"]]))
    if "classes" in tested:
        progress.classes.append(np.concatenate([tested["classes"], validated["classes"]]))
    what = "correlation" if "score" in tested else "class_accuracy"
    for protocol, value in ((ON_TEST, row[f"test_{what}"]), (ON_VALIDATION, row[f"validation_{what}"])):
        if value is not None and value > progress.best.get(protocol, {}).get("value", -math.inf):
            progress.best[protocol] = {"epoch": row["epoch"], "value": value}
    return {int(best["epoch"]) for best in progress.best.values()}


def write_curve(path: Path, progress: Progress) -> None:
    """A row an epoch, as CURVE_COLUMNS; and in `speed.csv` beside it what the clock said, which differs from run to run."""
    write_table(path, pd.DataFrame(progress.curve, columns=list(CURVE_COLUMNS)))
    write_table(path.with_name("speed.csv"), pd.DataFrame(progress.speed, columns=list(SPEED_COLUMNS)))


def save(path: Path, key: str, network: Trainable, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Write a restart point; a kill while it is written leaves the one before it."""
    arrays = network_arrays(network, optimiser)
    arrays |= {f"scores.{epoch}": scores for epoch, scores in enumerate(progress.scores)}
    arrays |= {f"classes.{epoch}": classes for epoch, classes in enumerate(progress.classes)}
    arrays |= {f"captions.{epoch}": tokens for epoch, tokens in progress.captions.items()}
    save_arrays(path, arrays, {"key": key, "curve": progress.curve, "speed": progress.speed, "best": progress.best})


def resume(path: Path, key: str, network: Trainable, optimiser: torch.optim.Optimizer) -> Progress:
    """Put network and optimiser where a restart point of the same data, settings and code left them, if there is one.

    Raises:
        RescoreError: the file is damaged.
    """
    if not path.is_file():
        return Progress()
    arrays, header = load_arrays(path)
    if header.get("key") != key:
        return Progress()
    restore_network(arrays, network, optimiser)
    epochs = range(len(header["curve"]))
    return Progress(
        header["curve"],
        header["speed"],
        [arrays[f"scores.{epoch}"] for epoch in epochs if f"scores.{epoch}" in arrays],
        [arrays[f"classes.{epoch}"] for epoch in epochs if f"classes.{epoch}" in arrays],
        {epoch: arrays[f"captions.{epoch}"] for epoch in range(1, len(epochs) + 1) if f"captions.{epoch}" in arrays},
        header["best"],
    )
