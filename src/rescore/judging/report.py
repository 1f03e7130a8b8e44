"""What a judgement says: to read in a terminal or a browser, and for programs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import ChoiceLoader, PackageLoader
from tabulate import tabulate

from rescore.engine.storage import write_text
from rescore.judging.judge import Judgement
from rescore.judging.measures import LARGE, Measure
from rescore.reporting.page import environment

HEAD = ("measure", "of", "value", "low", "high", "n", "seeds")


def line(measure: Measure) -> list[str]:
    """A measure as a row of text."""
    numbers = ["" if np.isnan(value) else f"{value:.4f}" for value in (measure.value, measure.low, measure.high)]
    return [
        measure.name,
        measure.of + (f" ({measure.note})" if measure.note else ""),
        *numbers,
        str(measure.n),
        str(measure.seeds),
    ]


def sections(found: Judgement) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, sentences and rows of each part, in the order in which they are read: what is odd stands before any number."""
    listed: list[tuple[str, list[str], list[list[str]]]] = [
        ("What is odd", list(found.odd) or ["nothing that was looked for"], []),
        ("Measures", [intervals_in_words(found)], [line(each) for each in found.measures]),
    ]
    if found.baselines:
        words = ["what labels alone predict of the same samples, without any video"]
        listed.append(("Beside them", words, [line(each) for each in found.baselines]))
    if found.difference:
        listed.append(("Difference", [difference_in_words(found)], []))
    if found.verdict:
        listed.append(("Verdict", [f"{found.verdict.word}: {found.verdict.reason}"], []))
    return listed


def intervals_in_words(found: Judgement) -> str:
    """What the intervals are over."""
    confidence = f"{found.options['confidence']:.0%} intervals"
    if found.measures[0].seeds > 1:
        return f"mean over {found.measures[0].seeds} seeds; {confidence} over new samples and new trainings"
    sizes = {each.n > LARGE for each in found.measures}
    ways = {True: "influence functions", False: f"BCa bootstrap, {found.options['replicates']} replicates"}
    how = f"; above {LARGE} samples ".join(ways[size] for size in sorted(sizes))
    return f"{confidence} over test samples alone ({how}): one training, so how trainings vary is not in them"


def difference_in_words(found: Judgement) -> str:
    between = found.difference
    assert between is not None
    return (
        f"rho {between.left:.4f} less {between.right:.4f} on {between.n} samples that both predict: {between.value:+.4f}, "
        f"{found.options['confidence']:.0%} interval {between.low:+.4f} to {between.high:+.4f}, permutation "
        f"test p {between.p:.4g}"
    )


def heading(found: Judgement) -> str:
    return f"{' against '.join(Path(file).name for file in found.files)}, judged by {found.labels}"


def describe(found: Judgement) -> str:
    """The judgement for a terminal."""
    parts = [heading(found)]
    for title, sentences, rows in sections(found):
        mark = "! " if title == "What is odd" and found.odd else "  "
        parts.append("\n".join([title, *(f"{mark}{sentence}" for sentence in sentences)]))
        if rows:
            parts.append(tabulate(rows, headers=HEAD, tablefmt="simple", disable_numparse=True))
    return "\n\n".join(parts)


def record(found: Judgement) -> dict[str, Any]:
    """The judgement for programs: JSON without NaN (null)."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return None if isinstance(value, float) and not np.isfinite(value) else value

    content: dict[str, Any] = plain(asdict(found))
    return content


def write(found: Judgement, html: Path | None, as_json: Path | None, csv: Path | None) -> None:
    """Write what was asked for.

    Args:
        html: a page of its own.
        as_json: everything.
        csv: a line a measure; baselines are marked as such.
    """
    if as_json:
        write_text(as_json, json.dumps(record(found), indent=2, ensure_ascii=False) + "\n")
    if csv:
        kinds = {"measured": found.measures, "baseline": found.baselines}
        rows = [{"kind": kind, **asdict(each)} for kind, listed in kinds.items() for each in listed]
        write_text(csv, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    if html:
        write_text(html, page_of(found))


def page_of(found: Judgement) -> str:
    """The judgement as a page of its own, dressed as the other pages are."""
    pages = environment()
    assert pages.loader is not None
    pages.loader = ChoiceLoader([PackageLoader("rescore.judging"), pages.loader])
    shown = {"title": heading(found), "head": HEAD, "parts": sections(found), "synthetic": False, "library": ""}
    return pages.get_template("judge.html.j2").render(**shown)
