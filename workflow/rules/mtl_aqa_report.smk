# Right of MTL-AQA's members: baselines > scoring > tables, figures, claims. Which members' files a table is computed from is
# read from their list, so nothing is named twice.

from rescore.experiments import mtl_aqa_systems

MTL_AQA_SCORED = ["table4", "table5", "table7", "table8"]
MTL_AQA_SUMMARISED = ["table1", "table2", "table3", "table6"]
# Predictions of the other systems of Table 7.
SYSTEM_PREDICTIONS = [
    f"{RUNS}/{experiment}/predictions.parquet"
    for experiment in dict.fromkeys(
        system.experiment for system in mtl_aqa_systems.SYSTEMS.values()
    )
]
MTL_AQA_TABLES = [f"table{number}" for number in range(1, 11)]


def mtl_aqa_files(table, name):
    """Files of one name of every member and seed that a table needs, twins without the validation dives included."""
    return [
        f"{RUNS}/mtl_aqa/{member.name}/{seed}/{name}"
        for member in mtl_aqa_members.members(SETTINGS)
        if table in member.tables
        for seed in NETWORK_TRAININGS
    ]


def mtl_aqa_shown(name):
    """Files of the member that Table 6 and Figure 1 show, without its twin."""
    folder = (
        f"{RUNS}/mtl_aqa/c3d_avg/{mtl_aqa_members.MULTITASK}/{mtl_aqa_members.WHOLE}"
    )
    return [f"{folder}/{seed}/{name}" for seed in NETWORK_TRAININGS]


