"""Estimators of an athlete's joints in a picture: torchvision's Keypoint R-CNN, and a small heat-map network of our own.

published file ─► convert_weights ─┐
training.keypoints.train ──────────┴─► weights.safetensors ─► build_locator ─► features.poses

Both give the same thirteen joints, so that what reads poses need not know which estimator made them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays, save_arrays, sha256_file
from rescore.models.backbones import Published, origin_path, verify_checksum
from rescore.models.state_dicts import differences, read_state_dict

LIMBS = ("shoulder", "elbow", "hand", "hip", "knee", "ankle")
JOINTS = ("head", *(f"{side}_{limb}" for side in ("left", "right") for limb in LIMBS))
"""The thirteen joints of every pose; `hand` is Keypoint R-CNN's wrist."""
COCO_FACE = (0, 1, 2, 3, 4)
"""Nose, eyes and ears: their mean is the head."""
COCO_JOINTS = (5, 7, 9, 11, 13, 15, 6, 8, 10, 12, 14, 16)
"""COCO's numbers of JOINTS without the head."""
KEYPOINT_RCNN, HEAT_MAP = "keypoint_rcnn", "heat_map"
PUBLISHED = Published(
    KEYPOINT_RCNN,
    "https://download.pytorch.org/models/keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    "fc266e95",
    "rgb",
    "COCO val2017: box AP 54.6, keypoint AP 65.0 (torchvision)",
)
STRIDE = 2
"""Pixels from one cell of a heat map to the next; cell c lies at pixel 2 c."""
Locator = Callable[[np.ndarray], np.ndarray]
"""uint8 (frames, height, width, 3) RGB -> float32 (frames, 13, 2): column and row in pixels, NaN where no joint was found."""


class HeatMapNetwork(nn.Module):
    """A small hourglass: (N, 3, height, width) in 0..1 -> logits (N, 13, height / 2, width / 2), one map a joint.

    Against each map stands one constant logit of 0, "the joint is not in the picture": all maps of hidden joints are below it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down1 = layer(3, channels, STRIDE)
        self.down2 = layer(channels, 2 * channels, 2)
        self.down3 = layer(2 * channels, 4 * channels, 2)
        self.middle = layer(4 * channels, 4 * channels)
        self.up2 = layer(4 * channels, 2 * channels)
        self.up1 = layer(2 * channels, 2 * channels)
        self.maps = nn.Conv2d(2 * channels, len(JOINTS), 1)
        self.narrow = nn.Conv2d(channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down1(x - 0.5)
        coarse = self.down2(fine)
        x = self.middle(self.down3(coarse))
        x = self.up2(functional.interpolate(x, size=coarse.shape[-2:])) + coarse
        x = self.up1(functional.interpolate(x, size=fine.shape[-2:])) + self.narrow(fine)
        return self.maps(functional.relu(x))


def layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 convolution, batch normalisation, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def log_probabilities(logits: Tensor) -> Tensor:
    """(N, joints, 1 + cells) of maps (N, joints, height, width): first that the joint is not in the picture, then each cell."""
    absent = logits.new_zeros(*logits.shape[:2], 1)
    return functional.log_softmax(torch.cat([absent, logits.flatten(2)], dim=2), dim=2)


def joint_targets(joints: Tensor, height: int, width: int, spread: float = 0.7) -> Tensor:
    """The distribution that the network learns: (N, joints, 1 + height x width) from pixels (N, joints, 2), NaN where hidden.

    Args:
        height, width: of the maps, cells.
        spread: standard deviation of the bell around a joint, cells.
    """
    cells = joints / STRIDE
    limits = joints.new_tensor([width - 0.5, height - 0.5])
    hidden = ~((cells > -0.5) & (cells < limits)).all(dim=-1)  # NaN is neither
    cells = cells.nan_to_num(0.0)
    across = (torch.arange(width, device=joints.device) - cells[..., :1]).square()  # (N, joints, width)
    down = (torch.arange(height, device=joints.device) - cells[..., 1:]).square()  # (N, joints, height)
    bell = torch.exp(-(down[..., :, None] + across[..., None, :]) / (2 * spread**2)).flatten(2)
    bell = torch.where(hidden[..., None], 0.0, bell / bell.sum(dim=2, keepdim=True).clamp_min(1e-12))
    return torch.cat([hidden[..., None].to(bell.dtype), bell], dim=2)


def locate(logits: Tensor, least: float) -> Tensor:
    """Joints (N, 13, 2) in pixels from maps (N, 13, height, width); NaN where one is less than `least` likely to be seen.

    The place is the mean over the 3 x 3 cells around the likeliest one, weighted by their probability.
    """
    height, width = logits.shape[-2:]
    probability = log_probabilities(logits).exp()
    seen = 1 - probability[..., :1]
    maps = probability[..., 1:]  # (N, joints, cells)
    best = maps.argmax(dim=2, keepdim=True)
    row, column = best // width, best % width
    rows, columns = (torch.arange(size, device=logits.device) for size in (height, width))
    near_row, near_column = ((rows - row).abs() <= 1), ((columns - column).abs() <= 1)
    near = (near_row[..., :, None] & near_column[..., None, :]) * maps.unflatten(2, (height, width))
    weight = near.sum(dim=(2, 3))
    x = (near.sum(dim=2) * columns).sum(dim=2) / weight
    y = (near.sum(dim=3) * rows).sum(dim=2) / weight
    return torch.where(seen >= least, STRIDE * torch.stack([x, y], dim=-1), torch.nan)


def empty_network(settings: Mapping[str, Any]) -> nn.Module:
    """The estimator that the settings ask for, weights not yet meaningful; nothing is downloaded.

    Raises:
        RescoreError: no such estimator.
    """
    estimator = settings["poses"]["estimator"]
    if estimator == HEAT_MAP:
        return HeatMapNetwork(int(settings["poses"]["training"]["channels"]))
    if estimator == KEYPOINT_RCNN:
        return keypoint_rcnn()
    raise RescoreError(
        f"poses.estimator is {estimator!r}; it is `{KEYPOINT_RCNN}` or `{HEAT_MAP}`. Correct params.yaml."
    )


def keypoint_rcnn() -> nn.Module:
    """torchvision's keypointrcnn_resnet50_fpn as its published COCO weights expect it: frozen batch normalisation, epsilon 0."""
    from torchvision.models.detection import KeypointRCNN  # type: ignore[import-untyped]
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone  # type: ignore[import-untyped]
    from torchvision.ops.misc import FrozenBatchNorm2d  # type: ignore[import-untyped]

    body = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=3)
    module = KeypointRCNN(body, num_classes=2, num_keypoints=17)
    for part in module.modules():
        if isinstance(part, FrozenBatchNorm2d):
            part.eps = 0.0
    return module


