"""One official video of AQA-7 through C3D, with the authors' preprocessing."""

from typing import Any

from rescore.systems.declaration import Experiment, Job
from rescore.systems.files import Files


def reads(files: Files, job: Job) -> dict[str, Any]:
    return {"directory": files.source("aqa7-dive-054"), "lists": files.source("aqa7-lists")}


EXPERIMENTS = (
    Experiment(
        "real_dive",
        "systems.real_dive.forward.run",
        "AQA-7: one official video through C3D",
        reads,
        {"record": "record.json"},
        ("seed", "clips", "backbone"),
        count=lambda settings: 1,
        sources=("aqa7-dive-054", "aqa7-lists"),
        gpu=False,
    ),
)
