"""Two correlations with the same scores on the same samples: can a test tell them apart, and from which difference on?

r1 and r2 are the correlations of two systems with the true scores of n samples, r12 that of the systems with one another.
docs/statistics.md has the formulas, their sources and every degenerate case.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from rescore.scoring.correlation import MINIMUM_SAMPLES

LEVEL = 0.05
POWER = 0.8
SINGULAR = 1e-12
"""A correlation matrix with a smaller determinant has no room for an error of its own in the third variable."""


@dataclass(frozen=True)
class Outcome:
    """A test's statistic and two-sided p; NaN with the reason where it has none."""

    statistic: float
    p: float
    reason: str = ""


NO_TEST = (np.nan, np.nan)


def undefined(r1: float, r2: float, r12: float, n: int) -> Outcome | None:
    """The defined result of degenerate input, or None where the formulas apply."""
    if not np.isfinite([r1, r2, r12]).all():
        return Outcome(*NO_TEST, "a correlation is undefined")
    if n < MINIMUM_SAMPLES:
        return Outcome(*NO_TEST, f"{n} samples, fewer than {MINIMUM_SAMPLES}")
    if max(abs(r1), abs(r2), abs(r12)) > 1:
        return Outcome(*NO_TEST, "no correlation is beyond 1")
    if r1 == r2 and r12 >= 1 - SINGULAR:
        return Outcome(0.0, 1.0, "both systems order the samples alike")
    if max(abs(r1), abs(r2)) == 1:
        return Outcome(*NO_TEST, "a correlation of 1 has no sampling error in these formulas")
    if determinant(r1, r2, r12) < SINGULAR:
        return Outcome(*NO_TEST, "no three variables have these correlations, or one is determined by the others")
    return None


def determinant(r1: float, r2: float, r12: float) -> float:
    """Determinant of the 3 x 3 correlation matrix: 0 or more where three variables can have these correlations."""
    return 1 - r1**2 - r2**2 - r12**2 + 2 * r1 * r2 * r12


def feasible_r12(r1: float, r2: float) -> tuple[float, float]:
    """The least and the greatest correlation that two systems can have with one another, given theirs with the truth."""
    room = np.sqrt((1 - r1**2) * (1 - r2**2))
    return float(r1 * r2 - room), float(r1 * r2 + room)


def z_covariance(r1: float, r2: float, r12: float) -> float:
    """Covariance of the two Fisher z, times n - 3 (Dunn & Clark 1969; Steiger 1980, Psychological Bulletin 87, eqs. 3, 10)."""
    psi = r12 * (1 - r1**2 - r2**2) - r1 * r2 * (1 - r1**2 - r2**2 - r12**2) / 2
    return psi / ((1 - r1**2) * (1 - r2**2))


def two_sided(z: float) -> float:
    return float(2 * norm.sf(abs(z)))


def steiger_z(r1: float, r2: float, r12: float, n: int) -> Outcome:
    """Steiger's Z with the pooled correlation (Steiger 1980, Psychological Bulletin 87, 245-251, eq. 14).

    Z = (z1 - z2) sqrt((n - 3) / (2 - 2 c)), c the covariance of the z at the mean of r1 and r2.
    """
    if (result := undefined(r1, r2, r12, n)) is not None:
        return result
    pooled = (r1 + r2) / 2
    z = (np.arctanh(r1) - np.arctanh(r2)) * np.sqrt((n - 3) / (2 - 2 * z_covariance(pooled, pooled, r12)))
    return Outcome(float(z), two_sided(z))


def dependent_power(r1: float, r2: float, r12: float, n: int, level: float = LEVEL) -> float:
    """Probability that Steiger's Z, two-sided, tells two true correlations apart (Faul et al. 2009, G*Power 3.1).

    Under the null hypothesis the error is that at the mean of both correlations, as in the test; under the alternative their
    own. NaN for degenerate input.
    """
    if undefined(r1, r2, r12, n) is not None:
        return np.nan
    pooled = (r1 + r2) / 2
    null, own = (np.sqrt((2 - 2 * c) / (n - 3)) for c in (z_covariance(pooled, pooled, r12), z_covariance(r1, r2, r12)))
    return two_sided_power(np.arctanh(r1) - np.arctanh(r2), null, own, level)


def independent_power(r1: float, r2: float, n1: int, n2: int, level: float = LEVEL) -> float:
    """Probability that Fisher's test, two-sided, tells two true correlations of different samples apart."""
    if min(n1, n2) < MINIMUM_SAMPLES or not max(abs(r1), abs(r2)) < 1:
        return np.nan
    error = np.sqrt(1 / (n1 - 3) + 1 / (n2 - 3))
    return two_sided_power(np.arctanh(r1) - np.arctanh(r2), error, error, level)


def two_sided_power(shift: float, null: float, own: float, level: float) -> float:
    bound = norm.isf(level / 2) * null
    return float(norm.sf((bound - shift) / own) + norm.cdf((-bound - shift) / own))


def minimum_detectable_difference(
    reference: float, n: int, r12: float | None = None, power: float = POWER, level: float = LEVEL
) -> float:
    """How far above `reference` a system's true correlation must be for a test at this level to find it with this power.

    Args:
        reference: true correlation of the lower system.
        n: samples; of each of two sets where `r12` is None.
        r12: correlation of the two systems' predictions on the same samples; None: two independent sets of samples.

    Returns:
        The difference; NaN where none that is possible with this r12 would be found, or the input is degenerate.
    """
    highest = 1.0 if r12 is None else min(1.0, feasible_r12(reference, r12)[1])

    def missing(other: float) -> float:
        if r12 is None:
            return independent_power(other, reference, n, n, level) - power
        return dependent_power(other, reference, r12, n, level) - power

    # The matrix is singular at the end itself; just inside it the power is the largest that is possible.
    bottom, top = reference + 1e-9, highest - 1e-9
    if not bottom < top or not missing(top) > 0 or np.isnan(missing(bottom)):
        return np.nan
    return float(brentq(missing, bottom, top, xtol=1e-12)) - reference


def needed_r12(r1: float, r2: float, n: int, level: float = LEVEL) -> float:
    """The least correlation between two systems, from independent errors up, at which Steiger's Z finds their difference.

    Returns:
        r1 r2 where independent errors suffice; NaN where no possible correlation does.
    """
    low, high = r1 * r2, feasible_r12(r1, r2)[1] - 1e-9
    if not high > low:
        return np.nan

    def excess(r12: float) -> float:
        return abs(steiger_z(r1, r2, r12, n).statistic) - norm.isf(level / 2)

    if excess(low) >= 0:
        return float(low)
    return float(brentq(excess, low, high)) if excess(high) > 0 else np.nan
