"""Train the networks of semi-supervised assessment: one loop, a loss a system (Zhang et al., S4AQA, TCSVT 2022).

    aa             L_reg                                       the adversarial-free baseline, labelled videos alone
    rda            L_reg + lambda2 L_adv                       with alignment of labelled and unlabelled features
    msfr           L_reg + lambda1 L_rec                       with recovery of a masked segment
    s4aqa          L_reg + lambda1 L_rec + lambda2 L_adv       everything
    pseudo_labels  L_reg + w L_reg(unlabelled, own predictions of the round before)
    vat            L_reg + w L_vat                             virtual adversarial training (Miyato et al. 2018)
    s4l            L_reg + w L_order                           S4L-style: which of some orders the segments stand in
    usdl           KL of score distributions                   labelled videos alone (Tang et al. 2020)
    c3d_avg_stl, c3d_avg_mtl   MTL-AQA's Eq. 1, with Eq. 2     labelled videos alone

Members of a system train stacked: their losses are added, so every member's gradient is its own, and Adam works by element.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rescore.engine.errors import RescoreError, raise_together
from rescore.models.device import choose_device, derived_seed, make_deterministic
from rescore.models.losses import DIVE_CLASSES
from rescore.models.s4aqa import (
    AssessmentNetwork,
    mask_segments,
    reorder_segments,
    reverse_gradient,
    score_distributions,
    segments_at,
    virtual_adversarial_perturbation,
)
from rescore.training.iterations import iterate
from rescore.training.restart import to_numpy
from rescore.training.schedule import orders, stops
from rescore.training.telling import Clock

SYSTEMS: dict[str, tuple[str, ...]] = {
    "aa": ("regressor",),
    "rda": ("regressor", "discriminator"),
    "msfr": ("regressor", "decoder"),
    "s4aqa": ("regressor", "decoder", "discriminator"),
    "pseudo_labels": ("regressor",),
    "vat": ("regressor",),
    "s4l": ("regressor", "order"),
    "usdl": ("trunk", "bins"),
    "c3d_avg_stl": ("trunk", "regressor"),
    "c3d_avg_mtl": ("trunk", "regressor", "classes"),
}
"""Parts of each system's network."""
LABELS_ALONE = ("aa", "usdl", "c3d_avg_stl", "c3d_avg_mtl")
"""Systems that read no unlabelled video."""
EVALUATION_BATCH = 256  # samples a member; changes speed and memory only


@dataclass(frozen=True)
class Member:
    """One network to train: what is labelled, what is not, and what is predicted. Rows are those of the segment table."""

    name: str
    seed: int
    """Number of the draw of labelled videos, and seed of everything else that is random."""
    labelled: np.ndarray
    """(n,) rows."""
    targets: np.ndarray
    """(n,) scores, standardised by the labelled ones."""
    unlabelled: np.ndarray
    """(u,) rows; their scores are known to nobody here."""
    evaluated: np.ndarray
    """(e,) rows."""
    classes: Mapping[str, np.ndarray] = field(default_factory=dict)
    """(n,) class numbers of the labelled videos by sub-action; for `c3d_avg_mtl`."""

    @property
    def root(self) -> int:
        """Seed of weights and draws: of the draw and of what is learned from, not of the system."""
        return derived_seed(self.seed, self.name.partition("/")[2])


@dataclass(frozen=True)
class Trained:
    """What became of the members of one system."""

    weights: dict[str, np.ndarray]
    """After the last iteration, member first."""
    predictions: dict[int, list[np.ndarray]]
    """By number of iterations: (e,) of each member, in standard deviations."""


@dataclass(frozen=True)
class Batch:
    """What one iteration reads; every tensor has the member first."""

    labelled: Tensor
    """(members, B, T, width)."""
    targets: Tensor
    """(members, B)."""
    classes: dict[str, Tensor]
    """(members, B) int64."""
    unlabelled: Tensor
    """(members, U, T, width); U is 0 where a system reads none."""
    pseudo: Tensor | None
    """(members, U) pseudo-labels, where there are any."""
    masked: Tensor
    """(members, U) the segment to recover."""
    order: Tensor
    """(members, B + U) which of the known orders labelled and unlabelled videos are shown in."""
    known_orders: Tensor
    """(orders, T)."""
    noise: Callable[[], Tensor]
    """Draws standard normal numbers (members, U, T, width)."""


