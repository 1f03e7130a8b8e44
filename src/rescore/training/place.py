"""Where a training computes: one process or several, CPU or GPU, in which precision, and what several processes do together."""

import contextlib
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from rescore.engine.errors import RescoreError
from rescore.models.device import choose_device, computes_in_bfloat16, make_deterministic, reuse_memory

MATRIX = {"cuda": 8192, "cpu": 768}  # side of the product that utilisation is measured against


@dataclass(frozen=True)
class Place:
    """Where this process computes, and which of how many it is."""

    rank: int
    world: int
    device: torch.device
    autocast: bool
    """Whether forward passes compute in bfloat16."""


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


def alone(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings under which a training is one process: on one GPU where `gpus` says that there are any, else on the CPU."""
    return {**settings, "gpus": min(1, settings["gpus"])}


def first_process() -> bool:
    """Whether this process is the one that writes files."""
    return os.environ.get("RANK", "0") == "0"


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


def share_buffers(network: nn.Module, world: int) -> None:
    """Every process takes the first one's running statistics of batch norm, so that all predict with one network."""
    if world > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)


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
