"""S3D's released features on UNLV-Dive (MTL-AQA, Table 7)."""

from typing import Any

from rescore.systems.common.repetition import NOTHING_TRAINED, REGRESSION
from rescore.systems.declaration import Experiment, Job, Settings
from rescore.systems.files import Files

TRAININGS = {"chosen": REGRESSION, **dict.fromkeys(("grid", "plain", "authors"), NOTHING_TRAINED)}


def reads(files: Files, job: Job) -> dict[str, Any]:
    return {"directory": files.source("unlv-dive-s3d"), "mtl_aqa": files.source("mtl-aqa-annotations")}


def count(settings: Settings) -> int:
    """Every candidate of the grid, the one chosen among them, the plain regression, and the authors' own stage scores."""
    grid = settings["support_vector_regression"]
    return len(grid["kernels"]) * len(grid["c"]) * len(grid["epsilon"]) + 3


EXPERIMENTS = (
    Experiment(
        "unlv_dive_s3d",
        "systems.unlv_dive_s3d.regression.run",
        "S3D on UNLV-Dive (MTL-AQA, Table 7)",
        reads,
        {"predictions": "predictions.parquet", "choice": "choice.json", "findings": "findings.csv"},
        ("seed", "support_vector_regression"),
        count=count,
        sources=("unlv-dive-s3d", "mtl-aqa-annotations"),
        computes=False,
        gpu=False,
    ),
)
