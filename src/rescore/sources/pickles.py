"""Pickles from outside, read without trust: plain containers, numbers, text, dates and NumPy arrays, nothing else.

A pickle is a program that may call any importable function. This reader looks names up in one table of harmless objects
and imports nothing, so a name outside the table stops it before anything is called. The table has what Python and NumPy write for
plain values in every protocol, 0 to 5.
"""

import collections
import datetime
import decimal
import fractions
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rescore.engine.errors import RescoreError

# NumPy's own makers of arrays and scalars, taken from what it writes: their module moved (numpy.core, numpy._core).
_MAKE_ARRAY = np.zeros(1).__reduce__()[0]
_MAKE_SCALAR = np.float64(0).__reduce__()[0]
_FROM_BUFFER = np.zeros(1).__reduce_ex__(5)[0]
REMEDY = (
    "nothing of it was run. A file of `rescore fetch`: fetch it again, and if it still asks, do not trust it. Data of your own: "
    "write them as a table (CSV), or as plain lists, dictionaries and NumPy arrays."
)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How protocols 0 to 2 write bytes: `_codecs.encode`, which as such may do much more."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes encoded in {encoding!r}")
    return text.encode("latin1")


ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
    **{("collections", kind.__name__): kind for kind in (collections.OrderedDict, collections.defaultdict)},
    **{("collections", kind.__name__): kind for kind in (collections.Counter, collections.deque)},
    **{("datetime", kind.__name__): kind for kind in (datetime.date, datetime.datetime, datetime.time)},
    **{("datetime", kind.__name__): kind for kind in (datetime.timedelta, datetime.timezone)},
    ("decimal", "Decimal"): decimal.Decimal,
    ("fractions", "Fraction"): fractions.Fraction,
    **{(f"{module}.multiarray", "_reconstruct"): _MAKE_ARRAY for module in ("numpy.core", "numpy._core")},
    **{(f"{module}.multiarray", "scalar"): _MAKE_SCALAR for module in ("numpy.core", "numpy._core")},
    **{(f"{module}.numeric", "_frombuffer"): _FROM_BUFFER for module in ("numpy.core", "numpy._core")},
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (set, frozenset, complex, bytearray, bytes, list, dict, tuple, int, float, str, bool, range, slice)
    },
    ("__builtin__", "xrange"): range,
    ("__builtin__", "unicode"): str,
    ("__builtin__", "long"): int,
}


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, path: Path) -> None:
        super().__init__(stream, encoding="latin1")  # Python 2's byte strings, inside which NumPy keeps its data
        self._path = path

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return ADMITTED[module_name, global_name]
        except KeyError:
            raise RescoreError(refusal(self._path, module_name, global_name)) from None

    def persistent_load(self, pid: Any) -> Any:
        raise RescoreError(f"{self._path}: the pickle refers to something outside itself ({pid!r}); {REMEDY}")


TABLES = {"pandas": "to_csv", "polars": "write_csv", "pyarrow": "csv.write_csv"}
"""Packages of tables, and how each writes one as text."""


def refusal(path: Path, module: str, name: str) -> str:
    """Why a pickle that asks for this name is not read, and what to do instead."""
    content = (
        path.read_bytes()
    )  # in old protocols the first name asked for is a helper, and the table's stands behind it
    package = next((package for package in TABLES if f"{package}.".encode() in content), None)
    if package is not None:
        return (
            f"{path}: a pickle of {package} ({module}.{name}), which is not read, because it can run code; nothing of it was "
            f"run. Write the table with `{TABLES[package]}` and read that."
        )
    return f"{path}: the pickle asks for {module}.{name}, which plain data do not need; {REMEDY}"


def _read(stream: BinaryIO, path: Path) -> Any:
    try:
        return _RestrictedUnpickler(stream, path).load()
    except RescoreError:
        raise
    except (
        Exception
    ) as error:  # a damaged pickle can raise anything: EOFError, ValueError, IndexError, UnicodeDecodeError
        raise RescoreError(
            f"{path}: not a readable pickle ({type(error).__name__}: {error}). `rescore fetch` replaces what it brought; data of "
            "your own: write them again."
        ) from error


def load_pickle(path: Path) -> Any:
    """Read a pickle of Python 2 or 3 that holds plain containers, numbers, strings, dates and NumPy arrays.

    Raises:
        RescoreError: the file is missing, damaged, or asks for any other global (named in the message; nothing is run).
    """
    try:
        with path.open("rb") as stream:
            return _read(stream, path)
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run `rescore fetch`.") from error
    except OSError as error:  # a folder, a link to itself, somebody else's
        raise RescoreError(f"{path}: cannot be read ({error.strerror}). Run `rescore fetch`.") from error


def load_object_array(path: Path) -> np.ndarray:
    """Read a .npy file, also one of objects, whose payload is a pickle.

    Returns:
        The array with the header's shape and dtype.

    Raises:
        RescoreError: the file is missing, damaged, not .npy, or its pickle asks for a global that no data needs.
    """
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = read_header[version](stream)
            if dtype.hasobject:
                array = _read(stream, path)
            else:
                stream.seek(0)
                array = np.lib.format.read_array(stream, allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run `rescore fetch`.") from error
    except RescoreError:
        raise
    except Exception as error:  # a damaged header can raise anything: NumPy parses it as Python
        raise RescoreError(
            f"{path}: not a readable .npy file ({error}). `rescore fetch` replaces what it brought; data of your own: write "
            "them again."
        ) from error
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
        raise RescoreError(f"{path}: the payload is not the {dtype} array of shape {shape} that its header announces.")
    return array
