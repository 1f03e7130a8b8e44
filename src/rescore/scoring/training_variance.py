"""The variance over trainings of systems that a scale trains once: measured where they are trained several times, kept in a file.

    predictions of scale `variance` ─► measure_variance ─► workflow/variance/demo.csv ─► read_variances ─► Trained of a member

A line is a family's and a statistic's: MS on the statistic's scale, pooled over its measured members. Estimates of other
scales read it where a member has one training alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table
from rescore.scoring.correlation import Estimate, Trained, scaled
from rescore.scoring.intervals import TrainingVariance, sampling_covariance
from rescore.systems import trainings

COLUMNS = ["family", "statistic", "mean_square", "degrees", "shared", "sampling", "trainings", "n", "measured_on"]
Variances = dict[tuple[str, str], TrainingVariance]
"""By family and statistic."""


def trained(member: str, numbers: Sequence[int], statistic: str, settings: Mapping[str, Any]) -> Trained:
    """What is known of a member's trainings.

    Args:
        numbers: of the trainings that its predictions are of.
        statistic: as in the scores: `spearman`, `accuracy`, a caption metric, `rmse`.
        settings: `variances`, where a file was read; what tells whether the system is repeated; `extensions.systems`, for these.
    """
    if not trainings.is_repeated(member, settings):
        return Trained()
    known: Variances = settings.get("variances") or {}
    return Trained(
        tuple(int(number) for number in numbers), known.get((trainings.family_of(member, settings), statistic))
    )


def with_variances(settings: Mapping[str, Any], paths: Sequence[Path] | None) -> dict[str, Any]:
    """Settings with `variances`, what the files say; nothing where there is no file.

    Raises:
        RescoreError: a file is damaged, lacks columns, or holds what is no variance: every line together.
    """
    found: Variances = {}
    for path in paths or ():
        found |= read_variances(path)
    return {**settings, "variances": found}


def read_variances(path: Path) -> Variances:
    """The variances of a file.

    Raises:
        RescoreError: the file is missing or damaged, lacks columns, or a line is no variance: every problem together.
    """
    table = read_table(path)
    remedy = "`snakemake variance_file --cores all --config scale=variance` writes it anew."
    raise_together(f"{path}: not a file of variances", [f"no column '{c}'" for c in COLUMNS if c not in table], remedy)
    raise_together(f"{path}: bad variances", list(variance_problems(table)), remedy)
    names = zip(table["family"].astype(str), table["statistic"].astype(str), strict=True)
    numbers = table[["mean_square", "degrees", "shared", "sampling"]].to_numpy(dtype=float)
    return {name: TrainingVariance(*map(float, line)) for name, line in zip(names, numbers, strict=True)}


def variance_problems(table: pd.DataFrame) -> Iterator[str]:
    """Lines that say no variance, by their number in the file."""
    twice = table.duplicated(["family", "statistic"])
    numbers = table[["mean_square", "degrees", "shared", "sampling"]].apply(pd.to_numeric, errors="coerce")
    for place, (name, statistic) in enumerate(zip(table["family"], table["statistic"], strict=True)):
        where, line = f"line {place + 2} ({name}, {statistic})", numbers.iloc[place]
        if twice.iloc[place]:
            yield f"{where}: this family and statistic stand twice"
        if not np.isfinite(line).all():
            yield f"{where}: mean_square, degrees, shared and sampling are numbers"
        elif not (
            line["mean_square"] >= 0 and line["degrees"] > 0 and 0 <= line["shared"] <= 1 and line["sampling"] >= 0
        ):
            yield f"{where}: mean_square and sampling are 0 or more, degrees above 0, shared from 0 to 1"


def pooled(family: str, statistic: str, estimates: Sequence[tuple[str, Estimate]]) -> dict[str, Any] | None:
    """A family's line from its members' estimates of several trainings each; None where no member has two trainings.

    MS are pooled by their degrees of freedom, as variances within groups are; the sampling variances likewise. The degrees are
    those of one member: trainings of one number rest on one backbone, so members of a family are not independent.
    """
    parts = []
    for member, estimate in estimates:
        values, influence = scaled(estimate)
        if len(values) > 1 and np.isfinite(values).all() and np.isfinite(influence).all():
            variance, covariance = sampling_covariance(influence)
            parts.append((member, values.var(ddof=1), len(values) - 1, float(variance), float(covariance), estimate.n))
    if not parts:
        return None
    members, squares, degrees, variances, covariances, n = zip(*parts, strict=True)
    sampling = float(np.average(variances, weights=degrees))
    shared = float(np.average(covariances, weights=degrees)) / sampling if sampling > 0 else 0.0
    return {
        "family": family,
        "statistic": statistic,
        "mean_square": float(np.average(squares, weights=degrees)),
        "degrees": max(degrees),
        "shared": min(max(shared, 0.0), 1.0),
        "sampling": sampling,
        "trainings": max(degrees) + 1,
        "n": max(n),
        "measured_on": " ".join(members),
    }
