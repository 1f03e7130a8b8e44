"""Everything that is wrong with the data that is there, at once: manifests, official lists, videos, fetched sources."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.errors import RescoreError
from rescore.manifests import aqa7, contract, summary, ucf101
from rescore.manifests.videos import VIDEO_SUFFIXES, probe_all
from rescore.sources.catalogue import SOURCES, Source
from rescore.sources.fetch import fault
from rescore.storage import read_table

ERROR, WARNING, NOTE = "error", "warning", "note"
TABLE_1 = Path("reported/aqa7/table1.csv")


@dataclass(frozen=True)
class Finding:
    dataset: str
    subject: str
    """The file, directory or table cell."""
    statement: str
    severity: str
    """`error`: a step will stop on it; `warning`: it differs from what the papers say; `note`: could not be checked."""


def check(*paths: Path, reported: Path = TABLE_1) -> list[Finding]:
    """Check what is at the paths: manifests (.parquet), videos, directories of lists or videos or of such directories.

    Args:
        reported: the paper's Table 1, held against AQA-7's lists and manifests where the file exists.

    Returns:
        The findings, path by path; empty where all is well. Nothing is raised for bad data.
    """
    return [finding for path in paths for finding in check_path(Path(path), reported)]


def check_all(scale: str, settings: Mapping[str, Any], data: Path, mirror: Path | None) -> list[Finding]:
    """Check what the workflow at this scale would read and has made: fetched sources (or the mirror), official videos where
    the parameters choose them, manifests.

    Args:
        settings: the scale's parameters; `sources` names the directories of official videos.
        data: the folder of raw/ and <scale>/.
    """
    sources = settings["sources"]
    paths = [folder for source in SOURCES if (folder := found_folder(source, data / "raw", mirror)) is not None]
    for choice, directory in (("aqa7_videos", "aqa7_directory"), ("pretraining_videos", "ucf101_directory")):
        if sources.get(choice) == "official" and scale != "open":
            paths.append(Path(sources[directory]))
    paths += sorted((data / scale / "manifests").glob("*.parquet"))
    return check(*paths)


def found_folder(source: Source, root: Path, mirror: Path | None) -> Path | None:
    """Where a source's files lie, whole or not: fetched before mirrored."""
    folders = [root / source.name] + ([mirror / source.mirror] if mirror and source.mirror else [])
    return next((folder for folder in folders if any((folder / file.name).exists() for file in source.files)), None)


def describe(findings: Sequence[Finding]) -> str:
    """The findings as text, errors first."""
    order = (ERROR, WARNING, NOTE)
    lines = [
        f"{finding.severity}: {finding.dataset or 'data'}: {finding.subject}: {finding.statement}"
        for finding in sorted(findings, key=lambda finding: order.index(finding.severity))
    ]
    counts = ", ".join(f"{sum(finding.severity == kind for finding in findings)} {kind}s" for kind in order)
    return "\n".join([*lines, counts if findings else "no problems found"])


def check_path(path: Path, reported: Path) -> list[Finding]:
    if not path.exists():
        return [Finding("", str(path), "does not exist", ERROR)]
    if path.suffix == ".parquet":
        return check_manifest(path, reported)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return check_videos([path], "")
    if path.is_dir():
        return check_directory(path, reported)
    return [Finding("", str(path), "is neither a manifest (.parquet), nor a video, nor a directory", WARNING)]


