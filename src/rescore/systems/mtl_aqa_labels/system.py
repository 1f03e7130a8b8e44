"""MTL-AQA without video: what its released labels alone say about the score."""

from typing import Any

from rescore.systems.common.repetition import REGRESSION
from rescore.systems.declaration import Experiment, Job
from rescore.systems.files import Files

TRAININGS = dict.fromkeys(
    ("dive_class", "event", "commentary", "commentary_without_numbers", "combination"), REGRESSION
)


def reads(files: Files, job: Job) -> dict[str, Any]:
    return {"directory": files.source("mtl-aqa-annotations")}


EXPERIMENTS = (
    Experiment(
        "mtl_aqa_labels",
        "systems.mtl_aqa_labels.predict.run",
        "MTL-AQA without video",
        reads,
        {"predictions": "predictions.parquet", "choice": "choice.json", "findings": "findings.csv"},
        ("seed", "ridge"),
        count=lambda settings: 6,
        sources=("mtl-aqa-annotations",),
        computes=False,
        gpu=False,
    ),
)
