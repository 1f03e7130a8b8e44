"""C3D-AVG and MSCADC, trained end to end (What and How Well You Performed?, 4 to 6): a job a network."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rescore.systems.common import amounts
from rescore.systems.common.repetition import Chosen, Repeats, Rests, Training, network_seeds
from rescore.systems.common.training_sets import MULTITASK, WHOLE, split_training_set
from rescore.systems.declaration import Cost, Experiment, Family, Job, Rehearsed, Settings
from rescore.systems.files import Files
from rescore.systems.multitask.members import EXPERIMENT, NETWORKS, members

TRAININGS = {
    "c3d_avg": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.BACKBONE),
    "mscadc": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION),
}
MSCADC = 72.423e9
"""Forward operations of a video, with all three tasks."""


def reads(files: Files, job: Job) -> dict[str, Any]:
    """The store of the network's crop, and C3D-AVG's body."""
    wide = job["network"] == "mscadc"
    found: dict[str, Any] = files.dives("mtl_aqa_wide" if wide else "mtl_aqa")
    found["vocabulary"] = files.data("manifests/mtl_aqa_vocabulary.json")
    if not wide and files.settings["multitask"]["body_weights"] == "backbone":
        found["backbone"] = files.backbone(job["seed"])
    return found


def jobs(settings: Settings) -> list[dict[str, str]]:
    return [
        {"network": member.network, "tasks": member.tasks, "training_set": member.training_set, "seed": str(seed)}
        for member in members(settings)
        for seed in network_seeds(settings)
    ]


def full_trainings(settings: Settings) -> dict[str, float]:
    """What the members of a network amount to: trainings on the whole of MTL-AQA."""
    found = dict.fromkeys(NETWORKS, 0.0)
    for member in members(settings):
        size, _ = split_training_set(member.training_set)
        share = amounts.TRAINING_DIVES[size] / amounts.TRAINING_DIVES[WHOLE]
        found[member.network] += share * settings["multitask"]["seeds"]
    return found


def cost(settings: Settings) -> Iterable[Cost]:
    knobs = settings["multitask"]
    clips, amount = knobs["clips"], full_trainings(settings)
    sizes = {
        "c3d_avg": (amounts.C3D_AVG, knobs["width"], clips["crop"], 112, knobs["epochs"], 0.35e9),
        "mscadc": (MSCADC, knobs["wide_width"], clips["wide_crop"], 180, knobs["wide_epochs"], 0.09e9),
    }
    for name, (operations, width, crop, full, epochs, weights) in sizes.items():
        forward = operations * width**2 * (crop / full) ** 2
        count = sum(member.network == name for member in members(settings)) * knobs["seeds"]
        store = amounts.frames_bytes(amounts.DIVES, clips["frames"] + 2 * clips["shift"], crop)
        needs = "mtl_aqa_clips" + (", pretrain" if name == "c3d_avg" else "")
        epoch = amounts.epoch_operations(amounts.TRAINING, forward)
        yield Cost(f"{name} members", count, needs, amount[name] * epochs * epoch, count * weights, store + 12e9)


EXPERIMENTS = (
    Experiment(
        EXPERIMENT,
        "systems.multitask.training.train_member",
        "MTL-AQA, 5 and 6: C3D-AVG and MSCADC, Tables 4-10",
        reads,
        {
            **{name: f"{name}.parquet" for name in ("predictions", "classes", "captions")},
            **{"weights": "weights.safetensors", "curve": "curve.csv"},
        },
        # Another number of seeds, say, makes further members and leaves these alone.
        ("backbone", "multitask", "!multitask.seeds", "!multitask.training_sets"),
        count=lambda settings: len(jobs(settings)),
        jobs=jobs,
        spread=True,
        minutes=1440,
        varied=lambda job: (job["tasks"], job["training_set"]) == (MULTITASK, WHOLE),
        cost=cost,
    ),
)


def steps(network: str) -> Callable[[Settings], Mapping[str, float]]:
    """All members of a network."""

    def count(settings: Settings) -> Mapping[str, float]:
        knobs = settings["multitask"]
        epochs = knobs["wide_epochs" if network == "mscadc" else "epochs"]
        epoch = math.ceil(amounts.TRAINING / knobs["batch"])
        return {"": full_trainings(settings)[network] * epochs * epoch * amounts.EVALUATED}

    return count


def in_parts(settings: Settings) -> Mapping[str, Any]:
    """A batch cut into single videos, and forward passes of single videos."""
    return {"multitask": {"accumulate": settings["multitask"]["batch"], "evaluation_batch": 1}}


FAMILIES = {network: Family("rehearsal.network", {"network": network}) for network in NETWORKS}
REHEARSED = tuple(
    Rehearsed(network, family, steps(network), in_parts, spread=True) for network, family in FAMILIES.items()
)
TRIED = {"C3D-AVG": FAMILIES["c3d_avg"], "MSCADC": FAMILIES["mscadc"]}
TINY = {
    "multitask": {
        "seeds": 1,
        "clips": {"frames": 33, "shift": 1, "step": 1, "window": "end", "crop": 24, "wide_crop": 32},
        **{"body_weights": "backbone", "width": 0.0625, "wide_width": 0.0625, "wide_head_width": 0.0625},
        **{"wide_dropout": 0.5, "wide_anneal_every": 0},
        **{"caption_hidden": 8, "caption_embedding": 6, "caption_dropout": 0.2, "caption_tokens": 6, "score_scale": 17},
        **{
            "initial_score": "mean",
            "weights": {"score": 1.0, "classes": 1.0, "caption": 0.01},
            "flip": 0.5,
            "batch": 2,
        },
        **{"evaluation_batch": 4, "learning_rate": 0.001, "validation": {"share": 0.1, "separate": False}},
        **{"precision": "float32", "compile": False, "accumulate": 1, "gpus": 0, "tensorboard": False},
    },
}
