"""The networks that are trained on MTL-AQA, and the tables that need them (What and How Well You Performed?, Section 6).

No framework is imported: the workflow reads this to know its jobs.

    Table 4    both networks, score alone and with each further task, on all 1059 training dives
    Table 5    both networks with all tasks, and Nibali et al.'s classifier: MSCADC's body and class head alone
    Table 7    both networks, single task and multitask, on MTL-AQA and on UNLV-Dive
    Table 8    C3D-AVG, single task and multitask, on smaller training sets
    Tables 9, 10    linear probes of C3D-AVG with all tasks, and of C3D-AVG trained for the classes alone

No member is trained twice: Tables 5 and 7 and the first column of Table 8 share those of Table 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rescore.systems.common.training_sets import (
    CLASSES,
    MULTITASK,
    SINGLE_TASK,
    SMALLER,
    TASK_SETS,
    UNLV_DIVE,
    VALIDATED,
    WHOLE,
)

EXPERIMENT = "mtl_aqa"
NETWORKS = ("c3d_avg", "mscadc")


@dataclass(frozen=True)
class Member:
    """One network to train, for each seed once."""

    network: str
    tasks: str
    """`score`, `classes` and `caption` in this order, joined by `_`; what the network has heads for."""
    training_set: str
    """Of the split table; with `_validated` without the validation dives."""
    probed_alone: bool = False
    """Whether nothing but a linear probe reads it, after its last epoch."""

    @property
    def name(self) -> str:
        """`c3d_avg/score/1059`: the folder under runs/<scale>/mtl_aqa, and `member` in its files."""
        return f"{self.network}/{self.tasks}/{self.training_set}"


def members(settings: Mapping[str, Any]) -> list[Member]:
    """Every member of params.yaml's settings, in a fixed order.

    With `multitask.validation.separate` each has a twin that trains without the validation dives, whose epochs the protocol
    `best_on_validation` chooses among; a network that is only probed is taken after its last epoch and has none. Without it no
    member sees them, and one training serves all protocols.
    """
    listed = [Member(network, tasks, WHOLE) for network in NETWORKS for tasks in TASK_SETS]
    listed += [Member("mscadc", CLASSES, WHOLE), Member("c3d_avg", CLASSES, WHOLE, probed_alone=True)]
    for training_set in (*SMALLER, UNLV_DIVE):
        for network in NETWORKS if training_set == UNLV_DIVE else ("c3d_avg",):
            listed += [Member(network, tasks, training_set) for tasks in (SINGLE_TASK, MULTITASK)]
    if settings["multitask"]["validation"]["separate"]:
        listed += [
            replace(member, training_set=member.training_set + VALIDATED)
            for member in listed
            if not member.probed_alone
        ]
    return listed


def is_member(name: str) -> bool:
    """Whether a name in a file is that of one of these networks, whose files are asked for by name."""
    return name.partition("/")[0] in NETWORKS
