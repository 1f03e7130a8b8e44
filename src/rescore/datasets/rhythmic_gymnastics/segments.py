"""Segment features of Rhythmic Gymnastics: a synthetic stand-in, or what is at hand of the real data set.

The data set (Zeng et al., ACTION-NET, ACM MM 2020) has 200 training and 50 test routines for each of four apparatus. Its labels
are public; its videos are not part of this project. The stand-in has as many routines, and scores made up like the real ones:

    score = difficulty + execution - penalty; difficulty and execution rise with the same athlete's skill, as on the real sheets

Its segment features are a random smooth function of what happens in each segment (the element's difficulty, how well it is done,
which element it is) and noise. Elements of a routine resemble each other, so a hidden segment can be guessed in part. Nothing of
the real files is in it, and nothing that is computed from it is a result about gymnasts.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, write_table
from rescore.models.seeds import derived_seed

APPARATUS = ("ball", "clubs", "hoop", "ribbon")
ROUTINES = {"train": 200, "test": 50}
"""Of each apparatus."""
DIFFICULTY = {"ball": 8.8, "clubs": 9.0, "hoop": 8.8, "ribbon": 7.7}
"""Mean difficulty scores, points: the order of size of the real ones."""
DIFFICULTY_SD, EXECUTION, EXECUTION_SD = 2.2, 6.4, 1.3
SKILL_CORRELATION = 0.7
"""Of difficulty and execution over routines."""
JUDGES_SD = 0.3
"""Points: noise of the panel, which no video shows."""
MINIMUM_ROUTINES = 8
DATASET = "rhythmic_gymnastics"
SYNTHETIC = f"synthetic_{DATASET}"
LABEL_COLUMNS = ("Video_Name", "Difficulty_Score", "Execution_Score", "Total_Score", "Penalty", "Video_length")


def write_features(features: Path, rows: Path, settings: dict[str, Any], directory: Path | None = None) -> None:
    """Write segment features and their rows.

    Args:
        features: written; float16 .npy (sample, 1, segment, width).
        rows: written; `dataset, sample, action, split, score, difficulty`, for synthetic routines `observer` too.
        settings: `seed`, `semi_supervised.gymnastics`: `routines` (share of the real counts), `segments`, `width`, `noise`.
        directory: the real data: train.txt and test.txt of the release, and features of each video as `<Video_Name>.npy`
            (frames or clips, width), any extractor's; None makes the synthetic stand-in.

    Raises:
        RescoreError: real files that are missing or malformed, all of them together.
    """
    gymnastics = settings["semi_supervised"]["gymnastics"]
    values, table = (
        synthetic_routines(gymnastics, settings["seed"]) if directory is None else real_routines(directory, gymnastics)
    )
    with atomic_path(features) as temporary:
        np.save(temporary, values.astype(np.float16)[:, None])
    write_table(rows, table)


def synthetic_routines(settings: Mapping[str, Any], seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Features (sample, T, width) and rows of made-up routines; arguments as in `write_features`."""
    parts = [synthetic_apparatus(apparatus, settings, seed) for apparatus in APPARATUS]
    return np.concatenate([values for values, _ in parts]), pd.concat([rows for _, rows in parts], ignore_index=True)


