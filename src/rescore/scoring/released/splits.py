"""Splits of Learning to Score Olympic Events (Parmar and Morris 2017): 300 and 70 dives, and six times 100 and 59.

Its dives are UNLV-Dive's by number, which scores and difficulties show; the splits are written by UNLV-Dive's sample names, so
that rows of C3D-SVR and C3D-LSTM can be held against the sets that they were measured on.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.unlv_dive import read_unlv_dive
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import write_table

SOURCE = "released-ltsoe"
BIG = "dive_c3d_lstm_all/dive_big/split_4"
FOLDERS = {"300_70": BIG, **{f"100_59_{number}": f"dive_lstm_multirun/input/split_{number}" for number in range(1, 7)}}
PARTS = {"train": "training", "test": "testing"}
DIVES = 370
CLIPS = 9
"""Lines of a dive in the lists of executions and difficulties: the last one holds it, a hundredfold."""
SCORE_STEP = 0.011
"""Points by which a rounded score may differ."""
REMEDY = f"run `rescore fetch {SOURCE}`."


def write_splits(directory: Path, unlv_dive: Path, splits: Path, findings: Path) -> None:
    """Write the seven splits, held against UNLV-Dive.

    Args:
        directory, unlv_dive: folders of `released-ltsoe` and `unlv-dive-s3d`.
        splits: written, CSV `split, part (train, test), sample` in UNLV-Dive's names.
        findings: written, CSV `source, finding`.

    Raises:
        RescoreError: a file is missing or damaged, or a split is none.
    """
    numbers = {
        split: {part: read_numbers(directory / folder, stem) for part, stem in PARTS.items()}
        for split, folder in FOLDERS.items()
    }
    raise_together(f"{directory}: not the released splits", list(problems(numbers)), REMEDY)
    rows = [
        (split, part, f"{number:03d}")
        for split, parts in numbers.items()
        for part, listed in parts.items()
        for number in listed
    ]
    write_table(splits, pd.DataFrame(rows, columns=["split", "part", "sample"]))
    told = list(against_unlv_dive(directory, numbers, read_unlv_dive(unlv_dive).table))
    write_table(findings, pd.DataFrame([(SOURCE, text) for text in told], columns=["source", "finding"]))


def read_numbers(folder: Path, stem: str) -> list[int]:
    """Dive numbers of a list, from 1, in its order.

    Raises:
        RescoreError: the file is missing or no MATLAB file with the list.
    """
    from scipy.io import loadmat

    path = folder / f"{stem}_idx.mat"
    try:
        return [int(number) for number in np.ravel(loadmat(str(path))[f"{stem}_idx"])]
    except Exception as error:  # a damaged file can raise anything
        raise RescoreError(
            f"{path}: not a list of dives ({type(error).__name__}). {REMEDY[0].upper()}{REMEDY[1:]}"
        ) from error


def problems(numbers: Mapping[str, Mapping[str, list[int]]]) -> Iterator[str]:
    """Splits that are none: dives that stand twice, in both parts, or nowhere."""
    for split, parts in numbers.items():
        listed = [number for part in parts.values() for number in part]
        if len(set(listed)) < len(listed):
            yield f"{split}: {len(listed) - len(set(listed))} dives stand twice"
        if outside := [number for number in listed if not 1 <= number <= DIVES]:
            yield f"{split}: no dives {outside[:5]}"


def read_values(path: Path) -> np.ndarray:
    """Executions or difficulties, one a dive.

    Raises:
        RescoreError: the file is missing or has not nine lines a dive.
    """
    try:
        values = np.array([float(line.split()[-1]) for line in path.read_text(encoding="utf-8").splitlines()])
        return values.reshape(-1, CLIPS)[:, -1] / 100
    except (OSError, ValueError, IndexError) as error:
        raise RescoreError(f"{path}: not {CLIPS} lines a dive ({error}). {REMEDY[0].upper()}{REMEDY[1:]}") from error


def against_unlv_dive(
    directory: Path, numbers: Mapping[str, Mapping[str, list[int]]], unlv: pd.DataFrame
) -> Iterator[str]:
    """What the splits have to do with UNLV-Dive's scores, difficulties and split."""
    known = unlv.assign(number=unlv["sample"].astype(int)).set_index("number")
    for part in PARTS:
        listed = known.loc[numbers["300_70"][part]]
        values = {
            name: read_values(directory / BIG / f"c3d_lstm_{part}_{name}_final.txt") for name in ("scores", "diff")
        }
        if uneven := [name for name, found in values.items() if len(found) != len(listed)]:
            yield f"300_70, {part}: not {len(listed)} values of {' and '.join(uneven)}"
            continue
        # The lists hold the execution, the sum of the marks that count: the score is that times the difficulty.
        same = np.abs(values["scores"] * values["diff"] - listed["score"].to_numpy(float)) <= SCORE_STEP
        alike = np.abs(values["diff"] - listed["difficulty"].to_numpy(float)) <= SCORE_STEP
        yield (
            f"300_70, {part}: execution times difficulty is UNLV-Dive's score by number in {int(same.sum())} of {len(listed)} "
            f"dives, the difficulty is in {int(alike.sum())}"
        )
    for split, parts in numbers.items():
        own = set(known.index[known["split"] == "test"])
        shared = len(own & set(parts["test"]))
        yield f"{split}: {len(parts['train'])} training and {len(parts['test'])} test dives; {shared} of its test dives are S3D's"
