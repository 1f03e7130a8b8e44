"""What the catalogue says of an input: its origin, and each file with its checksum."""

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class OriginFile:
    name: str
    """Path inside the source's own folder; the same in the mirror and under data/raw/<source>/."""
    size: int
    """Bytes."""
    sha256: str
    origin: str | None = None
    """Path inside the repository, where it is not `Source.path` followed by `name`."""


@dataclass(frozen=True)
class Source:
    name: str
    """The name `rescore fetch` takes; the files go to data/raw/<name>/."""
    note: str
    licence: str
    citation: str
    """BibTeX."""
    repository: str | None = None
    """URL that `git fetch` understands."""
    commit: str | None = None
    path: str = ""
    """Folder of the files inside the repository."""
    url: str | None = None
    """Base URL of the same files over HTTP, used where git is missing or fails."""
    mirror: str | None = None
    """Folder inside a mirror."""
    files: tuple[OriginFile, ...] = ()
    manual: str | None = None
    """What a person does, where the files cannot be fetched and verified by a program."""
    pointers: bool = True
    """Whether DVC is told of each file; of hundreds of small ones SOURCE.json alone says where they came from."""


def origin_path(source: Source, file: OriginFile) -> str:
    """Where a file lies in its repository, or below the base URL."""
    return file.origin if file.origin is not None else str(PurePosixPath(source.path) / file.name)


NO_LICENCE = "no licence stated: ask the authors before you redistribute the files or use them beyond research"