def train_system(system: str, segments: np.ndarray, members: Sequence[Member], settings: Mapping[str, Any]) -> Trained:
    """Train one system's members together and predict.

    Args:
        system: a key of SYSTEMS.
        segments: (sample, T, width), standardised.
        members: networks to train.
        settings: section `semi_supervised` of params.yaml.

    Raises:
        RescoreError: no such system; a member without labelled videos, or without unlabelled ones where the system reads them;
            segments that are not finite; a loss that stops being finite (the members are named).
    """
    check(system, segments, members)
    make_deterministic()
    device = choose_device()
    table = torch.from_numpy(np.ascontiguousarray(segments, np.float32)).to(device)
    network = AssessmentNetwork(
        SYSTEMS[system], [member.root for member in members], table.shape[1], table.shape[2], settings
    ).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"], fused=True
    )
    draws = Draws(system, members, table, settings)
    predictions: dict[int, list[np.ndarray]] = {}
    clock = Clock(f"{system}, {len(members)} members", "iteration", settings["iterations"])

    def losses(iteration: int) -> Tensor:
        draws.renew_pseudo_labels(network, iteration + 1)
        return LOSSES[system](network, draws.batch(iteration), settings)  # (members,)

    evaluations = stops(settings["iterations"], settings["evaluate_every"])
    names, remedy = [member.name for member in members], "lower semi_supervised.learning_rate."
    for done, found in iterate(optimiser, losses, range(settings["iterations"]), names, remedy):
        if done in evaluations:
            predictions[done] = predict(network, table, [member.evaluated for member in members])
            clock.say(done, mean_loss=float(found.mean()))
    return Trained({name: to_numpy(value) for name, value in network.state_dict().items()}, predictions)


def check(system: str, segments: np.ndarray, members: Sequence[Member]) -> None:
    """Refuse what cannot be trained; see `train_system`."""
    if system not in SYSTEMS:
        raise RescoreError(f"no such system '{system}': {' | '.join(SYSTEMS)}")
    bad = [f"sample {row}" for row in np.flatnonzero(~np.isfinite(segments).all(axis=(1, 2)))]
    raise_together(f"{system}: segment features that are not finite", bad, "compute the features again.")
    problems = [f"{member.name}: no labelled videos" for member in members if not len(member.labelled)]
    problems += [
        f"{member.name}: a target is not finite" for member in members if not np.isfinite(member.targets).all()
    ]
    if system not in LABELS_ALONE:
        problems += [f"{member.name}: no unlabelled videos" for member in members if not len(member.unlabelled)]
    if system == "c3d_avg_mtl":
        problems += [f"{member.name}: no classes" for member in members if set(member.classes) != set(DIVE_CLASSES)]
    raise_together(f"{system}: members that cannot be trained", problems, "give more videos, or leave them out.")


