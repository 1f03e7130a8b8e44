"""What tables, figures and the page say in the same words: how to read numbers, whose they are, what a scale is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from rescore.scoring.papers import (
    BEST,
    BEST_ON_TEST,
    LAST,
    LOG_BEST,
    LOG_LAST,
    LOG_TEN,
    NOTHING_CHOSEN,
    PREDICTED,
    PREDICTED_BEST,
    TRAINING_SET,
    VALIDATION,
    Paper,
    Table,
)

BOTH_INTERVALS = (
    "[ ] is the {confidence} confidence interval over new trainings and new test samples, ( ) the {confidence}"
    " prediction interval of one new training on these test samples, by which alone printed numbers are judged. Where"
    " nothing is trained again, [ ] is over test samples (BCa) and there is no other; where † stands, one training was"
    " made and nothing says how others would vary: [ ] is over test samples only and judges nothing."
)
IN_PERCENT = (
    "{measure} in percent (the paper's unit), mean over seeds. {both_intervals} One iteration is scored for each member"
    " and seed: the last, the best on validation dives held out of training, and the best on test data, whose intervals"
    " are conditional on that choice. The paper does not say which it prints."
)
PASSAGES = {
    "over_samples": (
        "Spearman's rho with {confidence} bootstrap intervals (BCa) over test samples; nothing is trained again."
    ),
    "over_seeds": (
        "Spearman's rho, mean over seeds. {both_intervals} The best iteration is chosen on test data; its intervals are"
        " conditional on that choice. Rows with one line of ours have no iterations to choose from."
    ),
    "rho_in_percent": IN_PERCENT.replace("{measure}", "Spearman's rho"),
    "accuracy_in_percent": IN_PERCENT.replace("{measure}", "Accuracies"),
    "both_intervals": BOTH_INTERVALS,
    "over_logs": (
        "Read in the authors' released logs by the rule that each line names; folds and runs are averaged plainly. A log has no"
        " predictions, so no {confidence} interval is possible. A printed number *agrees with the authors' log* where the"
        " rule that the paper"
        " follows gives it to the printed digits; the other lines are shown beside it and judge nothing."
    ),
}
"""Passages that notes of any paper name, as `{over_seeds}`; those that others name stand behind them."""
PROTOCOLS = {
    NOTHING_CHOSEN: "ours",
    TRAINING_SET: "ours, chosen inside the training set",
    BEST_ON_TEST: "ours, best of the grid on test data",
    LAST: "ours, last iteration",
    VALIDATION: "ours, best iteration on validation data",
    BEST: "ours, best iteration on test data",
    PREDICTED: "released predictions, recomputed",
    PREDICTED_BEST: "released predictions, best epoch on test data",
    LOG_TEN: "released log, mean of the last ten epochs",
    LOG_LAST: "released log, last epoch",
    LOG_BEST: "released log, best epoch on test data",
}
NOT_RUN = "not run at this scale: `snakemake --cores all --config scale=paper` with the official videos runs it"
PRETRAINING = "pretraining_videos"


def scale_line(settings: Mapping[str, Any], videos: str | None = None) -> str:
    """What the numbers of a scale are worth, in one line; synthetic is said first.

    Args:
        settings: `scale`, `sources`.
        videos: the setting under `sources` that says what the numbers are made from; none or empty: of any, so that one
            synthetic source marks all.
    """
    scale, sources = settings["scale"], settings["sources"]
    names = [videos] if videos else [name for name in sources if name != PRETRAINING]
    if scale == "smoke":
        return "SYNTHETIC, smallest sizes (smoke): the numbers mean nothing; they show that every step runs."
    if scale != "open" and any(sources.get(name) == "synthetic" for name in names):
        return (
            f"SYNTHETIC (scale {scale}): computed on the synthetic athlete, never comparable with the paper's numbers."
        )
    if scale != "open" and sources[PRETRAINING] == "synthetic":
        return f"SYNTHETIC PRE-TRAINING (scale {scale}): the backbone learned from synthetic motions."
    return f"Scale {scale}: real data."


def is_synthetic(settings: Mapping[str, Any], videos: str | None = None) -> bool:
    """Whether anything synthetic went into the numbers of a scale."""
    return scale_line(settings, videos).startswith("SYNTHETIC")


def not_comparable(settings: Mapping[str, Any], videos: str | None = None) -> str:
    """Why no number of this scale may be held against the paper's; empty where it may."""
    return scale_line(settings, videos).split(":")[0].lower() if is_synthetic(settings, videos) else ""


def note(table: Table, rows: Sequence[str], settings: Mapping[str, Any]) -> str:
    """How to read a table's numbers; rows of ours are explained where they are among `rows`."""
    text = str(table.declared.get("note", ""))
    for name, passage in (*table.texts.items(), *PASSAGES.items()):
        text = text.replace(f"{{{name}}}", passage)
    text = text.replace("{confidence}", f"{settings['scoring']['confidence']:.0%}")
    return " ".join([text, *[f"{row}: {meaning}." for row, meaning in table.row_notes.items() if row in rows]])


def figure_title(paper: Paper, figure: str) -> str:
    """The title of a paper's figure, a table's forest plot among them; its own name where nothing is declared."""
    table = paper.tables.get(figure.removesuffix("_forest"))
    if table is not None and figure.endswith("_forest"):
        return f"{table.title}: {table.measure}"
    declared = paper.figures.get(figure) or paper.curves.get(figure, {}).get("title")
    return str(declared or f"{paper.name} {figure}".replace("_", " "))
