"""Is one row above another, or is it chance? Differences over trainings and test samples; power; and errors beside correlations.

    comparisons.yaml ─► cells ─► members ─► blocks of predictions ─► difference, interval, p ─► Holm ─► decision ─►
    comparisons.csv

Systems are compared training by training. r1 and r2 are the correlations of two systems with the true scores of the same n
samples, r12 that of the systems with one another: power is computed from them. docs/statistics.md has the formulas, their
sources and every degenerate case.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_table
from rescore.experiments.mtl_aqa_members import VALIDATED
from rescore.scoring.aqa7 import BEST, LAST, Block, Cell, blocks_of, choose_iterations
from rescore.scoring.correlation import (
    MINIMUM_SAMPLES,
    Estimate,
    combine,
    difference,
    estimate_spearman,
    fisher_z_average,
    require_numbers,
    spearman,
    stable_generator,
)
from rescore.scoring.declarations import CELLS, SHARE, TEXT, mapping, read_declarations
from rescore.scoring.estimates import NONE, against_zero, intervals_of, variance_of
from rescore.scoring.mtl_aqa import VALIDATION, choose
from rescore.scoring.mtl_aqa_outputs import Outputs
from rescore.scoring.predictions import KEY, read_columns, seed_problems, target_problems, value_problems
from rescore.scoring.scores import NOTHING_CHOSEN
from rescore.scoring.training_variance import trained, with_variances

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


def fractional_ranks(values: np.ndarray) -> np.ndarray:
    """Mid-ranks along the last axis."""
    return np.asarray(rankdata(values, axis=-1))


def rank_correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of ranks along the last axis; NaN where a side is constant."""
    x, y = (side - side.mean(axis=-1, keepdims=True) for side in (x, y))
    scale = np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    covariance = (x * y).sum(-1)
    return np.divide(covariance, scale, out=np.full(covariance.shape, np.nan), where=scale > 0)


def permutation_test(
    target: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    permutations: int,
    generator: np.random.Generator,
    samples: np.ndarray | None = None,
) -> Outcome:
    """Paired permutation test of the difference of two rank correlations on the same samples.

    If the systems are exchangeable, each sample's two predictions may be swapped (approximate randomisation: Noreen 1989,
    Computer-Intensive Methods, Ch. 2). What is swapped are mid-ranks, because two systems' scales need not agree; a sample is
    swapped in all seeds at once. p = (1 + differences at least as large) / (1 + permutations).

    Args:
        target, left, right: (seeds, n); the statistic is the difference of the means over seeds of Spearman's rho.
        permutations: number of draws.
        samples: (seeds, n) names; seeds may be tested on different samples. None: the same in every seed.

    Returns:
        The difference and p; NaN where a correlation is undefined (a side is constant, fewer than 4 samples).

    Raises:
        RescoreError: a value is NaN or infinite.
    """
    return averaged_permutation_test([(target, left, right, samples)], permutations, generator)


Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]
"""Targets, left and right predictions, names: (seeds, n) each, of one set of test samples."""


def averaged_permutation_test(parts: Sequence[Part], permutations: int, generator: np.random.Generator) -> Outcome:
    """`permutation_test` of the difference of two averages by Fisher's z over sets of test samples, each permuted by itself."""
    found = [permuted_correlations(part, permutations, generator) for part in parts]
    observed, drawn = (average([part[which] for part in found]) for which in (0, 1))
    difference, differences = observed[0] - observed[1], drawn[0] - drawn[1]
    if min(part[0].shape[1] for part in parts) < MINIMUM_SAMPLES or not np.isfinite(difference):
        return Outcome(*NO_TEST, "a correlation is undefined")
    # A swap that makes one side constant has no difference to compare; it counts against the finding.
    extreme = np.isnan(differences) | (np.abs(differences) >= abs(difference) - 1e-12)
    return Outcome(float(difference), float((1 + extreme.sum()) / (1 + permutations)))


def average(values: Sequence[np.ndarray]) -> np.ndarray:
    """Fisher's z average of several correlations; one is left as it is."""
    return values[0] if len(values) == 1 else fisher_z_average(np.stack(values, axis=-1))


