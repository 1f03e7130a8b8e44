"""What labels alone reach on each released split: ridge regressions on event, difficulty and dive class, without any video.

They are the open experiment's own (systems.mtl_aqa_labels.predict) at one fixed penalty, trained and tested on each split as
released; where a training list holds test samples, the figure given is that without them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rescore.scoring.audit.counts import title
from rescore.scoring.audit.declared import Paper, printed
from rescore.scoring.audit.findings import NOTABLE, Finding, number, slug
from rescore.scoring.audit.released import Released, Split
from rescore.scoring.correlation import MINIMUM_SAMPLES, fisher_z_interval, spearman

PENALTY = 1.0
"""Ridge penalty, not chosen: these are baselines, and choosing would take most of the audit's time."""
MEMBERS: dict[str, tuple[str, ...]] = {
    "event": ("event",),
    "difficulty": ("difficulty",),
    "event, difficulty and dive class": ("difficulty", "dive_class", "event"),
}


def check(papers: list[Paper], released: Released, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """A finding for each split whose dives MTL-AQA labels.

    Args:
        settings: `scoring`: `confidence`.
    """
    if released.dives is None:
        return
    dives = released.dives.set_index("sample", drop=False)
    done: set[tuple[frozenset[str], frozenset[str]]] = set()
    for split in released.splits:
        train, test = (labelled(dives, split, part) for part in (split.train, split.test))
        content = (frozenset(train["sample"]), frozenset(test["sample"]))
        if train.empty or len(test) < MINIMUM_SAMPLES or content in done:
            continue
        done.add(content)
        yield check_split(papers, split, train, test, settings)


def labelled(dives: pd.DataFrame, split: Split, samples: tuple[str, ...]) -> pd.DataFrame:
    """The labels of the samples that are MTL-AQA's dives."""
    names = dict.fromkeys(split.dives[name] for name in samples if name in split.dives)
    return dives.loc[[name for name in names if name in dives.index]]


def check_split(
    papers: list[Paper], split: Split, train: pd.DataFrame, test: pd.DataFrame, settings: Mapping[str, Any]
) -> Finding:
    clean = train[~train["sample"].isin(set(test["sample"]))]
    shown = [f"{name} {estimate(train, test, inputs, settings)}" for name, inputs in MEMBERS.items()]
    best = estimate(clean, test, list(MEMBERS.values())[-1], settings)
    if len(clean) < len(train):
        shown.append(f"all three without the {len(train) - len(clean)} training samples that are tested: {best}")
    return Finding(
        id=f"predictors/{slug(title(split))}",
        subject=title(split),
        statement="Spearman’s rho of a predictor that sees no video, against the printed result on this split",
        stated=reported_result(papers, split),
        found=best,
        severity=NOTABLE,
        evidence=f"{'; '.join(shown)}; {len(train)} training, {len(test)} test dives",
        refutation="nothing to refute: a network’s result on this split is to be read against it",
    )


def estimate(train: pd.DataFrame, test: pd.DataFrame, inputs: tuple[str, ...], settings: Mapping[str, Any]) -> str:
    """rho with its Fisher-z interval, as text."""
    from rescore.systems.common.label_regression import regression

    # Predictions of one class and difficulty must tie exactly, not by the solver's last digit.
    model = regression(inputs).set_params(ridge__alpha=PENALTY).fit(train, train["score"])
    predicted = np.round(model.predict(test), 6)
    rho = spearman(test["score"].to_numpy(float), predicted, list(test["sample"]))
    if rho.reason:
        return f"undefined ({rho.reason})"
    low, high = fisher_z_interval(rho.value, rho.n, settings["scoring"]["confidence"])
    return f"{number(rho.value)} ({number(low)} to {number(high)})"


def reported_result(papers: list[Paper], split: Split) -> str:
    """The printed results that aggregates.yaml names for this split."""
    results = []
    for paper in papers:
        for entry in paper.aggregates["results"]:
            text = printed(paper, *entry["cell"])
            if entry["split"] == split.name and text is not None:
                results.append(
                    f"{number(float(text) / entry.get('scale', 1))} ({paper.name}, {', '.join(entry['cell'])})"
                )
    return "; ".join(results)
