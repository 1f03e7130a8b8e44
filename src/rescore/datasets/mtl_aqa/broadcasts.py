"""MTL-AQA's broadcasts (`rescore fetch mtl-aqa`): the videos of Video_List.xlsx, counted against the annotations.

    data/raw/mtl-aqa/videos/NN.mp4   the broadcasts, NN the event; any container
    data/raw/mtl-aqa/videos.csv      their index: event, video, url, bytes, sha256, frames, rate, last_frame, remark
    data/raw/mtl-aqa/gone.csv        the samples that are lost: sample, split, event, url, reason
    data/raw/mtl-aqa/SOURCE.json     origin, licence, citation, checksum of each video

Nobody publishes a checksum of these videos, so the index says what came here, and the frames are counted: the annotations name
frames by number (`ffmpeg -i NN.mp4 %06d.jpg` made them, from 1), so a video with fewer frames is not the one that was annotated.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.datasets.mtl_aqa.release import FRAMES_PER_SECOND, OFFICIAL, Key, read_annotations, read_keys, sample_name
from rescore.datasets.mtl_aqa.sheets import read_rows
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, read_table, write_table
from rescore.manifests import broadcasts
from rescore.manifests.reader import check_file
from rescore.manifests.videos import files_of, measure_video
from rescore.sources import fetch, video_sites
from rescore.sources.catalogue import OriginFile

NAME, ANNOTATIONS = "mtl-aqa", "mtl-aqa-annotations"
VIDEO_LIST = "Video_List.xlsx"
COMPLETE, FAILED, LOST = 0, 1, 3
"""Exit statuses: all is there; another run may bring more; no run will, but samples are lost."""


@dataclass(frozen=True)
class Event:
    """A broadcast and what the annotations ask of it."""

    name: str
    """Two digits."""
    url: str
    last_frames: dict[Key, int]
    """Every annotated dive's last frame."""
    splits: dict[Key, str]


@dataclass(frozen=True)
class Outcome:
    """What became of one broadcast."""

    event: Event
    row: dict[str, Any] | None = None
    """Its row of the index, where it is there."""
    failed: str | None = None
    lost: tuple[tuple[Key, str], ...] = ()
    """Dives that this event costs, and why."""


def fetch_broadcasts(root: Path, mirror: Path | None = None, height: int = 720) -> int:
    """Bring the annotations, then every broadcast that is not there; print what is missing and what it costs.

    Args:
        root: data/raw.
        mirror: with one, broadcasts come from its `mtl_aqa/videos` alone.
        height: lines of the picture at most; the networks need 360.

    Returns:
        COMPLETE, FAILED or LOST.

    Raises:
        RescoreError: the annotations could not be fetched or read.
    """
    source = fetch.find(NAME)
    print(f"{NAME}: {source.note}\n  licence: {source.licence}\n  please cite:\n{source.citation}")
    release = fetch.fetch(ANNOTATIONS, root, mirror)
    origin = None if mirror is None else fetch.mirror_folder(source, mirror) / "videos"
    return bring(release, root / NAME, origin, height)


def bring(release: Path, folder: Path, mirror: Path | None = None, height: int = 720) -> int:
    """`fetch_broadcasts` once the annotations are in `release`; `mirror` is the folder of the copies themselves."""
    events = read_events(release)
    known = read_index(folder / "videos.csv")
    outcomes = []
    for event in events:
        outcome = bring_one(event, folder / "videos", known, mirror, height)
        print(f"  {describe(outcome)}", flush=True)
        outcomes.append(outcome)
        write_index(folder, outcomes, known)  # after each, so that a killed run need not read its videos again
    write_lost(folder / "gone.csv", outcomes)
    rows = [outcome.row for outcome in outcomes if outcome.row and Path(outcome.row["video"]).is_file()]
    files = tuple(OriginFile(Path(row["video"]).name, row["bytes"], row["sha256"]) for row in rows)
    fetch.write_record(dataclasses.replace(fetch.find(NAME), files=files), folder / fetch.RECORD)
    print(summary(outcomes, folder))
    if any(outcome.failed for outcome in outcomes):
        return FAILED
    return LOST if any(outcome.lost for outcome in outcomes) else COMPLETE


