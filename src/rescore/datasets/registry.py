"""The data sets that there are: every folder with a `dataset.py` beside this file, or mounted beside it (engine.outside)."""

import functools
from collections.abc import Mapping

from rescore.datasets.declaration import Dataset
from rescore.engine import mounting
from rescore.engine.errors import raise_together

SCANS = "dataset"
"""Modules that are read here by scanning: the code hash counts them as imported (engine.provenance)."""


@functools.cache
def found() -> Mapping[str, Dataset]:
    """The data sets by name: the tree's in the order of names, then those outside of it.

    Raises:
        RescoreError: those outside of the tree that cannot be imported, or declarations that are none; all of them together.
    """
    modules = mounting.read_modules(mounting.DATASETS, SCANS)
    known = {name: getattr(module, "DATASET", None) for name, module in modules.items()}
    problems = [
        f"{modules[name].__file__}: DATASET is no Dataset named {name}"
        for name, one in known.items()
        if not isinstance(one, Dataset) or one.name != name
    ]
    raise_together("declarations of data sets", problems, "mend them (src/rescore/datasets/declaration.py).")
    return {name: one for name, one in known.items() if one}
