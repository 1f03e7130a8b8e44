# models > features > experiments for MTL-AQA's systems on frozen C3D features (What and How Well You Performed?, Table 7).

for name in ("c3d_svr", "c3d_lstm", "c3d_lstm_svr", "c3d_lstm_incremental"):
    predicts(name)


rule mtl_aqa_features:
    input:
        clips=f"{DATA}/clips/mtl_aqa.npy",
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        weights=f"{RUNS}/backbone/{{backbone}}/weights.safetensors",
    output:
        features=f"{DATA}/features/mtl_aqa/{{backbone}}.npy",
        rows=f"{DATA}/features/mtl_aqa/{{backbone}}.parquet",
    log:
        f"{LOGS}/mtl_aqa_features/{{backbone}}.log",
    wildcard_constraints:
        backbone="[0-9]+",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings("clips", "backbone", "multitask.clips"),
        code=code("features.extract.extract_dives"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.extract.extract_dives --clips {input.clips} --rows {input.rows} --weights {input.weights}"
        " --features {output.features} --features-rows {output.rows} --settings {params.settings:q} > {log} 2>&1"


rule c3d_svr:
    input:
        features=features_of("mtl_aqa", NETWORK_TRAININGS),
        rows=feature_rows("mtl_aqa", NETWORK_TRAININGS),
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
    output:
        predictions=f"{RUNS}/c3d_svr/predictions.parquet",
        chosen=f"{RUNS}/c3d_svr/chosen.csv",
    log:
        f"{LOGS}/c3d_svr.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "seed",
            "first_training",
            "multitask.seeds",
            "backbone.weights",
            "multitask.clips",
            "support_vector_regression",
            "frozen_features.svr_iterations",
        ),
        code=code("experiments.c3d_svr.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.c3d_svr.run --features {input.features} --rows {input.rows}"
        " --splits {input.splits} --dropped {input.dropped} --predictions {output.predictions} --chosen {output.chosen}"
        " --settings {params.settings:q} > {log} 2>&1"


rule c3d_lstm:
    input:
        features=features_of("mtl_aqa", NETWORK_TRAININGS),
        rows=feature_rows("mtl_aqa", NETWORK_TRAININGS),
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
        backbone=backbones_of(NETWORK_TRAININGS),
    output:
        predictions=f"{RUNS}/c3d_lstm/predictions.parquet",
        members=f"{RUNS}/c3d_lstm/members.safetensors",
    log:
        f"{LOGS}/c3d_lstm.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings(
            "clips",
            "backbone",
            "lstm",
            "frozen_features.lstm",
            "multitask.clips",
            "first_training",
            "multitask.seeds",
        ),
        code=code("experiments.c3d_lstm.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.c3d_lstm.run --features {input.features} --rows {input.rows}"
        " --splits {input.splits} --dropped {input.dropped} --backbone {input.backbone} --predictions {output.predictions}"
        " --members {output.members} --settings {params.settings:q} > {log} 2>&1"


rule c3d_lstm_svr:
    input:
        features=features_of("mtl_aqa", NETWORK_TRAININGS),
        rows=feature_rows("mtl_aqa", NETWORK_TRAININGS),
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
        members=f"{RUNS}/c3d_lstm/members.safetensors",
    output:
        predictions=f"{RUNS}/c3d_lstm_svr/predictions.parquet",
        chosen=f"{RUNS}/c3d_lstm_svr/chosen.csv",
    log:
        f"{LOGS}/c3d_lstm_svr.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    params:
        settings=settings(
            "seed",
            "backbone.weights",
            "multitask.clips",
            "first_training",
            "multitask.seeds",
            "support_vector_regression",
            "frozen_features.svr_iterations",
        ),
        code=code("experiments.c3d_lstm_svr.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.c3d_lstm_svr.run --features {input.features} --rows {input.rows}"
        " --splits {input.splits} --dropped {input.dropped} --members {input.members} --predictions {output.predictions}"
        " --chosen {output.chosen} --settings {params.settings:q} > {log} 2>&1"


rule c3d_lstm_incremental:
    input:
        features=features_of("mtl_aqa", NETWORK_TRAININGS),
        rows=feature_rows("mtl_aqa", NETWORK_TRAININGS),
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
        backbone=backbones_of(NETWORK_TRAININGS),
    output:
        predictions=f"{RUNS}/c3d_lstm_incremental/predictions.parquet",
        members=f"{RUNS}/c3d_lstm_incremental/members.safetensors",
        increments=f"{RUNS}/c3d_lstm_incremental/increments.parquet",
    log:
        f"{LOGS}/c3d_lstm_incremental.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings(
            "clips",
            "backbone",
            "lstm",
            "frozen_features.lstm",
            "frozen_features.label_power",
            "multitask.clips",
            "first_training",
            "multitask.seeds",
        ),
        code=code("experiments.c3d_lstm_incremental.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.c3d_lstm_incremental.run --features {input.features}"
        " --rows {input.rows} --splits {input.splits} --dropped {input.dropped} --backbone {input.backbone} --predictions {output.predictions}"
        " --members {output.members} --increments {output.increments} --settings {params.settings:q} > {log} 2>&1"
