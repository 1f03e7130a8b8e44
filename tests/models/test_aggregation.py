from typing import Any

import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.models.aggregation import AGGREGATIONS, Attention, ClipNetwork, Encoder, Recurrent
from rescore.models.c3d_avg import C3DAverage

SETTINGS: dict[str, Any] = {
    "aggregation": {
        "attention_width": 4,
        "lstm_width": 5,
        "transformer": {"width": 8, "layers": 2, "heads": 2, "dropout": 0.0},
    }
}
CLIPS = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))  # (N, C, F)


def test_c3d_with_the_mean_is_c3d_avg_bit_for_bit() -> None:
    torch.manual_seed(0)
    theirs = C3DAverage(("score",), width=0.0625, crop=32)
    torch.manual_seed(0)
    ours = ClipNetwork("c3d", "mean", 0.0625, 32, 2, SETTINGS)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    video = torch.randn(2, 3, 32, 32, 32)
    assert torch.equal(ours(video)["score"], theirs(video)["score"])


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_every_parameter_of_an_aggregation_learns(name: str) -> None:
    torch.manual_seed(0)
    aggregation = AGGREGATIONS[name](6, 4, SETTINGS["aggregation"])
    found = aggregation(CLIPS)
    assert found.shape == (3, aggregation.out_features)
    if list(aggregation.parameters()):
        (found**2).sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in aggregation.parameters())


def test_attention_is_its_formula() -> None:
    """Ilse et al. 2018, Eqs. 7 and 8, clip by clip."""
    torch.manual_seed(0)
    attention = Attention(6, 4, SETTINGS["aggregation"])
    for sample in range(3):
        raw = [
            attention.score.weight[0] @ torch.tanh(attention.hidden.weight @ x + attention.hidden.bias)
            for x in CLIPS[sample]
        ]
        share = torch.stack(raw).exp() / torch.stack(raw).exp().sum()
        expected = sum(a * x for a, x in zip(share, CLIPS[sample], strict=True))
        torch.testing.assert_close(attention(CLIPS)[sample], expected)


def test_order_matters_where_it_should() -> None:
    torch.manual_seed(0)
    backwards = CLIPS.flip(1)
    for name, depends in {"mean": False, "attention": False, "lstm": True, "transformer": True}.items():
        aggregation = AGGREGATIONS[name](6, 4, SETTINGS["aggregation"]).eval()
        assert torch.allclose(aggregation(CLIPS), aggregation(backwards), atol=1e-6) != depends, name


def test_the_lstm_reads_every_clip() -> None:
    torch.manual_seed(0)
    clips = CLIPS.clone().requires_grad_()
    Recurrent(6, 4, SETTINGS["aggregation"])(clips).sum().backward()
    assert (clips.grad.abs().sum((0, 2)) > 0).all()


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(RescoreError, match="width 7 is no multiple of heads 2"):
        Encoder(6, 4, {"transformer": {"width": 7, "layers": 1, "heads": 2, "dropout": 0.0}})


def test_an_unknown_aggregation_is_named() -> None:
    with pytest.raises(RescoreError, match="aggregation is median; known: mean, "):
        ClipNetwork("c3d", "median", 0.0625, 32, 2, SETTINGS)
