"""Systems that lie outside of the tree, imported as if they lay in it: `rescore.systems.<name>`."""

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from rescore.engine import provenance

PACKAGE = f"{provenance.PACKAGE}.systems"
MARK = "system.py"
"""The file that makes a folder a system."""


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


MOUNTED: dict[str, Place] = {}
"""Systems, and what several share, by the package that they are imported as."""


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
    """Make systems importable by the names that they would have in the tree, and let their code count."""
    new = {f"{PACKAGE}.{place.name}": place for place in places}
    MOUNTED.update(new)
    if FINDER not in sys.meta_path:
        sys.meta_path.append(FINDER)
    counted = {name: place.folder for name, place in new.items()}
    counted |= {place.package: place.package_folder for place in new.values() if place.package_folder}
    provenance.add(counted)


def mounted(mark: str = MARK) -> dict[str, Place]:
    """Systems outside of the tree that have a module of a file name, by system."""
    return {place.name: place for place in MOUNTED.values() if (place.folder / mark).is_file()}


def origins(module: str) -> dict[str, Place]:
    """What of outside the tree a module reaches, by package."""
    files = provenance.import_closure(module)
    return {name: place for name, place in MOUNTED.items() if any(file.is_relative_to(place.folder) for file in files)}


def folders_outside() -> list[Path]:
    """Folders whose files decide what a run makes, beside the tree's; papers' copies lie in the tree."""
    return sorted({place.folder for place in MOUNTED.values()})


def import_problem(place: Place, error: BaseException) -> str:
    """Why a system cannot be imported, with the line of its own that says so."""
    file, line, trace = place.folder / MARK, 0, error.__traceback__
    if isinstance(error, SyntaxError) and error.filename:
        file, line = Path(error.filename), error.lineno or 0
    while trace is not None:
        here = Path(trace.tb_frame.f_code.co_filename)
        if here.is_relative_to(place.folder):
            file, line = here, trace.tb_lineno
        trace = trace.tb_next
    where = f"{file}, line {line}" if line else str(file)
    return f"{where}: {type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
