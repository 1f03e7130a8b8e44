"""What a system says of itself: jobs, plan, cost, cluster resources and rehearsals follow from it.

    systems/<name>/system.py     TRAININGS     of its members: how often each is trained, what is chosen in it, what it rests on
                                 EXPERIMENTS   what the workflow runs: a rule each
                                 REHEARSED     its trainings, for `rescore rehearse`
                                 TRIED, TINY   the same at the smallest sizes, for conformance tests and states

Nothing of a framework is imported here or there: functions that compute are named, not imported.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from rescore.engine.parameters import section
from rescore.systems.files import Files

Settings = Mapping[str, Any]
Job = Mapping[str, str]
"""What tells an experiment's jobs apart, by name: `{"network": "c3d_avg", ..., "seed": "0"}`; nothing where there is one."""
Paths = str | list[str]


@dataclass(frozen=True)
class Cost:
    """What a family of jobs takes."""

    name: str
    jobs: int
    needs: str
    operations: float = 0.0
    disk: float = 0.0
    """Bytes written."""
    memory: float = 0.0
    """Bytes held at once: on the GPU where `operations` says that it computes, else in the process."""


@dataclass(frozen=True)
class Experiment:
    """Something that predicts: one step of the workflow, or one a job."""

    name: str
    """Its folder under runs/<scale> (runs/open where `sources` are real), by which a paper.yaml names it."""
    step: str
    """The function that does it, `systems.<name>.<module>.<function>`."""
    source: str
    """Paper, section, table; a line of the plan."""
    reads: Callable[[Files, Job], Mapping[str, Paths]]
    """What it reads, by option of the step; nothing for an option that is not given."""
    writes: Mapping[str, str]
    """What it writes, by option of the step: names of files in its folder."""
    settings: Sequence[str]
    """What of params.yaml it reads: what reruns it when changed. `!a.b` leaves that out of what stands before it."""
    count: Callable[[Settings], int]
    """How many models are fitted or trained."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Further options, always the same."""
    jobs: Callable[[Settings], list[dict[str, str]]] | None = None
    """Jobs that train a member each, with a folder of the job's values below the experiment's; the last of these is the
    training's number, the others are the member's name. None: one job trains all."""
    prefix: str = ""
    """What stands before a job's values in its member's name."""
    told: Callable[[Settings, Job], Mapping[str, Any]] | None = None
    """What a job's step is told in the place of the job's own values, JSON by option; None: nothing in the place of that one."""
    runs: Callable[[Settings], bool] = lambda settings: True
    """Whether what it reads is there at all at these settings; papers say of its cells why they are empty."""
    sources: tuple[str, ...] = ()
    """Real data without video that it reads (names of `rescore fetch`); empty: it reads videos, or what stands for them."""
    computes: bool = True
    """Whether with the framework: its threads are then part of its result."""
    gpu: bool = True
    """Whether it can use one."""
    spread: bool = False
    """Whether a job takes several where `multitask.gpus` says so."""
    minutes: int = 240
    """What a cluster is asked for."""
    tested: str = ""
    """Key of params.yaml that says how many test samples each member draws; empty: all of them."""
    measured: bool = True
    """Whether errors in points are measured: it predicts samples of the videos' data sets."""
    scored: bool = True
    """Whether a paper's table shows it."""
    varied: Callable[[Job], bool] | None = None
    """Jobs that scale `variance` repeats, whose variance others of their family are given; None: none."""
    cost: Callable[[Settings], Iterable[Cost]] = lambda settings: ()
    """What takes more than seconds at the official videos."""
    changed: Callable[[Settings, Job], Mapping[str, Any]] | None = None
    """What of the settings that a job reads is another one than params.yaml says; None: nothing."""
    published: Callable[[Settings], Iterable[str]] = lambda settings: ()
    """Networks whose published weights it starts from (experiments.plan.PUBLISHED_WEIGHTS)."""

    @property
    def rule(self) -> str:
        """Its name in the workflow."""
        return self.name.replace("/", "_")

    @property
    def checkpoint(self) -> str:
        """The file with its weights; empty where it leaves none."""
        return next((name for name in self.writes.values() if name.endswith(".safetensors")), "")

    def folder(self, job: Job) -> str:
        """Where a job writes, below runs/<scale>; values may be patterns."""
        return "/".join([self.name, *job.values()])

    def members(self, settings: Settings) -> dict[str, list[str]] | None:
        """Folders by member, of experiments with a folder a training."""
        if self.jobs is None:
            return None
        found: dict[str, list[str]] = {}
        for job in self.jobs(settings):
            found.setdefault(self.prefix + "/".join(list(job.values())[:-1]), []).append(self.folder(job))
        return found


@dataclass(frozen=True)
class Family:
    """A training that runs at any size on made-up files: `function(stage, **arguments)` gives the files that it wrote."""

    function: str
    """`<module>.<function>` in the system's folder."""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def load(self, package: str) -> Callable[[Any], Any]:
        """The function of one argument, the stage (systems.common.rehearsal)."""
        module, _, name = self.function.rpartition(".")
        function = getattr(importlib.import_module(f"{package}.{module}"), name)
        return lambda stage: function(stage, **self.arguments)


@dataclass(frozen=True)
class Rehearsed:
    """A training as `rescore rehearse` tries it."""

    name: str
    family: Family
    steps: Callable[[Settings], Mapping[str, float]]
    """Optimiser steps of the whole scale by class of the optimiser, or under "" whatever the class. Of stacked members: of each
    stack. None in all: the scale has no such training."""
    smaller: Callable[[Settings], Mapping[str, Any]]
    """What to set in params.yaml where it does not fit."""
    stacked: bool = False
    same: bool = True
    """Whether what is set then leaves the results' meaning alone."""
    spread: bool = False
    """Whether several GPUs can share it."""


def settings_of(names: Sequence[str], settings: Settings) -> dict[str, Any]:
    """What of the settings stands under some names, without what is under those with `!`, which may be patterns (`!a.b*`)."""
    found = section(settings, *(name for name in names if not name.startswith("!")))
    for pattern in (name[1:] for name in names if name.startswith("!")):
        found = without(found, pattern)
    return found


def without(settings: Settings, pattern: str) -> dict[str, Any]:
    """Settings less the keys whose dotted names match a pattern."""
    first, _, rest = pattern.partition(".")
    if not rest:
        return {key: value for key, value in settings.items() if not fnmatchcase(key, first)}
    return {key: without(value, rest) if key == first else value for key, value in settings.items()}
