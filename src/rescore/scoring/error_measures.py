"""Errors beside correlations: RMSE and relative L2 of every member that predicts scores, from predictions alone.

    predictions files ─► checked ─► member by action ─► rho, RMSE with its interval, relative L2 ─► error_measures.csv

A correlation does not see a prediction that orders the samples rightly and is wrong by twenty points; these measures do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_table
from rescore.scoring.correlation import Estimate, Trained, estimate_statistic, require_numbers, spearman
from rescore.scoring.estimates import intervals_of
from rescore.scoring.outputs import Predicted, blocks_of
from rescore.scoring.papers import LAST, NOTHING_CHOSEN
from rescore.scoring.predictions import KEY, read_columns, shown, target_problems, value_problems
from rescore.scoring.training_variance import trained, with_variances

COLUMNS = [
    *("experiment", "member", "dataset", "action", "protocol", "n", "seeds", "variance", "spearman"),
    *("rmse", "low", "high", "relative_l2", "lowest", "highest"),
]
SPLIT = "test"


def measure_errors(
    predictions: list[Path],
    rows: list[Path],
    scores: Path,
    settings: dict[str, Any],
    variance: list[Path] | None = None,
) -> None:
    """Write a line for each member, data set and action: means over seeds, at the last iteration where there are several.

    Args:
        predictions: predictions.parquet of any systems, one file or several a system; files without a score are passed over.
        rows: tables of the data sets' samples (`dataset, sample, action, score`), one for each data set predicted.
        scores: output CSV with `COLUMNS`. `rmse`, with its confidence interval `low` to `high`, is in points; `relative_l2` in
            percent (100 times the distance) of the range `lowest` to `highest`: the scores of all samples of the data set and
            action, training samples included.
        settings: `seed`, `scoring`.
        variance: files of variances over trainings, for systems that were trained once.

    Raises:
        RescoreError: a file is damaged, or its predictions are not what they should be: everything together.
    """
    samples = pd.concat([read_table(path)[["dataset", "sample", "action", "score"]] for path in rows])
    table, settings = read_all(predictions, samples), with_variances(settings, variance)
    lines = [line for group in groups_of(table) for line in error_lines(*group, samples, settings)]
    errors = pd.DataFrame(lines, columns=COLUMNS).astype({"n": "Int64", "seeds": "Int64"})
    numbers = errors.select_dtypes("float").columns
    errors[numbers] = errors[numbers].round(10)
    write_table(scores, errors)


def read_all(paths: Sequence[Path], samples: pd.DataFrame) -> pd.DataFrame:
    """Checked test predictions of several files.

    Raises:
        RescoreError: columns, data sets or samples are missing, rows are duplicated, values are NaN, infinite, in another unit,
            or seeds of a member were not tested alike.
    """
    names = ", ".join(map(str, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    tables = [read_columns(path)[0] for path in paths if len(read_table(path))]
    raise_together(f"{names}: bad predictions", [] if tables else ["no rows"], "rerun the experiments that write them.")
    merged = pd.concat(tables, ignore_index=True)
    merged = merged[merged["split"] == SPLIT].reset_index(drop=True)
    raise_together(f"{names}: bad predictions", list(problems_of(merged, samples)), "rerun the experiments named.")
    return merged.sort_values(KEY)


def problems_of(table: pd.DataFrame, samples: pd.DataFrame) -> Iterator[str]:
    """Everything wrong with predictions, experiment by experiment."""
    for (experiment, dataset), group in table.groupby(["experiment", "dataset"]):
        known = samples[samples["dataset"] == dataset]
        if known.empty:
            yield f"{experiment}: no samples of the data set {dataset} are given"
            continue
        found = [*value_problems(group), *target_problems(group, known), *uneven_problems(group)]
        yield from (f"{experiment}: {problem}" for problem in found)


def uneven_problems(table: pd.DataFrame) -> Iterator[str]:
    """Members whose seeds and iterations do not all have the same number of samples of an action."""
    counts = table.groupby(["member", "action", "seed", "iteration"]).size().unstack("iteration", fill_value=0)
    uneven = [
        f"{member} ({action})"
        for (member, action), part in counts.groupby(["member", "action"])
        if len(set(part.loc[:, (part > 0).any()].to_numpy().ravel())) > 1
    ]
    if uneven:
        yield f"seeds or iterations with unequal numbers of samples: {shown(uneven)}"


def groups_of(table: pd.DataFrame) -> Iterator[tuple[str, str, str, str, Predicted]]:
    """Experiment, member, data set, action and predictions, in alphabetical order."""
    for (experiment, dataset), part in table.groupby(["experiment", "dataset"]):
        for (member, action), block in blocks_of(part).items():
            yield str(experiment), member, str(dataset), action, block


def error_lines(
    experiment: str,
    member: str,
    dataset: str,
    action: str,
    block: Predicted,
    samples: pd.DataFrame,
    settings: Mapping[str, Any],
) -> Iterable[dict[str, Any]]:
    """The line of a member, data set and action."""
    known = samples.loc[(samples["dataset"] == dataset) & (samples["action"] == action), "score"]
    lowest, highest = float(known.min()), float(known.max())
    predicted, seeds = block.predicted[:, -1], range(len(block.samples))
    whose = trained(member, block.numbers, "rmse", settings)
    error = root_mean_square(block.target, predicted, block.samples, whose, settings)
    found = intervals_of(error, settings["scoring"]["confidence"])
    pairs = [(block.target[s], predicted[s]) for s in seeds]
    yield {
        "experiment": experiment,
        "member": member,
        "dataset": dataset,
        "action": action,
        "protocol": LAST if len(block.iterations) > 1 else NOTHING_CHOSEN,
        "n": error.n,
        "seeds": error.seeds,
        "variance": found.variance,
        "spearman": np.mean([spearman(*pair).value for pair in pairs]),
        "rmse": error.value,
        "low": found.confidence[0],
        "high": found.confidence[1],
        "relative_l2": 100 * np.mean([relative_l2(*pair, lowest, highest) for pair in pairs]),
        "lowest": lowest,
        "highest": highest,
    }


def root_mean_square(
    target: np.ndarray, predicted: np.ndarray, samples: np.ndarray, whose: Trained, settings: Mapping[str, Any]
) -> Estimate:
    """Mean over trainings of the RMSE, with what its interval needs; arrays are (K, n)."""
    squares = (target - predicted) ** 2

    def in_resamples(seed: int, counts: np.ndarray) -> np.ndarray:
        return np.sqrt(counts @ squares[seed] / counts.sum(axis=1))

    points = np.array([root_mean_square_error(*pair) for pair in zip(target, predicted, strict=True)])
    draws = settings["scoring"]["bootstrap"], settings["seed"]
    return estimate_statistic(in_resamples, points, samples, whose, "log", draws)


def root_mean_square_error(target: np.ndarray, predicted: np.ndarray) -> float:
    """Root of the mean squared error, in the scores' unit; NaN without samples.

    Raises:
        RescoreError: a value is NaN or infinite.
    """
    names = [f"#{index}" for index in range(len(target))]
    require_numbers(target, names, "targets")
    require_numbers(predicted, names, "predictions")
    return float(np.sqrt(np.mean((target - predicted) ** 2))) if len(target) else np.nan


def relative_l2(
    target: np.ndarray, predicted: np.ndarray, lowest: float | None = None, highest: float | None = None
) -> float:
    """Relative L2 distance: mean of (|s - s'| / (s_max - s_min))^2 (Yu et al., Group-aware Contrastive Regression for AQA,
    ICCV 2021, Sec. 4.1, with the square of its released code; papers print 100 times it).

    Args:
        target, predicted: (samples,) scores.
        lowest, highest: the action's score range; the targets' own where not given, as the released code has it.

    Returns:
        The distance, 0 or more; NaN where the range is empty or there are no samples.

    Raises:
        RescoreError: a value is NaN or infinite.
    """
    error = root_mean_square_error(target, predicted)
    if not len(target):
        return np.nan
    span = (np.max(target) if highest is None else highest) - (np.min(target) if lowest is None else lowest)
    return float((error / span) ** 2) if span > 0 else np.nan
