"""Train C3D-AVG or MSCADC on any of their tasks (What and How Well You Performed?, Sections 4 and 5): one loop for all networks.

    clip store (uint8) ─► a batch's frames: shifted, flipped, normalised ─► network ─► losses ─► Adam      every step
                                                                            network ─► predictions         every epoch
                                                                            everything ─► restart point    every epoch

All that is random follows from the member's seed and the epoch's number, so a killed run goes on from its restart point and
ends with the same bytes (on a CPU; on CUDA to rounding). docs/training.md says what several processes compute alike.
"""

import contextlib
import copy
import math
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, save_arrays
from rescore.models.device import choose_device, computes_in_bfloat16, derived_seed, make_deterministic, reuse_memory
from rescore.models.losses import DIVE_CLASSES, caption_mask
from rescore.models.mscadc import MSCADC
from rescore.models.preprocess import preprocess
from rescore.models.trainable import Trainable
from rescore.training.restart import network_arrays, restore_network

Network = Trainable
"""C3D-AVG, MSCADC, and whatever else answers the questions of models.trainable."""

CLIP_FRAMES = 16  # of C3D's clips, and of MSCADC's whole input
LOSS_COLUMNS = {"total": "loss", "score": "score_loss", "classes": "class_loss", "caption": "caption_loss"}
CURVE_COLUMNS = (
    *("epoch", "iteration", "learning_rate", *LOSS_COLUMNS.values()),
    *("test_correlation", "test_class_accuracy", "validation_correlation", "validation_class_accuracy"),
)
SPEED_COLUMNS = ("epoch", "precision", "samples_per_second", "tflops", "utilisation")
ON_TEST, ON_VALIDATION = "best_iteration_on_test", "best_on_validation"
GPU_SHARE = 0.6  # of the free device memory that the clips may take; the rest is the step's
MATRIX = {"cuda": 8192, "cpu": 768}  # side of the product that utilisation is measured against


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
class Place:
    """Where this process computes, and which of how many it is."""

    rank: int
    world: int
    device: torch.device
    autocast: bool
    """Whether forward passes compute in bfloat16."""


@dataclass(frozen=True)
class Source:
    """Clips, and how the network reads them."""

    clips: Tensor
    """uint8 (samples, frames + 2 shift, crop, crop, 3), on the device where it fits, else the memory map."""
    frames: Tensor
    """(F,) int64: frames of the store that the network reads at shift 0."""
    colour: str
    """A key of `preprocess.COLOURS`."""
    device: torch.device


@dataclass(frozen=True)
class Run:
    """What stays the same through a member's epochs."""

    network: Network
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
    network: Network, dives: Dives, settings: Mapping[str, Any], colour: str, seed: int, restart: Path, key: str
) -> Progress:
    """Train a network in place, and predict the test and validation dives after every epoch.

    Args:
        network: initialised, on the CPU.
        dives: data, checked by the caller.
        settings: the `multitask` section of params.yaml.
        colour: of the network's input, a key of `preprocess.COLOURS`.
        seed: of the member: order, shifts, flips and dropout.
        restart: restart point, written after every epoch; the caller removes it when the results are safe.
        key: of all that the results depend on; a restart point with another key is not used.

    Raises:
        RescoreError: the loss is not finite, the restart point is damaged, processes and `gpus` do not fit, or TensorBoard
            is asked for and not installed.
    """
    with open_place(settings) as place:
        run, progress = begin(network, dives, settings, colour, seed, place, restart, key)
        board = open_board(restart.with_name("tensorboard"), settings, place, len(progress.curve))
        for epoch in range(len(progress.curve), settings["epochs"]):
            means, seconds = train_epoch(run, epoch)
            check_losses(means, epoch + 1, settings)
            row = evaluate(run, epoch, means, progress)
            progress.speed.append(speed_row(run, epoch + 1, seconds))
            if place.rank == 0:
                write_board(board, row, progress.speed[-1])
                save(restart, key, network, run.optimiser, progress)
    return progress


