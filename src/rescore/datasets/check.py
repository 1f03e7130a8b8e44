"""Everything that is wrong with the data that is there, at once: manifests, official lists, videos, fetched sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from rescore.datasets.aqa7 import official as aqa7
from rescore.datasets.mtl_aqa import release as mtl_aqa
from rescore.datasets.mtl_aqa.official import dives_of_events, find_release_problems
from rescore.datasets.pretraining import official as ucf101
from rescore.engine.errors import RescoreError
from rescore.engine.storage import read_table
from rescore.manifests import contract, summary
from rescore.manifests.broadcasts import Timeline, find_broadcasts, list_broadcasts, rate_difference, scan
from rescore.manifests.videos import Container, is_video, list_videos, measure, probe_all, unusual_rates
from rescore.sources.catalogue import BY_NAME, SOURCES, Source
from rescore.sources.fetch import fault, folders

ERROR, WARNING, NOTE = "error", "warning", "note"
TABLE_1 = Path("papers/aqa7/tables/table1.csv")
OFFICIAL = (("aqa7_videos", "aqa7_directory", aqa7), ("pretraining_videos", "ucf101_directory", ucf101))
"""Under `sources` of the parameters: the choice of official or synthetic videos, and their directory; then their adapter."""

BESIDE = {
    "splits": ("training_set", "sample", "split"),
    "judges": ("sample", "panel"),
    "stages": ("sample", "jumping", "dropping", "entering", "ending"),
}
"""Tables that lie beside a manifest, by the last word of their names, and their columns (docs/design.md, Data contracts)."""


@dataclass(frozen=True)
class Finding:
    dataset: str
    subject: str
    """The file, directory or table cell."""
    statement: str
    severity: str
    """`error`: a step will stop on it; `warning`: it differs from what the papers say, or a sample will be dropped;
    `note`: could not be checked."""


def check(*paths: Path, reported: Path = TABLE_1) -> list[Finding]:
    """Check what is at the paths: manifests (.parquet), indices of videos (.csv), videos, directories of lists or videos or of
    such directories.

    Args:
        reported: the paper's Table 1, held against AQA-7's lists and manifests where the file exists.

    Returns:
        The findings, path by path; empty where all is well. Nothing is raised for bad data.
    """
    return [finding for path in paths for finding in check_path(Path(path), reported)]


def check_all(
    scale: str, settings: Mapping[str, Any], data: Path, mirror: Path | None
) -> tuple[list[Finding], list[Path]]:
    """Check what the workflow at this scale would read and has made: fetched sources (or the mirror), official videos where
    the parameters choose them, indices of videos, manifests.

    Args:
        settings: the scale's parameters; `sources` names the directories of official videos.
        data: the folder of raw/ and <scale>/.

    Returns:
        The findings, and the paths that were checked.
    """
    places = [folder for source in SOURCES if (folder := found_folder(source, data / "raw", mirror)) is not None]
    findings = check(*places)
    for choice, key, adapter in OFFICIAL:
        if settings["sources"].get(choice) == "official" and scale != "open":
            places.append(Path(settings["sources"][key]))
            lists = found_folder(BY_NAME[f"{adapter.DATASET}-lists"], data / "raw", mirror)
            findings += check_official(places[-1], lists, adapter)
    if settings["sources"].get("mtl_aqa_videos") == "official" and scale != "open":
        places.append(Path(settings["sources"]["mtl_aqa_directory"]))
        findings += check_broadcasts(places[-1], found_folder(BY_NAME["mtl-aqa-annotations"], data / "raw", mirror))
    made = [*sorted((data / scale / "videos").glob("*.csv")), *sorted((data / scale / "manifests").glob("*.parquet"))]
    return findings + check(*made), places + made


def found_folder(source: Source, root: Path, mirror: Path | None) -> Path | None:
    """Where a source's files lie, whole or not: fetched before mirrored."""
    places = folders(source, root, mirror)
    return next((folder for folder in places if any((folder / file.name).exists() for file in source.files)), None)


