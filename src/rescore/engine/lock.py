"""The provenance lock: what every output was made from, in git, so that a clone knows it too.

The workflow engine decides what is stale by times and by metadata under `.snakemake/`, which no clone has, and it never
looks at an output's own bytes. Here each output has a record: its SHA-256 and what the engine's check needs (rule,
inputs with their SHA-256, parameters, code). Records live in two places: those of this directory's own jobs in
`.snakemake/rescore.json`, and the committed ones in `workflow/provenance/<room>.lock.jsonl`, a sorted line an output,
without times. A room is the second folder of an output's path: a scale, or `open`.

Before each run `reconcile` hands the engine the record that describes the bytes that are there. An output whose bytes no
record describes, or whose inputs are no longer those of its record, is refused: its metadata says so, and the engine
makes it again, with what follows from it. A missing output keeps its record: it is made again only when something needs it.
"""

import csv
import json
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.measured import content_digest
from rescore.engine.storage import canonical_json, sha256_text, write_text

LOCKS = Path("workflow/provenance")
ENGINE = Path(".snakemake")
STATE = ENGINE / "rescore.json"
METADATA = ENGINE / "metadata"
NAME_LENGTH = 254  # the engine cuts the name of a metadata file there
RECORD_FORMAT = 6
"""The engine's record format that this module writes; another one is refused (`check_engine`)."""
KEYS = ("rule", "input", "params", "code", "input_checksums", "software_stack_hash", "record_format_version")
SETTLED = 50_000_000
"""Nanoseconds after which a file's times tell its next change apart from the last one."""

Record = dict[str, Any]
IsOutput = Callable[[str], bool]


@dataclass
class State:
    """What this directory knows beside the committed locks. All paths are relative to the repository root."""

    files: dict[str, list[Any]] = field(default_factory=dict)
    """Checksums: size, modification time, change time (ns), inode, SHA-256. No tool can set the change time back."""
    own: dict[str, Record] = field(default_factory=dict)
    """The last record that described each output here: made by a job of this directory, or taken over from a lock."""
    written: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each metadata file that `reconcile` wrote: any other one is the engine's."""
    locks: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each lock as last seen: a changed one came with a commit, and is believed before `own` once."""


def check_engine(version: str, record_format: int) -> None:
    """The lock speaks the engine's format; another major version may read it otherwise.

    Raises:
        RescoreError: the engine is of another major version, or has another record format.
    """
    if version.partition(".")[0] != "9" or record_format != RECORD_FORMAT:
        raise RescoreError(
            f"snakemake {version} (record format {record_format}) cannot be trusted with {LOCKS}: the lock is written for "
            f"snakemake 9 (record format {RECORD_FORMAT}). Remedy: pip install -r requirements.lock"
        )


def room_of(path: str) -> str | None:
    """The scale that an output belongs to (or `open`, or `raw`); None for a path outside data, runs and results."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 and parts[0] in ("data", "runs", "results") else None


def is_versioned(path: str) -> bool:
    """Whether git or DVC keeps an output. Videos (and their index) and clips are made again: from the seed, or decoded."""
    parts = path.split("/")
    remade = parts[0] == "data" and (parts[2:3] == ["videos"] or (parts[2:3] == ["clips"] and path.endswith(".npy")))
    return room_of(path) not in (None, "raw") and not remade


def lock_path(room: str) -> Path:
    return LOCKS / f"{room}.lock.jsonl"


