"""CoRe: a dive's score as an exemplar's score plus a regressed difference (Yu et al., ICCV 2021), on any network of clips.

    dive ─────► features ─┐
    exemplar ─► features ─┼─► regression tree ─► which interval of differences, and where in it
    exemplar's score ─────┘

What is compared is the execution (score / difficulty), between dives of one difficulty. At test each dive is compared with
several training dives of its difficulty, whose answers are averaged and multiplied by it: CoRe "with DD". The tree's leaves are
intervals of differences that hold equally many pairs of the training set; deciding between leaves is a classification, the
place in a leaf a regression. Where paper and released code (yuxumin/CoRe) leave a choice, the code's is taken.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError
from rescore.models.aggregation import ClipNetwork

ABSENT = -1


class RegressionTree(nn.Module):
    """A binary tree over features (N, in_features): log-probabilities (N, leaves) of its leaves, and a place (N, leaves) in each.

    Args:
        depth: levels of nodes, the leaves' among them; 2^(depth - 1) leaves.
        hidden: features of each node.
    """

    def __init__(self, in_features: int, hidden: int, depth: int) -> None:
        super().__init__()
        nodes = [2**level for level in range(depth - 1)]
        self.leaves = 2 ** (depth - 1)
        self.root = nn.Linear(in_features, hidden)
        # Grouped: each node has weights of its own.
        self.children_of = nn.ModuleList(nn.Conv1d(n * hidden, 2 * n * hidden, 1, groups=n) for n in nodes)
        self.decisions = nn.ModuleList(nn.Conv1d(n * hidden, 2 * n, 1, groups=n) for n in nodes)
        self.places = nn.Conv1d(self.leaves * hidden, self.leaves, 1, groups=self.leaves)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.root(features)).unsqueeze(2)  # (N, hidden, 1)
        reached = features.new_zeros(len(features), 1)  # (N, nodes) log-probability of each node of the level
        for decision, children in zip(self.decisions, self.children_of, strict=True):
            step = F.log_softmax(decision(x).view(len(x), -1, 2), 2)  # (N, nodes, 2)
            reached = (reached.unsqueeze(2) + step).flatten(1)  # (N, 2 nodes)
            x = F.relu(children(x))  # (N, 2 nodes * hidden, 1)
        return reached, self.places(x).squeeze(2)


class Intervals:
    """Intervals of differences, symmetric about 0, equally many of the training pairs' in each.

    Args:
        differences: (pairs,) absolute differences; none: intervals of equal width.
        leaves: their number, even.
        highest: largest difference; larger ones count as in the outermost interval.
    """

    def __init__(self, differences: np.ndarray, leaves: int, highest: float) -> None:
        half = leaves // 2
        if len(differences):
            ordered = np.sort(differences)
            edges = ordered[(np.arange(half + 1) / half * (len(ordered) - 1)).astype(int)]
        else:
            edges = np.linspace(0, highest, half + 1)
        edges[0], edges[-1] = 0.0, highest
        rising = np.maximum.accumulate(np.minimum(edges, highest))
        self.edges = torch.from_numpy(np.concatenate([-rising[:0:-1], rising])).float()  # (leaves + 1,)

    def left_and_width(self, leaf: Tensor) -> tuple[Tensor, Tensor]:
        """Left ends and widths of leaves; an interval without width counts as one wide, so that its place is the difference."""
        edges = self.edges.to(leaf.device)
        left = edges[leaf]
        width = edges[leaf + 1] - left
        return left, torch.where(width > 0, width, torch.ones_like(width))

    def locate(self, difference: Tensor) -> tuple[Tensor, Tensor]:
        """Leaf (N,) int64 and place (N,) in it, from 0 to 1, of differences (N,)."""
        half = (len(self.edges) - 1) // 2
        inner = self.edges[half + 1 : -1].to(difference.device)
        k = torch.searchsorted(inner, difference.abs().contiguous(), right=True)  # (N,) 0 .. half - 1
        leaf = torch.where(difference >= 0, half + k, half - 1 - k)
        left, width = self.left_and_width(leaf)
        return leaf, (difference - left) / width

    def difference(self, leaf: Tensor, place: Tensor) -> Tensor:
        """What a leaf and a place in it stand for; the inverse of `locate`."""
        left, width = self.left_and_width(leaf)
        return left + width * place


class ContrastiveRegression(ClipNetwork):
    """CoRe. Its targets: `execution` (N,), score / difficulty in points; it is told `difficulty` and `exemplars` (`choose`)."""

    def add_head(self, channels: int, settings: Mapping[str, Any]) -> None:
        self.settings = settings["contrastive"]
        self.tree = RegressionTree(2 * channels + 1, self.settings["hidden"], self.settings["depth"])

    def start(self, mean: float, generator: torch.Generator | None) -> None:
        super().start(float("nan"), generator)

    def prepare(self, train: np.ndarray, difficulty: np.ndarray, execution: np.ndarray) -> None:
        """Take note of the training dives: whom they may be compared with, and the intervals of their differences.

        Args:
            train: (m,) rows of the clip store.
            difficulty, execution: (samples,), of the whole store.

        Raises:
            RescoreError: a training dive has no difficulty above 0 or no finite execution.
        """
        bad = [int(row) for row in train if not (difficulty[row] > 0 and np.isfinite(execution[row]))]
        if bad:
            raise RescoreError(
                f"CoRe compares executions, but dives of rows {bad[:10]} ({len(bad)}) have no difficulty above 0. "
                "Mend the manifest."
            )
        self.exemplars = np.asarray(train, np.int64)
        self.difficulty = difficulty
        self.groups = {float(value): train[difficulty[train] == value] for value in np.unique(difficulty[train])}
        pairs = [
            np.abs(np.subtract.outer(e, e))[np.triu_indices(len(e), 1)]
            for e in map(execution.__getitem__, self.groups.values())
        ]
        self.intervals = Intervals(np.concatenate(pairs), self.tree.leaves, self.settings["range"])
        self.known = torch.from_numpy(execution[train].astype(np.float32))  # (m,) the exemplars' executions

    def group_of(self, row: int) -> np.ndarray:
        """Rows of the training dives whose difficulty is a dive's; the nearest difficulty's where there are none."""
        return self.groups[min(self.groups, key=lambda value: abs(value - self.difficulty[row]))]

    def companions(self, order: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """An exemplar for each training dive: another one of its difficulty, itself where it is alone."""
        return np.array([generator.choice(self.others(int(row))) for row in order], np.int64)

    def others(self, row: int) -> np.ndarray:
        group = self.group_of(row)
        return group[group != row] if (group != row).any() else group

    def choose(self, rows: np.ndarray, samples: int, seed: int) -> Tensor:
        """Exemplars to predict dives by: (samples, exemplars) int64 places in `self.exemplars`, ABSENT where there are fewer.

        Args:
            rows: dives to predict; other rows of the table stay ABSENT.
            samples: length of the table.
            seed: of the draw, one for all epochs.
        """
        place = {int(row): index for index, row in enumerate(self.exemplars)}
        chosen = np.full((samples, self.settings["exemplars"]), ABSENT, np.int64)
        for row in rows:
            drawn = np.random.default_rng([seed, int(row)]).permutation(self.group_of(int(row)))[: chosen.shape[1]]
            chosen[row, : len(drawn)] = [place[int(exemplar)] for exemplar in drawn]
        return torch.from_numpy(chosen)

    def given(self, wanted: Mapping[str, Tensor]) -> Tensor:
        """Executions (2 N,) of a batch and its companions."""
        return wanted["execution"]

    def example(self, video: tuple[int, ...], tokens: int) -> tuple[Tensor, Tensor]:
        return torch.empty(2, *video[1:], device="meta"), torch.empty(2, device="meta")

    def compare(self, dive: Tensor, exemplar: Tensor, execution: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, channels) of dives and exemplars, executions (N,) of the latter -> the tree's two outputs (N, leaves)."""
        known = (execution / self.settings["range"]).to(dive.dtype).unsqueeze(1)
        return self.tree(torch.cat([exemplar, dive, known], 1))

    def heads(self, clip_features: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        """Clip features (2 N, C, F) of dives and companions, their executions (2 N,) -> `leaves` and `places` (2 N, leaves).

        First each dive against its companion, then each companion against its dive.
        """
        features = self.video_features(clip_features)
        assert given is not None, "CoRe predicts by `predict`, which has exemplars"
        swapped = torch.cat([features[len(features) // 2 :], features[: len(features) // 2]])
        leaves, places = self.compare(features, swapped, swap(given))
        return {"leaves": leaves, "places": places}

    def losses(
        self, outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """Of both directions: negative log likelihood of the leaf, and for each leaf the squared error of the place in it."""
        leaf, place = self.intervals.locate(wanted["execution"] - swap(wanted["execution"]))  # (2 N,) each
        parts = []
        for half in torch.arange(len(leaf), device=leaf.device).chunk(2):
            parts.append(F.nll_loss(outputs["leaves"][half], leaf[half]))
            mine = F.one_hot(leaf[half], self.tree.leaves).to(place.dtype)  # (N, leaves)
            squares = mine * (outputs["places"][half] - place[half].unsqueeze(1)) ** 2
            parts.append((squares.sum(0) / mine.sum(0).clamp(min=1)).sum())  # mean in each leaf that has any, summed
        loss = torch.stack(parts).sum()
        return {"score": loss, "total": weights["score"] * loss}

    def remember(self, encoded: Tensor) -> None:
        self.memory = self.video_features(encoded).float()  # (m, channels)

    def predict(self, clip_features: Tensor, told: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`score` (N,) in units of training: the mean of what the exemplars say, times the difficulty."""
        features, chosen = self.video_features(clip_features).float(), told["exemplars"]  # (N, K)
        present = chosen != ABSENT
        dive, voter = present.nonzero(as_tuple=True)  # (votes,) each
        exemplar = chosen[dive, voter]
        known = self.known.to(features.device)[exemplar]
        leaves, places = self.compare(features[dive], self.memory[exemplar], known)
        leaf = leaves.argmax(1)
        said = known + self.intervals.difference(leaf, places.float().gather(1, leaf.unsqueeze(1)).squeeze(1))
        execution = features.new_zeros(len(features)).index_add(0, dive, said) / present.sum(1)
        return {"score": execution * told["difficulty"] / self.scale}


def swap(values: Tensor) -> Tensor:
    """The second half of (2 N,) before the first."""
    return torch.cat([values[len(values) // 2 :], values[: len(values) // 2]])
