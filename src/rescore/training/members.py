"""Train many small networks of one shape at once, their weights stacked (models.c3d_lstm).

C3D is frozen in AQA-7's experiments, so a member (training subset x initialisation x seed) is an LSTM on stored features.
One member's step is too small to fill even a CPU; stacked, all members' steps are the same few products. A member knows
nothing of its fellows: its initial weights and its sample order are pure functions of its seed and name.

An epoch of a member is every (training sample, temporal offset) pair once, in an order of its own: with six offsets the
paper's 4818 = 803 x 6 training samples (AQA-7, Sec. 5). Epochs follow one another without a gap, so a batch may span two.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rescore.engine.errors import RescoreError, raise_together
from rescore.models.c3d_lstm import (
    Weights,
    initial_weights,
    loss_and_gradients,
    lstm_states,
    predict_steps,
    weight_shapes,
)
from rescore.models.device import choose_device, make_deterministic
from rescore.training.restart import Restarts, Stack, read_restart, restart_key, write_restart
from rescore.training.schedule import annealed, stops
from rescore.training.telling import Clock

EVALUATION_BATCH = 64  # samples a member; changes speed and memory only
CPU_BYTES = 4 << 30  # what stacked members may take without a GPU
GPU_SHARE = 0.5  # of the GPU's whole memory (what is free varies from run to run, and so would the stacks)


@dataclass(frozen=True)
class Member:
    """One network to train: on which samples, towards what, evaluated where, and from which weights."""

    name: str
    seed: int
    train_rows: np.ndarray
    """(n,) row numbers of the member's feature table."""
    train_targets: np.ndarray
    """(n,) scores in standard deviations."""
    evaluate_rows: np.ndarray
    """(e,) row numbers of the samples to predict."""
    initial: Mapping[str, np.ndarray] | None = None
    """Weights to start from; None draws gaussian ones from the seed and the name."""
    first_row: int = 0
    """Where the member's feature table begins in the feature array; its row numbers count from there."""

    @property
    def label(self) -> str:
        return f"{self.name} (seed {self.seed})"

    def generator(self, *purpose: int) -> np.random.Generator:
        """A random generator that depends on the member's seed and name and on the purpose, and on nothing else."""
        return np.random.default_rng([self.seed, zlib.crc32(self.name.encode()), *purpose])


@dataclass(frozen=True)
class TrainedMember:
    member: Member
    weights: dict[str, np.ndarray]
    """After the last iteration, without the member axis."""
    predictions: dict[int, np.ndarray]
    """(e,) predictions in standard deviations, by the number of iterations done."""


@dataclass(frozen=True)
class Batches:
    """What a stack reads, all of it on the device before the first step: a step then is a few kernels and no copying."""

    table: Tensor
    """(items x T, D) features; an item is a sample's temporal copy."""
    clips: int
    """T"""
    items: Tensor
    """(M, iterations, B) int32: each member's batches."""
    targets: Tensor
    """(M, iterations, B) float32."""
    evaluation: Tensor
    """(M, e) int32: items to predict; shorter members are padded with item 0, whose prediction is cut off later."""
    shares: Tensor | None = None
    """(T,) float32: each clip's label as a share of the target; None: only the last clip has a label."""


