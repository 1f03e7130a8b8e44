"""Speed on a GPU at the papers' sizes: C3D features, training of C3D-AVG-MTL, and many small members trained together.

    python bench/gpu.py [--part features|training|members] [--batch 64] [--training-batch 3 12] [--repeats 20] [--tiny]

Features: bytes on the GPU to fc6. Training: whole epochs of the workflow's own loop (training.end_to_end: clips held on the
device, shifted, flipped and normalised there, forward, losses, backward, Adam), all three tasks, on random bytes of full size;
the epoch before the measured one warms up. Beside it the plain recipe of bench/multitask_step.py: clips one after another,
default memory order, a word at a time, torch's default Adam and precision, on ready input, so without any data path. Last, the
same epochs in float32 and bfloat16.

TFLOP/s counts convolutions and matrix products; its share is of a large bfloat16 product's rate, measured in the same run.
On a GPU the training's rate goes to bench/gpu.json, from which `rescore plan` estimates hours. `--tiny` runs all of it on small
networks, on a CPU too: it shows that the code works and measures nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from multitask_step import plain_c3d_avg, random_targets, step

from rescore.models.c3d import C3D, forward_flops, initialise
from rescore.models.c3d_avg import C3DAverage
from rescore.models.device import choose_device, seeded_generator
from rescore.models.losses import TASKS
from rescore.models.preprocess import preprocess
from rescore.training.batches import place_clips
from rescore.training.end_to_end import Dives, Progress, train
from rescore.training.watching import training_flops

FIGURES = Path(__file__).with_name("gpu.json")
PARTS = ("training", "features", "members")
TESTED = 5  # dives that each epoch also predicts, outside its clock


@dataclass(frozen=True)
class Size:
    """How large everything is."""

    width: float
    crop: int
    frames: int
    words: int
    matrix: int
    steps: int
    """Of a measured epoch."""


FULL = Size(1.0, 112, 103, 5779, 8192, 40)
TINY = Size(0.0625, 32, 34, 40, 256, 2)


def milliseconds(run: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Median time of one call, after three calls of warm-up."""
    wait: Callable[[], object] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        wait()
        begun = time.perf_counter()
        run()
        wait()
        times.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(times)


def matrix_rate(size: Size, repeats: int, device: torch.device) -> float:
    """Operations a second of a bfloat16 product of two random matrices."""
    a, b = (torch.randn(size.matrix, size.matrix, dtype=torch.bfloat16, device=device) for _ in range(2))
    return 2e3 * size.matrix**3 / milliseconds(lambda: a @ b, repeats, device)


