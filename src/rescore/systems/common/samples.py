"""What the experiments on AQA-7's features share: the samples read, scores scaled, predictions and checkpoints written."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.actions import BY_NAME, EXPERIMENT_ACTIONS
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays, read_table, save_arrays, sha256_file, sha256_text
from rescore.systems.common.repetition import backbone_of, backbones
from rescore.training.members import TrainedMember

COLUMNS = ("dataset", "sample", "action", "split", "score")
PREDICTION_COLUMNS = (
    *("experiment", "member", "seed", "iteration"),
    *("dataset", "sample", "action", "split", "target", "predicted", "unit"),
)


@dataclass(frozen=True)
class Samples:
    """The features of a data set and the table that says what they are of."""

    features: np.ndarray
    """float16 (sample, temporal offset, clip, width): a table a backbone, one after the other; a single one is a memory map."""
    rows: pd.DataFrame
    """The manifest's rows in the same order, numbered from 0: those of each table."""
    tables: Mapping[int, int]
    """By training, the place of its backbone's table among the tables."""
    hashes: dict[str, Any]
    """SHA-256 of the files: `features` by number of the backbone, `rows`."""

    @property
    def data_hash(self) -> str:
        return sha256_text("".join([*self.hashes["features"].values(), self.hashes["rows"]]))

    def first_row(self, training: int) -> int:
        """Where the features of a training's backbone begin."""
        return self.tables[training] * len(self.rows)

    def features_of(self, training: int) -> np.ndarray:
        """(sample, temporal offset, clip, width): what a training's backbone says of the samples."""
        first = self.first_row(training)
        return self.features[first : first + len(self.rows)]

    def of(self, actions: Iterable[str], split: str | None = None) -> np.ndarray:
        """Row numbers of the samples of some actions, of one split or of both, in the table's order."""
        wanted = self.rows["action"].isin(list(actions))
        return np.flatnonzero(wanted & (self.rows["split"] == split) if split else wanted)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Scores in points, float64."""
        return self.rows["score"].to_numpy(np.float64)[rows]

    def training_sd(self, action: str) -> float:
        """Standard deviation of an action's training scores, in points (AQA-7, Sec. 5 Data Preparation).

        The population's (divided by n): the paper does not say which, and rank correlations do not depend on it.
        """
        return float(self.scores(self.of([action], "train")).std())

    def training_sds(self) -> dict[str, float]:
        return {action: self.training_sd(action) for action in EXPERIMENT_ACTIONS}

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Scores of rows, each divided by the training standard deviation of its action."""
        sd = self.rows["action"].loc[rows].map(self.training_sds()).to_numpy(np.float64)
        return self.scores(rows) / sd


def read_samples(features: Sequence[Path], rows: Path, numbers: Sequence[int], settings: Mapping[str, Any]) -> Samples:
    """Read features and their rows.

    Args:
        features: .npy of every backbone that the trainings rest on, in the order of `repetition.backbones`.
        rows: their common table.
        numbers: of the trainings.
        settings: `backbone.weights`.

    Raises:
        RescoreError: a file is missing or damaged, they do not belong together, features are not finite, or rows are wrong
            (all bad ones together).
    """
    return open_samples(features, rows, read_rows(rows), numbers, settings)


def open_samples(
    features: Sequence[Path], rows: Path, table: pd.DataFrame, numbers: Sequence[int], settings: Mapping[str, Any]
) -> Samples:
    """Features beside their table, which is read and checked already; arguments as `read_samples`.

    Raises:
        RescoreError: a file is missing or damaged, they do not belong together, or features are not finite.
    """
    known = backbones(numbers, settings)
    if len(known) != len(features):
        raise RescoreError(
            f"{len(features)} files of features for the backbones {', '.join(map(str, known))}: one each expected. "
            "Run the workflow, which names them."
        )
    arrays = [open_features(path, rows, table) for path in features]
    if len(shapes := {array.shape for array in arrays}) > 1:
        raise RescoreError(
            f"{', '.join(map(str, features))}: shapes {', '.join(map(str, sorted(shapes)))}; features of one shape expected. "
            "Delete them and compute the features again."
        )
    hashes = {str(number): sha256_file(path) for number, path in zip(known, features, strict=True)}
    # What is done once rests on the backbone that is given, whose number is none of the trainings'.
    tables = {number: known.index(backbone_of(number, settings)) for number in (*known, *numbers)}
    joined = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return Samples(joined, table, tables, {"features": hashes, "rows": sha256_file(rows)})


