"""Networks of semi-supervised assessment: gradients against autograd by hand, layers against torch's own, members apart."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.s4aqa import (
    AssessmentNetwork,
    Perceptron,
    StackedLinear,
    mask_segments,
    reorder_segments,
    reverse_gradient,
    score_distributions,
    segments_at,
    virtual_adversarial_perturbation,
)

SETTINGS = {
    "encoder": {"segment_width": 5, "width": 6},
    "decoder_width": 7,
    "discriminator_width": 4,
    "c3d_avg": {"width": 8},
    "s4l": {"orders": 3},
    "usdl": {"bins": 21, "sd": 2, "widths": [9]},
}
VAT = {"epsilon": 0.1, "xi": 1e-3, "power_iterations": 1}


def segments(members: int = 2, batch: int = 3, count: int = 4, width: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(members, batch, count, width, generator=torch.Generator().manual_seed(seed))


def test_the_reversed_gradient_is_the_identity_with_minus_the_gradient():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    y = reverse_gradient(x, 0.7)
    assert torch.equal(y, x)
    (gradient,) = torch.autograd.grad((y**3).sum(), x)
    torch.testing.assert_close(gradient, -0.7 * 3 * x.detach() ** 2)
    # Numerically: the function that is differentiated is the identity, so a finite difference has the other sign.
    step = 1e-6
    numeric = ((x.detach() + step) ** 3 - (x.detach() - step) ** 3) / (2 * step)
    torch.testing.assert_close(gradient, -0.7 * numeric, rtol=1e-6, atol=1e-6)


def test_a_discriminator_behind_it_descends_while_the_encoder_ascends():
    encoder, discriminator = nn.Linear(3, 2), nn.Linear(2, 1)
    x, label = torch.randn(5, 3), torch.tensor([[1.0], [1], [0], [0], [0]])
    plain = F.binary_cross_entropy_with_logits(discriminator(encoder(x)), label)
    wanted = torch.autograd.grad(plain, [encoder.weight, discriminator.weight])
    reversed_ = F.binary_cross_entropy_with_logits(discriminator(reverse_gradient(encoder(x), 2.0)), label)
    found = torch.autograd.grad(reversed_, [encoder.weight, discriminator.weight])
    torch.testing.assert_close(found[0], -2 * wanted[0])
    torch.testing.assert_close(found[1], wanted[1])


def test_stacked_layers_are_torchs_member_by_member():
    stack = Perceptron([3, 4], "test", [5, 6, 2])
    x = torch.randn(2, 7, 5)
    for member in range(2):
        first, second = (nn.Linear(5, 6), nn.Linear(6, 2))
        for layer, stacked in zip((first, second), stack.layers, strict=True):
            layer.weight.data, layer.bias.data = stacked.weight[member].T, stacked.bias[member, 0]
        torch.testing.assert_close(stack(x)[member], second(F.relu(first(x[member]))))


def test_a_layers_start_depends_on_its_member_and_name_alone():
    alone, stacked = StackedLinear([7], "a", 4, 3), StackedLinear([5, 7], "a", 4, 3)
    assert torch.equal(alone.weight[0], stacked.weight[1])
    assert not torch.equal(stacked.weight[0], stacked.weight[1])
    assert not torch.equal(StackedLinear([7], "b", 4, 3).weight, alone.weight)
    assert stacked.weight.abs().max() <= 0.5


def test_no_member_sees_another():
    network = AssessmentNetwork(("regressor",), [0, 1], 4, 5, SETTINGS)
    x = segments().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x)[0].sum(), x)
    assert gradient[0].abs().sum() > 0
    assert not gradient[1].any()


def test_masked_segments_are_filled_and_the_others_stay():
    x = segments()
    masked = torch.tensor([[0, 1, 2], [3, 3, 0]])
    zero, mean = (mask_segments(x, masked, fill) for fill in ("zero", "mean_of_others"))
    for member in range(2):
        for sample in range(3):
            k = int(masked[member, sample])
            others = [place for place in range(4) if place != k]
            assert torch.equal(zero[member, sample, others], x[member, sample, others])
            assert torch.equal(mean[member, sample, others], x[member, sample, others])
            assert not zero[member, sample, k].any()
            torch.testing.assert_close(mean[member, sample, k], x[member, sample, others].mean(0))
            assert torch.equal(segments_at(x, masked)[member, sample], x[member, sample, k])
    with pytest.raises(RescoreError, match="masked_slot"):
        mask_segments(x, masked, "noise")


def test_orders_show_the_named_segments():
    x, orders = segments(1, 2), torch.tensor([[[0, 1, 2, 3], [2, 0, 3, 1]]])
    shown = reorder_segments(x, orders)
    assert torch.equal(shown[0, 0], x[0, 0])
    assert torch.equal(shown[0, 1], x[0, 1, [2, 0, 3, 1]])


class LinearScore(nn.Module):
    """A score whose worst direction is known: the weights themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 5, generator=torch.Generator().manual_seed(3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.weight).sum((2, 3))


