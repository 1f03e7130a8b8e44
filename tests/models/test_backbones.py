import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, save_arrays
from rescore.models.backbones import (
    BackboneWeights,
    build_backbone,
    convert_weights,
    input_colour,
    published_weights,
)
from rescore.models.c3d import C3D, C3DClassifier, initialise
from rescore.models.device import seeded_generator
from rescore.models.preprocess import COLOURS
from rescore.models.state_dicts import read_state_dict


def settings(**backbone: Any) -> dict[str, Any]:
    default = {"network": "c3d", "weights": "random", "convolutions": 8, "width": 0.0625, "colour": "rgb_imagenet"}
    return {"backbone": {**default, "clip_frames": 16, **backbone}, "clips": {"crop": 56}, "seed": 0}


def port_state(classes: int = 487, seed: int = 3) -> dict[str, torch.Tensor]:
    """A state dict in the public port's layout, small, with values of our own."""
    network = C3DClassifier(classes, 0.0625, crop=56)
    initialise(network, seeded_generator(seed, "test"))
    return OrderedDict(network.state_dict())


CLIPS = torch.randn(2, 3, 16, 56, 56, generator=torch.Generator().manual_seed(0))


def features(wanted: dict[str, Any], weights: Path, clips: torch.Tensor = CLIPS) -> torch.Tensor:
    with torch.inference_mode():
        return build_backbone(wanted, weights)(clips)


def test_published_weights_carry_all_that_a_user_needs() -> None:
    for weights in BackboneWeights:
        published = weights.value
        assert published.url.endswith(published.filename)
        assert published.colour in COLOURS
        assert published.metric
        assert published_weights(published.network) is published


@pytest.mark.parametrize("name", ["R3D_18", "MC3_18", "R2Plus1D_18"])
def test_kinetics_entries_agree_with_torchvisions_own(name: str) -> None:
    from torchvision.models import video

    theirs = getattr(video, f"{name}_Weights").KINETICS400_V1
    ours = published_weights(name.lower())
    assert ours.url == theirs.url
    assert ours.sha256_prefix is not None
    assert ours.sha256_prefix in ours.filename
    assert f"{theirs.meta['_metrics']['Kinetics-400']['acc@1']:.3f}" in ours.metric


@pytest.mark.parametrize("wrapping", ["plain", "module.", "backbone.", "state_dict", "old format"])
def test_public_port_loads_in_every_wrapping(tmp_path: Path, wrapping: str) -> None:
    state = port_state()
    path, wanted = tmp_path / "c3d.pickle", settings(weights="sports1m", colour="bgr_sports1m")
    saved: Any = state
    if wrapping.endswith("."):
        saved = {f"{wrapping}{name}": value for name, value in state.items()}
    elif wrapping == "state_dict":
        saved = {"state_dict": state}
    torch.save(saved, path, _use_new_zipfile_serialization=wrapping != "old format")
    convert_weights(tmp_path / "weights.safetensors", wanted, path)
    expected = C3D(0.0625, crop=56)
    expected.load_state_dict({name: value for name, value in state.items() if not name.startswith(("fc7", "fc8"))})
    with torch.inference_mode():
        torch.testing.assert_close(features(wanted, tmp_path / "weights.safetensors"), expected(CLIPS))
    _, header = load_arrays(tmp_path / "weights.safetensors")
    assert header["data"]["published"]
    assert header["parameters"] == wanted


def test_weights_that_do_not_fit_are_all_named(tmp_path: Path) -> None:
    state = port_state()
    del state["conv2.bias"]
    state["conv9.weight"] = torch.zeros(1)
    state["conv4a.weight"] = torch.zeros(3, 3, 3, 3, 3)
    state["fc6.bias"][0] = float("nan")
    torch.save(state, tmp_path / "c3d.pickle")
    with pytest.raises(RescoreError) as error:
        convert_weights(tmp_path / "w.safetensors", settings(weights="sports1m"), tmp_path / "c3d.pickle")
    message = str(error.value)
    assert "(4)" in message
    for part in (
        "conv2.bias (8,) is missing",
        "conv9.weight (1,) is not in the network",
        "conv4a.weight is (3, 3, 3, 3, 3), not (32, 16, 3, 3, 3)",
        "fc6.bias has values that are not finite",
        "c3d.pickle",
    ):
        assert part in message
    assert not (tmp_path / "w.safetensors").exists()


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"conv1.weight": Malicious(tmp_path / "owned")}, tmp_path / "c3d.pickle")
    with pytest.raises(RescoreError, match="nothing of it was run"):
        convert_weights(tmp_path / "w.safetensors", settings(weights="sports1m"), tmp_path / "c3d.pickle")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text", "a list", "no tensors"])
