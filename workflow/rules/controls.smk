# controls: the worlds that trainings of src/rescore/systems/controls read, and whether those that must not differ do.

from rescore.systems.controls import system as control_trainings

RELABELLED = {
    "shuffled/{number}": "shuffle_labels",
    "noise": "replace_test_labels",
    "disjoint": "score_by_one_element",
}
TWINS_COMPARED = []
# The world whose samples have other scores: a data set of its own to the tables that name it.
RESCORED = "aqa7_disjoint"

if control_trainings.asked(SETTINGS):
    for WORLD, MADE_BY in RELABELLED.items():
        step(
            f"controls_{MADE_BY}",
            f"systems.controls.worlds.{MADE_BY}",
            {"rows": f"{DATA}/{{table}}.parquet"},
            {"output": FILES.data(control_trainings.place(WORLD, "{table}.parquet"))},
            settings("seed"),
            log=f"{LOGS}/controls_{WORLD}/{{table}}.log",
            told=lambda wildcards: (
                f"--number {wildcards.number}" if "number" in wildcards.keys() else ""
            ),
            wildcards={"table": "(clips|features)/.+", "number": "[0-9]+"},
        )
    SAMPLES[RESCORED] = FILES.data(
        control_trainings.place("disjoint", Path(SAMPLES["aqa7"]).relative_to(DATA))
    )
    step(
        "controls_painted",
        "systems.controls.worlds.paint_scores",
        FILES.clips("mtl_aqa"),
        {"output": FILES.data(control_trainings.place("painted", "clips/mtl_aqa.npy"))},
    )

    def trained(folder, experiment):
        """Files of a training that hold numbers: predictions and, where it leaves them, weights."""
        names = ("predictions.parquet", experiment.checkpoint)
        return [f"{folder}/{name}" for name in names if name]

    TWINS = [
        (folder, experiment)
        for experiment in control_trainings.TWINS
        for folder in folders_of(experiment.name)
    ]
    TWINS_COMPARED = [f"{RUNS}/controls/twins.csv"]
    step(
        "controls_twins",
        "systems.controls.twins.compare_twins",
        {
            "originals": [
                file
                for folder, experiment in TWINS
                for file in trained(folder.replace("controls/noise/", ""), experiment)
            ],
            "twins": [
                file
                for folder, experiment in TWINS
                for file in trained(folder, experiment)
            ],
        },
        {"output": TWINS_COMPARED[0]},
    )
