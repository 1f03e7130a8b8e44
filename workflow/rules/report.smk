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


rule aqa7_summary:
    input:
        manifest=f"{DATA}/manifests/aqa7.parquet",
    output:
        summary=f"{RUNS}/summary/aqa7_table1.csv",
    log:
        f"{LOGS}/aqa7_summary.log",
    conda:
        "../../environment.yml"
    params:
        code=code("manifests.summary.write_summary"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} manifests.summary.write_summary {params.options} > {log} 2>&1"


rule mtl_aqa_table1_summary:
    input:
        manifest=f"{DATA}/manifests/mtl_aqa.parquet",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
    output:
        summary=f"{RUNS}/summary/mtl_aqa_table1.csv",
    log:
        f"{LOGS}/mtl_aqa_table1_summary.log",
    conda:
        "../../environment.yml"
    params:
        code=code("scoring.mtl_aqa_summary.summarise_table1"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_summary.summarise_table1 {params.options} > {log} 2>&1"


rule mtl_aqa_table2_summary:
    input:
        manifest=f"{DATA}/manifests/mtl_aqa.parquet",
    output:
        summary=f"{RUNS}/summary/mtl_aqa_table2.csv",
    log:
        f"{LOGS}/mtl_aqa_table2_summary.log",
    conda:
        "../../environment.yml"
    params:
        code=code("scoring.mtl_aqa_summary.summarise_table2"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_summary.summarise_table2 {params.options} > {log} 2>&1"


rule mtl_aqa_table3_summary:
    input:
        network=f"{RUNS}/mtl_aqa/mscadc/network.json",
    output:
        summary=f"{RUNS}/summary/mtl_aqa_table3.csv",
    log:
        f"{LOGS}/mtl_aqa_table3_summary.log",
    conda:
        "../../environment.yml"
    params:
        code=code("scoring.mtl_aqa_summary.summarise_table3"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_summary.summarise_table3 {params.options} > {log} 2>&1"


rule mtl_aqa_data:
    input:
        manifest=f"{DATA}/manifests/mtl_aqa.parquet",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        vocabulary=f"{DATA}/manifests/mtl_aqa_vocabulary.json",
        vaults=f"{DATA}/manifests/aqa7.parquet",
    output:
        summary=f"{RUNS}/summary/mtl_aqa_data.csv",
    log:
        f"{LOGS}/mtl_aqa_data.log",
    conda:
        "../../environment.yml"
    params:
        code=code("scoring.mtl_aqa_summary.summarise_data"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_summary.summarise_data {params.options} > {log} 2>&1"


rule mtl_aqa_samples:
    input:
        paper="papers/mtl_aqa/paper.yaml",
        predictions=mtl_aqa_shown("predictions.parquet"),
        classes=mtl_aqa_shown("classes.parquet"),
        captions=mtl_aqa_shown("captions.parquet"),
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
    output:
        summary=f"{RUNS}/summary/mtl_aqa_table6.csv",
        samples=f"{RUNS}/summary/mtl_aqa_samples.json",
    log:
        f"{LOGS}/mtl_aqa_samples.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("first_training", "multitask.seeds"),
        code=code("scoring.mtl_aqa_samples.choose_samples"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_samples.choose_samples {params.options} --settings {params.settings:q} > {log} 2>&1"


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


rule aqa7_figure1:
    input:
        manifest=f"{DATA}/manifests/aqa7.parquet",
        beside=f"{DATA}/videos/aqa7.csv",
    output:
        png=f"{RESULTS}/figures/aqa7_figure1.png",
    log:
        f"{LOGS}/aqa7_figure1.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.figure1"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.figure1 {params.options} --settings {params.settings:q} > {log} 2>&1"


rule aqa7_figure2:
    input:
        paper="papers/aqa7/paper.yaml",
        network=f"{RUNS}/backbone/network.json",
    output:
        svg=f"{RESULTS}/figures/aqa7_figure2.svg",
        png=f"{RESULTS}/figures/aqa7_figure2.png",
    log:
        f"{LOGS}/aqa7_figure2.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.figure2"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.figure2 {params.options} --settings {params.settings:q} > {log} 2>&1"


rule pretraining_curve:
    input:
        paper="papers/aqa7/paper.yaml",
        curve=BACKBONE_CURVE,
    output:
        svg=f"{RESULTS}/figures/aqa7_pretraining.svg",
        png=f"{RESULTS}/figures/aqa7_pretraining.png",
    log:
        f"{LOGS}/pretraining_curve.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.learning_curve"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.learning_curve {params.options} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_architecture:
    input:
        paper="papers/mtl_aqa/paper.yaml",
        network=lambda wildcards: (
            f"{RUNS}/mtl_aqa/{'mscadc' if wildcards.figure == 'mscadc' else 'c3d_avg'}/network.json"
        ),
    output:
        svg=f"{RESULTS}/figures/mtl_aqa_{{figure}}.svg",
        png=f"{RESULTS}/figures/mtl_aqa_{{figure}}.png",
    log:
        f"{LOGS}/mtl_aqa_{{figure}}.log",
    wildcard_constraints:
        figure="figure2|mscadc",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.mtl_aqa_figures.architecture"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.mtl_aqa_figures.architecture --figure-name {wildcards.figure} {params.options} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_frames:
    input:
        paper="papers/mtl_aqa/paper.yaml",
        samples=f"{RUNS}/summary/mtl_aqa_samples.json",
        clips=f"{DATA}/clips/mtl_aqa.npy",
    output:
        png=f"{RESULTS}/figures/mtl_aqa_{{figure}}.png",
    log:
        f"{LOGS}/mtl_aqa_{{figure}}.log",
    wildcard_constraints:
        figure="figure1|table6_frames",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources", "multitask.clips"),
        code=code("reporting.mtl_aqa_figures.figure1"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.mtl_aqa_figures.{wildcards.figure} {params.options} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_increments:
    input:
        paper="papers/mtl_aqa/paper.yaml",
        increments=f"{RUNS}/c3d_lstm_incremental/increments.parquet",
        predictions=f"{RUNS}/c3d_lstm_incremental/predictions.parquet",
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        clips=f"{DATA}/clips/mtl_aqa.npy",
    output:
        png=f"{RESULTS}/figures/mtl_aqa_increments.png",
    log:
        f"{LOGS}/mtl_aqa_increments.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources", "multitask.clips"),
        code=code("reporting.increments.increments"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.increments.increments {params.options} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_curves:
    input:
        paper="papers/mtl_aqa/paper.yaml",
        curves=[
            f"{RUNS}/mtl_aqa/{member.name}/{seed}/curve.csv"
            for member in mtl_aqa_members.members(SETTINGS)
            if member.training_set == mtl_aqa_members.WHOLE
            for seed in NETWORK_TRAININGS
        ],
    output:
        svg=f"{RESULTS}/figures/mtl_aqa_curves.svg",
        png=f"{RESULTS}/figures/mtl_aqa_curves.png",
    log:
        f"{LOGS}/mtl_aqa_curves.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.mtl_aqa_figures.curves"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.mtl_aqa_figures.curves {params.options} --settings {params.settings:q} > {log} 2>&1"


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


rule error_measures:
    input:
        scores=f"{RUNS}/scores/error_measures.csv",
    output:
        csv=f"{RESULTS}/tables/error_measures.csv",
        markdown_file=f"{RESULTS}/tables/error_measures.md",
    log:
        f"{LOGS}/error_measures.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources", "scoring"),
        code=code("reporting.error_table.make_error_table"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.error_table.make_error_table {params.options} --settings {params.settings:q} > {log} 2>&1"


# The control of the intervals, where `rescore replicate` has run this scale a second time; a tracked file.
REPLICATION = [
    path for path in (f"workflow/replication/{SCALE}.csv",) if Path(path).is_file()
]
REPLICATION_RECORDS = [f"{RUNS}/replication/record.json"] if REPLICATION else []


if REPLICATION:

    rule replication_table:
        input:
            replication=REPLICATION,
        output:
            csv=f"{RESULTS}/tables/replication.csv",
            markdown=f"{RESULTS}/tables/replication.md",
            record=f"{RUNS}/replication/record.json",
        log:
            f"{LOGS}/replication_table.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings("scale", "sources"),
            code=code("reporting.replication_table.make_replication_table"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} reporting.replication_table.make_replication_table"
            " --replication {input.replication} --csv {output.csv} --markdown-file {output.markdown} --record {output.record}"
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
