"""What a scale takes, before anything of it is there: arithmetic, GPU hours, disk and memory of each step.

Operations are what systems declare, and what comes before them. GPU hours come from the rate that `bench/gpu.py` measured and
left in bench/gpu.json, where it was run.
"""

import json
from pathlib import Path

from tabulate import tabulate

from rescore.experiments import upstream
from rescore.systems import registry
from rescore.systems.declaration import Cost, Settings

GPU_FIGURES = Path("bench/gpu.json")
ASSUMED_RATE = 200e12
"""Operations a second where `bench/gpu.py` was not run: about a fifth of what a current data-centre GPU's data sheet promises
in bfloat16. An assumption, and printed as one."""


def steps(settings: Settings) -> list[Cost]:
    """Every step that takes more than seconds."""
    own = (
        cost for experiment in registry.on_videos() if experiment.runs(settings) for cost in experiment.cost(settings)
    )
    return [*upstream.costs(settings), *own]


def gpu_rate(figures: Path = GPU_FIGURES) -> tuple[float, str]:
    """Operations a second of a training, and where the figure is from."""
    if figures.is_file():
        found = json.loads(figures.read_text(encoding="utf-8"))
        return float(found["operations_per_second"]), f"measured by bench/gpu.py on {found['device']}"
    return ASSUMED_RATE, "assumed: bench/gpu.py has not been run on a GPU"


def describe(rows: list[Cost], figures: Path = GPU_FIGURES) -> str:
    """The table, its sums, and what the hours rest on."""
    rate, origin = gpu_rate(figures)
    table = [
        [
            step.name,
            step.jobs,
            f"{step.operations:.1e}" if step.operations else "",
            f"{step.operations / rate / 3600:.2f}" if step.operations else "",
            f"{step.disk / 1e9:.1f}",
            f"{step.memory / 1e9:.0f}",
            step.needs,
        ]
        for step in rows
    ]
    headers = ["step", "jobs", "operations", "GPU hours", "disk, GB", "memory, GB", "needs"]
    hours = sum(step.operations for step in rows) / rate / 3600
    disk = sum(step.disk for step in rows) / 1e9
    return (
        f"{tabulate(table, headers=headers, tablefmt='simple', disable_numparse=True)}\n\n"
        f"Together {hours:.0f} GPU hours and {disk:.0f} GB of disk beside the videos. Hours: operations at {rate / 1e12:.0f} "
        f"TFLOP/s, {origin}. Operations count convolutions and matrix products; memory is an estimate."
    )
