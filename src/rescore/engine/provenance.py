"""What a result was made from: the hash of the code that a step can reach.

A rule carries `code_hash("rescore.clips.store")` in its `params:`, so a changed line is seen whatever the clocks say, and a
change to a figure retrains nothing. The hash covers the module and everything it imports inside the package, found by
reading the sources (nothing is imported, so no framework is loaded to answer). It is of what the code means: comments, docstrings
and layout do not count, nor does what only runs steps (all of the engine but WRITES). A package that is versioned counts by its
version (BY_VERSION).
"""

import ast
import contextlib
import dataclasses
import functools
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

PACKAGE = "rescore"
ROOT = Path(__file__).parents[1]
BY_VERSION = ("synthetic_athlete",)
"""Packages beside this one that count by the version in their `__init__.py`, not by their code."""
WORKFLOW = ("Snakefile", "params.yaml", "workflow/rules", "workflow/schemas", "profiles", "papers", "src")
"""What decides what a run makes, in the repository."""
IGNORED = {"__pycache__", ".pyc", ".swp"}
WRITES = ("errors", "measured", "parameters", "storage")
"""What of the engine has a part in what a step writes; all else of it, and the command line, decides how and when a step runs.
The arithmetic stands beside the hash."""

ELSEWHERE: dict[str, Path] = {}
"""Packages that lie outside of the tree, by the name that they are imported by (engine.outside); they count like the tree's."""


def add(packages: Mapping[str, Path]) -> None:
    """Let packages count that lie elsewhere: their folders by name."""
    ELSEWHERE.update(packages)
    for cached in (imported_files, import_closure, code_hash):
        cached.cache_clear()


def module_of(step: str) -> str:
    """The module of a step as rules name it: `clips.store.write_clips` is of this package, a package by version names itself."""
    module = step.rpartition(".")[0]
    return module if module.split(".")[0] in BY_VERSION else f"{PACKAGE}.{module}"


def module_path(module: str) -> Path | None:
    """The source file of a module of this package or of one elsewhere, or None where the name is no module (an attribute, say).

    For anything of a package by version it is the file that names the version.
    """
    first, *rest = module.split(".")
    if first in BY_VERSION:
        return ROOT.parent / first / "__init__.py"
    base = ROOT.joinpath(*rest) if first == PACKAGE else None
    for name, folder in by_depth():
        if f"{module}.".startswith(f"{name}."):
            base = folder.joinpath(*module.removeprefix(name).split(".")[1:])
            break
    if base is None:
        return None
    files = [base / "__init__.py"] if base in ELSEWHERE.values() else [base.with_suffix(".py"), base / "__init__.py"]
    return next((file for file in files if file.is_file()), None)


def by_depth() -> list[tuple[str, Path]]:
    """Packages elsewhere, those inside of others first."""
    return sorted(ELSEWHERE.items(), key=lambda pair: (-len(pair[1].parts), -len(pair[0]), pair[0]))


def place_of(path: Path) -> PurePath:
    """A file's path as hashes have it: below the package that it is imported in, wherever that lies on this machine."""
    for name, folder in by_depth():
        if path.is_relative_to(folder):
            return PurePath(*name.split("."), path.relative_to(folder))
    return path.relative_to(ROOT.parent)


@dataclass(frozen=True)
class Source:
    """What counts of a module."""

    names: tuple[str, ...]
    """What it imports anywhere, inside functions too (imports are lazy where they are slow): modules, or names in them, as
    written: relative ones with their dots."""
    scans: str
    """Value of its `SCANS`: it reads this module of every folder beside it; empty where it scans nothing."""
    reads_templates: bool
    """Whether it loads the templates beside it: whether it calls Jinja's loader."""
    meaning: str
    """SHA-256 of what it means."""


KEPT: dict[str, Source] = {}
"""By SHA-256 of a file's bytes. Reading them all is a third of a dry run, so a run keeps what it found (`recall`, `keep`)."""


def recall(path: Path) -> None:
    """Take over what an earlier run found in files of the same bytes; nothing where it kept nothing, or something else."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        KEPT.update({digest: Source(tuple(names), *rest) for digest, (names, *rest) in kept.items()})


def keep(path: Path) -> None:
    """Leave what was found to later runs, where that may be written."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    text = json.dumps({name: dataclasses.astuple(source) for name, source in sorted(KEPT.items())})
    with contextlib.suppress(OSError):
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)