def features(size: Size, batch: int, repeats: int, device: torch.device, matrix: float) -> None:
    """Features of full-size clips from the bytes on the device, as `rescore.features.extract` computes them."""
    network = C3D(size.width, crop=size.crop).eval()
    initialise(network, seeded_generator(0, "bench"))
    network = network.to(device, memory_format=torch.channels_last_3d)
    pixels = torch.randint(0, 256, (batch, 16, size.crop, size.crop, 3), dtype=torch.uint8, device=device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        forward = milliseconds(lambda: network(preprocess(pixels, "rgb_imagenet")), repeats, device)
    rate = 1e3 * batch * forward_flops(network) / forward
    print(f"| C3D features, batch {batch} | {1e3 * batch / forward:.4g} | {rate / 1e12:.3g} | {rate / matrix:.2f} | |")


def random_dives(size: Size, samples: int) -> Dives:
    """Random bytes and targets; captions of 60 words."""
    generator = np.random.default_rng(0)
    shape = (samples + TESTED, size.frames + 6, size.crop, size.crop, 3)
    targets = random_targets(shape[0], size.words)
    return Dives(
        generator.integers(0, 256, shape, np.uint8),
        targets["score"].double().numpy(),
        targets,
        np.arange(samples),
        np.arange(samples, samples + TESTED),
        np.zeros(0, np.int64),
    )


def new_network(size: Size) -> C3DAverage:
    torch.manual_seed(0)
    network = C3DAverage(TASKS, size.width, size.crop, vocabulary=size.words, caption_dropout=0.0)
    initialise(network.body, seeded_generator(0, "bench"))
    return network


def settings(size: Size, batch: int, precision: str, epochs: int, compile_body: bool) -> dict[str, Any]:
    """The `multitask` section; the papers' values where they bear on speed."""
    return {
        "clips": {"frames": size.frames, "shift": 3, "step": 1},
        **{"batch": batch, "epochs": epochs, "evaluation_batch": TESTED, "learning_rate": 1e-4, "flip": 0.5},
        **{"weights": {"score": 1.0, "classes": 1.0, "caption": 0.01}, "caption_tokens": 100, "accumulate": 1},
        **{"precision": precision, "compile": compile_body, "gpus": 1, "threads": torch.get_num_threads()},
        "tensorboard": False,
    }


def trained(size: Size, batch: int, precision: str, epochs: int, compile_body: bool = False) -> tuple[Progress, float]:
    """Some epochs of the workflow's loop, and the most memory (GB) that they took on the GPU."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        restart = Path(folder) / "restart.safetensors"
        chosen = settings(size, batch, precision, epochs, compile_body)
        progress = train(
            new_network(size), random_dives(size, batch * size.steps), chosen, "rgb_imagenet", 0, restart, ""
        )
    return progress, torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0


def training(size: Size, batches: list[int], repeats: int, device: torch.device, matrix: float) -> float:
    """Print rows for the loop and for the plain recipe; the best rate of the loop, operations a second."""
    best = 0.0
    for batch in batches:
        plain = plain_step(size, batch, repeats, device, matrix)
        for compiled in (False, True) if device.type == "cuda" else (False,):
            progress, memory = trained(size, batch, "bfloat16", 2, compiled)
            row = progress.speed[-1]  # of the second epoch
            rate, clips = 1e12 * row["tflops"], row["samples_per_second"] * (size.frames // 16)
            name = f"C3D-AVG-MTL, batch {batch}{', body compiled' if compiled else ''}"
            print(
                f"| {name} | {clips:.4g}, {clips / plain:.1f} x plain (goal 10) | {rate / 1e12:.3g} "
                f"| {rate / matrix:.2f} (goal 0.45) | {memory:.1f} |"
            )
            best = max(best, rate)
    return best


def plain_step(size: Size, batch: int, repeats: int, device: torch.device, matrix: float) -> float:
    """Print the plain recipe's row; its clips a second."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    # PyTorch's defaults, which training changes: products of convolutions in TF32, kernels chosen without timing them.
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = True, False
    network = new_network(size).to(device)
    frames = size.frames // 16 * 16
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    inputs = torch.randn(batch, 3, frames, size.crop, size.crop, device=device)
    targets = {name: value.to(device) for name, value in random_targets(batch, size.words).items()}
    spent = milliseconds(
        lambda: step(lambda x, t: plain_c3d_avg(network, x, t), optimiser, inputs, targets, batch),
        min(repeats, 5),
        device,
    )
    clips = 1e3 * batch * (frames // 16) / spent
    one = np.zeros((1, size.frames + 6, size.crop, size.crop, 3), np.uint8)
    source = place_clips(one, network, settings(size, batch, "float32", 1, False), "rgb_imagenet", device)
    rate = 1e3 * batch * training_flops(network, source, np.full(1, 62)) / spent
    memory = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0
    print(f"| plain recipe, batch {batch} | {clips:.4g} | {rate / 1e12:.3g} | {rate / matrix:.2f} | {memory:.1f} |")
    return clips


def precisions(size: Size, batch: int) -> None:
    """The same two epochs in float32 and in bfloat16: losses and predictions beside each other."""
    (whole, _), (half, _) = (trained(size, batch, precision, 2) for precision in ("float32", "bfloat16"))
    print(
        "\n| epoch | loss, float32 | loss, bfloat16 | difference | largest difference of a prediction |\n|---|---|---|---|---|"
    )
    for epoch, (a, b) in enumerate(zip(whole.curve, half.curve, strict=True)):
        apart = np.abs(whole.scores[epoch] - half.scores[epoch]).max()
        relative = b["loss"] / a["loss"] - 1
        print(f"| {epoch + 1} | {a['loss']:.4f} | {b['loss']:.4f} | {100 * relative:+.2f} % | {apart:.4f} |")
    faster = half.speed[-1]["samples_per_second"] / whole.speed[-1]["samples_per_second"]
    print(f"\nbfloat16 is {faster:.1f} x as fast as float32.\n")


def members(tiny: bool) -> None:
    """Training of Table 3's members at the paper's sizes, together against one after another."""
    command = [sys.executable, str(Path(__file__).with_name("members.py")), "--scale", "smoke" if tiny else "paper"]
    subprocess.run(command, check=True)  # its output goes where ours goes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--batch", type=int, default=64, help="clips of the feature extraction")
    parser.add_argument("--training-batch", type=int, nargs="+", default=[3, 12], help="dives a step; the paper's is 3")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--tiny", action="store_true", help="small networks, without a GPU too")
    options = parser.parse_args()
    if not (torch.cuda.is_available() or options.tiny):
        print("no GPU")
        return
    device, size, parts = choose_device(), TINY if options.tiny else FULL, options.part or PARTS
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    matrix = matrix_rate(size, options.repeats, device)
    print(
        f"{name}, torch {torch.__version__}, bfloat16, medians of {options.repeats}; a {size.matrix} x {size.matrix} product:"
    )
    print(f"{matrix / 1e12:.3g} TFLOP/s. Memory: the most that PyTorch held.\n")
    print("| job | clips/s | TFLOP/s | share of the product's rate | memory, GB |\n|---|---|---|---|---|")
    if "training" in parts:
        rate = training(size, options.training_batch, options.repeats, device, matrix)
    if "features" in parts:
        features(size, options.batch, options.repeats, device, matrix)
    if "training" in parts:
        precisions(size, options.training_batch[0])
        if not options.tiny:
            FIGURES.write_text(json.dumps({"operations_per_second": rate, "device": name}) + "\n")
    sys.stdout.flush()
    if "members" in parts:
        members(options.tiny)


if __name__ == "__main__":
    main()
