# features > experiments for S4AQA (Zhang et al. 2022). Its networks read stored segment features:
# MTL-AQA's from the frozen backbone, Rhythmic Gymnastics' made up (synthetic) or put there by the user (official).

GYMNASTICS = SETTINGS["sources"]["rhythmic_gymnastics"]
S4AQA_DATASETS = ["mtl_aqa"] + (["rhythmic_gymnastics"] if GYMNASTICS != "none" else [])
LABEL_DRAWS = repetition.label_draws(SETTINGS)
# A draw of labels reads the segments of the backbone of its number; the routines' features are given.
S4AQA_FEATURES = {
    "mtl_aqa": features_of("mtl_aqa_segments", LABEL_DRAWS),
    "rhythmic_gymnastics": [f"{DATA}/features/rhythmic_gymnastics.npy"],
}
S4AQA_ROWS = {
    "mtl_aqa": feature_rows("mtl_aqa_segments", LABEL_DRAWS),
    "rhythmic_gymnastics": f"{DATA}/features/rhythmic_gymnastics.parquet",
}
# Without routines there are no files of theirs; papers say so of their cells.
for dataset in ("mtl_aqa", "rhythmic_gymnastics"):
    for experiment, weights in (("s4aqa", "members.safetensors"), ("coreg", None)):
        name = f"{experiment}/{dataset}"
        folders = None if dataset in S4AQA_DATASETS else []
        predicts(name, folders, weights, measured=False)
if GYMNASTICS != "none":
    SAMPLES["rhythmic_gymnastics"] = S4AQA_ROWS["rhythmic_gymnastics"]
# ACTION-NET reads features of single moments besides: made up, or where the user put them.
STATIC_DIRECTORY = SETTINGS["action_net"]["static"]["directory"]
STATIC_STREAM = GYMNASTICS == "synthetic" or (
    GYMNASTICS == "official" and Path(STATIC_DIRECTORY).is_dir()
)
ACTION_NET = f"{RUNS}/action_net/rhythmic_gymnastics"
predicts(
    "action_net/rhythmic_gymnastics",
    None if STATIC_STREAM else [],
    "members.safetensors",
    measured=False,
)


rule mtl_aqa_segments:
    input:
        clips=f"{DATA}/clips/mtl_aqa.npy",
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        weights=f"{RUNS}/backbone/{{backbone}}/weights.safetensors",
    output:
        features=f"{DATA}/features/mtl_aqa_segments/{{backbone}}.npy",
        rows=f"{DATA}/features/mtl_aqa_segments/{{backbone}}.parquet",
    log:
        f"{LOGS}/mtl_aqa_segments/{{backbone}}.log",
    wildcard_constraints:
        backbone="[0-9]+",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings(
            "clips", "backbone", "multitask.clips", "semi_supervised.segments"
        ),
        code=code("features.segments.extract_segments"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.segments.extract_segments --clips {input.clips}"
        " --rows {input.rows} --weights {input.weights} --features {output.features} --features-rows {output.rows}"
        " --settings {params.settings:q} > {log} 2>&1"


if GYMNASTICS != "none":

    rule gymnastics_features:
        output:
            features=f"{DATA}/features/rhythmic_gymnastics.npy",
            rows=f"{DATA}/features/rhythmic_gymnastics.parquet",
        log:
            f"{LOGS}/gymnastics_features.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings("seed", "semi_supervised.gymnastics"),
            code=code("features.gymnastics.write_features"),
            directory=(
                f"--directory {shlex.quote(SETTINGS['sources']['rhythmic_gymnastics_directory'])}"
                if GYMNASTICS == "official"
                else ""
            ),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} features.gymnastics.write_features"
            " --features {output.features} --rows {output.rows} {params.directory} --settings {params.settings:q} > {log} 2>&1"


