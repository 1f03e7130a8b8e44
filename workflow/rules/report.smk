# reporting: pure functions of scores and of the papers' own numbers. No framework, no video, seconds. Here are characteristics of
# data and networks, the figures that are no forest plot, errors, and the page; papers.smk has the rest.

from rescore.systems.common.training_sets import MULTITASK, WHOLE

# Of the first training alone: one curve is enough to see whether it learned.
BACKBONE_CURVE = f"{RUNS}/backbone/{repetition.seeds(SETTINGS)[0]}/curve.csv"
PRETRAINED = SETTINGS["backbone"]["weights"] == "pretrained"


def mtl_aqa_shown(name):
    """Files of the member that MTL-AQA's Table 6 and Figure 1 show, without its twin."""
    shown = PREDICTED["mtl_aqa"][f"c3d_avg/{MULTITASK}/{WHOLE}"]
    return [f"{folder}/{name}" for folder in shown]


# The control of the intervals, where `rescore replicate` has made a held-out run of this scale; a tracked file.
REPLICATION = [
    path for path in (f"workflow/replication/{SCALE}.csv",) if Path(path).is_file()
]
REPLICATION_RECORDS = [f"{RUNS}/replication/record.json"] if REPLICATION else []


# What is drawn or counted from a few files: the step, what it reads and writes by the names of its options, what it reads of
# params.yaml, and what else it is told.
DRAWN = ("scale", "sources")
AQA7, MTL_AQA = "papers/aqa7/paper.yaml", "papers/mtl_aqa/paper.yaml"
DIVES = {
    "manifest": f"{DATA}/manifests/mtl_aqa.parquet",
    "splits": f"{DATA}/manifests/mtl_aqa_splits.parquet",
}


def drawn(figure, *suffixes):
    """The files of a figure."""
    return {
        suffix: f"{RESULTS}/figures/{figure}.{suffix}"
        for suffix in suffixes or ("svg", "png")
    }


def summary(table):
    """The characteristics of a table."""
    return {"summary": f"{RUNS}/summary/{table}.csv"}


def dives_shown(figure):
    """What shows frames of chosen dives."""
    reads = {
        "paper": MTL_AQA,
        "samples": f"{RUNS}/summary/mtl_aqa_samples.json",
        "clips": f"{DATA}/clips/mtl_aqa.npy",
    }
    step = f"reporting.mtl_aqa_figures.{figure}"
    return step, reads, drawn(f"mtl_aqa_{figure}", "png"), (*DRAWN, "multitask.clips")


def architecture(figure, network):
    """What draws a network of several heads."""
    reads = {"paper": MTL_AQA, "network": f"{RUNS}/mtl_aqa/{network}/network.json"}
    step = f"reporting.mtl_aqa_figures.architecture --figure-name {figure}"
    return step, reads, drawn(f"mtl_aqa_{figure}"), DRAWN


