"""Do the two intervals hold what they promise? Coverage, wrong verdicts and power where the truth is known (scoring.intervals).

    python bench/intervals.py                     ten minutes on one core; prints the table of docs/statistics.md
    python bench/intervals.py --document docs/statistics.md --csv docs/images/intervals.csv --figure docs/images/intervals.png

Two systems share test samples and, training by training, a backbone. artanh of a training's population rho is the system's
mean, plus the backbone's part, plus the training's own; predictions are normal with that rho, and a part of their error is
common to all trainings, a part of that to both systems. `ties` rounds scores and predictions to half a standard deviation.
Each interval is held against its own target: the confidence interval against the mean over all samples and trainings, the
prediction interval against the rho of one more training on the same samples. At K = 1 the variance over trainings is from five
trainings of a third system with the same variances (4 degrees of freedom).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import nct, rankdata
from scipy.stats import t as student_t

from rescore.scoring.intervals import (
    Spread,
    confidence_interval,
    moved_mean_square,
    on_scale,
    prediction_interval,
    sampling_covariance,
    spread_of,
    t_test,
)

REPETITIONS = 2000
CASES = ((28, 0.6), (28, 0.9), (50, 0.6), (106, 0.6), (106, 0.9), (353, 0.6))
"""Test samples, and rho of both systems where they are equal."""
TRAININGS, MEASURED = (1, 3, 5), 5
"""K, and the trainings that the variance at K = 1 is measured on."""
BACKBONE, OWN = 0.08, 0.10
"""Standard deviations of artanh rho over backbones and over a training's own seeds."""
COMMON, OF_BOTH = 0.7, 0.4
"""Share of the error's variance that a system's trainings have in common, and the share of that which both systems have."""
BETTER = 0.3
"""By how much the better system's artanh rho is higher where power is asked for."""
CELLS = 4_000_000
"""Numbers at once in the leave-one-out ranks: what fits a processor's cache."""
WANTED, MOST_DIFFERS = (0.93, 0.97), 0.07
MARKS = "<!-- bench/intervals.py -->", "<!-- end of bench/intervals.py -->"
COLUMNS = {
    "n": "n",
    "rho": "rho",
    "ties": "ties",
    "trainings": "K",
    "confidence": "confidence",
    "prediction": "prediction",
    "differs": "*differs*",
    "difference": "difference",
    "power": "power",
    "expected": "documented",
}


def pearson_of(spearman: np.ndarray) -> np.ndarray:
    """Pearson's r of a binormal pair with this Spearman's rho (Pearson 1907)."""
    return 2 * np.sin(np.pi * spearman / 6)


def rounded(values: np.ndarray, ties: bool) -> np.ndarray:
    return np.round(2 * values) / 2 if ties else values


