# Linear probes of What and How Well You Performed?, Tables 9 and 10: each body runs over all videos once, and ridge regressions
# on what its layers said fill both tables.

from rescore.experiments import linear_probes

for name in ("dives", "vaults"):
    predicts(f"linear_probes/{name}", measured=False)
LINEAR_PROBE_BODIES = linear_probes.folders(SETTINGS)
LINEAR_PROBE_ACTIVATIONS = [
    f"{DATA}/features/linear_probes/{body}.safetensors" for body in LINEAR_PROBE_BODIES
]


rule linear_probe_activations:
    input:
        weights=lambda wildcards: (
            f"{RUNS}/{wildcards.body}/weights.safetensors"
            if wildcards.body.split("/")[0] == linear_probes.BACKBONE
            else f"{RUNS}/mtl_aqa/{wildcards.body}/weights.safetensors"
        ),
        dive_clips=f"{DATA}/clips/mtl_aqa.npy",
        dive_rows=f"{DATA}/clips/mtl_aqa.parquet",
        vault_clips=f"{DATA}/clips/aqa7.npy",
        vault_rows=f"{DATA}/clips/aqa7.parquet",
    output:
        activations=f"{DATA}/features/linear_probes/{{body}}.safetensors",
    log:
        f"{LOGS}/linear_probes/{{body}}.log",
    wildcard_constraints:
        body="backbone/[0-9]+|c3d_avg/[a-z_]+/[0-9]+/[0-9]+",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        settings=settings(
            "clips",
            "backbone",
            "multitask.clips",
            "linear_probes.width",
            "linear_probes.time",
            "linear_probes.pooling",
        ),
        code=code("features.activations.extract_activations"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} features.activations.extract_activations"
        " --weights {input.weights} --dive-clips {input.dive_clips} --dive-rows {input.dive_rows}"
        " --vault-clips {input.vault_clips} --vault-rows {input.vault_rows} --activations {output.activations}"
        " --settings {params.settings:q} > {log} 2>&1"


rule linear_probes_dives:
    input:
        activations=LINEAR_PROBE_ACTIVATIONS,
        rows=f"{DATA}/clips/mtl_aqa.parquet",
        splits=f"{DATA}/manifests/mtl_aqa_splits.parquet",
    output:
        predictions=f"{RUNS}/linear_probes/dives/predictions.parquet",
        choice=f"{RUNS}/linear_probes/dives/choice.json",
    log:
        f"{LOGS}/linear_probes_dives.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "seed",
            "first_training",
            "multitask.seeds",
            "backbone.weights",
            "linear_probes",
        ),
        code=code("experiments.linear_probes.probe_dives"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.linear_probes.probe_dives"
        " --activations {input.activations} --rows {input.rows} --splits {input.splits}"
        " --predictions {output.predictions} --choice {output.choice} --settings {params.settings:q} > {log} 2>&1"


rule linear_probes_vaults:
    input:
        activations=LINEAR_PROBE_ACTIVATIONS,
        rows=f"{DATA}/clips/aqa7.parquet",
    output:
        predictions=f"{RUNS}/linear_probes/vaults/predictions.parquet",
        choice=f"{RUNS}/linear_probes/vaults/choice.json",
    log:
        f"{LOGS}/linear_probes_vaults.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "seed",
            "first_training",
            "multitask.seeds",
            "backbone.weights",
            "linear_probes",
        ),
        code=code("experiments.linear_probes.probe_vaults"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} experiments.linear_probes.probe_vaults"
        " --activations {input.activations} --rows {input.rows} --predictions {output.predictions}"
        " --choice {output.choice} --settings {params.settings:q} > {log} 2>&1"
