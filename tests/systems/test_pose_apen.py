"""Approximate entropy against its definition written out, a published value, and series whose entropy is known."""

import math

import numpy as np
import pytest

from rescore.systems.poses.pose_apen import approximate_entropy, cross_approximate_entropies, describe, standardise

KNOBS = {"entropy": {"block": 2, "tolerance": 0.2, "cross": True}}


def phi(values, others, block, tolerance, shorter=None):
    """Pincus' Phi, block by block; with `shorter`, the correction for blocks that resemble none."""
    blocks = [values[i : i + block] for i in range(len(values) - block + 1)]
    compared = [others[i : i + block] for i in range(len(others) - block + 1)]
    logarithms = []
    for number, mine in enumerate(blocks):
        count = sum(max(abs(a - b) for a, b in zip(mine, other, strict=True)) <= tolerance for other in compared)
        if count == 0:
            nothing = shorter is None or shorter[number] == 0
            logarithms.append((0, 0.0 if nothing else math.log(1 / len(compared))))
        else:
            known = shorter is None or shorter[number] > 0
            logarithms.append((count, math.log(count / len(compared)) if known else 0.0))
    return sum(value for _, value in logarithms) / len(logarithms), [count for count, _ in logarithms]


def by_definition(values, others, block, tolerance):
    first, counts = phi(values, others, block, tolerance)
    return first - phi(values, others, block + 1, tolerance, counts)[0]


def test_the_published_example():
    """51 values 85, 80, 89, ...: ApEn(2, 3) is 0.000010997 in size, the usual worked example; by hand it is below zero."""
    found = approximate_entropy(np.array([85, 80, 89] * 17), 2, 3.0)
    assert abs(found) == pytest.approx(0.000010997, abs=5e-10)
    two = (34 * math.log(17 / 50) + 16 * math.log(16 / 50)) / 50  # 50 blocks of 2: 17, 17 and 16 alike
    three = (17 * math.log(17 / 49) + 32 * math.log(16 / 49)) / 49  # 49 blocks of 3: 17, 16 and 16 alike
    assert found == pytest.approx(two - three, abs=1e-14)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_one_series_against_the_definition(block):
    values = np.random.default_rng(block).standard_normal(40)
    assert approximate_entropy(values, block, 0.5) == pytest.approx(
        by_definition(values, values, block, 0.5), abs=1e-12
    )


def test_pairs_against_the_definition():
    series = standardise(np.random.default_rng(0).standard_normal((30, 3)).cumsum(axis=0))
    found = cross_approximate_entropies(series, 2, 0.2)
    expected = [[by_definition(u, v, 2, 0.2) for v in series.T] for u in series.T]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert not np.allclose(found, found.T), "the measure is not symmetric"


def test_what_is_regular_is_less_than_what_is_random():
    times = np.arange(200)
    regular, random = np.sin(times / 3), np.random.default_rng(0).standard_normal(200)
    assert approximate_entropy(np.ones(50), 2, 0.2) == 0
    assert approximate_entropy(np.tile([1.0, -1.0], 100), 2, 0.2) == pytest.approx(0, abs=1e-3)
    assert approximate_entropy(regular, 2, 0.2 * regular.std()) < 0.3 < approximate_entropy(random, 2, 0.2)


def test_features_have_one_width_and_are_finite_whatever_the_length():
    rng = np.random.default_rng(0)
    for time in (1, 2, 3, 26):
        features = describe(rng.standard_normal((time, 4)), KNOBS)
        assert features.shape == (16,)
        assert np.isfinite(features).all()
    alone = {"entropy": KNOBS["entropy"] | {"cross": False}}
    series = rng.standard_normal((26, 4))
    np.testing.assert_allclose(describe(series, alone), np.diag(describe(series, KNOBS).reshape(4, 4)))
    still = np.zeros((26, 2))
    assert describe(still, KNOBS).tolist() == [0.0] * 4
