# reporting: pure functions of scores and of the papers' own numbers. No framework, no video, seconds.

# Of the first training alone: one curve is enough to see whether it learned.
BACKBONE_CURVE = f"{RUNS}/backbone/{AQA7_TRAININGS[0]}/curve.csv"
AQA7_TABLES = ["table1", "table2", "table3", "table4"]


rule aqa7_table:
    input:
        reported="reported/aqa7/{table}.csv",
        scores=lambda wildcards: (
            f"{RUNS}/summary/aqa7_table1.csv"
            if wildcards.table == "table1"
            else f"{RUNS}/scores/aqa7_{wildcards.table}.csv"
        ),
    output:
        csv=f"{RESULTS}/tables/aqa7_{{table}}.csv",
        markdown=f"{RESULTS}/tables/aqa7_{{table}}.md",
        latex=f"{RESULTS}/tables/aqa7_{{table}}.tex",
    log:
        f"{LOGS}/aqa7_{{table}}.log",
    wildcard_constraints:
        table="table[1-4]",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources", "scoring"),
        code=code("reporting.tables.make_table"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.tables.make_table --table {wildcards.table} --reported {input.reported}"
        " --scores {input.scores} --csv {output.csv} --markdown-file {output.markdown} --latex-file {output.latex}"
        " --settings {params.settings:q} > {log} 2>&1"


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
        expand(f"{RESULTS}/tables/aqa7_{{table}}.md", table=AQA7_TABLES),
        expand(f"{RESULTS}/tables/mtl_aqa_{{table}}.md", table=MTL_AQA_TABLES),
        expand(f"{RESULTS}/tables/s4aqa_{{table}}.md", table=S4AQA_TABLES),
        f"{RESULTS}/tables/extensions_table.md",
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


rule aqa7_claims:
    input:
        claims="reported/aqa7/claims.yaml",
        reported=expand("reported/aqa7/{table}.csv", table=AQA7_TABLES),
        tables=expand(f"{RESULTS}/tables/aqa7_{{table}}.csv", table=AQA7_TABLES),
        curves=f"{RUNS}/scores/aqa7_figure3.csv",
        estimates=expand(
            f"{RUNS}/scores/aqa7_{{table}}.estimates.parquet",
            table=["table2", "table3", "table4", "figure3"],
        ),
    output:
        f"{RESULTS}/tables/aqa7_claims.csv",
    log:
        f"{LOGS}/aqa7_claims.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scoring.confidence"),
        code=code("scoring.claims.evaluate_claims"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.claims.evaluate_claims --claims {input.claims} --reported $(dirname {input.claims})"
        " --tables {input.tables} --curves {input.curves} --estimates {input.estimates} --output {output}"
        " --settings {params.settings:q} > {log} 2>&1"


rule aqa7_figure1:
    input:
        manifest=f"{DATA}/manifests/aqa7.parquet",
        index=f"{DATA}/videos/aqa7.csv",
    output:
        png=f"{RESULTS}/figures/aqa7_figure1.png",
    log:
        f"{LOGS}/aqa7_figure1.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.figure1"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.figure1 --manifest {input.manifest} --png {output.png}"
        " --settings {params.settings:q} > {log} 2>&1"


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


rule aqa7_figure2:
    input:
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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.figure2 --network {input.network} --svg {output.svg} --png {output.png}"
        " --settings {params.settings:q} > {log} 2>&1"


rule aqa7_figure3:
    input:
        curves=f"{RUNS}/scores/aqa7_figure3.csv",
    output:
        svg=f"{RESULTS}/figures/aqa7_figure3.svg",
        png=f"{RESULTS}/figures/aqa7_figure3.png",
    log:
        f"{LOGS}/aqa7_figure3.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.figure3"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.figure3 --curves {input.curves} --svg {output.svg} --png {output.png}"
        " --settings {params.settings:q} > {log} 2>&1"


rule aqa7_forest:
    input:
        result=f"{RESULTS}/tables/aqa7_{{table}}.csv",
    output:
        svg=f"{RESULTS}/figures/aqa7_{{table}}_forest.svg",
        png=f"{RESULTS}/figures/aqa7_{{table}}_forest.png",
    log:
        f"{LOGS}/aqa7_{{table}}_forest.log",
    wildcard_constraints:
        table="table[2-4]",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.forest"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.forest --table {wildcards.table} --result {input.result} --svg {output.svg}"
        " --png {output.png} --settings {params.settings:q} > {log} 2>&1"


rule pretraining_curve:
    input:
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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.learning_curve --curve {input.curve} --svg {output.svg} --png {output.png}"
        " --settings {params.settings:q} > {log} 2>&1"


rule metrics:
    input:
        expand(f"{RESULTS}/tables/aqa7_{{table}}.csv", table=AQA7_TABLES),
        expand(f"{RESULTS}/tables/mtl_aqa_{{table}}.csv", table=MTL_AQA_TABLES),
        expand(f"{RESULTS}/tables/s4aqa_{{table}}.csv", table=S4AQA_TABLES),
        f"{RESULTS}/tables/extensions_table.csv",
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
        tables=expand(f"{RESULTS}/tables/aqa7_{{table}}.csv", table=AQA7_TABLES)
        + expand(f"{RESULTS}/tables/mtl_aqa_{{table}}.csv", table=MTL_AQA_TABLES)
        + expand(f"{RESULTS}/tables/s4aqa_{{table}}.csv", table=S4AQA_TABLES)
        + [f"{RESULTS}/tables/extensions_table.csv"],
        claims=[
            f"{RESULTS}/tables/aqa7_claims.csv",
            f"{RESULTS}/tables/mtl_aqa_claims.csv",
            f"{RESULTS}/tables/s4aqa_claims.csv",
        ],
        comparisons=[
            f"{RESULTS}/tables/aqa7_comparisons.csv",
            f"{RESULTS}/tables/mtl_aqa_comparisons.csv",
            f"{RESULTS}/tables/s4aqa_comparisons.csv",
        ],
        figures=[
            f"{RESULTS}/figures/aqa7_{name}"
            for name in (
                "figure1.png",
                "figure2.svg",
                "figure3.svg",
                "table2_forest.svg",
                "table3_forest.svg",
                "table4_forest.svg",
            )
        ]
        + MTL_AQA_FIGURES
        + S4AQA_FIGURES
        + [f"{RESULTS}/figures/extensions_table_forest.svg"],
        # Scores by iteration under the name of the paper's figure, and training curves below runs/<scale>.
        curves=[f"{RUNS}/scores/aqa7_figure3.csv"]
        + ([BACKBONE_CURVE] if SETTINGS["backbone"]["weights"] == "pretrained" else [])
        + expand("{member}/curve.csv", member=MTL_AQA_MEMBERS),
        # Read through --runs: plots, and the way back. Named here so that the page follows them.
        evidence=expand(
            f"{RUNS}/{{experiment}}/{{name}}",
            experiment=["all_action", "zero_shot", "fine_tuning"],
            name=["predictions.parquet", "members.safetensors"],
        )
        + expand(
            "{member}/{name}",
            member=MTL_AQA_MEMBERS,
            name=["predictions.parquet", "weights.safetensors"],
        )
        + SYSTEM_PREDICTIONS
        + expand("{member}/predictions.parquet", member=EXTENSION_MEMBERS)
        + S4AQA_EVIDENCE,
        dropped=[f"{DATA}/clips/aqa7.dropped.csv", f"{DATA}/clips/mtl_aqa.dropped.csv"],
        records=POSE_RECORDS + REPLICATION_RECORDS,
        audit=f"{RESULTS}/audit.csv",
        errors=f"{RESULTS}/tables/error_measures.csv",
        # Made along with the page: figures that it draws itself, and the tables for a paper's appendix.
        beside=[f"{RESULTS}/tables.md", f"{RESULTS}/figures/mtl_aqa_curves.svg"]
        + (
            [f"{RESULTS}/figures/aqa7_pretraining.svg"]
            if SETTINGS["backbone"]["weights"] == "pretrained"
            else []
        ),
    output:
        f"{RESULTS}/index.html",
    log:
        f"{LOGS}/page.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "seeds", "sources", "scoring"),
        code=code("reporting.page.page"),
        not_run=canonical_json(NOT_RUN),
        runs=RUNS,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.page.page --tables {input.tables}"
        " --figures {input.figures} --claims {input.claims} --dropped {input.dropped} --curves {input.curves}"
        " --comparisons {input.comparisons} --errors {input.errors} --records {input.records} --audit {input.audit} --runs {params.runs} --step-records {params.runs}/records"
        " --not-run {params.not_run:q} --output {output} --settings {params.settings:q} > {log} 2>&1"