def read_lock(room: str) -> dict[str, Record]:
    """The committed records of a room by path; empty where there is no lock.

    Raises:
        RescoreError: a line is no record (a merge left its marks, say).
    """
    path, records = lock_path(room), {}
    if not path.exists():
        return {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            records[row.pop("path")] = {"sha256": row["sha256"], **{key: row[key] for key in KEYS}}
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise RescoreError(
                f"{path}, line {number}: not a record. Take one side whole (git checkout --ours or --theirs {path}), then "
                "run the workflow: what the lock does not describe is made again."
            ) from error
    return records


def require_recorded(paths: Iterable[Path], room: str) -> None:
    """Hold files that are about to be used against their records; those without a record, or not there, are not asked about.

    Raises:
        RescoreError: some have other bytes than recorded, all of them together.
    """
    records = read_lock(room)
    digests = {path: content_digest(path) for path in paths if path.is_file() and path.as_posix() in records}
    raise_together(
        "not the recorded checkpoints",
        [str(path) for path, digest in digests.items() if digest != records[path.as_posix()]["sha256"]],
        "make them again (snakemake with their paths) or pull them (dvc pull).",
    )


def lock_text(records: Mapping[str, Record]) -> str:
    """A lock's text: one line an output, sorted by path, the same bytes for the same records."""
    return "".join(canonical_json({"path": path, **records[path]}) + "\n" for path in sorted(records))


def read_state() -> State:
    """This directory's state; an empty one where there is none or it cannot be read (everything is then checked anew)."""
    try:
        return State(**json.loads(STATE.read_text(encoding="utf-8")))
    except (OSError, json.JSONDecodeError, TypeError):
        return State()


def write_state(state: State) -> None:
    text = canonical_json(vars(state))
    if not STATE.exists() or STATE.read_text(encoding="utf-8") != text:
        write_text(STATE, text)


def signature(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def checksum(path: Path, files: dict[str, list[Any]]) -> str:
    """SHA-256 of a file's content, read again only when its size, times or inode changed since it was last read."""
    seen, name = signature(path), path.as_posix()
    known = files.get(name)
    if known is not None and known[:4] == seen:
        return str(known[4])
    try:
        digest = content_digest(path)
    except PermissionError as error:
        raise RescoreError(
            f"{path}: you may not read it ({error.strerror}). Let its owner allow it (chmod -R a+rX)."
        ) from error
    remember(path, seen, digest, files)
    return digest


def remember(path: Path, seen: list[int], digest: str, files: dict[str, list[Any]]) -> None:
    """Keep a checksum, unless the file was changed just now: a second change within one tick would look the same."""
    files.pop(path.as_posix(), None)
    if signature(path) == seen and time.time_ns() - seen[2] > SETTLED:
        files[path.as_posix()] = [*seen, digest]


def listed_files(path: Path) -> list[tuple[Path, int, str]] | None:
    """Files (path, bytes, SHA-256) that an output answers for: an index its videos, SOURCE.json its source's files."""
    parts = path.parts
    try:
        if parts[0] == "data" and parts[2] == "videos" and path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as stream:
                return [(Path(row["video"]), int(row["bytes"]), row["sha256"]) for row in csv.DictReader(stream)]
        if parts[:2] == ("data", "raw") and path.name == "SOURCE.json":
            rows = json.loads(path.read_text(encoding="utf-8"))["files"]
            return [(path.parent / row["name"], int(row["bytes"]), row["sha256"]) for row in rows]
    except (ValueError, KeyError, TypeError, csv.Error):
        return [(path, -1, "")]  # not even a list: it answers for nothing
    return None


def listed_faults(path: Path, look: Callable[[Path], str]) -> list[str]:
    """What is wrong with the files that an output answers for; `look` gives a file's SHA-256."""
    faults = []
    for file, size, digest in listed_files(path) or []:
        if size == 0:  # could not be read when it was listed, which is said where it is missed
            if file.is_file() and file.stat().st_size:
                faults.append(f"{file} is not the file that {path} lists")
        elif not file.is_file():
            faults.append(f"{file} is missing")
        elif file.stat().st_size != size or look(file) != digest:
            faults.append(f"{file} is not the file that {path} lists")
    return faults


def believing(index: Path, files: dict[str, list[Any]]) -> Callable[[Path], str]:
    """`checksum`, but a file last changed before its index was written is believed to be as the index says.

    The step that wrote the index has just read every file; official videos are gigabytes.
    """
    written = index.stat().st_mtime_ns
    listed = {file.as_posix(): digest for file, _, digest in listed_files(index) or []}

    def look(path: Path) -> str:
        seen = signature(path)
        if path.as_posix() not in files and seen[2] < written and seen[1] < written:
            remember(path, seen, listed[path.as_posix()], files)
            return listed[path.as_posix()]
        return checksum(path, files)

    return look


def metadata_path(output: str) -> Path:
    """Where the engine keeps an output's metadata: base64 of its path, cut into folders that begin with @."""
    name = urlsafe_b64encode(output.encode()).decode()
    pieces = [name[start : start + NAME_LENGTH] for start in range(0, len(name), NAME_LENGTH)]
    return METADATA.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])


def output_of(path: Path) -> str | None:
    """The output that a metadata file is about."""
    name = "".join(part.removeprefix("@") for part in path.relative_to(METADATA).parts)
    try:
        return urlsafe_b64decode(name).decode()
    except ValueError:
        return None


def engine_metadata(rooms: Iterable[str]) -> dict[str, str]:
    """The engine's metadata of the outputs of some rooms: path and text."""
    wanted, found = {*rooms}, {}
    for path in METADATA.rglob("*") if METADATA.exists() else ():
        output = output_of(path) if path.is_file() else None
        if output is not None and room_of(output) in wanted:
            found[output] = path.read_text(encoding="utf-8")
    return found


