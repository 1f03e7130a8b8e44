"""Trainings of other systems in worlds whose truth is known: what they must find there, and what they must not.

    shuffled   labels of training samples belong to other samples of the action: nothing can be learned
    disjoint   each action is scored by an element of its own: what is learned of one says nothing of another
    painted    the score stands in the clips: whatever learns must find it
    noise      labels of test samples are noise: no training may notice

A world is other tables or clips under the names that a system reads them by; the training is the system's own, step and settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rescore.engine.parameters import merge
from rescore.systems.action_net.system import EXPERIMENTS as ACTION_NET
from rescore.systems.aqa7_lstm.system import EXPERIMENTS as AQA7_LSTM
from rescore.systems.common.repetition import Repeats, numbers
from rescore.systems.common.training_sets import MULTITASK, SINGLE_TASK, SMALLER, WHOLE
from rescore.systems.declaration import Experiment, Job, Settings
from rescore.systems.files import ROWS, Files
from rescore.systems.gdlt.system import EXPERIMENTS as GDLT
from rescore.systems.multitask.system import EXPERIMENTS as MULTITASK_NETWORKS
from rescore.systems.s4aqa.system import EXPERIMENTS as S4AQA

FOLDER, PAINTED, NOISE, SHUFFLED = "controls", "painted", "noise", "shuffled"
SMALLEST = SMALLER[-1]


def asked(settings: Settings) -> bool:
    """Whether they run: of official videos nobody knows the truth."""
    videos = [kind for name, kind in settings["sources"].items() if name.endswith("_videos")]
    return bool(settings["controls"]["trainings"]) and set(videos) == {"synthetic"}


def place(world: str, table: str) -> str:
    """Where a world's own table lies below data/<scale>, or its clips (with the videos, of which no version is kept).

    Both are folders that scales without controls have too: what a run leaves is the same there, for DVC.
    """
    return f"{'videos' if world == PAINTED else 'manifests'}/{FOLDER}/{world}/{table}"


def in_world(
    world: str,
    experiment: Experiment,
    chosen: Mapping[str, str] | None = None,
    changed: Callable[[Settings], Mapping[str, Any]] = lambda settings: {},
) -> Experiment:
    """An experiment in another world.

    Args:
        world: what is put in the place of the tables that it reads; for `painted` of the clips.
        experiment: of a system.
        chosen: of its jobs those with these values; nothing of an experiment that is one job.
        changed: what of its settings is another here.
    """

    def jobs(settings: Settings) -> list[dict[str, str]]:
        every = experiment.jobs(settings) if experiment.jobs else []
        return [job for job in every if (chosen or {}).items() <= job.items()]

    return replace(
        experiment,
        name=f"{FOLDER}/{world}/{experiment.name}",
        source=f"control, {world}: {experiment.source}",
        reads=lambda files, job: replaced(experiment.reads(files, job), files, world),
        jobs=jobs if experiment.jobs else None,
        count=lambda settings: len(jobs(settings)) if experiment.jobs else experiment.count(settings),
        runs=lambda settings: asked(settings) and experiment.runs(settings),
        changed=lambda settings, job: changed(settings),
        measured=False,
        scored=world != NOISE,
        varied=None,
        cost=lambda settings: (),
        published=lambda settings: (),
    )


def replaced(read: Mapping[str, Any], files: Files, world: str) -> dict[str, Any]:
    """What an experiment reads, with a world's table or clips in the place of the scale's."""
    option = "clips" if world == PAINTED else ROWS
    return {**read, option: files.data(place(world, str(read[option]).removeprefix(files.data(""))))}


def shuffled(
    experiment: Experiment, repeats: Repeats, changed: Callable[[Settings], Mapping[str, Any]] = lambda settings: {}
) -> Experiment:
    """An experiment on shuffled labels, a job a training: each has a shuffle of its own, since what one shuffle has by chance in
    common with the true labels all trainings on it would find."""
    once = in_world(SHUFFLED, experiment, changed=changed)

    def alone(settings: Settings, job: Job) -> dict[str, Any]:
        count: dict[str, Any] = {repeats.value.split(".")[-1]: 1}
        for key in reversed(repeats.value.split(".")[:-1]):
            count = {key: count}
        return merge({**changed(settings), "first_training": int(job["number"])}, count)

    def reads(files: Files, job: Job) -> dict[str, Any]:
        mine = replace(files, settings=merge(files.settings, alone(files.settings, job)))
        return replaced(experiment.reads(mine, {}), files, f"{SHUFFLED}/{job['number']}")

    return replace(
        once,
        reads=reads,
        jobs=lambda settings: [{"number": str(number)} for number in numbers(repeats, settings)],
        told=lambda settings, job: {"number": None},
        changed=alone,
    )


def named(experiments: tuple[Experiment, ...], name: str) -> Experiment:
    return next(one for one in experiments if one.name == name)


def fewer_iterations(settings: Settings) -> dict[str, Any]:
    return {"lstm": {"iterations": min(settings["lstm"]["iterations"], settings["controls"]["iterations"])}}


def fewer_epochs(settings: Settings) -> dict[str, Any]:
    return {"multitask": {"epochs": min(settings["multitask"]["epochs"], settings["controls"]["epochs"])}}


(NETWORKS,) = MULTITASK_NETWORKS
STL = {"network": "c3d_avg", "tasks": SINGLE_TASK, "training_set": WHOLE}
TWINS = (
    in_world(NOISE, NETWORKS, {"network": "c3d_avg", "tasks": MULTITASK, "training_set": SMALLEST}),
    in_world(NOISE, named(S4AQA, "s4aqa/rhythmic_gymnastics")),
    in_world(NOISE, named(S4AQA, "coreg/rhythmic_gymnastics")),
    in_world(NOISE, GDLT[0]),
)
"""Trainings whose every byte has to be the original's."""
EXPERIMENTS = (
    shuffled(named(AQA7_LSTM, "all_action"), Repeats.SEEDS, fewer_iterations),
    shuffled(named(S4AQA, "s4aqa/rhythmic_gymnastics"), Repeats.LABEL_DRAWS),
    shuffled(named(S4AQA, "coreg/rhythmic_gymnastics"), Repeats.LABEL_DRAWS),
    shuffled(ACTION_NET[0], Repeats.LABEL_DRAWS),
    shuffled(GDLT[0], Repeats.LABEL_DRAWS),
    in_world("disjoint", named(AQA7_LSTM, "all_action"), changed=fewer_iterations),
    in_world("disjoint", named(AQA7_LSTM, "zero_shot"), changed=fewer_iterations),
    in_world(PAINTED, NETWORKS, STL, fewer_epochs),
    *TWINS,
)
