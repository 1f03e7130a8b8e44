"""Train one network on MTL-AQA's dives: the step behind every learned cell of What and How Well You Performed?.

rescore step experiments.mtl_aqa.train_member --network c3d_avg --tasks score_classes_caption --training-set 1059 ...

store, rows, splits, vocabulary ─► what the member reads ─► training.multitask ─► predictions, classes, captions, weights, curve
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import load_arrays, read_table, save_arrays, sha256_file, write_table
from rescore.experiments.mtl_aqa_members import EXPERIMENT, NETWORKS, split_tasks, split_training_set
from rescore.experiments.samples import PREDICTION_COLUMNS
from rescore.manifests.contract import HIGHEST_SCORE, class_name
from rescore.models.backbones import input_colour
from rescore.models.c3d import initialise
from rescore.models.c3d_avg import C3DAverage
from rescore.models.device import derived_seed, seeded_generator
from rescore.models.losses import DIVE_CLASSES, EOS, SOS
from rescore.models.mscadc import MSCADC
from rescore.models.preprocess import open_clips
from rescore.models.state_dicts import differences
from rescore.models.trainable import Trainable
from rescore.training.multitask import CURVE_COLUMNS, SPEED_COLUMNS, Dives, Progress, first_process, train
from rescore.training.restart import restart_key, to_numpy

Network = C3DAverage | MSCADC

ROW_COLUMNS = ("dataset", "sample", "action", "score")
SPLIT_COLUMNS = ("training_set", "sample", "split")
CLASS_COLUMNS = (
    *("experiment", "member", "seed", "iteration"),
    *("dataset", "sample", "split", "subaction", "target", "predicted"),
)
CAPTION_COLUMNS = tuple(column for column in CLASS_COLUMNS if column != "subaction")
MARKERS = ["<eos>", "<sos>"]
COLOUR = "rgb_imagenet"  # of networks without a pre-trained body


def train_member(
    clips: Path,
    rows: Path,
    splits: Path,
    vocabulary: Path,
    predictions: Path,
    classes: Path,
    captions: Path,
    weights: Path,
    curve: Path,
    network: str,
    tasks: str,
    training_set: str,
    seed: int,
    settings: dict[str, Any],
    backbone: Path | None = None,
    dropped: Path | None = None,
) -> None:
    """Train a member and write what it predicts after every epoch. A killed run goes on from its last epoch.

    `speed.csv` beside the curve holds what the clock said: it is no result, because it differs from run to run.

    Args:
        clips: the store that the network reads: `mtl_aqa.npy` (C3D-AVG) or `mtl_aqa_wide.npy` (MSCADC).
        rows: the store's table.
        splits: table `training_set, sample, split` (train, validation, test).
        vocabulary: JSON list of words by token.
        predictions: written; scores of all test and validation dives after every epoch, in points. No rows without that task.
        classes: written; as predictions, a row a sub-action.
        captions: written; those of the test dives after the last epoch and the best ones.
        weights: written; after the last epoch.
        curve: written; a row an epoch.
        network: `c3d_avg` or `mscadc`.
        tasks: `score`, `classes`, `caption` joined by `_`.
        training_set: of the splits; with `_validated` without the validation dives.
        seed: of the member.
        settings: sections `multitask` and `backbone` of params.yaml.
        backbone: C3D's weights, needed by C3D-AVG where `multitask.body_weights` is `backbone`.
        dropped: table of the samples that the store lacks because their videos could not be read; no others may be absent.

    Raises:
        RescoreError: data that do not fit together or cannot be learned (all of them at once), weights that do not fit, or a
            loss that is not finite.
    """
    if network not in NETWORKS:
        raise RescoreError(f"network is {network}; known: {', '.join(NETWORKS)}.")
    names = split_tasks(tasks)
    words = read_vocabulary(vocabulary)
    table, dives = read_dives(network, names, training_set, clips, rows, splits, words, settings["multitask"], dropped)
    module = initial_network(network, names, len(words), seed, settings, backbone)
    if "score" in names and settings["multitask"]["initial_score"] == "mean":
        start_scores(module, float(dives.targets["score"][dives.train].mean()))
    files = {"clips": clips, "rows": rows, "splits": splits, "vocabulary": vocabulary, "backbone": backbone}
    header = {
        "experiment": EXPERIMENT,
        **{"network": network, "tasks": tasks, "training_set": training_set, "seed": seed},
        "parameters": settings,
        "vocabulary": len(words),
        "data": {name: sha256_file(path) for name, path in files.items() if path},
    }
    restart = weights.with_name(f"{weights.stem}.restart.safetensors")
    key = restart_key(header, __name__)
    colour = network_colour(network, settings)
    progress = train(module, dives, network_settings(network, settings), colour, seed, restart, key)
    if not first_process():
        return
    about = {"experiment": EXPERIMENT, "member": f"{network}/{tasks}/{training_set}", "seed": seed}
    scale = settings["multitask"]["score_scale"]
    write_table(predictions, score_rows(table, dives, progress, about, scale))
    write_table(classes, class_rows(table, dives, progress, about))
    write_table(captions, caption_rows(table, dives, progress, about, words))
    write_table(curve, pd.DataFrame(progress.curve, columns=list(CURVE_COLUMNS)))
    write_table(curve.with_name("speed.csv"), pd.DataFrame(progress.speed, columns=list(SPEED_COLUMNS)))
    save_arrays(weights, {name: to_numpy(value) for name, value in module.state_dict().items()}, header)
    restart.unlink(missing_ok=True)


def network_settings(network: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The `multitask` section as a network's training reads it: MSCADC has epochs of its own."""
    multitask = settings["multitask"]
    return {**multitask, "epochs": multitask["wide_epochs" if network == "mscadc" else "epochs"]}


