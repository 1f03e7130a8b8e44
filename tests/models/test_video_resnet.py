import pytest
import torch
from torchvision.models import video

from rescore.engine.errors import RescoreError
from rescore.models.video_resnet import LAYOUTS, VideoResNet


@pytest.mark.parametrize("name", LAYOUTS)
def test_width_1_is_torchvisions_network(name: str) -> None:
    torch.manual_seed(0)
    theirs = getattr(video, name)(weights=None)
    theirs.fc = torch.nn.Identity()
    ours = VideoResNet(name)
    assert {key: value.shape for key, value in ours.state_dict().items()} == {
        key: value.shape for key, value in theirs.state_dict().items()
    }
    for module in theirs.modules():  # statistics that a fresh network does not have, so that normalisation shows
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    ours.load_state_dict(theirs.state_dict())
    clip = torch.randn(1, 3, 4, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(clip), theirs.eval()(clip), rtol=0, atol=0)


def test_starts_with_torchvisions_variance() -> None:
    torch.manual_seed(0)
    network = VideoResNet("r3d_18", 0.5)
    weight = network.layer2[0].conv1[0].weight
    assert weight.shape == (64, 32, 3, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (64 * 27)) ** 0.5, rel=0.02)
    assert network.features == 256


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(RescoreError, match="backbone is i3d; .*r3d_18, mc3_18, r2plus1d_18"):
        VideoResNet("i3d")