def read_events(release: Path) -> list[Event]:
    """Every annotated event with its address and its dives, in order.

    Raises:
        RescoreError: a file is missing or unreadable, or an annotated event has no address.
    """
    addresses = read_addresses(release / VIDEO_LIST)
    annotations = read_annotations(release / OFFICIAL / "final_annotations_dict.pkl")
    splits = {key: name for name in ("train", "test") for key in read_keys(release / OFFICIAL / f"{name}_split_0.pkl")}
    numbers = sorted({event for event, _ in annotations})
    missing = [f"event {number:02d} is annotated and has no address" for number in numbers if number not in addresses]
    raise_together(f"{release / VIDEO_LIST}: incomplete", missing, f"restore it (`rescore fetch {ANNOTATIONS}`).")
    return [
        Event(
            f"{number:02d}",
            addresses[number],
            {key: int(annotation["end_frame"]) for key, annotation in sorted(annotations.items()) if key[0] == number},
            splits,
        )
        for number in numbers
    ]


def read_addresses(path: Path) -> dict[int, str]:
    """Event -> address, from the columns `Sr. No.` and `Video`.

    Raises:
        RescoreError: no workbook, no such columns, a number twice, or something that is no address; all rows together.
    """
    rows = read_rows(path)
    header = [str(cell).strip() for cell in rows[0]] if rows else []
    if not {"Sr. No.", "Video"} <= set(header):
        raise RescoreError(f"{path}: no columns `Sr. No.` and `Video` among {header}")
    column, address = header.index("Sr. No."), header.index("Video")
    found: dict[int, str] = {}
    problems = []
    for number, row in enumerate(rows[1:], start=2):
        event, url = row[column], row[address]
        if event is None and url is None:
            continue
        if not isinstance(event, int) or event in found:
            problems.append(f"row {number}: event {event!r} is not a number or stands twice")
        elif not str(url).startswith(("http://", "https://")):
            problems.append(f"row {number}: {url!r} is not an address")
        else:
            found[event] = str(url)
    raise_together(f"{path}: rows that cannot be used", problems, f"restore it (`rescore fetch {ANNOTATIONS}`).")
    return found


