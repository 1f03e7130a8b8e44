"""Files as MTL-AQA's members write them: predictions of known quality on a small data set of dives.

Noise by epoch makes epoch 2 the best on the test dives and epoch 3 the best on the validation dives; 4 is the last.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.systems.common.training_sets import split_training_set
from rescore.systems.mtl_aqa_baselines import predict as mtl_aqa_baselines
from rescore.systems.multitask.members import Member, members

SUBACTIONS = ("position", "armstand", "rotation_type", "somersaults", "twists")
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "backbone": {"weights": "pretrained"},
    "poses": {"estimator": "heat_map"},
    "seeds": 2,
    "multitask": {"seeds": 2, "validation": {"share": 0.2, "separate": False}},
    "ridge": {"penalties": [0.1, 1.0], "folds": 3},
    "scoring": {"bootstrap": 100, "confidence": 0.95},
}
SIZES = {"1059": 40, "450": 24, "280": 16, "140": 12, "unlv_dive": 20}
NOISE = {"test": (3.0, 0.1, 0.5, 1.0), "validation": (3.0, 1.0, 0.1, 0.5)}
"""Standard deviations of the score, by epoch."""
EPOCHS = (1, 2, 3, 4)
WORDS = ("nice", "entry", "big", "splash", "it's", "a", "good", "dive", "over", "rotated", "tight", "vertical")


@dataclass(frozen=True)
class Files:
    manifest: Path
    rows: Path
    splits: Path
    vocabulary: Path
    predictions: list[Path]
    classes: list[Path]
    captions: list[Path]
    baselines: dict[str, Path]


def make_dives(count: int = 70) -> pd.DataFrame:
    """Manifest rows; the score follows difficulty, commentary and an execution that only an observer knows."""
    generator = np.random.default_rng(1)
    execution, difficulty = generator.uniform(3, 9, count), generator.choice([2.0, 2.8, 3.2, 3.6], count)
    noise = generator.normal(0, 3, count)
    said = np.where(execution > 6, "nice entry it's a good dive", "big splash over rotated")
    return pd.DataFrame(
        {
            "dataset": "synthetic_mtl_aqa",
            "sample": [f"{1 + number % 4:02d}/{number:03d}" for number in range(count)],
            "action": "diving",
            "split": "train",
            "video": "01.mp4",
            "start_frame": np.arange(count) * 120,
            "end_frame": np.arange(count) * 120 + 103,
            "score": np.clip(3 * execution * difficulty + noise, 0, 120),
            "difficulty": difficulty,
            "position": generator.choice(["tuck", "pike", "free"], count, p=[0.5, 0.4, 0.1]),
            "armstand": generator.random(count) < 0.2,
            "rotation_type": generator.choice(["backward", "forward", "inward", "reverse"], count),
            "somersaults": generator.choice([2.5, 3.5], count),
            "twists": generator.choice([0.0, 1.5], count),
            "caption": [f"{text} {' '.join(generator.choice(WORDS, 3))}" for text in said],
            "execution": execution,
            "event": [f"{1 + number % 4:02d}" for number in range(count)],
            "observer": 3 * execution * difficulty,
        }
    )


def make_splits(dives: pd.DataFrame, separate: bool = False) -> pd.DataFrame:
    """Ten dives for testing, as many for validation as stand fifth among the rest, nested training sets."""
    names, tested = dives["sample"].tolist(), dives["sample"].tolist()[-20:]
    lines = []
    for training_set, size in SIZES.items():
        for place, name in enumerate(names[:size]):
            held_out = place % 3 == 0
            lines += [(training_set, name, "validation")] if held_out else []
            lines += [(training_set, name, "train")] if separate or not held_out else []
        lines += [(training_set, name, "test") for name in (tested if training_set != "unlv_dive" else tested[:12])]
    return pd.DataFrame(lines, columns=["training_set", "sample", "split"])


def dives_of(member: Member, dives: pd.DataFrame, splits: pd.DataFrame, split: str, separate: bool) -> pd.DataFrame:
    name, held_out = split_training_set(member.training_set)
    if split == "validation" and separate and not held_out:
        return dives.iloc[:0]
    chosen = splits[(splits["training_set"] == name) & (splits["split"] == split)]["sample"]
    return dives[dives["sample"].isin(chosen)].assign(split=split)


def class_texts(dives: pd.DataFrame, subaction: str) -> np.ndarray:
    return dives[subaction].map(mtl_aqa_baselines.class_text).to_numpy()


def member_tables(
    member: Member, seed: int, dives: pd.DataFrame, splits: pd.DataFrame, separate: bool
) -> dict[str, Any]:
    """The three tables of one member and seed."""
    generator = np.random.default_rng([seed, len(member.name), sum(map(ord, member.name))])
    tables: dict[str, list[pd.DataFrame]] = {"predictions": [], "classes": [], "captions": []}
    about = {"experiment": "mtl_aqa", "member": member.name, "seed": seed}
    for split, noises in NOISE.items():
        rows = dives_of(member, dives, splits, split, separate)
        for epoch, noise in zip(EPOCHS, noises, strict=True):
            base = rows[["dataset", "sample", "action", "split"]].assign(**about, iteration=epoch)
            if "score" in member.tasks:
                predicted = rows["score"] + 15 * noise * generator.normal(size=len(rows))
                tables["predictions"].append(base.assign(target=rows["score"], predicted=predicted, unit="points"))
            for subaction in SUBACTIONS if "classes" in member.tasks else ():
                target = class_texts(rows, subaction)
                wrong = generator.permutation(target) if len(target) else target
                predicted = np.where(generator.random(len(rows)) < noise / 4, wrong, target)
                labels = base.drop(columns="action").assign(subaction=subaction, target=target, predicted=predicted)
                tables["classes"].append(labels)
            if "caption" in member.tasks and split == "test" and epoch in (2, 4):
                said = [text.rsplit(" ", epoch)[0] for text in rows["caption"]]
                tables["captions"].append(
                    base.drop(columns="action").assign(target=rows["caption"].to_numpy(), predicted=said)
                )
    forms = {
        "predictions": ["experiment", "member", "seed", "iteration", "dataset", "sample", "action", "split", "target"],
        "classes": ["experiment", "member", "seed", "iteration", "dataset", "sample", "split", "subaction", "target"],
        "captions": ["experiment", "member", "seed", "iteration", "dataset", "sample", "split", "target"],
    }
    more = {"predictions": ["predicted", "unit"], "classes": ["predicted"], "captions": ["predicted"]}
    return {
        name: pd.concat([pd.DataFrame(columns=forms[name] + more[name]), *parts], ignore_index=True)
        if not parts
        else pd.concat(parts, ignore_index=True)[forms[name] + more[name]]
        for name, parts in tables.items()
    }


def write_files(directory: Path, settings: dict[str, Any] = SETTINGS) -> Files:
    """The data set, every member that params.yaml would train, and the baselines as their own step writes them."""
    separate = settings["multitask"]["validation"]["separate"]
    dives = make_dives()
    splits = make_splits(dives, separate)
    paths = {name: directory / f"{name}.parquet" for name in ("manifest", "rows", "splits")}
    dives.to_parquet(paths["manifest"])
    dives.assign(frames=109, padding=0).to_parquet(paths["rows"])
    splits.to_parquet(paths["splits"])
    vocabulary = directory / "vocabulary.json"
    vocabulary.write_text(json.dumps(["<eos>", "<sos>", *WORDS]))
    written: dict[str, list[Path]] = {"predictions": [], "classes": [], "captions": []}
    for member in members(settings):
        for seed in range(settings["multitask"]["seeds"]):
            folder = directory / member.name / str(seed)
            folder.mkdir(parents=True)
            for name, table in member_tables(member, seed, dives, splits, separate).items():
                table.to_parquet(folder / f"{name}.parquet")
                written[name].append(folder / f"{name}.parquet")
    baselines = {name: directory / f"baselines_{name}.parquet" for name in written}
    mtl_aqa_baselines.run(paths["manifest"], paths["splits"], *baselines.values(), settings)
    return Files(**paths, vocabulary=vocabulary, **written, baselines=baselines)


def files_of(files: Files, kind: str, member: str) -> list[Path]:
    """Paths of one member's seeds."""
    return [path for path in getattr(files, kind) if f"{member}/" in str(path)]
