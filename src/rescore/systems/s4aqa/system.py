"""S4AQA (Zhang et al., TCSVT 2022), its ablation and what it is held against, on stored segment features."""

from typing import Any

from rescore.systems.common import drawn_labels
from rescore.systems.common.drawn_labels import GYMNASTICS, on_draws
from rescore.systems.common.repetition import Chosen, Repeats, Training
from rescore.systems.declaration import Experiment, Family, Job, Rehearsed, Settings
from rescore.systems.files import Files

MTL_AQA = "mtl_aqa"
NETWORKS = ("aa", "rda", "msfr", "s4aqa", "pseudo_labels", "vat", "s4l", "usdl", "c3d_avg_stl", "c3d_avg_mtl")
TRAININGS = {
    **{name: training for system in NETWORKS for name, training in on_draws(system, Chosen.ITERATION).items()},
    **on_draws("svr", Chosen.INSIDE_TRAINING),
    **on_draws("coreg", Chosen.NOTHING),
    # Not of unlv_dive, which is a training set of MTL-AQA's baselines by that name.
    "label_only/mtl_aqa": Training(Repeats.LABEL_DRAWS, Chosen.INSIDE_TRAINING),
}
SYSTEMS = {MTL_AQA: (10, 3), GYMNASTICS: (7, 2)}
"""How many networks, and how many regressions, on each data set."""
ON_UNLV_DIVE, LABELS_ALONE = 11, 4
"""Systems on UNLV-Dive, and those of them that read no unlabelled dive and so train with every dive labelled too."""
MEMBERS = {"predictions": "predictions.parquet", "members": "members.safetensors"}
REGRESSIONS = (
    *("seed", "first_training", "backbone.weights", "semi_supervised", "support_vector_regression", "ridge"),
)


def networks(dataset: str) -> Experiment:
    return Experiment(
        f"s4aqa/{dataset}",
        "systems.s4aqa.networks.run",
        f"S4AQA, its ablation and networks that it is held against: {dataset}",
        drawn_labels.segments(dataset),
        MEMBERS,
        ("seed", "first_training", "backbone.weights", "semi_supervised"),
        count=lambda settings: SYSTEMS[dataset][0] * drawn_labels.drawn(settings, dataset),
        options={"dataset": dataset},
        runs=drawn_labels.has(dataset),
        measured=False,
    )


def regressions(dataset: str) -> Experiment:
    return Experiment(
        f"coreg/{dataset}",
        "systems.s4aqa.regressions.run",
        f"S4AQA: regressions that it is held against: {dataset}",
        drawn_labels.segments(dataset),
        {"predictions": "predictions.parquet"},
        REGRESSIONS,
        count=lambda settings: SYSTEMS[dataset][1] * drawn_labels.drawn(settings, dataset),
        options={"dataset": dataset},
        runs=drawn_labels.has(dataset),
        computes=False,
        gpu=False,
        measured=False,
    )


def posteriors(files: Files, job: Job) -> dict[str, Any]:
    return {"directory": files.source("unlv-dive-s3d")}


def on_unlv_dive(settings: Settings) -> int:
    """With every dive labelled the systems that read no unlabelled one."""
    knobs = settings["semi_supervised"]
    shares = [LABELS_ALONE if percent == 100 else ON_UNLV_DIVE for percent in knobs["labels"]["unlv_dive"]]
    return int(knobs["label_draws"] * sum(shares))


EXPERIMENTS = (
    *(networks(dataset) for dataset in SYSTEMS),
    *(regressions(dataset) for dataset in SYSTEMS),
    Experiment(
        "s4aqa",
        "systems.s4aqa.networks.run_open",
        "S4AQA on UNLV-Dive's stage posteriors",
        posteriors,
        {**MEMBERS, "findings": "findings.csv"},
        ("seed", "first_training", "semi_supervised", "support_vector_regression"),
        count=on_unlv_dive,
        sources=("unlv-dive-s3d",),
        gpu=False,
    ),
)
FAMILIES = {dataset: Family("rehearsal.networks", {"dataset": dataset}) for dataset in SYSTEMS}
REHEARSED = tuple(
    Rehearsed(
        name, FAMILIES[dataset], drawn_labels.steps("semi_supervised", dataset), drawn_labels.one_draw, stacked=True
    )
    for name, dataset in (("s4aqa", MTL_AQA), ("s4aqa_gymnastics", GYMNASTICS))
)
TRIED = {
    "S4AQA and what it is held against": FAMILIES[MTL_AQA],
    "support vectors, ridge, COREG": Family("rehearsal.regressions"),
}
TINY = {
    "semi_supervised": {
        "labels": {MTL_AQA: [60], GYMNASTICS: [40]},
        "label_draws": 1,
        "segments": {"count": 4},
        "gymnastics": {"segments": 4, "width": 6},
        "encoder": {"segment_width": 4, "width": 5},
        **{"masked_slot": "zero", "decoder_width": 6, "discriminator_width": 4, "recovery_weight": 8.0},
        **{"alignment_weight": 0.1, "reversal": 1.0, "labelled_batch": 4, "unlabelled_batch": 2},
        **{"learning_rate": 0.001, "weight_decay": 0.01},
        "pseudo_labels": {"weight": 0.5},
        "vat": {"epsilon": 0.1, "xi": 0.01, "power_iterations": 1, "weight": 1.0},
        "s4l": {"orders": 6, "weight": 0.5},
        "usdl": {"bins": 21, "sd": 2, "widths": [6]},
        "c3d_avg": {"width": 6, "class_weight": 1.0},
        "coreg": {"neighbours": 3, "orders": [2, 5], "pool": 6, "rounds": 4},
    },
}
