"""S4AQA's networks and regressions for a few steps (systems.common.rehearsal)."""

from pathlib import Path

from rescore.systems.common.label_draws import MTL_AQA
from rescore.systems.common.rehearsal import Stage, label_draw_files, written
from rescore.systems.s4aqa.networks import run
from rescore.systems.s4aqa.regressions import run as fit


def networks(stage: Stage, dataset: str) -> list[Path]:
    """S4AQA, its ablation and the networks that it is held against."""
    files, settings = label_draw_files(stage, dataset)
    run(dataset, **files, **(made := written(stage)), settings=settings)
    return list(made.values())


def regressions(stage: Stage) -> list[Path]:
    """Support vectors, ridge and COREG on segment features: nothing of torch."""
    files, settings = label_draw_files(stage, MTL_AQA)
    predictions = stage.output("predictions.parquet")
    fit(MTL_AQA, files["features"], files["rows"], predictions, settings, files["splits"])
    return [predictions]