def network_colour(network: str, settings: Mapping[str, Any]) -> str:
    """The convention of the input: the backbone's where its weights are used."""
    pretrained = network == "c3d_avg" and settings["multitask"]["body_weights"] == "backbone"
    return input_colour(settings["backbone"]) if pretrained else COLOUR


def initial_network(
    network: str, tasks: tuple[str, ...], vocabulary: int, seed: int, settings: Mapping[str, Any], backbone: Path | None
) -> Network:
    """The network before training. What two task sets have in common starts alike for one seed.

    C3D-AVG's body is the backbone's, or He's initialisation (eight layers without normalisation fade under PyTorch's default);
    everything else is PyTorch's default, as in the released code.

    Raises:
        RescoreError: unknown tasks, sizes that the network cannot take, or a backbone that does not fit.
    """
    torch.manual_seed(derived_seed(seed, "multitask weights"))
    module = build_network(network, tasks, vocabulary, settings["multitask"])
    if isinstance(module, C3DAverage):
        if settings["multitask"]["body_weights"] == "random":
            initialise(module.body, seeded_generator(seed, "multitask body"))
        else:
            load_body(module, backbone)
    return module


def start_scores(network: Network, mean: float) -> None:
    """Let the score head's bias start at the mean training score, in units of training.

    From PyTorch's default an offset of some four units is learned first, by all layers at once; in few steps of a narrow network
    that leaves the trunk little that tells dives apart (docs/training.md).
    """
    head = network.score_head if isinstance(network, C3DAverage) else network.score_head.head_conv3
    with torch.no_grad():
        head.get_parameter("bias").fill_(mean)


def build_network(network: str, tasks: tuple[str, ...], vocabulary: int, settings: Mapping[str, Any]) -> Network:
    """A network of the sizes that the `multitask` section asks for."""
    caption = {name: settings[name] for name in ("caption_hidden", "caption_embedding", "caption_dropout")}
    clips = settings["clips"]
    if network == "c3d_avg":
        return C3DAverage(tasks, settings["width"], clips["crop"], vocabulary=vocabulary, **caption)
    widths = settings["wide_width"], settings["wide_head_width"]
    return MSCADC(tasks, *widths, crop=clips["wide_crop"], vocabulary=vocabulary, **caption)


def load_body(network: Trainable, path: Path | None) -> None:
    """Give C3D-AVG's body a backbone's convolutions.

    Raises:
        RescoreError: no file, or convolutions of another layout or width.
    """
    if path is None:
        raise RescoreError(
            "multitask.body_weights is backbone, but no weights are given. Name them (--backbone), or set it to random."
        )
    arrays, _ = load_arrays(path)
    given = {name: torch.from_numpy(array) for name, array in arrays.items() if name.startswith("conv")}
    raise_together(
        f"{path}: a backbone that does not fit C3D-AVG's body",
        differences(network.body.state_dict(), given),
        "set multitask.width to backbone.width and use c3d with 8 convolutions, or set multitask.body_weights to random.",
    )
    network.body.load_state_dict(given)


