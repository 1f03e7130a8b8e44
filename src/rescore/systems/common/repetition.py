"""Numbers of trainings, and what each of them rests on: functions of params.yaml that know no system.

A training has a number: the `seed` of its predictions. The first is `first_training`, and training k rests on backbone k, on pose
estimator k and on segmenter k. Data, splits and judges depend on `seed` of params.yaml alone. Which system is repeated by what
says `systems.trainings`; trainings themselves read this module only, so that one more system makes none of them stale.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

Settings = Mapping[str, Any]
ONCE = 0
"""Number of what is done once: nothing in it is trained here, or nothing in it is random."""


class Repeats(Enum):
    """What a system is repeated by: the key of params.yaml that says how often."""

    SEEDS = "seeds"
    NETWORK_SEEDS = "multitask.seeds"
    LABEL_DRAWS = "semi_supervised.label_draws"
    NOTHING = ""


class Rests(Enum):
    """What else of a training is trained here before it."""

    BACKBONE = "backbone"
    ESTIMATOR = "pose estimator"
    SEGMENTER = "segmenter"
    NOTHING = ""


class Chosen(Enum):
    """What is selected of a trained system, and where."""

    ITERATION = "an iteration, by protocol"
    INSIDE_TRAINING = "parameters, by cross-validation inside the training set"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Training:
    """What is true of a member's trainings."""

    repeats: Repeats
    chosen: Chosen
    rests: Rests = Rests.NOTHING
    random: bool = True
    """Whether anything in it is drawn. A system without is repeated with what it rests on, and done once where that is not
    trained here."""
    family: str = ""
    """Whose variance over trainings it has where it is trained once (scoring.training_variance); empty: its own."""


REGRESSION = Training(Repeats.NOTHING, Chosen.INSIDE_TRAINING)
"""Fitted once on what is given."""
NOTHING_TRAINED = Training(Repeats.NOTHING, Chosen.NOTHING)
"""Nothing is fitted, and nothing drawn."""
LABELLED = {"mtl_aqa": Rests.BACKBONE, "rhythmic_gymnastics": Rests.NOTHING, "unlv_dive": Rests.NOTHING}
"""Data sets that labels are drawn of, the second part of a member's name (`s4aqa/mtl_aqa/10`); what others read is given."""


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


def is_repeated(training: Training, settings: Settings) -> bool:
    """Whether there are several, or could be: not where nothing in it, nor in what it rests on, is drawn here."""
    return training.repeats is not Repeats.NOTHING and (training.random or is_trained_here(training.rests, settings))


def numbers_of(training: Training, settings: Settings) -> list[int]:
    """Numbers of a member's trainings, ascending; what has nothing to repeat is done once, as number 0.

    Args:
        training: what is declared of the member.
        settings: `first_training`; the count that repeats it (`seeds`, `multitask.seeds` or `semi_supervised.label_draws`); of a
            system without randomness of its own what tells whether it rests on something trained here (`backbone.weights`,
            `poses.estimator`).
    """
    return numbers(training.repeats, settings) if is_repeated(training, settings) else [ONCE]


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
