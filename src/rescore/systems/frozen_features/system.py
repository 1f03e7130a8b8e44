"""C3D-SVR, C3D-LSTM, C3D-LSTM-SVR and incremental labels on MTL-AQA (Table 7; Parmar and Morris 2017)."""

from collections.abc import Mapping
from typing import Any

from rescore.engine.parameters import merge
from rescore.systems.common.repetition import network_seeds, numbers_of
from rescore.systems.declaration import Experiment, Family, Job, Rehearsed, Settings
from rescore.systems.files import Files
from rescore.systems.frozen_features.members import TRAININGS as TRAININGS

LSTM = ("clips", "backbone", "lstm", "frozen_features.lstm", "multitask.clips", "first_training", "multitask.seeds")
REGRESSION = (
    *("seed", "first_training", "multitask.seeds", "backbone.weights", "multitask.clips"),
    "support_vector_regression",
)


def reads(files: Files, job: Job) -> dict[str, Any]:
    """Features of the dives."""
    return {
        **files.features("mtl_aqa", network_seeds(files.settings)),
        **{"splits": files.splits, "dropped": files.dropped},
    }


def reads_with_backbones(files: Files, job: Job) -> dict[str, Any]:
    """The same, and what they rest on."""
    return {**reads(files, job), "backbone": files.backbones(network_seeds(files.settings))}


def reads_with_lstms(files: Files, job: Job) -> dict[str, Any]:
    """The same, and the trained LSTMs."""
    return {**reads(files, job), "members": files.run("c3d_lstm/members.safetensors")}


def experiment(
    name: str, title: str, reads: Any, writes: Mapping[str, str], settings: tuple[str, ...], **more: Any
) -> Experiment:
    """One of them: a member a training set, each as often as it is trained."""
    return Experiment(
        name,
        f"systems.frozen_features.{name}.run",
        f"MTL-AQA, Table 7: {title}",
        reads,
        {"predictions": "predictions.parquet", **writes},
        settings,
        count=lambda settings: 2 * len(numbers_of(TRAININGS[name], settings)),
        varied=lambda job: True,
        **more,
    )


MEMBERS, CHOSEN = {"members": "members.safetensors"}, {"chosen": "chosen.csv"}
EXPERIMENTS = (
    experiment("c3d_svr", "C3D-SVR", reads, CHOSEN, REGRESSION, computes=False, gpu=False),
    experiment("c3d_lstm", "C3D-LSTM", reads_with_backbones, MEMBERS, LSTM),
    experiment("c3d_lstm_svr", "C3D-LSTM-SVR", reads_with_lstms, CHOSEN, REGRESSION, gpu=False),
    experiment(
        "c3d_lstm_incremental",
        "C3D-LSTM, incremental label",
        reads_with_backbones,
        {**MEMBERS, "increments": "increments.parquet"},
        (*LSTM, "frozen_features.label_power"),
    ),
)


def iterations(settings: Settings) -> Mapping[str, float]:
    return {"": merge(settings["lstm"], settings["frozen_features"]["lstm"])["iterations"]}


def one_seed(settings: Settings) -> Mapping[str, Any]:
    """The tables of all backbones lie in memory together."""
    return {"multitask": {"seeds": 1}}


LSTMS = Family("rehearsal.lstms")
REHEARSED = (Rehearsed("frozen_features", LSTMS, iterations, one_seed, stacked=True),)
TRIED = {"C3D-LSTM and C3D-LSTM-SVR of MTL-AQA": LSTMS}
TINY = {"frozen_features": {"label_power": 1.0}}
