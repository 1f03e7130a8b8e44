"""`rescore export` and `rescore import`: a scale's results, checkpoints and predictions as one archive, in place of a DVC remote.

What goes in is what git or DVC keeps of a scale, and of `open` beside it (`lock.is_versioned`). Only what `rescore verify` finds
clean goes out, and it goes only into a checkout that speaks of the same results, so that it is clean there too.
"""

import dataclasses
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rescore import __version__
from rescore.engine import archive, checkout, lock, parameters, processes, provenance, verify
from rescore.engine.archive import Entry
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.step_record import git
from rescore.engine.storage import canonical_json, sha256_file

NAMED = 20
"""Files named in one message; how many more there are is said."""
MARGIN = 64 << 20
"""Bytes that an import leaves free."""


def default_output(scale: str) -> Path:
    return Path(f"rescore-{scale}.tar")


def export_scale(scale: str, output: Path) -> list[Entry]:
    """Write what git and DVC keep of a scale, and of `open` beside it, as one archive; equal files give equal bytes.

    Returns:
        What it holds.

    Raises:
        RescoreError: the scale is unknown, was not run or is not clean; the code or results are not committed; no space.
    """
    _, settings = parameters.load(scale=scale)
    if lock.room_of(Path(os.path.relpath(output)).as_posix()) is not None:
        raise RescoreError(f"{output}: that folder is what is exported. Write the archive elsewhere.")
    with processes.asking(lock.ENGINE) as alone:
        if not alone:
            raise RescoreError("a run is at work in this directory, so its results are not final. Wait for it.")
        rooms = exported_rooms(scale)
        check_clean(scale, rooms)
        about = {
            "version": __version__,
            "scale": scale,
            "rooms": rooms,
            "commit": git("rev-parse", "HEAD")[0],
            "workflow": workflow_hash(),
            "settings": settings,
        }
        return archive.write_archive(output, about, kept_files(rooms))


def exported_rooms(scale: str) -> list[str]:
    """The scale, and `open` where it was run here.

    Raises:
        RescoreError: nothing of the scale was run.
    """
    ran = [room for room in dict.fromkeys((scale, "open")) if Path("runs", room).is_dir() and lock.read_lock(room)]
    if scale not in ran:
        raise RescoreError(
            f"scale {scale}: not run here, so there is nothing to export. "
            f"Remedy: snakemake --cores all --config scale={scale}, or dvc pull"
        )
    return [room for room in ran if any(Path("runs", room).iterdir())]


def kept_files(rooms: Iterable[str]) -> list[str]:
    """What git and DVC keep of some rooms: not videos and clips, which are made again; and the rooms' locks."""
    found = [lock.lock_path(room).as_posix() for room in rooms]
    for top in (Path(parent, room) for parent in ("data", "runs", "results") for room in rooms):
        for folder, folders, names in os.walk(top, followlinks=True):
            if Path(folder) == top / "videos":
                folders.clear()
            found += [Path(folder, name).as_posix() for name in names]
    return sorted(path for path in found if is_kept(path, rooms))


def is_kept(path: str, rooms: Iterable[str]) -> bool:
    """Whether a path is one that an archive of these rooms may hold."""
    locks = {lock.lock_path(room).as_posix() for room in rooms}
    return path in locks or (lock.room_of(path) in {*rooms} and lock.is_versioned(path))


def check_clean(scale: str, rooms: Sequence[str]) -> None:
    """Hold rooms to what `rescore verify` asks, and to what a stranger can check out.

    Raises:
        RescoreError: everything that is not clean, together.
    """
    records = {path: record for room in rooms for path, record in lock.read_lock(room).items()}
    faults = [*uncommitted(rooms), *verify.file_faults(records), *verify.chain_faults(records)]
    if not faults:  # asking the engine and DVC takes seconds, and missing files would be named twice
        faults += verify.workflow_faults([scale])
        faults += verify.dvc_faults() if scale == parameters.load()[0] else []
    shorten_and_raise(
        f"scale {scale}: not clean, so nobody could prove it",
        faults,
        f"snakemake --cores all --config scale={scale} (or dvc repro), then commit what `git status` names.",
    )


def uncommitted(rooms: Iterable[str]) -> list[str]:
    """What decides or describes these results and is in no commit; nothing where this is no git repository."""
    paths = [*provenance.WORKFLOW, "dvc.lock", *(f"results/{room}" for room in rooms)]
    paths += [lock.lock_path(room).as_posix() for room in rooms]
    changes, _ = git("status", "--porcelain", "--untracked-files=all", "--", *paths)
    return [f"{line[2:].strip()}: not committed" for line in (changes or "").splitlines()]


def workflow_hash() -> str:
    """Hash of what decides what a run makes (`provenance.WORKFLOW`), without what an installation leaves among the sources."""
    files = (
        file
        for path in provenance.WORKFLOW
        for file in ([Path(path)] if Path(path).is_file() else Path(path).rglob("*"))
    )
    kept = [file.as_posix() for file in files if not any(part.endswith(".egg-info") for part in file.parts)]
    return provenance.tree_hash(path for path in kept if Path(path).is_file())


def shorten_and_raise(heading: str, problems: Sequence[str], remedy: str) -> None:
    """`raise_together`, but at most NAMED of them by name.

    Raises:
        RescoreError: there is a problem.
    """
    more = [f"and {len(problems) - NAMED} more"] if len(problems) > NAMED else []
    raise_together(heading, [*problems[:NAMED], *more], remedy)


