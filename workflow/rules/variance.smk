# How trainings vary: scale `variance` trains one member of every family several times, and writes the tracked file that the scale
# which it extends reads where it trains once. `snakemake variance_file --cores all --config scale=variance`

VARIANCE_OF = config["scales"][SCALE]["extends"]


def varied(name):
    """Files of one name of everything that is trained several times here for that."""
    return [
        FILES.run(f"{one.folder(job)}/{name}")
        for one in VIDEO_EXPERIMENTS
        if one.varied and one.runs(SETTINGS) and name in one.writes.values()
        for job in (one.jobs(SETTINGS) if one.jobs else [{}])
        if one.varied(job)
    ]


step(
    "variance_file",
    "scoring.measured_variance.measure_variance",
    {
        "predictions": varied("predictions.parquet"),
        "classes": varied("classes.parquet"),
        "captions": varied("captions.parquet"),
        "rows": FILES.clips("mtl_aqa")["rows"],
    },
    {"variance": f"workflow/variance/{VARIANCE_OF}.csv"},
    settings("seed", "scoring", "extensions.systems", *COUNTED_BY),
)
