"""`rescore crate`: a scale's results as a Workflow Run RO-Crate, with cards of its checkpoints and data sets (Croissant).

The profile is Workflow Run Crate 0.5 (w3id.org/ro/wfrun/workflow/0.5). Only recorded files go in, each with its SHA-256. No times
are said: records have none, so that equal results give equal bytes; `datePublished` is the release's.
"""

import datetime
import json
import mimetypes
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from rescore import __version__
from rescore.engine import lock, parameters, verify
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import canonical_json, read_table, sha256_file, write_text
from rescore.reporting.model_cards import card
from rescore.sources.catalogue import SOURCES, Source

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
LICENCE = "https://spdx.org/licenses/MIT"
MISSING = "{} is not installed, which `rescore crate` needs. Remedy: pip install -r requirements/publish.lock"
TYPES = {"i": "INTEGER", "f": "FLOAT", "b": "BOOL"}
"""Croissant's data types by NumPy's kind; all else is text."""
SYNTHETIC = "Made up by the synthetic athlete from a seed: real encoded videos of performances that nobody gave."
OFFICIAL = "Labels that the data set's authors published; their videos are not part of this."


def write_crate(scale: str, output: Path) -> int:
    """Write the crate of a scale as a folder.

    Returns:
        How many files of the run it holds.

    Raises:
        RescoreError: a library is missing, the scale was not run, recorded files are not as recorded, the folder is there.
    """
    rocrate, croissant = libraries()
    _, settings = parameters.load(scale=scale)
    if output.exists():
        raise RescoreError(f"{output}: is there already. Name a new folder, or remove it.")
    records = recorded(scale)
    synthetic = scale not in ("paper", "open")
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".crate-") as beside:
        made, folder = Path(beside) / "made", Path(beside) / "crate"
        for path, record in records.items():
            if path.endswith(".safetensors") and path.startswith("runs/"):
                write_text(made / card_path(path), card(Path(path), record, synthetic))
        for path in (path for path in records if is_manifest(path)):
            text = json.dumps(
                dataset_of(croissant, Path(path), synthetic), indent=2, sort_keys=True, ensure_ascii=False
            )
            write_text(made / f"croissant/{Path(path).stem}.json", text + "\n")
        crate = described(rocrate, scale, settings, [path for path in records if is_carried(path)], made)
        crate.write(folder)
        sort_metadata(folder / "ro-crate-metadata.json")
        shutil.move(folder, output)
    return sum(is_carried(path) for path in records)


def libraries() -> tuple[Any, Any]:
    """The libraries of extra `publish`.

    Raises:
        RescoreError: one is missing.
    """
    try:
        import mlcroissant
        import rocrate.rocrate
    except ImportError as error:
        raise RescoreError(MISSING.format(error.name)) from error
    return rocrate.rocrate, mlcroissant


def recorded(scale: str) -> dict[str, lock.Record]:
    """The records of a scale, whose files are there and are the recorded ones.

    Raises:
        RescoreError: the scale was not run here, or files are others, all together.
    """
    records = {path: record for path, record in lock.read_lock(scale).items() if lock.is_versioned(path)}
    if not records:
        raise RescoreError(
            f"scale {scale}: nothing is recorded of it. Remedy: snakemake --cores all --config scale={scale}"
        )
    remedy = "rescore import, dvc pull, or snakemake --cores all"
    raise_together(f"scale {scale}: not as recorded", verify.file_faults(records), remedy)
    return records


def is_carried(path: str) -> bool:
    """Whether a file goes into the crate: results, predictions, scores; weights and features are the archive's."""
    return (
        path.startswith("results/") or path.endswith("predictions.parquet") or "/scores/" in path or is_manifest(path)
    )


def is_manifest(path: str) -> bool:
    parts = Path(path).parts
    return parts[0] == "data" and parts[2] == "manifests" and path.endswith(".parquet")


def card_path(path: str) -> str:
    """Where the card of a checkpoint lies in the crate."""
    return f"model_cards/{Path(*Path(path).parts[2:]).with_suffix('.md').as_posix()}"


