"""GDLT, Likert scoring with grade decoupling (Xu et al., CVPR 2022), on Rhythmic Gymnastics' segment features."""

from rescore.systems.common import drawn_labels
from rescore.systems.common.drawn_labels import APPARATUS, GYMNASTICS
from rescore.systems.common.repetition import Chosen, Repeats, Training, label_draws
from rescore.systems.declaration import Experiment, Family, Rehearsed, Settings

TRAININGS = {"gdlt": Training(Repeats.LABEL_DRAWS, Chosen.ITERATION)}


def count(settings: Settings) -> int:
    """A network a draw, share of labels and apparatus."""
    return len(label_draws(settings)) * len(settings["gdlt"]["labels"]) * APPARATUS


EXPERIMENTS = (
    Experiment(
        f"gdlt/{GYMNASTICS}",
        "systems.gdlt.training.run",
        "GDLT (Xu et al. 2022) on Rhythmic Gymnastics",
        drawn_labels.segments(GYMNASTICS),
        {"predictions": "predictions.parquet", "members": "members.safetensors"},
        ("seed", "first_training", "semi_supervised.label_draws", "gdlt"),
        count=count,
        runs=drawn_labels.has(GYMNASTICS),
        measured=False,
    ),
)
FAMILY = Family("training.rehearse")
REHEARSED = (
    Rehearsed(
        "gdlt",
        FAMILY,
        lambda settings: {"": count(settings) * drawn_labels.steps("gdlt", GYMNASTICS)(settings)[""]},
        lambda settings: {"gdlt": {"batch": max(1, settings["gdlt"]["batch"] // 2)}},
        same=False,
    ),
)
TRIED = {"GDLT": FAMILY}
TINY = {
    "gdlt": {
        **{
            "labels": [100],
            "grades": 3,
            "width": 4,
            "heads": 1,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "dropout": 0.3,
        },
        **{
            "triplet_weight": 1.0,
            "margin": 1.0,
            "highest": 25.0,
            "batch": 4,
            "learning_rate": 0.01,
            "final_rate": 0.01,
        },
        **{"momentum": 0.9, "weight_decay": 0.0001},
    },
}
