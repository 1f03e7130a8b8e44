"""What comes before any system, and what it takes: clips, backbone, features, pose estimator. No framework is imported."""

from collections.abc import Iterator, Mapping
from typing import Any

from rescore.systems.common import amounts, repetition
from rescore.systems.declaration import Cost, Family, Rehearsed, Settings

PRETRAINING = {
    optimiser: Family("upstream_training.pretraining", {"optimiser": optimiser}) for optimiser in ("adam", "sgd")
}
POSES = Family("upstream_training.pose_estimator")
TRIED = {
    "pre-training, Adam": PRETRAINING["adam"],
    "pre-training, stochastic gradient descent": PRETRAINING["sgd"],
    "pose estimator": POSES,
}


def rehearsed(settings: Settings) -> Iterator[Rehearsed]:
    """The trainings before all systems, as `rescore rehearse` tries them."""
    family = PRETRAINING[settings["pretraining"]["optimiser"]]
    yield Rehearsed("pretraining", family, pretraining_steps, half_batch("pretraining"), same=False)
    yield Rehearsed("pose_estimator", POSES, pose_steps, half_batch("poses", "training"), same=False)


def pretraining_steps(settings: Settings) -> Mapping[str, float]:
    own = repetition.is_trained_here(repetition.Rests.BACKBONE, settings)
    bodies = len(repetition.every_backbone(settings)) if own else 0
    return {"": bodies * settings["pretraining"]["iterations"]}


def pose_steps(settings: Settings) -> Mapping[str, float]:
    own = repetition.is_trained_here(repetition.Rests.ESTIMATOR, settings)
    count = len(repetition.estimators(repetition.network_seeds(settings), settings))
    return {"": count * settings["poses"]["training"]["iterations"] if own else 0}


def half_batch(*section: str) -> Any:
    """Half the batch of a section, which cannot be cut into parts."""

    def change(settings: Settings) -> Mapping[str, Any]:
        value: Any = settings
        for key in section:
            value = value[key]
        changed: Any = {"batch": max(1, value["batch"] // 2)}
        for key in reversed(section):
            changed = {key: changed}
        return dict(changed)

    return change


def costs(settings: Settings) -> list[Cost]:
    """Clip stores, pre-training, and the features of AQA-7."""
    clips, backbone, schedule = settings["clips"], settings["backbone"], settings["pretraining"]
    dives = settings["multitask"]["clips"]
    crop, length = clips["crop"], backbone["clip_frames"]
    one_clip = amounts.C3D_CLIP * backbone["width"] ** 2 * (crop / 112) ** 2 * length / 16
    windows = amounts.UCF101_VIDEOS * schedule["clips_per_video"]
    copies = amounts.ACTION_SAMPLES * backbone["temporal_offsets"] * backbone["clips"]
    trained = schedule["iterations"] * schedule["batch"]
    bodies = len(repetition.every_backbone(settings))
    own_bodies = len(repetition.backbones(repetition.seeds(settings), settings))
    window_store = amounts.frames_bytes(windows, length, crop)
    clip_store = amounts.frames_bytes(amounts.ACTION_SAMPLES, clips["frames"], crop)
    dive_stores = sum(
        amounts.frames_bytes(amounts.DIVES, dives["frames"] + 2 * dives["shift"], dives[crop])
        for crop in ("crop", "wide_crop")
    )
    features = own_bodies * copies * 4096 * 2
    return [
        Cost("pretraining_clips", 1, "UCF-101's videos and lists", disk=window_store, memory=1e9),
        Cost("pretrain", bodies, "pretraining_clips", bodies * 3 * one_clip * trained, bodies * 0.3e9, memory=8e9),
        Cost("aqa7_clips", 1, "AQA-7's videos and lists", disk=clip_store, memory=1e9),
        Cost("aqa7_features", own_bodies, "aqa7_clips, pretrain", own_bodies * one_clip * copies, features, memory=4e9),
        Cost("mtl_aqa_clips", 1, "MTL-AQA's broadcasts and annotations", disk=dive_stores, memory=2e9),
    ]
