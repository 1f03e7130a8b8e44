"""Files on disk: atomic writing, hashes, and safetensors with a JSON header. No pickle is read or written here."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore import processes
from rescore.errors import RescoreError

HEADER_KEY = "rescore"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the disk, the user's quota, the process's limit of a file's size


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
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    # The suffix is kept because encoders and writers choose their format by it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.{os.getpid()}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes 0600, which other users of a shared checkout could not read
        temporary.replace(path)
    except Exception as error:
        if means_full_disk(error):
            raise RescoreError(
                f"{path}: the disk is full, or a quota or size limit is reached. "
                "Free space and run again; finished files are kept."
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files beside `path` that killed processes left of it."""
    pattern = re.compile(rf"{re.escape(f'.{path.stem}.')}(\d+)-\w{{8}}{re.escape(path.suffix)}")
    for found in path.parent.glob(f"{glob.escape(f'.{path.stem}.')}*-*"):
        match = pattern.fullmatch(found.name)
        if match and not processes.is_alive(int(match[1])):
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
    except Exception as error:  # pyarrow and pandas raise many types for a damaged file
        raise RescoreError(f"{path}: not a readable table ({error}). Delete it and run the workflow again.") from error


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
        raise RescoreError(f"{path}: not a readable safetensors file ({error}). Delete it and run again.") from error
