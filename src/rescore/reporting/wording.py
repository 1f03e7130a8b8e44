"""What tables, figures and the page say in the same words: titles, notes, whose numbers, and what a scale is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OVER_SAMPLES = "Spearman's rho with {confidence} bootstrap intervals (BCa) over test samples; nothing is trained again."
BOTH_INTERVALS = (
    "[ ] is the {confidence} confidence interval over new trainings and new test samples, ( ) the {confidence}"
    " prediction interval of one new training on these test samples, by which alone printed numbers are judged. Where"
    " nothing is trained again, [ ] is over test samples (BCa) and there is no other; where † stands, one training was"
    " made and nothing says how others would vary: [ ] is over test samples only and judges nothing."
)
OVER_SEEDS = (
    f"Spearman's rho, mean over seeds. {BOTH_INTERVALS} The best iteration is chosen on test data; its intervals are"
    " conditional on that choice. Rows with one line of ours have no iterations to choose from."
)


RHO_IN_PERCENT, ACCURACY_IN_PERCENT = (
    f"{measure} in percent (the paper's unit), mean over seeds. {BOTH_INTERVALS} One iteration is scored for each member"
    " and seed: the last, the best on validation dives held out of training, and the best on test data, whose intervals"
    " are conditional on that choice. The paper does not say which it prints."
    for measure in ("Spearman's rho", "Accuracies")
)


PROBES = (
    f"Spearman's rho in percent (the paper's unit). {BOTH_INTERVALS} Ridge regression on the activations of the last"
    " convolution of each of C3D's five groups, pooled to about equally many values; its penalty is chosen by"
    " cross-validation inside the training set, so nothing is chosen on test data. Baseline-1: the body pre-trained on"
    " action recognition; Baseline-2: trained for the dives' classes alone."
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
    paper: str = "aqa7"
    """Whose videos the numbers are made from: aqa7 | mtl_aqa; empty: both."""
    differs: str = "another value in the data"
    """What it means that a characteristic differs."""
    own: Mapping[str, str] = field(default_factory=dict)
    """Columns of ours, and why nothing stands beside them."""
    measure: str = "Spearman's rho"
    """What a forest plot of the table shows."""
    forest_columns: tuple[str, ...] = ()
    """Columns of the forest plot, where it does not show all."""


TABLES = {
    "table1": Table(
        "Table 1: characteristics of AQA-7",
        "Numbers of samples, mean length in frames and score range of each action.",
        characteristics=True,
    ),
    "table2": Table(
        "Table 2: all-action against single-action models",
        f"{OVER_SEEDS} The parameters of C3D-SVR and of the pose systems are chosen by cross-validation inside the"
        " training set. True joints (synthetic videos only) stand in for a pose estimator that never errs.",
        not_run={"Pose+DCT": "not run: its predictions are not here"},
    ),
    "table3": Table(
        "Table 3: zero-shot assessment of an unseen action",
        f"{OVER_SEEDS} Rows name the action trained on; Multi-action is trained on the five other actions. The paper's"
        " averages are arithmetic means without the action trained on, though its caption says Fisher's z; both are"
        " given.",
    ),
    "table4": Table(
        "Table 4: fine-tuning from scratch against fine-tuning from a multi-action model",
        f"{OVER_SEEDS} RI starts from random weights, AA from the multi-action model; columns are action and number of"
        " training samples.",
        prints_best_iteration=True,
    ),
    "unlv_dive_s3d": Table(
        "S3D on UNLV-Dive: support vector regression on the authors' released features",
        f"{OVER_SAMPLES} The features were trained on the 300 training scores by their authors; the best of the grid is"
        " chosen on test data and shown for that reason alone.",
    ),
    "mtl_aqa_labels": Table(
        "MTL-AQA without video: what the labels alone say about the score",
        f"{OVER_SAMPLES} No predictor sees a frame. Commentary and class belong to the test dive itself.",
    ),
    "human_ceiling": Table(
        "Judges of MTL-AQA: each against the others",
        f"{OVER_SAMPLES} A judge's marks against the score that the rule gives from the other judges, on the real judges'"
        " sheets; Human expert is the average over judges by Fisher's z.",
        other_input={"Human expert": "reported for other dives (MTL-AQA, Sec. 6, citing Pirsiavash et al. 2014)"},
    ),
}
OTHER_DIVES = "the paper's four dives are others; how they were chosen it does not say"
TABLES |= {
    "mtl_aqa_table1": Table(
        "MTL-AQA, Table 1: the diving data sets",
        "Counted in the manifest of all annotated dives; UNLV-Dive in the split that comes with the data.",
        characteristics=True,
        paper="mtl_aqa",
    ),
    "mtl_aqa_table2": Table(
        "MTL-AQA, Table 2: the parts of a dive's class",
        "Values that occur among the annotated dives.",
        characteristics=True,
        paper="mtl_aqa",
    ),
    "mtl_aqa_table3": Table(
        "MTL-AQA, Table 3: the layers of MSCADC",
        "Read off the module that is trained, in the paper's notation. The captioning head has two layers of the"
        " released code that the paper does not print.",
        characteristics=True,
        paper="mtl_aqa",
        differs="another layer in the module that is trained",
    ),
    "mtl_aqa_table4": Table(
        "MTL-AQA, Table 4: one task against several",
        RHO_IN_PERCENT,
        paper="mtl_aqa",
        measure="Spearman's rho in percent",
    ),
    "mtl_aqa_table5": Table(
        "MTL-AQA, Table 5: dive classes and commentary",
        f"{ACCURACY_IN_PERCENT} The iteration is the one that is best in rho (Nibali et al., which predicts no score: in"
        " mean accuracy). B1 to B4 (BLEU), M (METEOR) and R (ROUGE-L) are shares of 1, C (CIDEr) has its usual factor of"
        " 10. Nibali et al. is their classifier as a network of ours: MSCADC's body and class head, trained for classes"
        " alone. Majority class: the most frequent class of the training dives.",
        paper="mtl_aqa",
        measure="Accuracy in percent",
        forest_columns=("Nibali et al.", "MSCADC", "C3D-AVG", "Majority class"),
    ),
    "mtl_aqa_table6": Table(
        "MTL-AQA, Table 6: what the network says of four dives",
        "Test dives sorted by the absolute error of C3D-AVG-MTL's score (first seed, last iteration): the middles of the"
        " four quarters from best to worst. Scores are in points.",
        characteristics=True,
        paper="mtl_aqa",
        other_input={f"Dive {number}, {side}": OTHER_DIVES for number in range(1, 5) for side in ("true", "C3D-AVG")},
        own={"Caption": "the paper's captions belong to other dives", "Sample": "the paper does not name its dives"},
    ),
    "mtl_aqa_table7": Table(
        "MTL-AQA, Table 7: against other methods",
        RHO_IN_PERCENT,
        paper="mtl_aqa",
        measure="Spearman's rho in percent",
    ),
    "mtl_aqa_table8": Table(
        "MTL-AQA, Table 8: fewer training dives",
        f"{RHO_IN_PERCENT} Columns name the training sets; their exact sizes stand in the manifest.",
        paper="mtl_aqa",
        measure="Spearman's rho in percent",
    ),
    "mtl_aqa_table9": Table(
        "MTL-AQA, Table 9: linear regressors on five layers, dives",
        f"{PROBES} Rows of the trained networks are means over seeds, after their last epoch.",
        paper="mtl_aqa",
        measure="Spearman's rho in percent",
    ),
    "mtl_aqa_table10": Table(
        "MTL-AQA, Table 10: linear regressors on five layers, gymnastic vaults",
        f"{PROBES} Within-dataset: vaults drawn at random; Out-of-dataset: test vaults from other competitions than the"
        " training vaults. Means over seeds, each with a draw of its own that all rows share. The paper's 125 training"
        " and 56 test vaults are more than AQA-7 has (176); here both evaluations train on as many as both can have, so"
        " that they differ by the competitions alone.",
        paper="",
        measure="Spearman's rho in percent",
    ),
}
OTHER_BACKBONE = "reported with an I3D pre-trained on Kinetics-400; here on the backbone of C3D-AVG"
TABLES["extensions_table"] = Table(
    "Extensions: what C3D-AVG is asked to improve, and what came after it",
    f"{RHO_IN_PERCENT} All systems are trained and tested on MTL-AQA's 1059 and 353 dives as C3D-AVG-STL is, the row to"
    " beat; the second column is the difference to it, drawn in pairs. MUSDL and CoRe are told the difficulty of a test"
    " dive, the others see the video alone. Reported numbers come from other papers (reported/extensions/README.md has"
    " their sources); at scales other than paper the backbones are narrow and R3D-18, MC3-18 and R(2+1)D-18 start from"
    " random weights.",
    paper="mtl_aqa",
    measure="Spearman's rho in percent",
    other_input={name: OTHER_BACKBONE for name in ("USDL", "MUSDL", "CoRe")},
    own={"Less C3D-AVG-STL": "a difference of ours"},
    forest_columns=("Sp. Corr.",),
)
OVER_DRAWS = (
    f"Spearman's rho, mean over draws of the labelled videos, each of which is a training. {BOTH_INTERVALS} The best"
    " iteration is chosen on test data; its intervals are conditional on that choice. Layers, optimiser and weights of"
    " the losses are not known of the paper and were chosen here."
)
SUPERVISED_HEADS = " USDL and C3D-AVG are heads on the same frozen segment features, not networks trained end to end."
ABLATED = " AA is read as the labelled videos alone; RDA aligns their features with the others', MSFR recovers a masked segment."
TABLES |= {
    "s4aqa_mtl_aqa": Table(
        "S4AQA, MTL-AQA: scores of 10% and 40% of the training dives",
        OVER_DRAWS + SUPERVISED_HEADS,
        paper="mtl_aqa",
    ),
    "s4aqa_rhythmic_gymnastics": Table(
        "S4AQA, Rhythmic Gymnastics: scores of 40% of the training routines",
        f"{OVER_DRAWS} Avg is Fisher's average: the printed averages follow from the printed cells by it. Where the"
        " source is synthetic, segment features and scores are made up, and no gymnast is in them. ACTION-NET alone"
        " reads features of single moments besides.",
        paper="rhythmic_gymnastics",
    ),
    "s4aqa_ablation": Table("S4AQA, ablation: its parts one by one", OVER_DRAWS + ABLATED, paper="mtl_aqa"),
    "s4aqa": Table(
        "S4AQA on UNLV-Dive: real stage posteriors, no video",
        f"Spearman's rho, mean over draws of the labelled dives, each of which is a training. {BOTH_INTERVALS} Inputs"
        " are the frame by frame stage posteriors of the S3D authors' segmentation, which no score went into: they"
        " say when a stage happens, not how well. With every dive labelled, systems that read unlabelled ones have"
        " none and are"
        " left out. No paper prints these numbers." + ABLATED,
    ),
}
BASELINES = {
    "Label only": "ridge regression from difficulty and dive class, without a look at the video",
    "Commentary only": "ridge regression from the words of the dive's own commentary",
    "Random caption of the same class": "the commentary of a random training dive of the same class",
    "Three tasks less one": "the difference of the rows above, drawn in pairs",
    "MTL less STL": "the difference of the rows above, drawn in pairs",
}
"""Rows of ours in the tables of MTL-AQA."""
YARDSTICKS = {
    "Perfect observer": "all that the video shows, read without error; it differs from the score by the judges' noise"
    " alone",
    "Difficulty alone": "the announced difficulty, without a look at the video",
}
"""Rows that no model fills, on the same test samples."""
PROTOCOLS = {
    "": "ours",
    "training_set": "ours, chosen inside the training set",
    "best_on_test": "ours, best of the grid on test data",
    "last_iteration": "ours, last iteration",
    "best_on_validation": "ours, best iteration on validation data",
    "best_iteration_on_test": "ours, best iteration on test data",
}
NOT_RUN = "not run at this scale: `snakemake --cores all --config scale=paper` with the official videos runs it"
FIGURES = {
    "figure1": "Figure 1: preview of the data set, the test video with the median score of each action",
    "figure2": "Figure 2: the network, read off the module itself",
    "figure3": "Figure 3: fine-tuning from random and from multi-action weights",
    **{f"{name}_forest": f"{TABLES[name].title}: Spearman's rho" for name in ("table2", "table3", "table4")},
    "pretraining": "Pre-training of the backbone",
    "mtl_aqa_figure1": "MTL-AQA, Figure 1: one dive and the three outputs of C3D-AVG-MTL",
    "mtl_aqa_figure2": "MTL-AQA, Figure 2: C3D-AVG, read off the module itself",
    "mtl_aqa_mscadc": "MTL-AQA, Table 3 drawn: MSCADC, read off the module itself",
    "mtl_aqa_table6_frames": "MTL-AQA, Table 6: the four dives",
    "mtl_aqa_increments": "Incremental labels (Parmar and Morris 2017): in which clips points are lost",
    "mtl_aqa_curves": "MTL-AQA: learning curves",
    **{
        f"mtl_aqa_{name}_forest": f"{TABLES[f'mtl_aqa_{name}'].title}: {TABLES[f'mtl_aqa_{name}'].measure}"
        for name in ("table4", "table5", "table7", "table8", "table9", "table10")
    },
    "extensions_table_forest": f"{TABLES['extensions_table'].title}: {TABLES['extensions_table'].measure}",
    **{
        f"s4aqa_{name}_forest": f"{TABLES[f's4aqa_{name}'].title}: Spearman's rho"
        for name in ("mtl_aqa", "rhythmic_gymnastics", "ablation")
    },
}


VIDEOS = {"aqa7": "aqa7_videos", "mtl_aqa": "mtl_aqa_videos", "rhythmic_gymnastics": "rhythmic_gymnastics"}
"""By paper, the setting under `sources` that says what its videos are."""


def scale_line(settings: dict[str, Any], paper: str | None = None) -> str:
    """What the numbers of a scale are worth, in one line; synthetic is said first.

    Args:
        settings: `scale`, `sources`.
        paper: whose numbers (a key of VIDEOS); None: of any, so that one synthetic source marks all.
    """
    scale, sources = settings["scale"], settings["sources"]
    videos = [VIDEOS[paper]] if paper else list(VIDEOS.values())
    if scale == "smoke":
        return "SYNTHETIC, smallest sizes (smoke): the numbers mean nothing; they show that every step runs."
    if scale != "open" and any(sources.get(name) == "synthetic" for name in videos):
        return (
            f"SYNTHETIC (scale {scale}): computed on the synthetic athlete, never comparable with the paper's numbers."
        )
    if scale != "open" and sources["pretraining_videos"] == "synthetic":
        return f"SYNTHETIC PRE-TRAINING (scale {scale}): the backbone learned from synthetic motions."
    return f"Scale {scale}: real data."


def is_synthetic(settings: dict[str, Any], paper: str | None = None) -> bool:
    """Whether anything synthetic went into the numbers of a scale."""
    return scale_line(settings, paper).startswith("SYNTHETIC")


def not_comparable(settings: dict[str, Any], paper: str | None = None) -> str:
    """Why no number of this scale may be held against the paper's; empty where it may."""
    return scale_line(settings, paper).split(":")[0].lower() if is_synthetic(settings, paper) else ""


def note(table: str, rows: list[str], settings: dict[str, Any]) -> str:
    """How to read a table's numbers; yardsticks and baselines are explained where they are among its rows."""
    text = TABLES[table].note.format(confidence=f"{settings['scoring']['confidence']:.0%}")
    explained = YARDSTICKS | BASELINES
    return " ".join([text, *[f"{row}: {meaning}." for row, meaning in explained.items() if row in rows]])