def train_members(
    features: np.ndarray,
    members: Sequence[Member],
    settings: Mapping[str, Any],
    test_offset: int = 0,
    evaluate_at_start: bool = False,
    restarts: Restarts | None = None,
    members_at_once: int | None = None,
    shares: np.ndarray | None = None,
) -> list[TrainedMember]:
    """Train all members and predict their evaluation samples every `evaluate_every` iterations and after the last.

    Args:
        features: (sample, temporal offset, clip, width), finite; tables of several backbones one after the other.
        members: networks to train, in the order of the result.
        settings: the `lstm` section: `width`, `initial_sd`, `learning_rate`, `anneal_every`, `anneal_factor`,
            `iterations`, `batch`, `evaluate_every`, `checkpoint_every`. With 0 iterations the initial weights are evaluated.
        test_offset: the copy that evaluation reads.
        evaluate_at_start: also predict before the first iteration.
        restarts: a killed run called again goes on from them and ends with the same weights and predictions; a restart point of
            other features, members, settings or code is not used.
        members_at_once: members a stack; None fills the memory.
        shares: (clips,), the label of each clip as a share of the target (`label_shares`); None: of the last clip alone.

    Raises:
        RescoreError: a member has no training sample, a target is not finite, features have another shape, initial weights
            have another shape, the loss stops being finite (names members and iterations), or a restart point is damaged.
    """
    make_deterministic()
    check_features(features, test_offset)
    check_members(members, weight_shapes(features.shape[3], settings["width"]), settings["iterations"])
    offsets = features.shape[1]
    device = choose_device()
    table = feature_table(features, device)
    at_once = members_at_once or stack_size(features.shape, settings, device)
    trained: list[TrainedMember] = []
    for first in range(0, len(members), at_once):
        stacked = members[first : first + at_once]
        items, targets = draw_tables(stacked, offsets, settings, device)
        evaluation = evaluation_table(stacked, offsets, test_offset, device)
        labels = None if shares is None else torch.from_numpy(shares.astype(np.float32)).to(device)
        batches = Batches(table, features.shape[2], items, targets, evaluation, labels)
        point = restarts.directory / f"{first:05d}.safetensors" if restarts else None
        data = restarts.data_hash if restarts else ""
        identity = restart_identity(stacked, settings, test_offset, evaluate_at_start, data, shares)
        stack = read_restart(point, identity, device) or fresh_stack(stacked, features.shape[3], settings, device)
        for _ in train_stack(stack, stacked, batches, settings, evaluate_at_start):
            write_restart(point, identity, stack)
        trained += unstack(stack, stacked)
    return trained


def train_stack(
    stack: Stack, members: Sequence[Member], batches: Batches, settings: Mapping[str, Any], evaluate_at_start: bool
) -> Iterator[None]:
    """Bring a stack, in place, from its iteration to the last; yields wherever a restart point is due."""
    total = settings["iterations"]
    optimiser = adam(stack)
    evaluations = stops(total, settings["evaluate_every"], evaluate_at_start)
    checkpoints = stops(total, settings["checkpoint_every"])
    due = [stop for stop in sorted(evaluations | checkpoints) if stop > stack.iteration]
    done = max(stack.iteration, 0)
    clock = Clock(f"{len(members)} members", "iteration", total, done)
    for stop in due:
        start, stack.iteration = max(stack.iteration, 0), stop
        losses = take_steps(stack.weights, optimiser, batches, start, stop, settings)
        check_losses(losses, members, start)
        if stop in evaluations:
            stack.predictions[stop] = evaluate(stack.weights, batches)
        if stop in checkpoints:
            yield
        clock.say(stop, mean_loss=float(losses.mean()) if len(losses) else None)


def take_steps(
    weights: Weights,
    optimiser: torch.optim.Optimizer,
    batches: Batches,
    start: int,
    stop: int,
    settings: Mapping[str, Any],
) -> Tensor:
    """Iterations `start` to `stop` of all members; their losses (stop - start, M), left on the device."""
    losses = torch.zeros(stop - start, len(batches.items), device=batches.table.device)
    for iteration in range(start, stop):
        for group in optimiser.param_groups:
            group["lr"] = annealed(
                settings["learning_rate"], iteration, settings["anneal_every"], settings["anneal_factor"]
            )
        clips = gather(batches.table, batches.items[:, iteration], batches.clips)  # (M, T, B, D)
        loss, gradients = loss_and_gradients(weights, clips, batches.targets[:, iteration], batches.shares)
        for name, weight in weights.items():
            weight.grad = gradients[name]
        optimiser.step()
        losses[iteration - start] = loss
    return losses


def gather(table: Tensor, items: Tensor, clips: int) -> Tensor:
    """Clip features (M, T, B, D), float32, of the items (M, B); table (items x T, D)."""
    steps = torch.arange(clips, dtype=items.dtype, device=items.device)
    rows = items.unsqueeze(1) * clips + steps[:, None]  # (M, T, B)
    return table.index_select(0, rows.flatten()).float().view(*rows.shape, table.shape[1])


def evaluate(weights: Weights, batches: Batches) -> np.ndarray:
    """Predictions (M, e) of the evaluation items, in standard deviations."""
    blocks = [
        predict_steps(weights, gather(batches.table, items, batches.clips))[:, -1]
        for items in batches.evaluation.split(EVALUATION_BATCH, dim=1)
    ]
    return torch.cat(blocks, dim=1).cpu().numpy()


