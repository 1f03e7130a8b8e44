"""What three optimiser steps of every family of trainings leave, as hashes: the same on every machine that computes alike.

    rescore verify --arithmetic      holds operations and states against workflow/arithmetic.json

Fingerprints (`models.fingerprint`) try operations one by one; this tries the trainings themselves, at the smallest sizes that
pass through all their layers, on made-up data.
"""

import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from rescore.engine import arithmetic, step_record
from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, read_table, write_json
from rescore.experiments import rehearsal
from rescore.experiments.label_draws import GYMNASTICS, MTL_AQA
from rescore.experiments.rehearsal import Family, Stage
from rescore.models import fingerprint

STEPS = 3
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "seeds": 1,
    "clips": {"frames": 16, "crop": 24, "resize": [24, 24], "long_videos": "last"},
    "backbone": {
        **{"network": "c3d", "weights": "pretrained", "convolutions": 8, "width": 0.0625, "colour": "rgb_imagenet"},
        **{"clip_frames": 16, "clips": 3, "temporal_offsets": 2, "test_offset": 0, "batch": 4},
    },
    "pretraining": {
        **{"batch": 2, "learning_rate": 0.001, "anneal_every": 2, "anneal_factor": 0.1, "momentum": 0.9},
        **{"weight_decay": 0.005, "fc_dropout": 0.5},
    },
    "lstm": {
        **{"width": 16, "initial_sd": 0.1, "learning_rate": 0.001, "anneal_every": 2, "anneal_factor": 0.5, "batch": 4},
    },
    "fine_tuning": {
        "training_samples": {"default": [3], "synchronised": [3]},
        "iterations": {"default": [3], "synchronised": [3]},
        "anneal_every": {"default": [2], "synchronised": [2]},
        "test_samples": 3,
    },
    "frozen_features": {"label_power": 1.0},
    "multitask": {
        "seeds": 1,
        "clips": {"frames": 33, "shift": 1, "step": 1, "window": "end", "crop": 24, "wide_crop": 32},
        **{"body_weights": "backbone", "width": 0.0625, "wide_width": 0.0625, "wide_head_width": 0.0625},
        **{"caption_hidden": 8, "caption_embedding": 6, "caption_dropout": 0.2, "caption_tokens": 6, "score_scale": 17},
        **{
            "initial_score": "mean",
            "weights": {"score": 1.0, "classes": 1.0, "caption": 0.01},
            "flip": 0.5,
            "batch": 2,
        },
        **{"evaluation_batch": 4, "learning_rate": 0.001, "validation": {"share": 0.1, "separate": False}},
        **{"precision": "float32", "compile": False, "accumulate": 1, "gpus": 0, "tensorboard": False},
    },
    "extensions": {
        "systems": [],
        "training": {},
        "resnet_width": 0.0625,
        "aggregation": {
            **{"attention_width": 4, "lstm_width": 6},
            "transformer": {"width": 8, "layers": 1, "heads": 2, "dropout": 0.1},
        },
        "score_distribution": {
            **{"bins": 101, "highest": 104.5, "deviation": 5, "judge_bins": 21, "judge_deviation": 5, "hidden": [8]},
            "prediction": "expectation",
        },
        "contrastive": {"depth": 3, "hidden": 8, "range": 30, "exemplars": 2},
    },
    "stages": {
        "segmentation": {
            **{
                "frame_channels": [4, 8],
                "frame_width": 16,
                "filters": [16, 16],
                "kernel": 4,
                "dropout": 0.3,
                "pool": 2,
            },
            **{"batch": 2, "learning_rate": 0.001},
        },
        "s3d": {
            **{
                "layers": [1, 1, 1, 1],
                "width": 0.0625,
                "frames": 16,
                "fusion": "mean",
                "stage_loss": 1.0,
                "dropout": 0.5,
            },
            **{
                "pool": 1,
                "batch": 2,
                "optimiser": "sgd",
                "learning_rate": 0.001,
                "anneal_every": 30,
                "anneal_factor": 0.1,
            },
            **{"momentum": 0.9, "weight_decay": 0.0005},
        },
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
    "poses": {"estimator": "heat_map", "every": 4, "training": {"channels": 8, "batch": 4, "learning_rate": 0.005}},
    "semi_supervised": {
        "labels": {MTL_AQA: [60], GYMNASTICS: [40]},
        "label_draws": 1,
        "segments": {"count": 4},
        "gymnastics": {"segments": 4, "width": 6},
        "encoder": {"segment_width": 4, "width": 5},
        **{"masked_slot": "zero", "decoder_width": 6, "discriminator_width": 4, "recovery_weight": 8.0},
        **{"alignment_weight": 0.1, "reversal": 1.0, "labelled_batch": 4, "unlabelled_batch": 2},
        **{"learning_rate": 0.001, "weight_decay": 0.01},
        "pseudo_labels": {"weight": 0.5},
        "vat": {"epsilon": 0.1, "xi": 0.01, "power_iterations": 1, "weight": 1.0},
        "s4l": {"orders": 6, "weight": 0.5},
        "usdl": {"bins": 21, "sd": 2, "widths": [6]},
        "c3d_avg": {"width": 6, "class_weight": 1.0},
        "coreg": {"neighbours": 3, "orders": [2, 5], "pool": 6, "rounds": 4},
    },
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
    "ridge": {"penalties": [1.0, 10.0], "folds": 2},
}
"""Not params.yaml's: a user who changes that must not change what this tries."""


def extended(backbone: str = "c3d", aggregation: str = "mean", head: str = "regression") -> Family:
    system = {"name": "tried", "backbone": backbone, "aggregation": aggregation, "head": head}
    return functools.partial(rehearsal.extension, system)