def describe(findings: Sequence[Finding], places: Sequence[Path]) -> str:
    """The findings as text: errors first, then warnings, then notes, and a line that sums up what was checked."""
    order = (ERROR, WARNING, NOTE)
    once: dict[tuple[str, str], Finding] = {}
    for finding in sorted(findings, key=lambda finding: order.index(finding.severity)):
        once.setdefault((finding.subject, finding.statement), finding)
    found = list(once.values())
    lines = []
    for finding in found:
        named = finding.statement.startswith(finding.subject)
        subject = "" if named else f"{finding.subject}: "
        lines.append(f"{finding.severity}: {finding.dataset or 'data'}: {subject}{finding.statement}")
    if not places:
        return "\n".join([*lines, "nothing to check yet: no source is fetched and no manifest is made"])
    counts = [(sum(finding.severity == kind for finding in found), kind) for kind in order]
    summed = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for count, kind in counts)
    return "\n".join([*lines, f"{summed} in {', '.join(map(str, places))}"])


def check_path(path: Path, reported: Path) -> list[Finding]:
    if not (path.exists() or path.is_symlink()):
        return [Finding("", str(path), "does not exist", ERROR)]
    if path.suffix == ".parquet":
        return check_manifest(path, reported)
    if path.suffix == ".csv":
        return check_index(path)
    if is_video(path):
        return check_videos([path], "")
    if path.is_dir():
        return check_directory(path, reported)
    return [
        Finding(
            "",
            str(path),
            "is neither a manifest (.parquet), nor an index (.csv), nor a video, nor a directory",
            WARNING,
        )
    ]


def check_directory(directory: Path, reported: Path, above: frozenset[Path] = frozenset()) -> list[Finding]:
    """A directory is known by what it holds; one that holds nothing known is searched one directory deeper, and so on.

    Args:
        above: where the directories lie that lead here: a link back to one of them is not followed.
    """
    findings = []
    here = directory.resolve()
    if here in above:
        return []
    source = known_source(directory)
    if source is not None:
        findings += check_source(directory, source)
    if list(directory.glob("consolidated_*_list.mat")):
        findings += check_aqa7_lists(directory, reported)
    if (directory / "classInd.txt").exists() or list(directory.glob("*list01.txt")):
        findings += check_ucf101_lists(directory)
    if (directory / mtl_aqa.OFFICIAL).is_dir():
        findings += check_mtl_aqa_release(directory)
    try:
        children = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        return [*findings, Finding("", str(directory), f"cannot be read ({error.strerror})", ERROR)]
    videos = [path for path in children if is_video(path)]
    findings += check_videos(videos, directory.name)
    for child in children:
        if child in videos:
            continue
        if child.is_dir():
            findings += check_directory(child, reported, above | {here})
        elif child.suffix == ".parquet" and directory.name == "manifests":
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


def check_mtl_aqa_release(directory: Path) -> list[Finding]:
    """What MTL-AQA's release contradicts: of the paper, of itself, and of the S3D authors' split where that lies beside it."""
    source = BY_NAME["unlv-dive-s3d"]
    beside = [directory.parent / name for name in (source.name, source.mirror) if name]
    unlv_dive = next((folder for folder in beside if (folder / source.files[0].name).exists()), None)
    errors, findings = find_release_problems(directory, unlv_dive)
    found = [Finding("mtl_aqa", str(directory), text, ERROR) for text in errors]
    found += [Finding("mtl_aqa", str(directory), text, WARNING) for text in findings]
    if unlv_dive is None:
        text = "training sets not checked: `rescore fetch unlv-dive-s3d` brings what they are held against"
        found.append(Finding("mtl_aqa", str(directory), text, NOTE))
    return found