REPORTED = {
    "aqa7_summary": (
        "manifests.summary.write_summary",
        {"manifest": f"{DATA}/manifests/aqa7.parquet"},
        summary("aqa7_table1"),
    ),
    "mtl_aqa_table1_summary": (
        "scoring.mtl_aqa_summary.summarise_table1",
        DIVES,
        summary("mtl_aqa_table1"),
    ),
    "mtl_aqa_table2_summary": (
        "scoring.mtl_aqa_summary.summarise_table2",
        {"manifest": DIVES["manifest"]},
        summary("mtl_aqa_table2"),
    ),
    "mtl_aqa_table3_summary": (
        "scoring.mtl_aqa_summary.summarise_table3",
        {"network": f"{RUNS}/mtl_aqa/mscadc/network.json"},
        summary("mtl_aqa_table3"),
    ),
    "mtl_aqa_data": (
        "scoring.mtl_aqa_summary.summarise_data",
        DIVES
        | {
            "vocabulary": f"{DATA}/manifests/mtl_aqa_vocabulary.json",
            "vaults": f"{DATA}/manifests/aqa7.parquet",
        },
        summary("mtl_aqa_data"),
    ),
    "mtl_aqa_samples": (
        "scoring.mtl_aqa_samples.choose_samples",
        {
            "paper": MTL_AQA,
            **{
                kind: mtl_aqa_shown(f"{kind}.parquet")
                for kind in ("predictions", "classes", "captions")
            },
            "rows": f"{DATA}/clips/mtl_aqa.parquet",
            "splits": DIVES["splits"],
        },
        summary("mtl_aqa_table6") | {"samples": f"{RUNS}/summary/mtl_aqa_samples.json"},
        ("first_training", "multitask.seeds"),
    ),
    "aqa7_figure1": (
        "reporting.figures.figure1",
        {
            "manifest": f"{DATA}/manifests/aqa7.parquet",
            "beside": f"{DATA}/videos/aqa7.csv",
        },
        drawn("aqa7_figure1", "png"),
        DRAWN,
    ),
    "aqa7_figure2": (
        "reporting.figures.figure2",
        {"paper": AQA7, "network": f"{RUNS}/backbone/network.json"},
        drawn("aqa7_figure2"),
        DRAWN,
    ),
    "pretraining_curve": (
        "reporting.figures.learning_curve",
        {"paper": AQA7, "curve": BACKBONE_CURVE},
        drawn("aqa7_pretraining"),
        DRAWN,
    ),
    "mtl_aqa_figure1": dives_shown("figure1"),
    "mtl_aqa_table6_frames": dives_shown("table6_frames"),
    "mtl_aqa_figure2": architecture("figure2", "c3d_avg"),
    "mtl_aqa_mscadc": architecture("mscadc", "mscadc"),
    "mtl_aqa_increments": (
        "reporting.increments.increments",
        {
            "paper": MTL_AQA,
            "increments": f"{RUNS}/c3d_lstm_incremental/increments.parquet",
            "predictions": f"{RUNS}/c3d_lstm_incremental/predictions.parquet",
            "rows": f"{DATA}/clips/mtl_aqa.parquet",
            "clips": f"{DATA}/clips/mtl_aqa.npy",
        },
        drawn("mtl_aqa_increments", "png"),
        (*DRAWN, "multitask.clips"),
    ),
    "mtl_aqa_curves": (
        "reporting.mtl_aqa_figures.curves",
        {
            "paper": MTL_AQA,
            "curves": [
                f"{folder}/curve.csv"
                for member, folders in PREDICTED["mtl_aqa"].items()
                if member.split("/")[-1] == WHOLE
                for folder in folders
            ],
        },
        drawn("mtl_aqa_curves"),
        DRAWN,
    ),
    "error_measures": (
        "reporting.error_table.make_error_table",
        {"scores": f"{RUNS}/scores/error_measures.csv"},
        {
            "csv": f"{RESULTS}/tables/error_measures.csv",
            "markdown_file": f"{RESULTS}/tables/error_measures.md",
        },
        (*DRAWN, "scoring"),
    ),
}
if REPLICATION:
    REPORTED["replication_table"] = (
        "reporting.replication_table.make_replication_table",
        {"replication": REPLICATION},
        {
            "csv": f"{RESULTS}/tables/replication.csv",
            "markdown_file": f"{RESULTS}/tables/replication.md",
            "record": f"{RUNS}/replication/record.json",
        },
        DRAWN,
    )

# Statements whose truth the synthetic athlete makes certain: nobody knows it of official videos.
CONTROLS = []
if all(SYNTHETIC.values()):
    CONTROLS = [f"{RESULTS}/tables/controls.csv"]
    REPORTED["controls"] = (
        "scoring.controls.evaluate_controls",
        {
            "controls": "papers/controls/controls.yaml",
            "tables": [
                f"{RESULTS}/tables/{key}.csv" for key in keys_of(VIDEO) if key in CELLS
            ],
            "estimates": [
                f"{RUNS}/scores/{key}.estimates.parquet"
                for key in keys_of(VIDEO)
                if key in CELLS
            ],
            "exact": TWINS_COMPARED,
        },
        {"output": CONTROLS[0]},
        ("scoring.confidence",),
    )

for NAME, (DRAWS, READS, WRITES, *TOLD) in REPORTED.items():
    function, _, told = DRAWS.partition(" ")
    read = settings(*TOLD[0]) if TOLD else None
    step(NAME, function, READS, WRITES, read, told=told)

