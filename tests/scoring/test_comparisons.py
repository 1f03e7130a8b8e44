"""Rows of our own tables against each other: from estimates, under every selection rule, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring.comparisons import cell_pairs, compare_rows, decide, holm, read_comparisons
from rescore.scoring.correlation import Trained, estimate_spearman, percent
from rescore.scoring.estimates import write_estimates
from rescore.scoring.intervals import TrainingVariance
from rescore.scoring.outputs import Files as ScoredFiles
from rescore.scoring.papers import BEST, LAST, NOTHING_CHOSEN, VALIDATION
from rescore.scoring.score_table import score_table
from tests.scoring.test_s4aqa import PAPER as S4AQA
from tests.scoring.test_s4aqa import SETTINGS as S4AQA_SETTINGS
from tests.scoring.test_s4aqa import write as write_s4aqa

PAPERS = Path(__file__).parents[2] / "papers"
SETTINGS = {"scoring": {"confidence": 0.95}}


def test_holm_by_hand_and_undefined_ones_left_out():
    # Holm 1979: sorted p times 4, 3, 2, 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.01, np.nan, 0.04])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(adjusted[1])
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize("paper", ["aqa7", "mtl_aqa", "s4aqa"])
def test_declared_comparisons_name_printed_cells(paper):
    for entry in read_comparisons(PAPERS / paper / "comparisons.yaml"):
        path = PAPERS / paper / "tables" / f"{entry['table']}.csv"
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        printed = set(zip(table["row"], table["column"], strict=True))
        assert {cell for pair in cell_pairs(entry) for cell in pair} <= printed, entry["id"]


def test_bad_comparisons_are_named_together(tmp_path):
    path = tmp_path / "comparisons.yaml"
    side = "{rows: [a], columns: [x, y]}"
    path.write_text(f"- {{id: one, table: t, left: {side}, right: {{rows: [a, b, c], columns: [x]}}}}\n")
    with pytest.raises(RescoreError, match="one: sides of unequal length"):
        read_comparisons(path)
    path.write_text(f"- {{id: one, table: t, left: {side}, wrong: 1}}\n")
    with pytest.raises(RescoreError, match="wrong"):
        read_comparisons(path)
    with pytest.raises(RescoreError, match="not a readable YAML file"):
        read_comparisons(tmp_path / "missing.yaml")


DECLARED = """
- id: good_against_bad
  table: table2
  left: {rows: [Good], columns: [Diving, Skiing]}
  right: {rows: [Bad], columns: [Diving, Skiing]}
- id: good_against_fixed
  table: table2
  left: {rows: [Good], columns: [Diving]}
  right: {rows: [Fixed], columns: [Diving]}
- id: good_against_absent
  table: table2
  left: {rows: [Good], columns: [Diving]}
  right: {rows: [Absent], columns: [Diving]}
- {id: printed, concerns: reported, table: table2, left: {rows: [Good], columns: [Diving]}, right: {rows: [A], columns: [B]}}
"""
TARGET = {action: np.random.default_rng(place).normal(60, 15, 40) for place, action in enumerate(("Diving", "Skiing"))}


def estimate(action, noise, trainings=2, file=None, prefix=""):
    """An estimate of a system that follows the scores with some noise, anew in each training."""
    rng, target = np.random.default_rng([int(noise), trainings]), TARGET[action]
    predicted = np.stack([target + rng.normal(0, noise, len(target)) for _ in range(max(trainings, 1))])
    names = np.array([f"{prefix}{action}/{number:03d}" for number in range(len(target))], dtype=object)
    whose = Trained(tuple(range(trainings)), file)
    samples = np.broadcast_to(names, predicted.shape)
    return estimate_spearman(np.broadcast_to(target, predicted.shape), predicted, samples, whose, 200, 0)


def lines(more):
    """What a table's scores hand over: two systems under two rules, one without iterations, and `more`."""
    named = {
        ("Good", action, rule): estimate(action, 5 if rule == LAST else 4) for action in TARGET for rule in (LAST, BEST)
    }
    named |= {("Bad", action, rule): estimate(action, 30) for action in TARGET for rule in (LAST, BEST)}
    named |= {("Fixed", "Diving", NOTHING_CHOSEN): estimate("Diving", 6, trainings=0)} | more
    keys = ("row", "column", "protocol")
    return [
        (dict(zip(keys, key, strict=True)) | {"statistic": "spearman"}, found)
        for key, found in named.items()
        if found is not None
    ]


