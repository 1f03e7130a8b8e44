"""What a scale takes, before anything of it is there: arithmetic, GPU hours, disk and memory of each step.

    operations = forward operations of a sample x samples x (3 while training: forward, and twice that backward)

The forward operations are counted on the real modules at full size (a test counts them again); other widths and crops are
taken in proportion. GPU hours come from the rate that `bench/gpu.py` measured and left in bench/gpu.json, where it was run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from rescore.experiments import extensions_members, linear_probes, repetition

Settings = Mapping[str, Any]

FORWARD_OPERATIONS = {"c3d": 77.095e9, "c3d_avg": 466.576e9, "mscadc": 72.423e9, "s3d": 71.707e9, "li": 693.189e9}
"""Additions and multiplications: C3D a clip of 16 frames, C3D-AVG (six clips) and MSCADC a video, with all three tasks; S3D (its
P3Ds on four stages) and Li et al. (nine clips) a video."""
SAMPLES = {"aqa7": 1106, "vaults": 176, "mtl_aqa": 1412, "mtl_aqa_training": 1059, "ucf101": 13320}
"""AQA-7's six actions and its vaults, MTL-AQA, its training set, UCF-101's videos."""
TRAINING_DIVES = {"1059": 1059, "450": 443, "280": 279, "140": 143, "unlv_dive": 300}
"""Of each training set as released; clean ones are smaller."""
GPU_FIGURES = Path("bench/gpu.json")
ASSUMED_RATE = 200e12
"""Operations a second where `bench/gpu.py` was not run: about a fifth of what a current data-centre GPU's data sheet promises
in bfloat16. An assumption, and printed as one."""


@dataclass(frozen=True)
class Step:
    """One family of jobs and what it takes."""

    name: str
    jobs: int
    needs: str
    operations: float = 0.0
    disk: float = 0.0
    """Bytes written."""
    memory: float = 0.0
    """Bytes held at once: on the GPU where `operations` says that it computes, else in the process."""


def frames_bytes(samples: float, frames: int, crop: int) -> float:
    return float(samples) * frames * crop * crop * 3


def steps(settings: Settings, members: Mapping[str, float]) -> list[Step]:
    """Every step that takes more than seconds.

    Args:
        members: by network (`c3d_avg`, `mscadc`) the number of full trainings that its members amount to: each counts as
            its share of MTL-AQA's training set.
    """
    return [
        *aqa7_steps(settings),
        *multitask_steps(settings, members),
        linear_probe_step(settings),
        *system_steps(settings),
    ]


def aqa7_steps(settings: Settings) -> list[Step]:
    clips, backbone, schedule = settings["clips"], settings["backbone"], settings["pretraining"]
    crop, length = clips["crop"], backbone["clip_frames"]
    one_clip = FORWARD_OPERATIONS["c3d"] * backbone["width"] ** 2 * (crop / 112) ** 2 * length / 16
    windows = SAMPLES["ucf101"] * schedule["clips_per_video"]
    copies = SAMPLES["aqa7"] * backbone["temporal_offsets"] * backbone["clips"]
    clip_store = frames_bytes(SAMPLES["aqa7"], clips["frames"], crop)
    window_store = frames_bytes(windows, length, crop)
    trained = schedule["iterations"] * schedule["batch"]
    lstm_members = settings["seeds"] * 14
    bodies = len(repetition.every_backbone(settings))
    own_bodies = len(repetition.backbones(repetition.seeds(settings), settings))
    return [
        Step("pretraining_clips", 1, "UCF-101's videos and lists", disk=window_store, memory=1e9),
        Step(
            "pretrain",
            bodies,
            "pretraining_clips",
            bodies * 3 * one_clip * trained,
            bodies * 0.3e9,
            memory=8e9,
        ),
        Step("aqa7_clips", 1, "AQA-7's videos and lists", disk=clip_store, memory=1e9),
        Step(
            "aqa7_features",
            own_bodies,
            "aqa7_clips, pretrain",
            own_bodies * one_clip * copies,
            own_bodies * copies * 4096 * 2,
            memory=4e9,
        ),
        Step(
            "all_action, zero_shot, fine_tuning",
            3,
            "aqa7_features",
            lstm_operations(settings),
            lstm_members * 18e6,
            4e9,
        ),
    ]


def lstm_operations(settings: Settings) -> float:
    """The stacked C3D-LSTM: 2 operations a weight, step and sample forward, three times that in training; 14 members a seed."""
    lstm = settings["lstm"]
    weights = 4 * lstm["width"] * (4096 * settings["backbone"]["width"] + lstm["width"])
    samples = lstm["iterations"] * lstm["batch"] * settings["backbone"]["clips"]
    return float(6 * weights * samples * 14 * settings["seeds"])


def multitask_steps(settings: Settings, members: Mapping[str, float]) -> list[Step]:
    knobs = settings["multitask"]
    clips = knobs["clips"]
    frames = clips["frames"] + 2 * clips["shift"]
    sizes = {
        "c3d_avg": (knobs["width"], clips["crop"], 112, knobs["epochs"]),
        "mscadc": (knobs["wide_width"], clips["wide_crop"], 180, knobs["wide_epochs"]),
    }
    stores = {name: frames_bytes(SAMPLES["mtl_aqa"], frames, crop) for name, (_, crop, _, _) in sizes.items()}
    found = [
        Step("mtl_aqa_clips", 1, "MTL-AQA's broadcasts and annotations", disk=sum(stores.values()), memory=2e9),
    ]
    for name, (width, crop, full, epochs) in sizes.items():
        forward = FORWARD_OPERATIONS[name] * width**2 * (crop / full) ** 2
        # An epoch trains on the training set and evaluates on the test set, a third of its size.
        epoch = SAMPLES["mtl_aqa_training"] * forward * (3 + 1 / 3)
        jobs = round(members.get(f"{name} jobs", 0))
        needs = "mtl_aqa_clips" + (", pretrain" if name == "c3d_avg" else "")
        found.append(
            Step(
                f"{name} members",
                jobs,
                needs,
                members.get(name, 0.0) * epochs * epoch,
                jobs * (0.35e9 if name == "c3d_avg" else 0.09e9),
                stores[name] + 12e9,
            )
        )
    return found


def system_steps(settings: Settings) -> list[Step]:
    """Other systems that train end to end: S3D and Li et al. on two training sets, and the extensions of C3D-AVG.

    A 3D ResNet with 18 layers takes about as many operations a clip as C3D, so each extension counts as C3D-AVG; CoRe's two
    videos a step count once.
    """
    knobs, stages = settings["multitask"], settings["stages"]
    dives = {"s3d": 1059 + 300, "li": 1059 + 300, "extensions": SAMPLES["mtl_aqa_training"]}
    own = extensions_members.systems(settings)
    rows = {
        "s3d": (2, stages["s3d"]["width"], stages["s3d"]["epochs"], FORWARD_OPERATIONS["s3d"]),
        "li": (2, stages["li"]["width"], stages["li"]["epochs"], FORWARD_OPERATIONS["li"]),
        "extensions": (
            len(own) * len(extensions_members.training_sets(settings)),
            knobs["width"],
            {**knobs, **settings["extensions"]["training"]}["epochs"],
            FORWARD_OPERATIONS["c3d_avg"],
        ),
    }
    found = []
    for name, (count, width, epochs, forward) in rows.items():
        forward *= width**2 * (knobs["clips"]["crop"] / 112) ** 2
        times = count if name == "extensions" else 1  # the two training sets of the others are in `dives` already
        operations = times * knobs["seeds"] * epochs * dives[name] * forward * (3 + 1 / 3)
        jobs = count * knobs["seeds"] if name == "extensions" else 1
        needs = "mtl_aqa_clips" + ("" if name == "s3d" else ", pretrain")
        found.append(Step(name, jobs, needs, operations, count * knobs["seeds"] * 0.35e9, memory=20e9))
    return found


def linear_probe_step(settings: Settings) -> Step:
    """One pass of each probed body (the backbones, and two networks a seed) over all dives and vaults."""
    backbone, knobs, probes = settings["backbone"], settings["multitask"], settings["linear_probes"]
    bodies = len(linear_probes.folders(settings))
    forward = FORWARD_OPERATIONS["c3d"] * backbone["width"] ** 2
    dives = SAMPLES["mtl_aqa"] * (knobs["clips"]["frames"] // knobs["clips"]["step"] // 16)
    vaults = SAMPLES["vaults"] * (backbone["clips"] * backbone["clip_frames"] // knobs["clips"]["step"] // 16)
    operations = forward * sum(
        clips * (crop / 112) ** 2
        for clips, crop in ((dives, knobs["clips"]["crop"]), (vaults, settings["clips"]["crop"]))
    )
    values = 5 * probes["width"] * (SAMPLES["mtl_aqa"] + SAMPLES["vaults"])
    needs = "mtl_aqa_clips, aqa7_clips, pretrain, c3d_avg members"
    return Step("linear_probe_activations", bodies, needs, bodies * operations, bodies * values * 2, memory=8e9)


def gpu_rate(figures: Path = GPU_FIGURES) -> tuple[float, str]:
    """Operations a second of a training, and where the figure is from."""
    if figures.is_file():
        found = json.loads(figures.read_text(encoding="utf-8"))
        return float(found["operations_per_second"]), f"measured by bench/gpu.py on {found['device']}"
    return ASSUMED_RATE, "assumed: bench/gpu.py has not been run on a GPU"


def describe(rows: list[Step], figures: Path = GPU_FIGURES) -> str:
    """The table, its sums, and what the hours rest on."""
    rate, origin = gpu_rate(figures)
    table = [
        [
            step.name,
            step.jobs,
            f"{step.operations:.1e}" if step.operations else "",
            f"{step.operations / rate / 3600:.2f}" if step.operations else "",
            f"{step.disk / 1e9:.1f}",
            f"{step.memory / 1e9:.0f}",
            step.needs,
        ]
        for step in rows
    ]
    headers = ["step", "jobs", "operations", "GPU hours", "disk, GB", "memory, GB", "needs"]
    hours = sum(step.operations for step in rows) / rate / 3600
    disk = sum(step.disk for step in rows) / 1e9
    return (
        f"{tabulate(table, headers=headers, tablefmt='simple', disable_numparse=True)}\n\n"
        f"Together {hours:.0f} GPU hours and {disk:.0f} GB of disk beside the videos. Hours: operations at {rate / 1e12:.0f} "
        f"TFLOP/s, {origin}. Operations count convolutions and matrix products; memory is an estimate."
    )
