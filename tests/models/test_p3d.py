"""P3D: its bottlenecks against torchvision's and against numpy, its shapes, its order."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck as FlatBottleneck

from rescore.engine.errors import RescoreError
from rescore.models.p3d import P3D, Bottleneck, Normalised


def identity_in_time(unit: Normalised) -> None:
    """Make a 3x1x1 convolution give back what it is given (batch norm starts as the identity but for its epsilon)."""
    convolution, norm = unit
    nn.init.zeros_(convolution.weight)
    with torch.no_grad():
        convolution.weight[:, :, 1, 0, 0] = torch.eye(convolution.out_channels)
    norm.eps = 0.0


@pytest.mark.parametrize("kind", ["S", "A"])
def test_without_time_a_bottleneck_is_torchvisions_frame_by_frame(kind: str) -> None:
    torch.manual_seed(0)
    ours, flat = Bottleneck(16, 4, kind).eval(), FlatBottleneck(16, 4).eval()
    with torch.no_grad():
        for unit, number in ((ours.reduce, 1), (ours.spatial, 2), (ours.restore, 3)):
            flat.get_submodule(f"conv{number}").weight.copy_(unit[0].weight[:, :, 0])
        if kind == "A":
            identity_in_time(ours.temporal)
        x = torch.randn(2, 16, 3, 6, 6)
        expected = torch.stack([flat(x[:, :, frame]) for frame in range(3)], 2)
        torch.testing.assert_close(ours(x), expected, rtol=1e-5, atol=1e-5)


def test_the_three_kinds_join_space_and_time_as_the_paper_draws_them() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 5, 6, 6).relu()
    for kind in "ABC":
        block = Bottleneck(16, 4, kind).eval()
        s, t = block.spatial, block.temporal
        with torch.no_grad():
            relu = torch.relu
            expected = {"A": relu(t(relu(s(x)))), "B": relu(s(x)) + relu(t(x)), "C": relu(s(x)) + relu(t(relu(s(x))))}
            torch.testing.assert_close(block.joined(x), expected[kind])


def test_a_temporal_convolution_is_numpys_along_time() -> None:
    torch.manual_seed(0)
    unit = Bottleneck(4, 1, "A").temporal.eval()
    x = torch.randn(1, 1, 7, 2, 2)
    kernel = unit[0].weight[0, 0, :, 0, 0].detach().numpy()
    expected = np.apply_along_axis(lambda line: np.correlate(line, kernel, "same"), 0, x[0, 0].numpy())
    np.testing.assert_allclose(unit(x)[0, 0].detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_p3d_199_has_its_blocks_in_turns_and_leaves_one_map_of_16_frames() -> None:
    with torch.device("meta"):
        network, clips = P3D(), torch.zeros(2, 3, 16, 112, 112)
        shapes: list[torch.Size] = []
        for group in network.groups:
            group.register_forward_hook(lambda _module, _given, found: shapes.append(found.shape))
        found = network(clips)
    kinds = "".join(block.kind for group in network.groups for block in group)
    assert kinds == ("ABC" * 16)[:47] + "SSS"
    assert [tuple(shape[1:]) for shape in shapes] == [
        (256, 8, 27, 27),
        (512, 4, 14, 14),
        (1024, 2, 7, 7),
        (2048, 1, 4, 4),
    ]
    assert found.shape == (2, 2048)


def test_sizes_that_leave_nothing_are_refused() -> None:
    with pytest.raises(RescoreError, match="four groups"):
        P3D((1, 1, 1))
    with pytest.raises(RescoreError, match="16 frames of 16 pixels, not 8 of 32"):
        P3D((1, 1, 1, 1), 0.0625)(torch.zeros(1, 3, 8, 32, 32))
