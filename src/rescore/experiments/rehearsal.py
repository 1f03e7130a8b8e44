"""Every training for a few optimiser steps on made-up files, through the functions that the workflow's rules call.

    FAMILIES[name](Stage(folder, settings, steps)) ─► the files that the training wrote

`states` runs them at tiny sizes and hashes what they wrote; `rehearse` runs them at a scale's sizes and measures.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rescore.engine.parameters import merge
from rescore.engine.storage import read_table, write_table
from rescore.experiments import (
    action_net,
    all_action,
    c3d_lstm,
    c3d_lstm_incremental,
    c3d_lstm_svr,
    coreg,
    extensions,
    fine_tuning,
    li,
    made_up,
    mtl_aqa,
    repetition,
    s3d,
    s4aqa,
    zero_shot,
)
from rescore.experiments.label_draws import GYMNASTICS, MTL_AQA
from rescore.experiments.mtl_aqa_members import WHOLE
from rescore.features.true_poses import frame_numbers
from rescore.training import keypoints, multitask, pretrain

Settings = Mapping[str, Any]


FEW = {"kernels": ["linear"], "c": [1.0], "epsilon": [0.1], "folds": 2}
"""A grid of one: what is rehearsed is the fit, not the choice."""


@dataclass(frozen=True)
class Counts:
    """How many samples the made-up data sets have beside those that are trained on."""

    classes: int
    """Of the pre-training set."""
    action_samples: int
    """AQA-7's, of each action."""
    dives: int
    """MTL-AQA's with features; their clips are as many as are read."""
    routines: int
    """Rhythmic Gymnastics', of each apparatus."""


TINY = Counts(classes=3, action_samples=8, dives=20, routines=30)
OFFICIAL = Counts(classes=101, action_samples=185, dives=1412, routines=250)
"""UCF-101's classes, a sixth of AQA-7's 1106 samples, MTL-AQA's dives, the 200 + 50 routines of an apparatus."""


@dataclass(frozen=True)
class Stage:
    """Where a family is rehearsed."""

    folder: Path
    """Of its own; everything is written there."""
    settings: Settings
    """Whole, resolved."""
    steps: int
    """Optimiser steps of every network."""
    counts: Counts

    def backbones(self, numbers: list[int]) -> int:
        """How many backbones these trainings rest on."""
        return len(repetition.backbones(numbers, self.settings))

    def changed(self, override: Mapping[str, Any]) -> dict[str, Any]:
        return merge(self.settings, override)

    def output(self, name: str) -> Path:
        return self.folder / "made" / name


Family = Callable[[Stage], list[Path]]


def pretraining(optimiser: str, stage: Stage) -> list[Path]:
    """C3D on windows."""
    schedule = {"iterations": stage.steps, "validate_every": stage.steps, "checkpoint_every": stage.steps + 1}
    settings = stage.changed({"pretraining": {**schedule, "optimiser": optimiser}})
    training = stage.steps * settings["pretraining"]["batch"]
    files = made_up.write_windows(stage.folder, settings, stage.counts.classes, training)
    weights = stage.output("weights.safetensors")
    pretrain.pretrain(**files, weights=weights, curve=stage.output("curve.csv"), settings=settings, training=0)
    return [weights]


