"""At which rate MTL-AQA's annotations count frames, measured on the release: captions stand there with times and with frames."""

import re
from pathlib import Path

import numpy as np

from rescore.datasets.mtl_aqa.release import FRAMES_PER_SECOND, OFFICIAL, read_annotations, read_captions

PHRASE = 5
"""Words in a row that tell where in the commentary a dive's caption stands."""
BLOCK = re.compile(r"(\d+):(\d+):([\d.]+),\S+\n(.*)", re.DOTALL)


def words_in(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def read_subtitles(path: Path) -> tuple[list[str], list[float]]:
    """The commentary's words and the second at which each is shown."""
    words, seconds = [], []
    for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8", errors="replace")):
        found = BLOCK.match(block.strip())
        if found:
            hours, minutes, rest, text = found.groups()
            said = words_in(text)
            words += said
            seconds += [3600 * int(hours) + 60 * int(minutes) + float(rest)] * len(said)
    return words, seconds


def places(captions: dict, words: list[str], seconds: list[float]) -> dict:
    """The second at which each caption is said, where its phrases stand once in the commentary."""
    where: dict[tuple[str, ...], list[int]] = {}
    for place in range(len(words) - PHRASE + 1):
        where.setdefault(tuple(words[place : place + PHRASE]), []).append(place)
    found = {}
    for key, caption in captions.items():
        said = words_in(" ".join(caption))
        hits = [where.get(tuple(said[start : start + PHRASE]), []) for start in range(len(said) - PHRASE + 1)]
        once = [hit[0] for hit in hits if len(hit) == 1]
        if len(once) >= 4:
            found[key] = float(np.median([seconds[place] for place in once]))
    return found


def rate_of(frames: np.ndarray, seconds: np.ndarray) -> float:
    """The median slope between dives ten minutes apart or more."""
    later, earlier = np.triu_indices(len(frames), 1)
    apart = np.abs(seconds[later] - seconds[earlier]) > 600
    return float(np.median((frames[later] - frames[earlier])[apart] / (seconds[later] - seconds[earlier])[apart]))


def test_all_events_are_annotated_at_25_frames_a_second(mirror: Path) -> None:
    release = mirror / "mtl_aqa"
    annotations = read_annotations(release / OFFICIAL / "final_annotations_dict.pkl")
    captions = read_captions(release / OFFICIAL / "final_captions_dict.pkl")
    rates = {}
    for event in sorted({event for event, _ in annotations}):
        said = {key: caption for key, caption in captions.items() if key[0] == event}
        at = places(said, *read_subtitles(release / "Raw_Annotations" / f"{event:02d}.sbv"))
        keys = sorted(key for key in at if key in annotations)
        frames = np.array([annotations[key]["end_frame"] for key in keys], float)
        rates[event] = rate_of(frames, np.array([at[key] for key in keys]))
    assert len(rates) == 15
    assert max(abs(rate - FRAMES_PER_SECOND) for rate in rates.values()) < 0.1, rates
