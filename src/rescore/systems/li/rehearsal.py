"""Li et al.'s network for a few steps (systems.common.rehearsal)."""

from pathlib import Path

from rescore.systems.common import made_up
from rescore.systems.common.clip_members import Outputs
from rescore.systems.common.dives import DiveFiles
from rescore.systems.common.rehearsal import Stage, chosen, clip_files, network_outputs
from rescore.systems.li import training


def network(stage: Stage) -> list[Path]:
    """Li et al."""
    settings = stage.changed({"stages": {"li": {"epochs": 1}}, "multitask": {"seeds": 1}})
    files, made = clip_files(stage, settings["stages"]["li"]["batch"]), network_outputs(stage)
    body = made_up.write_backbone(stage.folder / "backbone.safetensors", settings)
    read = DiveFiles(**chosen(files, "clips", "rows", "dropped", "splits"))
    training.run(read, Outputs(**made), settings, [body])
    return [made["weights"], made["predictions"]]
