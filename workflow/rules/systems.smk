# experiments: whatever predicts. A step for every experiment that a system declares (src/rescore/systems/<name>/system.py);
# nothing here knows one by name.


def reading(experiment, of):
    """What a job of an experiment reads, by its wildcards."""
    return lambda wildcards: experiment.reads(of, dict(wildcards.items()))


def telling(experiment, of):
    """What a job of an experiment is told besides: its wildcards, or what the experiment says in their place."""
    always = " ".join(f"--{name} {value}" for name, value in experiment.options.items())

    def told(wildcards):
        job = dict(wildcards.items())
        said = {**job}
        for name, value in (
            experiment.told(of.settings, job) if experiment.told else {}
        ).items():
            said[name] = None if value is None else canonical_json(value)
        words = [
            f"--{name.replace('_', '-')} {shlex.quote(value)}"
            for name, value in said.items()
            if value is not None
        ]
        return " ".join(filter(None, [always, *words]))

    return told if experiment.jobs else always


def job_patterns(experiment, of):
    """Wildcards of an experiment with a folder a training: values of its jobs, and any number."""
    jobs = experiment.jobs(of.settings) if experiment.jobs else []
    if not jobs:
        return {}
    *names, number = jobs[0]
    patterns = {
        name: "|".join(sorted({re.escape(job[name]) for job in jobs})) for name in names
    }
    return {**patterns, number: "[0-9]+"}


def settings_read(experiment, of):
    """What an experiment reads of params.yaml: of one whose jobs differ in it, by wildcards."""
    if not experiment.settings:
        return None

    def read(wildcards):
        job = dict(wildcards.items()) if wildcards else {}
        changed = experiment.changed(of.settings, job) if experiment.changed else {}
        return settings(*experiment.settings, scale=of.scale, changed=changed)

    return read if experiment.changed and experiment.jobs else read(None)


def experiment_step(experiment, of):
    patterns = job_patterns(experiment, of)
    folder = experiment.folder({name: f"{{{name}}}" for name in patterns})
    gpus = GPU if experiment.gpu and not experiment.sources else 0
    spread = SETTINGS["multitask"]["gpus"] if experiment.spread else 0
    step(
        experiment.rule,
        experiment.step,
        (
            reading(experiment, of)
            if patterns
            else {
                option: value
                for option, value in experiment.reads(of, {}).items()
                if value
            }
        ),
        {
            option: of.run(f"{folder}/{file}")
            for option, file in experiment.writes.items()
        },
        settings_read(experiment, of),
        log=f"logs/{of.scale}/{folder}.log",
        scale=of.scale,
        told=telling(experiment, of),
        wildcards=patterns,
        computes=experiment.computes,
        gpus=max(gpus, spread),
        minutes=experiment.minutes if experiment.minutes != 240 else None,
        launch=(
            f"torchrun --standalone --nproc-per-node {spread} -m rescore"
            if spread > 1
            else "rescore"
        ),
    )


try:
    registry.trainings()  # two systems of one member's name: said now, not when its members are scored
    VIDEO_EXPERIMENTS = registry.on_videos() if SCALE != "open" else []
    for experiment in VIDEO_EXPERIMENTS:
        members, there = experiment.members(SETTINGS), experiment.runs(SETTINGS)
        # Where its data are not there, nor are files of its; papers say so of their cells.
        PREDICTED[experiment.name] = (
            (
                [FILES.run(experiment.name)]
                if members is None
                else {
                    member: [FILES.run(folder) for folder in folders]
                    for member, folders in members.items()
                }
            )
            if there
            else []
        )
        if there:
            experiment_step(experiment, FILES)
    OPEN_FILES = files.Files("open", parameters.resolve(config, "open"))
    for experiment in registry.on_real_data():
        experiment_step(experiment, OPEN_FILES)
except RescoreError as error:
    raise WorkflowError(str(error))
# Experiments whose errors in points are measured: they predict samples of the videos' data sets.
MEASURED = [one.name for one in VIDEO_EXPERIMENTS if one.measured]
# Names of the checkpoints beside predictions.
CHECKPOINTS = {
    one.name: [one.checkpoint] for one in VIDEO_EXPERIMENTS if one.checkpoint
}