def synthetic_apparatus(apparatus: str, settings: Mapping[str, Any], seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """The routines of one apparatus, training ones first."""
    random = np.random.default_rng(derived_seed(seed, "gymnastics", apparatus))
    counts = {split: max(MINIMUM_ROUTINES, round(count * settings["routines"])) for split, count in ROUTINES.items()}
    routines, segments = sum(counts.values()), settings["segments"]
    skill = random.standard_normal((2, routines))
    skill[1] = SKILL_CORRELATION * skill[0] + (1 - SKILL_CORRELATION**2) ** 0.5 * skill[1]
    # Elements scatter around the routine's own level; what the judges add up is what the segments show.
    elements = skill[:, :, None] + 0.8 * random.standard_normal((2, routines, segments))
    shown = elements.mean(axis=2) / (1 + 0.64 / segments) ** 0.5  # unit variance again
    difficulty = np.maximum(DIFFICULTY[apparatus] + DIFFICULTY_SD * shown[0], 0.5)
    execution = np.clip(EXECUTION + EXECUTION_SD * shown[1], 0.5, 10)
    observer = difficulty + execution
    penalty = np.where(random.random(routines) < 0.1, random.choice([0.3, 0.6], routines), 0)
    score = np.maximum(observer + JUDGES_SD * random.standard_normal(routines) - penalty, 0)
    table = pd.DataFrame(
        {
            "dataset": SYNTHETIC,
            "sample": [f"{apparatus}/{number:03d}" for number in range(1, routines + 1)],
            "action": apparatus,
            "split": np.repeat(list(counts), list(counts.values())),
            "score": score.round(2),
            "difficulty": difficulty.round(2),
            "observer": observer,
        }
    )
    return segment_features(elements, settings, random), table


def segment_features(elements: np.ndarray, settings: Mapping[str, Any], random: np.random.Generator) -> np.ndarray:
    """What a frozen network would see of elements (2, routines, T): (routines, T, width).

    A random two-layer function of difficulty, execution, the kind of element (eight numbers that a routine's segments half share)
    and the time, plus noise.
    """
    _, routines, segments = elements.shape
    kinds = 0.7 * random.standard_normal((routines, 1, 8)) + 0.7 * random.standard_normal((routines, segments, 8))
    time = np.broadcast_to(np.linspace(-1, 1, segments)[None, :, None], (routines, segments, 1))
    causes = np.concatenate([np.moveaxis(elements, 0, 2), kinds, time], axis=2)  # (routines, T, 11)
    hidden = np.tanh(causes @ random.standard_normal((causes.shape[2], 32)) / 3)
    seen = hidden @ random.standard_normal((32, settings["width"])) / 32**0.5
    return seen + settings["noise"] * random.standard_normal(seen.shape)


def real_routines(directory: Path, settings: Mapping[str, Any]) -> tuple[np.ndarray, pd.DataFrame]:
    """Features and rows of the released labels; each video's features are averaged over T equal stretches."""
    table = pd.concat([read_labels(directory / f"{split}.txt", split) for split in ROUTINES], ignore_index=True)
    found, problems = [], []
    for name in table["sample"]:
        try:
            found.append(stretches(directory / f"{name}.npy", settings["segments"]))
        except RescoreError as error:
            problems.append(str(error))
    problems += [f"features are {width} wide in some videos" for width in sorted({each.shape[1] for each in found})[1:]]
    remedy = "put each video's features there as <Video_Name>.npy (docs/systems/semi_supervised.md)."
    raise_together(f"{directory}: features of Rhythmic Gymnastics", problems, remedy)
    return np.stack(found), table


def read_labels(path: Path, split: str) -> pd.DataFrame:
    """Rows of one released list.

    Raises:
        RescoreError: the file is missing, lacks columns, or rows are malformed (all of them).
    """
    try:
        labels = pd.read_csv(path, sep=r"\s+", dtype={"Video_Name": str})
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Fetch the labels of Rhythmic Gymnastics (docs/data.md).") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise RescoreError(f"{path}: not a table of labels ({error}). Fetch it again.") from error
    missing = [f"no column '{column}'" for column in LABEL_COLUMNS if column not in labels]
    raise_together(f"{path}: not the labels of Rhythmic Gymnastics", missing, "fetch it again.")
    return pd.DataFrame(
        {
            "dataset": DATASET,
            "sample": labels["Video_Name"],
            "action": labels["Video_Name"].str.partition("_")[0].str.lower(),
            "split": split,
            "score": labels["Total_Score"].astype(float),
            "difficulty": labels["Difficulty_Score"].astype(float),
        }
    ).pipe(checked_labels, path)


def checked_labels(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The rows as they are; RescoreError names every bad one."""
    raise_together(f"{path}: bad rows", list(label_problems(table)), "fetch it again.")
    return table


def label_problems(table: pd.DataFrame) -> Iterator[str]:
    samples, actions, scores = (table[name].tolist() for name in ("sample", "action", "score"))
    for line, (sample, action, score) in enumerate(zip(samples, actions, scores, strict=True), 2):
        if action not in APPARATUS or not re.fullmatch(r"\w+", str(sample)):
            yield f"line {line} ({sample}): no video of {', '.join(APPARATUS)}"
        if not np.isfinite(score) or score < 0:
            yield f"line {line} ({sample}): total score {score}"
    for name in table.loc[table["sample"].duplicated(), "sample"]:
        yield f"{name} stands twice"


def stretches(path: Path, segments: int) -> np.ndarray:
    """(T, width) means over T equal stretches of a video's features (frames, width).

    Raises:
        RescoreError: the file is missing, damaged, of another form, too short, or not finite.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(f"{path.name}: no such file") from error
    except (ValueError, OSError, EOFError) as error:
        raise RescoreError(f"{path.name}: not a readable array ({error})") from error
    if values.ndim != 2 or len(values) < segments or not np.isfinite(values).all():
        raise RescoreError(f"{path.name}: {values.shape}, not at least {segments} rows of finite features")
    return np.stack([part.mean(axis=0) for part in np.array_split(values.astype(np.float64), segments)])
