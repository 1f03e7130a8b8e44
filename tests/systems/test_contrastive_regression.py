from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.systems.extensions.contrastive_regression import (
    ABSENT,
    ContrastiveRegression,
    Intervals,
    RegressionTree,
    swap,
)

SETTINGS: dict[str, Any] = {
    "aggregation": {},
    "contrastive": {"depth": 3, "hidden": 4, "range": 30.0, "exemplars": 2, "epochs_share": 1.0},
}
DIFFICULTY = np.array([3.0, 3.0, 3.0, 2.0, 2.0, 2.6, 3.0])
EXECUTION = np.array([20.0, 26.0, 15.0, 10.0, 12.0, 24.0, 21.0])
TRAIN = np.array([0, 1, 2, 3, 4])


def network() -> ContrastiveRegression:
    torch.manual_seed(0)
    made = ContrastiveRegression("c3d", "mean", 0.0625, 32, 1, SETTINGS, scale=17.0)
    made.prepare(TRAIN, DIFFICULTY, EXECUTION)
    return made


def test_leaves_of_the_tree_add_up_to_one_and_every_weight_learns() -> None:
    torch.manual_seed(0)
    tree = RegressionTree(5, 4, 4)
    leaves, places = tree(torch.randn(3, 5))
    assert leaves.shape == places.shape == (3, 8)
    torch.testing.assert_close(leaves.exp().sum(1), torch.ones(3))
    (leaves[:, 0].sum() + places.sum()).backward()
    assert all(parameter.grad is not None for parameter in tree.parameters())


def test_the_tree_walks_from_the_root() -> None:
    """Each node's own weights, node by node without groups."""
    torch.manual_seed(0)
    tree = RegressionTree(5, 4, 3)
    x = torch.randn(5)
    leaves, places = tree(x.unsqueeze(0))
    nodes = [(F.relu(tree.root(x)), torch.tensor(0.0))]
    for decision, children in zip(tree.decisions, tree.children_of, strict=True):
        below = []
        for number, (features, reached) in enumerate(nodes):
            ways = (
                decision.weight[2 * number : 2 * number + 2, :, 0] @ features
                + decision.bias[2 * number : 2 * number + 2]
            )
            made = (
                children.weight[8 * number : 8 * number + 8, :, 0] @ features
                + children.bias[8 * number : 8 * number + 8]
            )
            step = F.log_softmax(ways, 0)
            below += [(F.relu(made[:4]), reached + step[0]), (F.relu(made[4:]), reached + step[1])]
        nodes = below
    torch.testing.assert_close(leaves[0], torch.stack([reached for _, reached in nodes]))
    own = [tree.places.weight[n, :, 0] @ features + tree.places.bias[n] for n, (features, _) in enumerate(nodes)]
    torch.testing.assert_close(places[0], torch.stack(own))


def test_intervals_are_symmetric_hold_equal_shares_and_can_be_inverted() -> None:
    differences = np.random.default_rng(0).exponential(4, 1000)
    intervals = Intervals(differences, 8, 30.0)
    edges = intervals.edges.numpy()
    np.testing.assert_allclose(edges, -edges[::-1])
    assert (edges[0], edges[-1]) == (-30, 30)
    held, _ = np.histogram(np.minimum(differences, 29), edges[4:])
    np.testing.assert_allclose(held, 250, atol=2)
    signed = torch.from_numpy(np.concatenate([differences, -differences]).clip(-29, 29)).float()
    leaf, place = intervals.locate(signed)
    assert ((place >= 0) & (place <= 1)).all()
    torch.testing.assert_close(intervals.difference(leaf, place), signed, atol=1e-5, rtol=1e-5)


def test_intervals_without_width_and_without_pairs() -> None:
    same = Intervals(np.zeros(10), 4, 30.0)
    leaf, place = same.locate(torch.tensor([0.0, 2.0, -2.0]))
    torch.testing.assert_close(same.difference(leaf, place), torch.tensor([0.0, 2.0, -2.0]))
    np.testing.assert_allclose(Intervals(np.zeros(0), 4, 30.0).edges, [-30, -15, 0, 15, 30])


def test_exemplars_have_the_dives_difficulty_and_are_training_dives() -> None:
    made = network()
    drawn = made.companions(np.array([0, 1, 2, 3, 4] * 20), np.random.default_rng(0))
    own = np.array([0, 1, 2, 3, 4] * 20)
    assert (DIFFICULTY[drawn] == DIFFICULTY[own]).all()
    assert (drawn != own).all()
    assert set(drawn[own == 0]) == {1, 2}
    chosen = made.choose(np.array([5, 6]), 7, 0).numpy()
    assert (chosen[:5] == ABSENT).all()
    assert set(DIFFICULTY[TRAIN[chosen[6]]]) == {3.0}
    assert set(DIFFICULTY[TRAIN[chosen[5]]]) == {3.0}  # 2.6 is nobody's difficulty; 3.0 is nearest
    np.testing.assert_array_equal(chosen, made.choose(np.array([5, 6]), 7, 0))


