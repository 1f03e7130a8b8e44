"""Training of S3D and Li et al.: a killed run ends where an undisturbed one does, and a diverging one stops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rescore.errors import RescoreError
from rescore.experiments.mtl_aqa import read_dives
from rescore.models.s3d import S3D, s3d_loss
from rescore.models.tcn import stage_frames
from rescore.training.stages import train
from tests.experiments.stage_files import stage_settings
from tests.training.dives import FRAMES, SHIFT, WORDS, write_dives


@pytest.fixture(scope="module")
def dives(tmp_path_factory: pytest.TempPathFactory) -> Any:
    files = write_dives(tmp_path_factory.mktemp("dives"))
    paths = files["clips"], files["rows"], files["splits"]
    return read_dives("c3d_avg", ("score",), "1059", *paths, WORDS, stage_settings()["multitask"])[1]


def trained(dives: Any, restart: Path, **changes: Any) -> tuple[Any, S3D]:
    torch.manual_seed(0)
    network = S3D((1, 1, 1, 1), 0.0625, dropout=0.2)
    cuts = np.tile([2, 10, 20, 26], (len(dives.points), 1))
    found = stage_settings(**changes)
    common = found["multitask"], found["stages"]["s3d"], "rgb_imagenet", 0, restart, "key"
    return train(network, dives, stage_frames(cuts, FRAMES, 16) + SHIFT, s3d_loss, *common), network


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
    progress, _ = trained(dives, tmp_path / "learned.safetensors", epochs=4, learning_rate=0.01, anneal_every=9)
    losses = [row["loss"] for row in progress.curve]
    assert losses[-1] < 0.5 * losses[0]


def test_a_loss_that_is_not_finite_stops_the_training(dives: Any, tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="training diverged: the mean loss of epoch 1"):
        trained(dives, tmp_path / "x.safetensors", optimiser="sgd", learning_rate=1e30, epochs=1)
