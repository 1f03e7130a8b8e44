# manifests > clips > experiments for What and How Well You Performed?. Its two networks train end to end, so each member is a
# job of its own; their list is rescore.experiments.mtl_aqa_members.

from rescore.experiments import mtl_aqa_members, repetition

MULTITASK = SETTINGS["multitask"]
NETWORK_TRAININGS = repetition.network_seeds(SETTINGS)
MTL_AQA_MEMBERS = [
    f"{RUNS}/mtl_aqa/{member.name}/{seed}"
    for member in mtl_aqa_members.members(SETTINGS)
    for seed in NETWORK_TRAININGS
]
predicts(
    "mtl_aqa",
    {
        member.name: [
            f"{RUNS}/mtl_aqa/{member.name}/{seed}" for seed in NETWORK_TRAININGS
        ]
        for member in mtl_aqa_members.members(SETTINGS)
    },
    weights="weights.safetensors",
)
predicts("mtl_aqa_baselines")
SAMPLES["mtl_aqa"] = f"{DATA}/clips/mtl_aqa.parquet"
# What a training reads; another number of seeds, say, makes further members and leaves these alone.
MTL_AQA_TRAINING = [
    f"multitask.{name}" for name in MULTITASK if name not in ("seeds", "training_sets")
]


if SETTINGS["sources"]["mtl_aqa_videos"] == "synthetic":

    rule mtl_aqa_videos:
        output:
            index=f"{DATA}/videos/mtl_aqa.csv",
            manifest=f"{DATA}/manifests/mtl_aqa.parquet",
            splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
            vocabulary=f"{DATA}/manifests/mtl_aqa_vocabulary.json",
        log:
            f"{LOGS}/mtl_aqa_videos.log",
        conda:
            "../../environment.yml"
        threads: CORES
        params:
            settings=settings(*EVENTS, "multitask.vocabulary"),
            code=code("synthetic_athlete.broadcasts.make_broadcasts"),
            directory=subpath(output.index, strip_suffix=".csv"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} synthetic_athlete.broadcasts.make_broadcasts"
            " --index {output.index} --manifest {output.manifest} --splits {output.splits} --vocabulary {output.vocabulary}"
            " --directory {params.directory} --workers {threads} --settings {params.settings:q} > {log} 2>&1"

