"""The proof that a reviewer runs: data, checkpoints, predictions and results belong together.

Three questions, each asked of whoever knows: is every recorded file the recorded one (each is read and hashed again, whatever
its times say); does the workflow find anything to make; does DVC find anything changed.
"""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rescore.engine import checkout, libraries, lock
from rescore.engine.errors import RescoreError
from rescore.engine.measured import content_digest

DVC_MAJOR = "3"


def verify() -> list[str]:
    """Everything that is not clean in this directory, a line each; empty where all belongs together.

    Raises:
        RescoreError: there is no lock, it is damaged, or a tool is of another major version.
    """
    rooms = sorted(path.name.removesuffix(".lock.jsonl") for path in lock.LOCKS.glob("*.lock.jsonl"))
    if not rooms:
        raise RescoreError(
            f"{lock.LOCKS}: no lock, so nothing is recorded that could be verified. Remedy: run the workflow "
            "(snakemake --cores all), or check out a commit that has one."
        )
    records = {path: record for room in rooms for path, record in lock.read_lock(room).items()}
    return [*file_faults(records), *chain_faults(records), *workflow_faults(rooms), *dvc_faults()]


def file_faults(records: dict[str, lock.Record]) -> list[str]:
    """Recorded files that are missing though git or DVC should have them, or whose bytes are others; every byte is read."""
    faults = [
        f"{path}: missing (dvc pull, or snakemake {path})"
        for path in records
        if lock.is_versioned(path) and not Path(path).is_file()
    ]
    present = [path for path in records if Path(path).is_file()]
    with ThreadPoolExecutor() as pool:
        digests = dict(zip(present, pool.map(lambda path: content_digest(Path(path)), present), strict=True))
    for path, digest in digests.items():
        if digest != records[path]["sha256"]:
            faults.append(f"{path}: not the recorded file (SHA-256 {digest}, recorded {records[path]['sha256']})")
        faults += [f"{path}: {fault}" for fault in lock.listed_faults(Path(path), content_digest)]
    return faults


def chain_faults(records: dict[str, lock.Record]) -> list[str]:
    """Outputs whose recorded inputs are not those that are there, or that are recorded: results of something else."""
    own = {path: f"sha256:{record['sha256']}" for path, record in records.items()}
    leaves = {path for record in records.values() for path in record["input_checksums"] or {}} - own.keys()
    digests = own | {path: f"sha256:{content_digest(Path(path))}" for path in leaves if Path(path).is_file()}
    return [
        f"{path}: made from another {changed}"
        for path, record in records.items()
        for changed in lock.changed_inputs(record, digests)
    ]


def workflow_faults(rooms: Sequence[str]) -> list[str]:
    """Jobs that the workflow would run at each recorded scale (`snakemake -n`)."""
    faults = []
    for scale in [room for room in rooms if room != "open"] or ["open"]:
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "progress", "--config", f"scale={scale}"]
        done = subprocess.run(command, text=True, errors="backslashreplace", capture_output=True)
        if done.returncode:
            faults.append(f"snakemake -n --config scale={scale}: {reason_of(done.stdout + done.stderr)}")
        elif jobs := planned(done.stdout + done.stderr):
            faults += [f"snakemake -n --config scale={scale} would run {job}" for job in jobs]
    return faults


def planned(text: str) -> list[str]:
    """Rules of a dry run's jobs, outputs and reason; not those whose output no lock could describe (the overview)."""
    jobs: list[dict[str, str]] = []
    for line in text.splitlines():
        word, _, rest = line.strip().partition(": ")
        if line.startswith(("rule ", "localrule ")):
            jobs.append({"rule": line.rstrip(":").partition(" ")[2]})
        elif jobs and word in ("output", "reason"):
            jobs[-1][word] = rest
    recorded = [job for job in jobs if lock.room_of(job.get("output", "").partition(", ")[0]) is not None]
    return [f"{job['rule']} ({job['output']}: {job.get('reason', 'no reason given')})" for job in recorded]


NOTICES = ("Using ", "Config file", "Building DAG", "  File ", "warning: ")
"""How lines begin that the engine prints whether or not something is wrong, and those of a traceback."""


def reason_of(text: str) -> str:
    """Why a command failed, out of all that it printed: from the line that names an error on, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(NOTICES)]
    named = [index for index, line in enumerate(lines) if re.match(r"(\w+(Error|Exception)|ERROR|error)\b", line)]
    return " ".join(lines[named[0] if named else -1 :]) or "no output"


def dvc_faults() -> list[str]:
    """What `dvc status` finds changed; nothing where DVC is not initialised (`describe` says so).

    Raises:
        RescoreError: DVC is of another major version.
    """
    if not dvc_is_initialised():
        return []
    check_dvc(importlib.metadata.version("dvc"))
    with checkout.readable_copy(Path()) as folder:
        done = dvc(folder, "status", "--json")
    if done.returncode:
        return [f"dvc status: {reason_of(done.stdout + done.stderr)}"]
    stages = json.loads(done.stdout or "{}")
    return [
        f"dvc status: {stage}: {change if isinstance(change, str) else json.dumps(change, sort_keys=True)}"
        for stage, changes in sorted(stages.items())
        for change in changes
    ]


def dvc_is_initialised() -> bool:
    """Whether this is a DVC repository with results: git must know about it, and a run must have been locked."""
    return Path(".dvc/config").exists() and Path(".git").exists() and Path("dvc.lock").exists()


def check_dvc(version: str) -> None:
    """Raises: RescoreError, where DVC is of another major version than the project's files."""
    if version.partition(".")[0] != DVC_MAJOR:
        raise RescoreError(
            f"dvc {version or 'is not there'}: dvc.yaml and dvc.lock are written for DVC {DVC_MAJOR}. "
            "Remedy: pip install -r requirements.lock"
        )


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    return subprocess.run(
        command, cwd=folder, text=True, errors="backslashreplace", capture_output=True, env=environment
    )


def describe(faults: Sequence[str]) -> str:
    """The verdict as text, file by file."""
    note = "" if dvc_is_initialised() else "\nDVC was not asked: it is not initialised here, or has no dvc.lock."
    note += f"\n{warning}" if (warning := libraries.warning()) else ""
    if not faults:
        count = sum(len(lock.read_lock(path.name.removesuffix(".lock.jsonl"))) for path in lock.LOCKS.iterdir())
        return f"clean: {count} recorded files, nothing to run, nothing changed{note}"
    lines = "\n".join(f"  - {fault}" for fault in faults)
    return f"not clean ({len(faults)}):\n{lines}{note}"
