"""DAE, Auto-Encoding Score Distribution Regression (Zhang et al. 2022), as a head of C3D-AVG on MTL-AQA."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from rescore.systems.common import amounts
from rescore.systems.common.repetition import Chosen, Repeats, Rests, Training, network_seeds
from rescore.systems.common.training_sets import VALIDATED, WHOLE
from rescore.systems.declaration import Cost, Experiment, Family, Job, Rehearsed, Settings
from rescore.systems.files import Files

TRAININGS = {"dae": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.BACKBONE)}


def reads(files: Files, job: Job) -> dict[str, Any]:
    """The dives, and C3D's weights where it does not start at random."""
    given = files.settings["multitask"]["body_weights"] == "backbone"
    return {**files.dives(), **({"backbone": files.backbone(job["seed"])} if given else {})}


def jobs(settings: Settings) -> list[dict[str, str]]:
    sets = [WHOLE, WHOLE + VALIDATED] if settings["multitask"]["validation"]["separate"] else [WHOLE]
    return [{"training_set": name, "seed": str(seed)} for name in sets for seed in network_seeds(settings)]


def trained(settings: Settings) -> Mapping[str, Any]:
    """The `multitask` section as it trains."""
    return {**settings["multitask"], **settings["extensions"]["training"]}


def cost(settings: Settings) -> Iterable[Cost]:
    """As C3D-AVG, whose layers above the trunk cost nothing beside its body."""
    knobs, count = trained(settings), len(jobs(settings))
    forward = amounts.C3D_AVG * knobs["width"] ** 2 * (knobs["clips"]["crop"] / 112) ** 2
    operations = count * knobs["epochs"] * amounts.epoch_operations(amounts.TRAINING, forward)
    return [Cost("dae", count, "mtl_aqa_clips, pretrain", operations, count * 0.35e9, memory=20e9)]


EXPERIMENTS = (
    Experiment(
        "dae",
        "systems.dae.training.train_member",
        "DAE (Zhang et al. 2022), a head of C3D-AVG",
        reads,
        {"predictions": "predictions.parquet", "weights": "weights.safetensors", "curve": "curve.csv"},
        (
            *("backbone", "dae", "extensions.training", "extensions.aggregation"),
            *("multitask", "!multitask.seeds", "!multitask.training_sets", "!multitask.vocabulary"),
            *("!multitask.wide*", "!multitask.caption*"),
        ),
        count=lambda settings: len(jobs(settings)),
        jobs=jobs,
        prefix="dae/",
        spread=True,
        minutes=1440,
        varied=lambda job: job["training_set"] == WHOLE,
        cost=cost,
    ),
)


def steps(settings: Settings) -> Mapping[str, float]:
    knobs = trained(settings)
    epochs = len(jobs(settings)) * knobs["epochs"]
    return {"": epochs * math.ceil(amounts.TRAINING / knobs["batch"]) * amounts.EVALUATED}


def in_parts(settings: Settings) -> Mapping[str, Any]:
    """A batch cut into single videos, and forward passes of single videos."""
    return {"multitask": {"accumulate": settings["multitask"]["batch"], "evaluation_batch": 1}}


FAMILY = Family("training.rehearse")
REHEARSED = (Rehearsed("dae", FAMILY, steps, in_parts, spread=True),)
TRIED = {"DAE": FAMILY}
TINY = {"dae": {"hidden": [8], "objective": "sampled", "prediction": "mean"}}
