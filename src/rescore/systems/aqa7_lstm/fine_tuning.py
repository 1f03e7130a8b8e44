"""Fine-tuning to a new action with few samples (AQA-7, Sec. 5.3, Table 4 and Figure 3).

    rescore step systems.aqa7_lstm.fine_tuning.run ...     the rule `fine_tuning`; docs/experiments.md has cost and expectation

Members `fine_tuned/<action>/<samples>/<start>`, each x seeds: six actions x three training sizes x two starts, `random`
(gaussian weights) and `multi_action` (the network of `zero_shot` that was trained on the five other actions).
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rescore.actions import BY_NAME, EXPERIMENT_ACTIONS
from rescore.engine.errors import raise_together
from rescore.engine.storage import write_table
from rescore.systems.common.repetition import seeds
from rescore.systems.common.samples import (
    Samples,
    read_members,
    read_samples,
    remove_restart,
    restart_directory,
    trained_predictions,
    write_members,
)
from rescore.training.members import Member, TrainedMember, train_members
from rescore.training.restart import Restarts

STARTS = ("random", "multi_action")


@dataclass(frozen=True)
class Cell:
    """One column of Table 4: an action, a training size, and the schedule in proportion to it."""

    action: str
    samples: int
    iterations: int
    anneal_every: int

    @property
    def schedule(self) -> tuple[int, int]:
        return self.iterations, self.anneal_every


def run(
    features: list[Path],
    rows: Path,
    initial: Path,
    predictions: Path,
    members: Path,
    settings: dict[str, Any],
    backbone: list[Path] | None = None,
) -> None:
    """Fine-tune the members of Table 4 and write predictions and checkpoint. Cells of one schedule train together.

    Args:
        features: .npy, float16 (sample, temporal offset, clip, width), one a backbone.
        rows: .parquet, the samples of the features.
        initial: the checkpoint of `zero_shot`.
        predictions: .parquet to write; from iteration 0 (before fine-tuning), where Figure 3 starts.
        members: .safetensors to write.
        settings: sections `first_training`, `seeds`, `backbone`, `lstm`, `fine_tuning`.
        backbone: the frozen networks' weights; their hashes go into the checkpoint's header.

    Raises:
        RescoreError: an action has too few samples, the pre-trained networks are missing or of another shape, features,
            rows or settings are wrong, or training diverged.
    """
    numbers = seeds(settings)
    samples = read_samples(features, rows, numbers, settings)
    restart = restart_directory(members)
    cells = list(table_cells(settings["fine_tuning"]))
    check_samples(samples, cells, numbers, settings["fine_tuning"]["test_samples"])
    trained = train_cells(samples, cells, initial, restart, settings)
    # Multiplied back by what was known in training: the deviation of the few drawn scores, not of the action's all.
    sds = [{action_of(result): drawn_sd(samples, result.member.train_rows)} for result in trained]
    table = trained_predictions("fine_tuning", samples, trained, sds)
    write_members("fine_tuning", samples, trained, sds, members, settings, backbone or ())
    write_table(predictions, table)
    remove_restart(restart)


def train_cells(
    samples: Samples, cells: list[Cell], initial: Path, restart: Path, settings: Mapping[str, Any]
) -> list[TrainedMember]:
    """All members, one schedule after another, in the order of Table 4's cells."""
    numbers, test_samples = seeds(settings), settings["fine_tuning"]["test_samples"]
    pretrained = read_members(initial, [(f"without/{name}", seed) for name in EXPERIMENT_ACTIONS for seed in numbers])
    trained: dict[tuple[str, int], TrainedMember] = {}
    members = {cell: list(cell_members(samples, cell, numbers, test_samples, pretrained)) for cell in cells}
    for iterations, anneal_every in sorted({cell.schedule for cell in cells}):
        together = [m for cell in cells if cell.schedule == (iterations, anneal_every) for m in members[cell]]
        schedule = {"iterations": iterations, "anneal_every": anneal_every}
        results = train_members(
            samples.features,
            together,
            {**settings["lstm"], **schedule, "evaluate_every": settings["fine_tuning"]["evaluate_every"]},
            settings["backbone"]["test_offset"],
            evaluate_at_start=True,
            restarts=Restarts(restart / f"{iterations}_{anneal_every}", samples.data_hash),
        )
        trained |= {(result.member.name, result.member.seed): result for result in results}
    return [trained[member.name, member.seed] for cell in cells for member in members[cell]]


def table_cells(settings: Mapping[str, Any]) -> Iterator[Cell]:
    """The columns of Table 4, by action and size; iterations and step iterations stand beside the sizes in the settings."""
    for action in EXPERIMENT_ACTIONS:
        kind = "synchronised" if BY_NAME[action].synchronised else "default"
        columns = (settings[name][kind] for name in ("training_samples", "iterations", "anneal_every"))
        for size, iterations, anneal_every in zip(*columns, strict=True):
            yield Cell(action, size, iterations, anneal_every)


def cell_members(
    samples: Samples,
    cell: Cell,
    numbers: Sequence[int],
    test_samples: int,
    pretrained: Mapping[tuple[str, int], Mapping[str, np.ndarray]],
) -> Iterator[Member]:
    """Both starts of a cell, each once a seed; a seed's two starts see the same training and test samples."""
    for start in STARTS:
        for seed in numbers:
            train, test = draw(samples, cell.action, cell.samples, test_samples, seed)
            weights = pretrained[f"without/{cell.action}", seed] if start == "multi_action" else None
            targets = samples.scores(train) / drawn_sd(samples, train)
            name, first = f"fine_tuned/{cell.action}/{cell.samples}/{start}", samples.first_row(seed)
            yield Member(name, seed, train, targets, test, weights, first)


def draw(samples: Samples, action: str, size: int, test_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows of an action for one seed.

    One order of all the action's samples a seed: the first `size` train and the last `test_samples` test. So smaller training
    sets lie in larger ones and the test samples are the same for every size. The official split plays no part: the
    pre-trained network has seen neither half of this action.
    """
    rows = samples.of([action])
    order = rows[np.random.default_rng([seed, zlib.crc32(action.encode())]).permutation(len(rows))]
    return order[:size], order[len(order) - test_samples :]


def drawn_sd(samples: Samples, rows: np.ndarray) -> float:
    """Standard deviation of the drawn training scores, in points: the only ones that are known in this experiment."""
    return float(samples.scores(rows).std())


def action_of(result: TrainedMember) -> str:
    return result.member.name.split("/")[1]


def check_samples(samples: Samples, cells: list[Cell], numbers: Sequence[int], test_samples: int) -> None:
    """Raise one RescoreError for all cells whose action has too few samples or whose drawn scores do not vary."""
    problems = []
    for cell in cells:
        there = len(samples.of([cell.action]))
        if there < cell.samples + test_samples:
            problems.append(f"{cell.action}: {there} samples, {cell.samples} + {test_samples} for testing needed")
            continue
        problems += [
            f"{cell.action}: the {cell.samples} scores drawn by seed {seed} are all equal"
            for seed in numbers
            if drawn_sd(samples, draw(samples, cell.action, cell.samples, test_samples, seed)[0]) == 0
        ]
    raise_together(
        "fine-tuning is not possible",
        problems,
        "change fine_tuning.training_samples or fine_tuning.test_samples, or give more samples.",
    )
