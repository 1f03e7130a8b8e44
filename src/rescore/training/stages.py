"""Train the networks that take a dive apart: S3D's and Li et al.'s on scores, and the segmenter on the stages of frames.

    clip store (uint8) ─► each dive's own frames: shifted, flipped, normalised ─► network ─► loss ─► optimiser   every step
                                                                                 network ─► predictions         every epoch
                                                                                 everything ─► restart point    every epoch

Clips, arithmetic and draws are `training.multitask`'s, so that a dive is shifted and flipped here as it is there. All that is
random follows from the seed and the epoch's number: a killed run ends with the same bytes (on a CPU; on CUDA to rounding).
"""

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays
from rescore.models.device import derived_seed
from rescore.training.multitask import (
    GPU_SHARE,
    Dives,
    Place,
    Progress,
    Source,
    draw_epoch,
    load,
    measure,
    open_place,
    save,
)
from rescore.training.schedule import annealed

SLOTS = ("momentum_buffer", "step", "exp_avg", "exp_avg_sq")  # what SGD and Adam keep of each parameter
CURVE_COLUMNS = ("epoch", "iteration", "learning_rate", "loss", "test_correlation", "validation_correlation")
Loss = Callable[[Mapping[str, Tensor], Tensor, Mapping[str, Any]], Tensor]


