from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, save_arrays
from rescore.features.extract import extract, extract_dives
from rescore.models.backbones import build_backbone, convert_weights
from rescore.models.c3d import C3DBody
from rescore.models.preprocess import preprocess

CROP, SAMPLES = 32, 5


def settings(**backbone: Any) -> dict[str, Any]:
    default = {
        "network": "c3d",
        "weights": "random",
        "convolutions": 8,
        "width": 0.0625,
        "colour": "rgb_imagenet",
        "clip_frames": 16,
        "clips": 6,
        "temporal_offsets": 3,
        "test_offset": 1,
        "batch": 7,
    }
    return {"seed": 0, "clips": {"crop": CROP}, "backbone": {**default, **backbone}}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    clips = np.random.default_rng(0).integers(0, 256, (SAMPLES, 103, CROP, CROP, 3), np.uint8)
    clips[1, :40] = 0  # padded in front
    np.save(tmp_path / "clips.npy", clips)
    rows = pd.DataFrame(
        {"sample": [f"diving/{n}" for n in range(SAMPLES)], "split": ["train", "train", "test", "train", "test"]}
    )
    rows.to_parquet(tmp_path / "rows.parquet")
    convert_weights(tmp_path / "weights.safetensors", settings())
    return tmp_path


def run(store: Path, wanted: dict[str, Any], name: str = "features") -> np.ndarray:
    inputs = [store / "clips.npy", store / "rows.parquet", store / "weights.safetensors"]
    extract(*inputs, store / f"{name}.npy", store / f"{name}.parquet", wanted)
    return np.load(store / f"{name}.npy")


def test_every_feature_is_that_of_its_own_sixteen_frames(store: Path) -> None:
    features = run(store, settings())
    assert features.dtype == np.float16
    assert features.shape == (SAMPLES, 3, 6, 256)
    clips = np.load(store / "clips.npy")
    network = build_backbone(settings(), store / "weights.safetensors")
    for sample, offset, clip in [(0, 0, 0), (0, 2, 5), (1, 1, 3), (2, 1, 4), (3, 0, 5), (4, 1, 0)]:
        start = offset + 16 * clip
        with torch.inference_mode():
            x = preprocess(torch.from_numpy(clips[sample : sample + 1, start : start + 16]), "rgb_imagenet")
            expected = network(x)[0].numpy()
        np.testing.assert_allclose(features[sample, offset, clip], expected, rtol=2e-3, atol=2e-3)


def test_every_sample_has_every_offset_and_rows_come_through(store: Path) -> None:
    assert np.isfinite(run(store, settings())).all()
    pd.testing.assert_frame_equal(pd.read_parquet(store / "features.parquet"), pd.read_parquet(store / "rows.parquet"))


def test_test_offset_beyond_the_training_offsets_widens_the_array(store: Path) -> None:
    features = run(store, settings(temporal_offsets=1, test_offset=3))
    assert features.shape[1] == 4
    assert np.isfinite(features).all()


def test_batch_changes_nothing_but_speed_and_two_runs_are_equal_to_the_byte(store: Path) -> None:
    first = run(store, settings(), "first")
    run(store, settings(), "second")
    assert (store / "first.npy").read_bytes() == (store / "second.npy").read_bytes()
    np.testing.assert_allclose(run(store, settings(batch=32), "third"), first, rtol=2e-3, atol=2e-3)