def read_dives(
    network: str,
    tasks: tuple[str, ...],
    training_set: str,
    clips: Path,
    rows: Path,
    splits: Path,
    words: Sequence[str],
    settings: Mapping[str, Any],
    dropped: Path | None = None,
) -> tuple[pd.DataFrame, Dives]:
    """What a member reads, checked. Arguments as in `train_member`; `settings` is the `multitask` section.

    Returns:
        The store's table and the dives.

    Raises:
        RescoreError: everything that is wrong with the samples that the member uses, together.
    """
    table = read_columns(rows, ROW_COLUMNS).reset_index(drop=True)
    chosen, problems = read_split(read_columns(splits, SPLIT_COLUMNS), table, training_set, read_dropped(dropped))
    raise_together(
        f"{splits}: training set {training_set}", problems, "run the steps that write splits and clips again."
    )
    crop = settings["clips"]["crop" if network == "c3d_avg" else "wide_crop"]
    frames = settings["clips"]["frames"] + 2 * settings["clips"]["shift"]
    store = open_clips(clips, (len(table), frames, crop, crop, 3))

    used = np.unique(np.concatenate(list(chosen.values())))
    points = table["score"].to_numpy(np.float64)
    targets: dict[str, Tensor] = {}
    problems = []
    if "score" in tasks:
        problems += score_problems(table, used)
        targets["score"] = torch.from_numpy((points / settings["score_scale"]).astype(np.float32))
    if "classes" in tasks:
        labels, wrong = read_labels(table, used)
        targets, problems = targets | labels, problems + wrong
    if "caption" in tasks:
        targets["caption"], wrong = read_captions(table, used, chosen["train"], words, settings["caption_tokens"])
        problems += wrong
    raise_together(
        f"{rows}: samples that cannot be learned", problems, "mend the annotations or the vocabulary and run again."
    )
    return table, Dives(store, points, targets, chosen["train"], chosen["test"], chosen["validation"])


def read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table that has these columns."""
    table = read_table(path)
    missing = [column for column in columns if column not in table]
    raise_together(f"{path}: columns are missing", missing, "run the step that writes it again.")
    return table


def read_dropped(path: Path | None) -> set[str]:
    """Samples without a readable video; none where there is no table."""
    return set() if path is None else set(read_columns(path, ("sample",))["sample"].astype(str))


def read_split(
    splits: pd.DataFrame, table: pd.DataFrame, training_set: str, dropped: set[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Row numbers by split, ascending, and what is wrong, a sentence each.

    A validation dive that is also in `train` is held out only of a training set with `_validated`; else the member learns from
    it, and it does not stand under `validation`.
    """
    name, held_out = split_training_set(training_set)
    mine = splits[splits["training_set"].astype(str) == name]
    by_split = {
        split: list(dict.fromkeys(mine.loc[mine["split"] == split, "sample"].astype(str)))
        for split in ("train", "validation", "test")
    }
    validation = set(by_split["validation"])
    if held_out:
        by_split["train"] = [sample for sample in by_split["train"] if sample not in validation]
    else:
        learned = set(by_split["train"])
        by_split["validation"] = [sample for sample in by_split["validation"] if sample not in learned]
    place = {str(sample): row for row, sample in enumerate(table["sample"])}
    problems = [
        f"{sample} ({split}) is not among the clips"
        for split, samples in by_split.items()
        for sample in samples
        if sample not in place and sample not in dropped
    ]
    chosen = {
        split: np.array(sorted(place[sample] for sample in samples if sample in place), np.int64)
        for split, samples in by_split.items()
    }
    if not problems:
        needed = ("train", "test", "validation") if held_out else ("train", "test")
        problems = [f"no {split} samples" for split in needed if not len(chosen[split])]
    return chosen, problems


def score_problems(table: pd.DataFrame, used: np.ndarray) -> list[str]:
    scores = table["score"].to_numpy(np.float64)
    return [
        f"row {row} ({table['sample'][row]}): score {scores[row]:g} is not between 0 and {HIGHEST_SCORE:g} points"
        for row in used
        if not 0 <= scores[row] <= HIGHEST_SCORE  # NaN neither
    ]


def read_labels(table: pd.DataFrame, used: np.ndarray) -> tuple[dict[str, Tensor], list[str]]:
    """Class numbers (samples,) by sub-action, and what is wrong, a sentence each. Rows that nobody uses may have any class."""
    labels, problems = {}, []
    for name, count in DIVE_CLASSES.items():
        if name not in table:
            problems.append(f"column {name} is missing")
            continue
        numbers = {class_name(name, number): number for number in range(count)}
        found = np.array([numbers.get(class_text(name, value), -1) for value in table[name]], np.int64)
        problems += [
            f"row {row} ({table['sample'][row]}): {name} {table[name][row]} is none of {', '.join(numbers)}"
            for row in used
            if found[row] < 0
        ]
        labels[name] = torch.from_numpy(found)
    return labels, problems


def class_text(name: str, value: Any) -> str:
    """A manifest's value as `class_name` spells it; empty for a missing one."""
    if pd.isna(value):
        return ""
    if name == "armstand":
        return "yes" if value else "no"
    return f"{value:g}" if name in ("somersaults", "twists") else str(value)


