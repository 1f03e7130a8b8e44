"""What MTL-AQA's labels and commentary alone give, and what nobody who sees the video could beat."""

from typing import Any

from rescore.systems.common.repetition import NOTHING_TRAINED, REGRESSION, Chosen, Repeats, Training
from rescore.systems.declaration import Experiment, Job
from rescore.systems.files import Files

TRAININGS = {
    "label_only": REGRESSION,
    "commentary_only": REGRESSION,
    "majority": NOTHING_TRAINED,
    **dict.fromkeys(("random_caption", "caption_elsewhere"), Training(Repeats.SEEDS, Chosen.NOTHING)),
    "observer": NOTHING_TRAINED,
    "difficulty": NOTHING_TRAINED,
}


def reads(files: Files, job: Job) -> dict[str, Any]:
    return {"manifest": files.data("manifests/mtl_aqa.parquet"), "splits": files.splits}


EXPERIMENTS = (
    Experiment(
        "mtl_aqa_baselines",
        "systems.mtl_aqa_baselines.predict.run",
        "MTL-AQA: what the labels and the commentary alone give",
        reads,
        {name: f"{name}.parquet" for name in ("predictions", "classes", "captions")},
        ("seed", "ridge", "first_training", "seeds"),
        count=lambda settings: 4 * 5,
        computes=False,
        gpu=False,
    ),
)
