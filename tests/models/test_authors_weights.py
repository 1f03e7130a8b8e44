import os
from pathlib import Path

import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.models.authors_weights import (
    Network,
    authors_names,
    authors_network,
    load_authors_weights,
)
from rescore.models.c3d_avg import C3DAverage
from rescore.models.mscadc import MSCADC
from tests.authors_files import save_authors_weights

WIDTHS = {"width": 1 / 32, "vocabulary": 7, "caption_hidden": 4, "caption_embedding": 4}
ALL = ("score", "classes", "caption")


def c3d_avg(seed: int = 0, tasks: tuple[str, ...] = ALL) -> C3DAverage:
    torch.manual_seed(seed)
    return C3DAverage(tasks, crop=32, **WIDTHS)  # type: ignore[arg-type]


def mscadc(seed: int = 0, tasks: tuple[str, ...] = ALL) -> MSCADC:
    torch.manual_seed(seed)
    return MSCADC(tasks, crop=48, head_width=1 / 12, **WIDTHS)  # type: ignore[arg-type]


def equal(one: Network, other: Network) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("build", [c3d_avg, mscadc])
def test_saving_and_loading_gives_the_same_network(build, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    network, other = build(0).to(memory_format=torch.channels_last_3d), build(1)
    assert not equal(network, other)
    save_authors_weights(network, tmp_path)
    load_authors_weights(other, tmp_path)
    assert equal(network, other)


def test_their_files_and_names(tmp_path: Path) -> None:
    save_authors_weights(c3d_avg(), tmp_path)
    files = {path.name: set(torch.load(path, weights_only=True)) for path in tmp_path.iterdir()}
    assert files["model_my_fc6.pth"] == {"fc.weight", "fc.bias"}
    assert files["model_score_regressor.pth"] == {"fc_final_score.weight", "fc_final_score.bias"}
    assert {name.split(".")[0] for name in files["model_dive_classifier.pth"]} == {
        "fc_position",
        "fc_armstand",
        "fc_rot_type",
        "fc_ss_no",
        "fc_tw_no",
    }
    assert {name.split(".")[0] for name in files["model_caption.pth"]} == {"rnn1", "rnn2", "embedding", "out"}
    assert {"conv1.weight", "conv5b.bias"} <= files["model_CNN.pth"]


def test_names_are_a_bijection() -> None:
    for network in (c3d_avg(), mscadc()):
        names = authors_names(network)
        assert len(set(names.values())) == len(names) == len(network.state_dict())


def test_files_of_other_tasks_are_not_needed(tmp_path: Path) -> None:
    save_authors_weights(mscadc(0), tmp_path)
    (tmp_path / "model_caption.pth").write_bytes(b"not a checkpoint")
    network = mscadc(1, ("score", "classes"))
    load_authors_weights(network, tmp_path)
    assert torch.equal(network.body.get_parameter("conv1.weight"), mscadc(0).body.get_parameter("conv1.weight"))


def test_epochs(tmp_path: Path) -> None:
    for epoch in (3, 94):
        save_authors_weights(mscadc(epoch), tmp_path / "new")
        for path in (tmp_path / "new").iterdir():
            path.rename(tmp_path / f"{path.stem}_{epoch}.pth")
    network = mscadc()
    with pytest.raises(RescoreError, match=r"(?s)model_CNN: model_CNN_3.pth, model_CNN_94.pth.*model_caption.*epoch"):
        load_authors_weights(network, tmp_path)
    load_authors_weights(network, tmp_path, epoch=94)
    assert equal(network, mscadc(94))


def test_all_differences_at_once_and_nothing_is_loaded(tmp_path: Path) -> None:
    save_authors_weights(c3d_avg(0), tmp_path)
    body = torch.load(tmp_path / "model_CNN.pth", weights_only=True)
    del body["conv2.bias"]
    body["conv9.weight"] = torch.zeros(1)
    body["conv1.bias"] = torch.zeros(77)
    body["conv3a.bias"][0] = float("nan")
    torch.save(body, tmp_path / "model_CNN.pth")
    (tmp_path / "model_score_regressor.pth").unlink()
    network = c3d_avg(1)
    with pytest.raises(RescoreError) as error:
        load_authors_weights(network, tmp_path)
    for part in (
        "conv2.bias (4,) is missing",
        "conv9.weight (1,) is not in the network",
        "conv1.bias is (77,), not (2,)",
        "conv3a.bias has values that are not finite",
        "model_score_regressor: no file",
    ):
        assert part in str(error.value)
    assert equal(network, c3d_avg(1))


def test_vocabulary_of_another_size(tmp_path: Path) -> None:
    save_authors_weights(c3d_avg(), tmp_path)
    network = C3DAverage(crop=32, **(WIDTHS | {"vocabulary": 8}))  # type: ignore[arg-type]
    with pytest.raises(RescoreError, match=r"(?s)embedding.weight is \(7, 4\), not \(8, 4\).*vocabulary"):
        load_authors_weights(network, tmp_path)


class Malice:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {os.environ['MALICE']}",)


def test_malicious_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALICE", str(tmp_path / "ran"))
    save_authors_weights(c3d_avg(), tmp_path)
    torch.save({"conv1.weight": Malice()}, tmp_path / "model_CNN.pth")
    with pytest.raises(RescoreError, match="refused"):
        load_authors_weights(c3d_avg(), tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04cut"])
def test_damaged_file(content: bytes, tmp_path: Path) -> None:
    save_authors_weights(c3d_avg(), tmp_path)
    (tmp_path / "model_CNN.pth").write_bytes(content)
    with pytest.raises(RescoreError, match="model_CNN.pth"):
        load_authors_weights(c3d_avg(), tmp_path)


def test_truncated_file(tmp_path: Path) -> None:
    save_authors_weights(c3d_avg(), tmp_path)
    path = tmp_path / "model_CNN.pth"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RescoreError, match="model_CNN.pth"):
        load_authors_weights(c3d_avg(), tmp_path)


def test_not_a_state_dict(tmp_path: Path) -> None:
    save_authors_weights(c3d_avg(), tmp_path)
    torch.save({"epoch": 3}, tmp_path / "model_CNN.pth")
    with pytest.raises(RescoreError, match="not a state dict"):
        load_authors_weights(c3d_avg(), tmp_path)


def test_empty_or_missing_directory(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(RescoreError, match="no checkpoint"):
            authors_network(directory)


def test_body_alone_is_no_network(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "model_CNN.pth")
    with pytest.raises(RescoreError, match="no head"):
        authors_network(tmp_path)


def test_directory_describes_its_network(tmp_path: Path) -> None:
    """Full size, since the authors' files know no other; one task, so that it stays quick."""
    torch.manual_seed(0)
    network = MSCADC(("score", "caption"), vocabulary=11)
    save_authors_weights(network, tmp_path)
    found = authors_network(tmp_path)
    assert isinstance(found, MSCADC)
    assert found.tasks == ("score", "caption")
    assert found.captioner.vocabulary == 11
    assert not found.training
    assert equal(found, network)