def read_vocabulary(path: Path) -> list[str]:
    """Words by token.

    Raises:
        RescoreError: the file is missing or no list of different words that starts with <eos> and <sos>.
    """
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run the step that writes it (`rescore plan` names it).") from error
    except ValueError as error:
        raise RescoreError(f"{path}: not JSON ({error}). Delete it and run again.") from error
    listed = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if not listed or words[:2] != MARKERS or len(set(words)) != len(words):
        raise RescoreError(f"{path}: not a list of different words with {MARKERS} first. Delete it and run again.")
    return words


def read_captions(
    table: pd.DataFrame, used: np.ndarray, train: np.ndarray, words: Sequence[str], tokens: int
) -> tuple[Tensor, list[str]]:
    """Captions to learn from, (samples, tokens) int64, and what is wrong, a sentence each.

    <sos>, words, <eos>, then padding with <eos>; a longer caption is cut and its last token is <eos> (released code). Only
    training dives are encoded: of the others no network sees a word.
    """
    number = {word: token for token, word in enumerate(words)}
    encoded = torch.full((len(table), tokens), EOS, dtype=torch.long)
    if "caption" not in table:
        return encoded, ["column caption is missing"]
    said = [str(text).split() if isinstance(text, str) else [] for text in table["caption"]]
    problems = [f"row {row} ({table['sample'][row]}): the caption is empty" for row in used if not said[row]]
    for row in train:
        unknown = sorted({word for word in said[row] if word not in number})
        if unknown:
            problems.append(
                f"row {row} ({table['sample'][row]}): {', '.join(map(repr, unknown))} not in the vocabulary"
            )
            continue
        caption = [SOS, *(number[word] for word in said[row])][: tokens - 1]
        encoded[row, : len(caption)] = torch.tensor(caption)
    return encoded, problems


def evaluated(table: pd.DataFrame, dives: Dives, about: Mapping[str, Any]) -> pd.DataFrame:
    """What tables of predictions say of every evaluated dive, test before validation; `split` is the role in the experiment."""
    rows = np.concatenate([dives.test, dives.validation])
    split = ["test"] * len(dives.test) + ["validation"] * len(dives.validation)
    return table.loc[rows].reset_index(drop=True).assign(**about, split=split)


def by_epoch(tables: Sequence[pd.DataFrame], columns: Sequence[str], like: pd.DataFrame) -> pd.DataFrame:
    """Tables one below the other; without any, no rows of the same columns and types."""
    return pd.concat(tables, ignore_index=True)[list(columns)] if tables else like.iloc[:0][list(columns)]


def score_rows(
    table: pd.DataFrame, dives: Dives, progress: Progress, about: Mapping[str, Any], scale: float
) -> pd.DataFrame:
    """Rows of the predictions contract."""
    base = evaluated(table, dives, about).assign(iteration=0, unit="points", predicted=0.0)
    base = base.assign(target=base["score"].astype(np.float64))
    tables = [
        base.assign(iteration=epoch, predicted=scores.astype(np.float64) * scale)
        for epoch, scores in enumerate(progress.scores, start=1)
    ]
    return by_epoch(tables, PREDICTION_COLUMNS, base)


def class_rows(table: pd.DataFrame, dives: Dives, progress: Progress, about: Mapping[str, Any]) -> pd.DataFrame:
    """True and predicted classes in words, a row a dive and sub-action."""
    base = evaluated(table, dives, about).assign(iteration=0, subaction="", target="", predicted="")
    tables = []
    for epoch, found in enumerate(progress.classes, start=1):
        for index, (name, count) in enumerate(DIVE_CLASSES.items()):
            names = np.array([class_name(name, number) for number in range(count)], object)
            target = [class_text(name, value) for value in base[name]]
            tables.append(base.assign(iteration=epoch, subaction=name, target=target, predicted=names[found[:, index]]))
    return by_epoch(tables, CLASS_COLUMNS, base)


def caption_rows(
    table: pd.DataFrame, dives: Dives, progress: Progress, about: Mapping[str, Any], words: Sequence[str]
) -> pd.DataFrame:
    """True and predicted captions of the test dives, words separated by spaces."""
    base = evaluated(table, dives, about)
    base = base[base["split"] == "test"].assign(iteration=0, target="", predicted="")
    tables = []
    for epoch, tokens in sorted(progress.captions.items()):
        said = [" ".join(words[token] for token in itertools.takewhile(lambda t: t != EOS, row)) for row in tokens]
        tables.append(base.assign(iteration=epoch, target=base["caption"].astype(str), predicted=said))
    return by_epoch(tables, CAPTION_COLUMNS, base)
