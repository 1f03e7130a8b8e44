"""Pre-training of C3D on a classification task (A, 5 Implementation details): windows of 16 frames, one class each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, read_table, save_arrays, sha256_file, write_table
from rescore.models.backbones import input_colour
from rescore.models.c3d import C3DClassifier, initialise
from rescore.models.device import choose_device, derived_seed, make_deterministic, reuse_memory, seeded_generator
from rescore.models.preprocess import open_clips, preprocess
from rescore.training.iterations import iterate
from rescore.training.optimisers import make_optimiser, set_rate
from rescore.training.restart import network_arrays, restart_key, restore_network, to_numpy
from rescore.training.schedule import annealed, stops
from rescore.training.telling import Clock

CURVE_ROWS_PER_VALIDATION = 10
REMEDY = "lower pretraining.learning_rate."
CURVE_COLUMNS = ["iteration", "loss", "learning_rate", "train_accuracy", "test_accuracy"]


def pretrain(clips: Path, rows: Path, weights: Path, curve: Path, settings: Mapping[str, Any], training: int) -> None:
    """Train C3D's classifier on stored windows and write its weights.

    A killed run resumes from its last restart point, and ends with the bytes that an undisturbed one writes (on the CPU; on
    CUDA to rounding): the order of the data and the dropout masks depend on the training and the iteration alone.

    Args:
        clips: uint8 .npy (window, clip_frames, crop, crop, 3).
        rows: table with `action` (the class) and `split` of each window, in the same order.
        weights: written; safetensors with the names of the public port and a header.
        curve: written; CSV of iteration, loss, learning_rate, train_accuracy (both over the iterations since the row before)
            and test_accuracy (at validations only).
        settings: sections `pretraining`, `backbone` and `clips` of params.yaml.
        training: its number, the seed of all that is random in it.

    Raises:
        RescoreError: data that do not fit together, or a loss that is not finite.
    """
    make_deterministic()
    reuse_memory()
    device = choose_device()
    schedule, seed = settings["pretraining"], training
    windows, labels, train, test, classes = read_windows(clips, rows, settings)
    network, optimiser = build(settings, len(classes), device, seed)
    restart = weights.with_name(f"{weights.stem}.restart.safetensors")
    data = {"clips": sha256_file(clips), "rows": sha256_file(rows)}
    key = restart_key({"settings": settings, "seed": seed, "data": data}, __name__)
    first, curve_rows, totals = resume(restart, key, network, optimiser)
    every, iterations = max(1, schedule["validate_every"] // CURVE_ROWS_PER_VALIDATION), schedule["iterations"]
    clock = Clock("pre-training", "iteration", iterations, first)

    def losses(iteration: int) -> Tensor:
        set_rate(optimiser, rate_of(iteration, schedule))
        batch = train[batch_positions(seed, iteration, schedule["batch"], len(train))]
        x = load_batch(windows, batch, settings, device)  # (N, 3, 16, crop, crop)
        torch.manual_seed(derived_seed(seed, "dropout", iteration))
        loss, counted = classify(network, x, labels[batch].to(device))
        totals.add_(counted)
        return loss

    validations = stops(iterations, schedule["validate_every"])
    for done, _ in iterate(optimiser, losses, range(first, iterations), ["pre-training"], REMEDY):
        validates = done in validations
        if done % every == 0 or validates:
            curve_rows.append(curve_row(done, rate_of(done - 1, schedule), totals, curve_rows))
            totals.zero_()
        if validates:
            curve_rows[-1]["test_accuracy"] = measure_accuracy(network, windows, labels, test, settings, device)
            write_table(curve, pd.DataFrame(curve_rows, columns=CURVE_COLUMNS))
            clock.say(done, loss=curve_rows[-1]["loss"], test_accuracy=curve_rows[-1]["test_accuracy"])
        if done % schedule["checkpoint_every"] == 0 and done < iterations:
            save_restart(restart, key, done, network, optimiser, curve_rows, totals)

    header = {
        **{"what": "C3D classifier, pre-trained", "parameters": dict(settings), "data": data, "training": training},
        **{"classes": classes, "iterations": iterations, "test_accuracy": curve_rows[-1]["test_accuracy"]},
    }
    write_table(curve, pd.DataFrame(curve_rows, columns=CURVE_COLUMNS))
    save_arrays(weights, {name: to_numpy(value) for name, value in network.state_dict().items()}, header)
    restart.unlink(missing_ok=True)


def read_windows(
    clips: Path, rows: Path, settings: Mapping[str, Any]
) -> tuple[np.ndarray, Tensor, np.ndarray, np.ndarray, list[str]]:
    """The window store: memory map, class numbers (windows,), indices of training and test windows, class names in order."""
    table = read_table(rows)
    crop, frames = settings["clips"]["crop"], settings["backbone"]["clip_frames"]
    missing = {"action", "split"} - set(table.columns)
    if missing:
        raise RescoreError(
            f"{rows}: no column {', '.join(sorted(missing))}. Run the step that writes the windows again."
        )
    windows = open_clips(clips, (len(table), frames, crop, crop, 3))
    classes = sorted(table["action"].unique())
    labels = torch.tensor([classes.index(name) for name in table["action"]])
    train, test = (np.flatnonzero(table["split"] == split) for split in ("train", "test"))
    if not len(train) or not len(test):
        raise RescoreError(
            f"{rows}: {len(train)} training and {len(test)} test windows; both are needed. Check the lists."
        )
    return windows, labels, train, test, [str(name) for name in classes]


def build(
    settings: Mapping[str, Any], classes: int, device: torch.device, seed: int
) -> tuple[C3DClassifier, torch.optim.Optimizer]:
    """The classifier, seeded, and its optimiser."""
    backbone, schedule = settings["backbone"], settings["pretraining"]
    if backbone["network"] != "c3d":
        raise RescoreError(
            f"backbone.network is {backbone['network']}: only c3d is pre-trained here. Use its published weights."
        )
    network = C3DClassifier(
        classes,
        backbone["width"],
        backbone["convolutions"],
        settings["clips"]["crop"],
        backbone["clip_frames"],
        schedule["fc_dropout"],
    )
    initialise(network, seeded_generator(seed, "pretraining weights"))
    network = network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network, make_optimiser(network.parameters(), schedule)


def batch_positions(seed: int, iteration: int, batch: int, windows: int) -> np.ndarray:
    """Positions (batch,) of an iteration's windows: consecutive slices of seeded permutations, one permutation an epoch."""
    epochs, places = np.divmod(np.arange(iteration * batch, (iteration + 1) * batch), windows)
    numbers = np.empty(batch, np.int64)
    for epoch in np.unique(epochs):
        order = np.random.default_rng([seed, derived_seed(seed, "order"), epoch]).permutation(windows)
        numbers[epochs == epoch] = order[places[epochs == epoch]]
    return numbers