def spearman_with_influence(target: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spearman's rho (...,) and each sample's influence (..., n), as `correlation.influences`, all samples left out at once.

    Without sample i, a rank above its own falls by one, an equal one by a half: by (1 + s) / 2, s the sign of the difference.
    """
    n = target.shape[-1]
    ranks = [rankdata(side, axis=-1) for side in (target, predicted)]
    signs = [sign_matrix((2 * side).astype(np.int16)) for side in ranks]
    x, y = (side - n / 2 - 0.5 for side in ranks)  # n / 2 is the mean of n - 1 ranks

    def left_out(u: np.ndarray, v: np.ndarray, su: np.ndarray, sv: np.ndarray) -> np.ndarray:
        """(..., n) sums over the other samples of products of their ranks, each less its mean."""
        both = np.einsum("...ij,...ij->...i", su, sv).astype(float)
        return (u * v).sum(-1, keepdims=True) - u * v - (times(sv, u) + times(su, v)) / 2 + both / 4

    covariance, own_x, own_y = (
        left_out(*sides) for sides in ((x, y, *signs), (x, x, signs[0], signs[0]), (y, y, signs[1], signs[1]))
    )
    without = covariance / np.sqrt(own_x * own_y)
    x, y = (side - (n + 1) / 2 for side in ranks)
    rho = (x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    return rho, np.sqrt((n - 1) / n) * (without.mean(-1, keepdims=True) - without)


def sign_matrix(ranks: np.ndarray) -> np.ndarray:
    """(..., i, j) sign of rank j less rank i."""
    above, below = (
        compare(ranks[..., None, :], ranks[..., :, None]).view(np.int8) for compare in (np.greater, np.less)
    )
    return (above - below).astype(np.float32)


def times(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.matmul(matrix, vector.astype(np.float32)[..., None])[..., 0].astype(float)


def simulate(
    n: int, means: tuple[float, ...], ties: bool, repetitions: int, generator: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Values (repetitions, trainings) and influences (repetitions, trainings, n) of each system, on the scale artanh rho.

    The first two systems share samples and backbones; the third, whose variance is measured, shares samples alone.
    """
    trainings = max(TRAININGS) + 1  # the last is the next one
    target, everyone = generator.normal(size=(2, repetitions, 1, n))
    shared = BACKBONE * generator.normal(size=(repetitions, trainings))
    score, found = np.broadcast_to(rounded(target, ties), (repetitions, trainings, n)), []
    for system, mean in enumerate(means):
        backbone = shared if system < 2 else BACKBONE * generator.normal(size=shared.shape)
        z = mean + backbone + OWN * generator.normal(size=shared.shape)
        r = pearson_of(np.tanh(z))[..., None]
        own = generator.normal(size=(repetitions, 1, n))
        common = np.sqrt(OF_BOTH) * everyone + np.sqrt(1 - OF_BOTH) * own
        error = np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * generator.normal(size=score.shape)
        predicted = rounded(r * target + np.sqrt(1 - r**2) * error, ties)
        found.append(on_scale("artanh", *spearman_with_influence(score, predicted)))
    return found


def truth(mean: float, ties: bool) -> float:
    """Mean over trainings of artanh of the population's rho; with ties from a large sample at the nodes of a quadrature."""
    if not ties:
        return mean
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    target, error = np.random.default_rng(1).normal(size=(2, 400_000))
    found = []
    for z in mean + np.hypot(BACKBONE, OWN) * nodes:
        r = pearson_of(np.tanh(z))
        ranks = [rankdata(rounded(part, True)) for part in (target, r * target + np.sqrt(1 - r**2) * error)]
        found.append(np.arctanh(np.corrcoef(*ranks)[0, 1]))
    return float(np.average(found, weights=weights))


def spread_at(
    system: tuple[np.ndarray, np.ndarray], k: int, measured: tuple[np.ndarray, np.ndarray], sides: int = 1
) -> Spread:
    """The spread of K trainings; of one by the measured system's variance, in a difference of both sides'."""
    values, influence = (part[:, :k] for part in system)
    if k > 1:
        return spread_of(values, influence, influence.shape[-1])
    others, theirs = (part[:, :MEASURED] for part in measured)
    variance, covariance = sampling_covariance(theirs)
    shared = np.clip(covariance / variance, 0, 1)
    sampling = np.square(influence[:, 0]).sum(-1)
    mean_square = others.var(axis=-1, ddof=1)
    if sides == 1:
        mean_square = moved_mean_square(mean_square, shared, variance, sampling)
    return Spread(values[:, 0], sides * mean_square, MEASURED - 1, shared * sampling, 1, influence.shape[-1])


def less(systems: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    (left, moved_left), (right, moved_right) = systems[:2]
    return left - right, moved_left - moved_right


def held(
    n: int, rho: float, ties: bool, repetitions: int, generator: np.random.Generator, expected: float
) -> Iterator[dict[str, Any]]:
    """By K: whether each interval held its target in each repetition, and what decides of two systems, equal and apart."""
    z = float(np.arctanh(rho))
    equal = simulate(n, (z, z, z), ties, repetitions, generator)
    apart = simulate(n, (z + BETTER, z, z), ties, repetitions, generator)
    for k in TRAININGS:
        spread = spread_at(equal[0], k, equal[2])
        (low, high), (near, far) = confidence_interval(spread), prediction_interval(spread)
        following = equal[0][0][:, -1]
        inside = (near <= following) & (following <= far)
        same, better = (spread_at(less(systems), k, systems[2], 2) for systems in (equal, apart))
        yield {
            "trainings": k,
            "confidence": (low <= expected) & (expected <= high),
            "prediction": inside,
            "differs": ~inside,
            "difference": t_test(same)[1] >= 0.05,
            "power": (t_test(better)[1] < 0.05) & (better.mean > 0),
            "mean_square": better.mean_square,
            "shared": better.shared,
            "gap": better.mean,
        }


def rates(n: int, rho: float, ties: bool, seed: int, repetitions: int) -> Iterator[dict[str, Any]]:
    """A line a K."""
    expected, parts = truth(float(np.arctanh(rho)), ties), []
    chunk = max(4, CELLS // (n * n * (max(TRAININGS) + 1)))
    for number, start in enumerate(range(0, repetitions, chunk)):
        generator = np.random.default_rng([seed, number])
        parts += [
            pd.DataFrame(line) for line in held(n, rho, ties, min(chunk, repetitions - start), generator, expected)
        ]
    for k, group in pd.concat(parts).groupby("trainings"):
        means = group.mean()
        degrees = MEASURED - 1 if k == 1 else k - 1
        typical = Spread(0.0, means["mean_square"], degrees, means["shared"], int(k), n)
        shown = {name: means[name] for name in ("confidence", "prediction", "differs", "difference", "power")}
        yield {
            "n": n,
            "rho": rho,
            "ties": ties,
            "trainings": int(k),
            **shown,
            "expected": float(power(means["gap"], typical)),
        }


def power(shift: Any, spread: Spread, level: float = 0.05) -> np.ndarray:
    """Probability that the t test tells a mean from 0 that truly is `shift`: noncentral t, `spread` being the true one.

    Args:
        shift: on the scale.
        spread: MS, Cov and the numbers of trainings and samples; its mean is not read.
    """
    degrees, centre = spread.variance_degrees, shift / np.sqrt(spread.variance)
    bound = student_t.ppf(1 - level / 2, degrees)
    return np.asarray(nct.sf(bound, degrees, centre) + nct.cdf(-bound, degrees, centre))


def markdown(table: pd.DataFrame, repetitions: int) -> str:
    """The table as percentages, what is outside the wanted range in bold."""
    lines = ["| " + " | ".join(COLUMNS.values()) + " |", "|" + "---:|" * len(COLUMNS)]
    for line in table.to_dict("records"):
        cells = [str(line["n"]), f"{line['rho']:g}", "yes" if line["ties"] else "no", str(line["trainings"])]
        for name in list(COLUMNS)[4:]:
            text = f"{100 * line[name]:.1f}"
            out = name in ("confidence", "prediction", "difference") and not WANTED[0] <= line[name] <= WANTED[1]
            cells.append(f"**{text}**" if out or (name == "differs" and line[name] > MOST_DIFFERS) else text)
        lines.append("| " + " | ".join(cells) + " |")
    error = 100 * np.sqrt(0.95 * 0.05 / repetitions)
    return "\n".join(
        [
            *lines,
            "",
            f"{repetitions} repetitions a line: a coverage of 95% has a Monte Carlo error of {error:.2f} points.",
        ]
    )


def write_figure(table: pd.DataFrame, path: Path) -> None:
    """Coverage by n, a panel an interval, the wanted range shaded."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = {
        "confidence": "confidence interval",
        "prediction": "prediction interval",
        "difference": "interval of a difference",
    }
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
    for panel, (name, title) in zip(panels, names.items(), strict=True):
        panel.axhspan(*(100 * end for end in WANTED), color="0.92")
        panel.axhline(95, color="0.6", linewidth=0.8)
        for (rho, ties), group in table.groupby(["rho", "ties"]):
            for offset, k in enumerate(TRAININGS):
                mine = group[group["trainings"] == k]
                marker, colour = ("s" if ties else "o"), ("#1f5fbf", "#2b7a4b", "#b8860b")[offset]
                fill = colour if rho < 0.8 else "none"
                panel.plot(
                    mine["n"] * 1.06 ** (offset - 1),
                    100 * mine[name],
                    marker,
                    color=colour,
                    markerfacecolor=fill,
                    markersize=5,
                )
        panel.set(title=title, xscale="log", xlabel="test samples n")
        panel.set_xticks([28, 50, 106, 353], ["28", "50", "106", "353"])
        panel.minorticks_off()
    for offset, k in enumerate(TRAININGS):
        panels[0].plot([], [], "o", color=("#1f5fbf", "#2b7a4b", "#b8860b")[offset], label=f"K = {k}")
    panels[0].set(ylabel="coverage, %", ylim=(90, 100))
    panels[0].legend(fontsize=8, loc="lower right", title="squares: ties; hollow: rho .9", title_fontsize=7)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--csv", type=Path, help="write the rates")
    parser.add_argument("--figure", type=Path, help="draw the coverages")
    parser.add_argument("--document", type=Path, help="put the table between its marks")
    options = parser.parse_args()
    lines: list[dict[str, Any]] = []
    for seed, (n, rho) in enumerate(CASES):
        for ties in (False, True):
            lines += rates(n, rho, ties, 2 * seed + ties, options.repetitions)
            print(pd.DataFrame(lines[-3:]).round(3).to_string(header=len(lines) == 3), flush=True)
    table = pd.DataFrame(lines)
    text = markdown(table, options.repetitions)
    print(text)
    if options.csv:
        table.round(4).to_csv(options.csv, index=False)
    if options.figure:
        write_figure(table, options.figure)
    if options.document:
        before, _, rest = options.document.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        options.document.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
