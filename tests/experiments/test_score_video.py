from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import torch

from rescore import parameters
from rescore.clips.decode import normalise_length, read_frames
from rescore.errors import RescoreError
from rescore.experiments.score_video import VideoScore, describe, score_video
from rescore.features.extract import extract
from rescore.models.backbones import convert_weights
from rescore.models.c3d_lstm import initial_weights, predict_steps
from rescore.storage import save_arrays, sha256_file

ROOT = Path(__file__).parents[2]


def write_video(path: Path, frames: int = 70) -> Path:
    """A bright square that moves over a dark ground."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        for number in range(frames):
            image = np.zeros((120, 160, 3), np.uint8)
            image[40:80, number : number + 40] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A video, a narrow backbone with random weights, and a checkpoint of two members and three seeds."""
    folder = tmp_path_factory.mktemp("score")
    _, settings = parameters.load(ROOT / "params.yaml", scale="demo")
    settings["backbone"] |= {"width": 0.03125, "weights": "random"}
    convert_weights(folder / "weights.safetensors", settings)
    names = [(name, seed) for name in ("all", "single/skiing") for seed in range(3)]
    stacked = [initial_weights(128, 4, 0.1, np.random.default_rng(index)) for index in range(len(names))]
    sds = {"diving": 10.0, "skiing": 5.0}
    entries = [{"member": name, "seed": seed, "score_sd": sds} for name, seed in names]
    header = {"members": entries, "backbone_sha256": sha256_file(folder / "weights.safetensors")}
    arrays = {name: np.stack([weights[name] for weights in stacked]) for name in stacked[0]}
    save_arrays(folder / "members.safetensors", arrays, header)
    video = write_video(folder / "dive.avi")
    paths = {"video": video, "members": folder / "members.safetensors", "weights": folder / "weights.safetensors"}
    return {"paths": paths, "settings": settings, "arrays": arrays, "folder": folder}


def test_score_equals_the_workflow_s_own_features_and_head(files: dict[str, Any], tmp_path: Path) -> None:
    paths, settings = files["paths"], files["settings"]
    result = score_video(**paths, settings=settings, action="diving")
    store = settings["clips"]
    clip, padding = normalise_length(read_frames(paths["video"], tuple(store["resize"]), store["crop"]), 103, "last")
    np.save(tmp_path / "clips.npy", clip[None])
    pd.DataFrame({"sample": ["dive"], "split": ["test"]}).to_parquet(tmp_path / "clips.parquet")
    inputs = (tmp_path / "clips.npy", tmp_path / "clips.parquet", paths["weights"])
    extract(*inputs, tmp_path / "features.npy", tmp_path / "features.parquet", settings)
    features = torch.from_numpy(np.load(tmp_path / "features.npy")[0, 0]).float()  # (T, D)
    weights = {name: torch.from_numpy(array[:3]) for name, array in files["arrays"].items()}
    expected = predict_steps(weights, features[None, :, None].repeat(3, 1, 1, 1))[:, :, 0].numpy() * 10
    assert (result.member, result.seeds, result.frames, result.padding) == ("all", (0, 1, 2), 70, 33)
    assert padding == 33
    np.testing.assert_allclose(result.steps, expected, rtol=1e-3, atol=1e-3)
    assert np.ptp(result.scores) > 0


def test_plot_is_the_same_twice(files: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        score_video(**files["paths"], settings=files["settings"], action="diving", plot=tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_interval_and_description() -> None:
    steps = np.array([[1.0, 80.0], [1.0, 82.0], [1.0, 84.0]])
    result = VideoScore(Path("dive.avi"), "diving", "all", 70, 33, (0, 1, 2), steps, 0.95)
    low, high = result.interval()[-1]
    assert (low, high) == pytest.approx((82 - 4.968, 82 + 4.968), abs=1e-3)  # Student's 4.303 x 2 / sqrt(3)
    assert "82.00 points as Diving, 95% interval over seeds 77.03 to 86.97" in describe(result)
    assert "SYNTHETIC" in describe(result, "demo")
    assert "interval" not in describe(replace(result, seeds=(0,), steps=steps[:1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "curling"}, "unknown action 'curling'"),
        ({"member": "none", "action": "diving"}, "no member none"),
        ({"member": "all"}, "several actions"),
        ({"member": "all", "action": "gymvault"}, "no standard deviation of gymvault"),
    ],
)
def test_unknown_names_are_refused(files: dict[str, Any], change: dict[str, str], message: str) -> None:
    with pytest.raises(RescoreError, match=message):
        score_video(**files["paths"], settings=files["settings"], **change)


def test_bad_files_are_refused(files: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"RIFF")
    other = tmp_path / "weights.safetensors"
    convert_weights(other, {**files["settings"], "seed": 1})
    for name, path, message in (
        ("video", broken, "broken.avi"),
        ("video", tmp_path / "none.avi", "none.avi"),
        ("members", broken, "not a readable safetensors file"),
        ("weights", other, "another backbone"),
    ):
        with pytest.raises(RescoreError, match=message):
            score_video(**{**files["paths"], name: path}, settings=files["settings"], action="diving")
