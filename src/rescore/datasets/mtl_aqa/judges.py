"""Every dive's judges as seven marks: what MUSDL learns from (Tang et al., CVPR 2020).

    official    the raw sheets of MTL-AQA (Raw_Annotations/NN.xlsx); a dive whose row cannot be read has no marks
    synthetic   the marks that the seed gave, drawn again in the same order as the dive's score

Panels have five or seven judges, nine or eleven for synchronised dives. All are brought to seven marks in order of which the
middle three add up to score / difficulty, the rule of seven: five get their extremes twice; of a synchronised panel the middle
three are the mean of what counts, and the outer ones its two lowest and two highest marks.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.datasets.mtl_aqa.release import sample_name
from rescore.datasets.mtl_aqa.sheets import read_sheets
from rescore.engine.errors import raise_together
from rescore.engine.storage import read_table, write_table
from rescore.manifests.diving_rule import SYNCHRONISED_PANELS, dive_points
from synthetic_athlete.panels import panel_of
from synthetic_athlete.programme import dives_of_events

MARKS = tuple(f"mark_{number}" for number in range(1, 8))
COLUMNS = ("sample", "panel", *MARKS)


def write_judges(manifest: Path, judges: Path, settings: dict[str, Any], directory: Path | None = None) -> None:
    """Write the judges' marks of every dive that has any.

    Args:
        manifest: of the dives.
        judges: Parquet to write: `sample`, `panel` (judges), `mark_1` .. `mark_7`, rising; dives without marks have no row.
        settings: `seed`, `synthetic`.
        directory: MTL-AQA's release, whose sheets are read; None: synthetic dives.

    Raises:
        RescoreError: sheets that cannot be used, or a synthetic dive whose marks do not give its score.
    """
    dives = read_table(manifest)
    if directory is None:
        panels = dict(synthetic_panels(settings))
        problems = [
            f"{sample}: marks {marks} x {difficulty:g} are not its score {score:g}"
            for sample, difficulty, score in zip(dives["sample"], dives["difficulty"], dives["score"], strict=True)
            if abs(dive_points(marks := panels[sample], difficulty) - score) > 0.011
        ]
        raise_together(f"{manifest}: dives that the seed does not give", problems, "make the synthetic dives again.")
    else:
        panels = {sample_name(dive.key): dive.marks for dive in read_sheets(directory)[0]}
    rows = [
        (sample, len(panels[sample]), *seven_marks(panels[sample])) for sample in dives["sample"] if sample in panels
    ]
    write_table(judges, pd.DataFrame(rows, columns=list(COLUMNS)))


def synthetic_panels(settings: dict[str, Any]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Sample and marks of every synthetic dive."""
    for event, dives in dives_of_events(settings["synthetic"]).items():
        for dive in range(1, dives + 1):
            yield sample_name((event, dive)), panel_of(event, dive, settings["seed"])


def seven_marks(marks: Sequence[float]) -> list[float]:
    """A panel's marks as seven, rising, of which the middle three add up to what counts.

    Args:
        marks: in the panel's order (execution before synchronisation), 5, 7, 9 or 11.
    """
    if len(marks) in SYNCHRONISED_PANELS:
        ordered, counted = sorted(marks), dive_points(marks, 1.0) / 3
        return sorted([*clipped(ordered[:2], high=counted), *[counted] * 3, *clipped(ordered[-2:], low=counted)])
    ordered = sorted(marks)
    return [ordered[0], *ordered, ordered[-1]] if len(marks) == 5 else list(ordered)


def clipped(values: Iterable[float], low: float = 0.0, high: float = 10.0) -> list[float]:
    return [min(max(value, low), high) for value in values]