def test_the_loss_is_the_released_codes_in_both_directions() -> None:
    made = network()
    outputs = {"leaves": torch.randn(6, 4).log_softmax(1), "places": torch.randn(6, 4)}
    execution = torch.tensor([20.0, 26.0, 15.0, 26.0, 15.0, 20.0])
    expected = 0.0
    for half in (slice(0, 3), slice(3, 6)):
        leaf, place = made.intervals.locate((execution - swap(execution))[half])
        expected += -outputs["leaves"][half][torch.arange(3), leaf].mean().item()
        for number in range(4):
            mine = leaf == number
            if mine.any():
                expected += ((outputs["places"][half][mine, number] - place[mine]) ** 2).mean().item()
    found = made.losses(outputs, {"execution": execution}, {"score": 1.0})["total"].item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_heads_compare_each_dive_with_its_companion_and_the_other_way_round() -> None:
    made = network().eval()
    features, execution = torch.rand(4, 1, made.trunk.in_features), torch.tensor([20.0, 15.0, 26.0, 10.0])
    outputs = made.heads(features, execution)
    video = made.video_features(features)
    alone, _ = made.compare(video[:1], video[2:3], execution[2:3])
    back, _ = made.compare(video[2:3], video[:1], execution[:1])
    torch.testing.assert_close(outputs["leaves"][:1], alone)
    torch.testing.assert_close(outputs["leaves"][2:3], back)


def test_a_prediction_is_the_voters_mean_times_the_difficulty() -> None:
    made = network().eval()
    made.remember(torch.rand(5, 1, made.trunk.in_features))
    dives = torch.rand(2, 1, made.trunk.in_features)
    exemplars = torch.tensor([[0, 1], [3, ABSENT]])
    found = made.predict(dives, {"difficulty": torch.tensor([3.0, 2.0]), "exemplars": exemplars})["score"] * 17
    for dive, (voters, difficulty) in enumerate((((0, 1), 3.0), ((3,), 2.0))):
        said = []
        for voter in voters:
            known = torch.tensor([EXECUTION[voter]], dtype=torch.float32)
            leaves, places = made.compare(
                made.video_features(dives[dive : dive + 1]), made.memory[voter : voter + 1], known
            )
            leaf = leaves.argmax(1)
            said.append(known + made.intervals.difference(leaf, places[:, leaf[0]]))
        expected = torch.cat(said).mean() * difficulty
        assert found[dive].item() == pytest.approx(expected.item(), rel=1e-4)


def test_learns_to_order_dives_that_it_has_not_seen() -> None:
    """Executions that features show, in two groups of difficulty; the later half of the dives is only predicted."""
    generator = np.random.default_rng(0)
    execution, difficulty = generator.uniform(5, 28, 80), generator.choice([2.0, 3.0], 80)
    made, train = network(), np.arange(40)
    made.prepare(train, difficulty, execution)
    shown = torch.zeros(80, 1, made.trunk.in_features)
    shown[:, 0, :4] = torch.from_numpy(execution / 10).float().unsqueeze(1)
    targets = torch.from_numpy(execution).float()
    optimiser = torch.optim.Adam([*made.trunk.parameters(), *made.tree.parameters()], 0.01)
    for step in range(120):
        rows = torch.from_numpy(np.concatenate([train, made.companions(train, np.random.default_rng(step))]))
        wanted = {"execution": targets[rows]}
        loss = made.losses(made.heads(shown[rows], made.given(wanted)), wanted, {"score": 1.0})["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        made.remember(shown[:40])
        told = {"difficulty": torch.from_numpy(difficulty).float(), "exemplars": made.choose(np.arange(40, 80), 80, 0)}
        found = made.predict(shown[40:], {name: value[40:] for name, value in told.items()})["score"] * 17
    points = execution[40:] * difficulty[40:]
    assert np.corrcoef(found.numpy(), points)[0, 1] > 0.9
    assert np.abs(found.numpy() - points).mean() < 0.4 * points.std()


def test_a_training_dive_without_difficulty_is_named() -> None:
    made = network()
    with pytest.raises(RescoreError, match=r"rows \[3\] \(1\)"):
        made.prepare(TRAIN, np.where(np.arange(7) == 3, np.nan, DIFFICULTY), EXECUTION)
