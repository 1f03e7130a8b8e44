"""Where a number comes from: from a results table back to scores, predictions, checkpoints, features, clips and sources.

The chain is data, a list of links. Which file follows which is the contract of docs/design.md; hashes, parameters and members
are read from the files themselves; rule, log, code version, device and run time come from what the steps recorded, and are
"not recorded" where no step did. Nothing here computes a result.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.engine.storage import HEADER_KEY, read_table, remedy_of_damaged, sha256_file
from rescore.scoring.papers import FOLDER, Paper, Table, read_papers
from rescore.systems import registry

LOCKS = Path("workflow/provenance")
HASHED = 64 * 2**20
"""Bytes: a larger file is not hashed to show it; the lock or a checkpoint's header has its hash."""
PREDICTIONS = "predictions.parquet"
ACTION_NET, LINEAR_PROBES, BACKBONE = "action_net", "linear_probes", "backbone"
"""Experiments whose files have further ones behind them."""
BESIDE = {"classes": "classes.parquet", "captions": "captions.parquet"}
"""Files beside predicted scores, by what they hold."""
CHECKPOINTS = ("members.safetensors", "weights.safetensors")
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Place:
    """What the path `<root>/results/<scale>/tables/<paper>_<table>.csv` says."""

    root: Path
    scale: str
    paper: str
    table: str
    segments: Mapping[str, str] = field(default_factory=dict)
    """Names of features, by data set, where they are not the data set's."""
    declared: Table | None = None
    """What the paper declares of the table."""

    @property
    def stem(self) -> str:
        return f"{self.paper}_{self.table}"

    @property
    def runs(self) -> Path:
        return self.root / "runs" / self.scale

    @property
    def data(self) -> Path:
        return self.root / "data" / self.scale

    @property
    def records(self) -> Path:
        """Where steps leave their records."""
        return self.runs / "records"

    @property
    def lock(self) -> Path:
        """The committed provenance lock of the scale."""
        return self.root / LOCKS / f"{self.scale}.lock.jsonl"


@dataclass(frozen=True)
class Provenance:
    """What steps recorded: records by rule's file, the record that names an output, and the lock's entry for an output."""

    records: tuple[dict[str, Any], ...] = ()
    lock: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def record_of(self, path: str) -> dict[str, Any]:
        """The record of the step that wrote a file; empty where none says so."""
        return next((record for record in self.records if path in paths_in(record.get("outputs"))), {})


@dataclass(frozen=True)
class Link:
    """One file of a chain."""

    what: str
    path: str
    """Relative to the root."""
    facts: dict[str, Any]
    """What the file says about itself."""
    sha256: str
    bytes: int | None
    rule: str
    log: str
    record: dict[str, Any]
    """What the step that wrote it recorded; empty where it recorded nothing."""


def split_stem(stem: str, papers: Iterable[str]) -> tuple[str, str]:
    """`mtl_aqa`, `table3` of `mtl_aqa_table3`; what is no known paper ends at the first underscore."""
    known = [paper for paper in sorted(papers, key=len, reverse=True) if stem.startswith(f"{paper}_")]
    paper = known[0] if known else stem.partition("_")[0]
    return paper, stem[len(paper) + 1 :]


def place_of(table: Path, papers: Mapping[str, Paper] | None = None) -> Place:
    """Where a results table stands.

    Args:
        table: results/<scale>/tables/<paper>_<table>.csv.
        papers: what is declared; None: the folder `papers` beside `results`.

    Raises:
        RescoreError: it does not stand in a results tree, or a declaration is not what it should be.
    """
    parts = table.absolute().parts
    if len(parts) < 5 or parts[-2] != "tables" or parts[-4] != "results":
        raise RescoreError(f"{table}: not a table of results; these are results/<scale>/tables/<paper>_<table>.csv")
    root = table.absolute().parents[3]
    papers = read_papers(root / FOLDER) if papers is None else papers
    paper, name = split_stem(table.stem, papers)
    known = papers.get(paper)
    declared = known.tables.get(name) if known else None
    return Place(root, parts[-3], paper, name, known.segments if known else {}, declared)