# What the page takes: only synthetic athletes have true joints.
POSE_TABLES, POSE_RECORDS = [], []
if SYNTHETIC_POSES:
    POSE_TABLES = [f"{RESULTS}/tables/pose_accuracy.md"]
    POSE_RECORDS = [f"{RUNS}/pose_estimator_against_true_joints/record.json"]
    step(
        "pose_table",
        "reporting.pose_table.make_pose_table",
        {"accuracy": f"{RUNS}/summary/pose_accuracy.csv"},
        {
            "csv": f"{RESULTS}/tables/pose_accuracy.csv",
            "markdown_file": POSE_TABLES[0],
            "record": POSE_RECORDS[0],
        },
        settings("scale", "sources"),
    )
step(
    "aqa7_network",
    "models.describe.describe_c3d_lstm",
    {},
    {"network": f"{RUNS}/backbone/network.json"},
    settings("clips", "backbone", "lstm"),
)
step(
    "mtl_aqa_network",
    "systems.multitask.architecture.describe",
    {"vocabulary": f"{DATA}/manifests/mtl_aqa_vocabulary.json"},
    {"output": f"{RUNS}/mtl_aqa/{{network}}/network.json"},
    settings("multitask"),
    log=f"{LOGS}/mtl_aqa/{{network}}/network.log",
    told=lambda wildcards: f"--network {wildcards.network}",
    wildcards={"network": "c3d_avg|mscadc"},
)


# Errors of every system that predicts scores of videos' samples.
step(
    "error_measures_scores",
    "scoring.error_measures.measure_errors",
    {
        "predictions": [
            f"{folder}/predictions.parquet"
            for experiment in MEASURED
            for folder in folders_of(experiment)
        ],
        "rows": [SAMPLES["aqa7"], SAMPLES["mtl_aqa"]],
        "variance": VARIANCE,
    },
    {"scores": f"{RUNS}/scores/error_measures.csv"},
    settings("seed", "scoring", "extensions.systems", *COUNTED_BY),
)
step(
    "all_tables",
    "reporting.tables.collect_markdown",
    {
        "parts": [
            *(path.replace(".csv", ".md") for path in RESULT_TABLES),
            *POSE_TABLES,
            *([f"{RESULTS}/tables/replication.md"] if REPLICATION else []),
        ],
    },
    {"output": f"{RESULTS}/tables.md"},
)
step(
    "metrics",
    "reporting.metrics.write_metrics",
    {"tables": RESULT_TABLES},
    {"output": f"{RESULTS}/metrics.json"},
)


step(
    "page",
    "reporting.page.page",
    {
        "tables": RESULT_TABLES,
        "claims": CLAIMS,
        "comparisons": COMPARISONS,
        "figures": [
            figure for figure in FIGURES if Path(figure).stem != "aqa7_pretraining"
        ],
        # Scores by iteration under the name of the paper's figure, and training curves below runs/<scale>.
        "curves": CURVE_SCORES
        + ([BACKBONE_CURVE] if PRETRAINED else [])
        + [f"{folder}/curve.csv" for folder in folders_of("mtl_aqa")],
        "dropped": [f"{DATA}/clips/aqa7.dropped.csv", FILES.dropped],
        "records": POSE_RECORDS + REPLICATION_RECORDS,
        "controls": CONTROLS,
        "audit": f"{RESULTS}/audit.csv",
        "errors": f"{RESULTS}/tables/error_measures.csv",
        # Declarations, what is read through --runs (plots, the lineage), and what is made along with the page: figures that it
        # draws itself, and the tables for a paper's appendix.
        "beside": [
            *(f"papers/{name}/paper.yaml" for name in PAPERS),
            *(
                f"{folder}/{name}"
                for experiment in PREDICTED
                for folder in folders_of(experiment)
                for name in ("predictions.parquet", *CHECKPOINTS.get(experiment, ()))
            ),
            f"{RESULTS}/tables.md",
            *([f"{RESULTS}/figures/aqa7_pretraining.svg"] if PRETRAINED else []),
        ],
    },
    {"output": f"{RESULTS}/index.html"},
    settings("scale", "seeds", "sources", "scoring"),
    told=f"--runs {RUNS} --step-records {RUNS}/records --not-run {shlex.quote(canonical_json(NOT_RUN))}",
)
