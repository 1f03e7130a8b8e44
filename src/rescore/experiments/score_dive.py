"""Score a dive with the MTL-AQA authors' own checkpoints.

    rescore score VIDEO --weights DIRECTORY              cost: seconds and 2 GB on a CPU

The video becomes their input (docs/deviations.md): the last 103 frames, zero frames in front of a shorter one, of which C3D-AVG
reads the first 96 at 171x128 and MSCADC 16 at 640x360; centre crop, RGB, ImageNet's normalisation. Each task with a file
in the directory is predicted. Their training divided scores by 17, so the network's score times 17 is points.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rescore.clips.decode import normalise_length, read_frames
from rescore.datasets.mtl_aqa import release as mtl_aqa
from rescore.engine.errors import RescoreError
from rescore.manifests.contract import class_name
from rescore.manifests.videos import Container, probe, reading_notes
from rescore.models.authors_weights import Network, authors_network
from rescore.models.c3d_avg import C3DAverage
from rescore.models.device import choose_device, make_deterministic
from rescore.models.losses import DIVE_CLASSES, EOS
from rescore.models.preprocess import preprocess

WINDOW = 103  # frames
SCORE_SCALE = 17  # points
VOCABULARY = "vocab.json"


@dataclass(frozen=True)
class DivePrediction:
    """What a network says about a dive; `score` and `caption` are None where it lacks the task."""

    video: Path
    network: str
    frames: int
    """Frames that were read."""
    shown: Container
    """What the file says of itself."""
    padding: int
    """Zero frames in front of those of the video."""
    score: float | None
    """Points."""
    classes: dict[str, str]
    """In words, by sub-action; empty for a network without that task."""
    caption: list[str] | None
    """Words before the first <eos>, or token numbers without a vocabulary."""
    vocabulary: bool


def score_dive(video: Path, directory: Path, epoch: int | None = None) -> DivePrediction:
    """Score, dive classes and caption of a video.

    Args:
        video: a file that holds one dive from start to end.
        directory: of the authors' checkpoints (`model_CNN_<epoch>.pth`, ...) and, for words instead of token numbers, the
            release's `vocab.json`.
        epoch: which, where the directory has files of several.

    Raises:
        RescoreError: the video cannot be read, or checkpoints or vocabulary are missing, damaged, malicious or do not fit.
    """
    make_deterministic()
    network = authors_network(directory, epoch).to(choose_device())
    words = read_vocabulary(directory / VOCABULARY, network) if "caption" in network.tasks else None
    inputs, frames, padding = network_input(video, network)
    with torch.inference_mode():
        encoded = network.encode(preprocess(inputs.to(choose_device()), "rgb_imagenet"))
        outputs = {name: value[0].cpu() for name, value in network.heads(encoded).items()}
        tokens = network.captions(encoded)[0].tolist() if "caption" in network.tasks else []  # at most 99
    score = float(outputs["score"]) * SCORE_SCALE if "score" in outputs else None
    classes = {name: class_name(name, int(outputs[name].argmax())) for name in DIVE_CLASSES if name in outputs}
    said = list(itertools.takewhile(lambda token: token != EOS, tokens))
    caption = [words[token] if words else str(token) for token in said] if "caption" in network.tasks else None
    name = "C3D-AVG" if isinstance(network, C3DAverage) else "MSCADC"
    return DivePrediction(video, name, frames, probe(video), padding, score, classes, caption, words is not None)


def network_input(video: Path, network: Network) -> tuple[torch.Tensor, int, int]:
    """Frames uint8 (1, 96, 112, 112, 3) for C3D-AVG or (1, 16, 180, 180, 3) for MSCADC, frames of the video, and padding."""
    averaged = isinstance(network, C3DAverage)
    decoded = read_frames(video, *(((171, 128), 112) if averaged else ((640, 360), 180)))
    window, padding = normalise_length(decoded, WINDOW, "last")
    chosen = np.arange(96) if averaged else (6.5 * np.arange(16)).astype(int)
    return torch.from_numpy(window[chosen][None]), len(decoded), padding


def read_vocabulary(path: Path, network: Network) -> dict[int, str] | None:
    """Words by token, or None where there is no file.

    Raises:
        RescoreError: the file is no vocabulary, or lacks tokens that the network can say.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        words = {int(token): str(word) for token, word in content["ix_to_word"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RescoreError(
            f"{path}: not a vocabulary ({error!r}). Expected the release's JSON with `ix_to_word`, or no such file."
        ) from error
    words = {0: "<eos>", 1: "<sos>"} | words
    missing = [token for token in range(network.captioner.vocabulary) if token not in words]
    if missing:
        raise RescoreError(
            f"{path}: no word for {len(missing)} of the network's {network.captioner.vocabulary} tokens, {missing[0]} the first. "
            "Give the vocabulary that the network was trained with, or a folder without one to see token numbers."
        )
    return words


def describe(result: DivePrediction) -> str:
    """The result as a few lines of text."""
    score = "" if result.score is None else f" {result.score:.2f} points,"
    lines = [f"{result.video}:{score} {result.frames} frames; {result.network} with the given weights"]
    if result.classes:
        lines.append(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.classes.items()))
    if result.caption is not None:
        numbers = "" if result.vocabulary else f" (token numbers; no {VOCABULARY} beside the weights)"
        lines.append(f"caption{numbers}: {' '.join(result.caption)}")
    lines += reading_notes(result.shown, result.frames, result.padding, mtl_aqa.FRAMES_PER_SECOND)
    return "\n".join(lines)
