"""Losses of multitask action quality assessment (What and How Well You Performed?, Section 4, Eqs. 1-4).

    score       1/N sum_i (x_i - y_i)^2 + |x_i - y_i|                                             (Eq. 1)
    classes     1/N sum_i sum_sa -log softmax(x_i^sa)[y_i^sa],  sa over the five sub-actions      (Eq. 2)
    caption     1/N sum_i sum_t -log x_i^cap[t, y_i^cap[t]],    t up to the first <eos>           (Eq. 3)
    total       1 score + 1 classes + 0.01 caption                                                (Eq. 4)

Eq. 1 is printed with a minus before 1/N; taken literally the total would be minimised by the worst scores. It is a slip
carried over from Eqs. 2 and 3, where the minus belongs to the logarithm, and is left out here.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from rescore.engine.errors import RescoreError

# Token 0 ends a caption and fills what follows, 1 starts it.
EOS, SOS = 0, 1

# Sub-actions of a dive and their numbers of classes (Table 2), in the order in which the losses are summed.
DIVE_CLASSES = {"position": 3, "armstand": 2, "rotation_type": 4, "somersaults": 10, "twists": 8}

TASKS = ("score", "classes", "caption")
WEIGHTS = {"score": 1.0, "classes": 1.0, "caption": 0.01}  # alpha, beta, gamma (Section 5, Implementation)


def checked_tasks(tasks: tuple[str, ...]) -> tuple[str, ...]:
    """`tasks` in the order of `TASKS`.

    Raises:
        RescoreError: no task, or one that is not in `TASKS`.
    """
    unknown = sorted(set(tasks) - set(TASKS))
    if unknown or not tasks:
        raise RescoreError(f"tasks are {list(tasks)}: a network needs at least one of {list(TASKS)} and no other.")
    return tuple(task for task in TASKS if task in tasks)


def score_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Squared plus absolute error, mean over the batch (Eq. 1). Both (N,), in the units of training (score / score_scale)."""
    return F.mse_loss(predicted, target) + F.l1_loss(predicted, target)


def class_loss(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy, mean over the batch, summed over the sub-actions (Eq. 2). Logits (N, classes), labels (N,) int64."""
    entropies = [F.cross_entropy(logits[name], labels[name]) for name in DIVE_CLASSES]
    return torch.stack(entropies).sum()


def caption_mask(tokens: Tensor) -> Tensor:
    """True for every token up to and including the first <eos>. Tokens (N, T) -> bool (N, T).

    A sample without a caption is a row of <eos> alone: nothing of it is left to be predicted, and its loss is 0.
    """
    ends = (tokens == EOS).int()  # (N, T)
    return (ends.cumsum(1) - ends) == 0


def caption_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """Negative log likelihood summed over time through the first <eos>, divided by the batch size (Eq. 3).

    Args:
        logits: (N, T-1, vocabulary); step t predicts token t+1.
        tokens: (N, T) int64, <sos> first.
    """
    wanted = tokens[:, 1:]  # (N, T-1)
    ignored = torch.where(caption_mask(tokens)[:, 1:], wanted, -100)  # (N, T-1); cross_entropy leaves -100 out
    return F.cross_entropy(logits.flatten(0, 1), ignored.flatten(), ignore_index=-100, reduction="sum") / len(tokens)


def losses(
    outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Mapping[str, float] = WEIGHTS
) -> dict[str, Tensor]:
    """Every loss of the tasks that a network has, and their weighted sum under `total` (Eq. 4).

    Args:
        outputs: what C3DAverage or MSCADC returns: `score` (N,), the five class logits under their names, `caption` logits.
        targets: `score` (N,), the five labels (N,), `caption` tokens (N, T); those of absent tasks are not read.
        weights: of `TASKS`.

    Returns:
        Scalars under the names of the tasks present, and `total`.
    """
    parts: dict[str, Tensor] = {}
    if "score" in outputs:
        parts["score"] = score_loss(outputs["score"], targets["score"])
    if "position" in outputs:
        parts["classes"] = class_loss(outputs, targets)
    if "caption" in outputs:
        parts["caption"] = caption_loss(outputs["caption"], targets["caption"])
    parts["total"] = torch.stack([weights[task] * loss for task, loss in parts.items()]).sum()
    return parts
