# models > features > experiments for MTL-AQA's systems on frozen C3D features (What and How Well You Performed?, Table 7).


rule mtl_aqa_features:
    input:
        clips=f"{DATA}/clips/mtl_aqa.npy",
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        weights=f"{RUNS}/backbone/weights.safetensors",
    output:
        features=f"{DATA}/features/mtl_aqa.npy",
        rows=f"{DATA}/features/mtl_aqa.parquet",
    log:
        f"{LOGS}/mtl_aqa_features.log",
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        gpu=1,
    params:
        settings=settings("clips", "backbone", "multitask.clips"),
        code=code("features.extract.extract_dives"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.extract.extract_dives --clips {input.clips} --rows {input.rows} --weights {input.weights}"
        " --features {output.features} --features-rows {output.rows} --settings {params.settings:q} > {log} 2>&1"
