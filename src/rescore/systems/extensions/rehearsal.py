"""A system of the extensions for a few steps (systems.common.rehearsal)."""

from collections.abc import Mapping
from pathlib import Path

from rescore.systems.common import made_up
from rescore.systems.common.clip_members import Outputs
from rescore.systems.common.rehearsal import Stage, chosen, clip_files, network_outputs
from rescore.systems.common.training_sets import WHOLE
from rescore.systems.extensions.training import Files, train_member


def extension(stage: Stage, system: Mapping[str, str]) -> list[Path]:
    """A backbone with an aggregation and a head."""
    changes = {"training": {"epochs": 1}, "contrastive": {"epochs_share": 1.0}, "resnet_weights": "random"}
    settings = stage.changed({"extensions": changes})
    batch = {**settings["multitask"], **settings["extensions"]["training"]}["batch"]
    files, made = clip_files(stage, batch), network_outputs(stage)
    body = (
        made_up.write_backbone(stage.folder / "backbone.safetensors", settings) if system["backbone"] == "c3d" else None
    )
    read = Files(**chosen(files, "clips", "rows", "splits", "judges"), backbone=body)
    train_member(read, Outputs(**made), dict(system), WHOLE, 0, settings)
    return [made["weights"], made["predictions"]]
