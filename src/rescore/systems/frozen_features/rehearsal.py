"""The LSTMs on MTL-AQA's features for a few steps (systems.common.rehearsal)."""

from pathlib import Path

from rescore.systems.common.rehearsal import FEW, Stage, dive_features, written
from rescore.systems.common.repetition import network_seeds
from rescore.systems.frozen_features import c3d_lstm, c3d_lstm_incremental, c3d_lstm_svr
from rescore.systems.frozen_features.dives import FeatureFiles
from rescore.training.batches import CLIP_FRAMES


def lstms(stage: Stage) -> list[Path]:
    """C3D-LSTM, its incremental labels and C3D-LSTM-SVR on MTL-AQA."""
    schedule = {"iterations": stage.steps, "evaluate_every": stage.steps, "checkpoint_every": stage.steps + 1}
    settings = stage.changed({"frozen_features": {"lstm": schedule}, "support_vector_regression": FEW})
    knobs = settings["multitask"]["clips"]
    clips = len(range(0, knobs["frames"], knobs["step"])) // CLIP_FRAMES
    count = stage.backbones(network_seeds(settings))
    files = FeatureFiles(**dive_features(stage, 2 * knobs["shift"] + 1, clips, count, max(2, stage.counts.dives // 8)))
    last, every = written(stage, "lstm/"), written(stage, "incremental/")
    c3d_lstm.run(files, **last, settings=settings)
    c3d_lstm_incremental.run(files, **every, increments=stage.output("increments.parquet"), settings=settings)
    fitted = stage.output("svr/predictions.parquet")
    c3d_lstm_svr.run(
        files, members=last["members"], predictions=fitted, chosen=stage.output("svr/chosen.csv"), settings=settings
    )
    return [*last.values(), *every.values(), fitted]
