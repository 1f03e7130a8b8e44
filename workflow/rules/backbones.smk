# models > features. A backbone is trained for every training (public weights are read once, as number 0), then frozen: what
# training k of an AQA-7 experiment reads is features/aqa7/<k>, made with backbone <k>.

if SETTINGS["backbone"]["weights"] == "pretrained":

    rule pretrain:
        input:
            clips=f"{DATA}/clips/pretraining.npy",
            rows=f"{DATA}/clips/pretraining.parquet",
        output:
            weights=f"{RUNS}/backbone/{{training}}/weights.safetensors",
            curve=f"{RUNS}/backbone/{{training}}/curve.csv",
        log:
            f"{LOGS}/pretrain/{{training}}.log",
        wildcard_constraints:
            training="[0-9]+",
        conda:
            "../../environment.yml"
        threads: THREADS
        resources:
            gpu=GPU,
        params:
            settings=settings("clips", "backbone", "pretraining"),
            code=code("training.pretrain.pretrain"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} training.pretrain.pretrain --clips {input.clips} --rows {input.rows}"
            " --weights {output.weights} --curve {output.curve} --training {wildcards.training} --settings {params.settings:q} > {log} 2>&1"

else:

    rule backbone_weights:
        output:
            weights=f"{RUNS}/backbone/{repetition.ONCE}/weights.safetensors",
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
        weights=f"{RUNS}/backbone/{{backbone}}/weights.safetensors",
    output:
        features=f"{DATA}/features/aqa7/{{backbone}}.npy",
        rows=f"{DATA}/features/aqa7/{{backbone}}.parquet",
    log:
        f"{LOGS}/aqa7_features/{{backbone}}.log",
    wildcard_constraints:
        backbone="[0-9]+",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings("seed", "clips", "backbone"),
        code=code("features.extract.extract"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.extract.extract --clips {input.clips} --rows {input.rows} --weights {input.weights}"
        " --features {output.features} --features-rows {output.rows} --settings {params.settings:q} > {log} 2>&1"
