"""S3D (Xiang et al., ICIP 2018; MTL-AQA, Table 7): stages of a dive are found, then a P3D reads each."""

import math
from collections.abc import Mapping
from typing import Any

from rescore.systems.common import dive_networks
from rescore.systems.common.repetition import Chosen, Repeats, Rests, Training, numbers_of
from rescore.systems.declaration import Experiment, Family, Job, Rehearsed, Settings
from rescore.systems.files import Files

TRAININGS = {"s3d": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.SEGMENTER)}
FORWARD = 71.707e9
"""Operations of a video: P3Ds on four stages."""


def reads(files: Files, job: Job) -> dict[str, Any]:
    return {**files.dives(), "stages": files.data("manifests/mtl_aqa_stages.parquet")}


EXPERIMENTS = (
    Experiment(
        "s3d",
        "systems.s3d.training.run",
        "MTL-AQA, Table 7: S3D",
        reads,
        {**dive_networks.WRITES, "segmentation": "segmentation.csv"},
        ("stages.segmentation", "stages.s3d", *dive_networks.SETTINGS),
        count=lambda settings: 2 * len(numbers_of(TRAININGS["s3d"], settings)),
        minutes=2880,
        varied=lambda job: True,
        cost=dive_networks.cost("s3d", FORWARD, "mtl_aqa_clips"),
    ),
)


def steps(settings: Settings) -> Mapping[str, float]:
    """The segmenter (RMSprop) learns on UNLV-Dive alone."""
    cut = settings["stages"]["segmentation"]
    learned = settings["multitask"]["seeds"] * cut["epochs"] * math.ceil(dive_networks.DIVES[1] / cut["batch"])
    return {**dive_networks.steps("s3d")(settings), "RMSprop": learned}


FAMILY = Family("rehearsal.network")
REHEARSED = (Rehearsed("s3d", FAMILY, steps, dive_networks.half_batch("s3d"), same=False),)
TRIED = {"S3D and its segmentation": FAMILY}
TINY = {
    "stages": {
        "segmentation": {
            **{
                "frame_channels": [4, 8],
                "frame_width": 16,
                "filters": [16, 16],
                "kernel": 4,
                "dropout": 0.3,
                "pool": 2,
            },
            **{"batch": 2, "learning_rate": 0.001},
        },
        "s3d": {
            **{
                "layers": [1, 1, 1, 1],
                "width": 0.0625,
                "frames": 16,
                "fusion": "mean",
                "stage_loss": 1.0,
                "dropout": 0.5,
            },
            **{
                "pool": 1,
                "batch": 2,
                "optimiser": "sgd",
                "learning_rate": 0.001,
                "anneal_every": 30,
                "anneal_factor": 0.1,
            },
            **{"momentum": 0.9, "weight_decay": 0.0005},
        },
    },
}
