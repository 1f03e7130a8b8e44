import itertools

import pytest
import torch
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.c3d import C3D, LAYOUTS, C3DBody, C3DClassifier, forward_flops, initialise
from rescore.models.device import seeded_generator

EIGHT = [("conv1", "p1"), ("conv2", "p2"), ("conv3a", ""), ("conv3b", "p3"), ("conv4a", ""), ("conv4b", "p4")]
EIGHT += [("conv5a", ""), ("conv5b", "p5")]
FIVE = [("conv1", "p1"), ("conv2", "p2"), ("conv3", "p3"), ("conv4", "p4"), ("conv5", "p5")]


def narrow(convolutions: int = 8, crop: int = 56) -> C3D:
    network = C3D(width=0.0625, convolutions=convolutions, crop=crop)
    initialise(network, seeded_generator(1, "test"))
    return network.eval()


def reference(network: C3D, clips: torch.Tensor, order: list[tuple[str, str]]) -> dict[str, torch.Tensor]:
    """C3D written out from the paper, ReLU before pooling, in float64 and the default memory order."""
    weights, outputs, x = network.double().state_dict(), {}, clips.double()
    for name, pool in order:
        x = F.relu(F.conv3d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))
        outputs[name] = x
        if pool:
            kernel = (1, 2, 2) if pool == "p1" else (2, 2, 2)
            x = F.max_pool3d(x, kernel, kernel, padding=(0, 1, 1) if pool == "p5" else (0, 0, 0))
    outputs["pool5"] = x
    outputs["fc6"] = F.relu(x.flatten(1) @ weights["fc6.weight"].T + weights["fc6.bias"])
    return outputs


def test_public_layout_has_the_public_ports_names_shapes_and_size() -> None:
    with torch.device("meta"):
        network = C3DClassifier(487)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert list(shapes)[::2] == [
        f"{name}.weight"
        for name in ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b", "fc6", "fc7", "fc8")
    ]
    assert shapes["conv1.weight"] == (64, 3, 3, 3, 3)
    assert shapes["conv3b.weight"] == (256, 256, 3, 3, 3)
    assert shapes["conv5b.weight"] == (512, 512, 3, 3, 3)
    assert shapes["fc6.weight"] == (4096, 8192)
    assert shapes["fc8.weight"] == (487, 4096)
    channels = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    by_hand = sum(27 * a * b + b for a, b in itertools.pairwise(channels))
    by_hand += 8193 * 4096 + 4097 * 4096 + 4097 * 487
    assert sum(value.numel() for value in network.parameters()) == by_hand == 79_991_015
    assert round((by_hand - 4097 * 487) / 1e6, 1) == 78.0  # the usual figure leaves fc8 out


def test_smaller_version_has_five_convolutions_and_fc6_of_2048() -> None:
    with torch.device("meta"):
        network = C3D(convolutions=5)
    assert [network.get_parameter(f"{name}.weight").shape[0] for name in network.convolution_names] == [
        64,
        128,
        256,
        256,
        256,
    ]
    assert tuple(network.fc6.weight.shape) == (2048, 256 * 4 * 4)


@pytest.mark.parametrize(("convolutions", "order"), [(8, EIGHT), (5, FIVE)])
@pytest.mark.parametrize("crop", [56, 112])
def test_forward_and_activations_equal_the_network_written_out(
    convolutions: int, order: list[tuple[str, str]], crop: int
) -> None:
    clips = torch.randn(2, 3, 16, crop, crop, generator=torch.Generator().manual_seed(0))
    network = narrow(convolutions, crop)
    fast = network.to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        fc6 = fast(clips.contiguous(memory_format=torch.channels_last_3d))
        pool5 = C3DBody.forward(fast, clips)
        activations = fast.activations(clips)
        expected = reference(network, clips, order)
    assert fc6.shape == (2, network.features)
    assert list(activations) == [name for name, _ in LAYOUTS[convolutions]]
    for name, value in {**activations, "pool5": pool5, "fc6": fc6}.items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-3, atol=1e-4)
    assert pool5.flatten(1).shape[1] == network.pool5_size(crop)


@pytest.mark.parametrize("crop", [16, 40, 56, 90, 112, 128])
def test_any_crop_gives_features(crop: int) -> None:
    with torch.inference_mode():
        assert narrow(crop=crop)(torch.zeros(1, 3, 16, crop, crop)).shape == (1, 256)


def test_longer_clips_keep_their_time() -> None:
    body = C3DBody(0.0625)
    assert body(torch.zeros(1, 3, 32, 56, 56)).flatten(1).shape[1] == body.pool5_size(56, 32)


def test_pool5_of_the_papers_crop_is_8192() -> None:
    with torch.device("meta"):
        assert C3DBody().pool5_size(112) == 8192


@pytest.mark.parametrize("arguments", [{"crop": 15}, {"frames": 8}, {"convolutions": 6}])
def test_impossible_sizes_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(RescoreError, match="C3D"):
        C3D(0.0625, **arguments)


def test_dropout_acts_in_training_only_and_fc8_has_no_relu() -> None:
    network = C3DClassifier(5, 0.0625, crop=32)
    initialise(network, seeded_generator(0, "test"))
    clips = torch.randn(4, 3, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    assert not torch.equal(network(clips), network(clips))
    network.eval()
    assert torch.equal(network(clips), network(clips))
    assert bool((network(clips) < 0).any())


def test_initialisation_keeps_the_signal_through_eight_layers_and_depends_on_the_seed() -> None:
    network = C3D(width=0.125, crop=56)
    initialise(network, seeded_generator(0, "test"))
    clips = torch.randn(4, 3, 16, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        spread = {name: float(value.square().mean().sqrt()) for name, value in network.activations(clips).items()}
    assert 0.2 < spread["conv5b"] / spread["conv1"] < 20
    again, other = C3D(width=0.125, crop=56), C3D(width=0.125, crop=56)
    initialise(again, seeded_generator(0, "test"))
    initialise(other, seeded_generator(1, "test"))
    assert torch.equal(network.fc6.weight, again.fc6.weight)
    assert not torch.equal(network.fc6.weight, other.fc6.weight)


@pytest.mark.parametrize("convolutions", [8, 5])
def test_flops_equal_the_frameworks_own_count(convolutions: int) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = narrow(convolutions)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 16, 56, 56))
    assert forward_flops(network) == counter.get_total_flops()
