"""Score one video with the trained members of an experiment, and show how the score grows clip by clip.

    rescore score VIDEO --experiment all_action              cost: seconds on a CPU
    rescore score VIDEO --experiment c3d_lstm_incremental    a dive: in which clip points are lost

The fully connected unit is applied to the LSTM's state after each clip. The paper names this the LSTM's advantage, errors
can be localised in time (AQA-7, Sec. 5.1); only the state after the last clip was trained to be a score. With incremental
labels every state was trained to be the score so far, and a checkpoint holds what its mean training dive has after each clip:
a clip that adds less than there is where points are lost.
"""

import itertools
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from rescore.actions import BY_NAME, EXPERIMENT_ACTIONS
from rescore.clips.decode import normalise_length, read_frames
from rescore.datasets.aqa7 import official as aqa7
from rescore.datasets.mtl_aqa import release as mtl_aqa
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, load_arrays, sha256_file
from rescore.features.extract import dive_clips, dive_network
from rescore.manifests.videos import Container, probe, reading_notes
from rescore.models.backbones import build_backbone, input_colour
from rescore.models.c3d_lstm import predict_steps
from rescore.models.device import choose_device, make_deterministic
from rescore.models.preprocess import cut_clips, preprocess
from rescore.systems.common.repetition import backbone_of, backbone_weights
from rescore.systems.common.training_sets import WHOLE
from synthetic_athlete.staging import FRAMES_PER_SECOND as SYNTHETIC_RATE

IRRELEVANT = ("batch", "temporal_offsets")  # backbone settings that a single test video does not depend on
SOURCE = "Source"
"""Key of a PNG's text that names the video."""
ON_DIVES = ("c3d_lstm", "c3d_lstm_incremental")
"""Experiments on MTL-AQA's features, whose clips are cut as C3D-AVG's are."""


@dataclass(frozen=True)
class VideoScore:
    """A video's predicted score, in the points of `action`."""

    video: Path
    action: str
    member: str
    frames: int
    """Frames that the video has."""
    padding: int
    """Zero frames put in front; 0 where the video has `clips.frames` or more."""
    seeds: tuple[int, ...]
    steps: np.ndarray
    """(seeds, clips): the score after each clip."""
    confidence: float
    synthetic: bool
    """Whether the members were trained on synthetic videos."""
    expected: np.ndarray | None = None
    """(seeds, clips): the mean training dive's score after each clip; None where members have no label for every clip."""
    clip_starts: tuple[int, ...] = ()
    """First frame of each clip, counted from the video's first; negative in the zero frames in front."""
    clip_length: int = 0
    """Frames from a clip's first to the next clip's."""
    shown: Container | None = None
    """What the video's container shows."""
    training_rate: float = 0.0
    """Frames a second of the training videos."""

    def lost(self) -> np.ndarray:
        """(clips,): points that each clip adds less than in the mean training dive, averaged over seeds; negative: more.

        Together they are what the predicted score lacks to the mean training score.
        """
        if self.expected is None:
            return np.full(self.steps.shape[1], np.nan)
        return np.diff((self.expected - self.steps).mean(axis=0), prepend=0.0)

    @property
    def scores(self) -> np.ndarray:
        """(seeds,): the predicted scores, after the last clip."""
        return self.steps[:, -1]

    def interval(self) -> np.ndarray:
        """(clips, 2): Student's interval for the mean over seeds after each clip; NaN with a single seed."""
        count = len(self.seeds)
        if count < 2:
            return np.full((self.steps.shape[1], 2), np.nan)
        half = student.ppf((1 + self.confidence) / 2, count - 1) * self.steps.std(axis=0, ddof=1) / np.sqrt(count)
        return np.stack([self.steps.mean(axis=0) - half, self.steps.mean(axis=0) + half], axis=1)


