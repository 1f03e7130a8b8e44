"""AQA-7's LSTMs for a few steps (systems.common.rehearsal)."""

from pathlib import Path
from typing import Any

from rescore.engine.parameters import merge
from rescore.engine.storage import write_table
from rescore.systems.aqa7_lstm import all_action, fine_tuning, zero_shot
from rescore.systems.common import made_up
from rescore.systems.common.rehearsal import FEW, Stage, feature_width, written
from rescore.systems.common.repetition import seeds


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
    count = stage.backbones(seeds(settings))
    return {"features": [features] * count, "rows": stage.folder / "rows.parquet"}, settings


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
