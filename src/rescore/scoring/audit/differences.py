"""Printed differences against their sampling error: which “outperforms” could be told from chance.

Papers do not print how far two systems agree with one another (r12), so it is scanned: from r1 r2, where their errors are
independent, up. The more alike two systems are, the smaller a difference can be told. Formulas for Pearson's r are used on rank
correlations, whose own error is larger: what cannot be told here can be told even less. One training run a system is printed, so
the spread over trainings, and the choice of the best iteration on test data, are not in this error at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rescore.scoring.audit.declared import Entry, Paper, printed
from rescore.scoring.audit.findings import NOTABLE, NOTE, Finding, listed, number, slug
from rescore.scoring.comparisons import cell_pairs
from rescore.scoring.dependent_correlations import (
    LEVEL,
    POWER,
    feasible_r12,
    minimum_detectable_difference,
    needed_r12,
    steiger_z,
)

CLOSE = 0.95
"""Two systems that agree with one another this far are all but one system."""


@dataclass(frozen=True)
class Difference:
    name: str
    left: float
    right: float
    n: int

    @property
    def needed(self) -> float:
        """r12 from which the difference can be told; NaN: from none."""
        return needed_r12(self.left, self.right, self.n)

    @property
    def told_at_independence(self) -> bool:
        return bool(self.needed <= self.left * self.right)

    @property
    def told_when_close(self) -> bool:
        return bool(self.needed <= min(CLOSE, feasible_r12(self.left, self.right)[1]))

    def describe(self) -> str:
        p = steiger_z(self.left, self.right, self.left * self.right, self.n).p
        above = f"told from r12 {number(self.needed, 3)}" if np.isfinite(self.needed) else "never told"
        p_text = ("p < 0.001" if p < 0.001 else f"p {number(p, 3)}") + " with independent errors"
        return f"{self.name}: {number(self.left)} : {number(self.right)}, n {self.n}, {p_text}, {above}"


def check(paper: Paper) -> Iterator[Finding]:
    """Every declared comparison of printed rows."""
    for entry in paper.comparisons:
        yield check_comparison(paper, entry)


def differences_of(paper: Paper, entry: Entry) -> list[Difference]:
    """The pairs of printed correlations with one known n on both sides."""
    numbers = paper.numbers[paper.numbers["table"] == entry["table"]].set_index(["row", "column"])
    found = []
    for left, right in cell_pairs(entry):
        texts = [printed(paper, entry["table"], *cell) for cell in (left, right)]
        if None in texts:
            continue
        sizes = {numbers.at[cell, "n"] for cell in (left, right)}
        if len(sizes) == 1 and (n := sizes.pop()) != "":
            name = (
                " / ".join(left)
                + " : "
                + " / ".join(part for part, other in zip(right, left, strict=True) if part != other)
            )
            values = [float(str(text)) / entry.get("scale", 1) for text in texts]
            found.append(Difference(name, values[0], values[1], int(n)))
    return found


def check_comparison(paper: Paper, entry: Entry) -> Finding:
    pairs, found = cell_pairs(entry), differences_of(paper, entry)
    common = {
        "id": f"differences/{paper.name}/{slug(entry['id'])}",
        "subject": f"{paper.name} {entry['table']}",
        "statement": f"“{entry['quote']}” (Sec. {entry.get('section', '')})"
        if "quote" in entry
        else entry["id"].replace("_", " "),
        "refutation": "the systems' predictions for each test sample: with them the difference can be tested",
    }
    if not found:
        nothing = "no pair with one known number of samples"
        return Finding(**common, stated=f"{len(pairs)} pairs", found=nothing, severity=NOTE, evidence="")
    independent, close = (
        sum(getattr(pair, told) for pair in found) for told in ("told_at_independence", "told_when_close")
    )
    claimed = [pair for pair in found if pair.left > pair.right]
    return Finding(
        **common,
        stated=f"above in {len(claimed)} of {len(found)}",
        found=f"told from chance at the {100 * LEVEL:g}% level: {independent} of {len(found)} with independent errors, "
        f"{close} of {len(found)} with r12 {CLOSE:g}",
        severity=NOTE if all(pair.told_at_independence for pair in claimed) else NOTABLE,
        evidence=listed([*(pair.describe() for pair in found), *detectable(found)]),
    )


def detectable(found: list[Difference]) -> list[str]:
    """The smallest true difference that a test would find with the usual power, from the median of the lower side, for each n."""
    lines = []
    for n in sorted({pair.n for pair in found}):
        lower = float(np.median([min(pair.left, pair.right) for pair in found if pair.n == n]))
        shown = []
        for r12 in (lower**2, CLOSE):
            difference = minimum_detectable_difference(lower, n, r12)
            shown.append(f"{number(difference, 3) if np.isfinite(difference) else 'none'} at r12 {number(r12, 2)}")
        lines.append(
            f"n {n}: from {number(lower, 2)} up, a true difference found with power {POWER:g} is {', '.join(shown)}"
        )
    return lines
