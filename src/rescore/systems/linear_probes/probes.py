"""Linear regressors on the activations of three bodies (What and How Well You Performed?, 5.2, Tables 9 and 10).

    activations (features.activations) ─► ridge regression for each layer and draw of samples ─► predictions

    backbone/<evaluation>/<layer>                  Baseline-1: C3D pre-trained on action recognition
    classes/<evaluation>/<layer>                   Baseline-2: C3D-AVG trained for the dives' classes alone
    score_classes_caption/<evaluation>/<layer>     C3D-AVG-MTL

Evaluations: `dives` (MTL-AQA's training and test dives), `within` (vaults drawn at random), `outside` (training and test vaults
from different competitions). Layers: `c1` to `c5`. A seed of a body is probed on the draw of vaults of its own number, so all
bodies see the same vaults; a backbone that is not trained here is probed on the draw of every seed.

No framework is imported: the workflow and the scoring read the names from here.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays, read_table, sha256_text, write_json, write_table
from rescore.systems.common import ridge
from rescore.systems.common.open_predictions import prediction_rows
from rescore.systems.common.repetition import backbone_of, backbones, network_seeds
from rescore.systems.common.training_sets import CLASSES, MULTITASK, WHOLE

EXPERIMENT = "linear_probes"
BACKBONE = "backbone"
BODIES = {"Baseline-1": BACKBONE, "Baseline-2": CLASSES, "C3D-AVG-MTL": MULTITASK}
"""By row of the tables."""
LAYERS = ("c1", "c2", "c3", "c4", "c5")
DIVES, WITHIN, OUTSIDE = "dives", "within", "outside"
VAULTS, VAULT = "vaults", "gymvault"
"""Evaluations by table."""


@dataclass(frozen=True)
class Probed:
    """What one body says of the videos of a data set."""

    body: str
    seed: int
    layers: dict[str, np.ndarray]
    """By layer (sample, values)."""


@dataclass(frozen=True)
class Draw:
    """Which vaults are learned from and which are tested, as row numbers."""

    train: np.ndarray
    test: np.ndarray


def folders(settings: Mapping[str, Any]) -> list[str]:
    """The bodies' folders below runs/<scale> (the backbones') and runs/<scale>/mtl_aqa (the members'), in a fixed order."""
    return [
        *(f"{BACKBONE}/{number}" for number in backbones(network_seeds(settings), settings)),
        *(f"c3d_avg/{tasks}/{WHOLE}/{seed}" for tasks in (CLASSES, MULTITASK) for seed in network_seeds(settings)),
    ]


def regressions(settings: Mapping[str, Any]) -> int:
    """How many regressions are fitted: dives once a body, vaults twice a body and seed."""
    return len(LAYERS) * (len(folders(settings)) + 2 * len(BODIES) * len(network_seeds(settings)))


def probe_dives(
    activations: list[Path], rows: Path, splits: Path, predictions: Path, choice: Path, settings: dict[str, Any]
) -> None:
    """Fit every body's layers on MTL-AQA's training dives and predict its test dives (Table 9).

    Args:
        activations: safetensors of `features.activations`, one a body and seed.
        rows: table of MTL-AQA's clips.
        splits: `training_set, sample, split`; the training set is `1059`.
        predictions: written; members `<body>/dives/<layer>`, iteration 0.
        choice: written, JSON: by member and seed the chosen penalty and its error out of fold.
        settings: `seed`, `first_training`, `multitask.seeds`, `backbone.weights`, `linear_probes`.

    Raises:
        RescoreError: bodies or seeds are missing, or activations that are not those of the dives.
    """
    table = read_table(rows)
    chosen = read_table(splits)
    chosen = chosen[chosen["training_set"].astype(str) == WHOLE]
    place = {str(sample): row for row, sample in enumerate(table["sample"])}
    parts = {
        split: np.array(sorted(place[name] for name in set(group["sample"].astype(str)) if name in place), np.int64)
        for split, group in chosen.groupby("split")
    }
    absent = [f"no {split} dives of training set {WHOLE}" for split in ("train", "test") if split not in parts]
    raise_together(f"{splits}: nothing to probe", absent, "run the step that writes the splits again.")
    draw = Draw(parts["train"], parts["test"])
    bodies = read_bodies(activations, DIVES, table["sample"].astype(str).tolist(), settings)
    fit_all(((body, body.seed, DIVES, draw) for body in bodies), table, predictions, choice, settings)


def probe_vaults(
    activations: list[Path], rows: Path, predictions: Path, choice: Path, settings: dict[str, Any]
) -> None:
    """Fit every body's layers on training vaults and predict test vaults, within and out of the data set (Table 10).

    Args:
        activations, predictions, choice, settings: as `probe_dives`; members `<body>/within/<layer>` and, where the data set says
            which competition a vault belongs to, `<body>/outside/<layer>`.
        rows: table of AQA-7's clips.

    Raises:
        RescoreError: as `probe_dives`, or too few vaults.
    """
    vaults = vaults_of(read_table(rows))
    bodies = read_bodies(activations, VAULTS, vaults["sample"].astype(str).tolist(), settings)
    seeds = network_seeds(settings)
    draws = {seed: draw_vaults(vaults, settings["linear_probes"], settings["seed"], seed) for seed in seeds}
    jobs = (
        (body, seed, evaluation, draw)
        for body in bodies
        for seed in seeds
        if body.seed == (backbone_of(seed, settings) if body.body == BACKBONE else seed)
        for evaluation, draw in draws[seed].items()
    )
    fit_all(jobs, vaults, predictions, choice, settings)


def vaults_of(table: pd.DataFrame) -> pd.DataFrame:
    """AQA-7's vaults, numbered from 0 in the table's order."""
    return table[table["action"] == VAULT].reset_index(drop=True)


def has_events(vaults: pd.DataFrame) -> bool:
    """Whether the competition of every vault is known."""
    return "event" in vaults and bool(vaults["event"].notna().all())


def read_bodies(
    paths: Sequence[Path], dataset: str, samples: Sequence[str], settings: Mapping[str, Any]
) -> list[Probed]:
    """Every body and seed that the settings ask for, in the order of the tables.

    Raises:
        RescoreError: some are missing or there twice, or their samples are not those of the data set, in its order.
    """
    found: dict[tuple[str, int], Probed] = {}
    problems = []
    for path in paths:
        arrays, header = load_arrays(path)
        body, seed = str(header.get("body")), int(header.get("seed", 0))
        layers = {layer: arrays[f"{dataset}.{layer}"] for layer in LAYERS if f"{dataset}.{layer}" in arrays}
        problems += [f"{path}: {dataset} lack {layer}" for layer in LAYERS if layer not in layers]
        if header.get("samples_sha256", {}).get(dataset) != sha256_text("\n".join(samples)):
            problems.append(f"{path}: its {dataset} are not those of the data set")
        if (body, seed) in found:
            problems.append(f"{path}: {body}, seed {seed} stands twice")
        found[body, seed] = Probed(body, seed, layers)
    seeds = network_seeds(settings)
    known = {body: backbones(seeds, settings) if body == BACKBONE else seeds for body in BODIES.values()}
    wanted = [(body, seed) for body, numbers in known.items() for seed in numbers]
    problems += [f"no activations of {body}, seed {seed}" for body, seed in wanted if (body, seed) not in found]
    raise_together("activations that cannot be probed", problems, "run the step that writes the activations again.")
    return [found[key] for key in wanted]


def draw_vaults(vaults: pd.DataFrame, probes: Mapping[str, Any], root: int, seed: int) -> dict[str, Draw]:
    """Training and test vaults of both evaluations for one seed; `outside` where the competitions are known.

    Both have the same numbers, so that what differs between them is the competition alone: `test_samples` tested, and for
    training `training_samples`, or as many as both can have (the paper's 125 and 56 are more than AQA-7's 176 vaults).

    Out of the data set: competitions in random order are for testing until they hold enough, and the test vaults are drawn of
    theirs; the training vaults are drawn of all other competitions'.

    Raises:
        RescoreError: fewer training vaults than folds are left.
    """
    tested, wanted = probes["test_samples"], probes["training_samples"]
    order = generator(root, seed, WITHIN).permutation(len(vaults))
    orders = {WITHIN: (order[:tested], order[tested:])}
    if has_events(vaults):
        orders[OUTSIDE] = split_by_event(vaults["event"].astype(str).to_numpy(), tested, generator(root, seed, OUTSIDE))
    size = min(wanted, *(len(train) for _, train in orders.values()))
    if size < probes["folds"] + 1 or any(len(test) < tested for test, _ in orders.values()):
        raise RescoreError(
            f"{len(vaults)} vaults: with {tested} for testing, {size} are left for training on, too few for {probes['folds']} "
            "folds. Lower linear_probes.test_samples or folds."
        )
    return {name: Draw(np.sort(train[:size]), np.sort(test)) for name, (test, train) in orders.items()}


def split_by_event(events: np.ndarray, tested: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Test samples, and every sample of the competitions that none of them comes from, both in random order."""
    names = random.permutation(np.unique(events))
    counts = np.array([(events == name).sum() for name in names])
    enough = int(np.searchsorted(counts.cumsum(), tested)) + 1
    is_test = np.isin(events, names[:enough])
    return random.permutation(np.flatnonzero(is_test))[:tested], random.permutation(np.flatnonzero(~is_test))


def generator(root: int, seed: int, evaluation: str) -> np.random.Generator:
    """Of one draw of vaults; it knows no body, so every body has the same draw."""
    return np.random.default_rng([root, seed, zlib.crc32(f"vaults {evaluation}".encode())])


def fit_all(
    jobs: Iterator[tuple[Probed, int, str, Draw]],
    table: pd.DataFrame,
    predictions: Path,
    choice: Path,
    settings: Mapping[str, Any],
) -> None:
    """Fit each job's five layers and write predictions and choices."""
    tables, chosen = [], {}
    points = table["score"].to_numpy(np.float64)
    for body, seed, evaluation, draw in jobs:
        test = table.loc[draw.test].assign(split="test")
        for layer, values in body.layers.items():
            member = f"{body.body}/{evaluation}/{layer}"
            model = ridge.choose_and_fit(
                values[draw.train], points[draw.train], settings["linear_probes"], settings["seed"]
            )
            tables.append(prediction_rows(EXPERIMENT, member, test, model.predict(values[draw.test]), seed=seed))
            chosen[f"{member}, seed {seed}"] = {
                "penalty": model.penalty,
                "root_mean_squared_error_out_of_fold": round(model.error, 6),
                "values": values.shape[1],
                "training_samples": len(draw.train),
                "test_samples": len(draw.test),
            }
    write_table(predictions, pd.concat(tables, ignore_index=True))
    write_json(choice, {"members": chosen, "penalties": list(settings["linear_probes"]["penalties"])})
