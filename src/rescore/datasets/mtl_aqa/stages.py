"""Where the stages of a dive begin: the labels that S3D's segmentation learns from (Xiang et al., S3D, ICIP 2018).

    data/<scale>/manifests/mtl_aqa_stages.parquet
    sample, jumping, dropping, entering, ending: the stages' first frames in the dive's video, counted from 0 as in the manifest

A dive without a row has no labels. Real labels cover UNLV-Dive alone (`jump_drop_water_label.txt`, a row a dive); the synthetic
dives' are computed in `synthetic_athlete.stages`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rescore.datasets.mtl_aqa.release import OFFICIAL, read_annotations, sample_name
from rescore.datasets.mtl_aqa.unlv_dive import REMEDY, corresponding_dives, read_unlv_dive
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import read_table, write_table

STAGES = ("jumping", "dropping", "entering", "ending")
LABELS = "jump_drop_water_label.txt"


def write_official(manifest: Path, release: Path, unlv_dive: Path, stages: Path) -> None:
    """Write the labels of UNLV-Dive's dives as frames of MTL-AQA's broadcasts.

    A label counts frames of UNLV-Dive's own video of the dive, from 0 (as its authors' code spreads it over frames). That
    video is taken to begin at MTL-AQA's `start_frame`: nobody says so, but no label lies behind `end_frame`. Labels that
    do not increase are left out; they are among the findings on the files.

    Args:
        manifest: MTL-AQA's.
        release: MTL-AQA's release (data/raw/mtl-aqa-annotations).
        unlv_dive: the S3D authors' files (data/raw/unlv-dive-s3d).
        stages: Parquet to write.

    Raises:
        RescoreError: files are missing, damaged or contradict each other.
    """
    dives = read_unlv_dive(unlv_dive)
    annotations = read_annotations(release / OFFICIAL / "final_annotations_dict.pkl")
    names = {number: sample_name(key) for number, key in corresponding_dives(dives, annotations).items()}
    table = read_table(manifest)
    starts = dict(zip(table["sample"], table["start_frame"], strict=True))
    labels = read_labels(unlv_dive / LABELS, len(dives.table))
    rows = {
        names[number]: int(starts[names[number]]) + label
        for number, label in enumerate(labels, start=1)
        if names.get(number) in starts and (np.diff(label) > 0).all()
    }
    write_stages(stages, rows)


def read_labels(path: Path, dives: int) -> np.ndarray:
    """(dives, 4) int64 as released, in the order of UNLV-Dive's numbers.

    Raises:
        RescoreError: the file is missing or does not hold four numbers a dive.
    """
    try:
        labels = np.loadtxt(path, delimiter=",", dtype=np.int64, ndmin=2)
    except (OSError, ValueError) as error:
        raise RescoreError(f"{path}: not stage boundaries ({error}). Remedy: {REMEDY}") from error
    if labels.shape != (dives, len(STAGES)):
        raise RescoreError(
            f"{path}: {labels.shape[0]} rows of {labels.shape[1]} numbers; {dives} of {len(STAGES)} expected. Remedy: {REMEDY}"
        )
    return labels


def write_stages(path: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Write boundaries (4,) by sample, in the order of the samples' names."""
    names = sorted(rows)
    found = np.array([rows[name] for name in names], np.int64).reshape(-1, len(STAGES))
    columns = {stage: found[:, number] for number, stage in enumerate(STAGES)}
    write_table(path, pd.DataFrame({"sample": pd.Series(names, dtype=object), **columns}))


def read_stages(path: Path) -> dict[str, np.ndarray]:
    """Boundaries (4,) int64 by sample.

    Raises:
        RescoreError: the file is missing or damaged, a sample stands there twice, or boundaries do not increase (all of them
            together).
    """
    table, remedy = read_table(path), "run the step that writes it again."
    raise_together(f"{path}: columns are missing", [name for name in ("sample", *STAGES) if name not in table], remedy)
    found = table[list(STAGES)].to_numpy(np.int64)
    problems = [
        f"row {row} ({table['sample'][row]}): {text}"
        for text, wrong in (
            ("appears twice", table.duplicated("sample").to_numpy()),
            ("boundaries do not increase", (np.diff(found, axis=1) <= 0).any(1)),
        )
        for row in np.flatnonzero(wrong)
    ]
    raise_together(f"{path}: stages that cannot be used", problems, remedy)
    return dict(zip(table["sample"].astype(str), found, strict=True))