def test_features_that_are_not_finite_name_every_sample(store: Path) -> None:
    arrays, header = load_arrays(store / "weights.safetensors")
    save_arrays(store / "weights.safetensors", {**arrays, "fc6.weight": arrays["fc6.weight"] * 1e6}, header)
    with pytest.raises(RescoreError, match="not finite") as error:
        run(store, settings())
    assert all(f"diving/{n}" in str(error.value) for n in range(SAMPLES))
    assert not (store / "features.npy").exists()


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"temporal_offsets": 9}, "need 104 frames, videos have 103"),
        ({"test_offset": 8}, "need 104 frames"),
        ({"clips": 7}, "Lower backbone.temporal_offsets"),
        ({"width": 0.125}, "another backbone"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(store: Path, backbone: dict[str, Any], message: str) -> None:
    with pytest.raises(RescoreError, match=message):
        run(store, settings(**backbone))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("rows", "ask for uint8 of 4 x any"),
        ("split", r"unknown splits \(2\)"),
        ("empty", "no samples"),
        ("column", "no column sample"),
        ("truncated", "not a readable clip store"),
        ("weights", "no such checkpoint"),
    ],
)
def test_bad_inputs_are_named(store: Path, damage: str, message: str) -> None:
    rows = store / "rows.parquet"
    table = pd.read_parquet(rows)
    if damage == "rows":
        table.iloc[1:].to_parquet(rows)
    elif damage == "split":
        table.replace({"split": {"test": "validation"}}).to_parquet(rows)
    elif damage == "empty":
        table.iloc[:0].to_parquet(rows)
    elif damage == "column":
        table.drop(columns="sample").to_parquet(rows)
    elif damage == "truncated":
        path = store / "clips.npy"
        path.write_bytes(path.read_bytes()[:10000])
    else:
        (store / "weights.safetensors").unlink()
    with pytest.raises(RescoreError, match=message):
        run(store, settings())
    assert not (store / "features.npy").exists()


def test_torchvision_networks_give_512_features(store: Path) -> None:
    wanted = settings(network="mc3_18", temporal_offsets=1, test_offset=0)
    convert_weights(store / "weights.safetensors", wanted)
    assert run(store, wanted).shape == (SAMPLES, 1, 6, 512)


DIVES = {"frames": 70, "shift": 2, "step": 2, "crop": 40}


def dive_settings(**clips: Any) -> dict[str, Any]:
    return {**settings(), "multitask": {"clips": {**DIVES, **clips}}}


def run_dives(store: Path, wanted: dict[str, Any]) -> np.ndarray:
    clips = wanted["multitask"]["clips"]
    shape = SAMPLES, clips["frames"] + 2 * clips["shift"], clips["crop"], clips["crop"], 3
    np.save(store / "dives.npy", np.random.default_rng(1).integers(0, 256, shape, np.uint8))
    inputs = [store / "dives.npy", store / "rows.parquet", store / "weights.safetensors"]
    extract_dives(*inputs, store / "dive_features.npy", store / "dive_features.parquet", wanted)
    return np.load(store / "dive_features.npy")


@pytest.mark.parametrize("crop", [CROP, 40])
def test_dives_are_read_as_c3d_avg_reads_them_up_to_the_layer_that_fits_their_crop(store: Path, crop: int) -> None:
    features = run_dives(store, dive_settings(crop=crop))
    assert features.dtype == np.float16
    assert features.shape == (SAMPLES, 5, 2, 256 if crop == CROP else 32 * 2 * 2)  # 35 frames of every 2nd: 2 clips
    dives = np.load(store / "dives.npy")
    network = build_backbone(settings(), store / "weights.safetensors")
    for sample, offset, clip in [(0, 0, 0), (1, 2, 1), (4, 4, 1)]:
        frames = offset + 2 * (16 * clip + np.arange(16))
        with torch.inference_mode():
            x = preprocess(torch.from_numpy(dives[sample : sample + 1, frames]), "rgb_imagenet")
            expected = network(x) if crop == CROP else C3DBody.forward(network, x).flatten(1)
        np.testing.assert_allclose(features[sample, offset, clip], expected[0].numpy(), rtol=2e-3, atol=2e-3)
    pd.testing.assert_frame_equal(
        pd.read_parquet(store / "dive_features.parquet"), pd.read_parquet(store / "rows.parquet")
    )


def test_dives_too_short_for_a_clip_or_of_another_store_are_refused(store: Path) -> None:
    with pytest.raises(RescoreError, match=r"70 frames .* make no clip of 16"):
        run_dives(store, dive_settings(step=5))
    np.save(store / "dives.npy", np.zeros((SAMPLES, 70, 40, 40, 3), np.uint8))
    inputs = [store / "dives.npy", store / "rows.parquet", store / "weights.safetensors"]
    with pytest.raises(RescoreError, match="5 x 74 x 40 x 40 x 3"):
        extract_dives(*inputs, store / "f.npy", store / "f.parquet", dive_settings())
    assert not (store / "f.npy").exists()