def paths_in(value: Any) -> list[str]:
    """Paths of a record's or entry's field, whether it is a list, or a mapping whose keys or values are paths."""
    if isinstance(value, Mapping):
        return [*value, *(path for inner in value.values() for path in paths_in(inner))]
    if isinstance(value, list):
        return [path for inner in value for path in paths_in(inner)]
    return [value] if isinstance(value, str) else []


def read_recorded(path: Path) -> str:
    """The text of a record or a lock.

    Raises:
        RescoreError: it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror}). Name what a run has recorded.") from error
    except UnicodeDecodeError as error:
        raise RescoreError(f"{path}: not a record ({error.reason}). {remedy_of_damaged(path)}") from error


def read_json_object(path: Path, text: str) -> dict[str, Any]:
    """One recorded JSON object.

    Raises:
        RescoreError: the text is no JSON object.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise RescoreError(f"{path}: not a record, no JSON ({error}). {remedy_of_damaged(path)}") from error
    if not isinstance(value, dict):
        raise RescoreError(f"{path}: not a record, no JSON object. {remedy_of_damaged(path)}")
    return value


def read_provenance(records: Path | None, lock: Path | None) -> Provenance:
    """What is there of step records and of the lock; nothing where neither exists.

    Args:
        records: runs/<scale>/records, a JSON object a step (rescore.engine.step_record); `logs/<scale>/NAME.log` has its record
            in NAME.json.
        lock: workflow/provenance/<scale>.lock.jsonl, a JSON object an output (rescore.engine.lock).
    """
    found = []
    if records and records.is_dir():
        for file in sorted(records.rglob("*.json")):
            log = Path("logs", records.parent.name, file.relative_to(records)).with_suffix(".log")
            found.append({"log": log.as_posix(), **read_json_object(file, read_recorded(file))})
    lines = read_recorded(lock).splitlines() if lock and lock.exists() else []
    entries = [read_json_object(lock, line) for line in lines if line.strip()] if lock else []
    return Provenance(tuple(found), {str(entry.get("path", "")): entry for entry in entries})


def behind(provenance: Provenance, paths: Iterable[str]) -> Provenance:
    """The records of the steps that files rest on, and no others.

    What was recorded of a page itself, or after it, would make a page that is built again differ from the first.

    Args:
        provenance: what steps recorded.
        paths: files as records name them.
    """
    wanted, left, found = set(paths), list(provenance.records), list[dict[str, Any]]()
    while new := [record for record in left if wanted & set(paths_in(record.get("outputs")))]:
        wanted |= {path for record in new for path in record.get("inputs") or ()}
        left, found = [record for record in left if record not in new], [*found, *new]
    return Provenance(tuple(record for record in provenance.records if record in found), provenance.lock)


def recorded(record: Mapping[str, Any]) -> dict[str, str]:
    """What a step recorded, as text by name; what it did not is left out."""
    code: dict[str, Any] = record.get("code") or {}
    hardware: dict[str, Any] = record.get("hardware") or {}
    changed = {True: ", with changes", False: ", clean", None: ""}[code.get("dirty")]
    machine = [hardware.get("processor"), hardware.get("cores") and f"{hardware['cores']} cores"]
    machine += [hardware.get("memory_gib") and f"{hardware['memory_gib']} GiB of memory", hardware.get("system")]
    device, seconds = hardware.get("device"), record.get("seconds")
    values = {
        "step": record.get("function"),
        "code hash": code.get("hash"),
        "code version": code.get("commit") and f"{code['commit']}{changed}",
        "settings": record.get("settings_sha256"),
        "seeds": ", ".join(f"{name} {value}" for name, value in (record.get("seeds") or {}).items()),
        "versions": ", ".join(f"{name} {value}" for name, value in (record.get("versions") or {}).items()),
        "hardware": ", ".join(filter(None, machine))
        + (f"; computed on {device}" if device not in (None, "cpu") else ""),
        "arithmetic": in_words(hardware.get("arithmetic") or {}),
        "run time": f"{seconds:.1f} s" if isinstance(seconds, int | float) else None,
    }
    return {name: str(value) for name, value in values.items() if value}


