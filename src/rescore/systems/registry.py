"""The systems that there are: every folder beside this file with a `system.py`."""

import functools
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from rescore.engine.errors import RescoreError
from rescore.systems.common.repetition import Training
from rescore.systems.declaration import Experiment, Rehearsed

SCANS = "system"
"""Modules that are read here by scanning: the code hash counts them as imported (engine.provenance)."""


@functools.cache
def found() -> Mapping[str, ModuleType]:
    """The declarations by folder, in the order of names."""
    here = Path(__file__).parent
    names = sorted(path.parent.name for path in here.glob(f"*/{SCANS}.py"))
    return {name: importlib.import_module(f"rescore.systems.{name}.{SCANS}") for name in names}


def package_of(declaration: ModuleType) -> str:
    """The folder of a declaration as a package."""
    return declaration.__name__.rpartition(".")[0]


@functools.cache
def experiments() -> tuple[Experiment, ...]:
    """Every experiment, system by system.

    Raises:
        RescoreError: two have one name in one place.
    """
    every = tuple(one for declaration in found().values() for one in getattr(declaration, "EXPERIMENTS", ()))
    names = [(one.name, bool(one.sources)) for one in every]
    twice = sorted({name for name, real in names if names.count((name, real)) > 1})
    if twice:
        raise RescoreError(f"src/rescore/systems: experiments of one name: {', '.join(twice)}. Rename all but one.")
    return every


def on_videos() -> list[Experiment]:
    """Experiments of the scales that have videos, or what stands for them."""
    return [one for one in experiments() if not one.sources]


def on_real_data() -> list[Experiment]:
    """Experiments on real public data that need no video."""
    return [one for one in experiments() if one.sources]


@functools.cache
def trainings() -> Mapping[str, Training]:
    """What is declared of members, by the first part of their names or the first two.

    Raises:
        RescoreError: two systems declare one name.
    """
    known: dict[str, Training] = {}
    for name, declaration in found().items():
        mine = getattr(declaration, "TRAININGS", {})
        twice = sorted(set(mine) & set(known))
        if twice:
            raise RescoreError(
                f"systems/{name}: {', '.join(twice)} is declared by another system too. Rename its members."
            )
        known |= mine
    return known


def listed_trainings(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Training]]:
    """The same of members that params.yaml lists."""
    for declaration in found().values():
        if hasattr(declaration, "listed_trainings"):
            yield declaration.listed_trainings(settings)


def rehearsed(settings: Mapping[str, Any]) -> Iterator[tuple[str, Rehearsed]]:
    """Trainings of all systems as `rescore rehearse` tries them, each with the package that it stands in."""
    for declaration in found().values():
        mine = [*getattr(declaration, "REHEARSED", ())]
        mine += declaration.rehearsed(settings) if hasattr(declaration, "rehearsed") else ()
        yield from ((package_of(declaration), one) for one in mine)
