"""The joint estimators: maps and joints, torchvision's network in the published layout, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.models.keypoints import (
    JOINTS,
    PUBLISHED,
    STRIDE,
    build_locator,
    build_network,
    convert_weights,
    empty_network,
    joint_targets,
    keypoint_rcnn,
    locate,
    locate_person,
    log_probabilities,
    save_network,
)

HEAT_MAP: dict[str, Any] = {
    "seed": 0,
    "poses": {"estimator": "heat_map", "least_confidence": 0.5, "training": {"channels": 4}},
}
RCNN: dict[str, Any] = {"poses": {"estimator": "keypoint_rcnn", "least_confidence": 0.5}}


def test_a_joint_put_into_a_map_is_read_out_of_it():
    joints = torch.rand(50, len(JOINTS), 2, generator=torch.Generator().manual_seed(0)) * 30 + 4
    target = joint_targets(joints, 20, 24)
    torch.testing.assert_close(target.sum(dim=2), torch.ones(50, len(JOINTS)))
    maps = (target[..., 1:].clamp_min(1e-9).log() + 8).unflatten(2, (20, 24))
    assert float((locate(maps, 0.5) - joints).abs().max()) < 0.25 * STRIDE


def test_hidden_joints_are_targets_of_their_own_and_nan_when_read():
    joints = torch.full((1, len(JOINTS), 2), torch.nan)
    joints[0, 0] = torch.tensor([10.0, 6.0])
    joints[0, 1] = torch.tensor([-3.0, 6.0])  # left of the picture
    joints[0, 2] = torch.tensor([10.0, 60.0])  # below it
    target = joint_targets(joints, 20, 20)
    assert target[0, :, 0].tolist() == [0.0] + [1.0] * (len(JOINTS) - 1)
    maps = torch.full((1, len(JOINTS), 20, 20), -20.0)
    maps[0, 0, 3, 5] = 20.0
    found = locate(maps, 0.5)
    assert found[0, 0].tolist() == [10.0, 6.0]
    assert bool(found[0, 1:].isnan().all())
    probability = log_probabilities(maps).exp()
    assert float(probability.sum(dim=2).sub(1).abs().max()) < 1e-6


def test_the_network_takes_any_picture_and_comes_back_from_its_file(tmp_path):
    torch.manual_seed(0)
    network = empty_network(HEAT_MAP)
    for size in (40, 56, 57):
        assert network(torch.zeros(2, 3, size, size)).shape[:2] == (2, len(JOINTS))
    network.eval()
    path = tmp_path / "weights.safetensors"
    save_network(path, network, HEAT_MAP, {}, "rescore.models.keypoints")
    pictures = np.random.default_rng(0).integers(0, 255, (2, 40, 40, 3), dtype=np.uint8)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    torch.testing.assert_close(build_network(HEAT_MAP, path)(x), network(x))
    lenient = HEAT_MAP | {"poses": HEAT_MAP["poses"] | {"least_confidence": 0.0}}
    joints = build_locator(lenient, path, torch.device("cpu"))(pictures)
    assert joints.shape == (2, len(JOINTS), 2)
    assert ((joints >= 0) & (joints < 40)).all()
    with pytest.raises(RescoreError, match="weights of heat_map, but poses.estimator is keypoint_rcnn"):
        build_network(RCNN, path)


def test_the_likeliest_person_gives_the_thirteen_joints():
    points = torch.arange(2 * 17 * 3, dtype=torch.float32).reshape(2, 17, 3)
    nobody = {"scores": torch.zeros(0), "keypoints": torch.zeros(0, 17, 3)}
    found = locate_person([{"scores": torch.tensor([0.6, 0.9]), "keypoints": points}, nobody], 0.5)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[0, 0], points[1, :5, :2].mean(dim=0))
    assert JOINTS[3] == "left_hand"
    np.testing.assert_allclose(found[0, 3], points[1, 9, :2])  # COCO's left wrist
    assert JOINTS[12] == "right_ankle"
    np.testing.assert_allclose(found[0, 12], points[1, 16, :2])
    assert np.isnan(locate_person([{"scores": torch.tensor([0.4]), "keypoints": points[:1]}], 0.5)).all()


def test_published_weights_are_checked_converted_and_run_offline(tmp_path, monkeypatch):
    """A file in the published layout, made here: the network that torchvision builds for its own weights has the same names."""
    from torchvision.models.detection import keypointrcnn_resnet50_fpn

    torch.manual_seed(0)
    theirs = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict()
    names = {name for name in theirs if not name.endswith("num_batches_tracked")}  # frozen normalisation has none
    assert names == set(keypoint_rcnn().state_dict())
    published = tmp_path / "other.pth"
    torch.save({name: theirs[name] for name in names}, published)
    path = tmp_path / "weights.safetensors"
    convert_weights(path, RCNN, published)
    network = build_network(RCNN, path)
    network.transform.min_size, network.transform.max_size = (64,), 64  # 800 pixels take seconds on a processor
    with torch.inference_mode():
        assert locate_person(network([torch.rand(3, 56, 56)]), 0.5).shape == (1, len(JOINTS), 2)

    forged = tmp_path / PUBLISHED.filename
    published.rename(forged)
    with pytest.raises(RescoreError, match=r"SHA-256 .*fc266e95"):
        convert_weights(path, RCNN, forged)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    with pytest.raises(
        RescoreError, match=r"no such weights. Download https://download.pytorch.org/models/keypointrcnn"
    ):
        convert_weights(path, RCNN)


def test_an_unknown_estimator_is_refused():
    with pytest.raises(RescoreError, match="keypoint_rcnn"):
        empty_network({"poses": {"estimator": "openpose"}})