def begin(
    network: Network,
    dives: Dives,
    settings: Mapping[str, Any],
    colour: str,
    seed: int,
    place: Place,
    restart: Path,
    key: str,
) -> tuple[Run, Progress]:
    """Network, optimiser and data where they compute, and where a restart point left off; arguments as `train` has them."""
    world, device = place.world, place.device
    network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if world > 1 and device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # batch statistics over all processes
    optimiser = torch.optim.Adam(network.parameters(), settings["learning_rate"], fused=True)
    progress = resume(restart, key, network, optimiser)
    source = place_clips(dives.clips, network, settings, colour, device)
    home = source.clips.device  # what batches are picked from lies where the clips do
    targets = {name: value.to(home) for name, value in dives.targets.items()}
    told = {name: value.to(home) for name, value in dives.told.items()}
    lengths = caption_lengths(dives.targets, len(dives.points))  # (samples,)
    flops, peak = training_flops(network, source, lengths[dives.train]), world * matrix_rate(place)
    if settings["compile"]:
        network.body.compile()
    replica = DistributedDataParallel(network) if world > 1 else network
    run = Run(network, replica, optimiser, source, dives, targets, told, lengths, settings, seed, place, flops, peak)
    return run, progress


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
    begun = time.perf_counter()
    samples, batch = len(drawn[0]), settings["batch"]
    title, silent = f"epoch {epoch + 1} of {settings['epochs']}", None if place.rank == 0 else True
    for first in tqdm(range(0, samples, batch), title, unit="step", disable=silent):
        size = min(batch, samples - first)
        parts = my_parts(first, size, place, settings["accumulate"])
        for number, (part, weight) in enumerate(parts, start=1):
            longest = run.lengths[drawn[0][part]].max()
            x, wanted = read_part(run, [c[part] for c in columns], [c[part] for c in companions], longest)
            found = add_gradients(run, x, wanted, weight, number == len(parts))
            for name, loss in found.items():
                sums[name] = sums.get(name, 0) + loss.detach().double() * (weight * size)
        run.optimiser.step()
        run.optimiser.zero_grad()
    means = mean_losses(sums, samples, place.world)
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
        found = run.network.losses(outputs, wanted, run.settings["weights"])
        (found["total"] * (weight * world)).backward()
    return found


def evaluate(run: Run, epoch: int, means: dict[str, float | None], progress: Progress) -> dict[str, Any]:
    """Predict the test and validation dives after an epoch (counted from 0), add it to `progress`; its row of the curve."""
    network, dives, settings, place = run.network, run.dives, run.settings, run.place
    share_buffers(network, place.world)
    remember(network, run.source, settings, place)
    tested, features = predict(network, run.source, dives.test, settings, place, run.told)
    validated, _ = predict(network, run.source, dives.validation, settings, place, run.told)
    steps = math.ceil(len(dives.train) / settings["batch"])
    row = {"epoch": epoch + 1, "iteration": (epoch + 1) * steps, "learning_rate": settings["learning_rate"]}
    row |= means | measure("test", tested, dives, dives.test)
    row |= measure("validation", validated, dives, dives.validation)
    kept = record(progress, row, tested, validated)
    last = settings["epochs"]
    if "caption" in network.tasks and (epoch + 1 in kept or epoch + 1 == last):
        progress.captions[epoch + 1] = speak(network, features, settings, place)  # (test, T)
    progress.captions = {at: said for at, said in progress.captions.items() if at in {*kept, last}}
    return row


@contextlib.contextmanager
def open_place(settings: Mapping[str, Any]) -> Iterator[Place]:
    """Where this process trains: alone, or one of those that torchrun started (it sets WORLD_SIZE, RANK, LOCAL_RANK).

    Raises:
        RescoreError: another number of processes than `gpus` says.
    """
    gpus, world = settings["gpus"], int(os.environ.get("WORLD_SIZE", "1"))
    if world != max(gpus, 1):
        raise RescoreError(
            f"multitask.gpus is {gpus}, but {world} processes train. Start as many as GPUs: "
            f"torchrun --standalone --nproc-per-node {max(gpus, 1)} -m rescore step ..."
        )
    device = choose_device() if gpus else torch.device("cpu")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True  # nothing repeats to the bit here, so the fastest kernels may be chosen
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    else:
        make_deterministic()
        reuse_memory()
    if world > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        half = computes_in_bfloat16(settings["precision"], device)
        yield Place(dist.get_rank() if world > 1 else 0, world, device, half)
    finally:
        if world > 1:
            dist.destroy_process_group()


def first_process() -> bool:
    """Whether this process is the one that writes files."""
    return os.environ.get("RANK", "0") == "0"


def place_clips(
    clips: np.ndarray, network: Network, settings: Mapping[str, Any], colour: str, device: torch.device
) -> Source:
    """The clips on the device where they fit; else they stay mapped, and each batch is sent."""
    shape = settings["clips"]
    frames = network_frames(network, shape["frames"], shape["step"]) + shape["shift"]  # (F,)
    if device.type == "cuda" and clips.nbytes < GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
        held = torch.empty(clips.shape, dtype=torch.uint8, device=device)
        for sample, frames_of_one in enumerate(clips):
            held[sample] = torch.from_numpy(np.array(frames_of_one))
    else:
        with warnings.catch_warnings():  # of a map that cannot be written; nothing here does
            warnings.simplefilter("ignore")
            held = torch.from_numpy(clips)
    return Source(held, torch.from_numpy(frames).to(held.device), colour, device)


