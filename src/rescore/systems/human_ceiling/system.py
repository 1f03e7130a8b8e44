"""The human ceiling: each judge against the rest of the panel (MTL-AQA, 6)."""

from typing import Any

from rescore.systems.common.repetition import NOTHING_TRAINED
from rescore.systems.declaration import Experiment, Job
from rescore.systems.files import Files

TRAININGS = dict.fromkeys(("judge", "execution", "synchronised"), NOTHING_TRAINED)


def reads(files: Files, job: Job) -> dict[str, Any]:
    return {"directory": files.source("mtl-aqa-annotations")}


EXPERIMENTS = (
    Experiment(
        "human_ceiling",
        "systems.human_ceiling.judges.run",
        "MTL-AQA, 6: judges against judges",
        reads,
        {"predictions": "predictions.parquet", "rule": "rule.json", "findings": "findings.csv"},
        (),
        count=lambda settings: 14,
        sources=("mtl-aqa-annotations",),
        computes=False,
        gpu=False,
    ),
)
