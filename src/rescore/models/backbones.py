"""The frozen network that turns a 16-frame clip into a feature vector, with its weights.

published file (a pickle) or a seed ─► convert_weights ─┐
window store ─► training.pretrain.pretrain ─────────────┴─► weights.safetensors ─► build_backbone ─► features
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays, save_arrays, sha256_file
from rescore.models.c3d import C3D, initialise
from rescore.models.device import seeded_generator
from rescore.models.state_dicts import differences, read_state_dict

TORCHVISION_NETWORKS = ("r3d_18", "mc3_18", "r2plus1d_18")
# Layers that features do not use: C3D's beyond fc6 (the public port's and our pre-training's), torchvision's classifier.
CLASSIFIER_LAYERS = ("fc7.", "fc8.", "fc.")


@dataclass(frozen=True)
class Published:
    """Weights that someone else publishes."""

    network: str
    url: str
    sha256_prefix: str | None
    """First digits of the file's SHA-256; None where the origin publishes none, so that the file cannot be verified."""
    colour: str
    """The input that the weights were trained on, a key of `preprocess.COLOURS`."""
    metric: str
    """What the origin reports for them."""
    directory: Path | None = None
    """Where the user puts the file; None for torchvision's own cache."""

    @property
    def filename(self) -> str:
        return self.url.rpartition("/")[2]


class BackboneWeights(enum.Enum):
    C3D_SPORTS1M = Published(
        "c3d",
        "http://imagelab.ing.unimore.it/files/c3d_pytorch/c3d.pickle",
        None,
        "bgr_sports1m",
        "the port publishes none; the original network: video hit@5 85.2 % on Sports-1M (Tran et al. 2015, Table 1)",
        Path("data/raw/sports1m-weights"),
    )
    R3D_18_KINETICS400 = Published(
        "r3d_18",
        "https://download.pytorch.org/models/r3d_18-b3b3357e.pth",
        "b3b3357e",
        "rgb_kinetics",
        "acc@1 63.200 % on Kinetics-400 (torchvision)",
    )
    MC3_18_KINETICS400 = Published(
        "mc3_18",
        "https://download.pytorch.org/models/mc3_18-a90a0ba3.pth",
        "a90a0ba3",
        "rgb_kinetics",
        "acc@1 63.960 % on Kinetics-400 (torchvision)",
    )
    R2PLUS1D_18_KINETICS400 = Published(
        "r2plus1d_18",
        "https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth",
        "91a641e6",
        "rgb_kinetics",
        "acc@1 67.463 % on Kinetics-400 (torchvision)",
    )


def published_weights(network: str) -> Published:
    """The published weights of a network."""
    return next(weights.value for weights in BackboneWeights if weights.value.network == network)


def input_colour(backbone: Mapping[str, Any]) -> str:
    """The input convention of a backbone: the `colour` setting for C3D, Kinetics' own for torchvision's networks."""
    return backbone["colour"] if backbone["network"] == "c3d" else "rgb_kinetics"


def build_backbone(settings: Mapping[str, Any], weights: Path) -> nn.Module:
    """The frozen feature extractor, on the CPU, in evaluation mode and channels_last_3d.

    Args:
        settings: sections `backbone` and `clips` of params.yaml.
        weights: safetensors written by pre-training or by `convert_weights`.

    Returns:
        A module (N, 3, clip_frames, crop, crop) float -> (N, feature width): fc6 of C3D, the averaged 512 of the others.

    Raises:
        RescoreError: the file is missing, unreadable, or was made for another backbone.
    """
    module = empty_backbone(settings)
    arrays, header = load_arrays(weights)
    check_header(weights, header, settings)
    # Scalars (batch normalisation's counters) come back as arrays of one value.
    scalars = {name for name, value in module.state_dict().items() if not value.shape}
    state = {name: np.array(array).reshape(() if name in scalars else array.shape) for name, array in arrays.items()}
    copy_state(module, {name: torch.from_numpy(array) for name, array in state.items()}, weights)
    return module.eval().requires_grad_(False).to(memory_format=torch.channels_last_3d)


