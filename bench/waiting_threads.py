"""What it costs and brings that waiting threads sleep (OMP_WAIT_POLICY=PASSIVE) instead of spinning, quiet and busy.

    python bench/waiting_threads.py

A small 3D network trains on all cores, with either policy, alone and beside as many busy processes as `--busy` says. Figures are
ratios of steps a second in one run: docs/performance.md has them.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

SECONDS = 5.0


def steps_per_second() -> float:
    """Training steps a second of a small network, in this process."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = [nn.Conv3d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(16, 32, 3, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(32, 10))
    network = network.to(memory_format=torch.channels_last_3d)
    clips = torch.randn(8, 3, 16, 40, 40).to(memory_format=torch.channels_last_3d)
    optimiser = torch.optim.Adam(network.parameters())

    def step() -> None:
        optimiser.zero_grad()
        network(clips).square().mean().backward()
        optimiser.step()

    for _ in range(3):
        step()
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        step()
        steps += 1
    return steps / (time.perf_counter() - started)


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Other people's work: processes that never wait."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measured(policy: str) -> float:
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    command = [sys.executable, __file__, "--part"]
    return float(subprocess.run(command, env=environment, text=True, capture_output=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=1, help="busy processes beside the training; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(steps_per_second())
        return
    for others in (0, options.busy):
        with busy(others):
            pairs = [(measured("ACTIVE"), measured("PASSIVE")) for _ in range(options.repeats)]
        ratios = sorted(passive / active for active, passive in pairs)
        middle = ratios[len(ratios) // 2]
        print(
            f"{others} busy beside: sleeping threads {middle:.2f}x as fast as spinning ones ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
