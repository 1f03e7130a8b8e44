# experiments of Action Quality Assessment Across Multiple Actions. One rule an experiment, not one a member: all
# members of an experiment, of all trainings, train in one process: each reads the features of its training's backbone.

AQA7_TRAININGS = repetition.seeds(SETTINGS)
for name in ("all_action", "zero_shot", "fine_tuning"):
    predicts(name, weights="members.safetensors")
SAMPLES["aqa7"] = f"{DATA}/clips/aqa7.parquet"


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
