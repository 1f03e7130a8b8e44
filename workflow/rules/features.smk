# models, and what several data sets are read for together (features of one: data.smk). A backbone is trained for every training
# (public weights are read once, as number 0), then frozen: what training k of a system reads are the features made with backbone
# k. The same of poses and their estimator.

NUMBER = {"training": "[0-9]+"}


def training(wildcards):
    return f"--training {wildcards.training}"


if SETTINGS["backbone"]["weights"] == "pretrained":
    step(
        "pretrain",
        "training.pretrain.pretrain",
        FILES.clips("pretraining"),
        {
            "weights": f"{RUNS}/backbone/{{training}}/weights.safetensors",
            "curve": f"{RUNS}/backbone/{{training}}/curve.csv",
        },
        settings("clips", "backbone", "pretraining"),
        log=f"{LOGS}/pretrain/{{training}}.log",
        told=training,
        wildcards=NUMBER,
        computes=True,
        gpus=GPU,
        minutes=2880,
    )
else:
    step(
        "backbone_weights",
        "models.backbones.convert_weights",
        {},
        {"weights": f"{RUNS}/backbone/{repetition.ONCE}/weights.safetensors"},
        settings("seed", "clips", "backbone"),
    )


def converted(wildcards):
    """Settings under which a body of torchvision's is converted."""
    backbone = {"network": wildcards.network, "weights": "kinetics400"}
    read = {name: SETTINGS[name] for name in ("backbone", "clips", "seed")}
    read["backbone"] = {**SETTINGS["backbone"], **backbone}
    return f"--settings {shlex.quote(canonical_json(read))}"


step(
    "converted_backbone",
    "models.backbones.convert_weights",
    {},
    {"weights": f"{RUNS}/extensions/backbones/{{network}}.safetensors"},
    log=f"{LOGS}/extensions/backbones/{{network}}.log",
    told=converted,
    wildcards={"network": "r3d_18|mc3_18|r2plus1d_18"},
)


def probed(wildcards):
    """A body that linear probes read, and the videos that it runs over."""
    room = "" if wildcards.body.startswith("backbone/") else "mtl_aqa/"
    dives, vaults = (FILES.clips(name) for name in ("mtl_aqa", "aqa7"))
    return {
        "weights": FILES.run(f"{room}{wildcards.body}/weights.safetensors"),
        **{"dive_clips": dives["clips"], "dive_rows": dives["rows"]},
        **{"vault_clips": vaults["clips"], "vault_rows": vaults["rows"]},
    }


step(
    "linear_probe_activations",
    "features.activations.extract_activations",
    probed,
    {"activations": f"{DATA}/features/linear_probes/{{body}}.safetensors"},
    settings(
        *("clips", "backbone", "multitask.clips"),
        *("linear_probes.width", "linear_probes.time", "linear_probes.pooling"),
    ),
    log=f"{LOGS}/linear_probes/{{body}}.log",
    wildcards={"body": "backbone/[0-9]+|c3d_avg/[a-z_]+/[0-9]+/[0-9]+"},
    computes=True,
    gpus=GPU,
)

# Joints of the athlete in the clips; where videos are synthetic, the true ones stand beside the estimated ones.
JOINTED = [name for name in SYNTHETIC if DATASETS[name].videos.joints]
POSED = {"dataset": "|".join(JOINTED)}
SYNTHETIC_POSES = [name for name in JOINTED if SYNTHETIC[name]]
# Training k reads the poses of estimator k; published weights are one estimator, number 0.
ESTIMATORS = repetition.estimators(repetition.network_seeds(SETTINGS), SETTINGS)


def dataset(wildcards):
    return f"--dataset {wildcards.dataset}"


def poses(pattern, names=SYNTHETIC_POSES):
    """Files of poses, of several data sets."""
    return [f"{DATA}/poses/{pattern.format(name)}" for name in names]


step(
    "true_poses",
    "features.true_poses.write_true_poses",
    {
        "joints": f"{DATA}/joints/{{dataset}}.npy",
        "table": f"{DATA}/joints/{{dataset}}.parquet",
        "rows": f"{DATA}/clips/{{dataset}}.parquet",
    },
    {
        "poses": f"{DATA}/poses/{{dataset}}_true.npy",
        "poses_rows": f"{DATA}/poses/{{dataset}}_true.parquet",
    },
    settings("synthetic.frame_size", "clips", "multitask.clips", "poses.every"),
    log=f"{LOGS}/true_poses_{{dataset}}.log",
    told=dataset,
    wildcards=POSED,
)
if SETTINGS["poses"]["estimator"] == "heat_map":
    step(
        "keypoints",
        "training.keypoints.train",
        {
            "clips": [FILES.clips(name)["clips"] for name in SYNTHETIC_POSES],
            "poses": poses("{}_true.npy"),
            "rows": poses("{}_true.parquet"),
            "splits": FILES.splits,
        },
        {"weights": f"{RUNS}/keypoints/{{training}}/weights.safetensors"},
        settings(
            *("clips", "multitask.clips"),
            *("poses.every", "poses.estimator", "poses.training"),
        ),
        log=f"{LOGS}/keypoints/{{training}}.log",
        told=lambda wildcards: f"--datasets {' '.join(SYNTHETIC_POSES)} --training {wildcards.training}",
        wildcards=NUMBER,
        computes=True,
        gpus=GPU,
    )
else:
    step(
        "keypoint_weights",
        "models.keypoints.convert_weights",
        {},
        {"weights": f"{RUNS}/keypoints/{repetition.ONCE}/weights.safetensors"},
        settings("poses.estimator"),
    )
step(
    "poses",
    "features.poses.estimate",
    {
        "clips": f"{DATA}/clips/{{dataset}}.npy",
        "rows": f"{DATA}/clips/{{dataset}}.parquet",
        "weights": f"{RUNS}/keypoints/{{estimator}}/weights.safetensors",
    },
    {
        "poses": f"{DATA}/poses/{{dataset}}/{{estimator}}.npy",
        "poses_rows": f"{DATA}/poses/{{dataset}}/{{estimator}}.parquet",
    },
    settings(
        *("clips", "multitask.clips", "poses.batch", "poses.estimator", "poses.every"),
        *("poses.least_confidence", "poses.training.channels"),
    ),
    log=f"{LOGS}/poses/{{dataset}}/{{estimator}}.log",
    told=dataset,
    wildcards={**POSED, "estimator": "[0-9]+"},
    computes=True,
    gpus=GPU,
    minutes=720,
)
# Of the first estimator alone: how well it finds joints is told once.
step(
    "pose_accuracy",
    "features.true_poses.compare",
    {
        "estimated": poses(f"{{}}/{ESTIMATORS[0]}.npy"),
        "true": poses("{}_true.npy"),
        "rows": poses(f"{{}}/{ESTIMATORS[0]}.parquet"),
    },
    {"accuracy": f"{RUNS}/summary/pose_accuracy.csv"},
)
