"""Spearman's rho, averages and intervals against published worked values, scipy, and simulated data."""

import numpy as np
import pytest
from scipy.stats import bootstrap, spearmanr

from rescore.errors import RescoreError
from rescore.scoring.correlation import (
    Estimate,
    acceleration,
    arithmetic_mean,
    bca_interval,
    bootstrap_spearman,
    combine,
    fisher_z_average,
    fisher_z_interval,
    percentile_interval,
    resample_spearman,
    spearman,
)


def names(n: int, seeds: int = 1) -> np.ndarray:
    return np.tile(np.array([f"diving/{i:03d}" for i in range(n)], dtype=object), (seeds, 1))


def test_published_example_without_ties():
    # IQ against hours of television a week, ten persons: rho = -29/165 (the worked example of Wikipedia's article).
    iq = np.array([106, 100, 86, 101, 99, 103, 97, 113, 112, 110])
    hours = np.array([7, 27, 2, 50, 28, 29, 20, 12, 6, 17])
    assert spearman(iq, hours).value == pytest.approx(-29 / 165, abs=1e-12)


def test_mid_ranks_with_ties():
    # By hand: ranks 1, 2.5, 2.5, 4, 5 against 1, 2, 3, 4.5, 4.5; Pearson of them is 9 / 9.5.
    value = spearman(np.array([1, 2, 2, 3, 4]), np.array([5, 6, 7, 9, 9])).value
    assert value == pytest.approx(9 / 9.5, abs=1e-12)


@pytest.mark.parametrize(
    ("target", "predicted", "reason"),
    [
        ([1, 2, 3, 4], [7, 7, 7, 7], "constant predictions"),
        ([5, 5, 5, 5], [1, 2, 3, 4], "constant targets"),
        ([1, 2, 3], [1, 2, 3], "fewer than 4"),
        ([], [], "fewer than 4"),
    ],
)
def test_degenerate_input_is_undefined_with_its_reason(target, predicted, reason):
    result = spearman(np.array(target, float), np.array(predicted, float))
    assert np.isnan(result.value)
    assert reason in result.reason


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_name_their_samples(bad):
    with pytest.raises(RescoreError, match="diving/002"):
        spearman(np.arange(5.0), np.array([1, 2, bad, 4, 5]), list(names(5)[0]))


@pytest.mark.parametrize("ties", [False, True])
def test_resamples_by_counts_equal_ranking_the_drawn_samples(ties):
    generator = np.random.default_rng(3)
    target, predicted = generator.normal(size=(2, 30))
    if ties:
        target, predicted = np.round(target), np.round(predicted)
    drawn = generator.integers(0, 30, size=(50, 30))
    counts = np.stack([np.bincount(row, minlength=30) for row in drawn]).astype(np.float32)
    expected = [spearmanr(target[row], predicted[row]).statistic for row in drawn]
    np.testing.assert_allclose(resample_spearman(target, predicted, counts), expected, atol=1e-5)


def test_fisher_average_of_a_published_example():
    # Hays (1994): z of .50 is .5493, of .30 is .3095; their mean back is tanh(.4294).
    assert fisher_z_average(np.array([0.5, 0.3])) == pytest.approx(np.tanh((0.549306 + 0.309520) / 2), abs=1e-6)
    weighted = fisher_z_average(np.array([0.5, 0.3]), weights=np.array([30, 10]))
    assert weighted == pytest.approx(np.tanh((30 * 0.549306 + 10 * 0.309520) / 40), abs=1e-6)


def test_fisher_average_at_the_edges():
    assert fisher_z_average(np.array([1.0, 0.2])) == 1
    assert np.isnan(fisher_z_average(np.array([1.0, -1.0])))
    assert np.isnan(fisher_z_average(np.array([np.nan, 0.5])))


def test_fisher_interval():
    # z = 0.5493; Bonett & Wright's error sqrt(1.125 / 97) = 0.10770; 1.96 of it either side.
    low, high = fisher_z_interval(0.5, 100)
    assert (low, high) == pytest.approx((np.tanh(0.549306 - 0.211083), np.tanh(0.549306 + 0.211083)), abs=1e-4)
    assert np.isnan(fisher_z_interval(0.5, 3)).all()
    assert np.isnan(fisher_z_interval(1.0, 30)).all()


def test_bca_agrees_with_scipy_for_one_seed():
    generator = np.random.default_rng(0)
    target = generator.normal(size=40)
    predicted = 0.7 * target + generator.normal(size=40)
    ours = bca_interval(bootstrap_spearman(target[None], predicted[None], names(40), "all", 20000, 0))
    theirs = bootstrap(
        (target, predicted),
        lambda x, y: spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=4000,
        rng=1,
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02)


