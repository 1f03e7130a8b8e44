"""Features of evenly spread segments of MTL-AQA's dives: what the semi-supervised systems read (S4AQA).

Segments are clips of the frozen backbone, T a dive, in the order of time. Where 16 T frames fit, they do not overlap; C3D-AVG's
own consecutive clips (`extract_dives`) are few at small scales, and a masked one of two leaves nothing to recover it from.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rescore.engine.errors import RescoreError
from rescore.engine.storage import atomic_path, write_table
from rescore.features.extract import check_finite, compute, dive_network, read_rows
from rescore.models.preprocess import open_clips


def extract_segments(
    clips: Path, rows: Path, weights: Path, features: Path, features_rows: Path, settings: dict[str, Any]
) -> None:
    """Run the backbone over T segments of every dive, without temporal shift.

    Args:
        clips: uint8 .npy (sample, frames + 2 shift, crop, crop, 3).
        rows: its table, with `sample` and `split`.
        weights: safetensors of the backbone.
        features: written; float16 .npy (sample, 1, T, feature width); the width as in `extract_dives`.
        features_rows: written; the rows again.
        settings: sections `clips`, `backbone`, `multitask.clips` and `semi_supervised.segments` of params.yaml.

    Raises:
        RescoreError: inputs that do not fit together, or features that are not finite (every such sample is named).
    """
    backbone, dives, segments = (
        settings["backbone"],
        settings["multitask"]["clips"],
        settings["semi_supervised"]["segments"],
    )
    table = read_rows(rows)
    store = open_clips(clips, (len(table), dives["frames"] + 2 * dives["shift"], dives["crop"], dives["crop"], 3))
    starts = dives["shift"] + segment_starts(dives["frames"], backbone["clip_frames"], segments)
    samples, places = np.indices((len(table), len(starts))).reshape(2, -1)
    work = np.stack([samples, starts[places], np.zeros_like(samples)], axis=1)  # sample, first frame, no clip after it
    values = compute(dive_network(settings, weights), store, work, backbone, segments["step"])
    check_finite(values, work, table, clips)

    with atomic_path(features) as temporary:
        np.save(temporary, values.reshape(len(table), 1, len(starts), -1))
    write_table(features_rows, table)


def segment_starts(frames: int, clip_frames: int, segments: Mapping[str, Any]) -> np.ndarray:
    """(T,) first frames, evenly spread over as many frames as consecutive clips would cover.

    103 frames and six segments of 16 give 0, 16, ..., 80.

    Raises:
        RescoreError: not one segment fits.
    """
    length = clip_frames * segments["step"]
    covered = frames // length * length
    if not covered:
        raise RescoreError(
            f"multitask.clips.frames is {frames}, but a segment takes {length}. Lower semi_supervised.segments.step."
        )
    return np.linspace(0, covered - length, segments["count"]).round().astype(int)
