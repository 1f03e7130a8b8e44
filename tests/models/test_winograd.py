import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rescore.models.winograd import INPUTS, OUTPUTS, WEIGHTS, Convolution3d, Winograd, pays

# Shapes of C3D's layers at the 112 crop and odd ones: several blocks of tiles, heights and times that are no multiple of four.
SHAPES = [(2, 3, 8, 28, 5), (1, 2, 16, 56, 6), (3, 4, 4, 14, 7), (2, 2, 5, 7, 9), (1, 1, 1, 31, 3)]


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.detach().double() - expected.detach()).abs().max() / expected.detach().abs().max())


def test_four_outputs_of_a_row_from_six_products() -> None:
    row, weights = torch.tensor([3.0, -1.0, 4.0, 1.0, -5.0, 9.0]), torch.tensor([2.0, 6.0, -5.0])
    found = OUTPUTS.T @ ((WEIGHTS @ weights) * (INPUTS @ row))
    torch.testing.assert_close(found, F.conv1d(row.view(1, 1, -1), weights.view(1, 1, -1)).flatten())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("working_set", [1, 1e9])
def test_result_and_gradients_equal_the_direct_convolution(
    shape: tuple[int, ...], memory_format: torch.memory_format, working_set: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against float64, whether clips are taken one by one or together."""
    monkeypatch.setattr("rescore.models.winograd.WORKING_SET", working_set)
    generator = torch.Generator().manual_seed(0)
    clips, channels, *size = shape
    x = torch.randn(clips, channels, *size, generator=generator).contiguous(memory_format=memory_format)
    weight = torch.randn(6, channels, 3, 3, 3, generator=generator).contiguous(memory_format=memory_format)
    bias, given = torch.randn(6, generator=generator), torch.randn(clips, 6, *size, generator=generator)
    inputs = [value.requires_grad_() for value in (x, weight, bias)]
    exact = [value.detach().double().requires_grad_() for value in inputs]
    found, expected = Winograd.apply(*inputs), F.conv3d(*exact, padding=1)
    assert relative(found, expected) < 1e-5
    pairs = zip(
        torch.autograd.grad(found, inputs, given), torch.autograd.grad(expected, exact, given.double()), strict=True
    )
    assert [relative(*pair) < 1e-5 for pair in pairs] == [True, True, True]


def test_a_wide_layer_takes_it_and_repeats_to_the_bit() -> None:
    torch.manual_seed(0)
    layer, x = Convolution3d(64, 128), torch.randn(2, 64, 4, 8, 8)
    found = layer(x)
    assert "Winograd" in found.grad_fn.name()
    assert torch.equal(found, F.conv3d(x, layer.weight, layer.bias, padding=1))  # predictions are what they were
    gradients = [torch.autograd.grad(layer(x).square().sum(), list(layer.parameters())) for _ in range(2)]
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    assert {name: tuple(value.shape) for name, value in layer.state_dict().items()} == {
        "weight": (128, 64, 3, 3, 3),
        "bias": (128,),
    }


def test_what_does_not_pay_or_is_not_float32_goes_the_direct_way() -> None:
    layer, narrow, x = Convolution3d(64, 128), Convolution3d(8, 16), torch.randn(1, 64, 4, 8, 8)
    assert pays(x, layer.weight)
    assert not pays(x[:, :8], narrow.weight)
    assert not pays(x[:, :, :2], layer.weight)
    assert not pays(x.double(), layer.weight)
    assert not pays(x.to("meta"), layer.weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert not pays(x, layer.weight)
        assert layer(x).dtype == torch.bfloat16
