import itertools

import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.models.c3d_avg import C3DAverage, fold_clips
from rescore.models.losses import DIVE_CLASSES, losses

SMALL = {"width": 1 / 16, "crop": 32, "vocabulary": 13, "caption_hidden": 8, "caption_embedding": 6}
TOKENS = torch.tensor([[1, 4, 5, 0], [1, 7, 0, 0]])


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def video(clips: int = 3, crop: int = 32) -> torch.Tensor:
    return torch.randn(2, 3, 16 * clips, crop, crop, generator=torch.Generator().manual_seed(0))


def small_network(tasks: tuple[str, ...] = ("score", "classes", "caption")) -> C3DAverage:
    torch.manual_seed(0)
    return C3DAverage(tasks, **SMALL).eval()  # type: ignore[arg-type]


def test_parameters_at_full_size() -> None:
    """Counted by hand from the layers that the paper and the released code name."""
    with torch.device("meta"):
        network = C3DAverage()
    widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    assert count(network.body) == sum(27 * a * b + b for a, b in itertools.pairwise(widths))
    assert count(network.trunk) == 8192 * 4096 + 4096
    assert count(network.score_head) == 4097
    assert count(network.class_heads) == 4097 * (3 + 2 + 4 + 10 + 8)
    assert count(network.captioner.video_gru) == 3 * 512 * (8192 + 512 + 2) + 3 * 512 * (512 + 512 + 2)
    assert count(network.captioner.word_gru) == 3 * 512 * (1024 + 512 + 2) + 3 * 512 * (512 + 512 + 2)
    assert count(network.captioner.embedding) == 5779 * 512
    assert count(network.captioner.output) == 5779 * 513


def test_shapes_at_full_size() -> None:
    with torch.device("meta"):
        network = C3DAverage().eval()
        frames = torch.empty(1, 3, 96, 112, 112)
        assert network.encode(frames).shape == (1, 6, 8192)
        outputs = network(frames, torch.zeros(1, 100, dtype=torch.long))
    assert outputs["score"].shape == (1,)
    assert {name: tuple(outputs[name].shape) for name in DIVE_CLASSES} == {
        "position": (1, 3),
        "armstand": (1, 2),
        "rotation_type": (1, 4),
        "somersaults": (1, 10),
        "twists": (1, 8),
    }
    assert outputs["caption"].shape == (1, 99, 5779)


@pytest.mark.parametrize("clips", [1, 2, 6])
def test_any_number_of_clips(clips: int) -> None:
    outputs = small_network()(video(clips), TOKENS)
    assert outputs["score"].shape == (2,)
    assert outputs["caption"].shape == (2, 3, 13)


@pytest.mark.parametrize("tasks", [("score",), ("classes",), ("caption",), ("score", "caption"), ("score", "classes")])
def test_subsets_of_tasks_have_no_other_parameters(tasks: tuple[str, ...]) -> None:
    network = small_network(tasks)
    outputs = network(video(), TOKENS)
    named = {name for task in tasks for name in (DIVE_CLASSES if task == "classes" else [task])}
    assert outputs.keys() == named
    targets = {name: torch.zeros(2, dtype=torch.long) for name in DIVE_CLASSES}
    targets |= {"score": torch.zeros(2), "caption": TOKENS}
    losses(outputs, targets)["total"].backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_unknown_task_small_crop_and_odd_length_are_refused() -> None:
    with pytest.raises(RescoreError, match="aqa"):
        C3DAverage(("aqa",))
    with pytest.raises(RescoreError, match="16 pixels"):
        C3DAverage(crop=8)
    with pytest.raises(RescoreError, match="103 frames"):
        small_network()(torch.zeros(1, 3, 103, 32, 32))


def test_folding_cuts_in_order_and_copies_nothing() -> None:
    stored = torch.arange(2 * 32 * 2 * 2 * 3, dtype=torch.float32).view(
        2, 32, 2, 2, 3
    )  # as the clip store lies in memory
    frames = stored.permute(0, 4, 1, 2, 3)
    clips = fold_clips(frames, 16)
    assert clips.shape == (4, 3, 16, 2, 2)
    assert torch.equal(clips[1], frames[0, :, 16:])
    assert torch.equal(clips[2], frames[1, :, :16])
    assert clips.data_ptr() == stored.data_ptr()
    assert clips.is_contiguous(memory_format=torch.channels_last_3d)


def test_video_feature_is_the_mean_of_its_clips() -> None:
    """So their order changes no score, but it does change the caption's logits."""
    network, frames = small_network(), video()
    swapped = torch.cat([frames[:, :, 16:], frames[:, :, :16]], 2)
    with torch.no_grad():
        one, other = network(frames, TOKENS), network(swapped, TOKENS)
        one_by_one = torch.stack([network.encode(frames[:, :, 16 * k : 16 * (k + 1)])[:, 0] for k in range(3)], 1)
        torch.testing.assert_close(network.encode(frames), one_by_one)
    torch.testing.assert_close(one["score"], other["score"])
    assert not torch.allclose(one["caption"], other["caption"])


def test_memory_format_changes_nothing_but_rounding() -> None:
    network, frames = small_network(), video()
    with torch.no_grad():
        plain = network(frames, TOKENS)
        fast = network.to(memory_format=torch.channels_last_3d)(
            frames.contiguous(memory_format=torch.channels_last_3d), TOKENS
        )
    for name, value in plain.items():
        torch.testing.assert_close(fast[name], value, msg=name)


def test_describe_gives_captions() -> None:
    network = small_network()
    assert network.captions(network.encode(video()), steps=9).shape == (2, 9)
