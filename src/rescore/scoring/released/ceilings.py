"""Human ceilings on released marks: one judge against the rest of the panel, by seat; persons have numbers, no names.

The dives of the 2000 Olympic Games: a judge's points against what the rule makes of the other six, marks for divers of the
judge's own country apart (after Emerson, Seltzer and Lin 2009). Figure skating: a judge's component marks, and grades of
execution, against the mean of the other eight; those tables give judges a seat and no country.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.errors import RescoreError, raise_together
from rescore.manifests.diving_rule import dive_points_without, judge_points
from rescore.scoring.correlation import Estimate, Trained, combine, estimate_spearman, fisher_z_average
from rescore.scoring.papers import NOTHING_CHOSEN
from rescore.scoring.scores import empty_row, score_row, write_scores

EXPERIMENT = "ceilings"
AVERAGE = "fisher_z_average"
EVERY, OTHERS_ALONE, EXECUTION = "All marks", "Without own-country marks", "Execution alone"
BIAS = "Mark above the rest of the panel, own country"
BIAS_OTHERS = "Mark above the rest of the panel, other countries"
JUDGES = 7
DIVE = ["Event", "Round", "Diver", "DiveNo"]
PROGRAMMES = (
    "MEN SHORT PROGRAM",
    "MEN FREE SKATING",
    "LADIES SHORT PROGRAM",
    "LADIES FREE SKATING",
    "PAIRS SHORT PROGRAM",
    "PAIRS FREE SKATING",
    "ICE DANCE SHORT DANCE",
    "ICE DANCE FREE DANCE",
)
COMPONENTS, GRADES = "Component marks", "Grades of execution"


def score_ceilings(diving: Path, skating: Path, scores: Path, settings: dict[str, Any]) -> None:
    """Write the ceilings.

    Args:
        diving, skating: folders of `released-diving-2000` and `released-figure-skating`.
        scores: written, CSV of the scores contract; averages over seats by Fisher's z.
        settings: `seed`; `scoring`: `bootstrap`, `confidence`.

    Raises:
        RescoreError: a file is missing or not what it should be.
    """
    rows = [*diving_rows(read_marks(diving), settings), *skating_rows(skating, settings)]
    write_scores(scores, EXPERIMENT, rows)


def read_csv(path: Path, columns: list[str], source: str) -> pd.DataFrame:
    """A released table with the columns that are needed.

    Raises:
        RescoreError: it is missing, no CSV, or has not the columns.
    """
    try:
        table = pd.read_csv(path, encoding="utf-8", encoding_errors="replace")
    except (OSError, ValueError) as error:
        raise RescoreError(f"{path}: not a readable table ({error}). Run `rescore fetch {source}`.") from error
    lacking = [f"no column {name}" for name in columns if name not in table]
    raise_together(f"{path}: not the released table", lacking, f"run `rescore fetch {source}`.")
    return table


def read_marks(folder: Path) -> pd.DataFrame:
    """The dives of 2000: `event, seat, sample, mark, difficulty, own` (whether the judge has the diver's country), in panels of
    seven; divers and judges are left out.

    Raises:
        RescoreError: the file is missing or damaged, or a dive has not seven marks.
    """
    path = folder / "data/Diving2000.csv"
    table = read_csv(path, [*DIVE, "Country", "Difficulty", "JScore", "JCountry"], "released-diving-2000")
    table["sample"] = table.groupby(DIVE, sort=False).ngroup().map("{:04d}".format)
    counts = table.groupby("sample").size()
    uneven = [f"dive {sample}: {count} marks" for sample, count in counts.items() if count != JUDGES]
    raise_together(f"{path}: panels that are not of {JUDGES}", uneven, "run `rescore fetch released-diving-2000`.")
    return pd.DataFrame(
        {
            "event": table["Event"],
            "sample": table["sample"],
            "seat": table.groupby("sample").cumcount(),
            "mark": table["JScore"].astype(float),
            "difficulty": table["Difficulty"].astype(float),
            "own": table["Country"] == table["JCountry"],
        }
    )


def diving_rows(marks: pd.DataFrame, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Score rows of the dives: all events, each event, and what own-country marks add."""
    panels = marks.pivot(index="sample", columns="seat", values="mark").to_numpy(float)
    first = marks.drop_duplicates("sample").set_index("sample")
    difficulty, samples = first["difficulty"].to_numpy(float), first.index.to_numpy(str)
    own = marks.pivot(index="sample", columns="seat", values="own").to_numpy(bool)
    rest = np.array(
        [[dive_points_without(panel, seat, 1.0) for seat in range(JUDGES)] for panel in panels.tolist()]
    )  # what the other six give at a difficulty of 1
    alone = judge_points(1.0, 1.0) * panels
    title = "Dives of 2000"
    for column, factor, left in (
        (EVERY, difficulty, None),
        (OTHERS_ALONE, difficulty, own),
        (EXECUTION, np.ones_like(difficulty), None),
    ):
        yield seats_row(title, column, rest * factor[:, None], alone * factor[:, None], samples, left, settings)
    for event in sorted(first["event"].unique()):
        mine = (first["event"] == event).to_numpy()
        points = difficulty[mine, None]
        yield seats_row(
            f"{title}, {event}", EVERY, rest[mine] * points, alone[mine] * points, samples[mine], None, settings
        )
    yield from bias_rows(title, panels, own)


def bias_rows(title: str, panels: np.ndarray, own: np.ndarray) -> Iterator[dict[str, Any]]:
    """How far marks stand above the mean of the other six, for divers of the judge's country and for others."""
    above = panels - (panels.sum(axis=1, keepdims=True) - panels) / (JUDGES - 1)
    for column, mine in ((BIAS, own), (BIAS_OTHERS, ~own)):
        marks = above[mine]
        error = 1.96 * marks.std(ddof=1) / np.sqrt(len(marks)) if len(marks) > 1 else np.nan
        note = f"{len(marks)} marks, in marks; the interval takes marks as independent"
        row = empty_row(title, column, "mean difference", NOTHING_CHOSEN, note)
        yield row | {
            "value": marks.mean(),
            "low": marks.mean() - error,
            "high": marks.mean() + error,
            "n": len(marks),
            "seeds": 1,
        }


def seats_row(
    row: str,
    column: str,
    rest: np.ndarray,
    alone: np.ndarray,
    samples: np.ndarray,
    left_out: np.ndarray | None,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The average over seats of each judge against the rest.

    Args:
        rest, alone: (samples, judges) what the other judges give, and what the judge gives.
        left_out: (samples, judges) marks that do not count.
    """
    seats: list[Estimate] = []
    for seat in range(rest.shape[1]):
        kept = np.ones(len(samples), bool) if left_out is None else ~left_out[:, seat]
        kept &= np.isfinite(rest[:, seat]) & np.isfinite(alone[:, seat])
        names = samples[kept].astype(object)[None]
        scoring = settings["scoring"]
        seats.append(
            estimate_spearman(
                rest[kept, seat][None],
                alone[kept, seat][None],
                names,
                Trained(),
                scoring["bootstrap"],
                settings["seed"],
            )
        )
    average = replace(combine(seats, fisher_z_average), n=len(samples))  # the seats judge the same samples
    return score_row(row, column, AVERAGE, NOTHING_CHOSEN, average, settings["scoring"]["confidence"])


def skating_rows(folder: Path, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Score rows of figure skating's panels of nine, programme by programme."""
    data = folder / "data/tidy"
    source = "released-figure-skating"
    marks = read_csv(data / "judge-scores.csv", ["aspect_id", "judge", "score"], source)
    aspects = read_csv(data / "judged-aspects.csv", ["aspect_id", "performance_id", "section", "factor"], source)
    shown = read_csv(data / "performances.csv", ["performance_id", "program"], source)
    marks["score"] = pd.to_numeric(marks["score"], errors="coerce")
    joined = marks.merge(aspects, on="aspect_id").merge(shown, on="performance_id")
    weight = joined["factor"].where(joined["section"] == "components", 1.0).astype(float)
    joined["points"] = joined["score"] * weight
    for programme in PROGRAMMES:
        mine = joined[joined["program"] == programme]
        for section, column in (("components", COMPONENTS), ("elements", GRADES)):
            part = mine[mine["section"] == section]
            if part.empty:
                continue
            panel = part.pivot_table(index="performance_id", columns="judge", values="points", aggfunc=whole_sum)
            panel = panel.dropna()
            points = panel.to_numpy(float)
            rest = (points.sum(axis=1, keepdims=True) - points) / (points.shape[1] - 1)
            title = f"Figure skating, {programme.lower()}"
            yield seats_row(title, column, rest, points, panel.index.to_numpy(str), None, settings)


def whole_sum(values: pd.Series) -> float:
    """The sum, NaN where a mark is missing: a judge who left one out is no judge of the whole."""
    return float(values.sum(skipna=False))