def score_video(
    video: Path,
    members: Path,
    runs: Path,
    settings: Mapping[str, Any],
    action: str | None = None,
    member: str | None = None,
    plot: Path | None = None,
    networks: dict[Path, torch.nn.Module] | None = None,
) -> VideoScore:
    """Predict a video's score with every seed of one member.

    Args:
        video: a file that holds one performance from start to end.
        members: an experiment's checkpoint.
        runs: runs/<scale>, which has the backbones that the experiment's features were made with.
        settings: all sections at the scale at which the experiment ran.
        action: the action shown, which fixes the unit; None for the video's folder where that is named like an action
            (as AQA-7 keeps its videos), else for the only action that the member knows.
        member: name in the checkpoint; None chooses the one that fits: all actions, then this action's own.
        plot: PNG to write.
        networks: loaded for other videos at the same settings, by their weights; what is loaded for this one is added.

    Raises:
        RescoreError: the video cannot be read, the action or member is unknown, or files do not belong together.
    """
    make_deterministic()
    arrays, header = load_arrays(members)
    if action is None and video.absolute().parent.name in EXPERIMENT_ACTIONS:
        action = video.absolute().parent.name
    dives = header.get("experiment") in ON_DIVES
    member, action = choose_member(header, members, action, member)
    chosen = [index for index, entry in enumerate(header["members"]) if entry["member"] == member]
    seeds = tuple(header["members"][index]["seed"] for index in chosen)
    backbones = {seed: backbone_of(seed, settings) for seed in seeds}
    weights = {number: backbone_weights(runs, number) for number in dict.fromkeys(backbones.values())}
    check_backbones(header, members, weights, settings)
    sds = np.array([header["members"][index]["score_sd"][action] for index in chosen])
    clips, frames, padding = (dive_video_clips if dives else video_clips)(video, settings)
    loaded = load_networks(weights.values(), settings, dives, {} if networks is None else networks)
    features = {number: clip_features(clips, loaded[path], settings) for number, path in weights.items()}  # (T, D)
    stacked = {name: torch.from_numpy(array[chosen]) for name, array in arrays.items()}
    mine = torch.stack([features[backbones[seed]] for seed in seeds])[:, :, None]  # (seeds, T, 1, D)
    if stacked["lstm.weight_ih"].shape[2] != mine.shape[3]:
        raise RescoreError(f"{members}: made for other features than {runs} gives. Choose the scale that made both.")
    steps = predict_steps(stacked, mine)[:, :, 0].numpy().astype(np.float64) * sds[:, None]
    synthetic = settings["sources"]["mtl_aqa_videos" if dives else "aqa7_videos"] == "synthetic"
    confidence = settings["scoring"]["confidence"]
    expected = np.array([header["expected"][index] for index in chosen]) if "expected" in header else None
    starts, length = clip_places(frames, settings, dives)
    result = VideoScore(
        video, action, member, frames, padding, seeds, steps, confidence, synthetic, expected, starts, length
    )
    result = replace(result, shown=probe(video), training_rate=training_rate(settings, dives, synthetic))
    if plot is not None:
        write_plot(result, plot)
    return result


def load_networks(
    weights: Iterable[Path], settings: Mapping[str, Any], dives: bool, networks: dict[Path, torch.nn.Module]
) -> dict[Path, torch.nn.Module]:
    """`networks` with those of these weights, each loaded once."""
    for path in weights:
        if path not in networks:
            networks[path] = (dive_network if dives else build_backbone)(settings, path).to(choose_device())
    return networks


def training_rate(settings: Mapping[str, Any], dives: bool, synthetic: bool) -> float:
    """Frames a second of the videos that the members were trained on."""
    if synthetic:
        return SYNTHETIC_RATE * float(settings["synthetic"]["length"])
    return mtl_aqa.FRAMES_PER_SECOND if dives else aqa7.FRAMES_PER_SECOND


def choose_member(header: Mapping[str, Any], path: Path, action: str | None, member: str | None) -> tuple[str, str]:
    """The member to use and the action whose unit it speaks."""
    names = list(dict.fromkeys(entry["member"] for entry in header.get("members", [])))
    if action is not None and action not in EXPERIMENT_ACTIONS:
        raise RescoreError(f"unknown action '{action}'; valid: {', '.join(EXPERIMENT_ACTIONS)}")
    tuned = [name for name in names if name.startswith(f"fine_tuned/{action}/") and name.endswith("/multi_action")]
    whole = [name for name in names if name.endswith(f"/{WHOLE}")]
    fitting = [member] if member else ["all", f"single/{action}", f"without/{action}", *reversed(tuned), *whole]
    found = next((name for name in fitting if name in names), None)
    if found is None and (member or action):
        raise RescoreError(f"{path}: no member {member or f'for {action}'}; it has: {', '.join(names)}")
    own = [part for part in (found or "").split("/") if part in BY_NAME]
    if found is not None and not own:  # a member that knows one action alone speaks of that
        only = next(entry["score_sd"] for entry in header["members"] if entry["member"] == found)
        own = list(only) if len(only) == 1 else []
    action = action or (own[0] if own else None)
    if found is None or action is None:
        raise RescoreError(
            "which action does the video show? It fixes the unit of the score. "
            f"Say --action, one of: {', '.join(EXPERIMENT_ACTIONS)}"
        )
    known = next(entry["score_sd"] for entry in header["members"] if entry["member"] == found)
    if action not in known:
        raise RescoreError(f"member {found} has no standard deviation of {action}; it has: {', '.join(sorted(known))}")
    return found, action


