from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, save_arrays, sha256_text
from rescore.features import activations
from rescore.features.activations import extract_activations, grid_of
from rescore.models.backbones import convert_weights
from rescore.models.preprocess import preprocess
from rescore.systems.linear_probes import probes as linear_probes

BACKBONE = {
    **{"network": "c3d", "weights": "random", "convolutions": 8, "width": 0.0625, "colour": "rgb_imagenet"},
    **{"clip_frames": 16, "clips": 3, "temporal_offsets": 1, "test_offset": 1, "batch": 4},
}
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "clips": {"crop": 48, "frames": 50},
    "backbone": BACKBONE,
    "multitask": {"clips": {"frames": 32, "shift": 2, "step": 1, "crop": 32}},
    "linear_probes": {"width": 300, "time": 2, "pooling": "average"},
}
NAMES = ("weights.safetensors", "dives.npy", "dives.parquet", "vaults.npy", "vaults.parquet")


def changed(**clips: int) -> dict[str, Any]:
    return SETTINGS | {"multitask": {"clips": SETTINGS["multitask"]["clips"] | clips}}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    np.save(tmp_path / "dives.npy", random.integers(0, 256, (5, 36, 32, 32, 3), np.uint8))
    np.save(tmp_path / "vaults.npy", random.integers(0, 256, (4, 50, 48, 48, 3), np.uint8))
    pd.DataFrame({"sample": [f"01/{n}" for n in range(5)], "action": "diving"}).to_parquet(tmp_path / "dives.parquet")
    others = pd.DataFrame({"sample": list("abcd"), "action": ["gymvault", "diving", "gymvault", "gymvault"]})
    others.to_parquet(tmp_path / "vaults.parquet")
    convert_weights(tmp_path / "weights.safetensors", SETTINGS)
    return tmp_path


def run(store: Path, settings: dict[str, Any] = SETTINGS, name: str = "found") -> tuple[dict[str, np.ndarray], dict]:
    path = store / f"{name}.safetensors"
    extract_activations(*[store / each for each in NAMES], path, settings)
    return load_arrays(path)


def plain(weights: Path, frames: np.ndarray) -> dict[str, torch.Tensor]:
    """Each group's last convolution after ReLU, layer by layer, of one clip."""
    arrays = {name: torch.from_numpy(array) for name, array in load_arrays(weights)[0].items()}
    x, found = preprocess(torch.from_numpy(frames[None]), "rgb_imagenet").contiguous(), {}
    for group, names in enumerate((["1"], ["2"], ["3a", "3b"], ["4a", "4b"], ["5a", "5b"]), start=1):
        for name in names:
            bias = arrays[f"conv{name}.bias"]
            x = torch.relu(torch.nn.functional.conv3d(x, arrays[f"conv{name}.weight"], bias, padding=1))
        found[f"c{group}"] = x[0]
        x = torch.nn.functional.max_pool3d(x, (1 if group == 1 else 2, 2, 2))
    return found


@pytest.mark.parametrize(
    ("dataset", "sample", "row", "first", "clips"), [("dives", 3, 3, 2, 2), ("vaults", 1, 2, 1, 3)]
)
def test_every_layer_is_that_of_the_videos_own_frames(
    store: Path, dataset: str, sample: int, row: int, first: int, clips: int
) -> None:
    arrays, header = run(store)
    video = np.load(store / f"{dataset}.npy")[row]
    starts = [first + 16 * number for number in range(clips)]
    each = [plain(store / "weights.safetensors", video[start : start + 16]) for start in starts]
    for layer in linear_probes.LAYERS:
        mean = torch.stack([clip[layer] for clip in each]).mean(0)
        channels, time, rows, columns = header["grids"][f"{dataset}.{layer}"]
        assert channels * time * rows * columns == arrays[f"{dataset}.{layer}"].shape[1] <= 300
        # Places that divide the layer evenly are plain means of blocks; others overlap (adaptive pooling).
        expected = torch.nn.functional.adaptive_avg_pool3d(mean, (time, rows, columns))
        if mean.shape[2] % rows == 0:
            blocks = mean.unflatten(3, (columns, -1)).unflatten(2, (rows, -1)).unflatten(1, (time, -1)).mean((2, 4, 6))
            torch.testing.assert_close(expected, blocks)
        found = arrays[f"{dataset}.{layer}"][sample]
        np.testing.assert_allclose(found, expected.flatten().numpy(), rtol=2e-3, atol=2e-3)
        assert found.std() > 0


