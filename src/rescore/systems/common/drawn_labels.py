"""What declarations of systems on draws of labels share (`common.label_draws` makes the draws). No framework."""

from collections.abc import Callable, Mapping
from typing import Any

from rescore.systems.common.repetition import LABELLED, Chosen, Repeats, Training, label_draws
from rescore.systems.declaration import Job, Settings
from rescore.systems.files import Files

GYMNASTICS = "rhythmic_gymnastics"
APPARATUS = 4


def on_draws(system: str, chosen: Chosen, datasets: Mapping[str, Any] = LABELLED) -> dict[str, Training]:
    """A system's trainings on the data sets that labels are drawn of."""
    return {f"{system}/{name}": Training(Repeats.LABEL_DRAWS, chosen, LABELLED[name]) for name in datasets}


def segments(dataset: str) -> Callable[[Files, Job], dict[str, Any]]:
    """Segment features: of dives those of the backbone of a draw's number, of routines what is given."""

    def reads(files: Files, job: Job) -> dict[str, Any]:
        if dataset == GYMNASTICS:
            return files.given_features(GYMNASTICS)
        return {**files.features(f"{dataset}_segments", label_draws(files.settings)), "splits": files.splits}

    return reads


def has(dataset: str) -> Callable[[Settings], bool]:
    """Whether a scale has a data set; routines are `none` where nobody has their features."""
    return lambda settings: dataset != GYMNASTICS or settings["sources"][GYMNASTICS] != "none"


def drawn(settings: Settings, dataset: str) -> int:
    """Draws of labels of a data set at all its shares, of each apparatus where there are any."""
    shares = len(settings["semi_supervised"]["labels"][dataset])
    return len(label_draws(settings)) * shares * (APPARATUS if dataset == GYMNASTICS else 1)


def steps(section: str, dataset: str) -> Callable[[Settings], Mapping[str, float]]:
    """Optimiser steps of a stack; none where the scale does not have the data set."""
    return lambda settings: {"": settings[section]["iterations"] if has(dataset)(settings) else 0}


def one_draw(settings: Settings) -> Mapping[str, Any]:
    """One draw of labels: the members of a system lie in memory together."""
    return {"semi_supervised": {"label_draws": 1}}
