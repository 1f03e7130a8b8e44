"""What tables, figures and the page say in the same words: titles, notes, whose numbers, and what a scale is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OVER_SAMPLES = "Spearman's rho with {confidence} bootstrap intervals (BCa) over test samples."
OVER_SEEDS = (
    "Spearman's rho, mean over seeds, with {confidence} bootstrap intervals (BCa) over seeds and test samples. The best iteration"
    " is chosen on test data; its interval is conditional on that choice. Rows with one line of ours have no iterations to choose"
    " from."
)


@dataclass(frozen=True)
class Table:
    """What is said about a table of results, and how its numbers are judged."""

    title: str
    note: str
    """How to read the numbers; `{confidence}` stands for the level of the intervals."""
    characteristics: bool = False
    """Counts, ranges and words: equal to the printed digits or not, without intervals."""
    prints_best_iteration: bool = False
    """The paper's caption says that it prints the best of all iterations."""
    not_run: Mapping[str, str] = field(default_factory=dict)
    """Why a row is not run at any scale."""
    other_input: Mapping[str, str] = field(default_factory=dict)
    """Rows whose reported number was measured on another input than ours."""


TABLES = {
    "table1": Table(
        "Table 1: characteristics of AQA-7",
        "Numbers of samples, mean length in frames and score range of each action.",
        characteristics=True,
    ),
    "table2": Table(
        "Table 2: all-action against single-action models",
        f"{OVER_SEEDS} The parameters of C3D-SVR are chosen by cross-validation inside the training set.",
        not_run={"Pose+DCT": "not run yet: needs a pose estimator for divers, which this project does not have"},
    ),
    "table3": Table(
        "Table 3: zero-shot assessment of an unseen action",
        f"{OVER_SEEDS} Rows name the action trained on; Multi-action is trained on the five other actions. The paper's averages"
        " are arithmetic means without the action trained on, though its caption says Fisher's z; both are given.",
    ),
    "table4": Table(
        "Table 4: fine-tuning from scratch against fine-tuning from a multi-action model",
        f"{OVER_SEEDS} RI starts from random weights, AA from the multi-action model; columns are action and number of training"
        " samples.",
        prints_best_iteration=True,
    ),
    "unlv_dive_s3d": Table(
        "S3D on UNLV-Dive: support vector regression on the authors' released features",
        f"{OVER_SAMPLES} The features were trained on the 300 training scores by their authors; the best of the grid is chosen on"
        " test data and shown for that reason alone.",
    ),
    "mtl_aqa_labels": Table(
        "MTL-AQA without video: what the labels alone say about the score",
        f"{OVER_SAMPLES} No predictor sees a frame. Commentary and class belong to the test dive itself.",
    ),
    "human_ceiling": Table(
        "Judges of MTL-AQA: each against the others",
        f"{OVER_SAMPLES} A judge's marks against the score that the rule gives from the other judges, on the real judges' sheets;"
        " Human expert is the average over judges by Fisher's z.",
        other_input={"Human expert": "reported for other dives (MTL-AQA, Sec. 6, citing Pirsiavash et al. 2014)"},
    ),
}
YARDSTICKS = {
    "Perfect observer": "all that the video shows, read without error; it differs from the score by the judges' noise alone",
    "Difficulty alone": "the announced difficulty, without a look at the video",
}
"""Rows that no model fills, on the same test samples."""
PROTOCOLS = {
    "": "ours",
    "training_set": "ours, chosen inside the training set",
    "best_on_test": "ours, best of the grid on test data",
    "last_iteration": "ours, last iteration",
    "best_iteration_on_test": "ours, best iteration on test data",
}
NOT_RUN = "not run at this scale: `snakemake --cores all --config scale=paper` with the official videos runs it"
FIGURES = {
    "figure1": "Figure 1: preview of the data set, the test video with the median score of each action",
    "figure2": "Figure 2: the network, read off the module itself",
    "figure3": "Figure 3: fine-tuning from random and from multi-action weights",
    **{f"{name}_forest": f"{TABLES[name].title}: Spearman's rho" for name in ("table2", "table3", "table4")},
    "pretraining": "Pre-training of the backbone",
}


def scale_line(settings: dict[str, Any]) -> str:
    """What the numbers of a scale are worth, in one line; synthetic is said first."""
    scale, sources = settings["scale"], settings["sources"]
    if scale == "smoke":
        return "SYNTHETIC, smallest sizes (smoke): the numbers mean nothing; they show that every step runs."
    if scale != "open" and sources["aqa7_videos"] == "synthetic":
        return (
            f"SYNTHETIC (scale {scale}): computed on the synthetic athlete, never comparable with the paper's numbers."
        )
    if scale != "open" and sources["pretraining_videos"] == "synthetic":
        return f"SYNTHETIC PRE-TRAINING (scale {scale}): the backbone learned from synthetic motions."
    return f"Scale {scale}: real data."


def is_synthetic(settings: dict[str, Any]) -> bool:
    """Whether anything synthetic went into the numbers of a scale."""
    return scale_line(settings).startswith("SYNTHETIC")


def not_comparable(settings: dict[str, Any]) -> str:
    """Why no number of this scale may be held against the paper's; empty where it may."""
    return scale_line(settings).split(":")[0].lower() if is_synthetic(settings) else ""


def note(table: str, rows: list[str], settings: dict[str, Any]) -> str:
    """How to read a table's numbers; yardsticks are explained where they are among its rows."""
    text = TABLES[table].note.format(confidence=f"{settings['scoring']['confidence']:.0%}")
    return " ".join([text, *[f"{row}: {meaning}." for row, meaning in YARDSTICKS.items() if row in rows]])
