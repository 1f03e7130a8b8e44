from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import rel_entr

from rescore.systems.extensions.score_distribution import (
    JudgesDistributions,
    ScoreDistribution,
    divergence,
    gaussian_labels,
    value_of,
)

SETTINGS: dict[str, Any] = {
    "aggregation": {},
    "score_distribution": {
        **{"bins": 101, "highest": 104.5, "deviation": 5.0, "judge_bins": 21, "judge_deviation": 2.0},
        **{"hidden": [6], "prediction": "argmax"},
    },
}
NO_WEIGHTS = {"score": 1.0}


def test_labels_are_the_released_codes() -> None:
    """A normal density at each bin, divided by their sum (scipy), ends of the scale included."""
    for score in (0.0, 57.3, 104.5):
        density = stats.norm.pdf(np.arange(101), loc=score * 100 / 104.5, scale=5)
        found = gaussian_labels(torch.tensor([score], dtype=torch.float64), 101, 104.5, 5)[0]
        np.testing.assert_allclose(found, density / density.sum(), rtol=1e-9, atol=1e-15)


def test_the_loss_is_kullback_leibler_divided_by_the_bins() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 9, generator=generator, dtype=torch.float64)
    labels = torch.rand(4, 9, generator=generator, dtype=torch.float64).softmax(-1)
    expected = rel_entr(labels.numpy(), logits.softmax(-1).numpy()).sum() / (4 * 9)
    assert divergence(logits, labels).item() == pytest.approx(expected, rel=1e-9)


def test_values_of_a_distribution() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.6, 0.3]]))
    assert value_of(logits, 10.0, "argmax").item() == pytest.approx(5.0)
    assert value_of(logits, 10.0, "expectation").item() == pytest.approx(0.6 * 5 + 0.3 * 10)


def test_usdl_predicts_what_it_is_taught_in_units_of_training() -> None:
    torch.manual_seed(0)
    network = ScoreDistribution("c3d", "mean", 0.0625, 32, 1, SETTINGS, scale=17.0)
    features, points = torch.rand(3, 1, network.trunk.in_features), torch.tensor([20.9, 52.25, 83.6])
    optimiser = torch.optim.Adam([*network.trunk.parameters(), *network.evaluator.parameters()], 0.01)
    for _ in range(150):
        loss = network.losses(network.heads(features), {"points": points}, NO_WEIGHTS)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = network.predict(features, {})["score"] * 17
    torch.testing.assert_close(found, points, atol=3.2, rtol=0)  # three bins


def test_musdl_adds_the_middle_three_and_multiplies_by_the_difficulty() -> None:
    torch.manual_seed(0)
    network = JudgesDistributions("c3d", "mean", 0.0625, 32, 1, SETTINGS, scale=17.0)
    marks = [9.5, 3.0, 7.0, 8.0, 7.5, 10.0, 2.0]
    for evaluator, mark in zip(network.evaluators, marks, strict=True):
        last = evaluator[-1]
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(torch.eye(21)[round(2 * mark)])
    features = torch.rand(2, 1, network.trunk.in_features)
    found = network.predict(features, {"difficulty": torch.tensor([1.0, 3.2])})["score"] * 17
    torch.testing.assert_close(found, (7.0 + 7.5 + 8.0) * torch.tensor([1.0, 3.2]))


def test_musdl_sums_its_judges_losses() -> None:
    torch.manual_seed(0)
    network = JudgesDistributions("c3d", "mean", 0.0625, 32, 1, SETTINGS)
    outputs = network.heads(torch.rand(2, 1, network.trunk.in_features))
    marks = torch.rand(2, 7) * 10
    each = [
        divergence(outputs["distribution"][:, judge], gaussian_labels(marks[:, judge], 21, 10.0, 2.0))
        for judge in range(7)
    ]
    found = network.losses(outputs, {"marks": marks}, NO_WEIGHTS)["total"]
    torch.testing.assert_close(found, torch.stack(each).sum())