def permuted_correlations(
    part: Part, permutations: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Means over seeds of both sides' rank correlations: as they are, (2,), and after each draw of swaps, (2, permutations).

    Raises:
        RescoreError: a value is NaN or infinite.
    """
    target, left, right, samples = part
    for values, what in ((target, "targets"), (left, "predictions"), (right, "predictions")):
        require_numbers(values.ravel(), [f"#{index % values.shape[1]}" for index in range(values.size)], what)
    truth, ranks = fractional_ranks(target), np.stack([fractional_ranks(left), fractional_ranks(right)])
    observed = np.array([rank_correlation(truth, side).mean() for side in ranks])
    names = np.broadcast_to(np.arange(target.shape[1]), target.shape) if samples is None else samples.astype(str)
    distinct, place = np.unique(names, return_inverse=True)
    drawn = generator.random((permutations, len(distinct))) < 0.5
    means = np.zeros((2, permutations))
    for seed, columns in enumerate(place.reshape(target.shape)):
        swap = drawn[:, columns]
        for side in (0, 1):
            mixed = fractional_ranks(np.where(swap, ranks[1 - side, seed], ranks[side, seed]))
            means[side] += rank_correlation(truth[seed], mixed) / len(target)
    return observed, means


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's (1979) adjusted p of one family of tests; undefined ones stay NaN and are no part of the family."""
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(p, dtype=float)
    defined = np.isfinite(adjusted)
    if defined.any():
        adjusted[defined] = multipletests(adjusted[defined], method="holm")[1]
    return adjusted


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


SIDE = mapping(
    {"rows": CELLS["properties"]["rows"], "columns": CELLS["properties"]["columns"]}, {"member": TEXT, "action": TEXT}
)
"""Cells of one side; `member` and `action` are templates of `{row}` and `{column}` that name their predictions."""
SCHEMA = {
    "type": "array",
    "items": mapping(
        {"id": TEXT, "table": TEXT, "left": SIDE, "right": SIDE},
        {
            "quote": TEXT,
            "section": TEXT,
            "experiments": {"type": "array", "items": TEXT},
            "names": {"type": "object", "additionalProperties": TEXT},
            "scale": {"type": "number", "exclusiveMinimum": 0},
            "level": SHARE,
            "averages": {"type": "object", "additionalProperties": CELLS["properties"]["columns"]["anyOf"][1]},
            "seeds": {"const": "shared"},
        },
    ),
}
"""`averages`: columns that are Fisher's averages, and the columns whose predictions stand behind them. `seeds: shared`: a seed
is a draw that all systems see (of labels, say), those without randomness of their own too."""
DECISIONS = ("left above right", "right above left", "undecided")
COLUMNS = [
    *("comparison", "table", "left_cell", "right_cell", "protocol", "left", "right", "difference", "low", "high"),
    *("n", "seeds", "variance", "r12", "t", "p", "holm_p", "decision", "permutation_p", "reason"),
]
"""`low` to `high` is the difference's confidence interval; `permutation_p` is about test samples, these trainings given."""
ONE_TRAINING = "one training, and no file says how trainings vary: over test samples only, so undecided"


def read_comparisons(path: Path) -> list[dict[str, Any]]:
    """Read and check reported/<paper>/comparisons.yaml: which rows are held against which, cell by cell.

    Raises:
        RescoreError: the file is missing, not YAML, two entries share an id, or one has not the form of SCHEMA.
    """
    return list(read_declarations(path, SCHEMA, "comparisons", "rescore.scoring.comparisons", side_problems))


def side_problems(entry: Mapping[str, Any]) -> Iterator[str]:
    if not pairs_fit(entry):
        yield "sides of unequal length"
        return
    columns = entry.get("averages", {})
    for (_, left), (_, right) in cell_pairs(entry):
        if len(columns.get(left, [left])) != len(columns.get(right, [right])):
            yield f"{left} and {right} rest on unequal numbers of columns"


def side_cells(side: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(row, column) of a side, rows first."""
    return [(row, column) for row in side["rows"] for column in side["columns"]]


def pairs_fit(entry: Mapping[str, Any]) -> bool:
    """Whether the sides name cells one by one, as many on each, or one against many."""
    if "all" in (entry[side][axis] for side in ("left", "right") for axis in ("rows", "columns")):
        return False
    lengths = {len(side_cells(entry[side])) for side in ("left", "right")}
    return len(lengths) == 1 or 1 in lengths


def cell_pairs(entry: Mapping[str, Any]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """The pairs of cells that an entry compares; one cell stands against many."""
    left, right = side_cells(entry["left"]), side_cells(entry["right"])
    length = max(len(left), len(right))
    return list(zip(left * (length // len(left)), right * (length // len(right)), strict=True))


def member_cell(entry: Mapping[str, Any], side: str, cell: tuple[str, str]) -> Cell:
    """The predictions behind a cell, by the side's templates; the action is empty where the side names none."""
    names = entry.get("names", {})
    words = {"row": names.get(cell[0], cell[0]), "column": names.get(cell[1], cell[1])}
    member, action = (entry[side].get(key, "").format(**words) for key in ("member", "action"))
    return Cell(*cell, member, action)


def cells_behind(entry: Mapping[str, Any], side: str, cell: tuple[str, str]) -> tuple[Cell, ...]:
    """The predictions that a cell rests on: its own, or those of the columns that it is the average of."""
    columns = entry.get("averages", {}).get(cell[1], [cell[1]])
    return tuple(member_cell(entry, side, (cell[0], column)) for column in columns)


@dataclass(frozen=True)
class Read:
    """Checked predictions of the members that are compared."""

    test: dict[tuple[str, str], Block]
    """By member and action; under an empty action where a member has one alone."""
    outputs: Outputs
    """Test and held-out samples of members with one action: what the protocol `best_on_validation` chooses by."""


def read_blocks(
    entries: Sequence[Mapping[str, Any]],
    paths: Sequence[Path],
    rows: pd.DataFrame,
    settings: Mapping[str, Any],
    experiments: Sequence[str] = (),
) -> Read:
    """Checked predictions of the members that the entries name, and of their twins without the validation samples.

    Args:
        settings: what the declared trainings are counted by (`experiments.trainings.trainings`).
        experiments: those whose predictions count; all where none is named.

    Raises:
        RescoreError: NaN, duplicates, other units, targets that are not the data set's scores, or seeds that are missing.
    """
    named = {
        part.member
        for entry in entries
        for side in ("left", "right")
        for cell in side_cells(entry[side])
        for part in cells_behind(entry, side, cell)
    }
    needed = named | {member + VALIDATED for member in named}
    tables = [read_columns(path)[0] for path in paths]
    merged = pd.concat(tables, ignore_index=True)
    merged = merged[merged["split"].isin(("test", "validation")) & merged["member"].isin(needed)]
    if experiments:
        merged = merged[merged["experiment"].isin(experiments)]
    merged = merged.reset_index(drop=True)
    if merged.empty:
        return Read(
            {}, Outputs()
        )  # other sizes than the paper's were trained; each cell says that it has no predictions
    problems = [*value_problems(merged), *target_problems(merged, rows)]
    problems += seed_problems(merged, settings)
    names = ", ".join(map(str, paths))
    raise_together(f"{names}: bad predictions", problems, "rerun the experiments that write them.")
    test, held_out = (blocks_of(merged[merged["split"] == split].sort_values(KEY)) for split in ("test", "validation"))
    members = [member for member, _ in test]
    # A side that names no action means the one that its member was tested on.
    alone = {(member, ""): block for (member, _), block in test.items() if members.count(member) == 1}
    outputs = {(member, "test"): block for (member, _), block in alone.items()}
    outputs |= {(member, "validation"): block for (member, _), block in held_out.items()}
    return Read(test | alone, Outputs(outputs))


def compare_rows(
    comparisons: Path,
    predictions: list[Path],
    rows: list[Path],
    output: Path,
    settings: dict[str, Any],
    variance: list[Path] | None = None,
) -> None:
    """Compare rows of our own tables cell by cell, from predictions.

    Args:
        comparisons: reported/<paper>/comparisons.yaml; entries without `member` concern printed numbers only.
        predictions: predictions.parquet files that hold the members; an entry that names `experiments` is answered from theirs
            alone, because two experiments may each have a member of the same name.
        rows: tables of the data sets' samples (clips, features or manifest), for the true scores.
        output: CSV with `COLUMNS`: a row a pair of cells and protocol, Holm's correction within each table and protocol.
        settings: `seed`, the counts of trainings (`experiments.trainings`), `scoring` (`bootstrap`: replicates and permutations;
            `confidence`).
        variance: files of variances over trainings, for systems that were trained once.

    Raises:
        RescoreError: a file is damaged, or the predictions are not what they should be; everything together.
    """
    entries = [entry for entry in read_comparisons(comparisons) if "member" in entry["left"]]
    samples = pd.concat([read_table(path)[["sample", "action", "score"]] for path in rows], ignore_index=True)
    settings = with_variances(settings, variance)
    lines: list[dict[str, Any]] = []
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for entry in entries:
        groups.setdefault(tuple(entry.get("experiments", ())), []).append(entry)
    for experiments, asked in groups.items():
        read = read_blocks(asked, predictions, samples, settings, experiments)
        lines += [line for entry in asked for line in entry_rows(entry, read, settings)]
    table = pd.DataFrame(lines, columns=COLUMNS)
    for _, group in table.groupby(["table", "protocol"]):
        table.loc[group.index, "holm_p"] = holm(group["p"].to_list())
    level = 1 - settings["scoring"]["confidence"]
    table["decision"] = [decide(*pair, level) for pair in zip(table["t"], table["holm_p"], strict=True)]
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].round(10)
    write_table(output, table.astype({"n": "Int64", "seeds": "Int64"}))


def decide(statistic: float, p: float, level: float) -> str:
    """Which side is above, by the p of its family; undecided where it is above the level or undefined."""
    if not p < level:
        return DECISIONS[2]
    return DECISIONS[0] if statistic > 0 else DECISIONS[1]


@dataclass(frozen=True)
class Side:
    """What a cell is made of, samples in name order."""

    samples: np.ndarray
    target: np.ndarray
    predicted: np.ndarray
    """(K, n) each."""
    numbers: tuple[int, ...]
    """Of the trainings."""

    def repeated(self, trainings: int) -> "Side":
        """One repetition as many times."""

        def broadcast(part: np.ndarray) -> np.ndarray:
            return np.broadcast_to(part, (trainings, part.shape[1]))

        return Side(broadcast(self.samples), broadcast(self.target), broadcast(self.predicted), self.numbers)


@dataclass(frozen=True)
class Pair:
    """Two cells held against each other; an average has several cells behind it, as many on either side."""

    titles: tuple[str, str]
    left: tuple[Cell, ...]
    right: tuple[Cell, ...]


def entry_rows(entry: Mapping[str, Any], read: Read, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each pair of cells under each protocol."""
    pairs = [
        Pair((" / ".join(a), " / ".join(b)), cells_behind(entry, "left", a), cells_behind(entry, "right", b))
        for a, b in cell_pairs(entry)
    ]
    cells = list(dict.fromkeys(cell for pair in pairs for cell in (*pair.left, *pair.right)))
    for protocol in protocols_of(cells, read):
        sides = sides_at(cells, read, protocol)
        yield from (pair_row(entry, protocol, pair, sides, settings) for pair in pairs)


def protocols_of(cells: Sequence[Cell], read: Read) -> tuple[str, ...]:
    """The protocols that cells can be scored under: none without iterations, validation where a member held samples out."""
    found = [read.test[cell.member, cell.action] for cell in cells if (cell.member, cell.action) in read.test]
    if not any(len(block.iterations) > 1 for block in found):
        return (NOTHING_CHOSEN,)
    known = {member for member, split in read.outputs.scores if split == "validation"}
    held_out = any(known & {cell.member, cell.member + VALIDATED} for cell in cells)
    return (LAST, BEST, VALIDATION) if held_out else (LAST, BEST)


def sides_at(cells: Sequence[Cell], read: Read, protocol: str) -> dict[Cell, Side | str]:
    """Each cell's predictions at the iterations that the protocol chooses, or why it has none."""
    found = [cell for cell in cells if (cell.member, cell.action) in read.test]
    sides: dict[Cell, Side | str] = {cell: f"no predictions of {cell.member}" for cell in cells}
    if protocol == VALIDATION:
        return sides | {cell: side_on_validation(cell, read) for cell in found}
    chosen = choose_iterations(found, read.test, protocol)
    return sides | {cell: predictions_at(read.test[cell.member, cell.action], chosen[cell]) for cell in found}


def side_on_validation(cell: Cell, read: Read) -> Side | str:
    """A cell's predictions at the iteration that is best on held-out samples, chosen as for MTL-AQA's tables.

    A member whose twin was trained without these samples is replaced by it; one with a single iteration has nothing to choose.
    """
    block = read.test[cell.member, cell.action]
    if len(block.iterations) == 1:
        return predictions_at(block, np.zeros(len(block.samples), int))
    choice = choose(cell.member, VALIDATION, read.outputs)
    if choice.iterations is None:
        return f"{choice.member}: {choice.reason}"
    block = read.outputs.scores[choice.member, "test"]
    return predictions_at(block, np.searchsorted(block.iterations, choice.iterations))


def pair_row(
    entry: Mapping[str, Any],
    protocol: str,
    pair: Pair,
    found: Mapping[Cell, Side | str],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """One pair of cells; empty with the reason where it cannot be compared."""
    row = dict.fromkeys(COLUMNS, np.nan) | {
        "comparison": entry["id"],
        "table": entry["table"],
        "left_cell": pair.titles[0],
        "right_cell": pair.titles[1],
        "protocol": protocol,
        "variance": "",
        "reason": "",
    }
    reasons = dict.fromkeys(side for cell in (*pair.left, *pair.right) if isinstance(side := found[cell], str))
    if reasons:
        return row | {"reason": "; ".join(reasons)}
    parts = [matched(found[left], found[right]) for left, right in zip(pair.left, pair.right, strict=True)]
    if reasons := dict.fromkeys(part for part in parts if isinstance(part, str)):
        return row | {"reason": "; ".join(reasons)}
    sides = [part for part in parts if not isinstance(part, str)]
    return row | compare_pair(sides, pair, f"{entry['id']} {protocol}", settings)


def matched(left: Side | str, right: Side | str) -> tuple[Side, Side] | str:
    """Two sides with as many seeds, on the same samples, or why they have not."""
    sides = [side for side in (left, right) if not isinstance(side, str)]
    trainings = max(len(side.samples) for side in sides)
    if any(len(side.samples) not in (1, trainings) for side in sides):
        return "the sides have unequal numbers of seeds"
    a, b = (side.repeated(trainings).samples for side in sides)
    if a.shape != b.shape or not (a == b).all():
        return "the sides were not tested on the same samples"
    return sides[0], sides[1]


def predictions_at(block: Block, index: np.ndarray) -> Side:
    """Samples, targets and predictions (seeds, n) of a block, each seed at its chosen iteration, samples in name order."""
    order = np.argsort(block.samples.astype(str), axis=1, kind="stable")
    predicted = block.predicted[np.arange(len(index)), index]
    samples, target, values = (
        np.take_along_axis(part, order, axis=1) for part in (block.samples, block.target, predicted)
    )
    return Side(samples, target, values, block.numbers)


def compare_pair(
    sides: Sequence[tuple[Side, Side]], pair: Pair, name: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Difference with its confidence interval, its t test and the permutation test, of two cells on the same samples.

    Args:
        sides: left and right of each set of test samples behind the cells: one, or for an average several.
        name: of the comparison and protocol; fixes the permutations.
    """
    replicates, seed = settings["scoring"]["bootstrap"], settings["seed"]
    left = side_estimate([side for side, _ in sides], pair.left, settings)
    right = side_estimate([side for _, side in sides], pair.right, settings)
    apart = difference(left, right)
    low, high = intervals_of(apart, settings["scoring"]["confidence"]).confidence
    statistic, p = against_zero(apart)
    generator = stable_generator(seed, "permutations", name, *(cell.member for cell in (*pair.left, *pair.right)))
    permuted = averaged_permutation_test([part_of(*both) for both in sides], replicates, generator)
    variance = variance_of(apart)
    return {
        "left": left.value,
        "right": right.value,
        "difference": apart.value,
        "low": low,
        "high": high,
        "n": left.n,
        "seeds": apart.seeds,
        "variance": variance,
        "r12": between(*sides[0]) if len(sides) == 1 else np.nan,
        "t": statistic,
        "p": p,
        "permutation_p": permuted.p,
        "reason": apart.reason or (ONE_TRAINING if variance == NONE else ""),
    }


def side_estimate(parts: Sequence[Side], cells: Sequence[Cell], settings: Mapping[str, Any]) -> Estimate:
    """The estimate of a cell, or of the Fisher average of several."""
    draws = settings["scoring"]["bootstrap"], settings["seed"]
    found = []
    for side, cell in zip(parts, cells, strict=True):
        whose = trained(cell.member, side.numbers, "spearman", settings)
        found.append(estimate_spearman(side.target, side.predicted, side.samples, whose, *draws))
    return found[0] if len(found) == 1 else combine(found, fisher_z_average)


def part_of(left: Side, right: Side) -> Part:
    """Both sides as the permutation test reads them, with as many repetitions on each."""
    trainings = max(len(left.samples), len(right.samples))
    a, b = left.repeated(trainings), right.repeated(trainings)
    return a.target, a.predicted, b.predicted, a.samples


def between(left: Side, right: Side) -> float:
    """r12: the mean over trainings of the two systems' correlation with one another."""
    _, a, b, _ = part_of(left, right)
    return float(np.mean([spearman(*pair).value for pair in zip(a, b, strict=True)]))
