"""Judges against judges: the rule on the real sheets, and comparisons that hold nothing of the judge compared."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.datasets.mtl_aqa.sheets import SheetDive
from rescore.engine.errors import RescoreError
from rescore.systems.human_ceiling import judges as human_ceiling
from rescore.systems.human_ceiling.judges import leave_one_judge_out, rule_summary, rule_verdict

MIRROR = os.environ.get("RESCORE_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")


def dive(number: int, score: float, marks: list[float], difficulty: float = 3.0) -> SheetDive:
    return SheetDive((1, number), number + 1, 100, 190, difficulty, score, tuple(marks))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not MIRROR:
        pytest.skip("RESCORE_MIRROR is not set")
    out = tmp_path_factory.mktemp("judges")
    human_ceiling.run(Path(MIRROR) / "mtl_aqa", out / "predictions.parquet", out / "rule.json", out / "findings.csv")
    return out


def test_the_rule_gives_nearly_all_real_scores(finished: Path) -> None:
    rule = json.loads((finished / "rule.json").read_text())
    assert rule["annotations"] == 1412
    assert rule["annotated"] == {"dives": 1410, "exact": 1380}
    assert rule["readable"] == {"dives": 1414, "exact": 1383}
    assert rule["rows"] == 1416
    assert rule["by_panel"]["synchronised"]["dives"] == 0
    assert rule["verdicts"]["two points taken off every mark"] == 1
    assert sum(rule["verdicts"].values()) == 1410


def test_real_judges_agree_at_97_percent(finished: Path) -> None:
    table = pd.read_parquet(finished / "predictions.parquet")
    assert (table.groupby("member").size() == 1410).all()
    assert table["member"].nunique() == 14
    for seat in range(1, 8):
        points, execution = (table[table["member"] == f"{kind}/{seat}"] for kind in ("judge", "execution"))
        assert spearmanr(points["target"], points["predicted"])[0] == pytest.approx(0.97, abs=0.005)
        assert spearmanr(execution["target"], execution["predicted"])[0] == pytest.approx(0.942, abs=0.007)


def test_findings_name_the_rows(finished: Path) -> None:
    findings = list(pd.read_csv(finished / "findings.csv")["finding"])
    assert sum("cannot" in finding or "is outside" in finding or "not a number" in finding for finding in findings) == 2
    assert sum("not in the annotations" in finding for finding in findings) == 4
    assert sum("is not what the rule gives" in finding for finding in findings) == 1414 - 1383


def test_a_judge_is_not_compared_with_itself() -> None:
    marks = [7, 7.5, 8, 8.5, 6, 7, 9]
    table = leave_one_judge_out([dive(1, 66, marks)]).set_index("member")
    changed = leave_one_judge_out([dive(1, 66, [10.0, *marks[1:]])]).set_index("member")
    assert table.loc["judge/1", "target"] == changed.loc["judge/1", "target"]
    assert table.loc["judge/2", "target"] != changed.loc["judge/2", "target"]
    assert table.loc["judge/1", "predicted"] == 63.0
    assert table.loc["execution/1", "predicted"] == 21.0


def test_synchronised_panels_have_members_of_their_own() -> None:
    table = leave_one_judge_out([dive(1, 66, [7] * 7), dive(2, 66, [7] * 11)])
    counts = table["member"].str.startswith("synchronised/").value_counts()
    assert counts.to_dict() == {False: 14, True: 22}
    summary = rule_summary([dive(1, 63, [7] * 7), dive(2, 66, [7] * 11)], [], {(1, 1): {}, (1, 2): {}})
    assert summary["by_panel"] == {
        "individual": {"dives": 1, "exact": 1},
        "synchronised": {"dives": 1, "exact": 0},
    }


def test_equal_marks_stay_equal_points() -> None:
    dives = [
        dive(number, 66, [7, 7.5, 7.5, 7.5, 7, 7, 7], difficulty)
        for number, difficulty in enumerate([2.9, 3.1, 3.3, 3.7])
    ]
    table = leave_one_judge_out(dives)
    assert table.loc[table["member"] == "execution/1", "target"].nunique() == 1


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (63.0, "exact"),
        (45.0, "two points taken off every mark"),
        (64.5, "a mark or the score misprinted"),
        (63.2, "no marks give this score"),
    ],
)
def test_disagreements_are_told_apart(score: float, verdict: str) -> None:
    assert rule_verdict(dive(1, score, [7] * 7)) == verdict


def test_missing_sheets_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="Raw_Annotations"):
        human_ceiling.run(tmp_path, tmp_path / "p.parquet", tmp_path / "r.json", tmp_path / "f.csv")
    assert list(tmp_path.iterdir()) == []
