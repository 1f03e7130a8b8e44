"""How long a step takes to start: as a fork of the run's server, which has loaded the libraries, and as a process of its own.

    python bench/step_start.py [--repeats 5]

Each step prints its options alone, which takes what every step needs before it works: interpreter, libraries, its own module.
Both ways take turns. docs/performance.md has the ratios.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rescore.engine import step_server

STEPS = ("systems.multitask.training.train_member", "scoring.score_table.score_table", "reporting.tables.make_table")


def seconds(step: str, environment: dict[str, str]) -> float:
    """Wall-clock seconds of one start."""
    command = [sys.executable, "-m", "rescore", "step", step, "--help"]
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    alone = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        step_server.start(Path(folder))
        served = dict(os.environ)
        for step in STEPS:
            pairs = [(seconds(step, alone), seconds(step, served)) for _ in range(options.repeats + 1)][1:]
            by_itself, by_server = (statistics.median(times) for times in zip(*pairs, strict=True))
            ratio = by_itself / by_server
            print(f"{step}: {by_itself:.2f} s alone, {by_server:.2f} s from the server: {ratio:.1f} x")


if __name__ == "__main__":
    main()
