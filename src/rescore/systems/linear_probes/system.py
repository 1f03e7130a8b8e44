"""Linear probes of What and How Well You Performed?, 5.2, Tables 9 and 10: each body runs over all videos once."""

from collections.abc import Iterable
from typing import Any

from rescore.systems.common.amounts import C3D_CLIP, DIVES, VAULTS
from rescore.systems.common.repetition import Chosen, Repeats, Rests, Training, network_seeds
from rescore.systems.declaration import Cost, Experiment, Job, Settings
from rescore.systems.files import Files
from rescore.systems.linear_probes.probes import BODIES, LAYERS, folders

PROBE = Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE)
# Vaults are drawn anew for every training, dives are not.
TRAININGS = {
    "backbone/dives": Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "backbone/within": PROBE,
    "backbone/outside": PROBE,
    **{
        f"{body}/{videos}": PROBE
        for body in BODIES.values()
        if body != "backbone"
        for videos in ("dives", "within", "outside")
    },
}
SETTINGS = ("seed", "first_training", "multitask.seeds", "backbone.weights", "linear_probes")
WRITES = {"predictions": "predictions.parquet", "choice": "choice.json"}


def reads(dataset: str) -> Any:
    def found(files: Files, job: Job) -> dict[str, Any]:
        bodies = [files.data(f"features/linear_probes/{body}.safetensors") for body in folders(files.settings)]
        rows = {"activations": bodies, "rows": files.clips(dataset)["rows"]}
        return rows | ({"splits": files.splits} if dataset == "mtl_aqa" else {})

    return found


def on_dives(settings: Settings) -> int:
    """A regression a layer and body."""
    return len(LAYERS) * len(folders(settings))


def on_vaults(settings: Settings) -> int:
    """Twice a layer, body and training."""
    return len(LAYERS) * 2 * len(BODIES) * len(network_seeds(settings))


def cost(settings: Settings) -> Iterable[Cost]:
    """One pass of each probed body (the backbones, and two networks a seed) over all dives and vaults."""
    backbone, knobs, probes = settings["backbone"], settings["multitask"], settings["linear_probes"]
    bodies = len(folders(settings))
    forward = C3D_CLIP * backbone["width"] ** 2
    dives = DIVES * (knobs["clips"]["frames"] // knobs["clips"]["step"] // 16)
    vaults = VAULTS * (backbone["clips"] * backbone["clip_frames"] // knobs["clips"]["step"] // 16)
    operations = forward * sum(
        clips * (crop / 112) ** 2
        for clips, crop in ((dives, knobs["clips"]["crop"]), (vaults, settings["clips"]["crop"]))
    )
    values = 5 * probes["width"] * (DIVES + VAULTS)
    needs = "mtl_aqa_clips, aqa7_clips, pretrain, mtl_aqa"
    return [Cost("linear_probe_activations", bodies, needs, bodies * operations, bodies * values * 2, memory=8e9)]


COMMON: dict[str, Any] = {"computes": False, "gpu": False, "measured": False, "varied": lambda job: True}
EXPERIMENTS = (
    Experiment(
        "linear_probes/dives",
        "systems.linear_probes.probes.probe_dives",
        "MTL-AQA, 5.2: linear probes, Table 9",
        reads("mtl_aqa"),
        WRITES,
        SETTINGS,
        count=on_dives,
        cost=cost,
        **COMMON,
    ),
    Experiment(
        "linear_probes/vaults",
        "systems.linear_probes.probes.probe_vaults",
        "MTL-AQA, 5.2: linear probes, Table 10",
        reads("aqa7"),
        WRITES,
        SETTINGS,
        count=on_vaults,
        **COMMON,
    ),
)
