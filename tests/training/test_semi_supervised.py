"""Training of semi-supervised systems: losses term by term, members apart from each other, what unlabelled videos do."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.losses import DIVE_CLASSES
from rescore.models.s4aqa import AssessmentNetwork, mask_segments
from rescore.training.semi_supervised import (
    LABELS_ALONE,
    SYSTEMS,
    Batch,
    Member,
    alignment_loss,
    fixed_orders,
    s4aqa_loss,
    train_system,
)

SETTINGS: dict[str, Any] = {
    "encoder": {"segment_width": 6, "width": 8},
    "masked_slot": "zero",
    "decoder_width": 8,
    "discriminator_width": 6,
    "recovery_weight": 8.0,
    "alignment_weight": 0.1,
    "reversal": 1.0,
    "iterations": 12,
    "labelled_batch": 4,
    "unlabelled_batch": 5,
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "evaluate_every": 5,
    "pseudo_labels": {"warm_up": 0.25, "renew_every": 4, "weight": 0.5},
    "vat": {"epsilon": 0.1, "xi": 0.01, "power_iterations": 1, "weight": 1.0},
    "s4l": {"orders": 6, "weight": 0.5},
    "usdl": {"bins": 21, "sd": 2, "widths": [9]},
    "c3d_avg": {"width": 8, "class_weight": 1.0},
}


def table(samples: int = 40) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((samples, 3, 5)).astype(np.float32)


def member(name: str, seed: int = 0, labelled: int = 9) -> Member:
    values = table()
    rows = np.random.default_rng(seed + 1).permutation(30)
    classes = {key: np.arange(labelled) % count for key, count in DIVE_CLASSES.items()}
    return Member(
        name=name,
        seed=seed,
        labelled=rows[:labelled],
        targets=values[rows[:labelled], :, 0].mean(axis=1).astype(np.float64),
        unlabelled=rows[labelled:],
        evaluated=np.arange(30, 40),
        classes=classes if name.startswith("c3d_avg_mtl") else {},
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_member_is_what_it_is_alone(system):
    members = [member(f"{system}/x/10", 0), member(f"{system}/x/40", 1, labelled=14)]
    together = train_system(system, table(), members, SETTINGS)
    alone = train_system(system, table(), members[1:], SETTINGS)
    assert list(together.predictions) == [5, 10, 12]
    for iteration in together.predictions:
        np.testing.assert_allclose(
            together.predictions[iteration][1], alone.predictions[iteration][0], rtol=1e-3, atol=1e-4
        )
    assert not np.allclose(together.predictions[12][0], together.predictions[12][1])
    again = train_system(system, table(), members, SETTINGS)
    assert all(np.array_equal(together.weights[name], again.weights[name]) for name in together.weights)


@pytest.mark.parametrize("system", SYSTEMS)
def test_who_reads_unlabelled_videos(system):
    values, one = table(), member(f"{system}/x/10")
    other = values.copy()
    other[one.unlabelled] += 1
    before = train_system(system, values, [one], SETTINGS).predictions[12][0]
    after = train_system(system, other, [one], SETTINGS).predictions[12][0]
    assert np.array_equal(before, after) == (system in LABELS_ALONE)


def batch_of(values: torch.Tensor) -> Batch:
    return Batch(
        labelled=values[:, :4],
        targets=torch.linspace(-1, 1, 4).expand(len(values), -1),
        classes={},
        unlabelled=values[:, 4:9],
        pseudo=None,
        masked=torch.tensor([[0, 1, 2, 0, 1]]).expand(len(values), -1),
        order=torch.zeros(len(values), 9, dtype=torch.long),
        known_orders=fixed_orders(3, 1),
        noise=lambda: torch.randn(len(values), 5, 3, 5),
    )


def test_the_loss_is_the_sum_of_its_three_terms():
    network = AssessmentNetwork(SYSTEMS["s4aqa"], [0, 1], 3, 5, SETTINGS)
    batch = batch_of(torch.randn(2, 9, 3, 5))
    found = s4aqa_loss(network, batch, SETTINGS)
    for place in range(2):
        features = [
            network.encoder(part)[place]
            for part in (batch.labelled, batch.unlabelled, mask_segments(batch.unlabelled, batch.masked, "zero"))
        ]
        regression = F.mse_loss(network(batch.labelled)[place], batch.targets[place])
        recovered = network.decoder(network.encoder(mask_segments(batch.unlabelled, batch.masked, "zero")))[place]
        hidden = torch.stack([batch.unlabelled[place, row, batch.masked[place, row]] for row in range(5)])
        stacked = torch.zeros(2, 14, 8)
        stacked[place] = torch.cat(features)
        logits = network.discriminator(stacked)[place, :, 0]
        labels = torch.tensor([1.0] * 4 + [0.0] * 10)
        wanted = (
            regression + 8 * F.l1_loss(recovered, hidden) + 0.1 * F.binary_cross_entropy_with_logits(logits, labels)
        )
        torch.testing.assert_close(found[place], wanted)


def test_alignment_teaches_the_encoder_the_opposite():
    network = AssessmentNetwork(SYSTEMS["rda"], [0], 3, 5, SETTINGS)
    labelled, unlabelled = torch.randn(1, 4, 8), torch.randn(1, 6, 8)
    gradients = []
    for coefficient in (1.0, -1.0):  # -1 reverses the reversal: the plain gradient
        x = labelled.clone().requires_grad_()
        loss = alignment_loss(network, x, unlabelled, coefficient)
        gradients.append(torch.autograd.grad(loss.sum(), x)[0])
    torch.testing.assert_close(gradients[0], -gradients[1])
    step = labelled - 0.1 * gradients[0]  # a descent step of the encoder raises the discriminator's loss
    assert alignment_loss(network, step, unlabelled, 1.0) > alignment_loss(network, labelled, unlabelled, 1.0)


def test_systems_learn_what_segments_show():
    settings = SETTINGS | {"iterations": 300, "evaluate_every": 300}
    values = table()
    truth = values[30:, :, 0].mean(axis=1)
    for system in ("aa", "s4aqa", "vat"):
        one = member(f"{system}/x/10", labelled=25)
        predicted = train_system(system, values, [one], settings).predictions[300][0]
        assert np.corrcoef(predicted, truth)[0, 1] > 0.5, system


def test_orders_are_different_and_start_with_the_right_one():
    found = fixed_orders(3, 6).tolist()
    assert found[0] == [0, 1, 2]
    assert len({tuple(order) for order in found}) == 6
    with pytest.raises(RescoreError, match="6 orders"):
        fixed_orders(3, 7)


def test_members_that_cannot_be_trained_are_named_together():
    empty = np.array([], int)
    bad = [replace(member("s4aqa/a"), unlabelled=empty), replace(member("s4aqa/b"), labelled=empty, targets=empty)]
    with pytest.raises(RescoreError, match=r"(?s)s4aqa/b: no labelled.*s4aqa/a: no unlabelled"):
        train_system("s4aqa", table(), bad, SETTINGS)
    with pytest.raises(RescoreError, match="no such system"):
        train_system("s5", table(), bad, SETTINGS)
    values = table()
    values[3, 1, 2] = np.nan
    with pytest.raises(RescoreError, match="sample 3"):
        train_system("aa", values, [member("aa/a")], SETTINGS)


def test_a_loss_that_stops_being_finite_names_its_members():
    settings = SETTINGS | {"learning_rate": 1.0, "weight_decay": 0.0}
    one = member("aa/x/10")
    bad = replace(one, targets=one.targets * 1e30)
    with pytest.raises(RescoreError, match="aa/x/10"):
        train_system("aa", table(), [bad], settings)