def test_bad_files_are_one_line_errors(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "c3d.pickle"
    torch.save({"conv1.weight": torch.zeros(100)}, path)
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "text":
        path.write_text("<html>404</html>")
    elif damage == "a list":
        torch.save([torch.zeros(1)], path)
    else:
        torch.save({"conv1.weight": 1.0}, path)
    with pytest.raises(RescoreError) as error:
        read_state_dict(path, "Download it.")
    assert str(path) in str(error.value)


def test_missing_published_file_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RescoreError, match=r"imagelab\.ing\.unimore\.it"):
        convert_weights(tmp_path / "w.safetensors", settings(weights="sports1m"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RescoreError, match=r"download\.pytorch\.org"):
        convert_weights(tmp_path / "w.safetensors", settings(network="mc3_18", weights="kinetics400"))


def test_file_with_the_origins_name_and_other_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r3d_18-b3b3357e.pth"
    torch.save({}, path)
    with pytest.raises(RescoreError, match="starts with b3b3357e"):
        convert_weights(tmp_path / "w.safetensors", settings(network="r3d_18", weights="kinetics400"), path)


@pytest.mark.parametrize("network", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_torchvision_networks_load_their_own_layout(tmp_path: Path, network: str) -> None:
    from torchvision.models import video

    torch.manual_seed(0)
    theirs = getattr(video, network)(weights=None).eval()
    path, wanted = tmp_path / "kinetics.pth", settings(network=network, weights="kinetics400")
    torch.save(theirs.state_dict(), path)
    convert_weights(tmp_path / "w.safetensors", wanted, path)
    got = features(wanted, tmp_path / "w.safetensors")
    theirs.fc = torch.nn.Identity()
    with torch.inference_mode():
        torch.testing.assert_close(got, theirs(CLIPS), rtol=1e-3, atol=1e-4)
    assert got.shape == (2, 512)


def test_random_weights_depend_on_the_seed_alone(tmp_path: Path) -> None:
    first, second, other = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "other"))
    convert_weights(first, settings())
    convert_weights(second, settings())
    convert_weights(other, {**settings(), "seed": 1})
    assert first.read_bytes() == second.read_bytes()
    assert not torch.equal(features(settings(), first), features({**settings(), "seed": 1}, other))
    assert float(features(settings(), first).std()) > 0


def test_weights_of_another_backbone_are_refused_even_where_shapes_agree(tmp_path: Path) -> None:
    convert_weights(tmp_path / "w.safetensors", settings())
    wanted = settings(colour="bgr_sports1m", weights="pretrained")
    with pytest.raises(RescoreError) as error:
        build_backbone(wanted, tmp_path / "w.safetensors")
    assert "colour: made for rgb_imagenet, asked for bgr_sports1m" in str(error.value)
    assert "weights: made for random, asked for pretrained" in str(error.value)
    wanted = settings()
    wanted["clips"]["crop"] = 112
    with pytest.raises(RescoreError, match=r"fc6\.weight is \(256, 128\), not \(256, 512\)"):
        build_backbone(wanted, tmp_path / "w.safetensors")


def test_truncated_or_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    convert_weights(path, settings())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RescoreError, match="not a readable safetensors"):
        build_backbone(settings(), path)
    save_file({"x": np.zeros(3, np.float32)}, path)
    with pytest.raises(RescoreError, match="another backbone"):
        build_backbone(settings(), path)
    save_arrays(path, {"x": np.zeros(3, np.float32)}, {"parameters": settings()})
    with pytest.raises(RescoreError, match="x .* is not in the network"):
        build_backbone(settings(), path)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"network": "i3d"}, "known: c3d"),
        ({"weights": "kinetics400"}, "c3d has pretrained, sports1m, random"),
        ({"network": "r3d_18", "weights": "sports1m"}, "r3d_18 has kinetics400, random"),
        ({"weights": "pretrained"}, "pre-training step"),
        ({"convolutions": 7}, "layouts of"),
        ({"clip_frames": 8}, "poolings need 16 frames"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, backbone: dict[str, Any], message: str) -> None:
    with pytest.raises(RescoreError, match=message):
        convert_weights(tmp_path / "w.safetensors", settings(**backbone))


def test_input_colour_is_the_setting_for_c3d_and_kinetics_for_the_others() -> None:
    assert input_colour({"network": "c3d", "colour": "bgr_sports1m"}) == "bgr_sports1m"
    assert input_colour({"network": "r3d_18", "colour": "rgb_imagenet"}) == "rgb_kinetics"
