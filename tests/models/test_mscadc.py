import itertools

import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.models.losses import DIVE_CLASSES, losses
from rescore.models.mscadc import MSCADC, Head

SMALL = {
    "width": 1 / 8,
    "head_width": 1 / 12,
    "crop": 48,
    "vocabulary": 13,
    "caption_hidden": 8,
    "caption_embedding": 6,
}
TOKENS = torch.tensor([[1, 4, 5, 0], [1, 7, 0, 0]])


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def frames(crop: int = 48) -> torch.Tensor:
    return torch.randn(2, 3, 16, crop, crop, generator=torch.Generator().manual_seed(0))


def small_network(tasks: tuple[str, ...] = ("score", "classes", "caption"), **changed: float) -> MSCADC:
    torch.manual_seed(0)
    return MSCADC(tasks, **(SMALL | changed)).eval()  # type: ignore[arg-type]


def test_parameters_at_full_size() -> None:
    """Counted by hand from the layers that the paper and the released code name."""
    with torch.device("meta"):
        network = MSCADC()
    widths = [3, 32, 64, 128, 128, 256, 256, 256, 256]
    assert count(network.body) == sum(27 * a * b + b + 2 * b for a, b in itertools.pairwise(widths))
    context = [12, 24, 24, 48, 96, 96]
    head = 256 * 12 + 12 + sum(27 * a * b + 3 * b for a, b in itertools.pairwise(context))
    head += 96 * 12 + 3 * 12 + 27 * 12 * 12 + 3 * 12
    assert count(network.score_head) == head + 27 * 12 + 1
    assert count(network.class_head) == head + 27 * 12 * 27 + 27
    assert count(network.caption_head) == head + 27 * 12 * 12 + 12
    assert count(network.captioner.video_gru) == 3 * 512 * (1200 + 512 + 2) + 3 * 512 * (512 + 512 + 2)


def test_shapes_at_full_size() -> None:
    with torch.device("meta"):
        network = MSCADC().eval()
        body = network.encode(torch.empty(1, 3, 16, 180, 180))
        assert body.shape == (1, 256, 2, 20, 20)
        assert network.caption_head(body).shape == (1, 1, 1200)
        outputs = network.heads(body, torch.zeros(1, 100, dtype=torch.long))
    assert outputs["score"].shape == (1,)
    assert {name: outputs[name].shape[1] for name in DIVE_CLASSES} == DIVE_CLASSES
    assert outputs["caption"].shape == (1, 99, 5779)


@pytest.mark.parametrize("crop", [32, 45, 56, 90])
def test_any_crop(crop: int) -> None:
    outputs = small_network(crop=crop)(frames(crop), TOKENS)
    assert outputs["score"].shape == (2,)
    assert outputs["caption"].shape == (2, 3, 13)


@pytest.mark.parametrize("tasks", [("score",), ("classes",), ("caption",), ("score", "caption"), ("score", "classes")])
def test_subsets_of_tasks_have_no_other_parameters(tasks: tuple[str, ...]) -> None:
    network = small_network(tasks)
    outputs = network(frames(), TOKENS)
    named = {name for task in tasks for name in (DIVE_CLASSES if task == "classes" else [task])}
    assert outputs.keys() == named
    targets = {name: torch.zeros(2, dtype=torch.long) for name in DIVE_CLASSES}
    targets |= {"score": torch.zeros(2), "caption": TOKENS}
    losses(outputs, targets)["total"].backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_unknown_task_and_small_input_are_refused() -> None:
    with pytest.raises(RescoreError, match="position"):
        MSCADC(("position",))
    with pytest.raises(RescoreError, match="32 pixels"):
        MSCADC(crop=31)


def test_context_net_keeps_its_input_shape_and_reaches_nine_voxels() -> None:
    torch.manual_seed(0)
    head = Head(body_channels=5, width=0.5).eval().double()
    maps = torch.randn(1, 6, 4, 14, 14, dtype=torch.float64)
    touched = maps.clone()
    touched[0, :, 2, 2, 2] += 100
    with torch.no_grad():
        changed = (head.context(maps) != head.context(touched)).any(1)[0]  # (4, 14, 14)
    assert head.context(maps).shape == maps.shape
    rows = changed.any(0).any(1).nonzero().flatten()
    assert rows.max() <= 2 + 9
    assert changed[2, 2, 2]
    assert rows.max() > 2 + 4, "the dilated layers have to reach beyond the plain ones"


def test_heads_share_nothing() -> None:
    network = small_network()
    body = network.encode(frames()).detach()
    network.heads(body)["score"].sum().backward()
    assert all(parameter.grad is None for parameter in network.class_head.parameters())
    assert all(parameter.grad is None for parameter in network.caption_head.parameters())


def test_memory_format_changes_nothing_but_rounding() -> None:
    network = small_network()
    with torch.no_grad():
        plain = network(frames(), TOKENS)
        fast = network.to(memory_format=torch.channels_last_3d)(
            frames().contiguous(memory_format=torch.channels_last_3d), TOKENS
        )
    for name, value in plain.items():
        torch.testing.assert_close(fast[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_describe_gives_captions() -> None:
    network = small_network()
    assert network.captions(network.encode(frames()), steps=9).shape == (2, 9)
