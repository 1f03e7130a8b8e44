"""Which frames of videos were scored: a picture for people who want to see what a network saw."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rescore.clips.decode import read_frames
from rescore.reporting.contact_sheet import contact_sheet

if TYPE_CHECKING:  # a framework
    from rescore.experiments.score_video import VideoScore


def draw_sheet(results: "Sequence[VideoScore]", settings: Mapping[str, Any], dives: bool, path: Path) -> None:
    """A PNG with a row a video: frames that were scored, evenly spaced, and their times.

    Args:
        dives: whether they were cut as dives are (`multitask.clips`).
    """
    store = settings["multitask"]["clips"] if dives else settings["clips"]
    shown, captions = [], []
    for result in results:
        frames = read_frames(result.video, tuple(store["resize"]), store["crop"])
        first = max(result.clip_starts[0], 0) if result.clip_starts else 0
        last = min(result.clip_starts[-1] + result.clip_length, len(frames)) if result.clip_starts else len(frames)
        shown.append(frames[first:last])
        rate = result.shown.rate if result.shown is not None and result.shown.rate else None
        span = f"{first / rate:.2f} to {(last - 1) / rate:.2f} s" if rate else f"frames {first} to {last - 1}"
        captions.append(f"{result.video.name}: {result.scores.mean():.2f} points, {span}")
    contact_sheet(shown, captions, path)
