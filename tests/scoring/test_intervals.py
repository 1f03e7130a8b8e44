"""The two intervals: by hand, against statsmodels' analysis of variance, degenerate cases, and never one for the other."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student_t

from rescore.scoring.correlation import Estimate, Trained, difference, estimate_spearman, percent
from rescore.scoring.estimates import FILE, NONE, NOTHING_TRAINED, TRAININGS, against_zero, intervals_of
from rescore.scoring.intervals import (
    SCALES,
    Spread,
    TrainingVariance,
    confidence_interval,
    from_scale,
    on_scale,
    prediction_interval,
    sampling_covariance,
    spread_by_file,
    spread_of,
    t_test,
)


def names(n: int) -> np.ndarray:
    return np.array([f"diving/{i:03d}" for i in range(n)], dtype=object)


def simulated(trainings: int, n: int = 40, seed: int = 0, moved: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    target = generator.normal(size=n)
    noise = generator.normal(size=n) + 0.5 * generator.normal(size=(trainings, n))
    return np.tile(target, (trainings, 1)), (1 + moved) * target + noise


def estimate(
    trainings: int, trained: Trained | None = None, n: int = 40, seed: int = 0, moved: float = 0.0
) -> Estimate:
    target, predicted = simulated(trainings, n, seed, moved)
    whose = Trained(tuple(range(trainings))) if trained is None else trained
    return estimate_spearman(target, predicted, np.tile(names(n), (trainings, 1)), whose, 300, 0)


def test_by_hand():
    # z .2, .4, .6: MS .04. Two samples that move all trainings alike by .1 and -.1: Cov .02.
    # Variance of the mean (.04 + 3 x .02) / 3; degrees (.1)^2 / (.04^2 / 2 + .06^2 / 1).
    spread = spread_of(np.array([0.2, 0.4, 0.6]), np.tile([0.1, -0.1], (3, 1)), 2)
    assert (spread.mean_square, spread.shared, spread.degrees) == pytest.approx((0.04, 0.02, 2))
    assert spread.variance == pytest.approx(0.1 / 3)
    assert spread.variance_degrees == pytest.approx(0.01 / (0.0008 + 0.0036))
    half = student_t.ppf(0.975, 0.01 / 0.0044) * np.sqrt(0.1 / 3)
    assert confidence_interval(spread) == pytest.approx((0.4 - half, 0.4 + half))
    # One further training: t of 2 degrees, 4.3027, times sqrt(.04 (1/3 + 1)); three further: sqrt(.04 (1/3 + 1/3)).
    assert prediction_interval(spread) == pytest.approx((0.4 - 0.99366, 0.4 + 0.99366), abs=1e-4)
    assert prediction_interval(spread, further=3)[1] == pytest.approx(0.4 + 4.302653 * np.sqrt(0.04 * 2 / 3), abs=1e-6)


def test_degrees_are_hillis_where_samples_are_many():
    # Hillis 2007, eq. 16: (MS + K Cov)^2 / (MS^2 / (K - 1)); here (.04 + .06)^2 / (.0016 / 2).
    many = Spread(0.4, 0.04, 2, 0.02, 3, 10**9)
    assert many.variance_degrees == pytest.approx(12.5, rel=1e-4)


def test_covariances_against_brute_force():
    influence = np.random.default_rng(1).normal(size=(4, 30))
    products = influence @ influence.T
    pairs = products[np.triu_indices(4, 1)]
    assert sampling_covariance(influence) == pytest.approx((np.diag(products).mean(), pairs.mean()))
    assert np.isnan(sampling_covariance(influence[:1])[1])


def test_of_a_plain_mean_it_is_the_two_way_analysis_of_variance():
    """Of means over cases the jackknife is exact: the interval is that of readers and cases, both random, by statsmodels."""
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    readers, cases = 4, 25
    generator = np.random.default_rng(2)
    scores = (
        generator.normal(size=(readers, 1)) + generator.normal(size=cases) + generator.normal(size=(readers, cases))
    )
    left_out = (scores.sum(axis=1, keepdims=True) - scores) / (cases - 1)
    influence = np.sqrt((cases - 1) / cases) * (left_out.mean(axis=1, keepdims=True) - left_out)
    spread = spread_of(scores.mean(axis=1), influence, cases)
    long = pd.DataFrame(scores).stack().rename_axis(["reader", "case"]).rename("score").reset_index()
    squares = anova_lm(ols("score ~ C(reader) + C(case)", long).fit())["mean_sq"]
    reader, case, rest = squares["C(reader)"], squares["C(case)"], squares["Residual"]
    assert spread.mean_square == pytest.approx(reader / cases)
    assert spread.shared == pytest.approx((case - rest) / (readers * cases))
    assert spread.variance == pytest.approx((reader + case - rest) / (readers * cases))


def test_the_jackknife_of_rho_leaves_every_sample_out():
    from scipy.stats import spearmanr

    target, predicted = simulated(2, 15)
    found = estimate_spearman(target, predicted, np.tile(names(15), (2, 1)), Trained((0, 1)), 10, 0)
    for k in range(2):
        rho = np.array([spearmanr(np.delete(target[k], i), np.delete(predicted[k], i)).statistic for i in range(15)])
        assert np.square(found.influence[k]).sum() == pytest.approx(14 / 15 * np.square(rho - rho.mean()).sum())


def test_samples_of_other_draws_share_what_they_share():
    """Fine-tuning tests each training on a draw of its own: only samples of both draws make two trainings vary together."""
    target, predicted = simulated(2, 12)
    drawn = np.stack([names(18)[:12], names(18)[6:]])
    found = estimate_spearman(target, predicted, drawn, Trained((0, 1)), 10, 0)
    assert found.influence.shape == (2, 18)
    assert (found.influence[0, 12:] == 0).all()
    assert (found.influence[1, :6] == 0).all()
    apart = np.stack([names(24)[:12], names(24)[12:]])
    none = estimate_spearman(target, predicted, apart, Trained((0, 1)), 10, 0)
    assert sampling_covariance(none.influence)[1] == 0


@pytest.mark.parametrize("scale", SCALES)
def test_scales_come_back_and_know_their_slope(scale):
    values = np.array([0.2, 0.7])
    used = SCALES[scale]
    assert from_scale(scale, used.forward(values)) == pytest.approx(values)
    step = (used.forward(values + 1e-6) - used.forward(values - 1e-6)) / 2e-6
    assert used.slope(values) == pytest.approx(step, rel=1e-6)
    _, moved = on_scale(scale, values, np.ones((2, 3)))
    assert moved == pytest.approx(np.repeat(step[:, None], 3, axis=1), rel=1e-6)


def test_one_interval_is_not_the_other():
    """Trainings that agree on samples that do not: the mean is uncertain, the next training is not; and the other way round."""
    moves = np.linspace(-0.1, 0.1, 40)
    agreeing = Estimate(0.5, 40, np.array([0.499, 0.5, 0.501]), names(40), np.tile(moves, (3, 1)), Trained((0, 1, 2)))
    found = intervals_of(agreeing)
    assert found.confidence[0] < 0.3 < 0.49 < found.prediction[0]
    apart = Estimate(0.5, 40, np.array([0.2, 0.5, 0.8]), names(40), 0.001 * np.tile(moves, (3, 1)), Trained((0, 1, 2)))
    found = intervals_of(apart)
    assert found.prediction[0] < found.confidence[0] < 0.5 < found.confidence[1] < found.prediction[1]


def test_trainings_that_gave_one_number_predict_nothing():
    same = Estimate(
        0.5, 40, np.full(3, 0.5), names(40), np.tile(np.linspace(-0.05, 0.05, 40), (3, 1)), Trained((0, 1, 2))
    )
    found = intervals_of(same)
    assert np.isnan(found.prediction).all()
    # What is left is the samples' own variance, with 39 degrees of freedom.
    error = np.sqrt(np.square(np.linspace(-0.05, 0.05, 40)).sum()) / 0.75
    assert np.arctanh(found.confidence[1]) - np.arctanh(0.5) == pytest.approx(student_t.ppf(0.975, 39) * error)


def test_perfect_and_undefined_trainings_have_no_interval():
    order = np.arange(10.0)
    rising = estimate_spearman(
        np.tile(order, (2, 1)), np.stack([order, order[::-1]]), np.tile(names(10), (2, 1)), Trained((0, 1)), 9, 0
    )
    constant = estimate_spearman(
        np.tile(order, (2, 1)), np.stack([order, 0 * order]), np.tile(names(10), (2, 1)), Trained((0, 1)), 9, 0
    )
    for found in (rising, constant):
        assert np.isnan([*intervals_of(found).confidence, *intervals_of(found).prediction]).all()
        assert np.isnan(against_zero(found)).all()
    assert "constant predictions" in constant.reason


def test_what_is_not_trained_again_has_the_bootstraps_interval_alone():
    found = intervals_of(estimate(1, Trained()))
    assert (found.variance, np.isnan(found.prediction).all()) == (NOTHING_TRAINED, True)
    assert found.confidence[0] < found.confidence[1]


def test_one_training_is_marked_until_a_file_says_how_trainings_vary():
    alone = intervals_of(estimate(1))
    assert (alone.variance, np.isnan(alone.prediction).all()) == (NONE, True)
    assert np.isnan(against_zero(estimate(1))).all()
    file = TrainingVariance(0.02, 4, 0.8)
    told = estimate(1, Trained((0,), file))
    found = intervals_of(told)
    assert found.variance == FILE
    z = np.arctanh(told.value)
    assert np.arctanh(found.prediction[1]) - z == pytest.approx(student_t.ppf(0.975, 4) * np.sqrt(2 * 0.02))
    sampling = np.square(told.influence / (1 - told.value**2)).sum()
    variance, shared = 0.02 + 0.8 * sampling, 0.8 * sampling
    degrees = variance**2 / (0.02**2 / 4 + shared**2 / 39)
    assert np.arctanh(found.confidence[1]) - z == pytest.approx(student_t.ppf(0.975, degrees) * np.sqrt(variance))
    assert intervals_of(estimate(3)).variance == TRAININGS


def test_fewer_samples_raise_what_a_file_says_by_the_samples_own_part():
    file = TrainingVariance(0.05, 4, 0.75, 0.04)
    assert file.on(0.04) == pytest.approx(0.05)
    assert file.on(0.08) == pytest.approx(0.05 + 0.25 * 0.04)
    assert file.on(0.03) == pytest.approx(0.05 - 0.25 * 0.01)
    # Never by more than if samples were all of it.
    assert TrainingVariance(0.004, 4, 0.5, 0.04).on(0.01) == pytest.approx(0.001)
    assert spread_by_file(0.3, np.full(4, 0.1), 4, file).shared == pytest.approx(0.75 * 0.04)


def test_a_difference_is_taken_within_a_training():
    left, right = estimate(3, moved=0.4), estimate(3)
    found = difference(left, right)
    z = np.arctanh(left.values) - np.arctanh(right.values)
    assert found.values == pytest.approx(z)
    assert found.value == pytest.approx(left.value - right.value)
    statistic, p = against_zero(found)
    low, high = intervals_of(found).confidence
    assert (low > 0 or high < 0) == (p < 0.05)
    assert low < found.value < high
    assert statistic == pytest.approx(z.mean() / np.sqrt(spread_of(z, found.influence, 40).variance))
    back = difference(right, left)
    assert intervals_of(back).confidence == pytest.approx((-high, -low))


def test_trainings_are_paired_by_number():
    left, right = estimate(3), estimate(3, moved=0.4)
    order = np.array([2, 0, 1])
    shuffled = Estimate(right.value, 40, right.values[order], right.samples, right.influence[order], Trained((2, 0, 1)))
    assert sorted(difference(left, shuffled).values) == pytest.approx(sorted(difference(left, right).values))
    some = Estimate(right.value, 40, right.values[1:], right.samples, right.influence[1:], Trained((1, 2)))
    assert difference(left, some).values == pytest.approx(difference(left, right).values[1:])
    other = Estimate(right.value, 40, right.values, right.samples, right.influence, Trained((7, 8, 9)))
    assert intervals_of(difference(left, other)).variance == NONE
    fixed = estimate(1, Trained(), moved=0.4)
    assert difference(left, fixed).values == pytest.approx(np.arctanh(left.values) - np.arctanh(fixed.value))


def test_one_training_against_another_adds_what_files_say():
    file = TrainingVariance(0.02, 4, 0.8)
    sides = [estimate(1, Trained((0,), file), moved=moved) for moved in (0.4, 0.0)]
    found = difference(*sides)
    assert found.trained.file is not None
    assert found.trained.file.mean_square == pytest.approx(0.04)
    fixed = difference(sides[0], estimate(1, Trained()))
    assert fixed.trained.file.mean_square == pytest.approx(0.02)
    assert difference(sides[0], estimate(1)).trained.file is None


def test_percentages_have_the_same_intervals_times_100():
    found, hundred = intervals_of(estimate(3)), intervals_of(percent(estimate(3)))
    for a, b in ((found.confidence, hundred.confidence), (found.prediction, hundred.prediction)):
        assert b == pytest.approx([100 * bound for bound in a])
    less = difference(percent(estimate(3, moved=0.4)), percent(estimate(3)))
    same = difference(estimate(3, moved=0.4), estimate(3))
    assert intervals_of(less).confidence == pytest.approx([100 * bound for bound in intervals_of(same).confidence])


def test_a_t_of_nothing_is_undefined():
    assert np.isnan(t_test(Spread(0.0, 0.0, 2, 0.0, 3, 40))).all()
