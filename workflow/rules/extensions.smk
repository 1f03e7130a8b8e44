# experiments of the table `extensions`: other aggregations, backbones and heads in C3D-AVG-STL's place.
# Each system and seed is a job of its own; their list is params.yaml's (extensions.systems).

from rescore.experiments import extensions_members

EXTENSIONS = {system.name: system for system in extensions_members.systems(SETTINGS)}
EXTENSION_MEMBERS = [
    f"{RUNS}/extensions/{name}/{training_set}/{seed}"
    for name in EXTENSIONS
    for training_set in extensions_members.training_sets(SETTINGS)
    for seed in NETWORK_TRAININGS
]
# What a training reads beside its own line of the list: a further system leaves the others alone, and so do MSCADC's sizes and
# the captioner's.
EXTENSION_TRAINING = [
    *[f"extensions.{name}" for name in SETTINGS["extensions"] if name != "systems"],
    *[
        name
        for name in MTL_AQA_TRAINING
        if not name.startswith(
            ("multitask.wide", "multitask.caption", "multitask.vocabulary")
        )
    ],
]
predicts(
    "extensions",
    {
        f"{name}/{training_set}": [
            f"{RUNS}/extensions/{name}/{training_set}/{seed}"
            for seed in NETWORK_TRAININGS
        ]
        for name in EXTENSIONS
        for training_set in extensions_members.training_sets(SETTINGS)
    },
)


def extension_backbone(wildcards):
    """Weights of a system's body; none where it starts at random."""
    backbone = EXTENSIONS[wildcards.system].backbone
    if backbone == "c3d":
        own = MULTITASK["body_weights"] == "backbone"
        return backbone_of(wildcards.seed) if own else []
    converted = SETTINGS["extensions"]["resnet_weights"] == "kinetics400"
    return f"{RUNS}/extensions/backbones/{backbone}.safetensors" if converted else []


rule extensions_judges:
    input:
        manifest=f"{DATA}/manifests/mtl_aqa.parquet",
        release=(
            []
            if SETTINGS["sources"]["mtl_aqa_videos"] == "synthetic"
            else "data/raw/mtl-aqa-annotations/SOURCE.json"
        ),
    output:
        judges=f"{DATA}/manifests/mtl_aqa_judges.parquet",
    log:
        f"{LOGS}/extensions_judges.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "synthetic.dives"),
        code=code("manifests.judges.write_judges"),
        directory=lambda wildcards, input: (
            f"--directory $(dirname {input.release})" if input.release else ""
        ),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} manifests.judges.write_judges"
        " --manifest {input.manifest} --judges {output.judges} {params.directory} --settings {params.settings:q}"
        " > {log} 2>&1"


rule extensions_backbone:
    output:
        weights=f"{RUNS}/extensions/backbones/{{network}}.safetensors",
    log:
        f"{LOGS}/extensions/backbones/{{network}}.log",
    wildcard_constraints:
        network="r3d_18|mc3_18|r2plus1d_18",
    conda:
        "../../environment.yml"
    params:
        settings=lambda wildcards: canonical_json(
            {
                "backbone": {
                    **SETTINGS["backbone"],
                    "network": wildcards.network,
                    "weights": "kinetics400",
                },
                "clips": SETTINGS["clips"],
                "seed": SETTINGS["seed"],
            }
        ),
        code=code("models.backbones.convert_weights"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} models.backbones.convert_weights"
        " --weights {output.weights} --settings {params.settings:q} > {log} 2>&1"


rule extensions_member:
    input:
        clips=f"{DATA}/clips/mtl_aqa.npy",
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        dropped=f"{DATA}/clips/mtl_aqa.dropped.csv",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        backbone=extension_backbone,
        judges=lambda wildcards: (
            f"{DATA}/manifests/mtl_aqa_judges.parquet"
            if EXTENSIONS[wildcards.system].head == extensions_members.JUDGES
            else []
        ),
    output:
        predictions=f"{RUNS}/extensions/{{system}}/{{training_set}}/{{seed}}/predictions.parquet",
        weights=f"{RUNS}/extensions/{{system}}/{{training_set}}/{{seed}}/weights.safetensors",
        curve=f"{RUNS}/extensions/{{system}}/{{training_set}}/{{seed}}/curve.csv",
    log:
        f"{LOGS}/extensions/{{system}}/{{training_set}}/{{seed}}.log",
    wildcard_constraints:
        system="|".join(EXTENSIONS),
        training_set="[a-z0-9_]+",
        seed="[0-9]+",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=MULTITASK["gpus"],
    params:
        settings=settings("backbone", *EXTENSION_TRAINING),
        code=code("experiments.extensions.train_member"),
        system=lambda wildcards: canonical_json(EXTENSIONS[wildcards.system].settings),
        launch=(
            f"torchrun --standalone --nproc-per-node {MULTITASK['gpus']} -m rescore"
            if MULTITASK["gpus"] > 1
            else "rescore"
        ),
        more=lambda wildcards, input: " ".join(
            f"--{name} {input[name]}" for name in ("backbone", "judges") if input[name]
        ),
    shell:
        "{params.launch} step --rule {rule} --log {log} --code {params.code} experiments.extensions.train_member"
        " --clips {input.clips} --rows {input.rows} --dropped {input.dropped} --splits {input.splits} {params.more}"
        " --predictions {output.predictions} --weights {output.weights} --curve {output.curve}"
        " --system {params.system:q} --training-set {wildcards.training_set} --seed {wildcards.seed}"
        " --settings {params.settings:q} > {log} 2>&1"
