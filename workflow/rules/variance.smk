# How trainings vary: scale `variance` trains one member of every family several times, and writes the tracked file that the scale
# which it extends reads where it trains once. `snakemake variance_file --cores all --config scale=variance`

VARIANCE_OF = config["scales"][SCALE]["extends"]
VARIANCE_MEMBERS = [
    f"{RUNS}/mtl_aqa/{network}/{mtl_aqa_members.MULTITASK}/{mtl_aqa_members.WHOLE}/{seed}"
    for network in ("c3d_avg", "mscadc")
    for seed in repetition.network_seeds(SETTINGS)
]
VARIANCE_SYSTEMS = [
    f"{RUNS}/extensions/{name}/{mtl_aqa_members.WHOLE}/{seed}"
    for name in EXTENSIONS
    for seed in repetition.network_seeds(SETTINGS)
]


rule variance_file:
    input:
        predictions=[
            *expand(
                "{member}/predictions.parquet",
                member=[*VARIANCE_MEMBERS, *VARIANCE_SYSTEMS],
            ),
            *expand(
                f"{RUNS}/{{name}}/predictions.parquet",
                name=[
                    "pose_dct",
                    "pose_apen",
                    "c3d_svr",
                    "s3d",
                    "li",
                    "c3d_lstm",
                    "c3d_lstm_svr",
                    "c3d_lstm_incremental",
                    "linear_probes/dives",
                    "linear_probes/vaults",
                ],
            ),
        ],
        classes=expand("{member}/classes.parquet", member=VARIANCE_MEMBERS),
        captions=expand("{member}/captions.parquet", member=VARIANCE_MEMBERS),
        rows=f"{DATA}/clips/mtl_aqa.parquet",
    output:
        variance=f"workflow/variance/{VARIANCE_OF}.csv",
    log:
        f"{LOGS}/variance_file.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("seed", "scoring", "extensions.systems", *COUNTED_BY),
        code=code("scoring.measured_variance.measure_variance"),
    shell:
        "rescore step --rule {rule} --log {log} --code {params.code} scoring.measured_variance.measure_variance"
        " --predictions {input.predictions} --classes {input.classes} --captions {input.captions} --rows {input.rows}"
        " --variance {output.variance} --settings {params.settings:q} > {log} 2>&1"
