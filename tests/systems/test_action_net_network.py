"""ACTION-NET: relations, attention and both streams against plain computations; masks, order in time, gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rescore.systems.action_net.network import ActionNet, ContextAwareAttention, temporal_relations

SETTINGS = {"width": 3, "attention_width": 4, "head_width": 5}
DOUBLE = torch.float64


def network(seeds: tuple[int, ...] = (1, 2), dynamic: int = 5, static: int = 4) -> ActionNet:
    """With biases that are not zero, so that each can be seen."""
    made = ActionNet(seeds, dynamic, static, SETTINGS).to(DOUBLE)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, values in made.named_parameters():
            if name.endswith("bias"):
                values += 0.3 * torch.randn(values.shape, generator=generator, dtype=DOUBLE)
    return made


def inputs(members: int = 2, batch: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    segments = torch.randn(members, batch, 4, 5, generator=generator, dtype=DOUBLE)
    moments = torch.randn(members, batch, 6, 4, generator=generator, dtype=DOUBLE)
    seen = torch.rand(members, batch, 6, generator=generator) > 0.3
    seen[:, :, 2] = True
    return segments, moments, seen


def plain_relations(seen: np.ndarray) -> np.ndarray:
    near = np.array([[np.exp(-abs(i - j)) * seen[i] * seen[j] for j in range(len(seen))] for i in range(len(seen))])
    degree = np.where(near.sum(1) > 0, near.sum(1), 1)
    return np.diag(degree**-0.5) @ near @ np.diag(degree**-0.5)


def plain_stream(stream: ContextAwareAttention, member: int, instances: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """One video of one member, instance by instance, in NumPy."""

    def layer(module: torch.nn.Module, x: np.ndarray) -> np.ndarray:
        return x @ module.weight[member].detach().numpy() + module.bias[member, 0].detach().numpy()

    def perceptron(module: torch.nn.Module, x: np.ndarray) -> np.ndarray:
        return layer(module.layers[1], np.maximum(layer(module.layers[0], x), 0))

    alone = np.maximum(perceptron(stream.embedding, instances), 0)
    around, relations = alone, plain_relations(seen)
    for graph in stream.graph:
        around = np.maximum(layer(graph, relations @ around), 0)
    both = np.concatenate([alone, around], axis=1)
    shares = np.exp(perceptron(stream.attention, both)[:, 0]) * seen
    return (shares / shares.sum()) @ both


def plain(made: ActionNet, segments: Tensor, moments: Tensor, seen: Tensor) -> np.ndarray:
    found = np.empty(segments.shape[:2])
    for member, video in np.ndindex(*found.shape):
        motion = plain_stream(made.dynamic, member, segments[member, video].numpy(), np.ones(segments.shape[2]))
        posture = plain_stream(made.static, member, moments[member, video].numpy(), seen[member, video].numpy())
        hidden = np.concatenate([motion, posture]) @ made.hidden.weight[member].detach().numpy()
        hidden = np.maximum(hidden + made.hidden.bias[member, 0].detach().numpy(), 0)
        score = hidden @ made.score.weight[member].detach().numpy() + made.score.bias[member, 0].detach().numpy()
        found[member, video] = 1 / (1 + np.exp(-score[0]))
    return found


def test_relations_are_those_of_a_plain_computation_and_only_of_what_is_seen():
    seen = torch.tensor([[True, True, False, True], [False, False, False, True], [True] * 4])
    found = temporal_relations(seen, DOUBLE)
    for row, values in zip(seen.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(values, plain_relations(row))
    torch.testing.assert_close(found, found.transpose(1, 2))
    assert not found[0, 2].any()
    assert found[1, 3, 3].item() == pytest.approx(1)
    # A longer video whose end is not seen has the relations of the shorter one.
    torch.testing.assert_close(
        temporal_relations(torch.tensor([True] * 3 + [False] * 2), DOUBLE)[:3, :3],
        temporal_relations(torch.ones(3, dtype=torch.bool), DOUBLE),
    )


def test_the_network_is_the_plain_computation():
    made, given = network(), inputs()
    np.testing.assert_allclose(made(*given).detach().numpy(), plain(made, *given), rtol=1e-12)


def test_weights_add_up_to_one_and_what_is_not_seen_has_none():
    made, (_, moments, seen) = network(), inputs()
    features, weights = made.static(moments, seen, temporal_relations(seen, DOUBLE))
    assert features.shape == (2, 3, 6)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 3, dtype=DOUBLE))
    assert not weights[~seen].any()
    assert (weights[seen] > 0).all()


def test_values_that_are_not_seen_do_not_matter_and_a_padded_video_is_the_shorter_one():
    made, (segments, moments, seen) = network(), inputs()
    wild = torch.where(seen.unsqueeze(3), moments, torch.full_like(moments, 1e6))
    torch.testing.assert_close(made(segments, wild, seen), made(segments, moments, seen))
    changed = torch.where(seen.unsqueeze(3), moments + 1, moments)
    assert not torch.allclose(made(segments, changed, seen), made(segments, moments, seen))
    whole = torch.ones_like(seen)
    padded = F.pad(moments, (0, 0, 0, 3)), F.pad(whole, (0, 3))
    torch.testing.assert_close(made(segments, *padded), made(segments, moments, whole))


def test_time_counts_by_distance_and_by_the_graph_alone():
    made, (segments, moments, seen) = network(), inputs()
    before = made(segments, moments, seen)
    torch.testing.assert_close(made(segments.flip(2), moments.flip(2), seen.flip(2)), before)
    order = [2, 0, 3, 1]
    assert not torch.allclose(made(segments[:, :, order], moments, seen), before)
    with torch.no_grad():
        for layer in made.dynamic.graph:
            layer.weight.zero_()
    torch.testing.assert_close(made(segments[:, :, order], moments, seen), made(segments, moments, seen))


def test_no_member_and_no_video_sees_another():
    made, (segments, moments, seen) = network(), inputs()
    before = made(segments, moments, seen)
    for values in (segments, moments):
        values[1, 2] += 1
    changed = made(segments, moments, seen) != before
    assert changed.nonzero().tolist() == [[1, 2]]


@pytest.mark.parametrize("what", ["inputs", "static.attention.layers.0.weight", "dynamic.graph.0.weight"])
def test_gradients_are_those_of_finite_differences(what):
    made, (segments, moments, seen) = network((3,)), inputs(members=1, batch=2)
    kept = torch.tensor([2.0, 0, 2, 2, 0], dtype=DOUBLE).expand(1, 2, 5)
    if what == "inputs":
        given = segments.requires_grad_(), moments.requires_grad_()
        assert torch.autograd.gradcheck(lambda first, second: made(first, second, seen, kept), given)
        return
    values = dict(made.named_parameters())[what].detach().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda weight: torch.func.functional_call(made, {what: weight}, (segments, moments, seen, kept)), (values,)
    )


def test_units_that_are_dropped_do_not_count():
    made, given = network((1,)), inputs(members=1)
    kept = torch.zeros(1, 3, 5, dtype=DOUBLE)
    torch.testing.assert_close(made(*given, kept), torch.sigmoid(made.score.bias[:, :, 0]).expand(1, 3))
    torch.testing.assert_close(made(*given, torch.ones_like(kept)), made(*given))


def test_weights_start_as_xavier_and_biases_at_zero():
    made = ActionNet((1,), 40, 60, {"width": 50, "attention_width": 30, "head_width": 20})
    for weight in (made.hidden.weight, made.static.graph[1].weight, made.dynamic.embedding.layers[0].weight):
        bound = (6 / sum(weight.shape[1:])) ** 0.5
        assert bound * 0.97 < weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert not any(values.any() for name, values in made.named_parameters() if name.endswith("bias"))
    assert torch.equal(
        made.hidden.weight[0], ActionNet((2, 1), 40, 60, SETTINGS | {"width": 50, "head_width": 20}).hidden.weight[1]
    )