def check_broadcasts(directory: Path, release: Path | None) -> list[Finding]:
    """Official broadcasts: each file's container, and all against the annotations: events without one, dives behind an end.

    Args:
        release: MTL-AQA's release, where it is fetched.
    """
    if not directory.is_dir():
        text = "does not exist; docs/data.md says where MTL-AQA's broadcasts come from"
        return [Finding("mtl_aqa", str(directory), text, ERROR)]
    found, problems = find_broadcasts(list_broadcasts(directory))
    findings = [Finding("mtl_aqa", str(directory), problem, ERROR) for problem in problems]
    if release is None:
        text = "not held against the annotations; `rescore fetch mtl-aqa-annotations` brings them"
        findings.append(Finding("mtl_aqa", str(directory), text, NOTE))
    try:
        dives = {} if release is None else dives_of_events(release)
    except RescoreError:  # said with the release
        dives = {}
    for event in sorted(set(dives) - set(found)):
        text = f"{directory / event}.mp4: missing; event {event} has {len(dives[event])} dives"
        findings.append(Finding("mtl_aqa", str(directory), text, ERROR))
    for event, path in sorted(found.items()):
        findings += check_broadcast(path, dives.get(event, {}))
    return findings


def check_broadcast(path: Path, dives: Mapping[str, int]) -> list[Finding]:
    """One broadcast against its dives' last frames. Another rate than the annotations', or a variable one, is a warning."""
    try:
        timeline: Timeline = scan(path)
    except RescoreError as error:
        return [Finding("mtl_aqa", str(path), str(error), ERROR)]
    findings = [] if timeline.fault is None else [Finding("mtl_aqa", str(path), timeline.fault, ERROR)]
    behind = [f"{sample} at frame {end}" for sample, end in dives.items() if end >= timeline.frames]
    if behind:
        text = f"{timeline}; {len(behind)} of {len(dives)} dives end behind that, the first is {behind[0]}"
        findings.append(Finding("mtl_aqa", str(path), text, ERROR))
    other_rate = rate_difference(timeline, mtl_aqa.FRAMES_PER_SECOND)
    if other_rate:
        findings.append(Finding("mtl_aqa", str(path), other_rate, WARNING))
    elif not behind and not timeline.constant:
        text = f"{timeline}: annotations may number frames otherwise; look at some clips"
        findings.append(Finding("mtl_aqa", str(path), text, WARNING))
    return findings


def check_official(directory: Path, lists: Path | None, adapter: ModuleType) -> list[Finding]:
    """Official videos: each file, and all against their lists: unknown directories, samples with two videos or none.

    Args:
        lists: directory of the official lists, where they are fetched.
        adapter: the module that reads them (`datasets.aqa7.official`, say).
    """
    dataset = adapter.DATASET
    if not directory.is_dir():
        text = f"does not exist; `rescore fetch {dataset}-videos` says how to fill it"
        return [Finding(dataset, str(directory), text, ERROR)]
    findings = check(directory)
    if lists is None:
        text = f"not held against the official lists; `rescore fetch {dataset}-lists` brings them"
        return [*findings, Finding(dataset, str(directory), text, NOTE)]
    table, problems = adapter.find_list_problems(lists)
    if problems:  # said with the lists
        return findings
    videos, problems = adapter.find_video_problems(table, list_videos(directory))
    findings += [Finding(dataset, str(directory), problem, ERROR) for problem in problems]
    return findings + [
        Finding(dataset, str(path), f"{path}: missing", ERROR)
        for path in videos
        if not (path.exists() or path.is_symlink())
    ]