def lstm_files(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    """AQA-7's features, and settings that end after the steps: what the experiments on them read."""
    schedule = {"iterations": stage.steps, "evaluate_every": stage.steps, "checkpoint_every": stage.steps + 1}
    tuning = {kind: [stage.steps] * len(sizes) for kind, sizes in stage.settings["fine_tuning"]["iterations"].items()}
    settings = stage.changed(
        {"lstm": schedule, "support_vector_regression": FEW}
        | {"fine_tuning": {"iterations": tuning, "evaluate_every": stage.steps}}
    )
    knobs, table = settings["backbone"], made_up.action_rows(stage.counts.action_samples)
    write_table(stage.folder / "rows.parquet", table)
    shape = len(table), knobs["temporal_offsets"], knobs["clips"], feature_width(settings)
    features = made_up.write_features(stage.folder / "features.npy", shape)
    count = stage.backbones(repetition.seeds(settings))
    return {"features": [features] * count, "rows": stage.folder / "rows.parquet"}, settings


def feature_width(settings: Settings) -> int:
    """Of C3D's fc6."""
    return round(4096 * settings["backbone"]["width"])


def written(stage: Stage, folder: str = "") -> dict[str, Any]:
    """Where stacked members leave predictions and weights."""
    return {
        "predictions": stage.output(f"{folder}predictions.parquet"),
        "members": stage.output(f"{folder}members.safetensors"),
    }


def all_actions(stage: Stage) -> list[Path]:
    """Table 2 of AQA-7: C3D-LSTM of single actions and of all, C3D-SVR."""
    files, settings = lstm_files(stage)
    all_action.run(**files, **(made := written(stage)), settings=settings)
    return list(made.values())


def left_out_actions(stage: Stage) -> list[Path]:
    """Table 3 of AQA-7: C3D-LSTM without an action."""
    files, settings = lstm_files(stage)
    zero_shot.run(**files, **(made := written(stage)), settings=settings)
    return list(made.values())


def fine_tuned_actions(stage: Stage, before: int = 0) -> list[Path]:
    """Table 4 of AQA-7: C3D-LSTM fine-tuned on an action, after some steps without it."""
    files, settings = lstm_files(stage)
    first, then = written(stage, "zero_shot/"), written(stage, "fine_tuning/")
    zero_shot.run(**files, **first, settings=merge(settings, {"lstm": {"iterations": before}}))
    fine_tuning.run(**files, initial=first["members"], **then, settings=settings)
    return [*first.values(), *then.values()]


def dive_features(stage: Stage, offsets: int, clips: int, backbones: int, held_out: int) -> dict[str, Any]:
    """MTL-AQA's features with rows and splits."""
    training = stage.counts.dives - 2 * held_out
    files = made_up.write_dives(stage.folder, stage.settings, training, held_out)
    shape = stage.counts.dives, offsets, clips, feature_width(stage.settings)
    features = made_up.write_features(stage.folder / "features.npy", shape)
    return {"features": [features] * backbones, "rows": files["rows"], "splits": files["splits"]}


def frozen_features(stage: Stage) -> list[Path]:
    """C3D-LSTM, its incremental labels and C3D-LSTM-SVR on MTL-AQA."""
    schedule = {"iterations": stage.steps, "evaluate_every": stage.steps, "checkpoint_every": stage.steps + 1}
    limit = {"svr_iterations": 1000, "lstm": schedule}
    settings = stage.changed({"frozen_features": limit, "support_vector_regression": FEW})
    knobs = settings["multitask"]["clips"]
    clips = len(range(0, knobs["frames"], knobs["step"])) // multitask.CLIP_FRAMES
    count = stage.backbones(repetition.network_seeds(settings))
    files = dive_features(stage, 2 * knobs["shift"] + 1, clips, count, max(2, stage.counts.dives // 8))
    last, every = written(stage, "lstm/"), written(stage, "incremental/")
    c3d_lstm.run(**files, **last, settings=settings)
    c3d_lstm_incremental.run(**files, **every, increments=stage.output("increments.parquet"), settings=settings)
    fitted = stage.output("svr/predictions.parquet")
    c3d_lstm_svr.run(
        **files, members=last["members"], predictions=fitted, chosen=stage.output("svr/chosen.csv"), settings=settings
    )
    return [*last.values(), *every.values(), fitted]


def clip_files(stage: Stage, batch: int, wide: bool = False) -> dict[str, Path]:
    """MTL-AQA's clips with all that belongs to them; as many dives train as `steps` batches take.

    A GPU holds the whole store where it fits, so there it is as large as it will be.
    """
    whole = stage.counts.dives if torch.cuda.is_available() else 0
    files = made_up.write_dives(stage.folder, stage.settings, stage.steps * batch, dives=whole)
    dives = len(read_table(files["rows"]))
    knobs = stage.settings["multitask"]["clips"]
    crop, frames = knobs["wide_crop" if wide else "crop"], knobs["frames"] + 2 * knobs["shift"]
    return files | {"clips": made_up.write_clips(stage.folder / "clips.npy", dives, frames, crop)}


def chosen(files: Mapping[str, Path], *names: str) -> dict[str, Path]:
    return {name: files[name] for name in names}


def network_outputs(stage: Stage) -> dict[str, Path]:
    suffixes = {"predictions": "parquet", "weights": "safetensors", "curve": "csv"}
    return {name: stage.output(f"{name}.{suffix}") for name, suffix in suffixes.items()}


def multitask_network(network: str, stage: Stage) -> list[Path]:
    """C3D-AVG or MSCADC with all tasks."""
    settings = stage.changed({"multitask": {"epochs": 1, "wide_epochs": 1}})
    files = clip_files(stage, settings["multitask"]["batch"], wide=network == "mscadc")
    made = network_outputs(stage)
    others = {name: stage.output(f"{name}.parquet") for name in ("classes", "captions")}
    mtl_aqa.train_member(
        **chosen(files, "clips", "rows", "splits", "vocabulary"),
        **made,
        **others,
        network=network,
        tasks="score_classes_caption",
        training_set=WHOLE,
        seed=0,
        settings=settings,
        backbone=made_up.write_backbone(stage.folder / "backbone.safetensors", settings),
    )
    return [made["weights"], made["predictions"], *others.values()]


def extension(system: Mapping[str, str], stage: Stage) -> list[Path]:
    """A backbone with an aggregation and a head."""
    changes = {"training": {"epochs": 1}, "contrastive": {"epochs_share": 1.0}, "resnet_weights": "random"}
    settings = stage.changed({"extensions": changes})
    batch = {**settings["multitask"], **settings["extensions"]["training"]}["batch"]
    files, made = clip_files(stage, batch), network_outputs(stage)
    body = (
        made_up.write_backbone(stage.folder / "backbone.safetensors", settings) if system["backbone"] == "c3d" else None
    )
    extensions.train_member(
        **chosen(files, "clips", "rows", "splits", "judges"),
        **made,
        system=dict(system),
        training_set=WHOLE,
        seed=0,
        settings=settings,
        backbone=body,
    )
    return [made["weights"], made["predictions"]]


def stages_network(stage: Stage) -> list[Path]:
    """S3D and the network that finds the stages."""
    knobs = {"segmentation": {"epochs": 1}, "s3d": {"epochs": 1}}
    settings = stage.changed({"stages": knobs, "multitask": {"seeds": 1}})
    batch = max(settings["stages"][name]["batch"] for name in knobs)
    files, made = clip_files(stage, batch), network_outputs(stage)
    s3d.run(
        **chosen(files, "clips", "rows", "dropped", "splits", "stages"),
        **made,
        segmentation=stage.output("segmentation.csv"),
        settings=settings,
    )
    return [made["weights"], made["predictions"]]


def nine_networks(stage: Stage) -> list[Path]:
    """Li et al."""
    settings = stage.changed({"stages": {"li": {"epochs": 1}}, "multitask": {"seeds": 1}})
    files, made = clip_files(stage, settings["stages"]["li"]["batch"]), network_outputs(stage)
    body = made_up.write_backbone(stage.folder / "backbone.safetensors", settings)
    li.run(**chosen(files, "clips", "rows", "dropped", "splits"), **made, settings=settings, backbone=[body])
    return [made["weights"], made["predictions"]]


def pose_estimator(stage: Stage) -> list[Path]:
    """The heat-map network, on AQA-7's clips."""
    settings = stage.changed({"poses": {"training": {"iterations": stage.steps}}})
    table = made_up.action_rows(4)
    write_table(stage.folder / "rows.parquet", table)
    frames, crop = settings["clips"]["frames"], settings["clips"]["crop"]
    clips = made_up.write_clips(stage.folder / "clips.npy", len(table), frames, crop)
    times = len(frame_numbers(settings, "aqa7"))
    poses = made_up.write_poses(stage.folder / "poses.npy", len(table), times, crop)
    weights = stage.output("weights.safetensors")
    keypoints.train(weights, settings, ["aqa7"], [clips], [poses], [stage.folder / "rows.parquet"], training=0)
    return [weights]


def label_draw_files(stage: Stage, dataset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Segment features of MTL-AQA or of Rhythmic Gymnastics, and settings that end after the steps."""
    renewed = {"warm_up": 0.5, "renew_every": 1}
    schedule = {"iterations": stage.steps, "evaluate_every": stage.steps, "pseudo_labels": renewed}
    two_streams = {"iterations": stage.steps, "evaluate_every": stage.steps}
    settings = stage.changed(
        {"semi_supervised": {**schedule, "kernels": ["linear"]}, "action_net": two_streams}
        | {"support_vector_regression": FEW}
    )
    if dataset == MTL_AQA:
        count = stage.backbones(repetition.label_draws(settings))
        segments = settings["semi_supervised"]["segments"]["count"]
        return dive_features(stage, 1, segments, count, max(6, stage.counts.dives // 8)), settings
    knobs, table = settings["semi_supervised"]["gymnastics"], made_up.routine_rows(stage.counts.routines)
    write_table(stage.folder / "rows.parquet", table)
    shape = len(table), 1, knobs["segments"], knobs["width"]
    features = made_up.write_features(stage.folder / "features.npy", shape)
    return {"features": [features], "rows": stage.folder / "rows.parquet"}, settings


def semi_supervised(dataset: str, stage: Stage) -> list[Path]:
    """S4AQA, its ablation and the networks that it is held against."""
    files, settings = label_draw_files(stage, dataset)
    s4aqa.run(dataset, **files, **(made := written(stage)), settings=settings)
    return list(made.values())


def two_streams(stage: Stage) -> list[Path]:
    """ACTION-NET."""
    files, settings = label_draw_files(stage, GYMNASTICS)
    knobs = settings["action_net"]["static"]
    rows = read_table(files["rows"])
    static = made_up.write_features(stage.folder / "static.npy", (len(rows), 1, knobs["moments"], knobs["width"]))
    made = written(stage)
    action_net.run(files["features"][0], files["rows"], static, **made, settings=settings)
    return list(made.values())


def regressions(stage: Stage) -> list[Path]:
    """Support vectors, ridge and COREG on segment features: nothing of torch."""
    files, settings = label_draw_files(stage, MTL_AQA)
    predictions = stage.output("predictions.parquet")
    coreg.run(MTL_AQA, files["features"], files["rows"], predictions, settings, files["splits"])
    return [predictions]


@contextmanager
def without_clock() -> Iterator[None]:
    """Leave out the large product that `multitask` measures the device's rate by: it is in no result."""
    before = dict(multitask.MATRIX)
    multitask.MATRIX.update(dict.fromkeys(before, 8))
    try:
        yield
    finally:
        multitask.MATRIX.update(before)
