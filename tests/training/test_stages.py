"""What S3D and Li et al.'s network ask of the loop: SGD, a rate that falls, frames of their own; a diverging training stops."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.trainable import Trainable
from rescore.systems.common.dives import DiveFiles, read_dives
from rescore.systems.common.stage_members import TRAINING
from rescore.training.end_to_end import train
from tests.systems.stage_files import stage_settings
from tests.training.dives import SHIFT, WORDS, write_dives


class Small(Trainable):
    """A network with what the real ones have: convolution, batch norm, dropout, a score."""

    tasks = ("score",)
    least_batch = 2

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4)), nn.BatchNorm3d(8), nn.ReLU())
        self.head = nn.Linear(8, 1)

    def encode(self, video: Tensor) -> Tensor:
        return F.dropout(self.body(video).amax((2, 3, 4)), 0.1, self.training)

    def heads(self, encoded: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        return {"score": self.head(encoded).squeeze(1)}

    def losses(self, outputs: Any, wanted: Any, weights: Any) -> dict[str, Tensor]:
        return {"total": F.mse_loss(outputs["score"], wanted["score"])}


@pytest.fixture(scope="module")
def dives(tmp_path_factory: pytest.TempPathFactory) -> Any:
    files = write_dives(tmp_path_factory.mktemp("dives"))
    wanted = stage_settings()["multitask"]
    read = DiveFiles(**{name: files[name] for name in ("clips", "rows", "splits")})
    found = read_dives(read, wanted["clips"]["crop"], ("score",), "1059", WORDS, wanted)[1]
    return replace(found, frames=np.tile(np.arange(0, 32, 4) + SHIFT, (len(found.points), 1)))


def trained(dives: Any, restart: Path, **changes: Any) -> tuple[Any, Small]:
    torch.manual_seed(0)
    network, found = Small(), stage_settings(**changes)
    section = {name: found["stages"]["s3d"][name] for name in TRAINING}
    return train(network, dives, {**found["multitask"], **section}, "rgb_imagenet", 0, restart, "key"), network


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
    assert [row["learning_rate"] for row in progress.curve] == [0.03] * 9 + [0.015] * 6


def test_a_loss_that_is_not_finite_stops_the_training(dives: Any, tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="training diverged: the mean losses of epoch 1"):
        trained(dives, tmp_path / "x.safetensors", optimiser="sgd", learning_rate=1e30, epochs=1)
