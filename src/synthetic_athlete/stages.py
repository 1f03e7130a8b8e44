"""Step: where the stages of the synthetic dives begin, from the seed alone: motions are computed again, nothing is rendered.

    jumping    the last movement before take-off begins (crouch, or an armstand's lean)
    dropping   the highest point of the flight
    entering   the hands reach the water
    ending     the whole body is below it

S3D's authors name their labels jump, drop and water and say no more; these are four moments that the animation knows exactly.
Of two divers the first counts.
"""

from pathlib import Path
from typing import Any

import numpy as np

from rescore.datasets.mtl_aqa.stages import write_stages
from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table
from synthetic_athlete.animation import Motion
from synthetic_athlete.broadcasts import requests
from synthetic_athlete.programme import sample_name
from synthetic_athlete.shots import Shot, shots


def write_synthetic(manifest: Path, stages: Path, settings: dict[str, Any]) -> None:
    """Write the stages of every dive of the synthetic broadcasts.

    Args:
        manifest: theirs; it says where in the broadcast a dive lies.
        stages: Parquet to write, see `datasets.mtl_aqa.stages`.
        settings: as `synthetic_athlete.broadcasts.make_broadcasts` has them.

    Raises:
        RescoreError: the manifest is not of these settings: a dive is missing, or has another length (all of them together).
    """
    table = read_table(manifest)
    ends = zip(table["start_frame"].astype(int), table["end_frame"].astype(int), strict=True)
    spans = dict(zip(table["sample"].astype(str), ends, strict=True))
    rows, problems = {}, []
    for request in requests(settings):
        for shot in shots(request):
            if not shot.dive:
                continue
            name = sample_name(request.event, shot.dive)
            if name not in spans:
                problems.append(f"{name} is missing")
                continue
            start, end = spans[name]
            if end - start != shot.end - shot.start:
                problems.append(f"{name} has {end - start + 1} frames, not {shot.end - shot.start + 1}")
            rows[name] = start - shot.start + boundaries(shot)
    raise_together(
        f"{manifest}: not the dives that these settings give", problems, "run the step that writes it again."
    )
    write_stages(stages, rows)


def boundaries(shot: Shot) -> np.ndarray:
    """First frames (4,) int64 of the stages, counted from the shot's first frame."""
    joints, heights, rate = shot.take.joints[:, 0, :, 1], shot.take.centres[:, 0, 1], shot.take.rate
    flying = np.flatnonzero(shot.take.airborne[:, 0])
    entering = int(flying[-1]) + 1
    under = np.flatnonzero((joints < 0).all(axis=1))
    ending = int(under[0]) if len(under) else len(joints)
    return np.array(
        [
            int(np.ceil(preparation_end(shot.motions[0]) * rate)),
            int(flying[heights[flying].argmax()]),
            entering,
            max(ending, entering + 1),
        ]
    )


def preparation_end(motion: Motion) -> float:
    """Seconds at which the last movement on the board begins: the pose of take-off is reached in two steps, which start there."""
    takeoff = motion.phases[0].end
    times = [second for second, _ in motion.keys if second < takeoff]
    return float(times[-2]) if len(times) > 1 else 0.0
