"""Whether trainings that differ by the labels of test samples alone are the same training."""

from pathlib import Path

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, read_table, write_table
from rescore.systems.common.repetition import NOTHING_TRAINED
from rescore.systems.trainings import declared

KEY = ["member", "seed", "sample"]
COLUMNS = ["table", "row", "column", "value", "n"]


def compare_twins(originals: list[Path], twins: list[Path], output: Path) -> None:
    """Hold weights and the last predictions of each twin against the original's, bit by bit.

    Args:
        originals: `predictions.parquet` and weights (.safetensors) of trainings.
        twins: of the same trainings with noise for the labels of test samples, in the same order.
        output: CSV of COLUMNS: a row a training, 1 where every number of its files has the same bits, else 0, and how many
            numbers there are.

    Raises:
        RescoreError: a file is missing or damaged, or there are not as many twins.
    """
    if len(originals) != len(twins):
        raise RescoreError(f"{len(originals)} files of trainings and {len(twins)} of their twins: name one for each.")
    files = pd.DataFrame([held(*pair) for pair in zip(originals, twins, strict=True)], columns=["row", "value", "n"])
    lines = files.groupby("row", sort=False, as_index=False).agg({"value": "min", "n": "sum"})
    write_table(output, lines.assign(table="same_training", column="same bits")[COLUMNS])


def held(original: Path, twin: Path) -> tuple[str, int, int]:
    """A file's folder, whether all its numbers are the twin's, and how many there are."""
    ours, theirs = (
        last_predictions(path) if path.suffix == ".parquet" else load_arrays(path)[0] for path in (original, twin)
    )
    same = ours.keys() == theirs.keys() and all(same_bits(ours[name], theirs[name]) for name in ours)
    return original.parent.as_posix(), int(same), sum(array.size for array in ours.values())


def last_predictions(path: Path) -> dict[str, np.ndarray]:
    """What each training predicts after its last iteration, by its name and samples; baselines, which are made of the labels of
    test samples, are no trainings."""
    table = read_table(path)
    baselines = [name for name in table["member"].unique() if declared(name) == NOTHING_TRAINED]
    table = table[~table["member"].isin(baselines)]
    last = table[table["iteration"] == table.groupby(["member", "seed"])["iteration"].transform("max")]
    found = last.sort_values(KEY)
    names = found[KEY].astype(str).agg(" ".join, axis=1)
    return {"samples": names.to_numpy(str), "predicted": found["predicted"].to_numpy(float)}


def same_bits(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()
