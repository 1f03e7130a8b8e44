"""The systems of the table `extensions`: read off params.yaml, where `extensions.systems` lists them. No framework is imported.

A system is a backbone, an aggregation over clips and a head; a further one is a further line of that list. The row to beat is
C3D-AVG-STL, which is the system c3d, mean, regression: the member of MTL-AQA's Table 4 where `extensions.training` is empty,
and one trained here with the same settings as all others where it is not.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rescore.engine.errors import raise_together
from rescore.systems.common.training_sets import SINGLE_TASK, VALIDATED, WHOLE

EXPERIMENT = "extensions"
CONTRASTIVE, JUDGES = "core", "musdl"
HEADS = ("regression", "usdl", JUDGES, CONTRASTIVE)
TOLD_DIFFICULTY = (JUDGES, CONTRASTIVE)
"""Heads that multiply by the dive's difficulty, which they are told at test too."""


@dataclass(frozen=True)
class System:
    """A network to train, for each seed once."""

    name: str
    """Its folder under runs/<scale>/extensions."""
    row: str
    """Its row in the table."""
    backbone: str
    """c3d | r3d_18 | mc3_18 | r2plus1d_18"""
    aggregation: str
    """A key of models.aggregation.AGGREGATIONS."""
    head: str
    """One of HEADS."""

    @property
    def settings(self) -> dict[str, str]:
        """What its training reads of it: a row renamed trains nothing anew."""
        return {name: value for name, value in asdict(self).items() if name != "row"}


REFERENCE = System("c3d_avg", "C3D-AVG-STL", "c3d", "mean", "regression")


def systems(settings: Mapping[str, Any]) -> list[System]:
    """Every system to train, in the table's order.

    Raises:
        RescoreError: two with one name or row, or one with those of the row to beat.
    """
    listed = [System(**system) for system in settings["extensions"]["systems"]]
    known = [REFERENCE, *listed]
    problems = [
        f"{what} '{value}' stands {count} times (the row to beat, {REFERENCE.name}, is always there)"
        for what in ("name", "row")
        for value in dict.fromkeys(getattr(system, what) for system in known)
        if (count := sum(getattr(system, what) == value for system in known)) > 1
    ]
    raise_together("params.yaml: extensions.systems", problems, "give each system a name and a row of its own.")
    return [REFERENCE, *listed] if own_reference(settings) else listed


def own_reference(settings: Mapping[str, Any]) -> bool:
    """Whether the row to beat is trained here, because these systems are not trained as MTL-AQA's members are."""
    return bool(settings["extensions"]["training"])


def training_sets(settings: Mapping[str, Any]) -> list[str]:
    """Training sets of each system, as of MTL-AQA's members: with a twin where validation dives are held out of it alone."""
    return [WHOLE, WHOLE + VALIDATED] if settings["multitask"]["validation"]["separate"] else [WHOLE]


def reference_member(settings: Mapping[str, Any]) -> str:
    """The name in predictions of the row to beat."""
    return f"{REFERENCE.name}/{WHOLE}" if own_reference(settings) else f"{REFERENCE.name}/{SINGLE_TASK}/{WHOLE}"


def training_settings(settings: Mapping[str, Any], head: str) -> dict[str, Any]:
    """The `multitask` section as a system trains: with `extensions.training` over it, and CoRe's share of the epochs."""
    wanted = {**settings["multitask"], **settings["extensions"]["training"]}
    if head == CONTRASTIVE:
        wanted["epochs"] = max(1, round(wanted["epochs"] * settings["extensions"]["contrastive"]["epochs_share"]))
    return wanted
