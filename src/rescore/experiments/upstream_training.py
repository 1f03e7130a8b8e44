"""What is trained before any system, for a few steps: the backbone, and the pose estimator of synthetic videos."""

from pathlib import Path

from rescore.engine.storage import write_table
from rescore.features.true_poses import frame_numbers
from rescore.systems.common import made_up
from rescore.systems.common.rehearsal import Stage
from rescore.training import keypoints, pretrain


def pretraining(stage: Stage, optimiser: str) -> list[Path]:
    """C3D on windows."""
    schedule = {"iterations": stage.steps, "validate_every": stage.steps, "checkpoint_every": stage.steps + 1}
    settings = stage.changed({"pretraining": {**schedule, "optimiser": optimiser}})
    training = stage.steps * settings["pretraining"]["batch"]
    files = made_up.write_windows(stage.folder, settings, stage.counts.classes, training)
    weights = stage.output("weights.safetensors")
    pretrain.pretrain(**files, weights=weights, curve=stage.output("curve.csv"), settings=settings, training=0)
    return [weights]


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