rule mtl_aqa_baselines:
    input:
        manifest=f"{DATA}/manifests/mtl_aqa.parquet",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
    output:
        predictions=f"{RUNS}/mtl_aqa_baselines/predictions.parquet",
        classes=f"{RUNS}/mtl_aqa_baselines/classes.parquet",
        captions=f"{RUNS}/mtl_aqa_baselines/captions.parquet",
    log:
        f"{LOGS}/mtl_aqa_baselines.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "ridge", "first_training", "multitask.seeds"),
        code=code("experiments.mtl_aqa_baselines.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.mtl_aqa_baselines.run"
        " --manifest {input.manifest} --splits {input.splits} --predictions {output.predictions}"
        " --classes {output.classes} --captions {output.captions} --settings {params.settings:q} > {log} 2>&1"


# Table 5 alone reads classes and captions, and alone starts Java (METEOR: 0.6 GB).
rule mtl_aqa_scores:
    input:
        predictions=lambda wildcards: [
            *mtl_aqa_files(wildcards.table, "predictions.parquet"),
            *(SYSTEM_PREDICTIONS if wildcards.table == "table7" else []),
            f"{RUNS}/mtl_aqa_baselines/predictions.parquet",
        ],
        classes=lambda wildcards: (
            [
                *mtl_aqa_files("table5", "classes.parquet"),
                f"{RUNS}/mtl_aqa_baselines/classes.parquet",
            ]
            if wildcards.table == "table5"
            else []
        ),
        captions=lambda wildcards: (
            [
                *mtl_aqa_files("table5", "captions.parquet"),
                f"{RUNS}/mtl_aqa_baselines/captions.parquet",
            ]
            if wildcards.table == "table5"
            else []
        ),
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        variance=VARIANCE,
    output:
        scores=f"{RUNS}/scores/mtl_aqa_{{table}}.csv",
        estimates=f"{RUNS}/scores/mtl_aqa_{{table}}.estimates.parquet",
    log:
        f"{LOGS}/mtl_aqa_scores_{{table}}.log",
    wildcard_constraints:
        table="|".join(MTL_AQA_SCORED),
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "scoring", *COUNTED_BY),
        code=code("scoring.mtl_aqa.score_mtl_aqa"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa.score_mtl_aqa"
        " --table {wildcards.table} --predictions {input.predictions} --classes {input.classes} --captions {input.captions}"
        " --rows {input.rows} --splits {input.splits} --variance {input.variance} --scores {output.scores}"
        " --estimates {output.estimates} --settings {params.settings:q} > {log} 2>&1"


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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_summary.summarise_table1"
        " --manifest {input.manifest} --splits {input.splits} --summary {output.summary} > {log} 2>&1"


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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_summary.summarise_table2"
        " --manifest {input.manifest} --summary {output.summary} > {log} 2>&1"


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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_summary.summarise_table3"
        " --network {input.network} --summary {output.summary} > {log} 2>&1"


rule mtl_aqa_samples:
    input:
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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_samples.choose_samples"
        " --predictions {input.predictions} --classes {input.classes} --captions {input.captions} --rows {input.rows}"
        " --splits {input.splits} --summary {output.summary} --samples {output.samples}"
        " --settings {params.settings:q} > {log} 2>&1"


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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.mtl_aqa_summary.summarise_data"
        " --manifest {input.manifest} --splits {input.splits} --vocabulary {input.vocabulary} --vaults {input.vaults}"
        " --summary {output.summary} > {log} 2>&1"


rule mtl_aqa_table:
    input:
        reported="reported/mtl_aqa/{table}.csv",
        scores=lambda wildcards: (
            f"{RUNS}/scores/mtl_aqa_{wildcards.table}.csv"
            if wildcards.table in (*MTL_AQA_SCORED, *LINEAR_PROBE_TABLES)
            else f"{RUNS}/summary/mtl_aqa_{wildcards.table}.csv"
        ),
    output:
        csv=f"{RESULTS}/tables/mtl_aqa_{{table}}.csv",
        markdown=f"{RESULTS}/tables/mtl_aqa_{{table}}.md",
        latex=f"{RESULTS}/tables/mtl_aqa_{{table}}.tex",
    log:
        f"{LOGS}/mtl_aqa_{{table}}.log",
    wildcard_constraints:
        table="|".join(MTL_AQA_TABLES),
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources", "scoring"),
        code=code("reporting.tables.make_table"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.tables.make_table"
        " --table mtl_aqa_{wildcards.table} --reported {input.reported} --scores {input.scores} --csv {output.csv}"
        " --markdown-file {output.markdown} --latex-file {output.latex} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_claims:
    input:
        claims="reported/mtl_aqa/claims.yaml",
        reported=expand(
            "reported/mtl_aqa/{table}.csv",
            table=[*MTL_AQA_TABLES, "text"],
        ),
        tables=expand(f"{RESULTS}/tables/mtl_aqa_{{table}}.csv", table=MTL_AQA_TABLES),
        data=f"{RUNS}/summary/mtl_aqa_data.csv",
        estimates=expand(
            f"{RUNS}/scores/mtl_aqa_{{table}}.estimates.parquet",
            table=[*MTL_AQA_SCORED, *LINEAR_PROBE_TABLES],
        ),
    output:
        f"{RESULTS}/tables/mtl_aqa_claims.csv",
    log:
        f"{LOGS}/mtl_aqa_claims.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scoring.confidence"),
        code=code("scoring.claims.evaluate_claims"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.claims.evaluate_claims"
        " --claims {input.claims} --reported $(dirname {input.claims}) --tables {input.tables} {input.data}"
        " --estimates {input.estimates} --output {output} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_forest:
    input:
        result=f"{RESULTS}/tables/mtl_aqa_{{table}}.csv",
    output:
        svg=f"{RESULTS}/figures/mtl_aqa_{{table}}_forest.svg",
        png=f"{RESULTS}/figures/mtl_aqa_{{table}}_forest.png",
    log:
        f"{LOGS}/mtl_aqa_{{table}}_forest.log",
    wildcard_constraints:
        table="|".join([*MTL_AQA_SCORED, *LINEAR_PROBE_TABLES]),
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.forest"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.forest"
        " --table mtl_aqa_{wildcards.table} --result {input.result} --svg {output.svg} --png {output.png}"
        " --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_architecture:
    input:
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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.mtl_aqa_figures.architecture"
        " --network {input.network} --svg {output.svg} --png {output.png} --figure-name mtl_aqa_{wildcards.figure}"
        " --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_frames:
    input:
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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.mtl_aqa_figures.{wildcards.figure}"
        " --samples {input.samples} --clips {input.clips} --png {output.png} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_curves:
    input:
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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.mtl_aqa_figures.curves"
        " --curves {input.curves} --svg {output.svg} --png {output.png} --settings {params.settings:q} > {log} 2>&1"


# What the page takes, in the order shown.
MTL_AQA_FIGURES = [
    f"{RESULTS}/figures/mtl_aqa_{name}"
    for name in (
        "figure1.png",
        "figure2.svg",
        "mscadc.svg",
        "table4_forest.svg",
        "table5_forest.svg",
        "table6_frames.png",
        "table7_forest.svg",
        "increments.png",
        "table8_forest.svg",
        "table9_forest.svg",
        "table10_forest.svg",
        "curves.svg",
    )
]