def test_the_file_says_whose_it_is_and_repeats(store: Path) -> None:
    arrays, header = run(store)
    assert {name: len(array) for name, array in arrays.items()} == {
        f"{dataset}.{layer}": count
        for dataset, count in (("dives", 5), ("vaults", 3))
        for layer in linear_probes.LAYERS
    }
    assert (header["body"], header["seed"]) == ("backbone", 0)
    assert header["samples_sha256"]["vaults"] == sha256_text("a\nc\nd")
    run(store, name="again")
    assert (store / "found.safetensors").read_bytes() == (store / "again.safetensors").read_bytes()
    # The experiments read these names without importing a framework, so they stand there a second time.
    names = ("DIVES", "VAULTS", "VAULT", "BACKBONE")
    assert all(getattr(activations, name) == getattr(linear_probes, name) for name in names)


def as_member(store: Path, **multitask: Any) -> None:
    """The same convolutions as a member of C3D-AVG keeps them."""
    arrays, _ = load_arrays(store / "weights.safetensors")
    body = {f"body.{name}": array for name, array in arrays.items() if name.startswith("conv")}
    parameters = {"backbone": BACKBONE, "multitask": {"width": 0.0625, "body_weights": "backbone"} | multitask}
    header = {"network": "c3d_avg", "tasks": "classes", "seed": 2, "parameters": parameters}
    save_arrays(store / "weights.safetensors", body | {"trunk.weight": np.zeros((2, 2), np.float32)}, header)


def test_a_members_body_reads_as_the_backbones(store: Path) -> None:
    backbone, _ = run(store)
    as_member(store)
    member, header = run(store)
    assert (header["body"], header["seed"]) == ("classes", 2)
    assert all((backbone[name] == member[name]).all() for name in backbone)


def test_videos_are_read_at_the_rate_of_the_training(store: Path) -> None:
    slow = run(store, changed(step=2), "slow")[0]
    np.save(store / "dives.npy", np.load(store / "dives.npy")[:, 2:34:2].repeat(2, axis=1))
    again = run(store, changed(shift=0, step=2), "again")[0]
    assert all((slow[f"dives.{layer}"] == again[f"dives.{layer}"]).all() for layer in linear_probes.LAYERS)


def test_layers_of_the_full_network_are_pooled_to_about_equally_many_values() -> None:
    shapes = [(64, 16, 112, 112), (128, 16, 56, 56), (256, 8, 28, 28), (512, 4, 14, 14), (512, 2, 7, 7)]
    grids = [grid_of(shape, 10_000, 2) for shape in shapes]
    assert grids == [(2, 8, 8), (2, 6, 6), (2, 4, 4), (2, 3, 3), (2, 3, 3)]
    assert grid_of((8, 1, 5, 3), 10_000, 2) == (1, 5, 3)  # never beyond the layer's own
    with pytest.raises(RescoreError, match="fewer than the 512 channels"):
        grid_of((512, 4, 14, 14), 1000, 2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no vaults", "no vaults"),
        ("nan", "activations that are not finite"),
        ("torchvision", "Linear probes need backbone.network c3d"),
        ("width", "not C3D's convolutions"),
        ("frames", "uint8 of 5 x 40"),
        ("step", "make|clip has 16"),
    ],
)
def test_what_cannot_be_read_is_named(store: Path, damage: str, message: str) -> None:
    settings, weights = SETTINGS, store / "weights.safetensors"
    if damage == "no vaults":
        pd.read_parquet(store / "vaults.parquet").assign(action="diving").to_parquet(store / "vaults.parquet")
    elif damage == "nan":
        arrays, header = load_arrays(weights)
        save_arrays(weights, {**arrays, "conv3a.bias": arrays["conv3a.bias"] + 1e9}, header)
    elif damage == "torchvision":
        arrays, header = load_arrays(weights)
        save_arrays(weights, arrays, {"parameters": {"backbone": BACKBONE | {"network": "r3d_18"}}})
    elif damage == "width":
        as_member(store, width=0.125)
    elif damage == "frames":
        settings = changed(shift=4)
    else:
        settings = changed(step=4)
    with pytest.raises(RescoreError, match=message) as error:
        run(store, settings)
    if damage == "nan":
        assert all(f"01/{n}" in str(error.value) for n in range(5))
    assert not (store / "found.safetensors").exists()