def load_batch(windows: np.ndarray, batch: np.ndarray, settings: Mapping[str, Any], device: torch.device) -> Tensor:
    """Windows of these numbers as network input (N, 3, clip_frames, crop, crop)."""
    pixels = torch.from_numpy(np.stack([windows[index] for index in batch]))  # (N, frames, crop, crop, 3)
    return preprocess(pixels.to(device), input_colour(settings["backbone"]))


def rate_of(iteration: int, schedule: Mapping[str, Any]) -> float:
    """Learning rate of an iteration, counted from 0."""
    return annealed(schedule["learning_rate"], iteration, schedule["anneal_every"], schedule["anneal_factor"])


def classify(network: C3DClassifier, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The mean loss on clips x (N, 3, 16, crop, crop) of classes y (N,); and it, right answers and windows, float64 (3,)."""
    network.train()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=x.device.type == "cuda"):
        logits = network(x)  # (N, classes)
        loss = F.cross_entropy(logits.float(), y)
    right = (logits.argmax(1) == y).sum()
    return loss, torch.stack([loss.detach().double(), right.double(), y.new_tensor(len(y)).double()])


def curve_row(done: int, learning_rate: float, totals: Tensor, before: list[dict[str, Any]]) -> dict[str, Any]:
    """A row of the curve from the sums (`classify`) over the iterations since the row before."""
    iterations = done - (before[-1]["iteration"] if before else 0)
    loss, correct, seen = totals.tolist()
    row = {"iteration": done, "loss": loss / iterations, "learning_rate": learning_rate}
    return row | {"train_accuracy": correct / seen, "test_accuracy": None}


@torch.inference_mode()
def measure_accuracy(
    network: C3DClassifier,
    windows: np.ndarray,
    labels: Tensor,
    test: np.ndarray,
    settings: Mapping[str, Any],
    device: torch.device,
) -> float:
    """Share of held-out windows whose class is right."""
    network.eval()
    correct = 0
    for start in range(0, len(test), settings["backbone"]["batch"]):
        batch = test[start : start + settings["backbone"]["batch"]]
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            predicted = network(load_batch(windows, batch, settings, device)).argmax(1)  # (N,)
        correct += int((predicted.cpu() == labels[batch]).sum())
    return correct / len(test)


def save_restart(
    path: Path,
    key: str,
    iteration: int,
    network: C3DClassifier,
    optimiser: torch.optim.Optimizer,
    curve_rows: list[dict[str, Any]],
    totals: Tensor,
) -> None:
    """A restart point: weights, the optimiser's state of each parameter, the curve so far and the running sums."""
    arrays = {**network_arrays(network, optimiser), "totals": to_numpy(totals)}
    save_arrays(path, arrays, {"key": key, "iteration": iteration, "curve": curve_rows})


def resume(
    path: Path, key: str, network: C3DClassifier, optimiser: torch.optim.Optimizer
) -> tuple[int, list[dict[str, Any]], Tensor]:
    """Continue from a restart point of the same settings, data and code, if there is one.

    Returns:
        The next iteration, the rows of the curve so far and the running sums.
    """
    device = next(network.parameters()).device
    totals = torch.zeros(3, dtype=torch.float64, device=device)
    if not path.is_file():
        return 0, [], totals
    arrays, header = load_arrays(path)
    if header.get("key") != key:
        return 0, [], totals
    restore_network(arrays, network, optimiser)
    totals.copy_(torch.from_numpy(arrays["totals"]))
    return header["iteration"], header["curve"], totals