def absorb(state: State, engine: Mapping[str, str]) -> None:
    """Take over what the engine has recorded since the last look: jobs of this directory that are done.

    An output that changed after its metadata was written is not the one the job made, and gets no record. One whose job
    is under way (or was killed) is left to the engine.
    """
    for output, text in engine.items():
        if sha256_text(text) == state.written.get(output):
            continue
        state.own.pop(output, None)
        path, metadata = Path(output), metadata_path(output)
        under_way = (ENGINE / "incomplete").joinpath(*metadata.relative_to(METADATA).parts).exists()
        try:
            values = json.loads(text)
        except json.JSONDecodeError:
            continue
        if path.is_file() and not under_way and path.stat().st_ctime_ns <= metadata.stat().st_mtime_ns:
            record = {key: values.get(key) for key in KEYS}
            state.own[output] = {"sha256": checksum(path, state.files), **record}
            state.written[output] = sha256_text(text)


def existing_outputs(rooms: Iterable[str], is_output: IsOutput) -> set[str]:
    """Files in the rooms that some rule makes. The videos themselves are not: their index answers for them."""
    found = set()
    for top in (Path(parent, room) for parent in ("data", "runs", "results") for room in rooms):
        for folder, folders, names in os.walk(top, followlinks=True):
            if Path(folder) == top / "videos":
                folders.clear()
            found |= {Path(folder, name).as_posix() for name in names if not name.startswith(".")}
    return {path for path in found if is_output(path)}


@dataclass(frozen=True)
class Finding:
    """What the records say about one output."""

    record: Record | None
    """The record that describes it, or that is kept for a missing one."""
    refusal: str = ""
    """Why it has to be made again; empty where it need not."""
    broken: bool = False
    """Whether the output itself is wrong, so that making it again may give the recorded bytes."""


def changed_inputs(record: Record, digests: Mapping[str, str]) -> list[str]:
    """Inputs that are no longer those of a record. An input that is neither there nor recorded is the engine's business."""
    known = record["input_checksums"] or {}
    return [path for path, digest in sorted(known.items()) if digests.get(path, digest) != digest]


def judge(output: str, candidates: Sequence[Record], digests: Mapping[str, str]) -> Finding:
    """Choose the record that describes an output's present bytes and inputs, or say why none does."""
    here = Path(output).is_file()
    fitting = [record for record in candidates if not here or f"sha256:{record['sha256']}" == digests[output]]
    if not fitting and not here:
        return Finding(None)
    if not fitting:
        return Finding(None, f"{output} is not the file that any recorded run made", broken=True)
    changes = {index: changed_inputs(record, digests) for index, record in enumerate(fitting)}
    best = min(changes, key=lambda index: bool(changes[index]))
    return Finding(fitting[best], f"changed since: {', '.join(changes[best])}" if changes[best] else "")


def findings(state: State, rooms: Sequence[str], is_output: IsOutput) -> dict[str, Finding]:
    """Judge every output of the rooms, by content alone."""
    locks = {room: read_lock(room) for room in rooms}
    engine = engine_metadata([*rooms, "raw"])
    absorb(state, {path: text for path, text in engine.items() if room_of(path) != "raw"})
    candidates: dict[str, list[Record]] = {path: [] for path in existing_outputs(rooms, is_output)}
    for room in rooms:
        own = {path: record for path, record in state.own.items() if room_of(path) == room}
        committed_first = state.locks.get(room) != sha256_text(lock_text(locks[room]))
        for records in (locks[room], own) if committed_first else (own, locks[room]):
            for path, record in records.items():
                if is_output(path):
                    candidates.setdefault(path, []).append(record)
    digests = digests_of(candidates, state.files)
    found = {path: judge(path, candidates[path], digests) for path in sorted(candidates)}
    sources = {path.as_posix(): Finding(None) for path in Path("data/raw").glob("*/SOURCE.json")}
    return {path: with_listed(path, finding, state) for path, finding in (found | sources).items()}


def digests_of(candidates: Mapping[str, Sequence[Record]], files: dict[str, list[Any]]) -> dict[str, str]:
    """Checksum of every output and input in the engine's spelling; a missing one counts as the file of its record."""
    inputs = {path for records in candidates.values() for record in records for path in record["input_checksums"] or {}}
    digests = {path: f"sha256:{records[0]['sha256']}" for path, records in candidates.items() if records}
    for path in sorted({*candidates, *inputs}):
        if Path(path).is_file():
            digests[path] = f"sha256:{checksum(Path(path), files)}"
    return digests


