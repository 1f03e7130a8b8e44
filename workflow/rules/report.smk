# reporting: pure functions of scores and of the papers' own numbers. No framework, no video, seconds. Here are characteristics of
# data and networks, the figures that are no forest plot, errors, and the page; papers.smk has the rest.

# Of the first training alone: one curve is enough to see whether it learned.
BACKBONE_CURVE = f"{RUNS}/backbone/{AQA7_TRAININGS[0]}/curve.csv"
PRETRAINED = SETTINGS["backbone"]["weights"] == "pretrained"


def mtl_aqa_shown(name):
    """Files of the member that MTL-AQA's Table 6 and Figure 1 show, without its twin."""
    folder = (
        f"{RUNS}/mtl_aqa/c3d_avg/{mtl_aqa_members.MULTITASK}/{mtl_aqa_members.WHOLE}"
    )
    return [f"{folder}/{seed}/{name}" for seed in NETWORK_TRAININGS]


# The control of the intervals, where `rescore replicate` has run this scale a second time; a tracked file.
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
                f"{RUNS}/mtl_aqa/{member.name}/{seed}/curve.csv"
                for member in mtl_aqa_members.members(SETTINGS)
                if member.training_set == mtl_aqa_members.WHOLE
                for seed in NETWORK_TRAININGS
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

for NAME, (STEP, READS, WRITES, *TOLD) in REPORTED.items():

    rule:
        name:
            NAME
        input:
            **READS,
        output:
            **WRITES,
        log:
            f"{LOGS}/{NAME}.log",
        conda:
            "../../environment.yml"
        params:
            settings=f"--settings {shlex.quote(settings(*TOLD[0]))}" if TOLD else "",
            code=code(STEP.split()[0]),
            step=STEP,
            options=options,
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} {params.step} {params.options} {params.settings}"
            " > {log} 2>&1"


rule aqa7_network:
    output:
        network=f"{RUNS}/backbone/network.json",
    log:
        f"{LOGS}/aqa7_network.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("clips", "backbone", "lstm"),
        code=code("models.describe.describe_c3d_lstm"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} models.describe.describe_c3d_lstm --network {output.network} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_network:
    input:
        vocabulary=f"{DATA}/manifests/mtl_aqa_vocabulary.json",
    output:
        network=f"{RUNS}/mtl_aqa/{{network}}/network.json",
    log:
        f"{LOGS}/mtl_aqa/{{network}}/network.log",
    wildcard_constraints:
        network="c3d_avg|mscadc",
    conda:
        "../../environment.yml"
    params:
        settings=settings("multitask"),
        code=code("experiments.mtl_aqa_network.describe"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.mtl_aqa_network.describe"
        " --network {wildcards.network} --vocabulary {input.vocabulary} --output {output.network}"
        " --settings {params.settings:q} > {log} 2>&1"


# Errors of every system that predicts scores of videos' samples.
rule error_measures_scores:
    input:
        predictions=lambda wildcards: [
            f"{folder}/predictions.parquet"
            for experiment in MEASURED
            for folder in folders_of(experiment)
        ],
        rows=[f"{DATA}/clips/aqa7.parquet", f"{DATA}/clips/mtl_aqa.parquet"],
        variance=VARIANCE,
    output:
        scores=f"{RUNS}/scores/error_measures.csv",
    log:
        f"{LOGS}/error_measures_scores.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "scoring", "extensions.systems", *COUNTED_BY),
        code=code("scoring.error_measures.measure_errors"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.error_measures.measure_errors {params.options}"
        " --settings {params.settings:q} > {log} 2>&1"


rule all_tables:
    input:
        [path.replace(".csv", ".md") for path in RESULT_TABLES],
        POSE_TABLES,
        [f"{RESULTS}/tables/replication.md"] if REPLICATION else [],
    output:
        f"{RESULTS}/tables.md",
    log:
        f"{LOGS}/all_tables.log",
    conda:
        "../../environment.yml"
    params:
        code=code("reporting.tables.collect_markdown"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.tables.collect_markdown --parts {input} --output {output} > {log} 2>&1"


rule metrics:
    input:
        RESULT_TABLES,
    output:
        f"{RESULTS}/metrics.json",
    log:
        f"{LOGS}/metrics.log",
    conda:
        "../../environment.yml"
    params:
        code=code("reporting.metrics.write_metrics"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.metrics.write_metrics --tables {input}"
        " --output {output} > {log} 2>&1"


rule page:
    input:
        tables=RESULT_TABLES,
        claims=CLAIMS,
        comparisons=COMPARISONS,
        figures=[
            figure for figure in FIGURES if Path(figure).stem != "aqa7_pretraining"
        ],
        # Scores by iteration under the name of the paper's figure, and training curves below runs/<scale>.
        curves=CURVE_SCORES
        + ([BACKBONE_CURVE] if PRETRAINED else [])
        + expand("{member}/curve.csv", member=MTL_AQA_MEMBERS),
        dropped=[f"{DATA}/clips/aqa7.dropped.csv", f"{DATA}/clips/mtl_aqa.dropped.csv"],
        records=POSE_RECORDS + REPLICATION_RECORDS,
        audit=f"{RESULTS}/audit.csv",
        errors=f"{RESULTS}/tables/error_measures.csv",
        # Declarations, what is read through --runs (plots, the way back), and what is made along with the page: figures that it
        # draws itself, and the tables for a paper's appendix.
        beside=lambda wildcards: [
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
    output:
        output=f"{RESULTS}/index.html",
    log:
        f"{LOGS}/page.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "seeds", "sources", "scoring"),
        code=code("reporting.page.page"),
        not_run=canonical_json(NOT_RUN),
        runs=RUNS,
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.page.page {params.options}"
        " --runs {params.runs} --step-records {params.runs}/records --not-run {params.not_run:q}"
        " --settings {params.settings:q} > {log} 2>&1"