def check_index(path: Path) -> list[Finding]:
    """Every video of an index: the same bytes as when it was indexed. (That it is missing is said with the manifest.)"""
    try:
        table = read_table(path)
    except RescoreError as error:
        return [Finding(path.stem, str(path), f"not an index of videos ({error})", ERROR)]
    columns = ["video", "bytes", "sha256"]
    if not set(columns) <= set(table) or table[columns].isna().any(axis=None):
        return [
            Finding(
                path.stem, str(path), f"not an index of videos (columns {', '.join(columns)}, no empty cell)", ERROR
            )
        ]
    rows = table[columns].to_dict("records")
    findings = []
    for row in rows:
        video = Path(row["video"])
        if video.is_file() and measure(video) != (row["bytes"], row["sha256"]):
            problem = f"changed since {path} was written; the next run reads it again"
            findings.append(Finding(path.stem, str(video), problem, ERROR))
    return findings


def check_table_1(samples: pd.DataFrame, dataset: str, reported: Path) -> list[Finding]:
    """Cells of Table 1 that differ are warnings, one each; cells that cannot be measured are notes, one a reason."""
    if not reported.exists():
        return []
    differing = summary.compare(summary.summarise(samples), pd.read_csv(reported, dtype=str))
    unmeasured = differing["measured"].isna()
    findings = [
        Finding(
            dataset,
            f"Table 1, {line['row']}, {line['column']}",
            f"the paper prints {line['reported']}; the data give {line['measured']}",
            WARNING,
        )
        for line in differing[~unmeasured].to_dict("records")
    ]
    for reason, cells in differing[unmeasured].groupby("reason", sort=False):
        rows, columns = (list(cells[axis].unique()) for axis in ("row", "column"))
        named = ", ".join(rows if len(rows) < len(columns) else columns)
        findings.append(Finding(dataset, f"Table 1, {named}", f"{len(cells)} cells not checked: {reason}", NOTE))
    return findings


def check_manifest(path: Path, reported: Path) -> list[Finding]:
    """The contract, the videos it names, and Table 1 where the data set is AQA-7."""
    try:
        manifest = read_table(path)
    except RescoreError as error:
        return [Finding(path.stem, str(path), str(error), ERROR)]
    kind = path.stem.rpartition("_")[2]
    if kind in BESIDE:
        lacking = [column for column in BESIDE[kind] if column not in manifest.columns]
        return [Finding(path.stem, str(path), f"no column '{column}'", ERROR) for column in lacking]
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
    """Every video of a manifest: there, whole, and as long as its samples say. One whose last frame the manifest leaves open
    was found bad before, and its samples will be dropped.
    """
    last = manifest.groupby("video", sort=True)["end_frame"].max()
    containers = probe_all([Path(str(video)) for video in last.index])
    findings = []
    for video, end, container in zip(last.index, last, containers, strict=True):
        if isinstance(container, str):
            findings.append(Finding(dataset, str(video), container, WARNING if pd.isna(end) else ERROR))
        elif not pd.isna(end) and end >= container.frames:
            text = f"{container.frames} frames where the manifest's sample ends at frame {int(end)}"
            findings.append(Finding(dataset, str(video), text, ERROR))
    return findings + say_unusual([str(video) for video in last.index], containers, dataset)


def say_unusual(videos: Sequence[str], containers: Sequence[Container | str], dataset: str) -> list[Finding]:
    """What readers ought to know of sound videos: turned, cut, at another rate than the rest of their set; warnings."""
    found = [
        (video, remark)
        for video, container in zip(videos, containers, strict=True)
        if isinstance(container, Container)
        for remark in container.remarks
    ]
    found += [(videos[place], text) for place, text in unusual_rates(containers)]
    return [Finding(dataset, video, text, WARNING) for video, text in found]


def check_videos(videos: Sequence[Path], dataset: str) -> list[Finding]:
    """Each file as a container; whether its frames decode is seen when clips are made."""
    outcomes = probe_all(videos)
    findings = [
        Finding(dataset, str(video), outcome, ERROR)
        for video, outcome in zip(videos, outcomes, strict=True)
        if isinstance(outcome, str)
    ]
    return findings + say_unusual([str(video) for video in videos], outcomes, dataset)
