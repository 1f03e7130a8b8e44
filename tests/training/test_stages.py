"""Training of S3D and Li et al.: a killed run ends where an undisturbed one does, and a diverging one stops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.systems.common.dives import read_dives
from rescore.training.multitask import Source, load
from rescore.training.stages import batches, read, train
from tests.systems.stage_files import stage_settings
from tests.training.dives import SHIFT, WORDS, write_dives


class Small(nn.Module):
    """A network with what the real ones have: convolution, batch norm, dropout, a score."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4)), nn.BatchNorm3d(8), nn.ReLU())
        self.head = nn.Linear(8, 1)

    def forward(self, video: Tensor) -> dict[str, Tensor]:
        features = F.dropout(self.body(video).amax((2, 3, 4)), 0.1, self.training)
        return {"score": self.head(features).squeeze(1)}


def squared(outputs: Any, target: Tensor, section: Any) -> Tensor:
    return F.mse_loss(outputs["score"], target)


@pytest.fixture(scope="module")
def dives(tmp_path_factory: pytest.TempPathFactory) -> Any:
    files = write_dives(tmp_path_factory.mktemp("dives"))
    paths = files["clips"], files["rows"], files["splits"]
    wanted = stage_settings()["multitask"]
    return read_dives(wanted["clips"]["crop"], ("score",), "1059", *paths, WORDS, wanted)[1]


def trained(dives: Any, restart: Path, **changes: Any) -> tuple[Any, Small]:
    torch.manual_seed(0)
    network, found = Small(), stage_settings(**changes)
    frames = np.tile(np.arange(0, 32, 4) + SHIFT, (len(dives.points), 1))
    common = found["multitask"], found["stages"]["s3d"], "rgb_imagenet", 0, restart, "key"
    return train(network, dives, frames, squared, *common), network


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_run_that_goes_on_ends_as_an_undisturbed_one(dives: Any, tmp_path: Path, optimiser: str) -> None:
    whole, network = trained(dives, tmp_path / "whole.safetensors", optimiser=optimiser, epochs=2)
    trained(dives, tmp_path / "killed.safetensors", optimiser=optimiser, epochs=1)
    resumed, again = trained(dives, tmp_path / "killed.safetensors", optimiser=optimiser, epochs=2)
    assert resumed.curve == whole.curve
    np.testing.assert_array_equal(resumed.scores, whole.scores)
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_scores_are_learned(dives: Any, tmp_path: Path) -> None:
    progress, _ = trained(dives, tmp_path / "learned.safetensors", epochs=15, learning_rate=0.03, anneal_every=9)
    assert progress.curve[-1]["loss"] < 0.3 * progress.curve[0]["loss"]
    assert progress.curve[-1]["test_correlation"] > 0.7


def test_a_loss_that_is_not_finite_stops_the_training(dives: Any, tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="training diverged: the mean loss of epoch 1"):
        trained(dives, tmp_path / "x.safetensors", optimiser="sgd", learning_rate=1e30, epochs=1)


def test_no_batch_is_a_single_sample() -> None:
    sizes = {n: [part.stop - part.start for part in batches(n, 4)] for n in (3, 8, 9, 10)}
    assert sizes == {3: [3], 8: [4, 4], 9: [4, 5], 10: [4, 4, 2]}
    assert [number for part in batches(9, 4) for number in range(9)[part]] == list(range(9))


def test_a_pooled_picture_is_the_mean_of_its_squares(dives: Any) -> None:
    rows, still = torch.tensor([0, 3]), torch.zeros(2, dtype=torch.long)
    source = Source(torch.from_numpy(np.array(dives.clips)), torch.arange(6), "rgb_imagenet", torch.device("cpu"))
    whole = load(source, rows, still, still.bool())
    pooled = read(source, rows, still, still.bool(), 2)
    torch.testing.assert_close(pooled, whole.unflatten(4, (-1, 2)).unflatten(3, (-1, 2)).mean((4, 6)))
    assert pooled.is_contiguous(memory_format=torch.channels_last_3d)