def network_frames(network: Network, frames: int, step: int) -> np.ndarray:
    """Which of a sample's frames a network reads.

    C3D-AVG and every other network of clips: every step-th frame, in as many clips of 16 as there are: the first 96 of 103
    (released code). MSCADC: 16 spread evenly, `int(6.5 k)` of 103 (released code).

    Raises:
        RescoreError: there is not one whole clip.
    """
    if not isinstance(network, MSCADC):
        read = np.arange(0, frames, step)
        if len(read) < CLIP_FRAMES:
            raise RescoreError(
                f"multitask.clips: {frames} frames of which each {step}th is read make no clip of {CLIP_FRAMES}. Lower step."
            )
        return read[: len(read) // CLIP_FRAMES * CLIP_FRAMES]
    return (np.arange(CLIP_FRAMES) * (frames + 1) / CLIP_FRAMES).astype(np.int64)


def load(source: Source, rows: Tensor, shift: Tensor, flip: Tensor) -> Tensor:
    """Samples as network input; all four beside the clips.

    Args:
        rows: (N,) int64.
        shift: (N,) int64, frames later.
        flip: (N,) bool, left to right.

    Returns:
        (N, 3, F, crop, crop) float32 on the device, in channels_last_3d.
    """
    x = source.clips[rows[:, None], source.frames + shift[:, None]]  # (N, F, crop, crop, 3) uint8
    x = torch.where(flip.view(-1, 1, 1, 1, 1), x.flip(3), x)
    if x.device != source.device:
        x = x.pin_memory().to(source.device, non_blocking=True)
    return preprocess(x, source.colour)


def draw_epoch(
    train: np.ndarray, settings: Mapping[str, Any], seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An epoch's samples in order, their shifts in frames and whether each is flipped: (samples,) each.

    They do not depend on network and tasks, so that members of one seed and training set differ in nothing else.
    """
    generator = np.random.default_rng([seed, derived_seed(seed, "order, shift, flip"), epoch])
    shift = settings["clips"]["shift"]
    order = generator.permutation(train)
    shifts = generator.integers(-shift, shift + 1, len(train))
    return order, shifts, generator.random(len(train)) < settings["flip"]


def draw_companions(
    network: Network, order: np.ndarray, settings: Mapping[str, Any], seed: int, epoch: int
) -> list[np.ndarray]:
    """The dives that a network wants beside an epoch's, as `draw_epoch` gives those: rows, shifts, flips; none for most."""
    generator = np.random.default_rng([seed, derived_seed(seed, "companions"), epoch])
    rows = network.companions(order, generator)
    if rows is None:
        return []
    shift = settings["clips"]["shift"]
    return [rows, generator.integers(-shift, shift + 1, len(rows)), generator.random(len(rows)) < settings["flip"]]


def my_parts(first: int, size: int, place: Place, accumulate: int) -> list[tuple[slice, float]]:
    """This process's parts of the batch at positions `first` to `first + size` of the epoch, and their share of the batch.

    Process r has every world-th sample from the r-th on, cut into at most `accumulate` parts. All processes have as many
    parts; one that has no sample for a part computes the batch's first with the share 0.
    """
    mine = range(first + place.rank, first + size, place.world)
    most = math.ceil(size / place.world)
    length = math.ceil(most / min(accumulate, most))
    cut = [mine[start : start + length] for start in range(0, most, length)]
    slices = [slice(part.start, part.stop, part.step) if part else slice(first, first + 1) for part in cut]
    return [(where, len(part) / size) for where, part in zip(slices, cut, strict=True)]


def caption_lengths(targets: Mapping[str, Tensor], samples: int) -> np.ndarray:
    """Tokens of each caption through its <eos> (samples,); 0 where captions are no task."""
    if "caption" not in targets:
        return np.zeros(samples, np.int64)
    return caption_mask(targets["caption"]).sum(1).numpy()


def mean_losses(sums: Mapping[str, Tensor], samples: int, world: int) -> dict[str, float | None]:
    """Losses of an epoch as columns of the curve, means over all samples of all processes; None for absent tasks."""
    found = torch.stack([torch.as_tensor(sums[name]) for name in sums])
    if world > 1:
        dist.all_reduce(found)
    means = dict(zip(sums, (found / samples).tolist(), strict=True))
    return {column: means.get(name) for name, column in LOSS_COLUMNS.items()}


def check_losses(means: Mapping[str, float | None], epoch: int, settings: Mapping[str, Any]) -> None:
    if not all(math.isfinite(mean) for mean in means.values() if mean is not None):
        raise RescoreError(
            f"training diverged: the mean losses of epoch {epoch} are {dict(means)} at learning rate "
            f"{settings['learning_rate']:g}. Lower multitask.learning_rate."
        )


def share_buffers(network: nn.Module, world: int) -> None:
    """Every process takes the first one's running statistics of batch norm, so that all predict with one network."""
    if world > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)


@torch.inference_mode()
def remember(network: Network, source: Source, settings: Mapping[str, Any], place: Place) -> None:
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
    network: Network,
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
def speak(network: Network, features: Tensor | None, settings: Mapping[str, Any], place: Place) -> np.ndarray:
    """Greedy captions of what `predict` encoded, all processes' together: tokens (n, caption_tokens - 1) int64."""
    steps = settings["caption_tokens"] - 1
    if features is None:
        return gather(np.zeros((0, steps), np.int64), place)
    with torch.autocast(place.device.type, torch.bfloat16, enabled=place.autocast):
        return gather(network.captions(features, steps).cpu().numpy(), place)


def gather(mine: np.ndarray, place: Place) -> np.ndarray:
    """All processes' rows in the samples' order, of which process r has every world-th from the r-th on."""
    if place.world == 1:
        return mine
    parts: list[np.ndarray] = [mine] * place.world
    dist.all_gather_object(parts, mine)
    whole = np.empty((sum(map(len, parts)), *mine.shape[1:]), mine.dtype)
    for rank, part in enumerate(parts):
        whole[rank :: place.world] = part
    return whole


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


def training_flops(network: Network, source: Source, lengths: np.ndarray) -> float:
    """Floating-point operations of one sample's forward and backward pass: of convolutions and matrix products.

    Counted on tensors without storage, with a caption of the training set's mean length.
    """
    twin = copy.deepcopy(network).to("meta").train()
    crop = source.clips.shape[2]
    x, given = twin.example((1, 3, len(source.frames), crop, crop), max(2, round(lengths.mean())))
    with FlopCounterMode(display=False) as counter:
        outputs = twin(x, given)
        torch.stack([output.sum() for output in outputs.values()]).sum().backward()
    return float(counter.get_total_flops())


def matrix_rate(place: Place) -> float:
    """Floating-point operations a second of a large matrix product in the precision of training, the best of four."""
    side = MATRIX[place.device.type]
    factor = torch.ones(side, side, device=place.device, dtype=torch.bfloat16 if place.autocast else torch.float32)
    seconds = []
    for _ in range(5):  # the first wakes the device
        begun = time.perf_counter()
        (factor @ factor)[0, 0].item()  # reading a number waits for the product
        seconds.append(time.perf_counter() - begun)
    return 2 * side**3 / min(seconds[1:])


def speed_row(run: Run, epoch: int, seconds: float) -> dict[str, Any]:
    """What the clock said of an epoch's training, evaluation left out, and the precision that it computed in."""
    rate = len(run.dives.train) / seconds
    return {
        "epoch": epoch,
        "precision": "bfloat16" if run.place.autocast else "float32",
        "samples_per_second": rate,
        "tflops": rate * run.flops / 1e12,
        "utilisation": rate * run.flops / run.peak,
    }


def open_board(directory: Path, settings: Mapping[str, Any], place: Place, done: int) -> Any:
    """A TensorBoard writer where one is wanted, else None.

    Raises:
        RescoreError: TensorBoard is not installed.
    """
    if not settings["tensorboard"] or place.rank:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RescoreError(
            f"multitask.tensorboard is true, but TensorBoard cannot be imported ({error}). "
            "`pip install tensorboard`, or set it to false; the curves are in curve.csv all the same."
        ) from error
    return SummaryWriter(str(directory), purge_step=done + 1)


def write_board(board: Any, *rows: Mapping[str, Any]) -> None:
    if board is None:
        return
    for row in rows:
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float):
                board.add_scalar(name, value, row["epoch"])
    board.flush()


def save(path: Path, key: str, network: Network, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Write a restart point; a kill while it is written leaves the one before it."""
    arrays = network_arrays(network, optimiser)
    arrays |= {f"scores.{epoch}": scores for epoch, scores in enumerate(progress.scores)}
    arrays |= {f"classes.{epoch}": classes for epoch, classes in enumerate(progress.classes)}
    arrays |= {f"captions.{epoch}": tokens for epoch, tokens in progress.captions.items()}
    save_arrays(path, arrays, {"key": key, "curve": progress.curve, "speed": progress.speed, "best": progress.best})


def resume(path: Path, key: str, network: Network, optimiser: torch.optim.Optimizer) -> Progress:
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
