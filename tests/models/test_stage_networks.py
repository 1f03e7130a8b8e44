"""S3D's and Li et al.'s networks: what belongs to which part of a dive, and their losses."""

import numpy as np
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.systems.li.network import LiNetwork, clip_frames_of, ranking_loss
from rescore.systems.s3d.network import S3D


@pytest.mark.parametrize("fusion", ["mean", "concatenation"])
def test_each_stage_has_a_network_of_its_own(fusion: str) -> None:
    torch.manual_seed(0)
    network = S3D((1, 1, 1, 1), 0.0625, fusion).eval()
    video = torch.randn(2, 3, 64, 32, 32)
    changed = video.clone()
    changed[:, :, 32:48] += 1.0  # the third stage
    with torch.no_grad():
        before, after = network(video), network(changed)
        alone = network.stage_heads[2](network.bodies[2](video[:, :, 32:48]))
    assert before["score"].shape == (2,)
    differs = (before["stages"] != after["stages"]).all(0).tolist()
    assert differs == [False, False, True, False]
    assert (before["score"] != after["score"]).all()
    torch.testing.assert_close(before["stages"][:, 2:3], alone)


def test_the_fused_score_of_mean_features_is_linear_in_them() -> None:
    torch.manual_seed(0)
    network, video = S3D((1, 1, 1, 1), 0.0625).eval(), torch.randn(2, 3, 64, 32, 32)
    network.start_scores(4.0)
    with torch.no_grad():
        features = [body(part) for body, part in zip(network.bodies, video.chunk(4, 2), strict=True)]
        expected = sum(features) / 4 @ network.score_head.weight[0] + 4.0
        torch.testing.assert_close(network(video)["score"], expected)


def test_s3ds_loss_is_that_of_the_score_and_of_the_stages() -> None:
    outputs = {"score": torch.tensor([1.0, 3.0]), "stages": torch.tensor([[1.0, 2.0, 0.0, 1.0], [2.0, 2.0, 2.0, 6.0]])}
    target = torch.tensor([1.0, 2.0])
    score, stages = np.mean([0.0, 1.0]), np.mean([0, 1, 1, 0, 0, 0, 0, 16])
    network = S3D((1, 1, 1, 1), 0.0625, stage_loss=0.5)
    assert float(network.losses(outputs, {"score": target}, {})["total"]) == pytest.approx(score + 0.5 * stages)


def test_the_ranking_loss_is_the_mean_hinge_of_all_pairs() -> None:
    torch.manual_seed(1)
    predicted, target = torch.randn(7, dtype=torch.float64), torch.randint(0, 4, (7,)).double()
    hinges = [
        max(0.0, 0.3 - float(predicted[better] - predicted[worse]))
        for better in range(7)
        for worse in range(7)
        if target[better] > target[worse]
    ]
    assert float(ranking_loss(predicted, target, 0.3)) == pytest.approx(np.mean(hinges))
    assert float(ranking_loss(predicted, torch.ones(7), 0.3)) == 0.0
    assert float(ranking_loss(target, target, 0.3)) == 0.0  # ranked right, each by more than the margin
    network = LiNetwork(2, 16, 0.0625, 32, ranking_weight=2.0, ranking_margin=0.3)
    found = network.losses({"score": predicted}, {"score": target}, {})["total"]
    assert float(found) == pytest.approx(float(((predicted - target) ** 2).mean()) + 2 * np.mean(hinges))
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ranking_loss(x, target, 0.3), predicted)


def test_each_clip_has_a_c3d_of_its_own() -> None:
    torch.manual_seed(0)
    network = LiNetwork(3, 16, 0.0625, 32).eval()
    video = torch.randn(1, 3, 48, 32, 32)
    maps = []
    network.bodies[1].register_forward_hook(lambda _module, given, _found: maps.append(given[0]))
    network(video)["score"].sum().backward()
    torch.testing.assert_close(maps[0], video[:, :, 16:32])
    gradients = [float(body.conv1.weight.grad.abs().sum()) for body in network.bodies]
    assert min(gradients) > 0
    assert len(set(gradients)) == 3


def test_nine_clips_are_spread_over_the_window() -> None:
    np.testing.assert_array_equal(clip_frames_of(144, 9, 16), np.arange(144))
    paper = clip_frames_of(103, 9, 16).reshape(9, 16)
    assert (paper[0, 0], paper[-1, -1]) == (0, 102)
    assert (np.diff(paper) == 1).all()
    assert set(np.diff(paper[:, 0])) == {10, 11}
    with pytest.raises(RescoreError, match="no clip of 16"):
        clip_frames_of(15, 9, 16)
