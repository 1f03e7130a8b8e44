# sources > manifests > clips > features: a step for every rule of a data set (src/rescore/datasets/<name>/dataset.py); nothing here
# knows one by name. Videos come from the synthetic athlete or are official, by params.yaml; both fill the same manifests, so
# nothing downstream knows the difference.

# Of data sets with videos, whether they are made.
SYNTHETIC = {
    name: dataset.kind(SETTINGS) == "synthetic"
    for name, dataset in DATASETS.items()
    if dataset.videos
}


def dataset_step(name, one):
    """A step of a data set; the numbers in its paths are those of the trainings that it rests on."""
    step(
        name,
        one.function,
        one.reads,
        one.writes,
        settings(*one.settings) if one.settings else None,
        log=f"{Path(LOGS, name, *(f'{{{each}}}' for each in one.numbers))}.log",
        told=f"--directory {shlex.quote(one.directory)}" if one.directory else "",
        wildcards=dict.fromkeys(one.numbers, "[0-9]+"),
        workers=one.workers,
        computes=one.computes,
        gpus=GPU if one.computes else 0,
    )


for DATASET in DATASETS.values():
    listed = DATASET.steps(SCALE, SETTINGS)
    for name, one in listed.items():
        dataset_step(name, one)
    if listed and DATASET.samples:
        SAMPLES[DATASET.name] = dataset_place(DATASET.samples, SCALE)