def compared(folder, more=None, declared=DECLARED):
    (folder / "aqa7").mkdir(exist_ok=True)
    (folder / "aqa7" / "comparisons.yaml").write_text(declared)
    write_estimates(folder / "aqa7_table2.estimates.parquet", lines(more or {}))
    files = folder / "aqa7" / "comparisons.yaml", [folder / "aqa7_table2.estimates.parquet"], folder / "out.csv"
    compare_rows(*files, SETTINGS)
    return pd.read_csv(files[-1], keep_default_na=False, na_values=[""])


def test_rows_are_compared_cell_by_cell_under_every_rule(tmp_path):
    found = compared(tmp_path)
    assert set(found["protocol"]) == {LAST, BEST}
    assert "printed" not in set(found["comparison"])
    last = found[(found["protocol"] == LAST) & (found["comparison"] == "good_against_bad")]
    assert last["left_cell"].tolist() == ["Good / Diving", "Good / Skiing"]
    assert last["left"].iloc[0] == pytest.approx(estimate("Diving", 5).value)
    assert last["difference"].to_numpy() == pytest.approx((last["left"] - last["right"]).to_numpy(), abs=1e-9)
    assert (last["low"] > 0).all()
    # Holm over the cells of the table that could be compared.
    family = found[(found["protocol"] == LAST) & found["p"].notna()]
    assert family["holm_p"].to_numpy() == pytest.approx(holm(family["p"].to_list()), rel=1e-4)
    assert set(last["variance"]) == {"trainings"}
    assert last["decision"].tolist() == ["left above right" if p < 0.05 else "undecided" for p in last["holm_p"]]


def test_what_has_no_iterations_stands_against_every_rule(tmp_path):
    found = compared(tmp_path).query("comparison == 'good_against_fixed'")
    assert set(found["protocol"]) == {LAST, BEST}
    assert found["right"].nunique() == 1
    assert found["p"].notna().all()


def test_percentages_are_compared_as_shares(tmp_path):
    more = {(row, "Diving", LAST): percent(estimate("Diving", noise)) for row, noise in (("Good", 5), ("Bad", 30))}
    plain, scaled = compared(tmp_path), compared(tmp_path, more)
    columns = ["left", "right", "difference", "low", "high", "t", "p"]
    pd.testing.assert_frame_equal(plain[columns], scaled[columns], atol=1e-9)


def test_the_family_decides():
    assert [decide(*pair, 0.05) for pair in ((2.0, 0.04), (-2.0, 0.04), (9.0, 0.05), (9.0, np.nan))] == [
        "left above right",
        "right above left",
        "undecided",
        "undecided",
    ]


def test_what_cannot_be_compared_says_why(tmp_path):
    absent = compared(tmp_path).query("comparison == 'good_against_absent'")
    assert (absent["reason"] == "no number of Absent / Diving").all()
    assert absent["difference"].isna().all()
    others = {("Fixed", "Diving", NOTHING_CHOSEN): estimate("Diving", 6, 0, prefix="another/")}
    found = compared(tmp_path, others).query("comparison == 'good_against_fixed'")
    assert (found["reason"] == "the sides were not tested on the same samples").all()
    lacking = {("Bad", "Diving", VALIDATION): estimate("Diving", 30)}
    found = compared(tmp_path, lacking).query(f"protocol == '{VALIDATION}' and comparison == 'good_against_bad'")
    assert found["reason"].tolist() == ["no number of Good / Diving", "no number of Good / Skiing, Bad / Skiing"]


