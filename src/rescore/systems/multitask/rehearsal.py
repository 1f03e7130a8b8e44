"""C3D-AVG and MSCADC for a few steps (systems.common.rehearsal)."""

from pathlib import Path

from rescore.systems.common import made_up
from rescore.systems.common.rehearsal import Stage, chosen, clip_files, network_outputs
from rescore.systems.common.training_sets import MULTITASK, WHOLE
from rescore.systems.multitask.training import train_member


def network(stage: Stage, network: str) -> list[Path]:
    """C3D-AVG or MSCADC with all tasks."""
    settings = stage.changed({"multitask": {"epochs": 1, "wide_epochs": 1}})
    files = clip_files(stage, settings["multitask"]["batch"], wide=network == "mscadc")
    made = network_outputs(stage)
    others = {name: stage.output(f"{name}.parquet") for name in ("classes", "captions")}
    train_member(
        **chosen(files, "clips", "rows", "splits", "vocabulary"),
        **made,
        **others,
        network=network,
        tasks=MULTITASK,
        training_set=WHOLE,
        seed=0,
        settings=settings,
        backbone=made_up.write_backbone(stage.folder / "backbone.safetensors", settings),
    )
    return [made["weights"], made["predictions"], *others.values()]
