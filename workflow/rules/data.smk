# sources > manifests > clips. Videos come from the synthetic athlete or are official, by params.yaml; both fill the same
# manifests, so nothing downstream knows the difference.

SYNTHETIC = {
    name: SETTINGS["sources"][f"{name}_videos"] == "synthetic"
    for name in ("aqa7", "pretraining", "mtl_aqa")
}


def index(name):
    """The index of a data set's videos."""
    return {"index": f"{DATA}/videos/{name}.csv"}


def manifest(name):
    return {"manifest": f"{DATA}/manifests/{name}.parquet"}


def synthetic_videos(name, function, writes, settings):
    """Videos that are made, with the manifest that says what is in them."""
    made = index(name) | writes
    told = f"--directory {DATA}/videos/{name}"
    step(f"{name}_videos", function, {}, made, settings, told=told, workers=True)


def official_videos(name, directory, function="manifests.videos.index_videos"):
    """Videos that are there, wherever params.yaml says."""
    told = f"--directory {shlex.quote(SETTINGS['sources'][directory])}"
    step(f"{name}_videos", function, {}, index(name), told=told, workers=True)


def official_manifest(name, function, **lists):
    """The manifest of official videos, from lists that are fetched."""
    reads = {option: FILES.source(source) for option, source in lists.items()}
    writes = manifest(name) | WRITTEN_BESIDE.get(name, {})
    beside = (
        ("multitask.training_sets", "multitask.vocabulary", "multitask.validation")
        if name == "mtl_aqa"
        else ()
    )
    read = settings(*(("seed",) if beside else ()), "clips", *beside)
    step(f"{name}_manifest", function, reads | index(name), writes, read)


# What belongs to MTL-AQA's manifest.
SPLITS = {
    "splits": FILES.splits,
    "vocabulary": f"{DATA}/manifests/mtl_aqa_vocabulary.json",
}
WRITTEN_BESIDE = {
    "mtl_aqa": SPLITS | {"findings": f"{RUNS}/summary/mtl_aqa_findings.csv"}
}

if SYNTHETIC["aqa7"]:
    synthetic_videos(
        "aqa7",
        "synthetic_athlete.generate.make_videos",
        manifest("aqa7"),
        settings(*PERFORMANCES),
    )
else:
    official_videos("aqa7", "aqa7_directory")
    official_manifest("aqa7", "datasets.aqa7.official.write_manifest", lists="aqa7-lists")

if SYNTHETIC["pretraining"]:
    synthetic_videos(
        "pretraining",
        "synthetic_athlete.generate.make_motions",
        manifest("pretraining"),
        settings(*MOTIONS),
    )
else:
    official_videos("pretraining", "ucf101_directory")
    official_manifest(
        "pretraining", "datasets.pretraining.official.write_manifest", lists="ucf101-lists"
    )

if SYNTHETIC["mtl_aqa"]:
    synthetic_videos(
        "mtl_aqa",
        "synthetic_athlete.broadcasts.make_broadcasts",
        manifest("mtl_aqa") | SPLITS,
        settings(*EVENTS, "multitask.vocabulary"),
    )
else:
    official_videos(
        "mtl_aqa", "mtl_aqa_directory", "manifests.broadcasts.index_broadcasts"
    )
    official_manifest(
        "mtl_aqa",
        "datasets.mtl_aqa.official.write_dataset",
        directory="mtl-aqa-annotations",
        unlv_dive="unlv-dive-s3d",
    )


def clips(name, function, settings, **more):
    """Clips of the videos, with the samples that were dropped."""
    writes = FILES.clips(name) | {"dropped": f"{DATA}/clips/{name}.dropped.csv"} | more
    reads = manifest(name) | {"beside": index(name)["index"]}
    step(f"{name}_clips", function, reads, writes, settings, workers=True)


clips("aqa7", "clips.store.write_clips", settings("clips"))
clips(
    "pretraining",
    "clips.store.write_windows",
    settings("clips", "backbone", "pretraining"),
)
clips(
    "mtl_aqa",
    "clips.broadcasts.write_broadcast_clips",
    settings("clips", "multitask.clips"),
    **{f"wide_{name}": path for name, path in FILES.clips("mtl_aqa_wide").items()},
)
for name in ("aqa7", "mtl_aqa"):
    SAMPLES[name] = FILES.clips(name)["rows"]

# Stages of dives, and the judges' marks.
step(
    "mtl_aqa_stages",
    (
        "synthetic_athlete.stages.write_synthetic"
        if SYNTHETIC["mtl_aqa"]
        else "datasets.mtl_aqa.stages.write_official"
    ),
    manifest("mtl_aqa")
    | (
        {}
        if SYNTHETIC["mtl_aqa"]
        else {
            "release": FILES.source("mtl-aqa-annotations"),
            "unlv_dive": FILES.source("unlv-dive-s3d"),
        }
    ),
    {"stages": f"{DATA}/manifests/mtl_aqa_stages.parquet"},
    settings(*EVENTS) if SYNTHETIC["mtl_aqa"] else None,
)
step(
    "mtl_aqa_judges",
    "datasets.mtl_aqa.judges.write_judges",
    manifest("mtl_aqa")
    | (
        {}
        if SYNTHETIC["mtl_aqa"]
        else {"directory": FILES.source("mtl-aqa-annotations")}
    ),
    {"judges": f"{DATA}/manifests/mtl_aqa_judges.parquet"},
    settings("seed", "synthetic.dives"),
)
