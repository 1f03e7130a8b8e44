"""The systems that there are: every folder with a `system.py` beside this file, or mounted beside it (engine.outside)."""

import functools
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from rescore.engine import mounting
from rescore.engine.errors import RescoreError, raise_together
from rescore.systems.common.repetition import Training
from rescore.systems.declaration import Experiment, Family, Rehearsed

SCANS = "system"
"""Modules that are read here by scanning: the code hash counts them as imported (engine.provenance)."""
LISTED: Mapping[str, type] = {"EXPERIMENTS": Experiment, "REHEARSED": Rehearsed}
NAMED: Mapping[str, type] = {"TRAININGS": Training, "TRIED": Family, "TINY": object}
"""What may be declared, and of what."""


@functools.cache
def found() -> Mapping[str, ModuleType]:
    """The declarations by folder: the tree's in the order of names, then those outside of it.

    Raises:
        RescoreError: systems outside of the tree that cannot be imported, or declarations that are none; all of them together.
    """
    known = mounting.read_modules(mounting.SYSTEMS, SCANS)
    problems = [problem for declaration in known.values() for problem in form_problems(declaration)]
    raise_together("declarations of systems", problems, "mend them (src/rescore/systems/declaration.py).")
    return known


def form_problems(declaration: ModuleType) -> Iterator[str]:
    """What of a system's declarations is not of its kind."""
    for name, kind in LISTED.items():
        value = getattr(declaration, name, ())
        if not isinstance(value, tuple | list) or not all(isinstance(one, kind) for one in value):
            yield f"{declaration.__file__}: {name} is no tuple of {kind.__name__}"
    for name, kind in NAMED.items():
        value = getattr(declaration, name, {})
        if not isinstance(value, Mapping) or not all(isinstance(one, kind) for one in value.values()):
            yield f"{declaration.__file__}: {name} is no dictionary of {kind.__name__} by name"


def package_of(declaration: ModuleType) -> str:
    """The folder of a declaration as a package."""
    return declaration.__name__.rpartition(".")[0]


@functools.cache
def experiments() -> tuple[Experiment, ...]:
    """Every experiment, system by system.

    Raises:
        RescoreError: two have one name in one place.
    """
    declared = {name: getattr(declaration, "EXPERIMENTS", ()) for name, declaration in found().items()}
    every = tuple(one for mine in declared.values() for one in mine)
    names = [(one.name, bool(one.sources)) for one in every]
    twice = sorted({name for name, real in names if names.count((name, real)) > 1})
    if twice:
        of = [
            f"{name} ({', '.join(folder for folder, mine in declared.items() if name in [one.name for one in mine])})"
            for name in twice
        ]
        raise RescoreError(f"systems with experiments of one name: {'; '.join(of)}. Rename all but one.")
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