def in_words(arithmetic: Mapping[str, Any]) -> str:
    """What a step's libraries computed with (`rescore.engine.arithmetic.in_use`): "portable: torch AVX2, 1 thread"."""
    libraries = {"torch": "torch", "numpy": "NumPy", "openblas": "OpenBLAS"}
    said = [
        f"{title} {' '.join([value] if isinstance(value, str) else value)}"
        for name, title in libraries.items()
        if (value := arithmetic.get(name))
    ]
    if threads := arithmetic.get("threads"):
        said.append(f"{threads} thread{'' if threads == 1 else 's'}")
    return f"{arithmetic['mode']}: {', '.join(said)}" if said else ""


def fingerprint_in_words(provenance: Provenance) -> str:
    """What a run's fingerprint (`rescore.models.fingerprint`) says of its machine; empty where no run recorded one."""
    found = next((record for record in provenance.records if "operations" in record), None)
    if found is None:
        return ""
    tried, differs = f"{len(found['operations'])} operations tried", found.get("differs") or []
    if not differs:
        return f"{tried}, each with the bytes of the machine that made the reference"
    return f"{tried}, {len(differs)} with other bytes than on the machine that made the reference: {', '.join(differs)}"


def header_of(checkpoint: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file, without its arrays.

    Raises:
        RescoreError: the file is no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checkpoint, framework="numpy") as stream:
            return json.loads((stream.metadata() or {}).get(HEADER_KEY, "{}"))
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise RescoreError(f"{checkpoint}: not a readable checkpoint ({error}). Delete it and run again.") from error


def scores_path(place: Place) -> Path | None:
    """The scores (for characteristics the summary) that a table was made from."""
    names = (f"scores/{place.stem}.csv", f"summary/{place.stem}.csv")
    return next((path for name in names if (path := place.runs / name).is_file()), None)


def experiments_of(scores: Path | None) -> list[str]:
    """Names of the experiments that a table of scores rests on; none for a summary."""
    table = pd.DataFrame() if scores is None else read_table(scores)
    named = list(table["experiment"].dropna().astype(str)) if "experiment" in table.columns else []
    return list(dict.fromkeys(name for text in named for name in text.split(", ")))


def prediction_files(
    place: Place, experiment: str, members: Iterable[str] | None = None, name: str = PREDICTIONS
) -> list[Path]:
    """Files of predictions of an experiment, which has one or one a member; those that hold the given members alone.

    `name` is another file's that stands beside them (BESIDE).
    """
    found = sorted((place.runs / experiment).rglob(name))
    wanted = None if members is None else set(members)
    return [path for path in found if wanted is None or wanted & column_values(path, "member")]


def column_values(path: Path, column: str) -> set[str]:
    """Every value that a column of a Parquet file takes."""
    state = path.stat()
    return set(values_of_state(path, column, state.st_mtime_ns, state.st_size))


@cache
def values_of_state(path: Path, column: str, changed: int, size: int) -> frozenset[str]:
    """`column_values` of a file as it is now: every cell of every table asks which files hold its members."""
    return frozenset(pd.read_parquet(path, columns=[column])[column].unique())


def prediction_facts(path: Path) -> dict[str, Any]:
    """Size and contents of a file of predictions, classes or captions."""
    table = pd.read_parquet(path)
    return {
        "rows": len(table),
        "members": table["member"].nunique(),
        "seeds": sorted(map(int, table["seed"].unique())),
        "iterations": table["iteration"].nunique(),
        "samples": table["sample"].nunique(),
        "dataset": ", ".join(sorted(table["dataset"].unique())),
        "unit": ", ".join(sorted(table["unit"].unique())) if "unit" in table else "",
    }


def checkpoint_facts(path: Path) -> dict[str, Any]:
    """A checkpoint's header; its list of members as their names and seeds."""
    facts = header_of(path)
    members = facts.get("members")
    if isinstance(members, list) and all(isinstance(member, dict) for member in members):
        names = dict.fromkeys(str(member["member"]) for member in members)
        facts["members"] = {
            name: sorted(member["seed"] for member in members if member["member"] == name) for name in names
        }
    return facts


