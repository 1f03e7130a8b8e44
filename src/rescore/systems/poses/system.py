"""Pose+DCT and Pose+ApEn (AQA-7, Table 2; MTL-AQA, Table 7)."""

from typing import Any

from rescore.actions import EXPERIMENT_ACTIONS
from rescore.systems.common.repetition import network_seeds, numbers_of
from rescore.systems.declaration import Experiment, Job, Settings
from rescore.systems.files import Files
from rescore.systems.poses.members import TRAININGS as TRAININGS

READ = (
    *("seed", "first_training", "multitask.seeds"),
    *("poses.estimator", "poses.scale", "poses.frequencies", "poses.entropy", "poses.regression"),
)
WRITES = {"predictions": "predictions.parquet", "chosen": "chosen.csv"}


def reads_dives(files: Files, job: Job) -> dict[str, Any]:
    return {**files.poses("mtl_aqa", network_seeds(files.settings)), "splits": files.splits}


def reads_actions(files: Files, job: Job) -> dict[str, Any]:
    return files.poses("aqa7", network_seeds(files.settings))


def fitted(settings: Settings) -> int:
    """Regressions on a set of samples; those on true joints exist for synthetic videos alone."""
    return len(numbers_of(TRAININGS["pose_dct"], settings))


def on_dives(name: str, title: str) -> Experiment:
    return Experiment(
        name,
        f"systems.poses.{name}.run",
        f"MTL-AQA, Table 7: {title}",
        reads_dives,
        WRITES,
        READ,
        count=lambda settings: 2 * fitted(settings),
        computes=False,
        gpu=False,
        varied=lambda job: True,
    )


EXPERIMENTS = (
    on_dives("pose_dct", "Pose+DCT"),
    on_dives("pose_apen", "Pose+ApEn"),
    Experiment(
        "pose_aqa7",
        "systems.poses.pose_aqa7.run",
        "AQA-7, Table 2: Pose+DCT, Pose+ApEn",
        reads_actions,
        WRITES,
        READ,
        count=lambda settings: 2 * len(EXPERIMENT_ACTIONS) * fitted(settings),
        computes=False,
        gpu=False,
    ),
)