def open_features(features: Path, rows: Path, table: pd.DataFrame) -> np.ndarray:
    """One file of features, by memory map, checked; see `open_samples`."""
    try:
        array = np.load(features, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(f"{features}: no such file. Run the features step (`rescore plan` names it).") from error
    except (ValueError, OSError, EOFError) as error:
        raise RescoreError(f"{features}: not a readable .npy file ({error}). Delete it and run again.") from error
    if array.ndim != 4 or len(array) != len(table):
        raise RescoreError(
            f"{features}: shape {array.shape} for {len(table)} rows of {rows}; (sample, temporal offset, clip, width) "
            "expected. Delete both and compute the features again."
        )
    # Sample by sample: the memory map need not fit into memory at once.
    lost = [str(table["sample"][row]) for row, sample in enumerate(array) if not np.isfinite(sample).all()]
    raise_together(f"{features}: features that are not finite", lost, "delete it and compute the features again.")
    return array


def read_rows(path: Path) -> pd.DataFrame:
    """The table of the features' samples, checked; `RescoreError` names all bad rows together."""
    table = read_table(path).reset_index(drop=True)
    missing = [column for column in COLUMNS if column not in table]
    raise_together(f"{path}: columns are missing", missing, "delete it and compute the features again.")
    checks = (
        ("score is not finite", ~np.isfinite(table["score"].to_numpy(np.float64))),
        (f"unknown action (valid: {', '.join(BY_NAME)})", ~table["action"].isin(list(BY_NAME)).to_numpy()),
        ("split is neither train nor test", ~table["split"].isin(["train", "test"]).to_numpy()),
        ("sample appears twice", table.duplicated(["dataset", "sample"]).to_numpy()),
    )
    problems = [f"row {row} ({table['sample'][row]}): {what}" for what, bad in checks for row in np.flatnonzero(bad)]
    for action in EXPERIMENT_ACTIONS:
        there = table[table["action"] == action]
        problems += [
            f"{action}: no {split} samples" for split in ("train", "test") if not (there["split"] == split).any()
        ]
        if there.loc[there["split"] == "train", "score"].nunique() == 1:
            problems.append(
                f"{action}: all training scores are equal, so they cannot be scaled by their standard deviation"
            )
    raise_together(f"{path}: samples that no experiment can use", problems, "mend the manifest and run again.")
    return table


def trained_predictions(
    experiment: str, samples: Samples, trained: Sequence[TrainedMember], sds: Sequence[Mapping[str, float]]
) -> pd.DataFrame:
    """Rows of the predictions contract, in points, ordered by member, seed, iteration and sample as they come.

    A prediction is multiplied by the standard deviation of its sample's action (AQA-7, Sec. 5: "of the appropriate
    action"), also where the member never saw that action; within an action no rank depends on it.

    Args:
        experiment: name of the experiment.
        samples: the data set.
        trained: members with their predictions in standard deviations.
        sds: for each of them, the standard deviation in points by action.
    """
    parts = []
    for result, sd_of_action in zip(trained, sds, strict=True):
        member = result.member
        sd = samples.rows["action"].loc[member.evaluate_rows].map(sd_of_action).to_numpy(np.float64)
        for iteration, predicted in sorted(result.predictions.items()):
            points = predicted.astype(np.float64) * sd
            parts.append(
                prediction_rows(experiment, samples, member.name, member.seed, iteration, member.evaluate_rows, points)
            )
    return pd.concat(parts, ignore_index=True)


def prediction_rows(
    experiment: str, samples: Samples, member: str, seed: int, iteration: int, rows: np.ndarray, predicted: np.ndarray
) -> pd.DataFrame:
    """One member's predictions (points) of some rows after an iteration, as rows of the predictions contract.

    `split` is the role in the experiment: what is predicted is tested on.
    """
    table = samples.rows.loc[rows, ["dataset", "sample", "action"]].reset_index(drop=True)
    table = table.assign(experiment=experiment, member=member, seed=seed, iteration=iteration, split="test")
    table = table.assign(target=samples.scores(rows), predicted=predicted, unit="points")
    return table[list(PREDICTION_COLUMNS)]


def write_members(
    experiment: str,
    samples: Samples,
    trained: Sequence[TrainedMember],
    sds: Sequence[Mapping[str, float]],
    members: Path,
    settings: Mapping[str, Any],
    weights: Sequence[Path],
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write the checkpoint of all members.

    Its header names members (in the order of the member axis), each with the standard deviations by action
    that make its predictions points, parameters, and the hashes of data and backbones. Code stands in the step's record: equal
    weights are equal files.

    Args:
        weights: of the backbones, in the order of the features' files; none where they are not to be named.
    """
    arrays = {name: np.stack([result.weights[name] for result in trained]) for name in trained[0].weights}
    header = {
        "experiment": experiment,
        "members": [
            {"member": result.member.name, "seed": result.member.seed, "score_sd": dict(sd)}
            for result, sd in zip(trained, sds, strict=True)
        ],
        "settings": dict(settings),
        "features_sha256": samples.hashes["features"],
        "rows_sha256": samples.hashes["rows"],
        "backbone_sha256": backbone_hashes(samples, weights),
        **(details or {}),
    }
    save_arrays(members, arrays, header)


def backbone_hashes(samples: Samples, weights: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of the frozen networks by number; empty where none is given."""
    return {
        number: sha256_file(path)
        for number, path in zip(samples.hashes["features"] if weights else (), weights, strict=True)
    }


def restart_directory(members: Path) -> Path:
    """Where restart points lie: beside the checkpoint that they grow into."""
    return members.with_suffix(".restart")


def remove_restart(restart: Path) -> None:
    """Remove the restart points of a finished experiment."""
    shutil.rmtree(restart, ignore_errors=True)


def read_members(path: Path, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """Weights of members, by name and seed, from an experiment's checkpoint.

    Raises:
        RescoreError: the file is missing or damaged, or lacks members (all of them are named).
    """
    arrays, header = load_arrays(path)
    places = {(entry["member"], entry["seed"]): index for index, entry in enumerate(header.get("members", []))}
    missing = [f"{name} (seed {seed})" for name, seed in wanted if (name, seed) not in places]
    raise_together(f"{path}: members are missing", missing, "run the experiment that writes it with the same `seeds`.")
    return {key: {name: np.array(array[places[key]]) for name, array in arrays.items()} for key in wanted}