def described(rocrate: Any, scale: str, settings: Mapping[str, Any], carried: Iterable[str], made: Path) -> Any:
    """The crate as an object of rocrate: the workflow, one run of it, what it read and gave."""
    crate = rocrate.ROCrate(version="1.1")
    citation = read_citation()
    crate.metadata.extra_contexts.append("https://w3id.org/ro/terms/workflow-run/context")
    root = crate.root_dataset
    root["name"] = f"{citation['title']}, scale {scale}"
    root["description"] = (
        f"Results of rescore {__version__} at scale {scale}: tables, figures, predictions and their scores."
    )
    root["license"] = crate.add_jsonld({"@id": LICENCE, "@type": "CreativeWork", "name": "MIT License"})
    root["datePublished"] = str(citation["date-released"])
    for profile, name in PROFILES.items():
        version = profile.rpartition("/")[2]
        entity = crate.add_jsonld({"@id": profile, "@type": "CreativeWork", "name": name, "version": version})
        root.append_to("conformsTo", entity)
    workflow = crate.add_workflow(
        "Snakefile", "Snakefile", main=True, lang="snakemake", properties={"name": "rescore", "version": __version__}
    )
    workflow["license"] = root["license"]
    given = crate.add_file("params.yaml", "params.yaml", properties=file_properties(Path("params.yaml")))
    wanted = {"additionalType": "File", "identifier": "#parameters", "name": "parameters"}
    slot = crate.add_formal_parameter(**wanted, valueRequired=True, description="params.yaml: settings by scale")
    workflow["input"], given["exampleOfWork"] = [slot], slot
    resolved = {"@id": f"#scale-{scale}", "@type": "PropertyValue", "name": "scale", "value": scale}
    chosen = crate.add_jsonld({**resolved, "description": canonical_json(settings)})
    results = [crate.add_file(path, path, properties=file_properties(Path(path))) for path in carried]
    for path in sorted(path for path in made.rglob("*") if path.is_file()):
        name = path.relative_to(made).as_posix()
        crate.add_file(path, name, properties=file_properties(path))
    run = crate.add_action(
        workflow,
        "#run",
        object=[given, chosen],
        result=results,
        properties={
            "name": f"snakemake --cores all --config scale={scale}",
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    root.append_to("mentions", run)
    return crate


def read_citation() -> dict[str, Any]:
    """CITATION.cff."""
    found: dict[str, Any] = yaml.safe_load(Path("CITATION.cff").read_text(encoding="utf-8"))
    return found


def source_of(table: str) -> Source | None:
    """Where the labels of a manifest come from: the catalogue's source of the data set that its name begins with."""
    name = table.replace("_", "-")
    known = (one for one in SOURCES if name.startswith(one.name.rpartition("-")[0] or one.name))
    return next(known, None)


def file_properties(path: Path) -> dict[str, Any]:
    """Name, size, SHA-256 and media type of a file."""
    known = {
        ".parquet": "application/vnd.apache.parquet",
        ".md": "text/markdown",
        ".tex": "text/x-tex",
        ".yaml": "text/yaml",
    }
    kind = known.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {
        "name": path.name,
        "contentSize": str(path.stat().st_size),
        "sha256": sha256_file(path),
        "encodingFormat": kind,
    }


def sort_metadata(path: Path) -> None:
    """The same entities in one order, whichever order the library has."""
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["@graph"] = sorted(metadata["@graph"], key=lambda entity: str(entity["@id"]))
    write_text(path, json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def dataset_of(croissant: Any, path: Path, synthetic: bool) -> dict[str, Any]:
    """Croissant metadata of a data set, from its manifest: the file with its hash, and a field a column.

    Raises:
        RescoreError: the manifest cannot be read.
    """
    table = read_table(path)
    context = croissant.Context(conforms_to="http://mlcommons.org/croissant/1.0")
    about = {"ctx": context, "id": "manifest", "name": path.name}
    file = croissant.FileObject(
        **about,
        content_url=path.as_posix(),
        encoding_formats=["application/x-parquet"],
        sha256=sha256_file(path),
    )
    fields = [field_of(croissant, context, str(name), table[name]) for name in table.columns]
    samples = croissant.RecordSet(ctx=context, id="samples", name="samples", fields=fields)
    citation, origin = read_citation(), None if synthetic else source_of(path.stem)
    metadata = croissant.Metadata(
        ctx=context,
        name=path.stem,
        description=f"{SYNTHETIC if synthetic else OFFICIAL} {len(table)} rows.",
        license=[origin.licence if origin else LICENCE],
        cite_as=origin.citation if origin else citation["title"],
        date_published=datetime.datetime.combine(citation["date-released"], datetime.time()),
        version=__version__,
        distribution=[file],
        record_sets=[samples],
    )
    found: dict[str, Any] = json.loads(json.dumps(metadata.to_json(), default=str))
    return found


def field_of(croissant: Any, context: Any, name: str, values: pd.Series) -> Any:
    """A column as Croissant's field."""
    kind = getattr(values.dtype, "kind", "O")
    source = croissant.Source(ctx=context, file_object="manifest", extract=croissant.Extract(ctx=context, column=name))
    return croissant.Field(
        ctx=context,
        id=f"samples/{name}",
        name=name,
        data_types=[getattr(croissant.DataType, TYPES.get(kind, "TEXT"))],
        source=source,
    )


def describe(output: Path, files: int) -> str:
    """What was written, and how to check it."""
    cards = len(list((output / "model_cards").rglob("*.md")))
    sets = len(list((output / "croissant").glob("*.json")))
    return (
        f"{output}: a Workflow Run RO-Crate of {files} files, {cards} model cards, Croissant metadata of {sets} tables\n"
        f"Check: rocrate-validator validate --profile-identifier workflow-run-crate {output}"
    )
