# experiments > scoring for Action Quality Assessment Across Multiple Actions. One rule an experiment, not one a member: all
# members of an experiment train in one process.


rule all_action:
    input:
        features=f"{DATA}/features/aqa7.npy",
        rows=f"{DATA}/features/aqa7.parquet",
    output:
        predictions=f"{RUNS}/all_action/predictions.parquet",
        members=f"{RUNS}/all_action/members.safetensors",
    log:
        f"{LOGS}/all_action.log",
    params:
        settings=settings("seed", "seeds", "backbone", "lstm", "support_vector_regression"),
        code=code("experiments.all_action.run"),
    threads: workflow.cores
    resources:
        gpu=1,
    shell:
        "rescore step experiments.all_action.run --features {input.features} --rows {input.rows}"
        " --predictions {output.predictions} --members {output.members} --settings {params.settings:q} > {log} 2>&1"


rule zero_shot:
    input:
        features=f"{DATA}/features/aqa7.npy",
        rows=f"{DATA}/features/aqa7.parquet",
    output:
        predictions=f"{RUNS}/zero_shot/predictions.parquet",
        members=f"{RUNS}/zero_shot/members.safetensors",
    log:
        f"{LOGS}/zero_shot.log",
    params:
        settings=settings("seed", "seeds", "backbone", "lstm"),
        code=code("experiments.zero_shot.run"),
    threads: workflow.cores
    resources:
        gpu=1,
    shell:
        "rescore step experiments.zero_shot.run --features {input.features} --rows {input.rows}"
        " --predictions {output.predictions} --members {output.members} --settings {params.settings:q} > {log} 2>&1"


rule fine_tuning:
    input:
        features=f"{DATA}/features/aqa7.npy",
        rows=f"{DATA}/features/aqa7.parquet",
        initial=f"{RUNS}/zero_shot/members.safetensors",
    output:
        predictions=f"{RUNS}/fine_tuning/predictions.parquet",
        members=f"{RUNS}/fine_tuning/members.safetensors",
    log:
        f"{LOGS}/fine_tuning.log",
    params:
        settings=settings("seed", "seeds", "backbone", "lstm", "fine_tuning"),
        code=code("experiments.fine_tuning.run"),
    threads: workflow.cores
    resources:
        gpu=1,
    shell:
        "rescore step experiments.fine_tuning.run --features {input.features} --rows {input.rows}"
        " --initial {input.initial} --predictions {output.predictions} --members {output.members}"
        " --settings {params.settings:q} > {log} 2>&1"