def simulated(
    generator: np.random.Generator, seeds: int, n: int = 40, rho: float = 0.6
) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and predictions of several seeds that share most of their errors, as networks trained on the same data do."""
    target = generator.normal(size=n)
    shared = generator.normal(size=n)
    noise = 0.95 * shared + np.sqrt(1 - 0.95**2) * generator.normal(size=(seeds, n))
    return np.tile(target, (seeds, 1)), rho * target + np.sqrt(1 - rho**2) * noise


@pytest.mark.parametrize("seeds", [1, 5])
def test_interval_covers_the_population_value(seeds):
    # Spearman's rho of a binormal pair is 6/pi asin(r/2) (Pearson 1907).
    truth = 6 / np.pi * np.arcsin(0.3)
    generator = np.random.default_rng(seeds)
    trials, hits = 150, 0
    for trial in range(trials):
        target, predicted = simulated(generator, seeds)
        estimate = bootstrap_spearman(target, predicted, names(40, seeds), f"member {trial}", 400, trial)
        low, high = bca_interval(estimate)
        hits += low <= truth <= high
    # 95% of 150 is 142.5 with a standard deviation of 2.7; bootstrap intervals at n = 40 fall a little short.
    assert 132 <= hits <= 150


def test_independent_draws_for_each_seed_would_be_too_narrow():
    target, predicted = simulated(np.random.default_rng(1), 5)
    shared = bootstrap_spearman(target, predicted, names(40, 5), "all", 1000, 0)
    own = np.stack([np.char.add(f"seed {s} ", row.astype(str)) for s, row in enumerate(names(40, 5))]).astype(object)
    separate = bootstrap_spearman(target, predicted, own, "all", 1000, 0)
    assert np.std(separate.replicates) < 0.7 * np.std(shared.replicates)


def test_an_undefined_seed_makes_the_cell_undefined():
    target = np.tile(np.arange(10.0), (2, 1))
    estimate = bootstrap_spearman(target, np.stack([np.arange(10.0), np.zeros(10)]), names(10, 2), "all", 50, 0)
    assert np.isnan(estimate.value)
    assert "constant predictions" in estimate.reason
    assert np.isnan(bca_interval(estimate)).all()


def test_same_samples_are_resampled_together_and_draws_repeat():
    generator = np.random.default_rng(5)
    target, predicted = simulated(generator, 2)
    one = bootstrap_spearman(target, predicted, names(40, 2), "all", 200, 7)
    two = bootstrap_spearman(target, predicted, names(40, 2), "all", 200, 7)
    assert (one.replicates == two.replicates).all()
    assert not (one.replicates == bootstrap_spearman(target, predicted, names(40, 2), "all", 200, 8).replicates).all()


def test_interval_falls_back_to_percentiles_where_bca_is_undefined():
    replicates = np.linspace(0, 1, 101)
    no_jackknife = Estimate(0.5, replicates, 10, 1)
    assert bca_interval(no_jackknife) == percentile_interval(no_jackknife)
    one_side = Estimate(2.0, replicates, 10, 1, {"samples": np.array([0.1, 0.4, 0.9])})
    assert bca_interval(one_side) == percentile_interval(one_side)
    assert np.isnan(percentile_interval(Estimate(0.5, np.full(10, np.nan), 10, 1))).all()


def test_acceleration_of_a_mean_is_its_skewness():
    # For a mean, a = skewness / (6 sqrt(n)) (Efron & Tibshirani 1993, Sec. 14.3).
    values = np.random.default_rng(0).exponential(size=50)
    left_out = (values.sum() - values) / 49
    skewness = np.mean((values - values.mean()) ** 3) / np.std(values) ** 3
    assert acceleration({"samples": left_out}) == pytest.approx(skewness / (6 * np.sqrt(50)), rel=1e-9)


def test_average_of_cells_replicate_by_replicate():
    generator = np.random.default_rng(2)
    cells = []
    for action in ("diving", "skiing"):
        target, predicted = simulated(generator, 3)
        samples = np.char.replace(names(40, 3).astype(str), "diving", action).astype(object)
        cells.append(bootstrap_spearman(target, predicted, samples, "all", 300, 0))
    average = combine(cells, fisher_z_average)
    assert average.value == pytest.approx(float(fisher_z_average(np.array([cell.value for cell in cells]))))
    assert average.replicates[7] == fisher_z_average(np.array([cell.replicates[7] for cell in cells]))
    assert average.n == 80
    assert sorted(len(group) for group in average.jackknife.values()) == [3, 40, 40]
    low, high = bca_interval(average)
    assert low < average.value < high
    assert combine(cells, arithmetic_mean).value == pytest.approx(np.mean([cell.value for cell in cells]))