else:

    rule mtl_aqa_videos:
        output:
            index=f"{DATA}/videos/mtl_aqa.csv",
        log:
            f"{LOGS}/mtl_aqa_videos.log",
        conda:
            "../../environment.yml"
        threads: CORES
        params:
            code=code("manifests.broadcasts.index_broadcasts"),
            directory=SETTINGS["sources"]["mtl_aqa_directory"],
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} manifests.broadcasts.index_broadcasts"
            " --directory {params.directory:q} --index {output.index} --workers {threads} > {log} 2>&1"

    rule mtl_aqa_manifest:
        input:
            release="data/raw/mtl-aqa-annotations/SOURCE.json",
            unlv_dive="data/raw/unlv-dive-s3d/SOURCE.json",
            index=f"{DATA}/videos/mtl_aqa.csv",
        output:
            manifest=f"{DATA}/manifests/mtl_aqa.parquet",
            splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
            vocabulary=f"{DATA}/manifests/mtl_aqa_vocabulary.json",
            findings=f"{RUNS}/summary/mtl_aqa_findings.csv",
        log:
            f"{LOGS}/mtl_aqa_manifest.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings(
                "seed",
                "clips",
                "multitask.training_sets",
                "multitask.vocabulary",
                "multitask.validation",
            ),
            code=code("manifests.mtl_aqa_official.write_dataset"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} manifests.mtl_aqa_official.write_dataset"
            " --directory $(dirname {input.release}) --unlv-dive $(dirname {input.unlv_dive}) --index {input.index}"
            " --manifest {output.manifest} --splits {output.splits} --vocabulary {output.vocabulary}"
            " --findings {output.findings} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_clips:
    input:
        manifest=f"{DATA}/manifests/mtl_aqa.parquet",
        index=f"{DATA}/videos/mtl_aqa.csv",
    output:
        clips=f"{DATA}/clips/mtl_aqa.npy",
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
        wide_clips=f"{DATA}/clips/mtl_aqa_wide.npy",
        wide_rows=f"{DATA}/clips/mtl_aqa_wide.parquet",
    log:
        f"{LOGS}/mtl_aqa_clips.log",
    conda:
        "../../environment.yml"
    threads: CORES
    params:
        settings=settings("clips", "multitask.clips"),
        code=code("clips.broadcasts.write_broadcast_clips"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} clips.broadcasts.write_broadcast_clips"
        " --manifest {input.manifest} --clips {output.clips} --rows {output.rows} --dropped {output.dropped}"
        " --wide-clips {output.wide_clips} --wide-rows {output.wide_rows} --workers {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_member:
    input:
        clips=lambda wildcards: (
            f"{DATA}/clips/mtl_aqa{'_wide' if wildcards.network == 'mscadc' else ''}.npy"
        ),
        rows=lambda wildcards: (
            f"{DATA}/clips/mtl_aqa{'_wide' if wildcards.network == 'mscadc' else ''}.parquet"
        ),
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        vocabulary=f"{DATA}/manifests/mtl_aqa_vocabulary.json",
        backbone=lambda wildcards: (
            backbone_of(wildcards.seed)
            if wildcards.network == "c3d_avg"
            and MULTITASK["body_weights"] == "backbone"
            else []
        ),
    output:
        predictions=f"{RUNS}/mtl_aqa/{{network}}/{{tasks}}/{{training_set}}/{{seed}}/predictions.parquet",
        classes=f"{RUNS}/mtl_aqa/{{network}}/{{tasks}}/{{training_set}}/{{seed}}/classes.parquet",
        captions=f"{RUNS}/mtl_aqa/{{network}}/{{tasks}}/{{training_set}}/{{seed}}/captions.parquet",
        weights=f"{RUNS}/mtl_aqa/{{network}}/{{tasks}}/{{training_set}}/{{seed}}/weights.safetensors",
        curve=f"{RUNS}/mtl_aqa/{{network}}/{{tasks}}/{{training_set}}/{{seed}}/curve.csv",
    log:
        f"{LOGS}/mtl_aqa/{{network}}/{{tasks}}/{{training_set}}/{{seed}}.log",
    wildcard_constraints:
        network="c3d_avg|mscadc",
        tasks="[a-z_]+",
        training_set="[a-z0-9_]+",
        seed="[0-9]+",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=MULTITASK["gpus"],
    params:
        settings=settings("backbone", *MTL_AQA_TRAINING),
        code=code("experiments.mtl_aqa.train_member"),
        launch=(
            f"torchrun --standalone --nproc-per-node {MULTITASK['gpus']} -m rescore"
            if MULTITASK["gpus"] > 1
            else "rescore"
        ),
        backbone=lambda wildcards, input: (
            f"--backbone {input.backbone}" if input.backbone else ""
        ),
    shell:
        "{params.launch} step --rule {rule} --log {log} --code {params.code} experiments.mtl_aqa.train_member"
        " --clips {input.clips} --rows {input.rows} --dropped {input.dropped} --splits {input.splits}"
        " --vocabulary {input.vocabulary} {params.backbone} --predictions {output.predictions} --classes {output.classes}"
        " --captions {output.captions} --weights {output.weights} --curve {output.curve} --network {wildcards.network}"
        " --tasks {wildcards.tasks} --training-set {wildcards.training_set} --seed {wildcards.seed}"
        " --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_baselines:
    input:
        manifest=f"{DATA}/manifests/mtl_aqa.parquet",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
    output:
        predictions=f"{RUNS}/mtl_aqa_baselines/predictions.parquet",
        classes=f"{RUNS}/mtl_aqa_baselines/classes.parquet",
        captions=f"{RUNS}/mtl_aqa_baselines/captions.parquet",
    log:
        f"{LOGS}/mtl_aqa_baselines.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "ridge", "first_training", "multitask.seeds"),
        code=code("experiments.mtl_aqa_baselines.run"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.mtl_aqa_baselines.run"
        " --manifest {input.manifest} --splits {input.splits} --predictions {output.predictions}"
        " --classes {output.classes} --captions {output.captions} --settings {params.settings:q} > {log} 2>&1"
