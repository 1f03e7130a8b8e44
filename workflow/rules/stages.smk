# The systems of MTL-AQA's Table 7 that take a dive apart: stage labels > S3D; clips > Li et al. (docs/systems/stages.md).

for name in ("s3d", "li"):
    predicts(name)

# What these trainings read of the networks' own section.
STAGE_SETTINGS = [
    f"multitask.{name}"
    for name in (
        "clips",
        "evaluation_batch",
        "flip",
        "gpus",
        "initial_score",
        "precision",
        "score_scale",
        "seeds",
    )
] + ["first_training"]

if SETTINGS["sources"]["mtl_aqa_videos"] == "synthetic":

    rule mtl_aqa_stages:
        input:
            manifest=f"{DATA}/manifests/mtl_aqa.parquet",
        output:
            stages=f"{DATA}/manifests/mtl_aqa_stages.parquet",
        log:
            f"{LOGS}/mtl_aqa_stages.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings(*EVENTS),
            code=code("synthetic_athlete.stages.write_synthetic"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} synthetic_athlete.stages.write_synthetic"
            " --manifest {input.manifest} --stages {output.stages} --settings {params.settings:q} > {log} 2>&1"

else:

    rule mtl_aqa_stages:
        input:
            manifest=f"{DATA}/manifests/mtl_aqa.parquet",
            release="data/raw/mtl-aqa-annotations/SOURCE.json",
            unlv_dive="data/raw/unlv-dive-s3d/SOURCE.json",
        output:
            stages=f"{DATA}/manifests/mtl_aqa_stages.parquet",
        log:
            f"{LOGS}/mtl_aqa_stages.log",
        conda:
            "../../environment.yml"
        params:
            code=code("manifests.stages.write_official"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} manifests.stages.write_official"
            " --manifest {input.manifest} --release $(dirname {input.release}) --unlv-dive $(dirname {input.unlv_dive})"
            " --stages {output.stages} > {log} 2>&1"


rule s3d:
    input:
        clips=f"{DATA}/clips/mtl_aqa.npy",
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        stages=f"{DATA}/manifests/mtl_aqa_stages.parquet",
    output:
        predictions=f"{RUNS}/s3d/predictions.parquet",
        weights=f"{RUNS}/s3d/weights.safetensors",
        curve=f"{RUNS}/s3d/curve.csv",
        segmentation=f"{RUNS}/s3d/segmentation.csv",
    log:
        f"{LOGS}/s3d.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings("stages.segmentation", "stages.s3d", *STAGE_SETTINGS),
        code=code("experiments.s3d.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.s3d.run"
        " --clips {input.clips} --rows {input.rows} --dropped {input.dropped} --splits {input.splits}"
        " --stages {input.stages} --predictions {output.predictions} --weights {output.weights} --curve {output.curve}"
        " --segmentation {output.segmentation} --settings {params.settings:q} > {log} 2>&1"


rule li:
    input:
        clips=f"{DATA}/clips/mtl_aqa.npy",
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        backbone=(
            backbones_of(NETWORK_TRAININGS)
            if SETTINGS["stages"]["li"]["body_weights"] == "backbone"
            else []
        ),
    output:
        predictions=f"{RUNS}/li/predictions.parquet",
        weights=f"{RUNS}/li/weights.safetensors",
        curve=f"{RUNS}/li/curve.csv",
    log:
        f"{LOGS}/li.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings("backbone", "stages.li", *STAGE_SETTINGS),
        code=code("experiments.li.run"),
        backbone=lambda wildcards, input: (
            f"--backbone {input.backbone}" if input.backbone else ""
        ),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.li.run"
        " --clips {input.clips} --rows {input.rows} --dropped {input.dropped} --splits {input.splits}"
        " {params.backbone} --predictions {output.predictions} --weights {output.weights} --curve {output.curve}"
        " --settings {params.settings:q} > {log} 2>&1"
