"""Other aggregations, backbones and heads in C3D-AVG's place: a job a system of `extensions.systems`."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rescore.systems.common import amounts
from rescore.systems.common.repetition import Chosen, Repeats, Rests, Training, network_seeds
from rescore.systems.common.training_sets import VALIDATED, WHOLE
from rescore.systems.declaration import Cost, Experiment, Family, Job, Rehearsed, Settings
from rescore.systems.extensions.members import (
    EXPERIMENT,
    JUDGES,
    REFERENCE,
    System,
    systems,
    training_sets,
    training_settings,
)
from rescore.systems.files import Files


def listed_trainings(settings: Settings) -> Mapping[str, Training]:
    """Of every system that params.yaml lists, and of the row to beat; systems with one head are a family."""
    heads = {line["name"]: line["head"] for line in (settings.get("extensions") or {}).get("systems", ())}
    return {
        f"{name}/{training_set}": Training(
            Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.BACKBONE, family=f"{EXPERIMENT}/{head}"
        )
        for name, head in {REFERENCE.name: REFERENCE.head, **heads}.items()
        for training_set in (WHOLE, WHOLE + VALIDATED)
    }


def named(settings: Settings, name: str) -> System:
    return next(system for system in systems(settings) if system.name == name)


def reads(files: Files, job: Job) -> dict[str, Any]:
    """The dives, weights of the body (none where it starts at random), and the judges' marks where the head learns from them."""
    settings, system = files.settings, named(files.settings, job["system"])
    found: dict[str, Any] = files.dives()
    if system.backbone == "c3d":
        if settings["multitask"]["body_weights"] == "backbone":
            found["backbone"] = files.backbone(job["seed"])
    elif settings["extensions"]["resnet_weights"] == "kinetics400":
        found["backbone"] = files.run(f"extensions/backbones/{system.backbone}.safetensors")
    if system.head == JUDGES:
        found["judges"] = files.data("manifests/mtl_aqa_judges.parquet")
    return found


def jobs(settings: Settings) -> list[dict[str, str]]:
    return [
        {"system": system.name, "training_set": training_set, "seed": str(seed)}
        for system in systems(settings)
        for training_set in training_sets(settings)
        for seed in network_seeds(settings)
    ]


def cost(settings: Settings) -> Iterable[Cost]:
    """A 3D ResNet with 18 layers takes about as many operations a clip as C3D, so each system counts as C3D-AVG; CoRe's two
    videos a step count once.
    """
    knobs, count = settings["multitask"], len(jobs(settings))
    epochs = {**knobs, **settings["extensions"]["training"]}["epochs"]
    forward = amounts.C3D_AVG * knobs["width"] ** 2 * (knobs["clips"]["crop"] / 112) ** 2
    operations = count * epochs * amounts.epoch_operations(amounts.TRAINING, forward)
    return [Cost(EXPERIMENT, count, "mtl_aqa_clips, pretrain", operations, count * 0.35e9, memory=20e9)]


def published(settings: Settings) -> Iterable[str]:
    """Networks of torchvision's that systems start from."""
    converted = settings["extensions"]["resnet_weights"] == "kinetics400"
    return {system.backbone for system in systems(settings)} if converted else ()


EXPERIMENTS = (
    Experiment(
        EXPERIMENT,
        "systems.extensions.training.train_member",
        "other aggregations, backbones and heads in C3D-AVG",
        reads,
        {"predictions": "predictions.parquet", "weights": "weights.safetensors", "curve": "curve.csv"},
        # A further system leaves the others alone, and so do MSCADC's sizes and the captioner's.
        (
            *(
                "backbone",
                "extensions",
                "!extensions.systems",
                "multitask",
                "!multitask.seeds",
                "!multitask.training_sets",
            ),
            *("!multitask.wide*", "!multitask.caption*", "!multitask.vocabulary"),
        ),
        count=lambda settings: len(jobs(settings)),
        jobs=jobs,
        told=lambda settings, job: {"system": named(settings, job["system"]).settings},
        spread=True,
        minutes=1440,
        varied=lambda job: job["training_set"] == WHOLE,
        cost=cost,
        published=published,
    ),
)


def steps(head: str) -> Callable[[Settings], Mapping[str, float]]:
    """All trainings of a system."""

    def count(settings: Settings) -> Mapping[str, float]:
        knobs = training_settings(settings, head)
        times = len(training_sets(settings)) * settings["multitask"]["seeds"]
        return {"": times * knobs["epochs"] * math.ceil(amounts.TRAINING / knobs["batch"]) * amounts.EVALUATED}

    return count


def in_parts(settings: Settings) -> Mapping[str, Any]:
    """A batch cut into single videos, and forward passes of single videos."""
    return {"multitask": {"accumulate": settings["multitask"]["batch"], "evaluation_batch": 1}}


def rehearsed(settings: Settings) -> Iterable[Rehearsed]:
    """Each system of params.yaml."""
    for system in systems(settings):
        family = Family("rehearsal.extension", {"system": system.settings})
        yield Rehearsed(f"{EXPERIMENT}/{system.name}", family, steps(system.head), in_parts, spread=True)


def tried(backbone: str = "c3d", aggregation: str = "mean", head: str = "regression") -> Family:
    system = {"name": "tried", "backbone": backbone, "aggregation": aggregation, "head": head}
    return Family("rehearsal.extension", {"system": system})


TRIED = {
    "fully connected aggregation": tried(aggregation="fully_connected"),
    "attention": tried(aggregation="attention"),
    "LSTM over clips": tried(aggregation="lstm"),
    "Transformer": tried(aggregation="transformer"),
    "R3D-18": tried("r3d_18"),
    "MC3-18": tried("mc3_18"),
    "R(2+1)D-18": tried("r2plus1d_18"),
    "USDL": tried(head="usdl"),
    "MUSDL": tried(head="musdl"),
    "CoRe": tried(head="core"),
}
TINY = {
    "extensions": {
        "systems": [{"name": "tried", "row": "Tried", "backbone": "c3d", "aggregation": "mean", "head": "regression"}],
        "training": {},
        "resnet_width": 0.0625,
        "aggregation": {
            **{"attention_width": 4, "lstm_width": 6},
            "transformer": {"width": 8, "layers": 1, "heads": 2, "dropout": 0.1},
        },
        "score_distribution": {
            **{"bins": 101, "highest": 104.5, "deviation": 5, "judge_bins": 21, "judge_deviation": 5, "hidden": [8]},
            "prediction": "expectation",
        },
        "contrastive": {"depth": 3, "hidden": 8, "range": 30, "exemplars": 2},
    },
}
