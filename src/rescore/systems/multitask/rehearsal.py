"""C3D-AVG and MSCADC for a few steps (systems.common.rehearsal)."""

from pathlib import Path

from rescore.systems.common import made_up
from rescore.systems.common.rehearsal import Stage, chosen, clip_files, network_outputs
from rescore.systems.common.training_sets import MULTITASK, WHOLE
from rescore.systems.multitask.training import Files, Outputs, train_member


def network(stage: Stage, network: str) -> list[Path]:
    """C3D-AVG or MSCADC with all tasks."""
    settings = stage.changed({"multitask": {"epochs": 1, "wide_epochs": 1}})
    files = clip_files(stage, settings["multitask"]["batch"], wide=network == "mscadc")
    made = network_outputs(stage)
    others = {name: stage.output(f"{name}.parquet") for name in ("classes", "captions")}
    read = Files(
        **chosen(files, "clips", "rows", "splits", "vocabulary"),
        backbone=made_up.write_backbone(stage.folder / "backbone.safetensors", settings),
    )
    train_member(read, Outputs(**made, **others), network, MULTITASK, WHOLE, 0, settings)
    return [made["weights"], made["predictions"], *others.values()]