FAMILIES: dict[str, Family] = {
    "pre-training, Adam": functools.partial(rehearsal.pretraining, "adam"),
    "pre-training, stochastic gradient descent": functools.partial(rehearsal.pretraining, "sgd"),
    "C3D-LSTM and C3D-SVR of AQA-7": rehearsal.all_actions,
    "C3D-LSTM without an action, then fine-tuned": functools.partial(rehearsal.fine_tuned_actions, before=STEPS),
    "C3D-LSTM and C3D-LSTM-SVR of MTL-AQA": rehearsal.frozen_features,
    "C3D-AVG": functools.partial(rehearsal.multitask_network, "c3d_avg"),
    "MSCADC": functools.partial(rehearsal.multitask_network, "mscadc"),
    "fully connected aggregation": extended(aggregation="fully_connected"),
    "attention": extended(aggregation="attention"),
    "LSTM over clips": extended(aggregation="lstm"),
    "Transformer": extended(aggregation="transformer"),
    "R3D-18": extended("r3d_18"),
    "MC3-18": extended("mc3_18"),
    "R(2+1)D-18": extended("r2plus1d_18"),
    "USDL": extended(head="usdl"),
    "MUSDL": extended(head="musdl"),
    "CoRe": extended(head="core"),
    "S3D and its segmentation": rehearsal.stages_network,
    "Li et al.": rehearsal.nine_networks,
    "pose estimator": rehearsal.pose_estimator,
    "S4AQA and what it is held against": functools.partial(rehearsal.semi_supervised, MTL_AQA),
    "ACTION-NET": rehearsal.two_streams,
    "support vectors, ridge, COREG": rehearsal.regressions,
}


def state(files: Sequence[Path]) -> str:
    """First 12 hexadecimal digits of the SHA-256 over the weights and predictions in some files, sorted by name."""
    hashed = hashlib.sha256()
    for number, path in enumerate(files):
        for name, values in sorted(contents(path).items()):
            hashed.update(f"{number}/{name}\n".encode())
            hashed.update(values)
    return hashed.hexdigest()[:12]


def contents(path: Path) -> dict[str, bytes]:
    """Arrays of a checkpoint, or what a table predicts, as bytes by name."""
    if path.suffix == ".safetensors":
        return {name: np.ascontiguousarray(array).tobytes() for name, array in load_arrays(path)[0].items()}
    predicted = read_table(path)["predicted"]
    text = predicted.dtype.kind not in "fiu"
    return {"predicted": "\n".join(predicted).encode() if text else predicted.to_numpy(np.float64).tobytes()}


def family_state(name: str) -> str:
    """The state of one family, computed in a temporary directory; what its steps print is held back."""
    with (
        tempfile.TemporaryDirectory(prefix="rescore-state-") as folder,
        rehearsal.without_clock(),
        redirect_stdout(StringIO()),
        redirect_stderr(StringIO()),
    ):
        return state(FAMILIES[name](Stage(Path(folder), SETTINGS, STEPS, rehearsal.TINY)))


def states(only: Sequence[str] = (), tell: Callable[[str], None] = lambda name: None) -> dict[str, str]:
    """State of every family, or of some, by name.

    The process must have been prepared (`arithmetic.prepare`) before it loaded torch.
    """
    found = {}
    for name in only or FAMILIES:
        tell(name)
        found[name] = family_state(name)
    return found


def write(path: Path = fingerprint.REFERENCE) -> None:
    """Write this machine's fingerprint and states: what all others are held against."""
    write_json(
        path, {"operations": fingerprint.fingerprint(), "states": states(), "made_with": step_record.machine_versions()}
    )


def check(reference: Path = fingerprint.REFERENCE) -> list[str]:
    """What differs here from the committed list, a sentence each.

    Raises:
        RescoreError: the list is not there or cannot be read.
    """
    known = read(reference)
    found = {"operations": fingerprint.fingerprint(), "states": states()}
    faults = list(late())
    for kind, what in (("operations", "operation"), ("states", "training")):
        faults += [f"{what}: {name} gives other bytes" for name in fingerprint.differing(found[kind], known[kind])]
    return faults


def late() -> Iterator[str]:
    """A sentence where this process does not compute as the reference is computed."""
    if arithmetic.in_use()["mode"] != arithmetic.PORTABLE:
        yield "the process was not prepared for portable arithmetic before it loaded its libraries"


def read(reference: Path) -> Mapping[str, Any]:
    """The committed list, with `operations`, `states` and `made_with`.

    Raises:
        RescoreError: it is not there or cannot be read.
    """
    try:
        known: dict[str, Any] = json.loads(reference.read_text(encoding="utf-8"))
        return {name: dict(known[name]) for name in ("operations", "states", "made_with")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RescoreError(
            f"{reference}: no readable list of operations and states ({error!r}). Check it out again: git checkout {reference}"
        ) from error


def describe(faults: Sequence[str], reference: Path = fingerprint.REFERENCE) -> str:
    """The verdict as text."""
    known = read(reference)
    counted = f"{len(known['operations'])} operations and {len(known['states'])} trainings of {STEPS} steps"
    if not faults:
        return f"arithmetic: {counted} give the reference's bytes"
    lines = "\n".join(f"  - {fault}" for fault in faults)
    here, there = step_record.machine_versions(), known["made_with"]
    other = [f"{name} {here.get(name)} here, {there[name]} there" for name in there if here.get(name) != there[name]]
    note = f"\nWhat else is not the reference's: {'; '.join(other)}" if other else ""
    return (
        f"arithmetic: not the reference's in {len(faults)} of {counted}:\n{lines}{note}\n"
        "Results agree with the reference's within their prediction intervals, not to the last digit (docs/versioning.md)."
    )
