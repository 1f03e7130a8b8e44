"""What every system repeats, what is chosen in it, and what it rests on: the one declaration that all steps ask.

    member ─► declared(member) ─► trainings(member, settings): its numbers ─► backbone_of(number): what that training rests on

A training has a number: the `seed` of its predictions. The first is `first_training`, and training k rests on backbone k, on pose
estimator k and on segmenter k. What has nothing to repeat is done once, as number 0, whatever the first training's number is.
Data, splits and judges depend on `seed` of params.yaml alone. No framework is imported.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from rescore.errors import RescoreError

Settings = Mapping[str, Any]
ONCE = 0
"""Number of what is done once: nothing in it is trained here, or nothing in it is random."""


class Repeats(Enum):
    """What a system is repeated by: the key of params.yaml that says how often."""

    SEEDS = "seeds"
    NETWORK_SEEDS = "multitask.seeds"
    LABEL_DRAWS = "semi_supervised.label_draws"
    NOTHING = ""


class Chosen(Enum):
    """What is selected of a trained system, and where."""

    ITERATION = "an iteration, by protocol"
    INSIDE_TRAINING = "parameters, by cross-validation inside the training set"
    NOTHING = "nothing"


class Rests(Enum):
    """What else of a training is trained here before it."""

    BACKBONE = "backbone"
    ESTIMATOR = "pose estimator"
    SEGMENTER = "segmenter"
    NOTHING = ""


@dataclass(frozen=True)
class Training:
    """What is true of a system's trainings."""

    repeats: Repeats
    chosen: Chosen
    rests: Rests = Rests.NOTHING
    random: bool = True
    """Whether anything in it is drawn. A system without is repeated with what it rests on, and done once where that is not
    trained here."""


NETWORK = Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.BACKBONE)
LSTM = Training(Repeats.SEEDS, Chosen.ITERATION, Rests.BACKBONE)
PROBE = Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE)
POSES = Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.ESTIMATOR, random=False)
REGRESSION = Training(Repeats.NOTHING, Chosen.INSIDE_TRAINING)
NOTHING_TRAINED = Training(Repeats.NOTHING, Chosen.NOTHING)
ON_DRAWS = {
    **dict.fromkeys(("aa", "rda", "msfr", "s4aqa", "pseudo_labels", "vat", "s4l"), Chosen.ITERATION),
    **dict.fromkeys(("usdl", "c3d_avg_stl", "c3d_avg_mtl"), Chosen.ITERATION),
    "svr": Chosen.INSIDE_TRAINING,
    "coreg": Chosen.NOTHING,
}
"""Systems that are trained on draws of labels."""
LABELLED = {"mtl_aqa": Rests.BACKBONE, "rhythmic_gymnastics": Rests.NOTHING, "unlv_dive": Rests.NOTHING}
"""Data sets that labels are drawn of, the second part of a member's name (`s4aqa/mtl_aqa/10`); what others read is given."""

SYSTEMS: dict[str, Training] = {
    # AQA-7
    "svr": Training(Repeats.SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "single": LSTM,
    "all": LSTM,
    "without": LSTM,
    "random": Training(Repeats.SEEDS, Chosen.NOTHING, Rests.BACKBONE),
    "fine_tuned": LSTM,
    # poses, on AQA-7 and MTL-AQA
    "pose_dct": POSES,
    "pose_apen": POSES,
    "pose_dct_true": REGRESSION,
    "pose_apen_true": REGRESSION,
    # MTL-AQA
    "c3d_avg": NETWORK,
    "mscadc": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION),
    "c3d_svr": Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "c3d_lstm": NETWORK,
    "c3d_lstm_svr": PROBE,
    "c3d_lstm_incremental": NETWORK,
    "s3d": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.SEGMENTER),
    "li": NETWORK,
    # linear probes; vaults are drawn anew for every training, dives are not
    "backbone/dives": Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "backbone/within": PROBE,
    "backbone/outside": PROBE,
    "classes": PROBE,
    "score_classes_caption": PROBE,
    # yardsticks
    "label_only": REGRESSION,
    "commentary_only": REGRESSION,
    "majority": NOTHING_TRAINED,
    "random_caption": Training(Repeats.NETWORK_SEEDS, Chosen.NOTHING),
    "observer": NOTHING_TRAINED,
    "difficulty": NOTHING_TRAINED,
    # real data without video
    **dict.fromkeys(("chosen", "dive_class", "commentary", "commentary_without_numbers"), REGRESSION),
    **dict.fromkeys(("execution", "combination"), REGRESSION),
    **dict.fromkeys(("grid", "plain", "authors", "judge", "event"), NOTHING_TRAINED),
    # draws of labels
    **{
        f"{system}/{dataset}": Training(Repeats.LABEL_DRAWS, chosen, rests)
        for system, chosen in ON_DRAWS.items()
        for dataset, rests in LABELLED.items()
    },
    # Not of unlv_dive, which is a training set of MTL-AQA's baselines by that name.
    "label_only/mtl_aqa": Training(Repeats.LABEL_DRAWS, Chosen.INSIDE_TRAINING),
    "action_net": Training(Repeats.LABEL_DRAWS, Chosen.ITERATION),
}
"""By the first part of a member's name, or by its first two where systems of one name are repeated in different ways. The
extensions' systems stand in params.yaml (`extensions.systems`) and are all NETWORK."""


