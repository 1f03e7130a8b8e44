import math

import numpy as np
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.models.losses import DIVE_CLASSES, WEIGHTS, caption_loss, caption_mask, checked_tasks, losses, score_loss

VOCABULARY = 9


@pytest.fixture
def numbers() -> np.random.Generator:
    return np.random.default_rng(3)


def outputs_and_targets(generator: np.random.Generator) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    def normal(*shape: int) -> torch.Tensor:
        return torch.from_numpy(generator.standard_normal(shape))

    outputs = {"score": normal(4)} | {name: normal(4, classes) for name, classes in DIVE_CLASSES.items()}
    outputs["caption"] = normal(4, 5, VOCABULARY)
    targets = {"score": normal(4)}
    targets |= {name: torch.from_numpy(generator.integers(0, classes, 4)) for name, classes in DIVE_CLASSES.items()}
    targets["caption"] = torch.tensor([[1, 4, 5, 0, 0, 0], [1, 2, 2, 2, 2, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    return outputs, targets


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_equations_1_to_4(numbers: np.random.Generator) -> None:
    outputs, targets = outputs_and_targets(numbers)
    x, y = outputs["score"].numpy(), targets["score"].numpy()
    score = np.mean((x - y) ** 2 + np.abs(x - y))
    classes = -sum(
        log_softmax(outputs[name].numpy())[np.arange(4), targets[name].numpy()].sum() / 4 for name in DIVE_CLASSES
    )
    log_probabilities = log_softmax(outputs["caption"].numpy())
    steps = {0: [4, 5, 0], 1: [2, 2, 2, 2, 0], 2: [0], 3: []}  # the words that count, through the first <eos>
    caption = -sum(log_probabilities[i, t, word] for i, words in steps.items() for t, word in enumerate(words)) / 4

    found = losses(outputs, targets)

    assert float(found["score"]) == pytest.approx(score, rel=1e-12)
    assert float(found["classes"]) == pytest.approx(classes, rel=1e-12)
    assert float(found["caption"]) == pytest.approx(caption, rel=1e-12)
    assert float(found["total"]) == pytest.approx(score + classes + 0.01 * caption, rel=1e-12)


def test_the_score_loss_falls_towards_the_target() -> None:
    """The printed minus of Eq. 1 would make it rise."""
    target = torch.tensor([2.0, 3.0])
    assert score_loss(target, target) == 0
    assert score_loss(target + 0.1, target) < score_loss(target + 0.2, target)


def test_weights_are_parameters(numbers: np.random.Generator) -> None:
    outputs, targets = outputs_and_targets(numbers)
    found = losses(outputs, targets, {"score": 0.0, "classes": 2.0, "caption": 0.0})
    assert float(found["total"]) == pytest.approx(2 * float(found["classes"]))
    assert WEIGHTS == {"score": 1, "classes": 1, "caption": 0.01}


@pytest.mark.parametrize("kept", [("score",), ("caption",), ("score", "caption"), tuple(DIVE_CLASSES)])
def test_only_the_tasks_of_the_network_count(kept: tuple[str, ...], numbers: np.random.Generator) -> None:
    outputs, targets = outputs_and_targets(numbers)
    whole = losses(outputs, targets)
    found = losses({name: outputs[name] for name in kept}, {name: targets[name] for name in kept})
    tasks = {"classes" if name in DIVE_CLASSES else name for name in kept}
    assert found.keys() == tasks | {"total"}
    assert float(found["total"]) == pytest.approx(sum(WEIGHTS[task] * float(whole[task]) for task in tasks))


def test_mask_goes_through_the_first_end() -> None:
    tokens = torch.tensor([[1, 5, 0, 7, 0], [1, 5, 6, 7, 8], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert caption_mask(tokens).int().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]


def test_what_stands_after_the_end_changes_nothing(numbers: np.random.Generator) -> None:
    logits = torch.from_numpy(numbers.standard_normal((1, 4, VOCABULARY)))
    assert caption_loss(logits, torch.tensor([[1, 3, 0, 0, 0]])) == caption_loss(
        logits, torch.tensor([[1, 3, 0, 7, 5]])
    )


def test_empty_caption_costs_its_end_and_a_missing_one_nothing() -> None:
    even = torch.zeros(1, 3, VOCABULARY, requires_grad=True)
    assert float(caption_loss(even, torch.tensor([[1, 0, 0, 0]])).detach()) == pytest.approx(math.log(VOCABULARY))
    missing = caption_loss(even, torch.tensor([[0, 0, 0, 0]]))
    missing.backward()
    assert float(missing.detach()) == 0
    assert even.grad is not None
    assert not even.grad.any()


def test_tasks_are_ordered_and_checked() -> None:
    assert checked_tasks(("caption", "score")) == ("score", "caption")
    with pytest.raises(RescoreError, match=r"captions.*'caption'"):
        checked_tasks(("captions",))
    with pytest.raises(RescoreError, match="at least one"):
        checked_tasks(())
