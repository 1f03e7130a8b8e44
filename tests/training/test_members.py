import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays
from rescore.models.c3d_lstm import (
    initial_weights,
    label_shares,
    loss_and_gradients,
    lstm_states,
    predict_steps,
    weight_shapes,
)
from rescore.training.members import Member, TrainedMember, run_clips, sample_order, stack_size, train_members
from rescore.training.restart import Restarts
from rescore.training.schedule import annealed

SETTINGS = {
    "width": 8,
    "initial_sd": 0.1,
    "learning_rate": 0.003,
    "anneal_every": 200,
    "anneal_factor": 0.5,
    "iterations": 300,
    "batch": 15,
    "evaluate_every": 100,
    "checkpoint_every": 150,
}


def planted(samples: int = 160, offsets: int = 3, width: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features whose first columns carry a quality in noise, and the quality plus 3."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=samples)
    features = rng.normal(size=(samples, offsets, 6, width))
    features[..., :4] += quality[:, None, None, None]
    return features.astype(np.float16), quality + 3


def make_members(targets: np.ndarray, count: int = 3, train: int = 100) -> list[Member]:
    rows = np.arange(train)
    test = np.arange(train, len(targets))
    return [Member(f"subset/{i}", 1, rows[i:], targets[rows[i:]], test[i:]) for i in range(count)]


def same(left: TrainedMember, right: TrainedMember) -> bool:
    return all(np.array_equal(left.weights[name], right.weights[name]) for name in left.weights) and all(
        np.array_equal(left.predictions[at], right.predictions[at]) for at in left.predictions | right.predictions
    )


@pytest.mark.parametrize("power", [None, 1.0, 2.0])
def test_head_equals_lstm_and_linear_in_value_and_gradient(power: float | None) -> None:
    members, steps, batch, features, width = 3, 6, 5, 7, 4
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weights = {name: draw(members, *shape) for name, shape in weight_shapes(features, width).items()}
    clips, targets = draw(members, steps, batch, features), draw(members, batch)
    shares = None if power is None else torch.tensor([(k / steps) ** power for k in range(1, steps + 1)]).double()
    loss, gradients = loss_and_gradients(weights, clips, targets, shares)
    growing = predict_steps(weights, clips)
    for index in range(members):
        lstm, linear = nn.LSTM(features, width).double(), nn.Linear(width, 1).double()
        with torch.no_grad():
            lstm.bias_hh_l0.zero_()
            for parameter, name in (
                (lstm.weight_ih_l0, "lstm.weight_ih"),
                (lstm.weight_hh_l0, "lstm.weight_hh"),
                (lstm.bias_ih_l0, "lstm.bias"),
                (linear.weight[0], "fc.weight"),
                (linear.bias[0], "fc.bias"),
            ):
                parameter.copy_(weights[name][index])
        scores = linear(lstm(clips[index])[0]).squeeze(2)  # (T, B)
        torch.testing.assert_close(growing[index], scores.detach(), rtol=1e-12, atol=1e-12)
        asked, labels = (scores[-1:], targets[None, index])  # of the last clip, or of each
        if shares is not None:
            asked, labels = scores, shares[:, None] * targets[index]
        expected = torch.nn.functional.mse_loss(asked, labels) / 2
        expected.backward()
        torch.testing.assert_close(loss[index], expected.detach(), rtol=1e-12, atol=1e-12)
        found = {name: gradient[index] for name, gradient in gradients.items()}
        for name, gradient in (
            ("lstm.weight_ih", lstm.weight_ih_l0.grad),
            ("lstm.weight_hh", lstm.weight_hh_l0.grad),
            ("lstm.bias", lstm.bias_ih_l0.grad),
            ("fc.weight", linear.weight.grad[0]),
            ("fc.bias", linear.bias.grad[0]),
        ):
            torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-12)


