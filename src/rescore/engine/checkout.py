"""What the user of a checkout may do in it: who they are, where they stand, what they may write.

Whoever only asks may do so in a checkout that is not theirs: the workflow engine and DVC write notes of their own even then, so
they are given a shadow of it, a folder of links in which those notes are new.
"""

import atexit
import contextlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rescore.engine.errors import RescoreError, raise_together

ENGINE = Path(".snakemake")
KEPT = ("data", "runs", "results", "logs", "workflow/provenance", ENGINE.as_posix())
"""Folders that a run writes."""
VERSIONED = ("data", "runs", "results")
NAMED = 5  # folders named in one message


def check_root(command: str) -> None:
    """Commands that read params.yaml and the folders beside it speak of the checkout they stand in.

    Raises:
        RescoreError: this is no checkout's root; it names the one above, where there is one.
    """
    here = Path.cwd()
    if is_root(here):
        return
    above = next((folder for folder in here.parents if is_root(folder)), None)
    remedy = f"cd {above}" if above else "cd into a checkout of the project (the folder with its Snakefile)"
    raise RescoreError(f"{command}: {here} is not the root of a checkout. Remedy: {remedy}")


def is_root(folder: Path) -> bool:
    return (folder / "Snakefile").is_file() and (folder / "params.yaml").is_file()


def is_writable(path: Path) -> bool:
    """Whether a file or folder can be made or replaced: asked of the nearest folder that exists."""
    folder = next(above for above in (path, *path.absolute().parents) if os.path.isdir(above))
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def is_named() -> bool:
    """Whether this process's user has a name in the system."""
    try:
        return bool(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return False


def home_of_user() -> str:
    """The user's home as the environment or the system says; empty where neither does."""
    return os.environ.get("HOME") or (pwd.getpwuid(os.getuid()).pw_dir if is_named() else "")


def settle_user() -> None:
    """Give this process and those it starts a home and a name, where a container runs it under a number that has none.

    Libraries ask for both, for caches and notes that nothing depends on. A home that may only be read stays the home.
    """
    home = home_of_user()
    if not is_named():
        for name in ("LOGNAME", "USER"):
            os.environ.setdefault(name, f"user-{os.getuid()}")
    is_home = os.path.isabs(home) and os.path.isdir(home)
    if is_home and os.access(home, os.W_OK):
        return
    folder = Path(tempfile.gettempdir(), f"rescore-home-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if not is_home:
        os.environ["HOME"] = str(folder)
        return
    os.environ.setdefault("TORCH_HOME", os.path.join(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache", "torch"))
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        os.environ.setdefault(name, str(folder))


def check_run(scale: str, root: Path = Path()) -> None:
    """Hold a checkout against what a run needs, before it makes anything.

    Raises:
        RescoreError: folders in which this user may not write; under DVC, links that DVC does not follow. All together.
    """
    raise_together(
        f"{root.absolute()}: cannot be worked in", [*unwritable(scale, root), *unversionable(scale, root)], REMEDY
    )


REMEDY = (
    "a clone of your own, or the owner lets you write (chmod -R g+rwX; chown -R after a run as root). Instead of a link: mount "
    "the big disk there (mount --bind), clone onto it, or run snakemake itself, which follows links."
)


def unwritable(scale: str, root: Path) -> list[str]:
    """Folders of a scale that this user may not write in, the first of them by name."""
    tops = [root / name for name in KEPT if name not in VERSIONED]
    tops += [
        root / name / room for name in VERSIONED for room in dict.fromkeys((scale, "open"))
    ]  # originals may be for reading only
    found = [folder for top in tops for folder in folders(top) if not is_writable(folder)]
    lines = [f"{folder.relative_to(root)}: you may not write there ({owner(folder)})" for folder in found[:NAMED]]
    return lines + ([f"and {len(found) - NAMED} more folders"] if len(found) > NAMED else [])


def folders(top: Path) -> list[Path]:
    """A folder and all below it, or itself where it is not there yet."""
    return [Path(folder) for folder, _, _ in os.walk(top)] or [top]


def owner(path: Path) -> str:
    """Who owns a folder, and its rights, as `ls -l` shows them."""
    folder = next(above for above in (path, *path.absolute().parents) if os.path.exists(above))
    status = folder.stat()
    try:
        name = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        name = str(status.st_uid)
    return f"{stat.filemode(status.st_mode)} {name}"


def unversionable(scale: str, root: Path) -> list[str]:
    """Links in whose place DVC wants folders, where DVC has started this run: it would fail after it."""
    if "DVC_STAGE" not in os.environ:
        return []
    places = [root / part for name in VERSIONED for part in (name, f"{name}/{scale}", f"{name}/open")]
    return [
        f"{place.relative_to(root)}: a link to {os.readlink(place)}; DVC keeps no results behind links"
        for place in places
        if place.is_symlink()
    ]


def shadow(root: Path) -> Path:
    """A folder that looks like a checkout and may be written: links, and copies of what the engine and DVC note.

    It goes when this process ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="rescore-reading-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path in root.absolute().iterdir():
        if path.name == ENGINE.name:
            copy_readable(path, folder / path.name, leave={"log", "tmp", "locks", "rescore.lock"})
        elif path.name == ".dvc":
            copy_readable(path, folder / path.name, leave={"cache", "tmp"})
            (folder / ".dvc/cache").symlink_to(path / "cache")
        elif path.name.startswith(".") and path.is_file() and os.access(path, os.R_OK):
            shutil.copyfile(path, folder / path.name)  # git does not follow links to its own files
        else:
            (folder / path.name).symlink_to(path)
    return folder


def copy_readable(source: Path, target: Path, leave: set[str]) -> None:
    """Copy what this user may read of a folder, but for some names directly in it."""
    target.mkdir()
    for path in source.iterdir() if os.access(source, os.R_OK | os.X_OK) else ():
        with contextlib.suppress(OSError, shutil.Error):
            if path.name not in leave and path.is_dir():
                shutil.copytree(path, target / path.name, copy_function=shutil.copyfile)
            elif path.name not in leave:
                shutil.copyfile(path, target / path.name)


@contextlib.contextmanager
def readable_copy(root: Path) -> Iterator[Path]:
    """A place to ask in: the checkout itself where it may be written, else its shadow."""
    if is_writable(root / ENGINE) and is_writable(root / ".dvc" / "tmp"):
        yield root
        return
    folder = shadow(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