@torch.no_grad()
def predict(network: AssessmentNetwork, table: Tensor, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each member's predictions of its rows, in standard deviations."""
    longest = max(map(len, rows))
    padded = torch.from_numpy(np.stack([np.resize(each, longest) for each in rows])).to(table.device)
    parts = [network(table[padded[:, at : at + EVALUATION_BATCH]]) for at in range(0, longest, EVALUATION_BATCH)]
    predicted = torch.cat(parts, dim=1).cpu().numpy()
    return [values[: len(each)] for values, each in zip(predicted, rows, strict=True)]


class Draws:
    """Everything random of a training, drawn for each member from its own generators: none depends on its fellows."""

    def __init__(self, system: str, members: Sequence[Member], table: Tensor, settings: Mapping[str, Any]) -> None:
        self.table, self.settings, self.members = table, settings, members
        device, iterations = table.device, settings["iterations"]
        self.size = 0 if system in LABELS_ALONE else settings["unlabelled_batch"]
        labelled = [
            self.epochs(member, "labelled", len(member.labelled), settings["labelled_batch"]) for member in members
        ]
        self.rows = self.pick([member.labelled for member in members], labelled)
        self.targets = self.pick([member.targets for member in members], labelled).float()
        self.classes = {
            name: self.pick([member.classes[name] for member in members], labelled)
            for name in (DIVE_CLASSES if system == "c3d_avg_mtl" else ())
        }
        self.orders = fixed_orders(table.shape[1], settings["s4l"]["orders"] if system == "s4l" else 1).to(device)
        places = [self.epochs(member, "unlabelled", len(member.unlabelled), self.size) for member in members]
        self.places = torch.from_numpy(np.stack(places)).to(device)
        self.unlabelled = self.pick([member.unlabelled for member in members], places)
        self.masked = self.integers("masked", table.shape[1], (iterations, self.size))
        shown = settings["labelled_batch"] + self.size
        self.shown = self.integers("orders", settings["s4l"]["orders"], (iterations, shown))
        self.generators = [
            torch.Generator(device).manual_seed(derived_seed(member.root, "noise")) for member in members
        ]
        self.labels_itself = system == "pseudo_labels"
        self.pseudo: Tensor | None = None
        """(members, u) the network's own predictions of all unlabelled videos."""

    def generator(self, member: Member, purpose: str) -> np.random.Generator:
        return np.random.default_rng([member.root, zlib.crc32(purpose.encode())])

    def epochs(self, member: Member, purpose: str, count: int, batch: int) -> np.ndarray:
        """(iterations, batch) places from 0 to count - 1."""
        return orders(self.generator(member, purpose), count, self.settings["iterations"], batch)

    def pick(self, values: Sequence[np.ndarray], places: Sequence[np.ndarray]) -> Tensor:
        """(members, iterations, batch) of each member's values at its places."""
        found = [each[where] if where.size else where for each, where in zip(values, places, strict=True)]
        return torch.from_numpy(np.stack(found)).to(self.table.device)

    def integers(self, purpose: str, high: int, shape: tuple[int, int]) -> Tensor:
        drawn = [self.generator(member, purpose).integers(high, size=shape) for member in self.members]
        return torch.from_numpy(np.stack(drawn)).to(self.table.device)

    def noise(self) -> Tensor:
        shape = (self.size, *self.table.shape[1:])
        device = self.table.device
        return torch.stack([torch.randn(shape, generator=generator, device=device) for generator in self.generators])

    def renew_pseudo_labels(self, network: AssessmentNetwork, iteration: int) -> None:
        """Predict every unlabelled video anew after the warm-up, and then at fixed intervals (Lee 2013, for scores)."""
        settings = self.settings["pseudo_labels"]
        start = int(settings["warm_up"] * self.settings["iterations"])
        if self.labels_itself and iteration > start and (iteration - start - 1) % settings["renew_every"] == 0:
            found = predict(network, self.table, [member.unlabelled for member in self.members])
            longest = max(map(len, found))
            padded = [np.pad(values, (0, longest - len(values))) for values in found]
            self.pseudo = torch.from_numpy(np.stack(padded)).to(self.table.device)

    def batch(self, at: int) -> Batch:
        """Of an iteration, counted from 0."""
        return Batch(
            labelled=self.table[self.rows[:, at]],
            targets=self.targets[:, at],
            classes={name: values[:, at] for name, values in self.classes.items()},
            unlabelled=self.table[self.unlabelled[:, at]],
            pseudo=None if self.pseudo is None else self.pseudo.gather(1, self.places[:, at]),
            masked=self.masked[:, at],
            order=self.shown[:, at],
            known_orders=self.orders,
            noise=self.noise,
        )


def fixed_orders(segments: int, count: int) -> Tensor:
    """(count, T) different orders of T segments, the right one first; the same ones for every member.

    Raises:
        RescoreError: T segments have fewer orders.
    """
    if count > math.factorial(segments):
        raise RescoreError(
            f"semi_supervised.s4l.orders is {count}, but {segments} segments have {math.factorial(segments)} orders. Lower it."
        )
    generator, found = np.random.default_rng(zlib.crc32(b"orders of segments")), {tuple(range(segments)): None}
    while len(found) < count:
        found[tuple(generator.permutation(segments).tolist())] = None
    return torch.tensor(list(found))


Loss = Callable[[AssessmentNetwork, Batch, Mapping[str, Any]], Tensor]
"""(network, batch, settings) -> (members,)."""


def squared(scores: Tensor, targets: Tensor) -> Tensor:
    """(members,) mean squared error."""
    return (scores - targets).square().mean(1)


def regression_loss(network: AssessmentNetwork, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
    """L_reg of the labelled videos."""
    return squared(network(batch.labelled), batch.targets)


def recovery_loss(recovered: Tensor, segments: Tensor) -> Tensor:
    """L_rec: mean |PHI(f_m) - v_k| over videos and features; both (members, U, width)."""
    return (recovered - segments).abs().mean((1, 2))


def alignment_loss(network: AssessmentNetwork, labelled: Tensor, unlabelled: Tensor, coefficient: float) -> Tensor:
    """L_adv: binary cross-entropy of the discriminator behind a reversed gradient, label 1 for labelled.

    Args:
        labelled, unlabelled: features (members, batch, width).
        coefficient: of the reversed gradient.

    Returns:
        (members,).
    """
    logits = network.discriminator(reverse_gradient(torch.cat([labelled, unlabelled], 1), coefficient)).squeeze(2)
    is_labelled = torch.zeros_like(logits)
    is_labelled[:, : labelled.shape[1]] = 1
    return F.binary_cross_entropy_with_logits(logits, is_labelled, reduction="none").mean(1)


def s4aqa_loss(network: AssessmentNetwork, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
    """L_reg + lambda1 L_rec + lambda2 L_adv, without the terms whose part the network lacks.

    The discriminator sees f_l, f_u, and f_m where segments are masked.
    """
    recovers, aligns = hasattr(network, "decoder"), hasattr(network, "discriminator")
    inputs = [batch.labelled]
    inputs += [batch.unlabelled] if aligns else []
    inputs += [mask_segments(batch.unlabelled, batch.masked, settings["masked_slot"])] if recovers else []
    features = network.encoder(torch.cat(inputs, 1))  # one pass: (members, all of them, width)
    size = batch.labelled.shape[1]
    loss = squared(network.regressor(features[:, :size]).squeeze(2), batch.targets)
    if recovers:
        recovered = network.decoder(features[:, -batch.unlabelled.shape[1] :])
        loss = loss + settings["recovery_weight"] * recovery_loss(
            recovered, segments_at(batch.unlabelled, batch.masked)
        )
    if aligns:
        aligned = alignment_loss(network, features[:, :size], features[:, size:], settings["reversal"])
        loss = loss + settings["alignment_weight"] * aligned
    return loss


def pseudo_label_loss(network: AssessmentNetwork, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
    """L_reg, and after the warm-up w times the same towards the network's own earlier predictions."""
    loss = regression_loss(network, batch, settings)
    if batch.pseudo is None:
        return loss
    return loss + settings["pseudo_labels"]["weight"] * squared(network(batch.unlabelled), batch.pseudo)


def virtual_adversarial_loss(network: AssessmentNetwork, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
    """L_reg + w times the squared change of the predicted score under the worst small change of an unlabelled video."""
    change = virtual_adversarial_perturbation(network, batch.unlabelled, batch.noise(), settings["vat"])
    with torch.no_grad():
        clean = network(batch.unlabelled)
    smoothness = squared(network(batch.unlabelled + change), clean)
    return regression_loss(network, batch, settings) + settings["vat"]["weight"] * smoothness


def order_loss(network: AssessmentNetwork, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
    """L_reg + w times the cross-entropy of the order in which all videos are shown (after Zhai et al. 2019)."""
    shown = reorder_segments(torch.cat([batch.labelled, batch.unlabelled], 1), batch.known_orders[batch.order])
    found = cross_entropy(network.order(network.encoder(shown)), batch.order)
    return regression_loss(network, batch, settings) + settings["s4l"]["weight"] * found


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """(members,) mean cross-entropy of logits (members, batch, classes) and class numbers (members, batch)."""
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none").mean(1)


def distribution_loss(network: AssessmentNetwork, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
    """Kullback-Leibler divergence from the Gaussian score distribution to the predicted one (Tang et al. 2020, Eq. 4)."""
    usdl = settings["usdl"]
    wanted = score_distributions(batch.targets, usdl["bins"], usdl["sd"])
    predicted = torch.log_softmax(network.bins(network.encoder(batch.labelled)), dim=2)
    return F.kl_div(predicted, wanted, reduction="none").sum(2).mean(1)


def c3d_avg_loss(network: AssessmentNetwork, batch: Batch, settings: Mapping[str, Any]) -> Tensor:
    """MTL-AQA's Eq. 1, and Eq. 2 where the network has class heads."""
    features = network.encoder(batch.labelled)
    error = network.regressor(features).squeeze(2) - batch.targets
    loss = (error.square() + error.abs()).mean(1)
    for name, targets in batch.classes.items():
        loss = loss + settings["c3d_avg"]["class_weight"] * cross_entropy(network.classes[name](features), targets)
    return loss


LOSSES: dict[str, Loss] = {
    "aa": s4aqa_loss,
    "rda": s4aqa_loss,
    "msfr": s4aqa_loss,
    "s4aqa": s4aqa_loss,
    "pseudo_labels": pseudo_label_loss,
    "vat": virtual_adversarial_loss,
    "s4l": order_loss,
    "usdl": distribution_loss,
    "c3d_avg_stl": c3d_avg_loss,
    "c3d_avg_mtl": c3d_avg_loss,
}