def check_backbones(
    header: Mapping[str, Any], members: Path, weights: Mapping[int, Path], settings: Mapping[str, Any]
) -> None:
    """Raise RescoreError where the checkpoint was trained on features of other backbones than `weights` or `settings`."""
    wanted = header.get("backbone_sha256") or {}
    others = [
        str(path)
        for number, path in weights.items()
        if wanted.get(str(number)) and path.exists() and sha256_file(path) != wanted[str(number)]
    ]
    raise_together(f"{members}: trained on features of another backbone", others, "run the workflow again.")
    trained = header.get("settings", {})
    sections = {
        "backbone": (settings["backbone"], trained.get("backbone", {})),
        "multitask.clips": (settings["multitask"]["clips"], trained.get("multitask", {}).get("clips", {})),
    }
    changed = [
        f"{section}.{name}: {now[name]} in params.yaml, {value} in training"
        for section, (now, then) in sections.items()
        for name, value in then.items()
        if name in now and name not in IRRELEVANT and now[name] != value
    ]
    raise_together(f"{members}: trained with other parameters", changed, "set them back, or run the workflow again.")


def video_clips(video: Path, settings: Mapping[str, Any]) -> tuple[np.ndarray, int, int]:
    """Clips uint8 (T, clip_frames, crop, crop, 3), the video's frames, and how many zero frames stand in front."""
    store, backbone = settings["clips"], settings["backbone"]
    frames = read_frames(video, tuple(store["resize"]), store["crop"])
    fixed, padding = normalise_length(frames, store["frames"], store["long_videos"])
    clips = cut_clips(fixed, backbone["clips"], backbone["clip_frames"], backbone["test_offset"])
    return clips, len(frames), padding


def dive_video_clips(video: Path, settings: Mapping[str, Any]) -> tuple[np.ndarray, int, int]:
    """As `video_clips`, for a dive: the last frames of the video, every `step`-th, as C3D-AVG reads them."""
    store, length = settings["multitask"]["clips"], settings["backbone"]["clip_frames"]
    frames = read_frames(video, tuple(store["resize"]), store["crop"])
    fixed, padding = normalise_length(frames, store["frames"], "last")
    clips = cut_clips(fixed[:: store["step"]], dive_clips(store, length), length, 0)
    return clips, len(frames), padding


def clip_places(frames: int, settings: Mapping[str, Any], dives: bool) -> tuple[tuple[int, ...], int]:
    """First frame of each clip in a video of so many frames, and frames from one to the next."""
    backbone = settings["backbone"]
    length = backbone["clip_frames"]
    if dives:
        store = settings["multitask"]["clips"]
        count, first, length = dive_clips(store, length), frames - store["frames"], length * store["step"]
    else:
        store = settings["clips"]
        cut_front = frames < store["frames"] or store["long_videos"] == "last"
        count, first = backbone["clips"], backbone["test_offset"] + (frames - store["frames"] if cut_front else 0)
    return tuple(first + length * number for number in range(count)), length


@torch.inference_mode()
def clip_features(clips: np.ndarray, network: torch.nn.Module, settings: Mapping[str, Any]) -> torch.Tensor:
    """Features (T, D), float32, rounded to float16 as the features of training are."""
    device = choose_device()
    x = preprocess(torch.from_numpy(clips).to(device), input_colour(settings["backbone"]))  # (T, 3, 16, crop, crop)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        y = network(x)  # (T, D)
    return y.half().float().cpu()


def plot_path(video: Path) -> Path:
    """Where a video is drawn unless somebody says otherwise: its name with .score.png, here. What was drawn of another video of
    that name stays: then the folder's name stands in front, then a number behind.
    """
    stem = video.name if video.is_dir() else video.stem
    names = itertools.chain(
        [stem, f"{video.absolute().parent.name}_{stem}"], (f"{stem}_{k}" for k in itertools.count(2))
    )
    paths = (Path(f"{name}.score.png") for name in names)
    return next(path for path in paths if drawn_from(path) in (None, str(video.absolute())))


