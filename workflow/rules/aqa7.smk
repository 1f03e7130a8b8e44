# experiments > scoring for Action Quality Assessment Across Multiple Actions. One rule an experiment, not one a member: all
# members of an experiment, of all trainings, train in one process: each reads the features of its training's backbone.

AQA7_TRAININGS = repetition.seeds(SETTINGS)


rule all_action:
    input:
        features=features_of("aqa7", AQA7_TRAININGS),
        rows=feature_rows("aqa7", AQA7_TRAININGS),
        backbone=backbones_of(AQA7_TRAININGS),
    output:
        predictions=f"{RUNS}/all_action/predictions.parquet",
        members=f"{RUNS}/all_action/members.safetensors",
    log:
        f"{LOGS}/all_action.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings(
            "seed",
            "first_training",
            "seeds",
            "backbone",
            "lstm",
            "support_vector_regression",
        ),
        code=code("experiments.all_action.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.all_action.run --features {input.features} --rows {input.rows}"
        " --backbone {input.backbone} --predictions {output.predictions} --members {output.members} --settings {params.settings:q} > {log} 2>&1"


rule zero_shot:
    input:
        features=features_of("aqa7", AQA7_TRAININGS),
        rows=feature_rows("aqa7", AQA7_TRAININGS),
        backbone=backbones_of(AQA7_TRAININGS),
    output:
        predictions=f"{RUNS}/zero_shot/predictions.parquet",
        members=f"{RUNS}/zero_shot/members.safetensors",
    log:
        f"{LOGS}/zero_shot.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings("first_training", "seeds", "backbone", "lstm"),
        code=code("experiments.zero_shot.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.zero_shot.run --features {input.features} --rows {input.rows}"
        " --backbone {input.backbone} --predictions {output.predictions} --members {output.members} --settings {params.settings:q} > {log} 2>&1"


rule fine_tuning:
    input:
        features=features_of("aqa7", AQA7_TRAININGS),
        rows=feature_rows("aqa7", AQA7_TRAININGS),
        initial=f"{RUNS}/zero_shot/members.safetensors",
        backbone=backbones_of(AQA7_TRAININGS),
    output:
        predictions=f"{RUNS}/fine_tuning/predictions.parquet",
        members=f"{RUNS}/fine_tuning/members.safetensors",
    log:
        f"{LOGS}/fine_tuning.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings("first_training", "seeds", "backbone", "lstm", "fine_tuning"),
        code=code("experiments.fine_tuning.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.fine_tuning.run --features {input.features} --rows {input.rows}"
        " --initial {input.initial} --backbone {input.backbone} --predictions {output.predictions} --members {output.members}"
        " --settings {params.settings:q} > {log} 2>&1"


# Which experiments' predictions each table is computed from. Table 3 reuses the single-action members of Table 2, so that
# nothing is trained twice.
PREDICTIONS = {
    "table2": ["all_action", "pose_aqa7"],
    "table3": ["all_action", "zero_shot"],
    "table4": ["fine_tuning"],
    "figure3": ["fine_tuning"],
}


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
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} manifests.summary.write_summary --manifest {input.manifest} --summary {output.summary} > {log} 2>&1"


rule aqa7_scores:
    input:
        predictions=lambda wildcards: [
            f"{RUNS}/{experiment}/predictions.parquet"
            for experiment in PREDICTIONS[wildcards.table]
        ],
        rows=feature_rows("aqa7", AQA7_TRAININGS),
        variance=VARIANCE,
    output:
        scores=f"{RUNS}/scores/aqa7_{{table}}.csv",
        estimates=f"{RUNS}/scores/aqa7_{{table}}.estimates.parquet",
    log:
        f"{LOGS}/aqa7_scores_{{table}}.log",
    wildcard_constraints:
        table="|".join(PREDICTIONS),
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", *COUNTED_BY, "lstm", "fine_tuning", "scoring"),
        code=code("scoring.aqa7.score_aqa7"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.aqa7.score_aqa7 --table {wildcards.table} --predictions {input.predictions}"
        " --rows {input.rows} --variance {input.variance} --scores {output.scores} --estimates {output.estimates}"
        " --settings {params.settings:q} > {log} 2>&1"
