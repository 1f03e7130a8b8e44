# models > features. The backbone is trained (or its public weights are read) once, then frozen: every AQA-7 experiment
# reads the features made here.

if SETTINGS["backbone"]["weights"] == "pretrained":

    rule pretrain:
        input:
            clips=f"{DATA}/clips/pretraining.npy",
            rows=f"{DATA}/clips/pretraining.parquet",
        output:
            weights=f"{RUNS}/backbone/weights.safetensors",
            curve=f"{RUNS}/backbone/curve.csv",
        log:
            f"{LOGS}/pretrain.log",
        conda:
            "../../environment.yml"
        threads: CORES
        resources:
            gpu=1,
        params:
            settings=settings("seed", "clips", "backbone", "pretraining"),
            code=code("training.pretrain.pretrain"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} training.pretrain.pretrain --clips {input.clips} --rows {input.rows}"
            " --weights {output.weights} --curve {output.curve} --settings {params.settings:q} > {log} 2>&1"

else:

    rule backbone_weights:
        output:
            weights=f"{RUNS}/backbone/weights.safetensors",
        log:
            f"{LOGS}/backbone_weights.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings("seed", "clips", "backbone"),
            code=code("models.backbones.convert_weights"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} models.backbones.convert_weights --weights {output.weights} --settings {params.settings:q}"
            " > {log} 2>&1"


rule aqa7_features:
    input:
        clips=f"{DATA}/clips/aqa7.npy",
        rows=f"{DATA}/clips/aqa7.parquet",
        weights=f"{RUNS}/backbone/weights.safetensors",
    output:
        features=f"{DATA}/features/aqa7.npy",
        rows=f"{DATA}/features/aqa7.parquet",
    log:
        f"{LOGS}/aqa7_features.log",
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        gpu=1,
    params:
        settings=settings("seed", "clips", "backbone"),
        code=code("features.extract.extract"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.extract.extract --clips {input.clips} --rows {input.rows} --weights {input.weights}"
        " --features {output.features} --features-rows {output.rows} --settings {params.settings:q} > {log} 2>&1"