def read_index(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of an earlier run, by event; none where there is no usable index."""
    if not path.is_file():
        return {}
    try:
        table = read_table(path).astype({"event": int, "remark": object}).fillna({"remark": ""})
        table["event"] = table["event"].map("{:02d}".format)
        return {
            str(row["event"]): {str(name): value for name, value in row.items()} for row in table.to_dict("records")
        }
    except (RescoreError, KeyError, ValueError):
        return {}


def bring_one(
    event: Event, folder: Path, known: dict[str, dict[str, Any]], mirror: Path | None, height: int
) -> Outcome:
    """One broadcast: kept where it is there, else copied from the mirror or downloaded."""
    video = find_video(folder, event.name)
    try:
        if video is not None:
            return measure(event, video, known.get(event.name))
        print(f"  {event.name}: {event.url if mirror is None else mirror} ...", flush=True)
        video = copy(event.name, folder, mirror) if mirror else obtain(event, folder, height)
        return measure(event, video, None)
    except video_sites.VideoGone as error:
        return Outcome(event, lost=tuple((key, f"the broadcast is gone: {error}") for key in event.last_frames))
    except video_sites.VideoFailed as error:
        return Outcome(event, failed=f"not fetched, {error}")
    except RescoreError as error:
        return Outcome(event, failed=f"{error}; move it away to have it fetched")


def find_video(folder: Path, name: str) -> Path | None:
    """An event's video in any container; the first by name where there are several."""
    return next((path for path in broadcasts.list_broadcasts(folder) if broadcasts.event_of(path) == name), None)


def obtain(event: Event, folder: Path, height: int) -> Path:
    """Download a broadcast. What came and is no video (a site's excuse) is deleted, or it would pass for one next time."""
    video = video_sites.download(event.url, folder / event.name, height)
    try:
        broadcasts.scan(video)
    except RescoreError as error:
        video.unlink()
        raise video_sites.VideoFailed(f"{event.url} gave something else than a video ({error})") from error
    return video


def copy(name: str, folder: Path, mirror: Path) -> Path:
    """Copy a broadcast from the mirror."""
    video = find_video(mirror, name)
    if video is None:
        raise video_sites.VideoFailed(f"not in {mirror} (unset RESCORE_MIRROR to download it)")
    if video.is_dir():
        shutil.copytree(video, folder / video.name)
        return folder / video.name
    with atomic_path(folder / video.name) as temporary:
        shutil.copyfile(video, temporary)
    return folder / video.name


def measure(event: Event, video: Path, known: dict[str, Any] | None) -> Outcome:
    """A video's row of the index, and the dives that end behind its last frame. A video of known size is not read again."""
    row: dict[str, Any] = {"event": event.name, "video": video.as_posix(), "url": event.url}
    if not video.is_dir():
        check_file(video)
    size = sum(path.stat().st_size for path in files_of(video))
    row |= {"bytes": size, "last_frame": max(event.last_frames.values())}
    if known is None or any(known.get(name) != row[name] for name in ("video", "bytes")):
        timeline = broadcasts.scan(video)
        known = {"sha256": measure_video(video)[1], "frames": timeline.resampled, "rate": timeline.rate}
        known["remark"] = remark(timeline, row["last_frame"])
    row |= {name: known[name] for name in ("sha256", "frames", "rate", "remark")}
    why = "ends at frame {}, the video has {}"
    late = {key: end for key, end in event.last_frames.items() if end > row["frames"]}
    return Outcome(event, row, lost=tuple((key, why.format(end, row["frames"])) for key, end in late.items()))


def remark(timeline: broadcasts.Timeline, last: int) -> str:
    """What is odd about a video, in words."""
    odd = [] if timeline.constant and not timeline.fault else [str(timeline)]
    other_rate = broadcasts.rate_difference(timeline, FRAMES_PER_SECOND)
    if other_rate:
        odd.append(other_rate)
    elif timeline.resampled > 1.8 * last:
        odd.append(
            f"{timeline.resampled / last:.1f} times the frames that are annotated: perhaps at another frame rate"
        )
    return "; ".join(odd)


def write_index(folder: Path, outcomes: Sequence[Outcome], known: dict[str, dict[str, Any]]) -> None:
    """The index of what is there; events that are not reached yet keep their rows of the earlier run."""
    reached = {outcome.event.name for outcome in outcomes}
    rows = [outcome.row for outcome in outcomes if outcome.row]
    rows += [row for name, row in known.items() if name not in reached and Path(row["video"]).exists()]
    columns = ["event", "video", "url", "bytes", "sha256", "frames", "rate", "last_frame", "remark"]
    write_table(folder / "videos.csv", pd.DataFrame(rows, columns=columns).sort_values("event"))


def write_lost(path: Path, outcomes: Sequence[Outcome]) -> None:
    """gone.csv, header only where nothing is lost."""
    rows = [
        (sample_name(key), outcome.event.splits.get(key, ""), outcome.event.name, outcome.event.url, why)
        for outcome in outcomes
        for key, why in outcome.lost
    ]
    write_table(path, pd.DataFrame(rows, columns=["sample", "split", "event", "url", "reason"]))


def cost(event: Event, keys: Sequence[Key]) -> str:
    """`191 samples (140 train, 51 test)`."""
    counts = [(sum(event.splits.get(key) == split for key in keys), split) for split in ("train", "test")]
    return f"{len(keys)} samples ({', '.join(f'{count} {split}' for count, split in counts)})"


def describe(outcome: Outcome) -> str:
    """One line: what is there, or why not, and what that costs."""
    event = outcome.event
    if outcome.failed:
        return f"{event.name}: {outcome.failed}; {cost(event, list(event.last_frames))} wait for it"
    lost = f"costs {cost(event, [key for key, _ in outcome.lost])}" if outcome.lost else ""
    if outcome.row is None:
        return f"{event.name}: {outcome.lost[0][1]}; {lost}"
    row = outcome.row
    text = f"{event.name}: {row['video']}, {row['frames']} frames, {row['last_frame']} are annotated"
    return "; ".join(part for part in (text, row["remark"], lost) if part)


def summary(outcomes: Sequence[Outcome], folder: Path) -> str:
    """The last lines: how many of how many, and what another run can do."""
    there = sum(outcome.row is not None for outcome in outcomes)
    failed = sum(outcome.failed is not None for outcome in outcomes)
    lost = [(outcome.event.splits.get(key), key) for outcome in outcomes for key, _ in outcome.lost]
    lines = [f"  {there} of {len(outcomes)} broadcasts in {folder / 'videos'}, listed in {folder / 'videos.csv'}"]
    if lost:
        counts = ", ".join(f"{sum(of == split for of, _ in lost)} {split}" for split in ("train", "test"))
        lines.append(
            f"  {len(lost)} samples are lost ({counts}), listed in {folder / 'gone.csv'}; put other copies of the videos into "
            f"{folder / 'videos'}, or set clips.on_bad_video: drop"
        )
    if failed:
        lines.append(f"  {failed} could not be had this time; run the same command again, it goes on where it stopped")
    return "\n".join(lines)
