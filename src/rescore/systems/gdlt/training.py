"""GDLT on Rhythmic Gymnastics: grades are learned queries, the score is how much of each is seen (Xu et al., CVPR 2022).

rescore step systems.gdlt.training.run --features F.npy --rows F.parquet ...

    segments ─► embedding ─► Transformer encoder ──┐
    grades (learned) ──────► Transformer decoder ◄─┘ ─► response of each grade ─► weighted mean of 0 .. 1

From the authors' released code (xuangch/CVPR22_GDLT, models/ and options.py), whose text is not copied. A member is trained by
itself: `gdlt/rhythmic_gymnastics/<percent>/<apparatus>`; `seed` is the draw of the labels, and of everything else.
"""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays, save_arrays, write_table
from rescore.models.device import choose_device, derived_seed, make_deterministic, reuse_memory
from rescore.systems.common.label_draws import GYMNASTICS, Task, Videos, prediction_rows, read_videos, tasks
from rescore.systems.common.rehearsal import Stage, label_draw_files, written
from rescore.training.iterations import iterate
from rescore.training.optimisers import set_rate
from rescore.training.restart import restart_key, to_numpy
from rescore.training.schedule import orders, stops
from rescore.training.telling import Clock

EXPERIMENT = "gdlt"
EVALUATION_BATCH = 256  # changes speed and memory only


class GradeDecoupledTransformer(nn.Module):
    """Segments (N, T, features) to scores from 0 to 1.

    Args:
        features: numbers a segment.
        knobs: section `gdlt`.
    """

    values: Tensor
    """(grades,) what each stands for, from 0 to 1."""

    def __init__(self, features: int, knobs: Mapping[str, Any]) -> None:
        super().__init__()
        half, width = max(1, features // 2), knobs["width"]
        if width % knobs["heads"]:
            raise RescoreError(f"gdlt.width {width} is no multiple of gdlt.heads {knobs['heads']}. Change one.")
        self.embedding = nn.Sequential(
            *(nn.Linear(features, half), nn.BatchNorm1d(half), nn.ReLU()),
            *(nn.Linear(half, width), nn.BatchNorm1d(width)),
        )
        sizes = width, knobs["heads"], 3 * width, knobs["dropout"]
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(*sizes, batch_first=True),
            knobs["encoder_layers"],
            nn.LayerNorm(width),
            enable_nested_tensor=False,
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(*sizes, batch_first=True), knobs["decoder_layers"], nn.LayerNorm(width)
        )
        for parameter in [*self.encoder.parameters(), *self.decoder.parameters()]:
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.grades = nn.Embedding(knobs["grades"], width)
        self.response = nn.Linear(width, knobs["grades"])  # of each grade to its own features: the diagonal
        self.register_buffer("values", torch.linspace(0, 1, knobs["grades"]))

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and the grades' features (N, grades, width)."""
        embedded = self.embedding(segments.flatten(0, 1)).unflatten(0, segments.shape[:2])  # (N, T, width)
        queries = self.grades.weight.expand(len(segments), -1, -1)
        seen = self.decoder(queries, self.encoder(embedded))  # (N, grades, width)
        responses = torch.sigmoid(self.response(seen).diagonal(dim1=1, dim2=2))  # (N, grades)
        shares = responses / responses.sum(1, keepdim=True)
        return (shares * self.values).sum(1), seen


def triplet_loss(seen: Tensor, margin: float) -> Tensor:
    """Mean over a batch's grade features of max(0, d(farthest of its grade) - d(nearest of another) + margin), cosine distances.

    Args:
        seen: (N, grades, width).
    """
    count, grades = seen.shape[:2]
    directions = F.normalize(seen.flatten(0, 1), dim=1)  # (N * grades, width)
    distances = 1 - directions @ directions.T
    grade = torch.arange(grades, device=seen.device).repeat(count)
    same = grade[:, None] == grade[None, :]
    itself = torch.eye(len(grade), dtype=torch.bool, device=seen.device)
    farthest = (distances * (same & ~itself)).amax(1)
    nearest = distances.masked_fill(same, math.inf).amin(1) if grades > 1 else torch.zeros_like(farthest)
    return F.relu(farthest - nearest + margin).mean()


