"""What three optimiser steps of every family of trainings leave, as hashes: the same on every machine that computes alike.

    rescore verify --arithmetic      holds operations and states against workflow/arithmetic.json

Fingerprints (`models.fingerprint`) try operations one by one; this tries the trainings themselves, at the smallest sizes that
pass through all their layers, on made-up data.
"""

import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from rescore.engine import arithmetic, mounting, step_record
from rescore.engine.errors import RescoreError
from rescore.engine.parameters import merge
from rescore.engine.storage import load_arrays, read_table, write_json
from rescore.experiments import upstream
from rescore.models import fingerprint
from rescore.systems import registry
from rescore.systems.common import rehearsal
from rescore.systems.common.rehearsal import Stage

STEPS = 3
BASE: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "seeds": 1,
    "clips": {"frames": 16, "crop": 24, "resize": [24, 24], "long_videos": "last"},
    "backbone": {
        **{"network": "c3d", "weights": "pretrained", "convolutions": 8, "width": 0.0625, "colour": "rgb_imagenet"},
        **{"clip_frames": 16, "clips": 3, "temporal_offsets": 2, "test_offset": 0, "batch": 4},
    },
    "pretraining": {
        **{"batch": 2, "learning_rate": 0.001, "anneal_every": 2, "anneal_factor": 0.1, "momentum": 0.9},
        **{"weight_decay": 0.005, "fc_dropout": 0.5},
    },
    "poses": {"estimator": "heat_map", "every": 4, "training": {"channels": 8, "batch": 4, "learning_rate": 0.005}},
    "ridge": {"penalties": [1.0, 10.0], "folds": 2},
}
"""What systems share, at the smallest sizes. Not params.yaml's: a user who changes that must not change what this tries."""


@functools.cache
def settings() -> dict[str, Any]:
    """BASE with the smallest sizes of every system."""
    tiny = (getattr(declaration, "TINY", {}) for declaration in registry.found().values())
    return functools.reduce(merge, tiny, BASE)


@functools.cache
def families() -> dict[str, Callable[[Stage], list[Path]]]:
    """What is tried, by title: trainings before all systems, then each of the tree's: the list is the reference's."""
    found = {name: family.load("rescore.experiments") for name, family in upstream.TRIED.items()}
    for declaration in (one for name, one in registry.found().items() if name not in mounting.mounted()):
        package = registry.package_of(declaration)
        found |= {name: family.load(package) for name, family in getattr(declaration, "TRIED", {}).items()}
    return found


def state(files: Sequence[Path]) -> str:
    """First 12 hexadecimal digits of the SHA-256 over the weights and predictions in some files, sorted by name."""
    hashed = hashlib.sha256()
    for number, path in enumerate(files):
        for name, values in sorted(contents(path).items()):
            hashed.update(f"{number}/{name}\n".encode())
            hashed.update(values)
    return hashed.hexdigest()[:12]


def contents(path: Path) -> dict[str, bytes]:
    """Arrays of a checkpoint, or what a table predicts, as bytes by name."""
    if path.suffix == ".safetensors":
        return {name: np.ascontiguousarray(array).tobytes() for name, array in load_arrays(path)[0].items()}
    predicted = read_table(path)["predicted"]
    text = predicted.dtype.kind not in "fiu"
    return {"predicted": "\n".join(predicted).encode() if text else predicted.to_numpy(np.float64).tobytes()}


def family_state(name: str) -> str:
    """The state of one family, computed in a temporary directory; what its steps print is held back."""
    with (
        tempfile.TemporaryDirectory(prefix="rescore-state-") as folder,
        rehearsal.without_clock(),
        redirect_stdout(StringIO()),
        redirect_stderr(StringIO()),
    ):
        return state(families()[name](Stage(Path(folder), settings(), STEPS, rehearsal.TINY)))


def states(only: Sequence[str] = (), tell: Callable[[str], None] = lambda name: None) -> dict[str, str]:
    """State of every family, or of some, by name.

    The process must have been prepared (`arithmetic.prepare`) before it loaded torch.
    """
    found = {}
    for name in only or families():
        tell(name)
        found[name] = family_state(name)
    return found


def write(path: Path = fingerprint.REFERENCE) -> None:
    """Write this machine's fingerprint and states: what all others are held against."""
    write_json(
        path, {"operations": fingerprint.fingerprint(), "states": states(), "made_with": step_record.machine_versions()}
    )


def check(reference: Path = fingerprint.REFERENCE, only: Sequence[str] = ()) -> list[str]:
    """What differs here from the committed list, a sentence each.

    Args:
        only: titles of trainings; all without.

    Raises:
        RescoreError: the list is not there or cannot be read.
    """
    known = read(reference)
    found = {"operations": fingerprint.fingerprint(), "states": states(only)}
    wanted = {title: state for title, state in known["states"].items() if not only or title in only}
    known = {**known, "states": wanted}
    faults = list(late())
    for kind, what in (("operations", "operation"), ("states", "training")):
        faults += [f"{what}: {name} gives other bytes" for name in fingerprint.differing(found[kind], known[kind])]
    return faults


def late() -> Iterator[str]:
    """A sentence where this process does not compute as the reference is computed."""
    if arithmetic.in_use()["mode"] != arithmetic.PORTABLE:
        yield "the process was not prepared for portable arithmetic before it loaded its libraries"


def read(reference: Path) -> Mapping[str, Any]:
    """The committed list, with `operations`, `states` and `made_with`.

    Raises:
        RescoreError: it is not there or cannot be read.
    """
    try:
        known: dict[str, Any] = json.loads(reference.read_text(encoding="utf-8"))
        return {name: dict(known[name]) for name in ("operations", "states", "made_with")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RescoreError(
            f"{reference}: no readable list of operations and states ({error!r}). Check it out again: git checkout {reference}"
        ) from error


def describe(faults: Sequence[str], reference: Path = fingerprint.REFERENCE) -> str:
    """The verdict as text."""
    known = read(reference)
    counted = f"{len(known['operations'])} operations and {len(known['states'])} trainings of {STEPS} steps"
    if not faults:
        return f"arithmetic: {counted} give the reference's bytes"
    lines = "\n".join(f"  - {fault}" for fault in faults)
    here, there = step_record.machine_versions(), known["made_with"]
    other = [f"{name} {here.get(name)} here, {there[name]} there" for name in there if here.get(name) != there[name]]
    note = f"\nWhat else is not the reference's: {'; '.join(other)}" if other else ""
    return (
        f"arithmetic: not the reference's in {len(faults)} of {counted}:\n{lines}{note}\n"
        "Results agree with the reference's within their prediction intervals, not to the last digit (docs/versioning.md)."
    )
