"""Files on disk: atomic writing, hashes, and safetensors with a JSON header. No pickle is read or written here."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine import processes
from rescore.engine.errors import RescoreError

HEADER_KEY = "rescore"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the disk, the user's quota, the process's limit of a file's size
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
LONGEST_STEM = 120
"""Bytes of a file's name that its temporary name repeats: the system allows 255 in all."""


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, no NaN. Equal values give equal text, hence equal hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on failure it is removed and `path` stays as it was.

    A killed process therefore never leaves half a file under its final name; what it left under a temporary one goes when the
    same file is written again.

    Raises:
        RescoreError: the disk is full, or a quota or size limit is reached.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        temporary = _create_beside(path)
        yield temporary
        temporary.replace(path)
    except Exception as error:
        if means_full_disk(error):
            raise RescoreError(
                f"{path}: the disk is full, or a quota or size limit is reached. "
                "Free space and run again; finished files are kept."
            ) from error
        if isinstance(error, OSError) and error.errno in FORBIDDEN and _concerns(error, path, temporary):
            raise RescoreError(f"{path}: cannot be written ({error.strerror}). {WRITE_REMEDY}") from error
        if isinstance(error, FileNotFoundError) and temporary is not None and _concerns(error, path, temporary):
            raise RescoreError(
                f"{path}: another process wrote it at the same time and took this one's place. Run again, once."
            ) from error
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


WRITE_REMEDY = "Work in a clone of your own, or let the folder's owner give you the right to write."


def _concerns(error: OSError, path: Path, temporary: Path | None) -> bool:
    """Whether an error is about writing `path`, not about something else that its writer reads."""
    if error.filename is None or temporary is None:
        return True
    return Path(os.fsdecode(error.filename)) in (path, temporary)


def _create_beside(path: Path) -> Path:
    """A new empty file with the rights that the user's umask and the folder give any new file.

    Its name says which process of which place (`processes.place`) writes it, and keeps the suffix because encoders and writers
    choose their format by it.
    """
    name = f"{_prefix(path)}{os.getpid()}-{processes.place_hash()}-{secrets.token_hex(4)}{path.suffix}"
    temporary = path.parent / name
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _prefix(path: Path) -> str:
    stem = path.stem
    if len(os.fsencode(stem)) > LONGEST_STEM:
        stem = hashlib.sha256(os.fsencode(stem)).hexdigest()
    return f".{stem}."


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files beside `path` that killed processes left of it.

    The workflow runs one job an output at a time, so another machine's is of a job that was killed or is given up.
    """
    prefix = _prefix(path)
    pattern = re.compile(rf"{re.escape(prefix)}(\d+)-(\w{{8}})-\w{{8}}{re.escape(path.suffix)}")
    for found in path.parent.glob(f"{glob.escape(prefix)}*-*"):
        match = pattern.fullmatch(found.name)
        if match and not (match[2] == processes.place_hash() and processes.is_alive(int(match[1]))):
            found.unlink(missing_ok=True)


def means_full_disk(error: Exception) -> bool:
    """Whether a write failed for want of space, whichever library wrote.

    safetensors gives the system's error number as text alone, and NumPy only counts what it could not write.
    """
    number = getattr(error, "errno", None)
    if number is None and (found := re.search(r"\b(?:os error|code:) (\d+)", str(error))):
        number = int(found[1])
    return number in FULL or re.fullmatch(r"\d+ requested and \d+ written", str(error)) is not None


def write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Readable JSON with sorted keys and a final newline."""
    write_text(path, json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet or CSV, by the path's suffix; equal tables give equal bytes."""
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        elif path.suffix == ".csv":
            table.to_csv(temporary, index=False, lineterminator="\n")
        else:
            raise ValueError(f"{path}: tables are .parquet or .csv")


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet or CSV table.

    Raises:
        RescoreError: the file is missing or not a table.
    """
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run the step that writes it (`rescore plan` names it).") from error
    except PermissionError as error:
        raise RescoreError(f"{path}: you may not read it ({error.strerror}). Let its owner allow it.") from error
    except Exception as error:  # pyarrow and pandas raise many types for a damaged file
        raise RescoreError(f"{path}: not a readable table ({error}). {remedy_of_damaged(path)}") from error


def remedy_of_damaged(path: Path) -> str:
    """What to do about a file that cannot be read: the program's own is made again, anyone else's is theirs to mend."""
    parts = Path(os.path.relpath(path)).parts
    if parts[:2] == ("workflow", "provenance"):
        return f"It is versioned: git checkout {path}"
    if len(parts) > 2 and parts[0] in ("data", "runs", "results") and parts[1] != "raw":
        return "Delete it and run the workflow again."
    return "Mend it or get it again; text is to be UTF-8."


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write named arrays as safetensors; `header` (JSON) says what made them: data hash, code version, parameters, seed."""
    from safetensors.numpy import save_file

    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with atomic_path(path) as temporary:
        save_file(contiguous, temporary, metadata={HEADER_KEY: canonical_json(header)})


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_arrays` wrote.

    Returns:
        The arrays by name and the header.

    Raises:
        RescoreError: the file is missing, truncated, or not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stream:
            header = json.loads((stream.metadata() or {}).get(HEADER_KEY, "{}"))
            return {name: stream.get_tensor(name) for name in stream.keys()}, header  # noqa: SIM118 - not a dict
    except FileNotFoundError as error:
        raise RescoreError(
            f"{path}: no such checkpoint. Run the step that writes it (`rescore plan` names it)."
        ) from error
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise RescoreError(f"{path}: not a readable safetensors file ({error}). {remedy_of_damaged(path)}") from error
