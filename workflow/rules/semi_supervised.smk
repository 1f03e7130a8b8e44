# features > experiments > scoring > tables and figures for S4AQA (Zhang et al. 2022). Its networks read stored segment features:
# MTL-AQA's from the frozen backbone, Rhythmic Gymnastics' made up (synthetic) or put there by the user (official).

GYMNASTICS = SETTINGS["sources"]["rhythmic_gymnastics"]
S4AQA_DATASETS = ["mtl_aqa"] + (["rhythmic_gymnastics"] if GYMNASTICS != "none" else [])
S4AQA_TABLES = ["mtl_aqa", "rhythmic_gymnastics", "ablation"]
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
S4AQA_EXPERIMENTS = ["s4aqa", "coreg"]
# ACTION-NET reads features of single moments besides: made up, or where the user put them.
STATIC_DIRECTORY = SETTINGS["action_net"]["static"]["directory"]
STATIC_STREAM = GYMNASTICS == "synthetic" or (
    GYMNASTICS == "official" and Path(STATIC_DIRECTORY).is_dir()
)
ACTION_NET = f"{RUNS}/action_net/rhythmic_gymnastics"


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


def s4aqa_datasets(table):
    """Data sets at hand that a table has numbers of."""
    return (
        S4AQA_DATASETS
        if table == "ablation"
        else [name for name in S4AQA_DATASETS if name == table]
    )


rule s4aqa_scores:
    input:
        predictions=lambda wildcards: expand(
            f"{RUNS}/{{experiment}}/{{dataset}}/predictions.parquet",
            experiment=(
                ["s4aqa"] if wildcards.table == "ablation" else S4AQA_EXPERIMENTS
            ),
            dataset=s4aqa_datasets(wildcards.table),
        )
        + (
            [f"{ACTION_NET}/predictions.parquet"]
            if wildcards.table == "rhythmic_gymnastics" and STATIC_STREAM
            else []
        ),
        rows=lambda wildcards: [
            S4AQA_ROWS[name] for name in s4aqa_datasets(wildcards.table)
        ],
    output:
        scores=f"{RUNS}/scores/s4aqa_{{table}}.csv",
        estimates=f"{RUNS}/scores/s4aqa_{{table}}.estimates.parquet",
    log:
        f"{LOGS}/s4aqa_scores_{{table}}.log",
    wildcard_constraints:
        table="|".join(S4AQA_TABLES),
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "scoring", *COUNTED_BY),
        code=code("scoring.s4aqa.score_s4aqa"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.s4aqa.score_s4aqa --table {wildcards.table}"
        " --predictions {input.predictions} --rows {input.rows} --scores {output.scores} --estimates {output.estimates}"
        " --settings {params.settings:q} > {log} 2>&1"


rule s4aqa_table:
    input:
        reported="reported/s4aqa/{table}.csv",
        scores=f"{RUNS}/scores/s4aqa_{{table}}.csv",
    output:
        csv=f"{RESULTS}/tables/s4aqa_{{table}}.csv",
        markdown=f"{RESULTS}/tables/s4aqa_{{table}}.md",
        latex=f"{RESULTS}/tables/s4aqa_{{table}}.tex",
    log:
        f"{LOGS}/s4aqa_table_{{table}}.log",
    wildcard_constraints:
        table="|".join(S4AQA_TABLES),
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources", "scoring"),
        code=code("reporting.tables.make_table"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.tables.make_table --table s4aqa_{wildcards.table}"
        " --reported {input.reported} --scores {input.scores} --csv {output.csv} --markdown-file {output.markdown}"
        " --latex-file {output.latex} --settings {params.settings:q} > {log} 2>&1"


rule s4aqa_claims:
    input:
        claims="reported/s4aqa/claims.yaml",
        reported=expand("reported/s4aqa/{table}.csv", table=S4AQA_TABLES),
        tables=expand(f"{RESULTS}/tables/s4aqa_{{table}}.csv", table=S4AQA_TABLES),
        estimates=expand(
            f"{RUNS}/scores/s4aqa_{{table}}.estimates.parquet", table=S4AQA_TABLES
        ),
    output:
        f"{RESULTS}/tables/s4aqa_claims.csv",
    log:
        f"{LOGS}/s4aqa_claims.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("scoring.confidence"),
        code=code("scoring.claims.evaluate_claims"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.claims.evaluate_claims"
        " --claims {input.claims} --reported $(dirname {input.claims}) --tables {input.tables}"
        " --estimates {input.estimates} --output {output} --settings {params.settings:q} > {log} 2>&1"


rule s4aqa_forest:
    input:
        result=f"{RESULTS}/tables/s4aqa_{{table}}.csv",
    output:
        svg=f"{RESULTS}/figures/s4aqa_{{table}}_forest.svg",
        png=f"{RESULTS}/figures/s4aqa_{{table}}_forest.png",
    log:
        f"{LOGS}/s4aqa_forest_{{table}}.log",
    wildcard_constraints:
        table="|".join(S4AQA_TABLES),
    conda:
        "../../environment.yml"
    params:
        settings=settings("scale", "sources"),
        code=code("reporting.figures.forest"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} reporting.figures.forest --table s4aqa_{wildcards.table}"
        " --result {input.result} --svg {output.svg} --png {output.png} --settings {params.settings:q} > {log} 2>&1"


# What the page takes, in the order shown.
S4AQA_FIGURES = [
    f"{RESULTS}/figures/s4aqa_{table}_forest.svg" for table in S4AQA_TABLES
]
# Read through the page's --runs: plots, and the way back.
S4AQA_EVIDENCE = expand(
    f"{RUNS}/{{experiment}}/{{dataset}}/predictions.parquet",
    experiment=S4AQA_EXPERIMENTS,
    dataset=S4AQA_DATASETS,
) + expand(f"{RUNS}/s4aqa/{{dataset}}/members.safetensors", dataset=S4AQA_DATASETS)
if STATIC_STREAM:
    S4AQA_EVIDENCE += [
        f"{ACTION_NET}/predictions.parquet",
        f"{ACTION_NET}/members.safetensors",
    ]
