"""Whose variance it is: every backbone crossed with every seed, of one cheap family (AQA-7's C3D-LSTMs, Table 2).

    python bench/crossed.py [--scale demo] [--seeds 3]      after a run of the scale; a minute or two

Trains each network of Table 2 once for every pair of a backbone of the run and a seed, the same seed on all backbones, and splits
the variance of artanh(rho) on the test samples into that of backbones, of seeds (initial weights, order of the samples), and of
what is neither (their interaction): two-way random-effects analysis of variance without replication, components below 0 set to 0
(Searle, Casella & McCulloch 1992, Variance Components, ch. 4). Prints a Markdown table, shares in percent. In a run training k
rests on backbone k, so its variance over trainings is the sum of the three.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from tabulate import tabulate

from rescore.engine import arithmetic

arithmetic.prepare()

from rescore.actions import EXPERIMENT_ACTIONS  # noqa: E402
from rescore.engine import parameters  # noqa: E402
from rescore.systems.aqa7_lstm.all_action import lstm_members  # noqa: E402
from rescore.systems.common.repetition import seeds  # noqa: E402
from rescore.systems.common.samples import Samples, read_samples  # noqa: E402
from rescore.training.members import TrainedMember, train_members  # noqa: E402


def components(values: np.ndarray) -> tuple[float, float, float]:
    """Variances of rows, of columns and of the rest of (rows, columns) without replication."""
    rows, columns = values.shape
    effects = values.mean(1, keepdims=True) + values.mean(0) - values.mean()
    rest = float(((values - effects) ** 2).sum() / ((rows - 1) * (columns - 1)))
    of_rows = float(values.mean(1).var(ddof=1)) - rest / columns
    of_columns = float(values.mean(0).var(ddof=1)) - rest / rows
    return max(of_rows, 0.0), max(of_columns, 0.0), rest


def correlation(samples: Samples, trained: TrainedMember) -> float:
    """artanh of Spearman's rho on an action's test samples; the mean over the actions for a network of all of them."""
    predicted, rows = trained.predictions[max(trained.predictions)], trained.member.evaluate_rows
    action = samples.rows["action"].to_numpy()[rows]
    wanted = [trained.member.name.split("/")[1]] if "/" in trained.member.name else EXPERIMENT_ACTIONS
    found = [spearmanr(predicted[action == name], samples.scores(rows[action == name])).statistic for name in wanted]
    return float(np.arctanh(found).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    settings = parameters.load(scale=options.scale)[1]
    numbers, folder = seeds(settings), Path("data", options.scale, "features/aqa7")
    features = sorted(folder.glob("[0-9]*.npy"), key=lambda path: int(path.stem))
    samples = read_samples(features, folder / f"{features[0].stem}.parquet", numbers, settings)
    of_one = [member for member in lstm_members(samples, numbers[:1])]
    crossed = [
        dataclasses.replace(member, seed=seed, first_row=samples.first_row(backbone))
        for member in of_one
        for backbone in numbers
        for seed in range(options.seeds)
    ]
    trained = train_members(samples.features, crossed, settings["lstm"], settings["backbone"]["test_offset"])
    shape = (len(of_one), len(numbers), options.seeds)
    values = np.reshape([correlation(samples, one) for one in trained], shape)
    lines = [[member.name, *components(found)] for member, found in zip(of_one, values, strict=True)]
    lines.append(["mean", *np.mean([line[1:] for line in lines], axis=0)])
    rows = [
        [name, f"{np.sqrt(sum(parts)):.3f}", *(f"{100 * part / sum(parts):.0f}" for part in parts)]
        for name, *parts in lines
    ]
    print(f"scale {options.scale}: {len(numbers)} backbones x {options.seeds} seeds, last iteration\n")
    headers = ["network", "sd of artanh(rho)", "backbone, %", "seed, %", "neither, %"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