def with_listed(output: str, finding: Finding, state: State) -> Finding:
    """A finding, refused also where the files that the output answers for are not as it says."""
    path = Path(output)
    if finding.refusal or not path.is_file() or listed_files(path) is None:
        return finding
    faults = listed_faults(path, believing(path, state.files))
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return Finding(finding.record, f"{faults[0]}{more}", broken=True) if faults else finding


def restored(finding: Finding, output: str) -> str:
    """The metadata file that makes the engine see a finding: the record, or one that no rule's parameters equal."""
    record: Record = dict.fromkeys(KEYS)
    if finding.refusal:
        record |= {"params": [finding.refusal], "record_format_version": RECORD_FORMAT}
    elif finding.record is not None:
        record |= {key: finding.record[key] for key in KEYS}
    time_made = Path(output).stat().st_mtime if Path(output).is_file() else 0.0
    return json.dumps({**record, "starttime": time_made, "endtime": time_made, "incomplete": False})


def hand_over(found: Mapping[str, Finding], state: State, engine: Mapping[str, str]) -> None:
    """Write the engine's metadata where it does not say what was found; take back refusals that no longer hold."""
    (ENGINE / "incomplete").mkdir(
        parents=True, exist_ok=True
    )  # without it the engine takes the metadata for an old version's
    for output, finding in found.items():
        path = metadata_path(output)
        if finding.record is None and not finding.refusal:
            if output in engine and sha256_text(engine[output]) == state.written.get(output):
                path.unlink(missing_ok=True)
                state.written.pop(output)
        elif not says(engine.get(output), finding):
            text = restored(finding, output)
            write_text(path, text)
            state.written[output] = sha256_text(text)


def says(text: str | None, finding: Finding) -> bool:
    """Whether the engine's metadata already says what was found."""
    values = json.loads(text) if text else {}
    if finding.refusal:
        return bool(values.get("params") == [finding.refusal])
    return finding.record is not None and all(values.get(key) == finding.record[key] for key in KEYS)


def reconcile(rooms: Sequence[str], is_output: IsOutput) -> dict[str, Finding]:
    """Make the engine's metadata agree with the files and their records; call before it builds its plan.

    Args:
        rooms: the scale, and `open` where it takes part.
        is_output: whether some rule of the workflow makes a path.

    Returns:
        What was found, by output: those there, and those recorded.

    Raises:
        RescoreError: a lock is damaged.
    """
    state = read_state()
    found = findings(state, rooms, is_output)
    hand_over(found, state, engine_metadata([*rooms, "raw"]))
    state.own |= {path: finding.record for path, finding in found.items() if finding.record is not None}
    state.locks |= {room: sha256_text(lock_text(read_lock(room))) for room in rooms}
    write_state(state)
    return found


def seal(rooms: Sequence[str], is_output: IsOutput) -> None:
    """Record what the finished run made, and write the locks of its rooms. Equal results give equal bytes.

    What no rule makes any more leaves the lock; an output that is not there, or is not the recorded one, stays in it.
    """
    state = read_state()
    found = findings(state, rooms, is_output)
    for room in rooms:
        committed = read_lock(room)
        chosen = {path: finding.record or committed.get(path) for path, finding in found.items()}
        records = {path: record for path, record in chosen.items() if record is not None and room_of(path) == room}
        if records and lock_text(records) != lock_text(committed):
            write_text(lock_path(room), lock_text(records))
        state.locks[room] = sha256_text(lock_text(read_lock(room)))
    present = {path: seen for path, seen in state.files.items() if Path(path).exists()}
    write_state(State(present, state.own, state.written, state.locks))


def keep(rooms: Sequence[str], is_output: IsOutput) -> None:
    """Record what a run made that did not come to its end; the locks stay as they are."""
    state = read_state()
    findings(state, rooms, is_output)
    write_state(state)


def missing(found: Mapping[str, Finding]) -> list[str]:
    """Versioned outputs that are recorded and not there: deleted, or not pulled."""
    return [path for path, finding in found.items() if is_versioned(path) and not Path(path).exists()]


def broken(found: Mapping[str, Finding]) -> list[str]:
    """Recorded outputs that are not there, and outputs that are not what was recorded: to be made again as they were."""
    return [path for path, finding in found.items() if finding.broken or not Path(path).exists()]


def complete(room: str, folder: str) -> bool:
    """Whether a folder has every file that the room's lock records in it, and it records any."""
    paths = [path for path in read_lock(room) if path.startswith(f"{folder}/")]
    return bool(paths) and all(Path(path).is_file() for path in paths)