def drawn_from(path: Path) -> str | None:
    """The video that a PNG of `write_plot` shows, "" where it does not say; None where there is no such file."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return str(image.info.get(SOURCE, ""))
    except FileNotFoundError:
        return None
    except (OSError, SyntaxError):  # PIL's word for a damaged PNG
        return ""


def write_plot(result: VideoScore, path: Path) -> None:
    """PNG: each seed's score after each clip, their mean, and the interval of the mean."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    after, mean = np.arange(1, result.steps.shape[1] + 1), result.steps.mean(axis=0)
    lines = axes.plot(after, result.steps.T, color="0.65", linewidth=1)
    lines[0].set_label("one seed")
    if len(result.seeds) > 1:
        low, high = result.interval().T
        interval = f"{result.confidence:.0%} interval of the mean"
        axes.fill_between(after, low, high, alpha=0.2, color="C0", linewidth=0, label=interval)
        axes.plot(after, mean, color="C0", marker="o", label=f"mean of {len(result.seeds)} seeds")
    if result.expected is not None:
        axes.plot(after, result.expected.mean(axis=0), color="0.3", linestyle="--", label="mean training dive")
    axes.annotate(f"{mean[-1]:.2f}", (after[-1], mean[-1]), (6, 0), textcoords="offset points", va="center")
    axes.set(xlabel="clips seen", ylabel="predicted score (points)", xticks=after)
    axes.margins(x=0.08)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
    shown = f"{result.video.absolute().parent.name}/{result.video.name}"
    title = f"{shown} as {BY_NAME[result.action].title}, member {result.member}"
    # A name is text, not mathematics: `$` in it would be taken for that.
    axes.set_title(title + ("\ntrained on SYNTHETIC videos" if result.synthetic else ""), fontsize=10, parse_math=False)
    source = str(result.video.absolute())
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a name in a script that the font lacks shows boxes
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None, SOURCE: source})


def describe_losses(result: VideoScore) -> list[str]:
    """Where points are lost against the mean training dive; no lines without incremental labels."""
    if result.expected is None:
        return []
    lost = result.lost()
    worst = int(lost.argmax())
    first = max(result.clip_starts[worst], 0)
    last = min(result.clip_starts[worst] + result.clip_length, result.frames) - 1
    where = f"clip {worst + 1} (frames {first} to {last})" if last >= first else f"clip {worst + 1} (zero frames)"
    verdict = f"most in {where}" if lost[worst] > 0 else "in no clip fewer than there"
    points = " ".join(f"{-value:+.2f}" for value in lost)
    return [f"points of each clip against the mean training dive: {points}; {verdict}"]


def describe_reading(result: VideoScore) -> list[str]:
    """Which frames were scored, of how many seconds, and what a reader of the score ought to know of them."""
    shown, padded = result.shown, f"{result.padding} zero frames in front"
    if shown is None or not result.clip_starts:
        return [f"{result.frames} frames, {padded}"]
    first = max(result.clip_starts[0], 0)
    last = min(result.clip_starts[-1] + result.clip_length, result.frames) - 1
    span = f", {(last - first + 1) / shown.rate:.2f} s" if shown.rate else ""
    scored = f"{shown}; scored are frames {first} to {last}{span}, {padded}"
    return [scored, *reading_notes(shown, result.frames, result.padding, result.training_rate)]


def describe(result: VideoScore) -> str:
    """The result as a few lines of text."""
    low, high = result.interval()[-1]
    spread = f", {result.confidence:.0%} interval over seeds {low:.2f} to {high:.2f}" if len(result.seeds) > 1 else ""
    seeds = ", ".join(f"{seed}: {score:.2f}" for seed, score in zip(result.seeds, result.scores, strict=True))
    lines = [
        f"{result.video}: {result.scores.mean():.2f} points as {BY_NAME[result.action].title}{spread}",
        f"member {result.member}; by seed: {seeds}",
        "after each clip: " + " ".join(f"{value:.2f}" for value in result.steps.mean(axis=0)),
        *describe_losses(result),
        *describe_reading(result),
    ]
    if result.synthetic:
        lines.append("trained on SYNTHETIC videos: the score says nothing about a real performance")
    return "\n".join(lines)