if STATIC_STREAM:

    rule gymnastics_static:
        input:
            rows=f"{DATA}/features/rhythmic_gymnastics.parquet",
        output:
            features=f"{DATA}/features/rhythmic_gymnastics_static.npy",
        log:
            f"{LOGS}/gymnastics_static.log",
        conda:
            "../../environment.yml"
        params:
            settings=settings("seed", "action_net.static"),
            code=code("features.gymnastics_static.write_static_features"),
            directory=(
                f"--directory {shlex.quote(STATIC_DIRECTORY)}"
                if GYMNASTICS == "official"
                else ""
            ),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} features.gymnastics_static.write_static_features"
            " --rows {input.rows} --features {output.features} {params.directory} --settings {params.settings:q} > {log} 2>&1"

    rule action_net:
        input:
            features=f"{DATA}/features/rhythmic_gymnastics.npy",
            rows=f"{DATA}/features/rhythmic_gymnastics.parquet",
            static=f"{DATA}/features/rhythmic_gymnastics_static.npy",
        output:
            predictions=f"{ACTION_NET}/predictions.parquet",
            members=f"{ACTION_NET}/members.safetensors",
        log:
            f"{LOGS}/action_net.log",
        conda:
            "../../environment.yml"
        threads: THREADS
        resources:
            gpu=GPU,
        params:
            settings=settings(
                "seed",
                "first_training",
                "semi_supervised.labels",
                "semi_supervised.label_draws",
                "action_net",
            ),
            code=code("experiments.action_net.run"),
        shell:
            "rescore step --rule {rule} --log {log} --code {params.code} experiments.action_net.run --features {input.features}"
            " --rows {input.rows} --static {input.static} --predictions {output.predictions} --members {output.members}"
            " --settings {params.settings:q} > {log} 2>&1"


rule s4aqa_networks:
    input:
        features=lambda wildcards: S4AQA_FEATURES[wildcards.dataset],
        rows=lambda wildcards: S4AQA_ROWS[wildcards.dataset],
        splits=lambda wildcards: (
            f"{DATA}/manifests/mtl_aqa_splits.parquet"
            if wildcards.dataset == "mtl_aqa"
            else []
        ),
    output:
        predictions=f"{RUNS}/s4aqa/{{dataset}}/predictions.parquet",
        members=f"{RUNS}/s4aqa/{{dataset}}/members.safetensors",
    log:
        f"{LOGS}/s4aqa_networks_{{dataset}}.log",
    wildcard_constraints:
        dataset="mtl_aqa|rhythmic_gymnastics",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings(
            "seed", "first_training", "backbone.weights", "semi_supervised"
        ),
        code=code("experiments.s4aqa.run"),
        splits=lambda wildcards, input: (
            f"--splits {input.splits}" if input.splits else ""
        ),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.s4aqa.run --dataset {wildcards.dataset}"
        " --features {input.features} --rows {input.rows} {params.splits} --predictions {output.predictions}"
        " --members {output.members} --settings {params.settings:q} > {log} 2>&1"


rule s4aqa_regressions:
    input:
        features=lambda wildcards: S4AQA_FEATURES[wildcards.dataset],
        rows=lambda wildcards: S4AQA_ROWS[wildcards.dataset],
        splits=lambda wildcards: (
            f"{DATA}/manifests/mtl_aqa_splits.parquet"
            if wildcards.dataset == "mtl_aqa"
            else []
        ),
    output:
        predictions=f"{RUNS}/coreg/{{dataset}}/predictions.parquet",
    log:
        f"{LOGS}/s4aqa_regressions_{{dataset}}.log",
    wildcard_constraints:
        dataset="mtl_aqa|rhythmic_gymnastics",
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "seed",
            "first_training",
            "backbone.weights",
            "semi_supervised",
            "support_vector_regression",
            "ridge",
        ),
        code=code("experiments.coreg.run"),
        splits=lambda wildcards, input: (
            f"--splits {input.splits}" if input.splits else ""
        ),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.coreg.run --dataset {wildcards.dataset}"
        " --features {input.features} --rows {input.rows} {params.splits} --predictions {output.predictions}"
        " --settings {params.settings:q} > {log} 2>&1"
