from pathlib import Path

import numpy as np
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.models.preprocess import COLOURS, open_clips, preprocess

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 16, 8, 10, 3), np.uint8)


def test_imagenet_convention_by_hand() -> None:
    x = preprocess(torch.from_numpy(PIXELS), "rgb_imagenet")
    assert x.shape == (2, 3, 16, 8, 10)
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last_3d)
    for channel, (mean, sd) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        expected = (PIXELS[..., channel] / 255 - mean) / sd
        np.testing.assert_allclose(x[:, channel].numpy(), expected, rtol=1e-5, atol=1e-5)


def test_sports1m_convention_is_blue_first_in_0_to_255_less_its_means() -> None:
    x = preprocess(torch.from_numpy(PIXELS), "bgr_sports1m")
    for channel, (source, mean) in enumerate(((2, 90.25), (1, 97.66), (0, 101.41))):
        np.testing.assert_allclose(x[:, channel].numpy(), PIXELS[..., source] - mean, rtol=1e-5, atol=1e-4)
    assert x.is_contiguous(memory_format=torch.channels_last_3d)


def test_kinetics_convention_is_torchvisions() -> None:
    from torchvision.models.video import R3D_18_Weights

    transform = R3D_18_Weights.KINETICS400_V1.transforms()
    assert COLOURS["rgb_kinetics"].mean == tuple(transform.mean)
    assert COLOURS["rgb_kinetics"].sd == tuple(transform.std)


def test_input_is_left_as_it_was() -> None:
    pixels = torch.from_numpy(PIXELS.copy())
    for colour in COLOURS:
        preprocess(pixels, colour)
    np.testing.assert_array_equal(pixels.numpy(), PIXELS)


def test_open_clips_reads_by_memory_map(tmp_path: Path) -> None:
    np.save(tmp_path / "clips.npy", PIXELS)
    clips = open_clips(tmp_path / "clips.npy", (2, None, 8, 10, 3))
    assert isinstance(clips, np.memmap)
    np.testing.assert_array_equal(clips, PIXELS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "no such clips"),
        ("empty", "not a readable clip store"),
        ("truncated", "not a readable clip store"),
        ("pickle", "not a readable clip store"),
        ("float", "float32"),
        ("shape", "ask for uint8 of 3 x any x 8 x 10 x 3"),
    ],
)
def test_bad_stores_are_named(tmp_path: Path, damage: str, message: str) -> None:
    path, samples = tmp_path / "clips.npy", 2
    np.save(path, PIXELS)
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "pickle":
        np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    elif damage == "float":
        np.save(path, PIXELS.astype(np.float32))
    else:
        samples = 3
    with pytest.raises(RescoreError, match=message) as error:
        open_clips(path, (samples, None, 8, 10, 3))
    assert str(path) in str(error.value)
