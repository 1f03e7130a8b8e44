# models > features > experiments for the pose systems, Pose+DCT and Pose+ApEn (AQA-7, Table 2; MTL-AQA, Table 7): joints of the
# athlete in the clips, once for all of them. Where videos are synthetic, the true joints stand beside the estimated ones.

for name in ("pose_dct", "pose_apen", "pose_aqa7"):
    predicts(name)

# Training k reads the poses of estimator k; published weights are one estimator, number 0.
ESTIMATORS = repetition.estimators(NETWORK_TRAININGS, SETTINGS)
POSE_SOURCES = {
    dataset: SETTINGS["sources"][f"{dataset}_videos"] for dataset in ("aqa7", "mtl_aqa")
}
SYNTHETIC_POSES = [
    dataset for dataset, source in POSE_SOURCES.items() if source == "synthetic"
]


def poses_of(dataset, suffix):
    """The estimated poses of a data set, once for each estimator; the tables beside them name the same samples."""
    return [f"{DATA}/poses/{dataset}/{number}.{suffix}" for number in ESTIMATORS]


def truth_of(dataset, suffix):
    """The true poses of a data set whose videos are synthetic, else nothing."""
    return (
        [f"{DATA}/poses/{dataset}_true.{suffix}"] if dataset in SYNTHETIC_POSES else []
    )


def optional(flag, file):
    """An option of a command that is there only where its file is."""
    return f"{flag} {file}" if file else ""


rule aqa7_joints:
    output:
        joints=f"{DATA}/joints/aqa7.npy",
        table=f"{DATA}/joints/aqa7.parquet",
    log:
        f"{LOGS}/aqa7_joints.log",
    conda:
        "../../environment.yml"
    threads: CORES
    params:
        settings=settings(*PERFORMANCES),
        code=code("synthetic_athlete.joints.write_aqa7"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} synthetic_athlete.joints.write_aqa7"
        " --joints {output.joints} --table {output.table} --workers {threads} --settings {params.settings:q} > {log} 2>&1"


rule mtl_aqa_joints:
    output:
        joints=f"{DATA}/joints/mtl_aqa.npy",
        table=f"{DATA}/joints/mtl_aqa.parquet",
    log:
        f"{LOGS}/mtl_aqa_joints.log",
    conda:
        "../../environment.yml"
    threads: CORES
    params:
        settings=settings(*EVENTS),
        code=code("synthetic_athlete.joints.write_mtl_aqa"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} synthetic_athlete.joints.write_mtl_aqa"
        " --joints {output.joints} --table {output.table} --workers {threads} --settings {params.settings:q} > {log} 2>&1"


rule true_poses:
    input:
        joints=f"{DATA}/joints/{{dataset}}.npy",
        table=f"{DATA}/joints/{{dataset}}.parquet",
        rows=f"{DATA}/clips/{{dataset}}.parquet",
    output:
        poses=f"{DATA}/poses/{{dataset}}_true.npy",
        rows=f"{DATA}/poses/{{dataset}}_true.parquet",
    log:
        f"{LOGS}/true_poses_{{dataset}}.log",
    wildcard_constraints:
        dataset="aqa7|mtl_aqa",
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "synthetic.frame_size", "clips", "multitask.clips", "poses.every"
        ),
        code=code("features.true_poses.write_true_poses"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.true_poses.write_true_poses"
        " --joints {input.joints} --table {input.table} --rows {input.rows} --poses {output.poses}"
        " --poses-rows {output.rows} --dataset {wildcards.dataset} --settings {params.settings:q} > {log} 2>&1"


if SETTINGS["poses"]["estimator"] == "heat_map":

    rule keypoints:
        input:
            clips=expand(f"{DATA}/clips/{{dataset}}.npy", dataset=SYNTHETIC_POSES),
            poses=expand(f"{DATA}/poses/{{dataset}}_true.npy", dataset=SYNTHETIC_POSES),
            rows=expand(
                f"{DATA}/poses/{{dataset}}_true.parquet", dataset=SYNTHETIC_POSES
            ),
            splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
        output:
            weights=f"{RUNS}/keypoints/{{training}}/weights.safetensors",
        log:
            f"{LOGS}/keypoints/{{training}}.log",
        wildcard_constraints:
            training="[0-9]+",
        conda:
            "../../environment.yml"
        threads: THREADS
        resources:
            gpu=GPU,
        params:
            settings=settings(
                "clips",
                "multitask.clips",
                "poses.every",
                "poses.estimator",
                "poses.training",
            ),
            code=code("training.keypoints.train"),
            datasets=SYNTHETIC_POSES,
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} training.keypoints.train --weights {output.weights}"
            " --datasets {params.datasets} --clips {input.clips} --poses {input.poses} --rows {input.rows}"
            " --splits {input.splits} --training {wildcards.training} --settings {params.settings:q} > {log} 2>&1"

else:

    rule keypoint_weights:
        output:
            weights=f"{RUNS}/keypoints/{repetition.ONCE}/weights.safetensors",
        log:
            f"{LOGS}/keypoint_weights.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings("poses.estimator"),
            code=code("models.keypoints.convert_weights"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} models.keypoints.convert_weights"
            " --weights {output.weights} --settings {params.settings:q} > {log} 2>&1"