def test_a_comparison_is_the_same_bytes_again(tmp_path):
    compared(tmp_path)
    once = (tmp_path / "out.csv").read_bytes()
    compared(tmp_path)
    assert (tmp_path / "out.csv").read_bytes() == once


def test_a_system_less_itself_is_nothing_in_every_training(tmp_path):
    side = "{rows: [Good], columns: [Diving]}"
    found = compared(tmp_path, declared=f"- {{id: one, table: table2, left: {side}, right: {side}}}\n")
    assert (found["difference"] == 0).all()
    assert set(found["decision"]) == {"undecided"}


def test_one_training_decides_nothing_until_a_file_says_how_trainings_vary(tmp_path):
    def once(file):
        return {
            (row, action, LAST): estimate(action, noise, 1, file)
            for row, noise in (("Good", 5), ("Bad", 30))
            for action in TARGET
        }

    found = compared(tmp_path, once(None)).query(f"comparison == 'good_against_bad' and protocol == '{LAST}'")
    assert (set(found["variance"]), set(found["decision"])) == ({"none"}, {"undecided"})
    assert found["p"].isna().all()
    assert (found["low"] > 0).any()  # over test samples only it would have been above 0
    assert found["reason"].str.contains("over test samples only").all()
    file = TrainingVariance(0.001, 4, 0.9, 0.03)
    found = compared(tmp_path, once(file)).query(f"comparison == 'good_against_bad' and protocol == '{LAST}'")
    assert set(found["variance"]) == {"file"}
    assert "left above right" in set(found["decision"])


def test_a_file_that_is_none_of_estimates_is_refused(tmp_path):
    compared(tmp_path)
    pd.DataFrame({"row": ["Good"]}).to_parquet(tmp_path / "aqa7_table2.estimates.parquet")
    files = tmp_path / "aqa7" / "comparisons.yaml", [tmp_path / "aqa7_table2.estimates.parquet"], tmp_path / "out.csv"
    with pytest.raises(RescoreError, match="not a file of estimates"):
        compare_rows(*files, SETTINGS)


def test_s4aqas_sides_are_the_cells_of_its_tables_averages_too(tmp_path):
    files = {dataset: write_s4aqa(tmp_path, dataset) for dataset in ("mtl_aqa", "rhythmic_gymnastics")}
    value, estimates = {}, []
    for table in ("mtl_aqa", "rhythmic_gymnastics", "ablation"):
        mine = [pair for dataset, pair in files.items() if table in ("ablation", dataset)]
        predictions, rows = [path for pair in mine for path in pair[0]], [pair[1] for pair in mine]
        estimates.append(tmp_path / f"s4aqa_{table}.estimates.parquet")
        score_table(S4AQA, table, ScoredFiles(predictions, rows), tmp_path / "s.csv", S4AQA_SETTINGS, estimates[-1])
        for line in pd.read_csv(tmp_path / "s.csv", keep_default_na=False).itertuples():
            value[table, f"{line.row} / {line.column}", line.protocol] = float(line.value)
    compare_rows(S4AQA.with_name("comparisons.yaml"), estimates, tmp_path / "out.csv", SETTINGS)
    found = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert len(found) == 2 * (16 + 9 + 24 + 6 + 6 + 4 + 3 + 2)
    for line in found.itertuples():
        names = (line.protocol, "", "training_set")
        left, right = (
            next(value[line.table, cell, name] for name in names if (line.table, cell, name) in value)
            for cell in (line.left_cell, line.right_cell)
        )
        assert (float(line.left), float(line.right)) == pytest.approx((left, right), abs=1e-9)
        assert float(line.difference) == pytest.approx(left - right, abs=1e-9)
        assert not line.p or float(line.low) <= float(line.high)
    average = found[found["left_cell"].str.endswith("Avg")]
    assert set(average["n"].astype(float)) == {80}
    for _, group in found.groupby(["table", "protocol"]):
        p = pd.to_numeric(group["p"])
        assert pd.to_numeric(group["holm_p"]).to_numpy() == pytest.approx(holm(p.to_list()), nan_ok=True)