def test_labels_grow_to_the_whole_score() -> None:
    np.testing.assert_allclose(label_shares(4, 1.0), [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(label_shares(2, 2.0), [0.25, 1.0])
    assert label_shares(9, 0.5)[-1] == 1


def test_incremental_labels_teach_the_score_so_far() -> None:
    features, targets = planted()
    member = make_members(targets, 1)[0]
    shares = label_shares(6, 3.0)  # far from what training on the last clip alone makes of the others
    plain = train_members(features, [member], SETTINGS)[0]
    growing = train_members(features, [member], SETTINGS, shares=shares)[0]
    _, steps = run_clips(growing.weights, features[member.evaluate_rows, 0])
    np.testing.assert_allclose(steps[:, -1], growing.predictions[300], rtol=1e-4, atol=1e-4)
    mean = targets[member.train_rows].mean()
    np.testing.assert_allclose(steps.mean(axis=0), mean * shares, atol=0.35)
    assert np.corrcoef(steps[:, -1], targets[member.evaluate_rows])[0, 1] > 0.7
    _, untaught = run_clips(plain.weights, features[member.evaluate_rows, 0])
    assert np.abs(untaught.mean(axis=0) - mean * shares).max() > 1


def test_states_of_one_member_are_those_of_the_stack() -> None:
    features, targets = planted()
    trained = train_members(features, make_members(targets, 2), {**SETTINGS, "iterations": 20})[1]
    states, steps = run_clips(trained.weights, features[:150, 0])  # three batches
    assert states.shape == (150, 6, 8)
    weights = {name: torch.from_numpy(np.array(value))[None] for name, value in trained.weights.items()}
    clips = torch.from_numpy(features[:150, 0].astype(np.float32)).transpose(0, 1)[None]
    np.testing.assert_allclose(states[:, -1], lstm_states(weights, clips.contiguous())[3][0, -1].numpy(), atol=1e-6)
    np.testing.assert_allclose(
        steps, states @ trained.weights["fc.weight"] + trained.weights["fc.bias"], rtol=1e-5, atol=1e-5
    )


def test_initial_weights_are_gaussian_with_zero_biases() -> None:
    weights = initial_weights(100, 32, 0.1, np.random.default_rng(0))
    assert {name: value.shape for name, value in weights.items()} == weight_shapes(100, 32)
    assert not weights["lstm.bias"].any()
    assert not weights["fc.bias"].any()
    assert weights["lstm.weight_ih"].std() == pytest.approx(0.1, rel=0.02)


def test_step_size_is_halved() -> None:
    assert [annealed(0.001, at, 3000, 0.5) for at in (0, 2999, 3000, 6000)] == [0.001, 0.001, 0.0005, 0.00025]


def test_an_epoch_is_every_sample_at_every_offset_once() -> None:
    member = Member("m", 0, np.array([4, 7, 9]), np.array([0.4, 0.7, 0.9]), np.array([0]))
    items, targets = sample_order(member, 3, 20)
    everything = [12, 13, 14, 21, 22, 23, 27, 28, 29]
    assert sorted(items[:9]) == sorted(items[9:18]) == everything
    assert not np.array_equal(items[:9], items[9:18])
    assert np.allclose(targets, items // 3 / 10)
    assert np.array_equal(sample_order(member, 3, 11)[0], items[:11])
    assert not np.array_equal(sample_order(replace(member, name="n"), 3, 20)[0], items)
    assert not np.array_equal(sample_order(replace(member, seed=1), 3, 20)[0], items)


def test_training_learns_the_planted_signal_of_its_own_samples() -> None:
    features, targets = planted()
    learner, other = make_members(targets, 2)
    other = replace(other, train_targets=6 - other.train_targets)
    trained = train_members(features, [learner, other], SETTINGS, evaluate_at_start=True)
    found = [np.corrcoef(t.predictions[300], targets[t.member.evaluate_rows])[0, 1] for t in trained]
    assert list(trained[0].predictions) == [0, 100, 200, 300]
    assert found[0] > 0.7
    assert found[1] < -0.7
    error = np.square(trained[0].predictions[300] - targets[learner.evaluate_rows]).mean()
    assert error < np.square(trained[0].predictions[0] - targets[learner.evaluate_rows]).mean() / 4


def test_a_member_does_not_depend_on_its_fellows() -> None:
    features, targets = planted()
    members = make_members(targets, 4)
    together = train_members(features, members, SETTINGS)
    for at_once in (1, 3):
        for left, right in zip(
            together, train_members(features, members, SETTINGS, members_at_once=at_once), strict=True
        ):
            for name in left.weights:
                np.testing.assert_allclose(left.weights[name], right.weights[name], rtol=0, atol=1e-5)
            np.testing.assert_allclose(left.predictions[300], right.predictions[300], rtol=0, atol=1e-4)


def test_equal_calls_give_equal_bytes_and_seeds_differ() -> None:
    features, targets = planted()
    settings = {**SETTINGS, "iterations": 30}
    member = make_members(targets, 1)[0]
    first, again, other = (train_members(features, [m], settings)[0] for m in (member, member, replace(member, seed=2)))
    assert same(first, again)
    assert not same(first, other)


def test_no_iterations_evaluate_the_initial_weights() -> None:
    features, _ = planted()
    nothing = np.zeros(0, np.int64)
    member = Member("random", 0, nothing, nothing.astype(float), np.arange(100))
    trained = train_members(features, [member], {**SETTINGS, "iterations": 0})[0]
    assert list(trained.predictions) == [0]
    weights = initial_weights(12, 8, 0.1, member.generator(0))
    assert all(np.array_equal(trained.weights[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_targets": np.array([1.0, np.nan])}, r"subset/0 \(seed 1\): targets of rows \[1\] are not finite"),
        ({"train_rows": np.zeros(0, int), "train_targets": np.zeros(0)}, "no training samples"),
        ({"train_targets": np.ones(3)}, "2 training samples but 3 targets"),
        ({"initial": {"fc.bias": np.zeros(())}}, "initial weights are not those of lstm.width 8 on 12 features"),
    ],
)
def test_bad_members_are_named(change: dict, message: str) -> None:
    features, _ = planted(10)
    member = replace(Member("subset/0", 1, np.array([0, 1]), np.array([1.0, 2.0]), np.array([6])), **change)
    with pytest.raises(RescoreError, match=message):
        train_members(features, [member], SETTINGS)


def test_features_of_the_wrong_shape_are_refused() -> None:
    features, targets = planted()
    with pytest.raises(RescoreError, match="temporal offset"):
        train_members(features[:, 0], make_members(targets), SETTINGS)
    with pytest.raises(RescoreError, match="test_offset"):
        train_members(features, make_members(targets), SETTINGS, test_offset=3)


def test_divergence_names_member_and_iteration() -> None:
    features, targets = planted()
    members = make_members(targets, 2)
    broken = {
        name: value * np.float32(1) for name, value in initial_weights(12, 8, 0.1, members[1].generator(0)).items()
    }
    broken["fc.bias"] = np.array(3e38, np.float32)
    with pytest.raises(RescoreError, match=r"subset/1 \(seed 1\): loss is not finite from iteration 0") as caught:
        train_members(features, [members[0], replace(members[1], initial=broken)], SETTINGS)
    assert "subset/0" not in str(caught.value)


def test_damaged_restart_point_is_an_error_and_a_foreign_one_is_not_used(tmp_path: Path) -> None:
    features, targets = planted()
    members, settings = make_members(targets, 1), {**SETTINGS, "iterations": 20}
    first = train_members(features, members, settings, restarts=Restarts(tmp_path, "a"))[0]
    other = train_members(features, members, {**settings, "learning_rate": 0.01}, restarts=Restarts(tmp_path, "a"))[0]
    assert not same(first, other)
    shares = label_shares(6, 1.0)
    third = train_members(features, members, settings, restarts=Restarts(tmp_path, "a"), shares=shares)[0]
    assert not same(first, third)
    assert same(third, train_members(features, members, settings, restarts=Restarts(tmp_path, "a"), shares=shares)[0])
    settings = {**settings, "learning_rate": 0.01}
    assert same(other, train_members(features, members, settings, restarts=Restarts(tmp_path, "a"))[0])
    point = next(tmp_path.iterdir())
    point.write_bytes(point.read_bytes()[:100])
    with pytest.raises(RescoreError, match="00000.safetensors"):
        train_members(features, members, settings, restarts=Restarts(tmp_path, "a"))


def test_memory_bounds_the_stack() -> None:
    small = stack_size((10, 6, 6, 512), {"width": 64, "batch": 15}, torch.device("cpu"))
    large = stack_size((10, 6, 6, 4096), {"width": 256, "batch": 15}, torch.device("cpu"))
    assert small > 39
    assert 1 <= large < small


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_members import LONG, make_members, planted
from rescore.training.members import train_members
from rescore.training.restart import Restarts
features, targets = planted()
train_members(features, make_members(targets), LONG, restarts=Restarts(Path(sys.argv[2]), "a"))
"""
LONG = {**SETTINGS, "iterations": 1500, "checkpoint_every": 50}


def test_killed_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    features, targets = planted()
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(Path(__file__).parent), str(killed)])
    deadline = time.monotonic() + 100
    while not list(killed.glob("0*.safetensors")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 50 <= load_arrays(killed / "00000.safetensors")[1]["iteration"] < 1500
    for restart in (killed, whole):
        train_members(features, make_members(targets), LONG, restarts=Restarts(restart, "a"))
    assert (killed / "00000.safetensors").read_bytes() == (whole / "00000.safetensors").read_bytes()
