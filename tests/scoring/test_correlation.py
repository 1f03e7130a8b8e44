"""Spearman's rho, averages and intervals against published worked values, scipy, and simulated data."""

import numpy as np
import pytest
from scipy.stats import bootstrap, spearmanr

from rescore.engine.errors import RescoreError
from rescore.scoring.correlation import (
    Estimate,
    Trained,
    acceleration,
    arithmetic_mean,
    bca_interval,
    combine,
    estimate_spearman,
    fisher_z_average,
    fisher_z_interval,
    influences,
    percentile_interval,
    resample_spearman,
    scaled,
    spearman,
)
from rescore.scoring.estimates import intervals_of


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
    ours = bca_interval(estimate_spearman(target[None], predicted[None], names(40), Trained(), 20000, 0))
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


@pytest.mark.parametrize("seeds", [1, 3])
def test_interval_covers_the_population_value(seeds):
    # Spearman's rho of a binormal pair is 6/pi asin(r/2) (Pearson 1907). bench/intervals.py has more cases, and more trials.
    truth = 6 / np.pi * np.arcsin(0.3)
    generator = np.random.default_rng(seeds)
    trials, hits = 150, 0
    whose = Trained(tuple(range(seeds)) if seeds > 1 else ())
    for trial in range(trials):
        target, predicted = simulated(generator, seeds)
        estimate = estimate_spearman(target, predicted, names(40, seeds), whose, 400, trial)
        low, high = intervals_of(estimate).confidence
        hits += low <= truth <= high
    # 95% of 150 is 142.5 with a standard deviation of 2.7; bootstrap intervals at n = 40 fall a little short.
    assert 132 <= hits <= 150


def test_an_undefined_seed_makes_the_cell_undefined():
    target, predicted = np.tile(np.arange(10.0), (2, 1)), np.stack([np.arange(10.0), np.zeros(10)])
    estimate = estimate_spearman(target, predicted, names(10, 2), Trained((0, 1)), 50, 0)
    assert np.isnan(estimate.value)
    assert "constant predictions" in estimate.reason
    assert np.isnan(bca_interval(estimate)).all()


def test_same_samples_are_resampled_together_and_draws_repeat():
    target, predicted = simulated(np.random.default_rng(5), 2)
    one, two, other = (
        estimate_spearman(target, predicted, names(40, 2), Trained(), 200, seed).replicates for seed in (7, 7, 8)
    )
    assert (one == two).all()
    assert not (one == other).all()
    assert not len(estimate_spearman(target, predicted, names(40, 2), Trained((0, 1)), 200, 7).replicates)


def resampled(value: float, replicates: np.ndarray, influence: list[float]) -> Estimate:
    """Of one system without trainings."""
    moved = np.array([influence])
    return Estimate(value, 10, np.array([value]), names(moved.shape[1])[0], moved, replicates=replicates)


def test_interval_falls_back_to_percentiles_where_bca_is_undefined():
    replicates = np.linspace(0, 1, 101)
    no_jackknife = resampled(0.5, replicates, [0.0, 0.0])
    assert bca_interval(no_jackknife) == percentile_interval(no_jackknife)
    one_side = resampled(2.0, replicates, [0.1, 0.4, -0.5])
    assert bca_interval(one_side) == percentile_interval(one_side)
    assert np.isnan(percentile_interval(resampled(0.5, np.full(10, np.nan), [0.0]))).all()


def test_acceleration_of_a_mean_is_its_skewness():
    # For a mean, a = skewness / (6 sqrt(n)) (Efron & Tibshirani 1993, Sec. 14.3).
    values = np.random.default_rng(0).exponential(size=50)
    left_out = (values.sum() - values) / 49
    skewness = np.mean((values - values.mean()) ** 3) / np.std(values) ** 3
    assert acceleration(influences(left_out)) == pytest.approx(skewness / (6 * np.sqrt(50)), rel=1e-9)
    assert np.square(influences(left_out)).sum() == pytest.approx(values.var(ddof=1) / 50)  # of a mean: s^2 / n


def test_average_of_cells_training_by_training():
    generator = np.random.default_rng(2)
    cells = []
    for action in ("diving", "skiing"):
        target, predicted = simulated(generator, 3)
        samples = np.char.replace(names(40, 3).astype(str), "diving", action).astype(object)
        cells.append(estimate_spearman(target, predicted, samples, Trained((0, 1, 2)), 300, 0))
    average = combine(cells, fisher_z_average)
    assert average.value == pytest.approx(float(fisher_z_average(np.array([cell.value for cell in cells]))))
    assert average.values[1] == pytest.approx(fisher_z_average(np.array([cell.values[1] for cell in cells])))
    assert (average.n, average.influence.shape) == (80, (3, 80))
    # On artanh rho, Fisher's average is a plain mean: half of each cell's influence.
    _, moved = scaled(average)
    assert moved[:, :40] == pytest.approx(scaled(cells[0])[1] / 2, abs=1e-6)
    low, high = intervals_of(average).confidence
    assert low < average.value < high
    assert combine(cells, arithmetic_mean).value == pytest.approx(np.mean([cell.value for cell in cells]))


def test_average_of_cells_without_trainings_replicate_by_replicate():
    generator = np.random.default_rng(2)
    pair = simulated(generator, 1), simulated(generator, 1)
    cells = [estimate_spearman(*sides, names(40), Trained(), 300, 0) for sides in pair]
    average = combine(cells, fisher_z_average)
    assert average.replicates[7] == fisher_z_average(np.array([cell.replicates[7] for cell in cells]))
    assert average.trained.numbers == ()