def convert_weights(weights: Path, settings: dict[str, Any], published: Path | None = None) -> None:
    """Write the weights of a backbone that is not pre-trained here: someone else's, or random ones.

    Args:
        weights: written; safetensors with a header.
        settings: sections `backbone` and `clips` of params.yaml, and `seed` (for random weights).
        published: the origin's file; None for where docs/backbones.md says it lies.

    Raises:
        RescoreError: weights that the network does not have, or a file that is missing, unreadable, malicious or does not fit.
    """
    backbone = settings["backbone"]
    module = empty_backbone(settings)
    source = "random" if backbone["weights"] == "random" else ""
    if backbone["weights"] == "pretrained":
        raise RescoreError(
            "backbone.weights is pretrained: the pre-training step writes these weights. Run it instead."
        )
    if backbone["weights"] == "random":
        initialise(module, seeded_generator(settings["seed"], "random backbone"))
    else:
        origin = published_weights(backbone["network"])
        path = published or origin_path(origin)
        verify_checksum(path, origin)
        state = read_state_dict(path, f"Download {origin.url} (docs/backbones.md).")
        copy_state(module, strip_wrapping(state), path)
        source = sha256_file(path)
    header = {
        "what": f"{backbone['network']}, {backbone['weights']}",
        "parameters": settings,
        "data": {"published": source},
        "seed": settings["seed"],
    }
    save_arrays(weights, {name: value.numpy() for name, value in module.state_dict().items()}, header)


def empty_backbone(settings: Mapping[str, Any]) -> nn.Module:
    """The network that the settings ask for, weights not yet meaningful.

    Raises:
        RescoreError: an unknown network, weights it does not have, or sizes it cannot take.
    """
    network, weights = settings["backbone"]["network"], settings["backbone"]["weights"]
    if network != "c3d" and network not in TORCHVISION_NETWORKS:
        raise RescoreError(f"backbone.network is {network}; known: c3d, {', '.join(TORCHVISION_NETWORKS)}.")
    possible = ("pretrained", "sports1m", "random") if network == "c3d" else ("kinetics400", "random")
    if weights not in possible:
        raise RescoreError(f"backbone.weights is {weights}; {network} has {', '.join(possible)}.")
    return c3d_backbone(settings) if network == "c3d" else torchvision_backbone(network)


def c3d_backbone(settings: Mapping[str, Any]) -> C3D:
    backbone = settings["backbone"]
    return C3D(backbone["width"], backbone["convolutions"], settings["clips"]["crop"], backbone["clip_frames"])


def torchvision_backbone(network: str) -> nn.Module:
    """One of torchvision's video networks without its classifier: (N, 3, frames, height, width) -> (N, 512)."""
    from torchvision.models import video  # type: ignore[import-untyped]

    module = getattr(video, network)(weights=None)
    module.fc = nn.Identity()
    return module


def origin_path(published: Published) -> Path:
    """Where a published file lies on this machine.

    Raises:
        RescoreError: it is not there; the message says where to get it.
    """
    path = (published.directory or Path(torch.hub.get_dir()) / "checkpoints") / published.filename
    if not path.is_file():
        raise RescoreError(f"{path}: no such weights. Download {published.url} to this place (docs/backbones.md).")
    return path


def check_header(path: Path, header: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse weights that were made for another input or network than the settings ask for: shapes alone do not tell."""
    made = header.get("parameters", {}).get("backbone", {})
    wanted = settings["backbone"]
    problems = [
        f"{name}: made for {made.get(name)}, asked for {wanted[name]}"
        for name in ("network", "weights", "convolutions", "width", "colour", "clip_frames")
        if made.get(name) != wanted[name]
    ]
    raise_together(f"{path}: weights of another backbone", problems, "run the step that writes the weights again")


def verify_checksum(path: Path, published: Published) -> None:
    """A file that bears the origin's name must be the origin's file, where the origin publishes a checksum."""
    if published.sha256_prefix is None or path.name != published.filename or not path.is_file():
        return
    digest = sha256_file(path)
    if not digest.startswith(published.sha256_prefix):
        raise RescoreError(
            f"{path}: SHA-256 {digest[:16]}..., but the origin's starts with {published.sha256_prefix}. "
            f"Download it again from {published.url}."
        )


def strip_wrapping(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without what DataParallel and feature extractors put before them: `module.conv1.weight` -> `conv1.weight`."""
    return {name.removeprefix("module.").removeprefix("backbone."): value for name, value in state.items()}


def copy_state(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a state dict, classifier layers left out, or say everything that does not fit.

    Raises:
        RescoreError: names the missing tensors, the unexpected ones and those of another shape or with values not finite.
    """
    given = {name: value for name, value in state.items() if not name.startswith(CLASSIFIER_LAYERS)}
    raise_together(
        f"{path}: weights do not fit the backbone",
        differences(module.state_dict(), given),
        "check backbone.network, convolutions and width, and clips.crop, against what the file was made for",
    )
    module.load_state_dict(given)
