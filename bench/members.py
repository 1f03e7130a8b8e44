"""Training all members of AQA-7's Table 3 together against one after another (training.members).

    python bench/members.py                    demo sizes, on the CPU or the GPU that is there; about a minute
    python bench/members.py --scale paper      the paper's sizes; needs a GPU

Members: six single-action and six leave-one-out networks, each x seeds, on random features of the data set's size. Prints a
Markdown table. `one after another` is the same function with one member at a time; `torch.nn.LSTM` is the plain loop:
autograd and torch.optim.Adam, a member at a time. Both do a share of the iterations; times are per member and iteration.
"""

import argparse
import os
import platform
import time
from typing import Any

import numpy as np
import torch
from torch import nn

from rescore.engine import parameters
from rescore.models.c3d_lstm import initial_weights
from rescore.training.members import Member, train_members

TRAIN_COUNTS = (300, 120, 140, 150, 56, 37)  # 803 training samples in six parts, about AQA-7's
CLIP_WIDTH = 4096  # C3D's fc6 at width 1


def table_3(seeds: int) -> list[Member]:
    """Twelve training subsets x seeds."""
    parts = np.split(np.arange(sum(TRAIN_COUNTS)), np.cumsum(TRAIN_COUNTS)[:-1])
    subsets = {f"single/{i}": rows for i, rows in enumerate(parts)}
    subsets |= {f"without/{i}": np.concatenate(parts[:i] + parts[i + 1 :]) for i in range(6)}
    nothing = np.zeros(0, np.int64)
    return [Member(name, seed, rows, rows / 100, nothing) for name, rows in subsets.items() for seed in range(seeds)]


def seconds(
    features: np.ndarray, members: list[Member], lstm: dict[str, Any], iterations: int, at_once: int | None
) -> float:
    """Seconds a member and iteration. Two lengths are timed and subtracted, so that fixed costs fall out."""
    times = []
    for count in (iterations, 3 * iterations):
        settings = {**lstm, "iterations": count, "evaluate_every": count, "checkpoint_every": count}
        start = time.perf_counter()
        train_members(features, members, settings, members_at_once=at_once)
        times.append(time.perf_counter() - start)
    return (times[1] - times[0]) / (2 * iterations * len(members))


def plain_seconds(features: np.ndarray, member: Member, lstm: dict[str, Any], iterations: int) -> float:
    """Seconds an iteration of one member as one would write it with torch's modules."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    table = torch.from_numpy(features).flatten(0, 1).to(device).float()  # (items, T, D)
    weights = initial_weights(features.shape[3], lstm["width"], lstm["initial_sd"], member.generator(0))
    layer, unit = nn.LSTM(features.shape[3], lstm["width"]).to(device), nn.Linear(lstm["width"], 1).to(device)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(weights["lstm.weight_ih"]))
        layer.weight_hh_l0.copy_(torch.from_numpy(weights["lstm.weight_hh"]))
    optimiser = torch.optim.Adam([*layer.parameters(), *unit.parameters()], lr=lstm["learning_rate"])
    items = torch.from_numpy(member.generator(1).integers(0, len(table), (iterations + 10, lstm["batch"]))).to(device)
    start = 0.0
    for iteration, batch in enumerate(items):
        if iteration == 10:  # the first ones choose kernels and fill caches
            torch.cuda.synchronize() if device.type == "cuda" else None
            start = time.perf_counter()
        predicted = unit(layer(table[batch].transpose(0, 1))[0][-1])  # (B, 1)
        loss = (predicted - 1).square().mean() / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.cuda.synchronize() if device.type == "cuda" else None
    return (time.perf_counter() - start) / iterations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("demo", "paper"), default="demo")
    parser.add_argument("--iterations", type=int, default=30, help="of the stack; single members do the same number")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    if options.scale == "paper" and not cuda:
        print("no GPU: the paper's sizes (4096 -> 256) are measured on one only. Nothing was run.")
        return
    _, settings = parameters.load(scale=options.scale)
    lstm, backbone = settings["lstm"], settings["backbone"]
    width = round(CLIP_WIDTH * backbone["width"])
    shape = (sum(TRAIN_COUNTS), backbone["temporal_offsets"], backbone["clips"], width)
    features = np.random.default_rng(0).standard_normal(shape, np.float32).clip(0).astype(np.float16)
    members = table_3(settings["seeds"])
    few = members[:: len(members) // 4]  # members cost the same: four stand for all
    seconds(features, few[:1], lstm, 5, None)  # warm-up
    together = seconds(features, members, lstm, options.iterations, None)
    apart = seconds(features, few, lstm, options.iterations, 1)
    plain = float(np.median([plain_seconds(features, member, lstm, 3 * options.iterations) for member in few]))
    name = (
        torch.cuda.get_device_name()
        if cuda
        else f"CPU, {torch.get_num_threads()} threads of {os.cpu_count()}, {platform.machine()}"
    )
    print(
        f"Table 3, {len(members)} members, {width} -> {lstm['width']}, batch {lstm['batch']}; {name}; torch {torch.__version__}\n"
    )
    print("| how | ms a member and iteration | ratio |\n|---|---:|---:|")
    for how, value in (
        ("together", together),
        ("one after another", apart),
        ("torch.nn.LSTM, one after another", plain),
    ):
        print(f"| {how} | {1000 * value:.3f} | {value / together:.1f} |")


if __name__ == "__main__":
    main()
