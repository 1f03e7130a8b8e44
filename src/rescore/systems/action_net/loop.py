"""Train ACTION-NET on labelled videos alone: squared error of sigmoid scores, stochastic gradient descent with momentum.

The loop, its rates and the head's higher one are those of the authors' released trainer (github.com/qinghuannn/ACTION-NET,
trainer.py, conf.py); it draws segments' and moments' starts anew each epoch, which is left out: features are stored at fixed
times. Members train stacked, and none depends on its fellows.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rescore.engine.errors import raise_together
from rescore.models.device import choose_device, derived_seed, make_deterministic
from rescore.systems.action_net.network import ActionNet
from rescore.training.iterations import iterate
from rescore.training.restart import to_numpy
from rescore.training.schedule import orders, stops
from rescore.training.semi_supervised import EVALUATION_BATCH, Member, Trained, squared
from rescore.training.telling import Clock


def train_action_net(
    segments: np.ndarray, moments: np.ndarray, members: Sequence[Member], settings: Mapping[str, Any]
) -> Trained:
    """Train all members together and predict; predictions are shares of the highest score.

    Args:
        segments: (sample, T, width), standardised.
        moments: (sample, N, width), standardised; NaN where the athlete was not found.
        members: networks to train; their targets are shares of the highest score.
        settings: section `action_net` of params.yaml.

    Raises:
        RescoreError: what `check` refuses, or a loss that stops being finite (the members are named).
    """
    check(segments, moments, members)
    make_deterministic()
    device = choose_device()
    seen = np.isfinite(moments).all(axis=2)
    shown = np.where(seen[:, :, None], moments, 0)
    inputs = [
        torch.from_numpy(np.ascontiguousarray(values)).to(device)
        for values in (segments.astype(np.float32), shown.astype(np.float32), seen)
    ]
    roots = [member.root for member in members]
    network = ActionNet(roots, segments.shape[2], moments.shape[2], settings).to(device)
    optimiser, schedule = optimisers(network, settings)
    drawn = [batches(member, settings) for member in members]
    rows = stack([member.labelled[places] for member, places in zip(members, drawn, strict=True)], device)
    targets = stack([member.targets[places] for member, places in zip(members, drawn, strict=True)], device).float()
    generators = [torch.Generator(device).manual_seed(derived_seed(root, "dropout")) for root in roots]
    predictions: dict[int, list[np.ndarray]] = {}
    clock = Clock(f"{len(members)} members", "iteration", settings["iterations"])

    def losses(iteration: int) -> Tensor:
        at = rows[:, iteration]
        kept = dropout(generators, (at.shape[1], settings["head_width"]), settings["dropout"])
        return squared(network(*(values[at] for values in inputs), kept), targets[:, iteration])  # (members,)

    evaluations = stops(settings["iterations"], settings["evaluate_every"])
    names, remedy = [member.name for member in members], "lower action_net.learning_rate."
    for done, found in iterate(optimiser, losses, range(settings["iterations"]), names, remedy):
        schedule.step()
        if done in evaluations:
            predictions[done] = predict(network, inputs, [member.evaluated for member in members])
            clock.say(done, mean_loss=float(found.mean()))
    return Trained({name: to_numpy(value) for name, value in network.state_dict().items()}, predictions)


def check(segments: np.ndarray, moments: np.ndarray, members: Sequence[Member]) -> None:
    """Refuse what cannot be trained.

    Raises:
        RescoreError: features that are not finite, videos without a moment, members without labelled videos or with targets
            outside 0 to 1; all of it together.
    """
    if len(segments) != len(moments):
        raise_together(
            "ACTION-NET", [f"{len(segments)} segment rows, {len(moments)} of moments"], "compute them again."
        )
    used = np.unique(np.concatenate([np.concatenate([member.labelled, member.evaluated]) for member in members]))
    finite = np.isfinite(moments)
    problems = [f"sample {row}: segments are not finite" for row in used if not np.isfinite(segments[row]).all()]
    problems += [f"sample {row}: no moment" for row in used if not finite[row].all(axis=1).any()]
    problems += [
        f"sample {row}: moments are partly empty"
        for row in used
        if (finite[row].any(axis=1) != finite[row].all(axis=1)).any()
    ]
    problems += [f"{member.name}: no labelled videos" for member in members if not len(member.labelled)]
    problems += [
        f"{member.name}: targets outside 0 to 1, which no sigmoid reaches"
        for member in members
        if not ((member.targets >= 0) & (member.targets <= 1)).all()
    ]
    raise_together("ACTION-NET: what cannot be trained on", problems, "compute the features again, or mend the labels.")


def optimisers(
    network: ActionNet, settings: Mapping[str, Any]
) -> tuple[torch.optim.SGD, torch.optim.lr_scheduler.MultiStepLR]:
    """Descent with momentum, the head faster than the streams, and its rate cut to a tenth twice."""
    rate, head = settings["learning_rate"], [*network.hidden.parameters(), *network.score.parameters()]
    streams = [*network.dynamic.parameters(), *network.static.parameters()]
    optimiser = torch.optim.SGD(
        [{"params": head, "lr": rate * settings["head_rate"]}, {"params": streams}],
        lr=rate,
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
        foreach=True,
    )
    cuts = [round(share * settings["iterations"]) for share in settings["anneal_at"]]
    return optimiser, torch.optim.lr_scheduler.MultiStepLR(optimiser, cuts, 0.1)


def batches(member: Member, settings: Mapping[str, Any]) -> np.ndarray:
    """(iterations, batch) places among the labelled videos."""
    generator = np.random.default_rng([member.root, zlib.crc32(b"action net")])
    return orders(generator, len(member.labelled), settings["iterations"], settings["batch"])


def stack(values: Sequence[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(values)).to(device)


def dropout(generators: Sequence[torch.Generator], shape: tuple[int, int], share: float) -> Tensor:
    """(members, *shape) multipliers: 0 for a share of the units, 1 / (1 - share) for the others."""
    device = generators[0].device
    drawn = torch.stack([torch.rand(shape, generator=generator, device=device) for generator in generators])
    return (drawn >= share) / (1 - share)


@torch.no_grad()
def predict(network: ActionNet, inputs: Sequence[Tensor], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each member's predictions of its rows, without dropout."""
    longest = max(map(len, rows))
    padded = stack([np.resize(each, longest) for each in rows], inputs[0].device)
    parts = [
        network(*(values[padded[:, at : at + EVALUATION_BATCH]] for values in inputs))
        for at in range(0, longest, EVALUATION_BATCH)
    ]
    predicted = torch.cat(parts, dim=1).cpu().numpy()
    return [values[: len(each)] for values, each in zip(predicted, rows, strict=True)]
