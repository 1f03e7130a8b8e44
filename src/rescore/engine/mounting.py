"""Systems and data sets that lie outside of the tree, imported as if they lay in it: `rescore.systems.<name>`."""

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from rescore.engine import provenance
from rescore.engine.errors import raise_together

SYSTEMS, DATASETS = "systems", "datasets"
MARKS = {SYSTEMS: "system.py", DATASETS: "dataset.py"}
"""The file that makes a folder one, by the package that it is mounted in."""


@dataclass(frozen=True)
class Place:
    """A folder outside of the tree."""

    name: str
    folder: Path
    origin: str
    """What records say: `folder lab`, or the distribution with its version. Nothing of this machine."""
    said: str
    """What messages say: as params.yaml spells it, or the entry point."""
    package: str = ""
    """Of a distribution: its top-level package, whose other modules count as the system's own."""
    package_folder: Path | None = None
    kind: str = SYSTEMS


MOUNTED: dict[str, Place] = {}
"""They, and what several share, by the package that they are imported as."""


class Finder(MetaPathFinder):
    """Finds packages that are mounted; their modules are found in their folders as those of any package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if (place := MOUNTED.get(fullname)) is None:
            return None
        folders, first = [str(place.folder)], place.folder / "__init__.py"
        if first.is_file():
            return importlib.util.spec_from_file_location(fullname, first, submodule_search_locations=folders)
        found = ModuleSpec(fullname, None, is_package=True)
        found.submodule_search_locations = folders
        return found


FINDER = Finder()


def mount(places: Iterable[Place]) -> None:
    """Make what lies there importable by the names that it would have in the tree, and let its code count."""
    new = {f"{provenance.PACKAGE}.{place.kind}.{place.name}": place for place in places}
    MOUNTED.update(new)
    if FINDER not in sys.meta_path:
        sys.meta_path.append(FINDER)
    counted = {name: place.folder for name, place in new.items()}
    counted |= {place.package: place.package_folder for place in new.values() if place.package_folder}
    provenance.add(counted)


def mounted(mark: str = MARKS[SYSTEMS], kind: str = SYSTEMS) -> dict[str, Place]:
    """Systems (or data sets) outside of the tree that have a module of a file name, by name."""
    return {place.name: place for place in MOUNTED.values() if place.kind == kind and (place.folder / mark).is_file()}


def read_modules(kind: str, module: str, outside: bool = True) -> dict[str, ModuleType]:
    """The module of a name of every system (or data set) that has one, by folder: the tree's in the order of names first.

    Args:
        kind: SYSTEMS or DATASETS.
        module: its name.
        outside: whether of those outside of the tree as well.

    Raises:
        RescoreError: those outside of the tree that cannot be imported, all of them together.
    """
    package = f"{provenance.PACKAGE}.{kind}"
    names = sorted(path.parent.name for path in (provenance.ROOT / kind).glob(f"*/{module}.py"))
    read = {name: importlib.import_module(f"{package}.{name}.{module}") for name in names}
    problems = []
    for name, place in mounted(f"{module}.py", kind).items() if outside else ():
        try:
            read[name] = importlib.import_module(f"{package}.{name}.{module}")
        except Exception as error:  # code of others may raise anything
            problems.append(f"{place.said}: {import_problem(place, error)}")
    raise_together(f"{kind} that cannot be imported", problems, "mend them, or leave them out of params.yaml.")
    return read


def origins(module: str) -> dict[str, Place]:
    """What of outside the tree a module reaches, by package."""
    files = provenance.import_closure(module)
    return {name: place for name, place in MOUNTED.items() if any(file.is_relative_to(place.folder) for file in files)}


def folders_outside() -> list[Path]:
    """Folders whose files decide what a run makes, beside the tree's; papers' copies lie in the tree."""
    return sorted({place.folder for place in MOUNTED.values()})


def import_problem(place: Place, error: BaseException) -> str:
    """Why one cannot be imported, with the line of its own that says so."""
    file, line, trace = place.folder / MARKS[place.kind], 0, error.__traceback__
    if isinstance(error, SyntaxError) and error.filename:
        file, line = Path(error.filename), error.lineno or 0
    while trace is not None:
        here = Path(trace.tb_frame.f_code.co_filename)
        if here.is_relative_to(place.folder):
            file, line = here, trace.tb_lineno
        trace = trace.tb_next
    where = f"{file}, line {line}" if line else str(file)
    return f"{where}: {type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