def convert_weights(weights: Path, settings: dict[str, Any], published: Path | None = None) -> None:
    """Write Keypoint R-CNN's published weights as safetensors.

    Args:
        weights: written, with a header.
        settings: section `poses` of params.yaml.
        published: torchvision's file; None for torch's own cache, where it must lie already: nothing is downloaded.

    Raises:
        RescoreError: the file is missing (the message says where to get it and where to put it), fails its checksum, is
            unreadable or malicious, or does not fit the network.
    """
    module = empty_network(settings)
    path = published or origin_path(PUBLISHED)
    verify_checksum(path, PUBLISHED)
    copy_state(module, read_state_dict(path, f"Download {PUBLISHED.url} (docs/systems/poses.md)."), path)
    save_network(weights, module, settings, {"published": sha256_file(path)})


def save_network(
    weights: Path,
    module: nn.Module,
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    training: int | None = None,
) -> None:
    """Write an estimator's weights; the header says which estimator, from what data, and of which training."""
    header = {
        "what": settings["poses"]["estimator"],
        "parameters": dict(settings),
        "data": dict(data),
        "training": training,
    }
    save_arrays(weights, {name: value.cpu().numpy() for name, value in module.state_dict().items()}, header)


def copy_state(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a state dict, or say everything that does not fit.

    Raises:
        RescoreError: missing, unexpected, mis-shaped or non-finite tensors.
    """
    raise_together(
        f"{path}: weights do not fit the pose estimator",
        differences(module.state_dict(), state),
        "check poses.estimator and poses.training.channels in params.yaml against what the file was made for",
    )
    module.load_state_dict(state)


def build_network(settings: Mapping[str, Any], weights: Path) -> nn.Module:
    """The estimator with its weights, frozen, in evaluation mode, on the CPU.

    Raises:
        RescoreError: the file is missing, unreadable, or was made for another estimator.
    """
    module = empty_network(settings)
    arrays, header = load_arrays(weights)
    wanted = settings["poses"]["estimator"]
    if header.get("what") != wanted:
        raise RescoreError(
            f"{weights}: weights of {header.get('what')}, but poses.estimator is {wanted}. "
            "Run the step that writes them again."
        )
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    # Scalars (batch normalisation's counters) come back as arrays of one value.
    state = {
        name: torch.from_numpy(np.array(array)).reshape(shapes[name] if shapes.get(name) == () else array.shape)
        for name, array in arrays.items()
    }
    copy_state(module, state, weights)
    return module.eval().requires_grad_(False)


def build_locator(settings: Mapping[str, Any], weights: Path, device: torch.device) -> Locator:
    """A function from pictures to joints; see `Locator`.

    Raises:
        RescoreError: see `build_network`.
    """
    network = build_network(settings, weights).to(device)
    least = float(settings["poses"]["least_confidence"])
    if settings["poses"]["estimator"] == HEAT_MAP:
        network = network.to(memory_format=torch.channels_last)
        return lambda frames: locate(network(as_input(frames, device)), least).cpu().numpy()
    return lambda frames: locate_person(network(list(as_input(frames, device))), least)


def as_input(frames: np.ndarray, device: torch.device) -> Tensor:
    """float32 (N, 3, height, width) in 0..1, channels last, of uint8 (N, height, width, 3)."""
    return torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float().div_(255)


def locate_person(found: list[dict[str, Tensor]], least: float) -> np.ndarray:
    """Joints (pictures, 13, 2) of the likeliest person in each picture; NaN where none is at least `least` likely.

    Args:
        found: what Keypoint R-CNN gives: `scores` (persons,), `keypoints` (persons, 17, 3), for each picture.
    """
    joints = np.full((len(found), len(JOINTS), 2), np.nan, np.float32)
    for number, persons in enumerate(found):
        scores = persons["scores"].cpu().numpy()
        if len(scores) and scores.max() >= least:
            points = persons["keypoints"][int(scores.argmax()), :, :2].cpu().numpy()
            joints[number, 0] = points[list(COCO_FACE)].mean(axis=0)
            joints[number, 1:] = points[list(COCO_JOINTS)]
    return joints
