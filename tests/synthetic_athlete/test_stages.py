"""The synthetic dives' stages: the physics that they name, and where they lie in the broadcast."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rescore.datasets.mtl_aqa.stages import read_stages
from rescore.engine.errors import RescoreError
from synthetic_athlete.animation import GRAVITY
from synthetic_athlete.broadcasts import requests
from synthetic_athlete.programme import sample_name
from synthetic_athlete.shots import Shot, shots
from synthetic_athlete.stages import boundaries, write_synthetic

GAP = 1000  # frames between dives of the manifest here; only start_frame counts


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {
        "seed": 3,
        "synthetic": {"samples": 0.001, "frame_size": [64, 48], "length": 1.0, "dives": 0.001},
        "multitask": {"clips": {"frames": 64, "shift": 3}},
    }


@pytest.fixture(scope="module")
def filmed(settings: dict[str, Any]) -> dict[str, Shot]:
    found = {}
    for request in requests(settings):
        found |= {sample_name(request.event, shot.dive): shot for shot in shots(request) if shot.dive}
    return found


def manifest_of(filmed: dict[str, Shot]) -> pd.DataFrame:
    starts = GAP * np.arange(1, len(filmed) + 1)
    return pd.DataFrame(
        {
            "sample": list(filmed),
            "start_frame": starts,
            "end_frame": starts + [shot.end - shot.start for shot in filmed.values()],
        }
    )


def test_a_dive_falls_from_its_highest_point_to_the_water_as_bodies_do(filmed: dict[str, Shot]) -> None:
    for shot in filmed.values():
        jumping, dropping, entering, ending = boundaries(shot)
        height = shot.take.centres[:, 0, 1]
        fall = height[dropping] - height[entering]
        seconds = np.sqrt(2 * fall / GRAVITY)
        assert (entering - dropping) / shot.take.rate == pytest.approx(seconds, abs=1.5 / shot.take.rate)
        assert (shot.take.joints[entering - 2, 0, :, 1] > 0).all()  # in the air
        assert (shot.take.joints[entering + 1, 0, :, 1] < 0).any()  # the hands are in
        assert (shot.take.joints[ending, 0, :, 1] < 0).all()
        assert (shot.take.joints[ending - 1, 0, :, 1] > 0).any()
        # The last movement on the board takes 0.4 s of an armstand, 0.55 s of others; then the flight goes up.
        takeoff = np.flatnonzero(shot.take.airborne[:, 0])[0]
        assert 0.35 < (takeoff - jumping) / shot.take.rate < 0.65
        assert jumping < takeoff < dropping < entering < ending


def test_stages_lie_where_the_manifest_has_the_dive(
    settings: dict[str, Any], filmed: dict[str, Shot], tmp_path: Path
) -> None:
    table = manifest_of(filmed)
    table.to_parquet(tmp_path / "manifest.parquet")
    write_synthetic(tmp_path / "manifest.parquet", tmp_path / "stages.parquet", settings)
    found = read_stages(tmp_path / "stages.parquet")
    assert sorted(found) == sorted(filmed)
    for sample, start in zip(table["sample"], table["start_frame"], strict=True):
        shot = filmed[sample]
        np.testing.assert_array_equal(found[sample] - start, boundaries(shot) - shot.start)


def test_a_manifest_of_other_settings_is_refused(
    settings: dict[str, Any], filmed: dict[str, Shot], tmp_path: Path
) -> None:
    table = manifest_of(filmed)
    table.loc[1, "end_frame"] += 1
    table.iloc[1:].to_parquet(tmp_path / "manifest.parquet")
    missing, longer = table["sample"][:2]
    with pytest.raises(RescoreError, match=rf"(?s){missing} is missing.*{longer} has \d+ frames, not \d+"):
        write_synthetic(tmp_path / "manifest.parquet", tmp_path / "stages.parquet", settings)
