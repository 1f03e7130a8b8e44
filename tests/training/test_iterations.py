from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rescore.engine.errors import RescoreError
from rescore.training.iterations import iterate
from rescore.training.schedule import orders, stops


def stacked(start: list[float], targets: list[float]) -> tuple[nn.Parameter, Callable[[int], Tensor]]:
    """Networks of one weight each that do not know of each other, and their squared errors."""
    weights = nn.Parameter(torch.tensor(start))
    return weights, lambda iteration: (weights - torch.tensor(targets)).square()


def test_stacked_networks_learn_each_its_own_and_losses_are_those_before_the_step() -> None:
    weights, losses = stacked([0.0, 10.0], [1.0, -3.0])
    optimiser = torch.optim.SGD([weights], 0.1)
    taken = [(done, found.tolist()) for done, found in iterate(optimiser, losses, range(80), ["a", "b"], "wait.")]
    assert [done for done, _ in taken] == list(range(1, 81))
    assert taken[0][1] == [1.0, 169.0]
    assert weights.tolist() == pytest.approx([1.0, -3.0], abs=1e-4)


def test_steps_that_are_done_already_are_not_taken() -> None:
    weights, losses = stacked([0.0], [1.0])
    whole, whole_losses = stacked([0.0], [1.0])
    list(iterate(torch.optim.SGD([whole], 0.1), whole_losses, range(7), ["a"], "wait."))
    list(iterate(torch.optim.SGD([weights], 0.1), losses, range(4), ["a"], "wait."))
    rest = [done for done, _ in iterate(torch.optim.SGD([weights], 0.1), losses, range(4, 7), ["a"], "wait.")]
    assert rest == [5, 6, 7]
    assert torch.equal(weights, whole)


def test_losses_that_are_not_finite_are_named_together_and_no_step_is_taken() -> None:
    weights = nn.Parameter(torch.ones(3))
    optimiser = torch.optim.SGD([weights], 0.1)
    factors = [[1.0, 1.0, 1.0], [1.0, float("nan"), float("inf")]]
    steps = iterate(
        optimiser,
        lambda iteration: weights * torch.tensor(factors[iteration]),
        range(2),
        ["sound", "lost", "endless"],
        "lower x.learning_rate.",
    )
    next(steps)
    before = weights.detach().clone()
    with pytest.raises(RescoreError, match=r"(?s)not finite at iteration 2 \(2\).*- lost\n  - endless.*lower x\.learn"):
        next(steps)
    assert torch.equal(weights, before)


def test_one_network_without_an_axis_of_its_own() -> None:
    weight = nn.Parameter(torch.tensor(2.0))
    ((done, loss),) = iterate(torch.optim.SGD([weight], 0.25), lambda _: weight.square(), range(1), ["one"], "wait.")
    assert (done, loss.tolist(), weight.item()) == (1, [4.0], 1.0)


@pytest.mark.parametrize(("samples", "iterations", "batch"), [(7, 5, 3), (4, 3, 4), (3, 2, 8), (5, 4, 0)])
def test_epochs_follow_one_another_without_a_gap(samples: int, iterations: int, batch: int) -> None:
    drawn = orders(np.random.default_rng(0), samples, iterations, batch)
    assert drawn.shape == (iterations, batch)
    for start in range(0, drawn.size - samples + 1, samples):
        assert sorted(drawn.ravel()[start : start + samples]) == list(range(samples))


def test_what_is_due_is_due_at_multiples_and_at_the_end() -> None:
    assert stops(10, 4) == {4, 8, 10}
    assert stops(8, 4, at_start=True) == {0, 4, 8}
    assert stops(3, 100) == {3}
