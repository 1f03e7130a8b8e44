# scoring: rows of our own tables against each other on the same test samples, where the paper holds them against each other.


rule aqa7_comparisons:
    input:
        comparisons="reported/aqa7/comparisons.yaml",
        predictions=[
            f"{RUNS}/{experiment}/predictions.parquet"
            for experiment in ("all_action", "zero_shot", "fine_tuning")
        ],
        rows=f"{DATA}/features/aqa7.parquet",
    output:
        report(
            f"{RESULTS}/tables/aqa7_comparisons.csv",
            caption="../report/comparisons.rst",
            category="AQA-7",
            subcategory="tables",
        ),
    log:
        f"{LOGS}/aqa7_comparisons.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "seeds", "scoring"),
        code=code("scoring.comparisons.compare_rows"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.comparisons.compare_rows"
        " --comparisons {input.comparisons} --predictions {input.predictions} --rows {input.rows} --output {output}"
        " --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_comparisons:
    input:
        comparisons="reported/mtl_aqa/comparisons.yaml",
        predictions=expand(
            "{member}/predictions.parquet",
            member=[folder for folder in MTL_AQA_MEMBERS if "/classes/" not in folder],
        ),
        rows=f"{DATA}/clips/mtl_aqa.parquet",
    output:
        report(
            f"{RESULTS}/tables/mtl_aqa_comparisons.csv",
            caption="../report/comparisons.rst",
            category="MTL-AQA",
            subcategory="tables",
        ),
    log:
        f"{LOGS}/mtl_aqa_comparisons.log",
    conda:
        "../../environment.yml"
    params:
        settings=canonical_json(
            parameters.section(
                {**SETTINGS, "seeds": MULTITASK["seeds"]}, "seed", "seeds", "scoring"
            )
        ),
        code=code("scoring.comparisons.compare_rows"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.comparisons.compare_rows"
        " --comparisons {input.comparisons} --predictions {input.predictions} --rows {input.rows} --output {output}"
        " --settings {params.settings:q} > {log} 2>&1"