@dataclasses.dataclass(frozen=True)
class Imported:
    """What an import did."""

    scale: str
    written: list[Entry]
    present: int
    """Files that were there already, byte for byte."""


def import_archive(path: Path, replace: bool = False) -> Imported:
    """Bring an archive's files into this checkout. Nothing is written before the whole archive was read and found whole.

    Killed, it goes on where it was: files that are there are not written again. Records come last.

    Args:
        path: what `rescore export` wrote.
        replace: whether files here that have other bytes are replaced.

    Raises:
        RescoreError: the archive is damaged, of other results or parameters, or holds what it should not; files here differ;
            no space; no right to write.
    """
    about, entries = archive.read_listing(path)
    listed = about.get("rooms")
    scale, rooms = str(about.get("scale")), [str(room) for room in listed] if isinstance(listed, list) else []
    outside = [f"{entry.path!r}: not of {', '.join(rooms)}" for entry in entries if not is_kept(entry.path, rooms)]
    remedy = "`rescore export` writes no such archive; take it from somebody you trust."
    shorten_and_raise(f"{path}: what no export holds", archive.unsafe(entries) or outside, remedy)
    check_same_results(path, about, entries)
    checkout.check_run(scale)
    archive.check_contents(path, entries)
    present = {entry.path for entry in entries if is_there(entry)}
    wanted = {entry.path for entry in entries} - present
    check_replaced(wanted, replace)
    check_space(entry for entry in entries if entry.path in wanted)
    records = {name for name in wanted if Path(name).parent == lock.LOCKS}
    for part in (wanted - records, records):
        if part:
            archive.extract(path, entries, part)
    return Imported(scale, [entry for entry in entries if entry.path in wanted], len(present))


def check_same_results(path: Path, about: Mapping[str, Any], entries: Sequence[Entry]) -> None:
    """Whether this checkout speaks of the archive's results: the same parameters, and the same records where it has any.

    Raises:
        RescoreError: it does not, or does not know the scale.
    """
    scale, commit = str(about.get("scale")), about.get("commit")
    remedy = f"git checkout {commit}" if commit else "check out the commit that it was made at (it names none)."
    _, settings = parameters.load(scale=scale)
    problems = [f"parameter {line}" for line in differences(settings, about.get("settings"))]
    records = {entry.path: entry.sha256 for entry in entries if Path(entry.path).parent == lock.LOCKS}
    own = {name: sha256_file(Path(name)) for name in records if Path(name).is_file()}
    problems += [f"{name}: this checkout records other results" for name in own if own[name] != records[name]]
    if records.keys() - own.keys() and about.get("workflow") != workflow_hash():
        problems.append("this checkout has no records of its own for it, and other code or parameters")
    shorten_and_raise(f"{path}: scale {scale} of another commit", problems, remedy)


def differences(here: Any, there: Any, name: str = "") -> list[str]:
    """Where two nested settings differ, a line a value."""
    if isinstance(here, dict) and isinstance(there, dict):
        keys = sorted({*here, *there})
        return [
            line for key in keys for line in differences(here.get(key), there.get(key), f"{name}.{key}".lstrip("."))
        ]
    same = canonical_json(here) == canonical_json(there)
    return (
        [] if same else [f"{name or 'settings'}: {canonical_json(here)} here, {canonical_json(there)} in the archive"]
    )


def is_there(entry: Entry) -> bool:
    """Whether a file is here, byte for byte."""
    path = Path(entry.path)
    return path.is_file() and path.stat().st_size == entry.bytes and sha256_file(path) == entry.sha256


def check_replaced(wanted: Iterable[str], replace: bool) -> None:
    """Raises: RescoreError, where files would replace others that nobody gave up, or folders stand in their place."""
    folders = [f"{path}: a folder" for path in sorted(wanted) if Path(path).is_dir()]
    others = [f"{path}: has other bytes here" for path in sorted(wanted) if Path(path).is_file() and not replace]
    shorten_and_raise("an import would replace", folders + others, "move them away, or give --replace to lose them.")


def check_space(wanted: Iterable[Entry]) -> None:
    """Raises: RescoreError, where a file system has not the space for what is to be written on it."""
    needed: dict[int, int] = {}
    folders: dict[int, Path] = {}
    for entry in wanted:
        folder = next(above for above in Path(entry.path).absolute().parents if above.is_dir())
        device = folder.stat().st_dev
        needed[device] = needed.get(device, MARGIN) + entry.bytes
        folders.setdefault(device, folder)
    free = {device: shutil.disk_usage(folder).free for device, folder in folders.items()}
    problems = [
        f"{folders[device]}: {needed[device]:,} bytes needed, {free[device]:,} free"
        for device in needed
        if needed[device] > free[device]
    ]
    raise_together("no space for the import", problems, "free space; nothing was written.")


def describe_export(output: Path, scale: str, entries: Sequence[Entry]) -> str:
    """What was written, with the archive's own SHA-256 to publish beside it."""
    rooms = ", ".join(sorted({lock.room_of(entry.path) or "" for entry in entries} - {""}))
    size = sum(entry.bytes for entry in entries)
    return (
        f"{output}: scale {scale} ({rooms}), {len(entries)} files, {size:,} bytes\n"
        f"SHA-256 {sha256_file(output)}\n"
        f"In a clone of this commit: rescore import {output.name} && rescore verify"
    )


def describe_import(done: Imported) -> str:
    """What was brought in, and how to prove it."""
    size = sum(entry.bytes for entry in done.written)
    return (
        f"scale {done.scale}: {len(done.written)} files written ({size:,} bytes), {done.present} were there already\n"
        "Proof: rescore verify"
    )
