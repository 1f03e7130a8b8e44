"""Training ACTION-NET: a small problem that takes both streams, members apart from each other, what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.systems.action_net.loop import batches, dropout, train_action_net
from rescore.training.semi_supervised import Member

SETTINGS: dict[str, Any] = {
    "width": 8,
    "attention_width": 6,
    "head_width": 12,
    "dropout": 0.2,
    "iterations": 300,
    "batch": 16,
    "learning_rate": 0.05,
    "head_rate": 5.0,
    "momentum": 0.9,
    "weight_decay": 0.0001,
    "anneal_at": [0.75, 0.875],
    "evaluate_every": 150,
}
SHORT = SETTINGS | {"iterations": 12, "evaluate_every": 5}


def problem(samples: int = 100) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Segments and moments that show half of the score each; some moments are missing."""
    random = np.random.default_rng(0)
    cause = random.standard_normal((2, samples))
    segments = 0.5 * random.standard_normal((samples, 4, 5))
    moments = 0.5 * random.standard_normal((samples, 6, 3))
    segments[:, :, 0] += cause[0, :, None]
    moments[:, :, 1] += cause[1, :, None]
    moments[random.random((samples, 6)) < 0.2] = np.nan
    moments[:, 0] = np.nan_to_num(moments[:, 0])
    return segments, moments, 1 / (1 + np.exp(-cause.sum(axis=0)))


def member(seed: int = 0, labelled: int = 60, name: str = "action_net/x/40") -> Member:
    rows = np.random.default_rng(seed).permutation(70)[:labelled]
    return Member(name, seed, rows, problem()[2][rows], np.arange(0), np.arange(70, 100))


def test_it_learns_from_both_streams():
    segments, moments, scores = problem()
    random = np.random.default_rng(1).permutation(100)

    def found(first: np.ndarray, second: np.ndarray) -> float:
        trained = train_action_net(first, second, [member()], SETTINGS)
        assert list(trained.predictions) == [150, 300]
        predicted = trained.predictions[300][0]
        assert ((predicted > 0) & (predicted < 1)).all()
        return float(spearmanr(predicted, scores[70:])[0])

    whole = found(segments, moments)
    assert whole > 0.85
    assert found(segments[random], moments) < whole - 0.1
    assert found(segments, moments[random]) < whole - 0.1


def test_a_member_is_what_it_is_alone_and_the_same_bytes_come_again():
    segments, moments, _ = problem()
    members = [member(0), member(1, labelled=20, name="action_net/y/40")]
    together = train_action_net(segments, moments, members, SHORT)
    alone = train_action_net(segments, moments, members[1:], SHORT)
    assert list(together.predictions) == [5, 10, 12]
    np.testing.assert_allclose(together.predictions[12][1], alone.predictions[12][0], rtol=1e-4, atol=1e-5)
    assert not np.allclose(together.predictions[12][0], together.predictions[12][1])
    again = train_action_net(segments, moments, members, SHORT)
    assert all(np.array_equal(together.weights[name], again.weights[name]) for name in together.weights)


def test_only_labelled_videos_move_the_weights():
    segments, moments, _ = problem()
    first = train_action_net(segments, moments, [member()], SHORT)
    changed = segments.copy()
    changed[np.setdiff1d(np.arange(100), member().labelled)] += 3
    second = train_action_net(changed, moments, [member()], SHORT)
    assert all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)
    assert not np.allclose(first.predictions[12][0], second.predictions[12][0])


def test_every_epoch_shows_every_labelled_video_once():
    drawn = batches(member(labelled=10), SHORT | {"batch": 5})
    assert drawn.shape == (12, 5)
    for epoch in drawn.reshape(6, 10):
        assert sorted(epoch) == list(range(10))


def test_dropout_keeps_the_mean():
    kept = dropout([torch.Generator().manual_seed(seed) for seed in (0, 1)], (400, 50), 0.25)
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean().item() == pytest.approx(1, abs=0.02)
    assert not torch.equal(kept[0], kept[1])
    assert (dropout([torch.Generator()], (3, 4), 0.0) == 1).all()


def test_what_cannot_be_trained_on_is_said_together():
    segments, moments, _ = problem()
    segments[member().labelled[0], 1, 2] = np.inf
    moments[75] = np.nan
    moments[80, 0, 1] = np.nan
    bad = replace(member(), targets=member().targets * 3)
    empty = Member("action_net/z/40", 0, np.arange(0), np.arange(0.0), np.arange(0), np.arange(70, 100))
    with pytest.raises(
        RescoreError,
        match=r"(?s)segments are not finite.*75: no moment.*80: moments are partly.*z/40: no labelled.*x/40: targets outside",
    ):
        train_action_net(segments, moments, [bad, empty], SHORT)
    with pytest.raises(RescoreError, match="100 segment rows, 99 of moments"):
        train_action_net(segments, moments[:99], [member()], SHORT)
    with pytest.raises(RescoreError, match=r"(?s)not finite at iteration.*x/40.*learning_rate"):
        train_action_net(*problem()[:2], [member()], SHORT | {"learning_rate": 1e30})