def source_facts(path: Path) -> dict[str, Any]:
    """Origin, commit and licence of a fetched source."""
    source = read_json_object(path, path.read_text(encoding="utf-8"))
    origin = source.get("origin", {})
    return {
        "origin": origin.get("repository", origin.get("url", "")),
        "commit": origin.get("commit", ""),
        "files": len(source.get("files", [])),
        "licence": source.get("licence", ""),
    }


def table_facts(path: Path) -> dict[str, Any]:
    return {"rows": len(read_table(path))}


def links(place: Place, provenance: Provenance, members: Iterable[str] | None = None) -> list[Link]:
    """The chain of a results table, nearest first; files that are not there are left out.

    Args:
        place: of the table.
        provenance: what steps recorded.
        members: members whose predictions are meant; None: all.
    """
    return [
        make_link(what, path, facts(path) if facts else {}, place.root, provenance)
        for what, path, facts in files(place, members)
        if path.is_file()
    ]


def files(place: Place, members: Iterable[str] | None) -> Iterator[tuple[str, Path, Any]]:
    """What, path, and the function that reads the facts, of every file behind a table."""
    yield "table", place.root / "results" / place.scale / "tables" / f"{place.stem}.csv", table_facts
    yield "reported numbers", place.root / FOLDER / place.paper / "tables" / f"{place.table}.csv", table_facts
    scores = scores_path(place)
    if scores is None:
        return
    yield "scores" if scores.parent.name == "scores" else "characteristics", scores, table_facts
    experiments, datasets = experiments_of(scores), set()
    wanted = None if members is None else list(members)
    kinds = {"predictions": PREDICTIONS} | (BESIDE if place.declared and place.declared.parts else {})
    read = {
        path: kind
        for experiment in experiments
        for kind, name in kinds.items()
        for path in prediction_files(place, experiment, wanted, name)
    }
    for folder in dict.fromkeys(path.parent for path in read):
        for path in (path for path in read if path.parent == folder):
            yield read[path], path, prediction_facts
            datasets |= column_values(path, "dataset")
        for name in CHECKPOINTS:
            yield "checkpoint", folder / name, checkpoint_facts
        for name in ("choice.json", "rule.json"):
            yield "choice", folder / name, None
        if folder.parts[-2] == ACTION_NET:
            yield "features of moments", place.data / "features" / f"{folder.name}_static.npy", None
        if folder.parts[-2] == LINEAR_PROBES:
            yield from probed_files(place, wanted or sorted(column_values(folder / PREDICTIONS, "member")))
    if place.scale == "open":
        yield from source_files(place, experiments)
    else:
        yield from data_files(place, datasets or manifest_datasets(place), trained=bool(datasets))


def probed_files(place: Place, members: list[str]) -> Iterator[tuple[str, Path, Any]]:
    """Activations that members of the linear probes were fitted on, and the networks that they are of, the backbones aside."""
    bodies = {member.partition("/")[0] for member in members}
    folder = place.data / "features" / LINEAR_PROBES
    for path in sorted(folder.rglob("*.safetensors")):
        name = path.relative_to(folder).with_suffix("")
        if bodies & {*name.parts}:
            yield "activations", path, checkpoint_facts
            if name.parts[0] != BACKBONE:
                yield "checkpoint", place.runs / "mtl_aqa" / name / "weights.safetensors", checkpoint_facts


def manifest_datasets(place: Place) -> set[str]:
    """Names of the data sets in the manifest that the characteristics of a paper's data were read off."""
    path = place.data / "manifests" / f"{place.paper}.parquet"
    return column_values(path, "dataset") if path.is_file() else set()