@pytest.mark.parametrize("iterations", [1, 3])
def test_the_adversarial_direction_of_a_linear_score_is_its_gradient(iterations):
    network, x = LinearScore(), segments()
    change = virtual_adversarial_perturbation(network, x, segments(seed=1), VAT | {"power_iterations": iterations})
    wanted = network.weight.detach() / network.weight.detach().norm()
    lengths = change.flatten(2).norm(dim=2)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 0.1 * 20**0.5))
    cosine = (change / lengths[..., None, None] * wanted).sum((2, 3)).abs()
    torch.testing.assert_close(cosine, torch.ones_like(cosine), rtol=1e-4, atol=1e-4)


def test_the_adversarial_direction_moves_a_networks_score_more_than_random_ones():
    network = AssessmentNetwork(("regressor",), [0, 1], 4, 5, SETTINGS)
    before = copy.deepcopy(network.state_dict())
    x = segments(batch=20)
    change = virtual_adversarial_perturbation(network, x, segments(batch=20, seed=1), VAT)
    assert not change.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    with torch.no_grad():
        moved = (network(x + change) - network(x)).square()
        for seed in range(2, 12):
            noise = segments(batch=20, seed=seed)
            noise = noise / noise.flatten(2).norm(dim=2)[..., None, None] * 0.1 * 20**0.5
            assert moved.mean() > (network(x + noise) - network(x)).square().mean()


def test_a_networks_worst_direction_is_its_own_gradient():
    network = AssessmentNetwork(("regressor",), [0], 4, 5, SETTINGS).double()
    x = segments(1, 6).double()
    change = virtual_adversarial_perturbation(network, x, segments(1, 6, seed=1).double(), VAT | {"xi": 1e-6})
    probe = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(probe).sum(), probe)
    cosine = F.cosine_similarity(change.flatten(2), gradient.flatten(2), dim=2).abs()
    torch.testing.assert_close(cosine, torch.ones_like(cosine), rtol=1e-4, atol=1e-4)


def test_score_distributions_add_up_and_peak_at_the_score():
    scores = torch.tensor([[-1.2, 0.0, 2.4]])
    found = score_distributions(scores, 21, 2)
    torch.testing.assert_close(found.sum(2), torch.ones(1, 3))
    values = torch.linspace(-3, 3, 21)
    torch.testing.assert_close(values[found.argmax(2)], scores)
    peak = found[0, 1, 10]
    assert float(found[0, 1, 12] / peak) == pytest.approx(2.718281828 ** (-0.5), rel=1e-4)  # one deviation aside


def test_a_distribution_networks_score_is_its_likeliest_bin():
    network = AssessmentNetwork(("trunk", "bins"), [0], 4, 5, SETTINGS)
    x = segments(1)
    assert set(network(x).flatten().tolist()) <= set(torch.linspace(-3, 3, 21).tolist())
    assert network.bins(network.encoder(x)).shape == (1, 3, 21)