@functools.cache
def source_of(path: Path) -> Source:
    """What counts of a module of this package."""
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    if digest not in KEPT:
        KEPT[digest] = analysed(ast.parse(text, filename=str(path)))
    return KEPT[digest]


def analysed(tree: ast.Module) -> Source:
    """What counts of a module's syntax tree."""
    names: set[str] = set()
    scans, loads = "", False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = [node.module] if node.module else []
            names.update("." * node.level + ".".join([*inside, alias.name]) for alias in node.names)
            names.update("." * node.level + module for module in inside)
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["SCANS"]:
            scans = str(ast.literal_eval(node.value))
        loads = loads or (isinstance(node, ast.Name) and node.id == "PackageLoader")
    return Source(tuple(sorted(names)), scans, loads, hashlib.sha256(repr(meaning(tree)).encode()).hexdigest())


@functools.cache
def imported_files(path: Path) -> frozenset[Path]:
    """Source files of this package, and of those elsewhere, that a file imports or reads by scanning."""
    source, package = source_of(path), ".".join(place_of(path).parts[:-1])
    read = [*scanned_files(path.parent, package, source.scans)] if source.scans else []
    for name in source.names:
        # One that leaves its package by too many dots cannot be imported either.
        with contextlib.suppress(ImportError):
            target = module_path(importlib.util.resolve_name(name, package))
            read += [target] if target else []
    return frozenset(read)


def scanned_files(folder: Path, package: str, name: str) -> Iterator[Path]:
    """The module of a name in every folder of a package, those that lie elsewhere included."""
    yield from folder.glob(f"*/{name}.py")
    for known, place in ELSEWHERE.items():
        if known.rpartition(".")[0] == package and (place / f"{name}.py").is_file():
            yield place / f"{name}.py"


@functools.cache
def import_closure(module: str) -> tuple[Path, ...]:
    """Source files that importing `module` can reach inside the package, without plumbing, and templates that they read; sorted.

    Raises:
        ValueError: `module` is not a module of this package.
    """
    start = module_path(module)
    if start is None:
        raise ValueError(f"{module} is not a module of {PACKAGE}")
    engine = ROOT / "engine"
    plumbing = {ROOT / "cli.py", *engine.glob("*.py")} - {engine / f"{name}.py" for name in WRITES}
    found, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported_files(path) - plumbing
    reading = (path for path in found if source_of(path).reads_templates)
    templates = {file for path in reading for file in path.parent.glob("templates/*") if file.is_file()}
    return tuple(sorted(found | templates, key=place_of))


def meaning(node: Any) -> Any:
    """A syntax tree as nested lists, without what changes nothing when the code runs: docstrings, comments, places in the file.

    Empty fields are left out, so that a later Python that has more of them gives the same.
    """
    if isinstance(node, list):
        return [meaning(part) for part in node if not is_text(part)]
    if not isinstance(node, ast.AST):
        return node
    told: list[Any] = [type(node).__name__]
    for name in node._fields:
        value = meaning(getattr(node, name, None))
        if value is not None and value != []:
            told += (name, value)
    return told


def is_text(statement: Any) -> bool:
    """Whether a statement is a docstring, or a text behind a definition that serves as one."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


@functools.cache
def content(path: Path) -> bytes:
    """What counts of a file: a module's meaning, every byte of a template."""
    return source_of(path).meaning.encode() if path.suffix == ".py" else path.read_bytes()


@functools.cache
def code_hash(module: str) -> str:
    """First 16 hexadecimal digits of the SHA-256 over the import closure's relative paths and contents."""
    digest = hashlib.sha256()
    for path in import_closure(module):
        digest.update(f"{place_of(path).as_posix()}\0".encode())
        digest.update(content(path) + b"\0")
    return digest.hexdigest()[:16]


def tree_hash(paths: Iterable[str], root: Path = Path()) -> str:
    """SHA-256 over the files under some paths, names and bytes; caches that Python and editors leave do not count."""
    digest = hashlib.sha256()
    files = (
        file for path in paths for file in ([root / path] if (root / path).is_file() else (root / path).rglob("*"))
    )
    for file in sorted(file for file in files if file.is_file() and not IGNORED & {*file.suffixes, *file.parts}):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()
