from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.datasets.mtl_aqa.judges import MARKS, seven_marks, write_judges
from rescore.engine.errors import RescoreError
from rescore.manifests.diving_rule import dive_points
from synthetic_athlete.panels import panel_of
from synthetic_athlete.programme import EVENTS, dives_of_events, label, sample_name

SYNTHETIC = {"dives": 0.03}


def manifest(path: Path) -> pd.DataFrame:
    rows = []
    for event, dives in dives_of_events(SYNTHETIC).items():
        for dive in range(1, dives + 1):
            performance = label(event, dive, 0)
            rows.append((sample_name(event, dive), performance.difficulty, performance.score))
    table = pd.DataFrame(rows, columns=["sample", "difficulty", "score"])
    table.to_parquet(path)
    return table


def test_synthetic_marks_give_each_dives_score(tmp_path: Path) -> None:
    dives = manifest(tmp_path / "dives.parquet")
    write_judges(tmp_path / "dives.parquet", tmp_path / "judges.parquet", {"seed": 0, "synthetic": SYNTHETIC})
    judges = pd.read_parquet(tmp_path / "judges.parquet")
    assert list(judges["sample"]) == list(dives["sample"])
    marks = judges[list(MARKS)].to_numpy()
    assert (np.diff(marks, axis=1) >= 0).all()
    np.testing.assert_allclose(marks[:, 2:5].sum(1) * dives["difficulty"], dives["score"], atol=0.011)
    synchronised = {sample_name(event, 1) for event, about in EVENTS.items() if about.synchronised}
    assert set(judges.loc[judges["panel"] == 11, "sample"]) >= synchronised
    assert set(judges["panel"]) == {7, 11}


def test_marks_of_every_dive_of_an_event_give_its_score() -> None:
    """Both kinds of event, enough dives that some fail and some are drawn again."""
    for event in (min(EVENTS), next(number for number, about in EVENTS.items() if about.synchronised)):
        for dive in range(1, 150):
            performance, marks = label(event, dive, 3), panel_of(event, dive, 3)
            assert dive_points(marks, performance.difficulty) == pytest.approx(performance.score, abs=0.011)


def test_dives_of_another_seed_are_refused(tmp_path: Path) -> None:
    manifest(tmp_path / "dives.parquet")
    with pytest.raises(RescoreError, match="dives that the seed does not give"):
        write_judges(tmp_path / "dives.parquet", tmp_path / "judges.parquet", {"seed": 1, "synthetic": SYNTHETIC})


@pytest.mark.parametrize(
    "marks",
    [
        [7.0, 6.5, 8.0, 7.5, 7.0],
        [7.0, 6.5, 8.0, 7.5, 7.0, 9.0, 5.0],
        [7.0, 6.5, 8.0, 7.5, 7.0, 9.0, 5.0, 6.0, 6.5],
        [7.0, 6.5, 8.0, 2.0, 2.5, 2.0, 9.0, 9.5, 9.0, 8.5, 10.0],
    ],
)
def test_every_panel_is_brought_to_seven_whose_middle_three_count(marks: list[float]) -> None:
    seven = seven_marks(marks)
    assert seven == sorted(seven)
    assert len(seven) == 7
    assert sum(seven[2:5]) == pytest.approx(dive_points(marks, 1.0))