def declared(member: str, settings: Settings | None = None) -> Training:
    """What is declared of a member's system: by the first two parts of its name where these are declared, else by the first.

    Args:
        member: whole name, `usdl/mtl_aqa/10`.
        settings: with `extensions.systems` where the member may be one of these.

    Raises:
        RescoreError: its system is not declared.
    """
    parts = member.split("/")
    extensions = {line["name"] for line in ((settings or {}).get("extensions") or {}).get("systems", ())}
    for name in ("/".join(parts[:2]), parts[0]):
        if name in SYSTEMS:
            return SYSTEMS[name]
    if parts[0] in extensions:
        return NETWORK
    raise RescoreError(
        f"{member}: nothing says how often it is trained. Declare '{parts[0]}' in SYSTEMS of rescore.experiments.trainings, or "
        "list it under extensions.systems of params.yaml."
    )


def trainings(member: str, settings: Settings) -> list[int]:
    """Numbers of a member's trainings, ascending.

    Args:
        member: whole name.
        settings: `first_training`; the count that repeats it (`seeds`, `multitask.seeds` or `semi_supervised.label_draws`); of a
            system without randomness of its own what tells whether it rests on something trained here (`backbone.weights`,
            `poses.estimator`); and `extensions.systems` for these.

    Raises:
        RescoreError: its system is not declared.
    """
    return numbers(declared(member, settings).repeats, settings) if is_repeated(member, settings) else [ONCE]


def is_repeated(member: str, settings: Settings) -> bool:
    """Whether a member is trained several times, or could be: not where nothing in it, nor in what it rests on, is drawn here.

    Args:
        member, settings: as in `trainings`, counts aside.

    Raises:
        RescoreError: its system is not declared.
    """
    known = declared(member, settings)
    return known.repeats is not Repeats.NOTHING and (known.random or is_trained_here(known.rests, settings))


def numbers(repeats: Repeats, settings: Settings) -> list[int]:
    """Numbers of the trainings that a count of params.yaml stands for, ascending."""
    if repeats is Repeats.NOTHING:
        return [ONCE]
    count: Any = settings
    for key in repeats.value.split("."):
        count = count[key]
    first = settings["first_training"]
    return list(range(first, first + count))


def seeds(settings: Settings) -> list[int]:
    """Numbers of the trainings of AQA-7's networks."""
    return numbers(Repeats.SEEDS, settings)


def network_seeds(settings: Settings) -> list[int]:
    """Numbers of the trainings of MTL-AQA's networks and of all that is repeated with them."""
    return numbers(Repeats.NETWORK_SEEDS, settings)


def label_draws(settings: Settings) -> list[int]:
    """Numbers of the draws of labels, each of which is a training."""
    return numbers(Repeats.LABEL_DRAWS, settings)


def is_trained_here(rests: Rests, settings: Settings) -> bool:
    """Whether a training rests on something that this workflow trains; public weights are given."""
    if rests is Rests.BACKBONE:
        return bool(settings["backbone"]["weights"] == "pretrained")
    if rests is Rests.ESTIMATOR:
        return bool(settings["poses"]["estimator"] == "heat_map")
    return rests is Rests.SEGMENTER


def backbone_of(training: int, settings: Settings) -> int:
    """Number of the backbone that a training rests on: its own, or the one that is given (`backbone.weights`)."""
    return training if is_trained_here(Rests.BACKBONE, settings) else ONCE


def estimator_of(training: int, settings: Settings) -> int:
    """Number of the pose estimator that a training rests on: its own, or the one that is given (`poses.estimator`)."""
    return training if is_trained_here(Rests.ESTIMATOR, settings) else ONCE


def backbone_weights(runs: Path, number: int) -> Path:
    """Where the weights of a backbone lie below runs/<scale>."""
    return runs / "backbone" / str(number) / "weights.safetensors"


def backbones(of: Iterable[int], settings: Settings) -> list[int]:
    """Numbers of the backbones that some trainings rest on, in their order."""
    return list(dict.fromkeys(backbone_of(training, settings) for training in of))


def every_backbone(settings: Settings) -> list[int]:
    """Numbers of the backbones that anything rests on, ascending."""
    every = (numbers(repeats, settings) for repeats in Repeats if repeats is not Repeats.NOTHING)
    return sorted({backbone for mine in every for backbone in backbones(mine, settings)})


def estimators(of: Iterable[int], settings: Settings) -> list[int]:
    """Numbers of the pose estimators that some trainings rest on, in their order."""
    return list(dict.fromkeys(estimator_of(training, settings) for training in of))


def has_iterations(member: str, settings: Settings | None = None) -> bool:
    """Whether a protocol chooses the iteration at which a member is scored."""
    return declared(member, settings).chosen is Chosen.ITERATION
