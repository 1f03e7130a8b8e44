"""What the experiments on real public data share: rows of predictions.parquet and the list of findings."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rescore.engine.storage import write_table


def prediction_rows(
    experiment: str,
    member: str,
    samples: pd.DataFrame,
    predicted: np.ndarray,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Rows of the predictions contract for one member that is fitted once and in no iterations (`iteration` 0).

    Args:
        samples: columns `dataset, sample, action, split, score`; `score` becomes `target`.
        predicted: (samples,), points.
    """
    rows = samples[["dataset", "sample", "action", "split"]].reset_index(drop=True)
    rows.insert(0, "experiment", experiment)
    rows.insert(1, "member", member)
    rows.insert(2, "seed", seed)
    rows.insert(3, "iteration", 0)
    return rows.assign(target=samples["score"].to_numpy(float), predicted=np.asarray(predicted, float), unit="points")


def write_findings(path: Path, findings: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write what is odd about the data as CSV `source, finding`; header only when nothing is."""
    rows = [(source, finding) for source, found in findings for finding in found]
    write_table(path, pd.DataFrame(rows, columns=["source", "finding"]))
