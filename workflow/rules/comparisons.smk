# scoring: rows of our own tables against each other on the same test samples, where the paper holds them against each other;
# and the errors of every member that predicts scores.


rule aqa7_comparisons:
    input:
        comparisons="reported/aqa7/comparisons.yaml",
        predictions=[
            f"{RUNS}/{experiment}/predictions.parquet"
            for experiment in ("all_action", "zero_shot", "fine_tuning")
        ],
        rows=feature_rows("aqa7", AQA7_TRAININGS),
        variance=VARIANCE,
    output:
        f"{RESULTS}/tables/aqa7_comparisons.csv",
    log:
        f"{LOGS}/aqa7_comparisons.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", *COUNTED_BY, "scoring"),
        code=code("scoring.comparisons.compare_rows"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.comparisons.compare_rows"
        " --comparisons {input.comparisons} --predictions {input.predictions} --rows {input.rows} --variance {input.variance}"
        " --output {output}"
        " --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_comparisons:
    input:
        comparisons="reported/mtl_aqa/comparisons.yaml",
        predictions=expand(
            "{member}/predictions.parquet",
            member=[folder for folder in MTL_AQA_MEMBERS if "/classes/" not in folder],
        ),
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        variance=VARIANCE,
    output:
        f"{RESULTS}/tables/mtl_aqa_comparisons.csv",
    log:
        f"{LOGS}/mtl_aqa_comparisons.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", *COUNTED_BY, "scoring"),
        code=code("scoring.comparisons.compare_rows"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.comparisons.compare_rows"
        " --comparisons {input.comparisons} --predictions {input.predictions} --rows {input.rows} --variance {input.variance}"
        " --output {output}"
        " --settings {params.settings:q} > {log} 2>&1"


rule s4aqa_comparisons:
    input:
        comparisons="reported/s4aqa/comparisons.yaml",
        predictions=expand(
            f"{RUNS}/{{experiment}}/{{dataset}}/predictions.parquet",
            experiment=S4AQA_EXPERIMENTS,
            dataset=S4AQA_DATASETS,
        )
        + ([f"{ACTION_NET}/predictions.parquet"] if STATIC_STREAM else []),
        rows=[S4AQA_ROWS[name] for name in S4AQA_DATASETS],
    output:
        f"{RESULTS}/tables/s4aqa_comparisons.csv",
    log:
        f"{LOGS}/s4aqa_comparisons.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", *COUNTED_BY, "scoring"),
        code=code("scoring.comparisons.compare_rows"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.comparisons.compare_rows"
        " --comparisons {input.comparisons} --predictions {input.predictions} --rows {input.rows} --output {output}"
        " --settings {params.settings:q} > {log} 2>&1"


# A family of systems that predicts scores adds its predictions here, before this file is included or after: the list is read
# when the rule is looked at. Its samples must stand in one of the tables of rows.
ERROR_PREDICTIONS = [
    f"{RUNS}/{experiment}/predictions.parquet"
    for experiment in ("all_action", "zero_shot", "fine_tuning", "mtl_aqa_baselines")
] + expand("{member}/predictions.parquet", member=MTL_AQA_MEMBERS)
ERROR_PREDICTIONS += SYSTEM_PREDICTIONS + [f"{RUNS}/pose_aqa7/predictions.parquet"]
ERROR_PREDICTIONS += expand("{member}/predictions.parquet", member=EXTENSION_MEMBERS)
ERROR_ROWS = [f"{DATA}/clips/aqa7.parquet", f"{DATA}/clips/mtl_aqa.parquet"]


rule error_measures_scores:
    input:
        predictions=lambda wildcards: ERROR_PREDICTIONS,
        rows=lambda wildcards: ERROR_ROWS,
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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.error_measures.measure_errors"
        " --predictions {input.predictions} --rows {input.rows} --variance {input.variance} --scores {output.scores}"
        " --settings {params.settings:q} > {log} 2>&1"


rule error_measures:
    input:
        scores=f"{RUNS}/scores/error_measures.csv",
    output:
        csv=f"{RESULTS}/tables/error_measures.csv",
        markdown=f"{RESULTS}/tables/error_measures.md",
    log:
        f"{LOGS}/error_measures.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources", "scoring"),
        code=code("reporting.error_table.make_error_table"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.error_table.make_error_table"
        " --scores {input.scores} --csv {output.csv} --markdown-file {output.markdown}"
        " --settings {params.settings:q} > {log} 2>&1"
