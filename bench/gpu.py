"""Speed on a GPU at the papers' sizes: C3D features, and many members trained together.

    python bench/gpu.py [--batch 64] [--repeats 20]

Prints "no GPU" and ends well where there is none.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from rescore.models.c3d import C3D, forward_flops, initialise
from rescore.models.device import make_deterministic, seeded_generator
from rescore.models.preprocess import preprocess

MATRIX = 8192


def milliseconds(run: Callable[[], object], repeats: int) -> float:
    """Median time of one call on the GPU's own clock, after three calls of warm-up."""
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def features(batch: int, repeats: int) -> None:
    """Features of full-size clips from the bytes on the GPU, as `rescore.features.extract` computes them."""
    network = C3D().eval()
    initialise(network, seeded_generator(0, "bench"))
    network = network.to("cuda", memory_format=torch.channels_last_3d)
    pixels = torch.randint(0, 256, (batch, 16, 112, 112, 3), dtype=torch.uint8, device="cuda")
    a, b = (torch.randn(MATRIX, MATRIX, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        matrix = milliseconds(lambda: a @ b, repeats)
        forward = milliseconds(lambda: network(preprocess(pixels, "rgb_imagenet")), repeats)
    matrix_rate = 2 * MATRIX**3 / matrix / 1e9
    rate = batch * forward_flops(network) / forward / 1e9
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, bfloat16, median of {repeats}\n")
    print("| job | TFLOP/s | share of matrix multiplication | clips/s |\n|---|---|---|---|")
    print(f"| matrix multiplication | {matrix_rate:.0f} | 1.00 | |")
    print(f"| C3D features, batch {batch} | {rate:.0f} | {rate / matrix_rate:.2f} | {1e3 * batch / forward:.0f} |\n")


def members() -> None:
    """Training of Table 3's members at the paper's sizes, together against one after another."""
    command = [sys.executable, str(Path(__file__).with_name("members.py")), "--scale", "paper"]
    subprocess.run(command, check=True)  # its output goes where ours goes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU")
        return
    make_deterministic()
    features(options.batch, options.repeats)
    sys.stdout.flush()
    members()


if __name__ == "__main__":
    main()
