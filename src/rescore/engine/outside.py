"""Systems, data sets and papers that lie outside of the tree: in folders that params.yaml names, and in installed distributions.

    outside: {systems: [~/lab/systems], papers: [~/lab/papers]}              params.yaml
    [project.entry-points."rescore.systems"]                                 pyproject.toml of a distribution
    mean_score = "lab_systems.mean_score"                                    a name, and the package that is the system

A system is imported by the name that it would have in the tree, `rescore.systems.<name>`, so that it moves there, or into a
distribution, as it is. A paper is copied to papers/<name>, which git then ignores: all steps read papers there, and no path of
this machine gets into records.
"""

import importlib.metadata
import importlib.util
import json
import keyword
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rescore.engine import checkout, mounting, provenance
from rescore.engine.errors import raise_together
from rescore.engine.mounting import Place
from rescore.engine.parameters import read_values, read_yaml

PAPERS = "papers"
MARKS = {**mounting.MARKS, PAPERS: "paper.yaml"}
"""The file that makes a folder one."""
PARAMS, SECTION = Path("params.yaml"), "outside"
VARIABLE = "RESCORE_OUTSIDE"
"""Environment variable with the section as a run read it, for the run's steps."""
COPIED = "# A copy that rescore brings up to date, of "
"""How the .gitignore of a copied paper begins."""
REMEDY = f"mend `{SECTION}` of params.yaml, or the distribution (docs/adding.md)."


def settle(named: Mapping[str, Any] | None = None, copy: bool = True) -> None:
    """Make systems and data sets outside of the tree importable, and bring papers up to date where they may be written.

    Args:
        named: the section of params.yaml; None: as this process's run read it, else that of the params.yaml in this folder.
        copy: whether papers are brought up to date: not while a run reads them.

    Raises:
        RescoreError: folders or entry points that are none, and names that stand twice; all together.
    """
    named = named_here() if named is None else named
    problems: list[str] = []
    places = {kind: found(kind, named.get(kind) or [], problems) for kind in MARKS}
    raise_together("what lies outside of the tree", problems, REMEDY)
    mounting.mount(place for kind in mounting.MARKS for place in places[kind])
    if copy and PARAMS.is_file() and Path(PAPERS).is_dir() and checkout.is_writable(Path(PAPERS)):
        copy_papers(places[PAPERS])


def named_here() -> dict[str, list[str]]:
    """The section as this process's run read it, else that of the params.yaml in this folder."""
    if VARIABLE in os.environ:
        return dict(json.loads(os.environ[VARIABLE]))
    return section(read_values(read_yaml(PARAMS), PARAMS)) if PARAMS.is_file() else {}


def section(config: Any) -> dict[str, list[str]]:
    """The section of a config; what of it has not its form is left out, and the schema says so of it."""
    named = config.get(SECTION) if isinstance(config, Mapping) else None
    lists = named.items() if isinstance(named, Mapping) else ()
    return {
        kind: [each for each in folders if isinstance(each, str)]
        for kind, folders in lists
        if isinstance(folders, list)
    }


def found(kind: str, named: Sequence[str], problems: list[str]) -> list[Place]:
    """Everything of a kind outside of the tree, by name.

    Args:
        kind: one of MARKS.
        named: folders as params.yaml spells them.
        problems: is added to, a sentence each.
    """
    places = [place for folder in named for place in in_folder(kind, folder, problems)]
    places += installed(kind, problems)
    seen: dict[str, str] = {}
    for place in places:
        other = f"the tree ({in_tree(kind, place.name)})" if in_tree(kind, place.name) else seen.get(place.name)
        if other:
            problems.append(f"{place.said}: {place.name} is in {other} too; rename one")
        elif kind != PAPERS and (not place.name.isidentifier() or keyword.iskeyword(place.name)):
            problems.append(f"{place.said}: '{place.name}' is no name of a Python package; letters, digits and _ alone")
        seen[place.name] = place.said
    return sorted(places, key=lambda place: place.name)


