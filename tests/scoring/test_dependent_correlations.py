"""Power and tests of two correlations with the same scores, against published examples; degenerate input."""

import numpy as np
import pytest

from rescore.scoring.dependent_correlations import (
    dependent_power,
    determinant,
    feasible_r12,
    independent_power,
    minimum_detectable_difference,
    needed_r12,
    steiger_z,
)


def test_steigers_own_example():
    # Steiger 1980, Case A, p. 249: prints -.8913 from a covariance rounded to .0042; unrounded it is -.8887.
    result = steiger_z(0.4, 0.5, 0.1, 103)
    assert result.statistic == pytest.approx(-0.8887185, abs=1e-7)
    assert result.statistic == pytest.approx(-0.8913, abs=0.003)


def test_steiger_against_silver_hittner_and_may():
    # depcor: Silver, Hittner & May 2006, Applied Psychological Measurement 30: r .3 and .4, r12 .5, n 100.
    result = steiger_z(0.3, 0.4, 0.5, 100)
    assert result.statistic == pytest.approx(-1.0718, abs=5e-5)
    assert result.p == pytest.approx(0.2838, abs=5e-5)


def test_power_against_pwrss_and_gpower():
    # R package pwrss (validated by its authors with PASS and G*Power): .35 and .45, r12 .05.
    assert dependent_power(0.35, 0.45, 0.05, 1000) == pytest.approx(0.747219145, abs=1e-8)
    assert dependent_power(0.35, 0.45, 0.05, 1138) == pytest.approx(0.80001327, abs=1e-8)
    assert minimum_detectable_difference(0.35, 1138, 0.05) == pytest.approx(0.099998378, abs=1e-8)
    # G*Power 3.1 manual, two independent Pearson r's: .75 of 51 and .88 of 260.
    assert independent_power(0.75, 0.88, 51, 260) == pytest.approx(0.726352, abs=1e-5)


def test_minimum_detectable_difference_reaches_the_asked_power():
    difference = minimum_detectable_difference(0.6, 70)
    assert independent_power(0.6 + difference, 0.6, 70, 70) == pytest.approx(0.8, abs=1e-9)
    tighter = minimum_detectable_difference(0.6, 70, 0.9)
    assert dependent_power(0.6 + tighter, 0.6, 0.9, 70) == pytest.approx(0.8, abs=1e-9)
    assert 0 < tighter < difference
    assert np.isnan(minimum_detectable_difference(0.6, 3))
    assert np.isnan(minimum_detectable_difference(0.1, 4, 0.99))


def test_needed_r12_is_where_the_test_turns():
    needed = needed_r12(0.9044, 0.8960, 353)
    assert steiger_z(0.9044, 0.8960, needed, 353).p == pytest.approx(0.05, abs=1e-6)
    assert needed_r12(0.9, 0.2, 353) == pytest.approx(0.9 * 0.2)
    assert np.isnan(needed_r12(0.5, 0.5, 353))
    low, high = feasible_r12(0.9, 0.3)
    assert determinant(0.9, 0.3, high) == pytest.approx(0, abs=1e-12)
    assert determinant(0.9, 0.3, low) == pytest.approx(0, abs=1e-12)


def test_degenerate_input_has_a_defined_result():
    for arguments in [
        (np.nan, 0.5, 0.5, 30),
        (0.4, 0.5, 0.5, 3),
        (1.0, 0.5, 0.5, 30),
        (0.9, -0.9, 0.9, 30),
        (1.2, 0.5, 0, 30),
    ]:
        result = steiger_z(*arguments)
        assert np.isnan(result.statistic)
        assert np.isnan(result.p)
        assert result.reason
    assert (steiger_z(0.5, 0.5, 1.0, 30).statistic, steiger_z(0.5, 0.5, 1.0, 30).p) == (0, 1)
