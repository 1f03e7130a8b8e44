"""Pickles from outside, read without trust: plain containers, numbers, strings and NumPy arrays, nothing else.

A pickle is a program that may call any importable function. This reader looks names up in one table of harmless objects
and imports nothing, so a name outside the table stops it before anything is called.
"""

import collections
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rescore.errors import RescoreError

# NumPy's own makers of arrays and scalars, taken from what it writes: their module moved (numpy.core, numpy._core).
_MAKE_ARRAY = np.zeros(1).__reduce__()[0]
_MAKE_SCALAR = np.float64(0).__reduce__()[0]

ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): collections.OrderedDict,
    **{(module, "_reconstruct"): _MAKE_ARRAY for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(module, "scalar"): _MAKE_SCALAR for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (set, frozenset, complex, bytearray)
    },
}


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, path: Path) -> None:
        super().__init__(stream, encoding="latin1")  # Python 2's byte strings, inside which NumPy keeps its data
        self._path = path

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return ADMITTED[module_name, global_name]
        except KeyError:
            raise RescoreError(
                f"{self._path}: the pickle asks for {module_name}.{global_name}, which no data needs; nothing of it was run. "
                "Fetch the file again from its origin (`rescore fetch`); if it still asks, do not trust it."
            ) from None


def _read(stream: BinaryIO, path: Path) -> Any:
    try:
        return _RestrictedUnpickler(stream, path).load()
    except RescoreError:
        raise
    except (
        Exception
    ) as error:  # a damaged pickle can raise anything: EOFError, ValueError, IndexError, UnicodeDecodeError
        raise RescoreError(
            f"{path}: not a readable pickle ({type(error).__name__}: {error}). Delete it and fetch it again."
        ) from error


def load_pickle(path: Path) -> Any:
    """Read a pickle of Python 2 or 3 that holds plain containers, numbers, strings and NumPy arrays.

    Raises:
        RescoreError: the file is missing, damaged, or asks for any other global (named in the message; nothing is run).
    """
    try:
        with path.open("rb") as stream:
            return _read(stream, path)
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run `rescore fetch`.") from error


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
    except (ValueError, KeyError, EOFError, OSError) as error:
        raise RescoreError(f"{path}: not a readable .npy file ({error}). Delete it and fetch it again.") from error
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
        raise RescoreError(f"{path}: the payload is not the {dtype} array of shape {shape} that its header announces.")
    return array