def in_tree(kind: str, name: str) -> str:
    """Where the tree has something of a name; empty where it has nothing."""
    if kind == PAPERS:
        path = Path(PAPERS, name)
        return path.as_posix() if path.exists() and not is_copy(path) else ""
    path = provenance.ROOT / kind / name
    there = path.is_dir() or path.with_suffix(".py").is_file()
    return path.relative_to(provenance.ROOT.parents[1]).as_posix() if there else ""


def in_folder(kind: str, written: str, problems: list[str]) -> Iterator[Place]:
    """What lies in a folder that params.yaml names: but for papers what they share as well."""
    folder = Path(os.path.expanduser(os.path.expandvars(written))).absolute()
    said = f"{SECTION}.{kind}: {written}"
    if not folder.is_dir():
        there = "a file, no folder" if folder.exists() else f"no such folder ({folder})"
        problems.append(f"{said}: {there}")
        return
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")
    except OSError as error:
        problems.append(f"{said}: cannot be read ({error.strerror})")
        return
    if not any((path / MARKS[kind]).is_file() for path in inner):
        problems.append(f"{said}: no folder in it has a {MARKS[kind]}")
    for path in inner:
        if (path / MARKS[kind]).is_file() or (kind != PAPERS and any(path.glob("*.py"))):
            yield Place(path.name, path, f"folder {folder.resolve().name}", said, kind=kind)


def installed(kind: str, problems: list[str]) -> Iterator[Place]:
    """What installed distributions declare as entry points."""
    for point in sorted(importlib.metadata.entry_points(group=f"rescore.{kind}"), key=lambda point: point.name):
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else "a distribution"
        said = f"{origin}, entry point {point.name} of rescore.{kind}"
        try:
            folders = folders_of(point.value)
        except (ImportError, ValueError) as error:
            problems.append(f"{said}: {point.value} cannot be found ({error})")
            continue
        with_mark = [folder for folder in folders if (folder / MARKS[kind]).is_file()]
        if with_mark:
            folder, package = with_mark[0].absolute(), point.value.split(".")
            yield Place(point.name, folder, origin, said, package[0], [folder, *folder.parents][len(package) - 1], kind)
        else:
            problems.append(f"{said}: package {point.value} has no {MARKS[kind]}")


def folders_of(package: str) -> list[Path]:
    """Folders of an installed package, without importing it.

    Raises:
        ImportError: there is none.
        ValueError: it is no dotted name.
    """
    top, *rest = package.split(".")
    if not re.fullmatch(r"\w+(\.\w+)*", package):
        raise ValueError("not the dotted name of a package")
    spec = importlib.util.find_spec(top)
    folders = [Path(place, *rest) for place in (spec and spec.submodule_search_locations) or ()]
    if not any(folder.is_dir() for folder in folders):
        raise ImportError("no such package")
    return folders


def is_copy(folder: Path) -> bool:
    """Whether a paper's folder is a copy of one outside."""
    path = folder / ".gitignore"
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith(COPIED)


def copy_papers(places: Sequence[Place], papers: Path = Path(PAPERS)) -> None:
    """Copy papers into the tree, file by file where one differs, and remove copies of what is named no longer."""
    for path in papers.iterdir():
        if path.name not in {place.name for place in places} and is_copy(path):
            shutil.rmtree(path)
    for place in places:
        copy = papers / place.name
        wanted = {path.relative_to(place.folder): path for path in place.folder.rglob("*") if is_declaration(path)}
        for name, path in wanted.items():
            replace(copy / name, path.read_bytes())
        replace(copy / ".gitignore", f"{COPIED}{place.origin}: edit it there.\n*\n".encode())
        for path in copy.rglob("*"):
            if path.is_file() and path.relative_to(copy) not in wanted and path.name != ".gitignore":
                path.unlink()


def replace(path: Path, content: bytes) -> None:
    """Write a file whole, where it has another content; who reads it meanwhile reads the old one."""
    from rescore.engine.storage import atomic_path  # loads what most commands do without

    if not path.is_file() or path.read_bytes() != content:
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)


def is_declaration(path: Path) -> bool:
    """Whether a file is a paper's: text that declares it, its printed numbers, its pictures, but no code."""
    return path.is_file() and path.name[0] != "." and path.suffix not in (".py", ".pyc")
