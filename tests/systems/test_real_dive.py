"""A real dive through the whole pipeline; videos, lists and settings that do not fit."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from rescore.engine.errors import RescoreError
from rescore.systems.real_dive import forward as real_dive

MIRROR = os.environ.get("RESCORE_MIRROR")
pytestmark = pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
CLIPS: dict[str, Any] = {"frames": 103, "long_videos": "last", "resize": [171, 128], "crop": 112}
BACKBONE: dict[str, Any] = {
    "network": "c3d",
    "weights": "pretrained",
    "convolutions": 8,
    "width": 1.0,
    "colour": "rgb_imagenet",
    "clip_frames": 16,
    "clips": 6,
    "test_offset": 0,
}


def video() -> Path:
    return Path(str(MIRROR)) / "video" / "aqa7_diving_054.avi"


def lists() -> Path:
    return Path(str(MIRROR)) / "aqa7"


def settings(width: float, clips: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"seed": 0, "clips": CLIPS | (clips or {}), "backbone": BACKBONE | {"width": width}}


def run(tmp_path: Path, chosen: dict[str, Any], folder: Path | None = None) -> dict[str, Any]:
    record = tmp_path / "record.json"
    real_dive.run(folder or video().parent, lists(), record, chosen)
    return json.loads(record.read_text())


@pytest.mark.slow
def test_the_real_dive_at_full_size(tmp_path: Path) -> None:
    record = run(tmp_path, settings(1.0))
    assert record["frames_decoded"] == 103
    assert record["padding"] == 0
    assert record["frames"] == [103, 112, 112, 3]
    assert record["clips"] == [6, 16, 112, 112, 3]
    assert record["features"] == [6, 4096]
    assert record["score_points"] == 84.15
    assert record["weights"] == "random"
    assert 0.3 < record["features_summary"]["zeros"] < 0.7
    assert record["features_summary"]["sd"] > 0.1


def test_the_real_dive_through_a_narrow_network_twice(tmp_path: Path) -> None:
    first = run(tmp_path, settings(0.0625))
    assert first["features"] == [6, 256]
    assert 50 < first["frames_mean"] < 200
    assert run(tmp_path, settings(0.0625)) == first


def test_a_longer_target_pads_in_front(tmp_path: Path) -> None:
    record = run(tmp_path, settings(0.0625, {"frames": 110}))
    assert (record["padding"], record["frames"][0]) == (7, 110)


def test_too_few_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="need 96 frames, not 90"):
        run(tmp_path, settings(0.0625, {"frames": 90}))


@pytest.mark.parametrize("kept", [0, 200_000])
def test_an_empty_or_truncated_video_is_named(tmp_path: Path, kept: int) -> None:
    (tmp_path / video().name).write_bytes(video().read_bytes()[:kept])
    with pytest.raises(RescoreError, match=r"054\.avi"):
        run(tmp_path, settings(0.0625), tmp_path)
    assert not (tmp_path / "record.json").exists()


def test_lists_without_the_dive_are_refused(tmp_path: Path) -> None:
    for name in ("consolidated_train_list", "consolidated_test_list"):
        matrix = scipy.io.loadmat(str(lists() / f"{name}.mat"))[name]
        kept = matrix[~((matrix[:, 0] == 1) & (matrix[:, 1] == 54))]
        scipy.io.savemat(tmp_path / f"{name}.mat", {name: np.asarray(kept)})
    with pytest.raises(RescoreError, match="diving/054 stands 0 times"):
        real_dive.listed_score(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(RescoreError, match="consolidated_train_list"):
        real_dive.listed_score(tmp_path)
