"""One file that carries many: a plain tar whose first member lists all others with their size and SHA-256.

Plain, because what it carries (weights, features, Parquet) hardly gets smaller and compressors differ by version: equal files
give equal bytes, on any machine. `tar xf` reads it; `ARCHIVE.json`, its first member, says what it is.
"""

import dataclasses
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, canonical_json, sha256_file, sha256_text

LISTING = "ARCHIVE.json"
FORMAT = 1
BLOCK = 1 << 20
LARGEST_LISTING = 1 << 28
"""Bytes of a listing that is read into memory; demo's has a hundred thousand."""
AGAIN = "Get it again whole (its SHA-256 stands where it was published), or export it again."


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of an archive: its path relative to the checkout, its bytes, and their SHA-256."""

    path: str
    bytes: int
    sha256: str


def entry_of(path: str) -> Entry:
    """A file of this checkout as an archive lists it."""
    return Entry(path, Path(path).stat().st_size, sha256_file(Path(path)))


def write_archive(output: Path, about: dict[str, Any], paths: Iterable[str]) -> list[Entry]:
    """Write files of this folder as one archive; the same files give the same bytes.

    Args:
        output: the archive; it appears whole or not at all.
        about: what it is of, as JSON holds it.
        paths: relative to this folder.

    Returns:
        What it holds, by path.

    Raises:
        RescoreError: a file changed while it was being written; the disk is full.
    """
    entries = [entry_of(path) for path in sorted(paths)]
    listing = {"format": FORMAT, **about, "files": [dataclasses.asdict(entry) for entry in entries]}
    text = json.dumps({"archive": listing, "sha256": sha256_text(canonical_json(listing))}, sort_keys=True, indent=1)
    with atomic_path(output) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(_member(LISTING, len(text.encode())), io.BytesIO(text.encode()))
        for entry in entries:
            with Path(entry.path).open("rb") as stream:
                hashed = Hashed(stream)
                archive.addfile(_member(entry.path, entry.bytes), hashed)
            if hashed.sha256() != entry.sha256:
                raise RescoreError(f"{entry.path}: it changed while it was exported. Let whatever writes it end first.")
    return entries


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A regular file without owner and time, which are of a machine."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


class Hashed:
    """A stream that hashes what is read from it."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block: bytes = self.stream.read(size)
        self.digest.update(block)
        return block

    def sha256(self) -> str:
        return self.digest.hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """An archive, open for reading.

    Raises:
        RescoreError: it is not there, may not be read, is no tar file, or ends before its time.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Name the archive that `rescore export` wrote.") from error
    except (PermissionError, IsADirectoryError) as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror}). Name an archive that you may read.") from error
    except tarfile.TarError as error:
        raise RescoreError(f"{path}: not a whole archive of `rescore export` ({error}). {AGAIN}") from error


def read_listing(path: Path) -> tuple[dict[str, Any], list[Entry]]:
    """What an archive is of, and what it says it holds.

    Raises:
        RescoreError: it cannot be read, is none of `rescore export`, or its listing is damaged or of a later version.
    """
    with opened(path) as archive:
        first = archive.next()
        is_listing = first is not None and first.name == LISTING and first.isreg() and first.size <= LARGEST_LISTING
        stream = archive.extractfile(first) if is_listing and first is not None else None
        if stream is None:
            raise RescoreError(f"{path}: not an archive of `rescore export`: {LISTING} is not its first file.")
        text = stream.read()
    try:
        whole = json.loads(text)
        about, digest = whole["archive"], whole["sha256"]
        intact = digest == sha256_text(canonical_json(about))
        version = about.pop("format")
        entries = [Entry(str(row["path"]), int(row["bytes"]), str(row["sha256"])) for row in about.pop("files")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RescoreError(f"{path}: its {LISTING} is damaged ({error}). {AGAIN}") from error
    if not intact:
        raise RescoreError(f"{path}: its {LISTING} is damaged (it is not what its own SHA-256 says). {AGAIN}")
    if version != FORMAT:
        raise RescoreError(f"{path}: format {version}, and this rescore reads {FORMAT}. Use the rescore that wrote it.")
    return about, entries


def unsafe(entries: Sequence[Entry]) -> list[str]:
    """What no listing of ours says: paths that leave the folder or stand twice, impossible sizes and hashes."""
    problems, seen = [], set()
    for entry in entries:
        parts = entry.path.split("/")
        plain = entry.path == PurePosixPath(entry.path).as_posix() and not {"", ".", ".."} & {*parts}
        if not plain or "\\" in entry.path or not entry.path.isprintable():
            problems.append(f"{entry.path!r}: leaves the folder, or is no plain path")
        elif entry.path in seen:
            problems.append(f"{entry.path}: stands twice")
        if entry.bytes < 0 or not re.fullmatch(r"[0-9a-f]{64}", entry.sha256):
            problems.append(f"{entry.path!r}: impossible size or SHA-256")
        seen.add(entry.path)
    return problems


def contents(path: Path, read: tarfile.TarFile, entries: Sequence[Entry]) -> Iterator[tuple[Entry, IO[bytes]]]:
    """The files of an open archive in its order, each with its stream.

    Raises:
        RescoreError: a member is not the listed one (a link, another name or size), or the archive ends before its time.
    """
    read.next()
    for number, entry in enumerate(entries):
        member = read.next()
        if member is None:
            raise RescoreError(f"{path}: it ends, or is damaged, after {number} of {len(entries)} files. {AGAIN}")
        stream = read.extractfile(member) if member.isreg() else None
        if stream is None or (member.name, member.size) != (entry.path, entry.bytes):
            raise RescoreError(
                f"{path}: file {number + 1} is not the {entry.path} of its {LISTING} but {member.name!r}. {AGAIN}"
            )
        yield entry, stream
    if (more := read.next()) is not None:
        raise RescoreError(f"{path}: it holds {more.name!r}, of which its {LISTING} knows nothing. {AGAIN}")


def check_contents(path: Path, entries: Sequence[Entry]) -> None:
    """Read every byte of an archive and hold it against the listing, before anything is written.

    Raises:
        RescoreError: it is cut or holds something else; damaged files, all together.
    """
    damaged = []
    with opened(path) as read:
        for entry, stream in contents(path, read, entries):
            hashed = Hashed(stream)
            while hashed.read(BLOCK):
                pass
            if hashed.sha256() != entry.sha256:
                damaged.append(f"{entry.path}: SHA-256 {hashed.sha256()}, listed {entry.sha256}")
    raise_together(f"{path}: damaged", damaged, AGAIN)


def extract(path: Path, entries: Sequence[Entry], wanted: set[str]) -> None:
    """Write some of an archive's files into this folder, each whole or not at all.

    Raises:
        RescoreError: the archive is damaged, the disk is full, or a place may not be written.
    """
    with opened(path) as read:
        for entry, stream in contents(path, read, entries):
            if entry.path in wanted:
                _extract(path, entry, Hashed(stream))


def _extract(path: Path, entry: Entry, hashed: Hashed) -> None:
    with atomic_path(Path(entry.path)) as temporary:
        with temporary.open("wb") as out:
            while block := hashed.read(BLOCK):
                out.write(block)
        if hashed.sha256() != entry.sha256:
            raise RescoreError(f"{path}: {entry.path} was damaged while it was read. {AGAIN}")