def train(
    network: nn.Module,
    dives: Dives,
    frames: np.ndarray,
    loss: Loss,
    settings: Mapping[str, Any],
    section: Mapping[str, Any],
    colour: str,
    seed: int,
    restart: Path,
    key: str,
) -> Progress:
    """Train a network in place, and predict the test and validation dives after every epoch.

    Args:
        network: initialised, on the CPU; frames (N, 3, F, h, w) to a mapping with `score` (N,), in units of training.
        dives: data, checked by the caller.
        frames: (samples, F) int64: which frames of the store the network reads of each dive at shift 0.
        loss: of what the network gives, targets (N,) and `section`.
        settings: the `multitask` section of params.yaml: clips, flip, threads, gpus, precision.
        section: `stages.s3d` or `stages.li`.
        colour: of the network's input, a key of `preprocess.COLOURS`.
        seed: of the member: order, shifts, flips and dropout.
        restart: restart point, written after every epoch; the caller removes it when the results are safe.
        key: of all that the results depend on; a restart point with another key is not used.

    Returns:
        Curve and scores of each epoch.

    Raises:
        RescoreError: the loss is not finite, or the restart point is damaged.
    """
    with one_place(settings) as place:
        network.to(place.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        optimiser = make_optimiser(network, section)
        progress = resume(restart, key, network, optimiser)
        clips = hold_clips(dives.clips, place.device)
        of_dive = torch.from_numpy(frames).to(clips.device)
        target = dives.targets["score"].to(place.device)
        for epoch in range(len(progress.curve), section["epochs"]):
            rate = annealed(section["learning_rate"], epoch, section["anneal_every"], section["anneal_factor"])
            for group in optimiser.param_groups:
                group["lr"] = rate
            order, shifts, flips = draw_epoch(dives.train, settings, seed, epoch)  # (samples,) each
            torch.manual_seed(derived_seed(seed, "dropout", epoch))
            network.train()
            total = 0.0
            parts = batches(len(order), section["batch"])
            for part in tqdm(parts, f"epoch {epoch + 1} of {section['epochs']}", unit="step", disable=None):
                rows, shift, flip = (torch.from_numpy(drawn[part]).to(clips.device) for drawn in (order, shifts, flips))
                x = read(Source(clips, of_dive[rows], colour, place.device), rows, shift, flip, section["pool"])
                with torch.autocast(place.device.type, torch.bfloat16, enabled=place.autocast):
                    outputs = network(x)
                found = loss({name: value.float() for name, value in outputs.items()}, target[rows], section)
                found.backward()
                optimiser.step()
                optimiser.zero_grad()
                total += float(found.detach()) * len(rows)
            check_loss(total / len(order), epoch, rate)
            tested, validated = (
                {"score": predict(network, clips, of_dive, chosen, colour, settings, section["pool"], place)}
                for chosen in (dives.test, dives.validation)
            )
            progress.curve.append(
                {"epoch": epoch + 1, "iteration": (epoch + 1) * len(parts), "learning_rate": rate}
                | {"loss": total / len(order)}
                | correlation("test", tested, dives, dives.test)
                | correlation("validation", validated, dives, dives.validation)
            )
            progress.scores.append(np.concatenate([tested["score"], validated["score"]]))
            save(restart, key, network, optimiser, progress)  # type: ignore[arg-type]
    return progress


def one_place(settings: Mapping[str, Any]) -> Any:
    """Where a training computes: one GPU where `multitask.gpus` says that there are any, else the CPU."""
    return open_place({**settings, "gpus": min(1, settings["gpus"])})


def hold_clips(clips: np.ndarray, device: torch.device) -> Tensor:
    """The clips on the device where they fit; else they stay mapped, and each batch is sent."""
    if device.type == "cuda" and clips.nbytes < GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
        return torch.from_numpy(np.array(clips)).to(device)
    with warnings.catch_warnings():  # of a map that cannot be written; nothing here does
        warnings.simplefilter("ignore")
        return torch.from_numpy(clips)


def read(source: Source, rows: Tensor, shift: Tensor, flip: Tensor, pool: int) -> Tensor:
    """Samples as network input, (N, 3, F, crop // pool, crop // pool) float32; `source.frames` is (N, F), or (F,) for all."""
    x = load(source, rows, shift, flip)
    if pool == 1:
        return x
    # Frame by frame: the pooling of pictures keeps channels last, that of videos does not.
    pictures = F.avg_pool2d(x.transpose(1, 2).flatten(0, 1), pool)  # (N * F, 3, h, w)
    return pictures.unflatten(0, (len(x), -1)).transpose(1, 2)


def batches(samples: int, size: int) -> list[slice]:
    """Slices of at most `size`; a last one of a single sample joins the one before, because batch norm needs two values."""
    starts = list(range(0, samples, size))
    if len(starts) > 1 and samples - starts[-1] == 1:
        starts.pop()
    return [slice(first, after) for first, after in zip(starts, [*starts[1:], samples], strict=True)]


def make_optimiser(network: nn.Module, section: Mapping[str, Any]) -> torch.optim.Optimizer:
    rate, decay = section["learning_rate"], section["weight_decay"]
    if section["optimiser"] == "sgd":
        return torch.optim.SGD(network.parameters(), rate, section["momentum"], weight_decay=decay)
    return torch.optim.Adam(network.parameters(), rate, weight_decay=decay, fused=True)


def resume(path: Path, key: str, network: nn.Module, optimiser: torch.optim.Optimizer) -> Progress:
    """Put network and optimiser where a restart point of the same data, settings and code left them, if there is one.

    Raises:
        RescoreError: the file is damaged.
    """
    if not path.is_file():
        return Progress()
    arrays, header = load_arrays(path)
    if header.get("key") != key:
        return Progress()
    restore(arrays, network, optimiser)
    return Progress(header["curve"], scores=[arrays[f"scores.{epoch}"] for epoch in range(len(header["curve"]))])


def restore(arrays: Mapping[str, np.ndarray], network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Put a network and its SGD or Adam, in place, where `restart.network_arrays` found them."""
    for name, value in network.state_dict().items():
        value.copy_(torch.from_numpy(arrays[f"network.{name}"]).view(value.shape))
    for name, parameter in network.named_parameters():
        for slot in SLOTS:
            if (array := arrays.get(f"optimiser.{slot}.{name}")) is None:
                continue
            # Moments lie in memory as their parameter does, so that the same kernels round in the same way.
            like = torch.empty((), device=parameter.device) if slot == "step" else torch.empty_like(parameter)
            optimiser.state[parameter][slot] = like.detach().copy_(torch.from_numpy(array).view(like.shape))


def check_loss(mean: float, epoch: int, rate: float) -> None:
    if not math.isfinite(mean):
        raise RescoreError(
            f"training diverged: the mean loss of epoch {epoch + 1} is {mean} at learning rate {rate:g}. "
            "Lower learning_rate of this system in params.yaml's section `stages`."
        )


def correlation(split: str, found: Mapping[str, np.ndarray], dives: Dives, rows: np.ndarray) -> dict[str, float | None]:
    name = f"{split}_correlation"
    return {name: measure(split, found, dives, rows)[name] if len(rows) else None}


@torch.inference_mode()
def predict(
    network: nn.Module,
    clips: Tensor,
    frames: Tensor,
    rows: np.ndarray,
    colour: str,
    settings: Mapping[str, Any],
    pool: int,
    place: Place,
) -> np.ndarray:
    """Scores (n,) float32 of samples without shift and flip, in units of training."""
    network.eval()
    found = [torch.zeros(0)]
    for part in torch.from_numpy(rows).to(clips.device).split(settings["evaluation_batch"]) if len(rows) else ():
        still = torch.zeros_like(part)
        x = read(Source(clips, frames[part], colour, place.device), part, still, still.bool(), pool)
        with torch.autocast(place.device.type, torch.bfloat16, enabled=place.autocast):
            found.append(network(x)["score"].float().cpu())
    return torch.cat(found).numpy()
