# Real public data that needs no video. These rules take part wherever their sources are fetched or a mirror is set; where
# they are not, the page says which command brings them (rescore.experiments.plan).

OPEN = "runs/open"


rule unlv_dive_s3d:
    input:
        source="data/raw/unlv-dive-s3d/SOURCE.json",
        mtl_aqa="data/raw/mtl-aqa-annotations/SOURCE.json",
    output:
        predictions=f"{OPEN}/unlv_dive_s3d/predictions.parquet",
        choice=f"{OPEN}/unlv_dive_s3d/choice.json",
        findings=f"{OPEN}/unlv_dive_s3d/findings.csv",
    log:
        "logs/open/unlv_dive_s3d.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "support_vector_regression", scale="open"),
        code=code("experiments.unlv_dive_s3d.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.unlv_dive_s3d.run --directory $(dirname {input.source})"
        " --mtl-aqa $(dirname {input.mtl_aqa})"
        " --predictions {output.predictions} --choice {output.choice} --findings {output.findings}"
        " --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_labels:
    input:
        source="data/raw/mtl-aqa-annotations/SOURCE.json",
    output:
        predictions=f"{OPEN}/mtl_aqa_labels/predictions.parquet",
        choice=f"{OPEN}/mtl_aqa_labels/choice.json",
        findings=f"{OPEN}/mtl_aqa_labels/findings.csv",
    log:
        "logs/open/mtl_aqa_labels.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "ridge", scale="open"),
        code=code("experiments.mtl_aqa_labels.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.mtl_aqa_labels.run --directory $(dirname {input.source})"
        " --predictions {output.predictions} --choice {output.choice} --findings {output.findings}"
        " --settings {params.settings:q} > {log} 2>&1"


rule human_ceiling:
    input:
        source="data/raw/mtl-aqa-annotations/SOURCE.json",
    output:
        predictions=f"{OPEN}/human_ceiling/predictions.parquet",
        rule=f"{OPEN}/human_ceiling/rule.json",
        findings=f"{OPEN}/human_ceiling/findings.csv",
    log:
        "logs/open/human_ceiling.log",
    conda:
        "../../environment.yml"
    params:
        code=code("experiments.human_ceiling.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.human_ceiling.run --directory $(dirname {input.source})"
        " --predictions {output.predictions} --rule {output.rule} --findings {output.findings} > {log} 2>&1"


rule s4aqa_posteriors:
    input:
        source="data/raw/unlv-dive-s3d/SOURCE.json",
    output:
        predictions=f"{OPEN}/s4aqa/predictions.parquet",
        members=f"{OPEN}/s4aqa/members.safetensors",
        findings=f"{OPEN}/s4aqa/findings.csv",
    log:
        "logs/open/s4aqa.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    params:
        settings=settings(
            "seed",
            "first_training",
            "semi_supervised",
            "support_vector_regression",
            scale="open",
        ),
        code=code("experiments.s4aqa.run_open"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.s4aqa.run_open --directory $(dirname {input.source})"
        " --predictions {output.predictions} --members {output.members} --findings {output.findings}"
        " --settings {params.settings:q} > {log} 2>&1"


rule real_dive:
    input:
        video="data/raw/aqa7-dive-054/SOURCE.json",
        lists="data/raw/aqa7-lists/SOURCE.json",
    output:
        record=f"{OPEN}/real_dive/record.json",
    log:
        "logs/open/real_dive.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    params:
        settings=settings("seed", "clips", "backbone", scale="open"),
        code=code("experiments.real_dive.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.real_dive.run --video $(dirname {input.video})/aqa7_diving_054.avi"
        " --lists $(dirname {input.lists}) --record {output.record} --settings {params.settings:q} > {log} 2>&1"


rule human_ceiling_scores:
    input:
        predictions=f"{OPEN}/human_ceiling/predictions.parquet",
    output:
        scores=f"{OPEN}/scores/open_human_ceiling.csv",
    log:
        "logs/open/scores_human_ceiling.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "scoring", scale="open"),
        code=code("scoring.open.score_human_ceiling", "open"),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.open.score_human_ceiling {params.options}"
        " --settings {params.settings:q} > {log} 2>&1"


rule open_summary:
    input:
        lists="data/raw/aqa7-lists/SOURCE.json",
    output:
        summary=f"{OPEN}/summary/aqa7_table1.csv",
    log:
        "logs/open/summary.log",
    conda:
        "../../environment.yml"
    params:
        code=code("scoring.open.summarise_aqa7_lists"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.open.summarise_aqa7_lists --lists $(dirname {input.lists}) --summary {output.summary}"
        " > {log} 2>&1"


# The tables whose experiments run here, and Table 1, which needs the lists alone, which the real dive brings along; the dive itself
# has a record instead of a table.
OPEN_TABLES = [
    key for key in keys_of(REAL) if set(TABLES[key].experiments) <= set(REAL_DATA)
]
OPEN_TABLES += ["aqa7_table1"] if "real_dive" in REAL_DATA else []


rule open_metrics:
    input:
        expand("results/open/tables/{table}.csv", table=OPEN_TABLES),
    output:
        "results/open/metrics.json",
    log:
        "logs/open/metrics.log",
    conda:
        "../../environment.yml"
    params:
        code=code("reporting.metrics.write_metrics"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.metrics.write_metrics --tables {input}"
        " --output {output} > {log} 2>&1"


rule open_page:
    input:
        tables=expand("results/open/tables/{table}.csv", table=OPEN_TABLES),
        claims=with_file("claims.yaml", "open"),
        comparisons=with_file("comparisons.yaml", "open"),
        findings=[
            f"{OPEN}/{name}/findings.csv" for name in REAL_DATA if name != "real_dive"
        ],
        records=[
            f"{OPEN}/{name}/record.json" for name in REAL_DATA if name == "real_dive"
        ],
        audit="results/open/audit.csv",
        beside=[f"papers/{name}/paper.yaml" for name in PAPERS]
        + [
            f"{OPEN}/{name}/predictions.parquet"
            for name in REAL_DATA
            if name != "real_dive"
        ],
    output:
        output="results/open/index.html",
    log:
        "logs/open/page.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "seeds", "sources", "scoring", scale="open"),
        code=code("reporting.page.page"),
        not_run=canonical_json(plan.not_run("open", SETTINGS, MIRROR, DONE)),
        options=options,
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.page.page {params.options}"
        " --runs runs/open --step-records runs/open/records --not-run {params.not_run:q}"
        " --settings {params.settings:q} > {log} 2>&1"
