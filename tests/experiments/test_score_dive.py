import json
import os
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import nn

from rescore import cli
from rescore.engine.errors import RescoreError
from rescore.experiments.score_dive import DivePrediction, describe, network_input, read_vocabulary, score_dive
from rescore.manifests.videos import Container
from rescore.models.authors_weights import Network
from rescore.models.c3d_avg import C3DAverage
from rescore.models.mscadc import MSCADC
from rescore.models.preprocess import preprocess
from tests.authors_files import save_authors_weights

WORDS = {"2": "a", "3": "very", "4": "good", "5": "dive", "6": "indeed"}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 frames whose brightness is their number."""
    path = tmp_path_factory.mktemp("dive") / "dive.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        for number in range(120):
            image = np.full((120, 160, 3), 2 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def network() -> Network:
    """MSCADC at full size (the authors' files know no other), with weights of our own."""
    torch.manual_seed(0)
    network = MSCADC(vocabulary=7).eval()
    nn.init.normal_(network.captioner.output.weight)
    return network


@pytest.fixture
def weights(network: Network, tmp_path: Path) -> Path:
    save_authors_weights(network, tmp_path)
    return tmp_path


def test_frames_that_the_networks_read(video: Path) -> None:
    with torch.device("meta"):
        averaged, dilated = C3DAverage(("score",)), MSCADC(("score",))
    for model, shape, wanted in (
        (averaged, (1, 96, 112, 112, 3), 17 + np.arange(96)),
        (dilated, (1, 16, 180, 180, 3), 17 + np.array([0, 6, 13, 19, 26, 32, 39, 45, 52, 58, 65, 71, 78, 84, 91, 97])),
    ):
        frames, count, _ = network_input(video, model)
        assert count == 120
        assert frames.shape == shape
        np.testing.assert_allclose(frames.float().mean((0, 2, 3, 4)), 2 * wanted, atol=2)


def test_prediction_is_the_network_s(video: Path, weights: Path, network: Network) -> None:
    found = score_dive(video, weights)
    frames, *_ = network_input(video, network)
    with torch.inference_mode():
        outputs = network(preprocess(frames, "rgb_imagenet"))
    assert found.score == pytest.approx(17 * float(outputs["score"]), rel=1e-4)
    assert found.classes["somersaults"] == f"{int(outputs['somersaults'].argmax()) / 2:g}"
    assert found.classes["position"] == ("free", "pike", "tuck")[int(outputs["position"].argmax())]
    assert found.caption is not None
    assert set(found.caption) <= {str(token) for token in range(1, 7)}
    text = describe(found)
    assert "points" in text
    assert "MSCADC" in text
    assert "token numbers" in text


def test_what_is_odd_about_the_frames_is_said() -> None:
    shown = Container(20, 64, 48, 240.0, remarks=("turned by 90 degrees",))
    text = describe(DivePrediction(Path("a.mp4"), "C3D-AVG", 20, shown, 83, 50.0, {}, None, False))
    assert "note: turned by 90 degrees" in text
    assert "most of what is scored is zero frames; the video has 20 of its own" in text
    assert "240 frames/s where the training videos have 25" in text


def test_words_with_a_vocabulary_and_the_command_line(
    video: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = score_dive(video, weights).caption
    assert numbers
    (weights / "vocab.json").write_text(json.dumps({"ix_to_word": WORDS}))
    assert cli.main(["score", str(video), "--weights", str(weights)]) == 0
    out = capsys.readouterr().out
    assert "token numbers" not in out
    assert f"caption: {' '.join(({'1': '<sos>'} | WORDS)[number] for number in numbers)}\n" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a vocabulary"),
        ("[]", "not a vocabulary"),
        ('{"ix_to_word": {"two": "a"}}', "not a vocabulary"),
        (json.dumps({"ix_to_word": {"2": "a"}}), "no word for 4 of the network's 7 tokens, 3 the first"),
    ],
)
def test_bad_vocabulary(tmp_path: Path, network: Network, content: str, message: str) -> None:
    (tmp_path / "vocab.json").write_text(content)
    with pytest.raises(RescoreError, match=message):
        read_vocabulary(tmp_path / "vocab.json", network)


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["MALICE"],)


def test_bad_weights_and_video(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MALICE", str(tmp_path / "ran"))
    assert cli.main(["score", str(video), "--weights", str(tmp_path)]) == 1
    assert "no checkpoint of the authors' here" in capsys.readouterr().err
    torch.save({"embedding.weight": Malicious()}, tmp_path / "model_caption.pth")
    with pytest.raises(RescoreError, match="refused"):
        score_dive(video, tmp_path)
    assert not (tmp_path / "ran").exists()
    (tmp_path / "model_caption.pth").unlink()
    with torch.device("meta"):
        empty = MSCADC(("score",))
    save_authors_weights(empty.to_empty(device="cpu"), tmp_path)
    (tmp_path / "model_CNN.pth").write_bytes(b"cut")
    with pytest.raises(RescoreError, match="model_CNN.pth"):
        score_dive(video, tmp_path)