def data_files(place: Place, datasets: set[str], trained: bool) -> Iterator[tuple[str, Path, Any]]:
    """Backbones, features, clips, manifest, video index and sources of data sets."""
    for path in numbered(place.runs / "backbone", "*/weights.safetensors") if trained else ():
        yield "backbone", path, checkpoint_facts
    for dataset in sorted({name.removeprefix("synthetic_") for name in datasets}):
        if trained:
            name = place.segments.get(dataset, dataset)
            folder = place.data / "features"
            yield from (
                ("features", path, None) for path in [*numbered(folder / name, "*.npy"), folder / f"{name}.npy"]
            )
            tables = [*numbered(folder / name, "*.parquet"), folder / f"{name}.parquet"]
            yield from (("samples of the features", path, table_facts) for path in tables)
            yield "clips", place.data / "clips" / f"{dataset}.npy", None
        yield "manifest", place.data / "manifests" / f"{dataset}.parquet", table_facts
        yield "video index", place.data / "videos" / f"{dataset}.csv", table_facts
        if dataset in datasets:  # official samples come from lists that were fetched
            for path in sorted((place.root / "data" / "raw").glob(f"{dataset.replace('_', '-')}*/SOURCE.json")):
                yield "source", path, source_facts


def numbered(folder: Path, pattern: str) -> list[Path]:
    """Files or folders named by the number of a training, in the order of the numbers."""
    found = {int(path.relative_to(folder).parts[0].partition(".")[0]): path for path in folder.glob(pattern)}
    return [found[number] for number in sorted(found)]


def source_files(place: Place, experiments: list[str]) -> Iterator[tuple[str, Path, Any]]:
    """Fetched sources of experiments on real data; for tables without an experiment the lists of their paper."""
    raw = place.root / "data" / "raw"
    wanted = [source for known in registry.on_real_data() if known.name in experiments for source in known.sources]
    for source in dict.fromkeys(wanted):
        yield "source", raw / source / "SOURCE.json", source_facts
    if not experiments:
        for path in sorted(raw.glob(f"{place.paper.replace('_', '-')}*lists/SOURCE.json")):
            yield "source", path, source_facts


def make_link(what: str, path: Path, facts: dict[str, Any], root: Path, provenance: Provenance) -> Link:
    """A file with its hash and what was recorded of the step that wrote it."""
    name = path.relative_to(root).as_posix()
    entry, record, size = provenance.lock.get(name, {}), provenance.record_of(name), path.stat().st_size
    return Link(
        what=what,
        path=name,
        facts=facts,
        sha256=sha256_file(path) if size <= HASHED else str(entry.get("sha256", "")),
        bytes=size,
        rule=str(record.get("rule") or entry.get("rule") or ""),
        log=str(record.get("log", "")),
        record=record,
    )


def hash_problems(chain: list[Link], provenance: Provenance) -> list[str]:
    """Files that are not those that the lock, the step that read them, or a checkpoint trained on them names."""
    here = {link.path: link.sha256 for link in chain if link.sha256}
    trained_on = {
        "features_sha256": "features",
        "rows_sha256": "samples of the features",
        "backbone_sha256": "backbone",
        "static_sha256": "features of moments",
    }
    said = [
        (link.path, str(provenance.lock[link.path].get("sha256")), "the lock")
        for link in chain
        if link.path in provenance.lock
    ]
    for link in chain:
        said += [(path, str(digest), link.path) for path, digest in (link.record.get("inputs") or {}).items()]
        for key, what in trained_on.items():
            # A table on two data sets has files of features of both: a checkpoint was trained on some of them.
            there = {other.path: other.sha256 for other in chain if other.what == what}
            named = link.facts.get(key) or {}
            digests = list(named.values()) if isinstance(named, dict) else [str(named)]
            lost = [digest for digest in digests if digest not in there.values()]
            if all(there.values()):
                said += [(path, digest, link.path) for digest in lost for path in there]
    return [
        f"{path} is not the file that {who} was made from ({here[path][:12]}, recorded {digest[:12]})"
        if who != "the lock"
        else f"{path} is not the file that the lock names ({here[path][:12]}, recorded {digest[:12]})"
        for path, digest, who in dict.fromkeys(said)
        if path in here and here[path] != digest
    ]
