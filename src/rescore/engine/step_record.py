"""A record beside each step's log: what ran, on what, with which code and versions, where, and for how long.

`logs/<scale>/<name>.log` has its record in `runs/<scale>/records/<name>.json`, which travels with DVC. A record is no
output of the workflow: it holds a run time, so it differs from run to run, and nothing depends on it.
"""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rescore.engine import arithmetic, mounting, provenance
from rescore.engine.errors import RescoreError
from rescore.engine.libraries import LIBRARIES, MODULES
from rescore.engine.storage import canonical_json, sha256_file, sha256_text, write_json

CODE = ("src", "workflow/rules", "Snakefile")


def record_path(log: Path) -> Path:
    """Where the record of the step with this log lies.

    Raises:
        RescoreError: the log is not under logs/<scale>/.
    """
    parts = log.parts
    if len(parts) < 3 or parts[0] != "logs":
        raise RescoreError(f"{log}: a step's log lies under logs/<scale>/, and its record is named after it")
    return Path("runs", parts[1], "records", *parts[2:]).with_suffix(".json")


def check_code(step: str, expected: str) -> str:
    """Hash of the code that a step reaches, if it is the one that the rule was planned with.

    Raises:
        RescoreError: the sources were edited while the workflow runs: the result would be recorded under the wrong code.
    """
    now = provenance.code_hash(provenance.module_of(step))
    if expected not in ("", now):
        raise RescoreError(
            f"{step}: the sources changed while the workflow runs (code {now}, planned with {expected}). Run it again: "
            "finished results are kept."
        )
    return now


def files_in(value: Any) -> Iterator[Path]:
    """The existing files among a step's arguments."""
    if isinstance(value, Path) and value.is_file():
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from files_in(item)


def signatures(arguments: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Inode and change time of each file among the arguments."""
    files = {path for value in arguments.values() for path in files_in(value)}
    return {path.as_posix(): (path.stat().st_ino, path.stat().st_ctime_ns) for path in files}


def git(*arguments: str) -> tuple[str | None, str]:
    """What a git command prints (None where it fails) and why it fails.

    A clone that belongs to another user is asked all the same, without what it could make git run: its code runs already.
    """
    command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    failed = done.returncode != 0
    return None if failed else done.stdout.strip(), done.stderr.strip().partition("\n")[0] if failed else ""


def code_version() -> dict[str, Any]:
    """The commit, and whether the code differs from it (results and data may: a run writes them); without a commit, why."""
    commit, why = git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None, "why": why}
    changes, _ = git("status", "--porcelain", "--", *CODE)
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def outside(step: str) -> dict[str, str]:
    """Systems outside of the tree that a step reaches, and where each comes from: its distribution, or its folder and commit."""
    found = {}
    for place in mounting.origins(provenance.module_of(step)).values():
        commit = None if place.package else git("-C", str(place.folder), "rev-parse", "HEAD")[0]
        changes = commit and git("-C", str(place.folder), "status", "--porcelain", "--", ".")[0]
        found[place.name] = ", ".join(
            [place.origin, *([f"commit {commit}"] if commit else []), *(["changed since"] if changes else [])]
        )
    return found


def versions() -> dict[str, str]:
    """Versions of Python and of the main libraries that this process has loaded."""
    loaded = (name for name in LIBRARIES if MODULES.get(name, name) in sys.modules)
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in loaded}


def processor() -> str:
    """The processor's name as Linux gives it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def machine_versions() -> dict[str, str]:
    """What results were computed with, and may differ by: processor, C library, Python and the libraries that compute."""
    installed = {}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    libc = " ".join(platform.libc_ver())
    return {"processor": processor(), "libc": libc, "python": platform.python_version(), **installed}


def hardware() -> dict[str, Any]:
    """Processor, cores, memory (GiB), system, the device that torch computed on, and the arithmetic; no host name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": platform.system(),
        "device": device(),
        "arithmetic": arithmetic.in_use(),
    }


def device() -> str:
    """`cpu`, or the GPU that this process has used: asked of torch only where a step has loaded it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return "cpu"


def run_recorded(
    function: Callable[..., None], arguments: Mapping[str, Any], *, rule: str, step: str, log: Path, code: str
) -> None:
    """Run a step and write its record.

    Args:
        function: the step; `arguments` are its parameters.
        rule: name of the workflow's rule; `step` is module.function.
        log: the step's log, by which the record is named.
        code: hash of the code that the rule was planned with.

    Raises:
        RescoreError: the sources changed since the workflow was planned.
    """
    hashed, before = check_code(step, code), signatures(arguments)
    inputs = {path: sha256_file(Path(path)) for path in sorted(before)}
    start = time.monotonic()
    function(**arguments)
    seconds = time.monotonic() - start
    after = signatures(arguments)
    kept = {path: digest for path, digest in inputs.items() if after.get(path) == before[path]}
    outputs = sorted(after.keys() - kept.keys())
    give_rights(outputs)
    settings = arguments.get("settings")
    record = {
        "rule": rule,
        "function": step,
        "arguments": {name: plain(value) for name, value in arguments.items() if name != "settings"},
        "settings": settings,
        "settings_sha256": sha256_text(canonical_json(settings)) if settings is not None else None,
        "seeds": {name: settings[name] for name in ("seed", "first_training", "seeds") if name in settings}
        if settings
        else {},
        "code": {**code_version(), "hash": hashed, **({"outside": others} if (others := outside(step)) else {})},
        "inputs": kept,
        "outputs": outputs,
        "versions": versions(),
        "hardware": hardware(),
        "seconds": round(seconds, 3),
    }
    write_json(record_path(log), record)


def give_rights(outputs: Iterable[str]) -> None:
    """Outputs get the rights that the user's umask gives any new file; some libraries write theirs for the owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    for path in map(Path, outputs):
        if path.is_file() and path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o777 == 0o600:
            path.chmod(0o666 & ~umask)


def plain(value: Any) -> Any:
    """An argument as JSON holds it."""
    if isinstance(value, Path):
        return value.as_posix()
    return [plain(item) for item in value] if isinstance(value, list) else value