def check_directory(directory: Path, reported: Path) -> list[Finding]:
    """A directory is known by what it holds; one that holds nothing known is searched one directory deeper, and so on."""
    checks: list[Callable[[], list[Finding]]] = []
    source = known_source(directory)
    if source is not None:
        checks.append(lambda: check_source(directory, source))
    if list(directory.glob("consolidated_*_list.mat")):
        checks.append(lambda: check_aqa7_lists(directory, reported))
    if (directory / "classInd.txt").exists() or list(directory.glob("*list01.txt")):
        checks.append(lambda: check_ucf101_lists(directory))
    videos = sorted(path for path in directory.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    findings = [finding for function in checks for finding in function()] + check_videos(videos, directory.name)
    for child in sorted(directory.iterdir()):
        manifest = child.suffix == ".parquet" and child.parent.name == "manifests"
        if (child.is_dir() and not child.name.startswith(".")) or manifest:
            findings += check_path(child, reported)
    return findings


def known_source(directory: Path) -> Source | None:
    """The catalogue's source that lies in this directory, fetched or in a mirror: by name and a first file that is there."""
    for source in SOURCES:
        named = directory.name in (source.name, source.mirror)
        if source.files and named and any((directory / file.name).exists() for file in source.files):
            return source
    return None


def check_source(directory: Path, source: Source) -> list[Finding]:
    faults = [(file.name, fault(directory / file.name, file)) for file in source.files]
    return [
        Finding(source.name, str(directory / name), f"{wrong}; run `rescore fetch {source.name}`", ERROR)
        for name, wrong in faults
        if wrong is not None
    ]


def check_aqa7_lists(directory: Path, reported: Path) -> list[Finding]:
    lists, problems = aqa7.find_list_problems(directory)
    findings = [Finding("aqa7", str(directory), problem, ERROR) for problem in problems]
    if not problems:
        findings += [Finding("aqa7", str(directory), text, WARNING) for text in aqa7.count_differences(lists)]
        findings += check_table_1(lists, "aqa7", reported)
    return findings


def check_ucf101_lists(directory: Path) -> list[Finding]:
    _, problems = ucf101.find_list_problems(directory)
    return [Finding("ucf101", str(directory), problem, ERROR) for problem in problems]


def check_table_1(samples: pd.DataFrame, dataset: str, reported: Path) -> list[Finding]:
    """Cells of Table 1 that differ are warnings; cells that cannot be measured are notes."""
    if not reported.exists():
        return []
    differing = summary.compare(summary.summarise(samples), pd.read_csv(reported, dtype=str))
    return [
        Finding(
            dataset,
            f"Table 1, {line['row']}, {line['column']}",
            f"the paper prints {line['reported']}; "
            + (line["reason"] if pd.isna(line["measured"]) else f"the data give {line['measured']}"),
            NOTE if pd.isna(line["measured"]) else WARNING,
        )
        for line in differing.to_dict("records")
    ]


def check_manifest(path: Path, reported: Path) -> list[Finding]:
    """The contract, the videos it names, and Table 1 where the data set is AQA-7."""
    try:
        manifest = read_table(path)
    except RescoreError as error:
        return [Finding(path.stem, str(path), str(error), ERROR)]
    columns = contract.column_problems(manifest)
    if columns:
        return [Finding(path.stem, str(path), problem, ERROR) for problem in columns]
    scored = bool(manifest["score"].notna().any())
    findings = [Finding(path.stem, str(path), text, ERROR) for text in contract.find_problems(manifest, scored)]
    findings += check_frames(manifest, path.stem)
    if scored and set(manifest["dataset"]) == {"aqa7"}:
        findings += check_table_1(manifest, path.stem, reported)
    return findings


def check_frames(manifest: pd.DataFrame, dataset: str) -> list[Finding]:
    """Every video of a manifest: there, whole, and as long as its samples say."""
    last = manifest.groupby("video", sort=True)["end_frame"].max()
    findings = []
    for video, end, container in zip(last.index, last, probe_all([Path(str(v)) for v in last.index]), strict=True):
        if isinstance(container, str):
            findings.append(Finding(dataset, str(video), container, ERROR))
        elif not pd.isna(end) and end >= container.frames:
            text = f"{container.frames} frames where the manifest's sample ends at frame {int(end)}"
            findings.append(Finding(dataset, str(video), text, ERROR))
    return findings


def check_videos(videos: Sequence[Path], dataset: str) -> list[Finding]:
    """Each file as a container; whether its frames decode is seen when clips are made."""
    outcomes = probe_all(videos)
    return [
        Finding(dataset, str(video), outcome, ERROR)
        for video, outcome in zip(videos, outcomes, strict=True)
        if isinstance(outcome, str)
    ]