@torch.no_grad()
def run_clips(weights: Mapping[str, np.ndarray], features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What one member has to say of samples, clip by clip.

    Args:
        weights: of one member, without the member axis.
        features: (samples, clip, width).

    Returns:
        Hidden states (samples, clip, H) and the fully connected unit's output after each clip (samples, clip), in standard
        deviations; both float32.
    """
    stacked = {name: torch.from_numpy(np.array(value))[None] for name, value in weights.items()}
    states, steps = [], []
    for first in range(0, len(features), EVALUATION_BATCH):
        part = np.asarray(features[first : first + EVALUATION_BATCH], np.float32)
        clips = torch.from_numpy(part).transpose(0, 1)[None].contiguous()  # (1, T, B, D)
        states.append(lstm_states(stacked, clips)[3][0].transpose(0, 1))  # (B, T, H)
        steps.append(predict_steps(stacked, clips)[0].T)  # (B, T)
    return torch.cat(states).numpy(), torch.cat(steps).numpy()


def adam(stack: Stack) -> torch.optim.Optimizer:
    """Adam with the stack's moments; fused, because a step's cost is the memory traffic of weights and moments."""
    optimiser = torch.optim.Adam(list(stack.weights.values()), fused=True)
    for name, weight in stack.weights.items():
        optimiser.state[weight] = {
            "step": torch.tensor(float(max(stack.iteration, 0)), device=weight.device),
            "exp_avg": stack.moments[0][name],
            "exp_avg_sq": stack.moments[1][name],
        }
    return optimiser


def sample_order(member: Member, offsets: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `draws` items of a member's endless row of epochs, and their targets.

    Returns:
        Items (draws,) int32, each sample x offsets + offset, and targets (draws,) float32.
    """
    copies = len(member.train_rows) * offsets  # numbered sample by sample
    epochs = -(-draws // max(copies, 1))
    order = [member.generator(1, epoch).permutation(copies) for epoch in range(epochs)]
    drawn = np.concatenate(order)[:draws] if order else np.zeros(0, np.int64)
    position, offset = np.divmod(drawn, offsets)
    items = (member.first_row + member.train_rows[position]) * offsets + offset
    return items.astype(np.int32), member.train_targets[position].astype(np.float32)


def draw_tables(
    members: Sequence[Member], offsets: int, settings: Mapping[str, Any], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Every batch of every member: items int32 and targets float32, (M, iterations, B) each."""
    iterations, batch = settings["iterations"], settings["batch"]
    drawn = [sample_order(member, offsets, iterations * batch) for member in members]
    items, targets = (torch.from_numpy(np.stack(column)).to(device) for column in zip(*drawn, strict=True))
    shape = len(members), iterations, batch
    return items.view(shape), targets.view(shape)


def evaluation_table(members: Sequence[Member], offsets: int, test_offset: int, device: torch.device) -> Tensor:
    """Items to predict, int32 (M, longest e)."""
    longest = max(len(member.evaluate_rows) for member in members)
    rows = np.zeros((len(members), longest), np.int32)
    for row, member in zip(rows, members, strict=True):
        row[: len(member.evaluate_rows)] = (member.first_row + member.evaluate_rows) * offsets + test_offset
    return torch.from_numpy(rows).to(device)


def feature_table(features: np.ndarray, device: torch.device) -> Tensor:
    """(sample x offset x clip, width) on the device: float16 as stored on a GPU, float32 on a CPU."""
    table = torch.from_numpy(np.array(features).reshape(-1, features.shape[3]))  # a copy: torch refuses read-only maps
    return table.to(device) if device.type == "cuda" else table.float()


def fresh_stack(members: Sequence[Member], features: int, settings: Mapping[str, Any], device: torch.device) -> Stack:
    """Initial weights of all members and moments of zero."""
    each = [
        member.initial or initial_weights(features, settings["width"], settings["initial_sd"], member.generator(0))
        for member in members
    ]
    weights = {name: torch.from_numpy(np.stack([weights[name] for weights in each])).to(device) for name in each[0]}
    return Stack(weights, [{name: torch.zeros_like(weight) for name, weight in weights.items()} for _ in range(2)], -1)


def unstack(stack: Stack, members: Sequence[Member]) -> list[TrainedMember]:
    weights = {name: weight.cpu().numpy() for name, weight in stack.weights.items()}
    return [
        TrainedMember(
            member,
            {name: weight[index] for name, weight in weights.items()},
            {at: predicted[index, : len(member.evaluate_rows)] for at, predicted in stack.predictions.items()},
        )
        for index, member in enumerate(members)
    ]


def stack_size(shape: tuple[int, ...], settings: Mapping[str, Any], device: torch.device) -> int:
    """How many members fit: weights, gradients and Adam's moments, and the activations of the largest batch."""
    _, _, clips, features = shape
    weights = sum(int(np.prod(size)) for size in weight_shapes(features, settings["width"]).values())
    activations = max(settings["batch"], EVALUATION_BATCH) * clips * (2 * features + 12 * settings["width"])
    share = CPU_BYTES if device.type == "cpu" else GPU_SHARE * torch.cuda.get_device_properties(device).total_memory
    return max(1, int(share // (4 * (4 * weights + activations))))


def sha256_array(array: np.ndarray) -> str:
    return hashlib.sha256(np.asarray(array).tobytes()).hexdigest()


def restart_identity(
    members: Sequence[Member],
    settings: Mapping[str, Any],
    test_offset: int,
    evaluate_at_start: bool,
    data_hash: str,
    shares: np.ndarray | None = None,
) -> str:
    """Hash of everything that a stack's results depend on."""
    described = [
        [
            member.label,
            member.first_row,
            *map(sha256_array, (member.train_rows, member.train_targets, member.evaluate_rows)),
            {name: sha256_array(value) for name, value in (member.initial or {}).items()},
        ]
        for member in members
    ]
    labels = None if shares is None else sha256_array(shares)
    given = [described, dict(settings), test_offset, evaluate_at_start, data_hash, labels]
    return restart_key(given, __name__)


def check_features(features: np.ndarray, test_offset: int) -> None:
    """Raise RescoreError for features of another shape than (sample, temporal offset, clip, width)."""
    if features.ndim != 4 or not 0 <= test_offset < features.shape[1]:
        raise RescoreError(
            f"features of shape {features.shape}: (sample, temporal offset, clip, width) with offset {test_offset} "
            "expected. Check backbone.test_offset and compute the features again."
        )


def check_members(members: Sequence[Member], shapes: Mapping[str, tuple[int, ...]], iterations: int) -> None:
    """Raise one RescoreError for all members that cannot be trained or evaluated."""
    problems = [problem for member in members for problem in member_problems(member, shapes, iterations)]
    raise_together("members cannot be trained", problems or ([] if members else ["no members"]), "mend the manifest.")


def member_problems(member: Member, shapes: Mapping[str, tuple[int, ...]], iterations: int) -> Iterator[str]:
    """What is wrong with one member, a line each."""
    if iterations and len(member.train_rows) == 0:
        yield f"{member.label}: no training samples"
    if len(member.train_rows) != len(member.train_targets):
        yield f"{member.label}: {len(member.train_rows)} training samples but {len(member.train_targets)} targets"
    elif not np.isfinite(member.train_targets).all():
        lost = member.train_rows[~np.isfinite(member.train_targets)]
        yield f"{member.label}: targets of rows {lost[:5].tolist()} are not finite ({len(lost)} rows)"
    if member.initial is not None and {name: np.shape(value) for name, value in member.initial.items()} != shapes:
        width, features = shapes["lstm.weight_hh"][1], shapes["lstm.weight_ih"][1]
        yield f"{member.label}: initial weights are not those of lstm.width {width} on {features} features"


def check_losses(losses: Tensor, members: Sequence[Member], start: int) -> None:
    """Raise RescoreError naming each member whose loss is not finite and its first such iteration."""
    bad = losses.isfinite().logical_not().cpu()  # (iterations, M)
    problems = [
        f"{members[index].label}: loss is not finite from iteration {start + int(bad[:, index].int().argmax())}"
        for index in bad.any(dim=0).nonzero().flatten().tolist()
    ]
    raise_together("training diverged", problems, "lower lstm.learning_rate or lstm.initial_sd.")
