"""The price of choosing on test: what it is, and that noise alone gives what the simulation says."""

import numpy as np
import pandas as pd
import pytest

from rescore.scoring.released import choice


def test_the_price_is_the_best_less_the_mean_of_the_last_ten():
    values = pd.DataFrame({0: [0.1] * 10 + [0.9] + [0.5] * 9 + [0.6], 1: [0.2] * 20 + [0.4]})
    price = choice.price_of(values, 0, "a")
    assert (price.best, price.last) == (pytest.approx((0.9 + 0.4) / 2), pytest.approx(0.5))
    assert price.last_ten == pytest.approx(((9 * 0.5 + 0.6) / 10 + (9 * 0.2 + 0.4) / 10) / 2)
    assert price.price == pytest.approx(price.best - price.last_ten)
    assert price.half == pytest.approx(((0.9 - 0.51) + (0.4 - 0.22)) / 2)


def test_noise_about_one_value_costs_what_the_simulation_says_and_a_trend_is_no_noise():
    generator = np.random.default_rng(0)
    prices, chances = [], []
    for name in range(20):
        series = np.tanh(1 + generator.normal(0, 0.05, 100))
        told = choice.price_of(pd.DataFrame({0: series}), 0, str(name))
        prices.append(told.half)
        chances.append(told.chance)
    assert np.mean(chances) == pytest.approx(np.mean(prices), rel=0.2)
    rising = choice.price_of(pd.DataFrame({0: np.tanh(np.linspace(0.5, 1, 100))}), 0, "rising")
    assert rising.chance < 1e-6 < rising.price
    constant = choice.price_of(pd.DataFrame({0: np.full(100, 0.7)}), 0, "constant")
    assert (constant.price, constant.chance) == (pytest.approx(0), pytest.approx(0, abs=1e-9))


def test_too_few_epochs_have_no_price():
    series = choice.Series("a", 9, pd.DataFrame({0: np.linspace(0, 0.5, choice.FEWEST - 1)}), "the log a")
    assert list(choice.price_rows(series, {"seed": 0, "scoring": {"confidence": 0.95}})) == []
