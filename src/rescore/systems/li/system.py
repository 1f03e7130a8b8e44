"""Li et al., End-to-end learning for action quality assessment (PCM 2018; MTL-AQA, Table 7): nine clips, a C3D for each."""

from typing import Any

from rescore.systems.common import dive_networks
from rescore.systems.common.repetition import Chosen, Repeats, Rests, Training, network_seeds, numbers_of
from rescore.systems.declaration import Experiment, Family, Job, Rehearsed
from rescore.systems.files import Files

TRAININGS = {"li": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.BACKBONE)}
FORWARD = 693.189e9
"""Operations of a video."""


def reads(files: Files, job: Job) -> dict[str, Any]:
    """The dives, and the backbones that all nine C3Ds start from."""
    given = files.settings["stages"]["li"]["body_weights"] == "backbone"
    return {**files.dives(), **({"backbone": files.backbones(network_seeds(files.settings))} if given else {})}


EXPERIMENTS = (
    Experiment(
        "li",
        "systems.li.training.run",
        "MTL-AQA, Table 7: Li et al.",
        reads,
        dive_networks.WRITES,
        ("backbone", "stages.li", *dive_networks.SETTINGS),
        count=lambda settings: 2 * len(numbers_of(TRAININGS["li"], settings)),
        minutes=2880,
        varied=lambda job: True,
        cost=dive_networks.cost("li", FORWARD, "mtl_aqa_clips, pretrain"),
    ),
)
FAMILY = Family("rehearsal.network")
REHEARSED = (Rehearsed("li", FAMILY, dive_networks.steps("li"), dive_networks.half_batch("li"), same=False),)
TRIED = {"Li et al.": FAMILY}
TINY = {
    "stages": {
        "li": {
            **{"clips": 2, "clip_frames": 16, "width": 0.0625, "body_weights": "backbone", "ranking_weight": 1.0},
            **{
                "ranking_margin": 0.1,
                "dropout": 0.5,
                "pool": 1,
                "batch": 2,
                "optimiser": "adam",
                "learning_rate": 0.001,
            },
            **{"anneal_every": 100, "anneal_factor": 0.1, "momentum": 0.9, "weight_decay": 0.0},
        },
    },
}
