"""What portable arithmetic costs: training steps as the reference computes them against each library as its makers ship it.

    python bench/arithmetic.py [--turns 3] [--size demo paper] [--only c3d_avg mscadc ...] [--minutes 20]

Every figure is the time from one optimiser step to the next of a real training on made-up data (experiments.rehearse), in a fresh
process, because libraries read their variables when they load. The two modes take turns; the table has the median of the turns,
and the ratio portable / fastest. One thread. Prints a Markdown table.
"""

import argparse
import platform
import statistics
import tempfile
from pathlib import Path

from tabulate import tabulate

from rescore.engine import arithmetic, parameters
from rescore.experiments import rehearse

TRAININGS = ("pretraining", "all_action", "c3d_avg", "mscadc", "s4aqa")
STEPS = {"demo": 12, "paper": 3}


def seconds(name: str, size: str, mode: str, minutes: float) -> float:
    """A step, in a process of its own; of a training with several networks, one step of each."""
    settings = {**parameters.load(scale=size)[1], "arithmetic": mode}
    with tempfile.TemporaryDirectory() as folder:
        found = rehearse.rehearse_one(name, settings, Path(folder), rehearse.available_bytes(), minutes, STEPS[size])
    if not found.fits:
        raise SystemExit(f"{name} at {size}, {mode}: {found.said}")
    return sum(step for _, step in found.optimisers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--size", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--only", nargs="+", choices=TRAININGS, default=TRAININGS)
    parser.add_argument("--minutes", type=float, default=20.0, help="after which a training is given up")
    options = parser.parse_args()
    rows = []
    for size in options.size:
        for name in options.only:
            times: dict[str, list[float]] = {mode: [] for mode in arithmetic.MODES}
            for _ in range(options.turns):
                for mode in arithmetic.MODES:
                    times[mode].append(seconds(name, size, mode, options.minutes))
            portable, fastest = (statistics.median(times[mode]) for mode in arithmetic.MODES)
            rows.append([name, size, f"{1000 * portable:.3g}", f"{1000 * fastest:.3g}", f"{portable / fastest:.2f}"])
    print(f"{platform.processor() or platform.machine()}, one thread, median of {options.turns} turns\n")
    headers = ["training", "size", "portable, ms a step", "fastest, ms a step", "portable / fastest"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
