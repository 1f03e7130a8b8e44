"""S3D for a few steps (systems.common.rehearsal)."""

from pathlib import Path

from rescore.systems.common.clip_members import Outputs
from rescore.systems.common.dives import DiveFiles
from rescore.systems.common.rehearsal import Stage, chosen, clip_files, network_outputs
from rescore.systems.s3d import training


def network(stage: Stage) -> list[Path]:
    """S3D and the network that finds the stages."""
    knobs = {"segmentation": {"epochs": 1}, "s3d": {"epochs": 1}}
    settings = stage.changed({"stages": knobs, "multitask": {"seeds": 1}})
    batch = max(settings["stages"][name]["batch"] for name in knobs)
    files, made = clip_files(stage, batch), network_outputs(stage)
    read = DiveFiles(**chosen(files, "clips", "rows", "dropped", "splits"))
    training.run(read, files["stages"], Outputs(**made), stage.output("segmentation.csv"), settings)
    return [made["weights"], made["predictions"]]