def run(features: list[Path], rows: Path, predictions: Path, members: Path, settings: dict[str, Any]) -> None:
    """Train on every draw of labels and predict the test routines. A killed run goes on from its last whole member.

    Args:
        features, rows: see `label_draws.read_videos`.
        predictions: written, Parquet: a row a member, draw, evaluated iteration and test routine.
        members: written; safetensors, `<weight>` with the member first.
        settings: `seed`, `first_training`, `semi_supervised.label_draws`, `gdlt`.

    Raises:
        RescoreError: data that cannot be used, or a loss that is not finite.
    """
    knobs = settings["gdlt"]
    reuse_memory()
    make_deterministic()
    videos = read_videos(GYMNASTICS, features, rows, settings)
    every = tasks(videos, settings, knobs["labels"])
    check_scores(every, videos, knobs["highest"])
    header = {
        "experiment": EXPERIMENT,
        "dataset": videos.dataset,
        "parameters": settings,
        **{f"{name}_sha256": digest for name, digest in videos.hashes.items()},
        "members": [{"member": f"{EXPERIMENT}/{task.suffix}", "seed": task.draw} for task in every],
    }
    restart, key = members.with_suffix(".restart"), restart_key(header, __name__)
    weights, parts = [], []
    for place, task in enumerate(every):
        trained = train_or_resume(task, videos, knobs, restart / f"{place}.safetensors", key)
        weights.append(
            {name.partition("/")[2]: array for name, array in trained.items() if name.startswith("weights/")}
        )
        for iteration in sorted(stops(knobs["iterations"], knobs["evaluate_every"])):
            points = knobs["highest"] * trained[f"predicted/{iteration}"].astype(np.float64)
            member = f"{EXPERIMENT}/{task.suffix}"
            parts.append(prediction_rows(EXPERIMENT, member, videos, task.pool.test, points, task.draw, iteration))
    save_arrays(members, {name: np.stack([each[name] for each in weights]) for name in weights[0]}, header)
    write_table(predictions, pd.concat(parts, ignore_index=True))
    shutil.rmtree(restart, ignore_errors=True)


def check_scores(every: Sequence[Task], videos: Videos, highest: float) -> None:
    """Refuse labelled scores that no network can give."""
    labelled = np.unique(np.concatenate([task.labelled for task in every]))
    beyond = [
        f"{videos.rows['sample'][row]}: {videos.scores[row]} points"
        for row in labelled
        if not 0 <= videos.scores[row] <= highest
    ]
    raise_together(f"scores outside 0 to {highest}, GDLT's range", beyond, "raise gdlt.highest.")


def train_or_resume(
    task: Task, videos: Videos, knobs: Mapping[str, Any], restart: Path, key: str
) -> dict[str, np.ndarray]:
    """A member as an earlier, killed run with the same data, settings and code left it, or trained now."""
    if restart.exists():
        arrays, header = load_arrays(restart)
        if header.get("key") == key:
            return dict(arrays)
    trained = train_member(task, videos, knobs)
    save_arrays(restart, trained, {"key": key})
    return trained


def train_member(task: Task, videos: Videos, knobs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Train a network on a task's labelled routines: `weights/<name>`, and `predicted/<iteration>` (test routines,) from 0 to 1.

    Raises:
        RescoreError: a loss that is not finite.
    """
    root = derived_seed(task.draw, task.suffix)
    torch.manual_seed(derived_seed(root, "weights"))
    device = choose_device()
    table = torch.from_numpy(videos.segments[videos.first_row(task.draw) :][: len(videos.rows)]).to(device)
    network = GradeDecoupledTransformer(table.shape[2], knobs).to(device)
    optimiser = torch.optim.SGD(
        network.parameters(), knobs["learning_rate"], knobs["momentum"], weight_decay=knobs["weight_decay"]
    )
    targets = torch.from_numpy((videos.scores / knobs["highest"]).astype(np.float32)).to(device)
    order = orders(
        np.random.default_rng(derived_seed(root, "order")), len(task.labelled), knobs["iterations"], knobs["batch"]
    )
    drawn = torch.from_numpy(task.labelled[order]).to(device)  # (iterations, batch) rows
    torch.manual_seed(derived_seed(root, "dropout"))
    found: dict[str, np.ndarray] = {}
    clock = Clock(f"{task.suffix}, draw {task.draw}", "iteration", knobs["iterations"])

    def losses(iteration: int) -> Tensor:
        set_rate(optimiser, rate(iteration, knobs))
        network.train()
        mine = drawn[iteration]
        scores, seen = network(table[mine])
        return (scores - targets[mine]).square().mean() + knobs["triplet_weight"] * triplet_loss(seen, knobs["margin"])

    evaluations = stops(knobs["iterations"], knobs["evaluate_every"])
    name, remedy = f"{EXPERIMENT}/{task.suffix}, draw {task.draw}", "lower gdlt.learning_rate."
    for done, loss in iterate(optimiser, losses, range(knobs["iterations"]), [name], remedy):
        if done in evaluations:
            found[f"predicted/{done}"] = predict(network, table, task.pool.test)
            clock.say(done, loss=loss.item())
    return found | {f"weights/{name}": to_numpy(value) for name, value in network.state_dict().items()}


def rate(iteration: int, knobs: Mapping[str, Any]) -> float:
    """The learning rate of an iteration, counted from 0: half a cosine from the first to the last."""
    last = knobs["learning_rate"] * knobs["final_rate"]
    return float(last + (knobs["learning_rate"] - last) * (1 + math.cos(math.pi * iteration / knobs["iterations"])) / 2)


@torch.no_grad()
def predict(network: GradeDecoupledTransformer, table: Tensor, rows: np.ndarray) -> np.ndarray:
    """Scores (rows,) from 0 to 1."""
    network.eval()
    parts = torch.from_numpy(rows).to(table.device).split(EVALUATION_BATCH)
    return torch.cat([network(table[part])[0] for part in parts]).cpu().numpy()


def rehearse(stage: Stage) -> list[Path]:
    """A few steps on made-up routines (systems.common.rehearsal)."""
    files, settings = label_draw_files(stage, GYMNASTICS, EXPERIMENT)
    run(**files, **(made := written(stage)), settings=settings)
    return list(made.values())
