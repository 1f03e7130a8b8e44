"""ACTION-NET (Zeng et al., ACM MM 2020) on Rhythmic Gymnastics, held against S4AQA: two streams, labelled routines alone."""

from pathlib import Path
from typing import Any

from rescore.systems.common import drawn_labels
from rescore.systems.common.drawn_labels import GYMNASTICS
from rescore.systems.common.repetition import Chosen, Repeats, Training
from rescore.systems.declaration import Experiment, Family, Job, Rehearsed, Settings
from rescore.systems.files import Files

TRAININGS = {"action_net": Training(Repeats.LABEL_DRAWS, Chosen.ITERATION)}


def reads(files: Files, job: Job) -> dict[str, Any]:
    """Segments, and the static stream: features of single moments."""
    static = files.data(f"features/{GYMNASTICS}_static.npy")
    return {**drawn_labels.segments(GYMNASTICS)(files, job), "static": static}


def has_static_stream(settings: Settings) -> bool:
    """Features of moments are made up, or where the user put them."""
    kind = settings["sources"][GYMNASTICS]
    return kind == "synthetic" or (kind == "official" and Path(settings["action_net"]["static"]["directory"]).is_dir())


EXPERIMENTS = (
    Experiment(
        f"action_net/{GYMNASTICS}",
        "systems.action_net.training.run",
        "S4AQA: ACTION-NET on Rhythmic Gymnastics",
        reads,
        {"predictions": "predictions.parquet", "members": "members.safetensors"},
        ("seed", "first_training", "semi_supervised.labels", "semi_supervised.label_draws", "action_net"),
        count=lambda settings: drawn_labels.drawn(settings, GYMNASTICS),
        runs=has_static_stream,
        measured=False,
    ),
)
FAMILY = Family("rehearsal.two_streams")
REHEARSED = (
    Rehearsed("action_net", FAMILY, drawn_labels.steps("action_net", GYMNASTICS), drawn_labels.one_draw, stacked=True),
)
TRIED = {"ACTION-NET": FAMILY}
TINY = {
    "action_net": {
        **{"static": {"moments": 5, "width": 6}, "highest": 25.0, "width": 4, "attention_width": 3, "head_width": 4},
        **{
            "dropout": 0.5,
            "batch": 4,
            "learning_rate": 0.01,
            "head_rate": 5.0,
            "momentum": 0.9,
            "weight_decay": 0.0001,
        },
        "anneal_at": [0.5],
    },
}