rule poses:
    input:
        clips=f"{DATA}/clips/{{dataset}}.npy",
        rows=f"{DATA}/clips/{{dataset}}.parquet",
        weights=f"{RUNS}/keypoints/{{estimator}}/weights.safetensors",
    output:
        poses=f"{DATA}/poses/{{dataset}}/{{estimator}}.npy",
        rows=f"{DATA}/poses/{{dataset}}/{{estimator}}.parquet",
    log:
        f"{LOGS}/poses/{{dataset}}/{{estimator}}.log",
    wildcard_constraints:
        dataset="aqa7|mtl_aqa",
        estimator="[0-9]+",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings(
            "clips",
            "multitask.clips",
            "poses.batch",
            "poses.estimator",
            "poses.every",
            "poses.least_confidence",
            "poses.training.channels",
        ),
        code=code("features.poses.estimate"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.poses.estimate --clips {input.clips}"
        " --rows {input.rows} --weights {input.weights} --poses {output.poses} --poses-rows {output.rows}"
        " --dataset {wildcards.dataset} --settings {params.settings:q} > {log} 2>&1"


rule pose_accuracy:
    input:
        # Of the first estimator alone: how well it finds joints is told once.
        estimated=expand(
            f"{DATA}/poses/{{dataset}}/{ESTIMATORS[0]}.npy", dataset=SYNTHETIC_POSES
        ),
        true=expand(f"{DATA}/poses/{{dataset}}_true.npy", dataset=SYNTHETIC_POSES),
        rows=expand(
            f"{DATA}/poses/{{dataset}}/{ESTIMATORS[0]}.parquet",
            dataset=SYNTHETIC_POSES,
        ),
    output:
        accuracy=f"{RUNS}/summary/pose_accuracy.csv",
    log:
        f"{LOGS}/pose_accuracy.log",
    conda:
        "../../environment.yml"
    params:
        code=code("features.true_poses.compare"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.true_poses.compare --estimated {input.estimated}"
        " --true {input.true} --rows {input.rows} --accuracy {output.accuracy} > {log} 2>&1"


rule pose_table:
    input:
        accuracy=f"{RUNS}/summary/pose_accuracy.csv",
    output:
        csv=f"{RESULTS}/tables/pose_accuracy.csv",
        markdown=f"{RESULTS}/tables/pose_accuracy.md",
        record=f"{RUNS}/pose_estimator_against_true_joints/record.json",
    log:
        f"{LOGS}/pose_table.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.pose_table.make_pose_table"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.pose_table.make_pose_table"
        " --accuracy {input.accuracy} --csv {output.csv} --markdown-file {output.markdown} --record {output.record}"
        " --settings {params.settings:q} > {log} 2>&1"


# What the page takes: only synthetic athletes have true joints.
POSE_TABLES = [f"{RESULTS}/tables/pose_accuracy.md"] if SYNTHETIC_POSES else []
POSE_RECORDS = (
    [f"{RUNS}/pose_estimator_against_true_joints/record.json"]
    if SYNTHETIC_POSES
    else []
)


rule pose_mtl_aqa:
    input:
        poses=poses_of("mtl_aqa", "npy"),
        rows=poses_of("mtl_aqa", "parquet")[0],
        true_poses=truth_of("mtl_aqa", "npy"),
        true_rows=truth_of("mtl_aqa", "parquet"),
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
    output:
        predictions=f"{RUNS}/{{system}}/predictions.parquet",
        chosen=f"{RUNS}/{{system}}/chosen.csv",
    log:
        f"{LOGS}/{{system}}.log",
    wildcard_constraints:
        system="pose_dct|pose_apen",
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "seed",
            "first_training",
            "multitask.seeds",
            "poses.estimator",
            "poses.scale",
            "poses.frequencies",
            "poses.entropy",
            "poses.regression",
        ),
        code=lambda wildcards: code(f"experiments.{wildcards.system}.run"),
        true_poses=lambda wildcards, input: optional("--true-poses", input.true_poses),
        true_rows=lambda wildcards, input: optional("--true-rows", input.true_rows),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.{wildcards.system}.run --poses {input.poses}"
        " --rows {input.rows} --splits {input.splits} --predictions {output.predictions} --chosen {output.chosen}"
        " {params.true_poses} {params.true_rows} --settings {params.settings:q} > {log} 2>&1"


rule pose_aqa7:
    input:
        poses=poses_of("aqa7", "npy"),
        rows=poses_of("aqa7", "parquet")[0],
        true_poses=truth_of("aqa7", "npy"),
        true_rows=truth_of("aqa7", "parquet"),
    output:
        predictions=f"{RUNS}/pose_aqa7/predictions.parquet",
        chosen=f"{RUNS}/pose_aqa7/chosen.csv",
    log:
        f"{LOGS}/pose_aqa7.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "seed",
            "first_training",
            "multitask.seeds",
            "poses.estimator",
            "poses.scale",
            "poses.frequencies",
            "poses.entropy",
            "poses.regression",
        ),
        code=code("experiments.pose_aqa7.run"),
        true_poses=lambda wildcards, input: optional("--true-poses", input.true_poses),
        true_rows=lambda wildcards, input: optional("--true-rows", input.true_rows),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.pose_aqa7.run --poses {input.poses}"
        " --rows {input.rows} --predictions {output.predictions} --chosen {output.chosen}"
        " {params.true_poses} {params.true_rows} --settings {params.settings:q} > {log} 2>&1"
