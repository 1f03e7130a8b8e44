"""How near C3D's forward pass comes to this CPU's float32 matrix multiplication.

    python bench/c3d_forward.py [--width 1.0] [--crop 112] [--batch 4] [--repeats 7]

Counts 2 x multiply-adds of the convolutions and linear layers, and times in turn: a square matrix multiplication, the
network in channels_last_3d, and the network in the default memory order. The medians' ratios go to standard output.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from rescore.models.c3d import C3D, forward_flops, initialise
from rescore.models.device import make_deterministic, reuse_memory, seeded_generator

MATRIX = 4096


def interleaved(work: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each job; they take turns, so that a busy moment of the machine falls on all alike. The first turn warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats + 1):
        for name, run in work.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--crop", type=int, default=112)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    make_deterministic()
    reuse_memory()
    network = C3D(options.width, crop=options.crop).eval()
    initialise(network, seeded_generator(0, "bench"))
    default_order = C3D(options.width, crop=options.crop).eval()
    default_order.load_state_dict(network.state_dict())
    network = network.to(memory_format=torch.channels_last_3d)
    clips = torch.randn(options.batch, 3, 16, options.crop, options.crop)
    channels_last = clips.contiguous(memory_format=torch.channels_last_3d)
    a, b, c = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX), torch.empty(MATRIX, MATRIX)

    with torch.inference_mode():
        seconds = interleaved(
            {
                "matrix multiplication": lambda: torch.mm(a, b, out=c),
                "channels_last_3d": lambda: network(channels_last),
                "default order": lambda: default_order(clips),
            },
            options.repeats,
        )
    flops = options.batch * forward_flops(network)
    work = {"matrix multiplication": 2 * MATRIX**3, "channels_last_3d": flops, "default order": flops}
    rates = {name: work[name] / statistics.median(values) / 1e9 for name, values in seconds.items()}
    print(f"C3D to fc6, width {options.width:g}, crop {options.crop}, batch {options.batch}: {flops / 1e9:.2f} GFLOP")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, median of {options.repeats}\n")
    print("| job | GFLOP/s | share of matrix multiplication | ms a clip |\n|---|---|---|---|")
    for name, rate in rates.items():
        clip = (
            "" if name == "matrix multiplication" else f"{1e3 * statistics.median(seconds[name]) / options.batch:.2f}"
        )
        print(f"| {name} | {rate:.0f} | {rate / rates['matrix multiplication']:.2f} | {clip} |")
    print(
        f"\nchannels_last_3d is {rates['channels_last_3d'] / rates['default order']:.2f} times as fast as the default order."
    )


if __name__ == "__main__":
    main()
