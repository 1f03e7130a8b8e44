"""C3D-LSTM and C3D-SVR on AQA-7 (Action Quality Assessment Across Multiple Actions, 5)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rescore.actions import BY_NAME, EXPERIMENT_ACTIONS
from rescore.systems.aqa7_lstm.members import TRAININGS as TRAININGS
from rescore.systems.common.repetition import numbers_of, seeds
from rescore.systems.declaration import Cost, Experiment, Family, Job, Rehearsed, Settings
from rescore.systems.files import Files

LSTMS = len(EXPERIMENT_ACTIONS) + 1
"""Of an experiment and seed: one an action, and one of all actions or of none."""


def reads(files: Files, job: Job) -> dict[str, Any]:
    """Features and what they rest on."""
    numbers = seeds(files.settings)
    return {**files.features("aqa7", numbers), "backbone": files.backbones(numbers)}


def reads_pre_trained(files: Files, job: Job) -> dict[str, Any]:
    """The same, and the networks that fine-tuning starts from."""
    return {**reads(files, job), "initial": files.run("zero_shot/members.safetensors")}


def tuned_networks(settings: Settings) -> int:
    """Cells of Table 4: each from a pre-trained network and from a random one."""
    sizes = settings["fine_tuning"]["training_samples"]
    cells = [len(sizes["synchronised" if BY_NAME[name].synchronised else "default"]) for name in EXPERIMENT_ACTIONS]
    return 2 * sum(cells)


def training_cost(name: str) -> Callable[[Settings], Iterable[Cost]]:
    """The stacked LSTM: 2 operations a weight, step and sample forward, three times that in training."""

    def cost(settings: Settings) -> Iterable[Cost]:
        lstm, count = settings["lstm"], LSTMS * settings["seeds"]
        weights = 4 * lstm["width"] * (4096 * settings["backbone"]["width"] + lstm["width"])
        samples = lstm["iterations"] * lstm["batch"] * settings["backbone"]["clips"]
        return [Cost(name, 1, "aqa7_features", float(6 * weights * samples * count), count * 18e6, 4e9)]

    return cost


WRITES = {"predictions": "predictions.parquet", "members": "members.safetensors"}
EXPERIMENTS = (
    Experiment(
        "all_action",
        "systems.aqa7_lstm.all_action.run",
        "AQA-7, 5.1, Table 2",
        reads,
        WRITES,
        ("seed", "first_training", "seeds", "backbone", "lstm", "support_vector_regression"),
        count=lambda settings: 6 * len(numbers_of(TRAININGS["svr"], settings)) + LSTMS * settings["seeds"],
        cost=training_cost("all_action"),
    ),
    Experiment(
        "zero_shot",
        "systems.aqa7_lstm.zero_shot.run",
        "AQA-7, 5.2, Table 3",
        reads,
        WRITES,
        ("first_training", "seeds", "backbone", "lstm"),
        count=lambda settings: LSTMS * settings["seeds"],
        cost=training_cost("zero_shot"),
    ),
    Experiment(
        "fine_tuning",
        "systems.aqa7_lstm.fine_tuning.run",
        "AQA-7, 5.3, Table 4, Figure 3",
        reads_pre_trained,
        WRITES,
        ("first_training", "seeds", "backbone", "lstm", "fine_tuning"),
        count=lambda settings: tuned_networks(settings) * settings["seeds"],
        tested="fine_tuning.test_samples",
    ),
)


def iterations(settings: Settings) -> Mapping[str, float]:
    return {"": settings["lstm"]["iterations"]}


def tuning_iterations(settings: Settings) -> Mapping[str, float]:
    """The mean over the cells' sizes."""
    every = [count for counts in settings["fine_tuning"]["iterations"].values() for count in counts]
    return {"": sum(every) / len(every)}


def one_seed(settings: Settings) -> Mapping[str, Any]:
    """The tables of all backbones lie in memory together."""
    return {"seeds": 1}


REHEARSED = (
    Rehearsed("all_action", Family("rehearsal.all_actions"), iterations, one_seed, stacked=True),
    Rehearsed("zero_shot", Family("rehearsal.left_out_actions"), iterations, one_seed, stacked=True),
    Rehearsed("fine_tuning", Family("rehearsal.fine_tuned_actions"), tuning_iterations, one_seed, stacked=True),
)
TRIED = {
    "C3D-LSTM and C3D-SVR of AQA-7": Family("rehearsal.all_actions"),
    "C3D-LSTM without an action, then fine-tuned": Family("rehearsal.fine_tuned_actions", {"before": 3}),
}
TINY = {
    "lstm": {
        **{"width": 16, "initial_sd": 0.1, "learning_rate": 0.001, "anneal_every": 2, "anneal_factor": 0.5, "batch": 4},
    },
    "fine_tuning": {
        "training_samples": {"default": [3], "synchronised": [3]},
        "iterations": {"default": [3], "synchronised": [3]},
        "anneal_every": {"default": [2], "synchronised": [2]},
        "test_samples": 3,
    },
}
