"""How long it takes to look at the graph: `snakemake -n` with what earlier runs kept of the sources, and without.

    python bench/dry_run.py [--scale demo] [--turns 5]

Run it in a checkout's root. Prints processor seconds, median over turns that alternate, and their ratio.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

KEPT = Path(".snakemake/rescore-sources.json")


def seconds(scale: str) -> float:
    """Processor time of one dry run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--config", f"scale={scale}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    seconds(options.scale)  # compiled modules, the kept file
    without, kept = [], []
    for _ in range(options.turns):
        KEPT.unlink(missing_ok=True)
        without.append(seconds(options.scale))
        kept.append(seconds(options.scale))
    first, second = statistics.median(without), statistics.median(kept)
    print(f"without {first:.2f} s, with kept sources {second:.2f} s of processor time: {first / second:.2f}")


if __name__ == "__main__":
    main()
