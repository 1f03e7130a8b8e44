"""The manifest: one row a sample, the same columns for every data set (docs/design.md, Data contracts)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rescore.actions import BY_NAME
from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_table

TEXT, WHOLE, REAL, FLAG = "text", "whole", "real", "flag"

# Column -> kind, in the order of the file. `end_frame` is inclusive; it is missing only where a video could not be read and
# `clips.on_bad_video` is `drop`: the clip store then drops the sample and says why.
REQUIRED = {
    "dataset": TEXT,
    "sample": TEXT,
    "action": TEXT,
    "split": TEXT,
    "video": TEXT,
    "start_frame": WHOLE,
    "end_frame": WHOLE,
    "score": REAL,
    "difficulty": REAL,
}
OPTIONAL = {
    "position": TEXT,
    "armstand": FLAG,
    "rotation_type": TEXT,
    "somersaults": REAL,
    "twists": REAL,
    "caption": TEXT,
    "execution": REAL,
    "event": TEXT,
    "observer": REAL,
    "synchronised": FLAG,
    "height": WHOLE,  # metres, of the board or platform
    "gender": TEXT,
}
SPLITS = ("train", "test")
# Dive classes by MTL-AQA's codes (the position in each tuple); its counts of somersaults and twists are halves, ours are not.
POSITIONS = ("free", "pike", "tuck")
ROTATION_TYPES = ("backward", "forward", "inward", "reverse")
HEIGHTS = (3, 10)
GENDERS = ("female", "male")
HIGHEST_SCORE = 150.0  # points; no sport of these data sets awards more, while the lists' 100 x score starts at 800


def class_name(sub_action: str, number: int) -> str:
    """A dive class in words: `pike`, `backward`, `2.5`."""
    if sub_action in ("somersaults", "twists"):
        return f"{number / 2:g}"  # counted in halves
    names = {"position": POSITIONS, "armstand": ("no", "yes"), "rotation_type": ROTATION_TYPES}
    return names[sub_action][number]


def row_names(manifest: pd.DataFrame, wrong: pd.Series) -> str:
    """`row 3 (diving/004), row 9 (...)`: where a statement holds, at most five of them named."""
    samples = manifest["sample"] if "sample" in manifest else pd.Series("?", index=manifest.index)
    positions = np.flatnonzero(wrong.to_numpy(dtype=bool))
    named = ", ".join(f"row {position} ({samples.iloc[position]})" for position in positions[:5])
    return named + (f" and {len(positions) - 5} more" if len(positions) > 5 else "")


def column_problems(manifest: pd.DataFrame) -> list[str]:
    known = REQUIRED | OPTIONAL
    problems = [f"column {name} is missing" for name in REQUIRED if name not in manifest]
    problems += [f"column {name} is not part of the contract" for name in manifest if name not in known]
    for name, kind in known.items():
        numeric = kind in (WHOLE, REAL)
        if name in manifest and numeric and not pd.api.types.is_numeric_dtype(manifest[name]):
            problems.append(f"column {name} holds {manifest[name].dtype}, not numbers")
    return problems


def value_problems(manifest: pd.DataFrame, scored: bool) -> list[str]:
    """Statements about the rows; every column is there and of its kind."""
    start = manifest["start_frame"].astype(float)
    end = manifest["end_frame"].astype(float)
    tests = {
        "duplicate sample": manifest.duplicated(["dataset", "sample"], keep=False),
        "empty sample name": manifest["sample"].isna() | (manifest["sample"].astype(str) == ""),
        "no video": manifest["video"].isna() | (manifest["video"].astype(str) == ""),
        f"split is not one of {', '.join(SPLITS)}": ~manifest["split"].isin(SPLITS),
        "start_frame is missing or below 0": ~(start >= 0),
        "start_frame is after end_frame": start > end,
    }
    allowed = {"position": POSITIONS, "rotation_type": ROTATION_TYPES, "height": HEIGHTS, "gender": GENDERS}
    for name, values in allowed.items():
        if name in manifest:
            listed = ", ".join(map(str, values))
            tests[f"{name} is not one of {listed}"] = manifest[name].notna() & ~manifest[name].isin(list(values))
    if scored:
        score = manifest["score"].astype(float)
        tests["unknown action"] = ~manifest["action"].isin(list(BY_NAME))
        tests["score is not a number"] = ~(score.abs() < float("inf"))
        tests[f"score is outside 0..{HIGHEST_SCORE:g} points"] = (score < 0) | (score > HIGHEST_SCORE)
    else:
        tests["no class"] = manifest["action"].isna() | (manifest["action"].astype(str) == "")
    return [f"{statement}: {row_names(manifest, wrong)}" for statement, wrong in tests.items() if wrong.any()]


def find_problems(manifest: pd.DataFrame, scored: bool = True) -> list[str]:
    """Everything that is wrong with a manifest, a statement each; empty where it keeps the contract."""
    problems = column_problems(manifest)
    if problems:
        return problems
    return ["the manifest has no rows"] if manifest.empty else value_problems(manifest, scored)


def validate(manifest: pd.DataFrame, path: Path, scored: bool = True) -> None:
    """Hold a manifest against the contract.

    Args:
        path: named in the error.
        scored: False for a pre-training set, whose `action` is a class name and whose `score` is empty.

    Raises:
        RescoreError: every problem together: missing or unknown column, score that is no number or out of range (with the
            row), duplicate sample, unknown action or split, start after end.
    """
    raise_together(
        f"{path}: not a valid manifest",
        find_problems(manifest, scored),
        "correct the lists or the adapter that wrote it and run the manifest step again.",
    )


def typed(manifest: pd.DataFrame) -> pd.DataFrame:
    """Columns in the contract's order, each of its dtype, so that equal manifests are equal bytes."""
    columns: dict[str, pd.Series] = {}
    for name, kind in (REQUIRED | OPTIONAL).items():
        if name not in manifest:
            continue
        column = manifest[name]
        if kind == TEXT:
            columns[name] = column.astype("str")
        elif kind == WHOLE:
            columns[name] = column.astype("Int64" if column.isna().any() else "int64")
        elif kind == FLAG:
            columns[name] = column.astype("boolean" if column.isna().any() else "bool")
        else:
            columns[name] = column.astype("float64")
    return pd.DataFrame(columns).reset_index(drop=True)


def write_manifest(path: Path, manifest: pd.DataFrame, scored: bool = True) -> None:
    """Validate a manifest and write it as Parquet, atomically.

    Raises:
        RescoreError: see `validate`.
    """
    validate(manifest, path, scored)
    write_table(path, typed(manifest))


def read_manifest(path: Path, scored: bool = True) -> pd.DataFrame:
    """Read and validate a manifest.

    Raises:
        RescoreError: the file is missing or damaged, or the manifest breaks the contract.
    """
    manifest = read_table(path)
    validate(manifest, path, scored)
    return manifest


def select_actions(manifest: pd.DataFrame, actions: Sequence[str] | None) -> pd.DataFrame:
    """The rows of these actions in the manifest's order; every row where `actions` is None."""
    kept = manifest if actions is None else manifest[manifest["action"].isin(actions)]
    return kept.reset_index(drop=True)
