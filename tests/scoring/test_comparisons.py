"""Power and tests of two correlations against published examples, degenerate input, comparisons of rows from predictions."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.experiments import trainings
from rescore.experiments.mtl_aqa_members import members
from rescore.scoring.comparisons import (
    averaged_permutation_test,
    cell_pairs,
    compare_rows,
    decide,
    dependent_power,
    determinant,
    feasible_r12,
    holm,
    independent_power,
    minimum_detectable_difference,
    needed_r12,
    permutation_test,
    read_comparisons,
    relative_l2,
    root_mean_square_error,
    steiger_z,
)
from rescore.scoring.s4aqa import score_s4aqa
from tests import mtl_aqa_files as dives
from tests.scoring.test_s4aqa import SETTINGS as S4AQA_SETTINGS
from tests.scoring.test_s4aqa import write as write_s4aqa

REPORTED = Path(__file__).parents[2] / "reported"


def test_steigers_own_example():
    # Steiger 1980, Case A, p. 249: prints -.8913 from a covariance rounded to .0042; unrounded it is -.8887.
    result = steiger_z(0.4, 0.5, 0.1, 103)
    assert result.statistic == pytest.approx(-0.8887185, abs=1e-7)
    assert result.statistic == pytest.approx(-0.8913, abs=0.003)


def test_steiger_against_silver_hittner_and_may():
    # depcor: Silver, Hittner & May 2006, Applied Psychological Measurement 30: r .3 and .4, r12 .5, n 100.
    result = steiger_z(0.3, 0.4, 0.5, 100)
    assert result.statistic == pytest.approx(-1.0718, abs=5e-5)
    assert result.p == pytest.approx(0.2838, abs=5e-5)


def test_power_against_pwrss_and_gpower():
    # R package pwrss (validated by its authors with PASS and G*Power): .35 and .45, r12 .05.
    assert dependent_power(0.35, 0.45, 0.05, 1000) == pytest.approx(0.747219145, abs=1e-8)
    assert dependent_power(0.35, 0.45, 0.05, 1138) == pytest.approx(0.80001327, abs=1e-8)
    assert minimum_detectable_difference(0.35, 1138, 0.05) == pytest.approx(0.099998378, abs=1e-8)
    # G*Power 3.1 manual, two independent Pearson r's: .75 of 51 and .88 of 260.
    assert independent_power(0.75, 0.88, 51, 260) == pytest.approx(0.726352, abs=1e-5)


def test_minimum_detectable_difference_reaches_the_asked_power():
    difference = minimum_detectable_difference(0.6, 70)
    assert independent_power(0.6 + difference, 0.6, 70, 70) == pytest.approx(0.8, abs=1e-9)
    tighter = minimum_detectable_difference(0.6, 70, 0.9)
    assert dependent_power(0.6 + tighter, 0.6, 0.9, 70) == pytest.approx(0.8, abs=1e-9)
    assert 0 < tighter < difference
    assert np.isnan(minimum_detectable_difference(0.6, 3))
    assert np.isnan(minimum_detectable_difference(0.1, 4, 0.99))


def test_needed_r12_is_where_the_test_turns():
    needed = needed_r12(0.9044, 0.8960, 353)
    assert steiger_z(0.9044, 0.8960, needed, 353).p == pytest.approx(0.05, abs=1e-6)
    assert needed_r12(0.9, 0.2, 353) == pytest.approx(0.9 * 0.2)
    assert np.isnan(needed_r12(0.5, 0.5, 353))
    low, high = feasible_r12(0.9, 0.3)
    assert determinant(0.9, 0.3, high) == pytest.approx(0, abs=1e-12)
    assert determinant(0.9, 0.3, low) == pytest.approx(0, abs=1e-12)


def test_degenerate_input_has_a_defined_result():
    for arguments in [
        (np.nan, 0.5, 0.5, 30),
        (0.4, 0.5, 0.5, 3),
        (1.0, 0.5, 0.5, 30),
        (0.9, -0.9, 0.9, 30),
        (1.2, 0.5, 0, 30),
    ]:
        result = steiger_z(*arguments)
        assert np.isnan(result.statistic)
        assert np.isnan(result.p)
        assert result.reason
    assert (steiger_z(0.5, 0.5, 1.0, 30).statistic, steiger_z(0.5, 0.5, 1.0, 30).p) == (0, 1)


def test_permutation_test_is_exact_on_a_case_small_enough_to_count():
    rng = np.random.default_rng(3)
    target, left, right = rng.normal(size=(3, 6))
    left += target
    both = [np.argsort(np.argsort(side)) + 1.0 for side in (left, right)]
    observed = spearmanr(target, left).statistic - spearmanr(target, right).statistic
    extreme = 0
    for swap in itertools.product([False, True], repeat=6):
        mixed = [np.where(swap, both[1 - side], both[side]) for side in (0, 1)]
        difference = spearmanr(target, mixed[0]).statistic - spearmanr(target, mixed[1]).statistic
        extreme += abs(difference) >= abs(observed) - 1e-12
    found = permutation_test(target[None], left[None], right[None], 40000, np.random.default_rng(0))
    assert found.statistic == pytest.approx(observed)
    assert found.p == pytest.approx(extreme / 64, abs=0.01)


def test_permutation_test_keeps_its_level_and_finds_what_is_there():
    rng = np.random.default_rng(1)
    p = []
    for _ in range(150):
        target = rng.normal(size=40)
        left, right = (target + rng.normal(size=40) for _ in range(2))
        p.append(permutation_test(target[None], left[None], right[None], 199, rng).p)
    assert 0.01 < np.mean(np.array(p) <= 0.05) < 0.11
    target = rng.normal(size=60)
    assert permutation_test(target[None], target[None], rng.normal(size=(1, 60)), 999, rng).p == 0.001


def test_a_sample_is_swapped_in_all_seeds_at_once_wherever_it_stands():
    rng = np.random.default_rng(2)
    target, left, right = rng.normal(size=(3, 1, 30))
    left = left + target
    twice = [np.concatenate([side, side]) for side in (target, left, right)]
    names = np.array([f"s{number:02d}" for number in range(30)], dtype=object)
    alone = permutation_test(target, left, right, 500, np.random.default_rng(7), names[None])
    together = permutation_test(*twice, 500, np.random.default_rng(7), np.stack([names, names]))
    order = rng.permutation(30)
    shuffled = [np.stack([side[0], side[0][order]]) for side in (target, left, right)]
    elsewhere = permutation_test(*shuffled, 500, np.random.default_rng(7), np.stack([names, names[order]]))
    # A second seed that repeats the first tells nothing new.
    assert alone.p == together.p == elsewhere.p


def test_permutation_test_of_degenerate_input():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 8))
    assert "undefined" in permutation_test(values, np.ones((1, 8)), values, 10, rng).reason
    assert permutation_test(values, values, values, 10, rng).p == 1
    with pytest.raises(RescoreError, match="NaN"):
        permutation_test(values, np.full((1, 8), np.nan), values, 10, rng)


def test_holm_by_hand_and_undefined_ones_left_out():
    # Holm 1979: sorted p times 4, 3, 2, 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.01, np.nan, 0.04])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(adjusted[1])
    assert np.isnan(holm([np.nan])).all()


def test_errors_by_hand():
    target, predicted = np.array([0.0, 10, 20]), np.array([0.0, 13, 16])
    assert root_mean_square_error(target, predicted) == pytest.approx(np.sqrt(25 / 3))
    assert relative_l2(target, predicted) == pytest.approx((25 / 3) / 400)
    assert relative_l2(target, predicted, 0, 100) == pytest.approx((25 / 3) / 10000)
    assert np.isnan(relative_l2(np.ones(3), predicted))
    assert np.isnan(root_mean_square_error(np.array([]), np.array([])))
    with pytest.raises(RescoreError, match="#1"):
        relative_l2(np.array([1, np.inf]), np.array([1.0, 2.0]))


@pytest.mark.parametrize("paper", ["aqa7", "mtl_aqa", "s4aqa"])
def test_declared_comparisons_name_printed_cells(paper):
    for entry in read_comparisons(REPORTED / paper / "comparisons.yaml"):
        table = pd.read_csv(REPORTED / paper / f"{entry['table']}.csv", dtype=str, keep_default_na=False)
        printed = set(zip(table["row"], table["column"], strict=True))
        assert {cell for pair in cell_pairs(entry) for cell in pair} <= printed, entry["id"]


def test_bad_comparisons_are_named_together(tmp_path):
    path = tmp_path / "comparisons.yaml"
    side = "{rows: [a], columns: [x, y]}"
    path.write_text(f"- {{id: one, table: t, left: {side}, right: {{rows: [a, b, c], columns: [x]}}}}\n")
    with pytest.raises(RescoreError, match="one: sides of unequal length"):
        read_comparisons(path)
    path.write_text(
        f"- {{id: one, table: t, averages: {{x: [p, q]}}, left: {side}, right: {{rows: [b], columns: [y, y]}}}}\n"
    )
    with pytest.raises(RescoreError, match="one: x and y rest on unequal numbers of columns"):
        read_comparisons(path)
    path.write_text(f"- {{id: one, table: t, left: {side}, wrong: 1}}\n")
    with pytest.raises(RescoreError, match="wrong"):
        read_comparisons(path)
    with pytest.raises(RescoreError, match="not a readable YAML file"):
        read_comparisons(tmp_path / "missing.yaml")


SETTINGS: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "seeds": 2,
    "multitask": {"seeds": 2},
    "semi_supervised": {"label_draws": 2},
    "scoring": {"bootstrap": 200, "confidence": 0.95},
}


@pytest.fixture(autouse=True, scope="module")
def declared_members():
    """The members of these tests, repeated as AQA-7's networks are."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("good", "bad", "twin"):
            patch.setitem(trainings.SYSTEMS, name, trainings.LSTM)
        yield


DECLARED = """
- id: good_against_bad
  table: table2
  names: {Diving: diving, Skiing: skiing}
  left: {rows: [Good], columns: [Diving, Skiing], member: good, action: "{column}"}
  right: {rows: [Bad], columns: [Diving, Skiing], member: "bad/{column}", action: "{column}"}
- id: good_against_absent
  table: table2
  names: {Diving: diving}
  left: {rows: [Good], columns: [Diving], member: good, action: "{column}"}
  right: {rows: [Absent], columns: [Diving], member: absent, action: "{column}"}
"""


def predictions(rng):
    """Two members on two actions, two seeds, two iterations; the good one follows the score closely."""
    rows = [
        (action, f"{action}/{number:03d}", rng.normal(60, 15))
        for action in ("diving", "skiing")
        for number in range(40)
    ]
    samples = pd.DataFrame(rows, columns=["action", "sample", "score"]).assign(split="test")
    lines = []
    for seed, iteration, (action, sample, score) in itertools.product(range(2), (1, 2), rows):
        for member, noise in (("good", 5), (f"bad/{action}", 30)):
            predicted = score + rng.normal(0, noise * (1 if iteration == 2 else 2))
            lines.append(("e", member, seed, iteration, "d", sample, action, "test", score, predicted, "points"))
    return samples, pd.DataFrame(lines, columns=list(comparisons_columns()))


def comparisons_columns():
    from rescore.scoring.predictions import COLUMNS

    return COLUMNS


@pytest.fixture
def compared(tmp_path):
    samples, table = predictions(np.random.default_rng(5))
    samples.to_parquet(tmp_path / "rows.parquet")
    table.sample(frac=1, random_state=0).to_parquet(tmp_path / "predictions.parquet")
    (tmp_path / "comparisons.yaml").write_text(DECLARED)
    files = (tmp_path / "comparisons.yaml", [tmp_path / "predictions.parquet"], [tmp_path / "rows.parquet"])
    compare_rows(*files, tmp_path / "out.csv", SETTINGS)
    return files, tmp_path / "out.csv", table


def test_rows_are_compared_cell_by_cell_from_predictions(compared):
    _, output, table = compared
    found = pd.read_csv(output, keep_default_na=False, na_values=[""])
    assert set(found["protocol"]) == {"last_iteration", "best_iteration_on_test"}
    last = found[(found["protocol"] == "last_iteration") & (found["comparison"] == "good_against_bad")]
    assert last["left_cell"].tolist()[:2] == ["Good / Diving", "Good / Skiing"]
    rho = []
    for seed in range(2):
        part = table[(table["member"] == "good") & (table["action"] == "diving")]
        part = part[(part["seed"] == seed) & (part["iteration"] == 2)]
        rho.append(spearmanr(part["target"], part["predicted"]).statistic)
    assert last["left"].iloc[0] == pytest.approx(np.mean(rho))
    assert (last["difference"].iloc[:2] == (last["left"] - last["right"]).iloc[:2].round(10)).all()
    assert (last["low"].iloc[:2] > 0).all()
    assert (last["permutation_p"].iloc[:2] < 0.02).all()
    # Holm over the two cells of the table that could be compared.
    assert last["holm_p"].to_numpy() == pytest.approx(holm(last["p"].to_list()))
    assert last["holm_p"].min() == pytest.approx(2 * last["p"].min())
    assert set(last["variance"]) == {"trainings"}
    assert last["decision"].tolist() == ["left above right" if p < 0.05 else "undecided" for p in last["holm_p"]]


def test_the_family_decides():
    assert [decide(*pair, 0.05) for pair in ((2.0, 0.04), (-2.0, 0.04), (9.0, 0.05), (9.0, np.nan))] == [
        "left above right",
        "right above left",
        "undecided",
        "undecided",
    ]


def test_a_side_without_an_action_means_its_members_only_one(compared, tmp_path):
    files, _, _ = compared
    side = '{{rows: [{0}], columns: [Diving], member: "bad/diving"}}'
    declared = f"- {{id: one, table: t, left: {side.format('A')}, right: {side.format('B')}}}\n"
    files[0].write_text(declared)
    compare_rows(*files, tmp_path / "one.csv", SETTINGS)
    found = pd.read_csv(tmp_path / "one.csv")
    assert (found["difference"] == 0).all()
    assert (found["permutation_p"] == 1).all()
    assert found["n"].tolist() == [40, 40]


def test_what_cannot_be_compared_says_why(compared):
    _, output, _ = compared
    found = pd.read_csv(output, keep_default_na=False)
    absent = found[found["comparison"] == "good_against_absent"]
    assert (absent["reason"] == "no predictions of absent").all()
    assert (absent["difference"] == "").all()


def test_a_comparison_is_the_same_bytes_again(compared, tmp_path):
    files, output, _ = compared
    compare_rows(*files, tmp_path / "again.csv", SETTINGS)
    assert output.read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_bad_predictions_are_refused_with_their_rows(compared, tmp_path):
    files, _, table = compared
    table.loc[3, "predicted"] = np.nan
    table.to_parquet(files[1][0])
    with pytest.raises(RescoreError, match="1 predicted values are NaN"):
        compare_rows(*files, tmp_path / "bad.csv", SETTINGS)


def test_an_entry_that_names_an_experiment_is_answered_from_it_alone(compared, tmp_path):
    files, _, table = compared
    other = table.assign(experiment="another", predicted=table["predicted"].iloc[::-1].to_numpy())
    pd.concat([table, other]).to_parquet(tmp_path / "both.parquet")
    entries = yaml.safe_load(DECLARED)
    for entry in entries:
        entry["experiments"] = [str(table["experiment"].iloc[0])]
    declared = tmp_path / "of_one.yaml"
    declared.write_text(yaml.safe_dump(entries))
    compare_rows(declared, [tmp_path / "both.parquet"], files[2], tmp_path / "both.csv", SETTINGS)
    compare_rows(declared, files[1], files[2], tmp_path / "alone.csv", SETTINGS)
    assert (tmp_path / "both.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def test_a_system_less_its_twin_is_nothing_in_every_training(compared, tmp_path):
    files, _, table = compared
    twin = table[table["member"] == "good"].assign(member="twin")
    pd.concat([table, twin]).to_parquet(tmp_path / "twins.parquet")
    side = "{{rows: [{0}], columns: [Diving], member: {0}, action: diving}}"
    files[0].write_text(f"- {{id: one, table: t, left: {side.format('good')}, right: {side.format('twin')}}}\n")
    compare_rows(files[0], [tmp_path / "twins.parquet"], files[2], tmp_path / "twins.csv", SETTINGS)
    last = pd.read_csv(tmp_path / "twins.csv").iloc[0]
    assert (last["difference"], last["decision"]) == (0, "undecided")


def test_one_training_decides_nothing_until_a_file_says_how_trainings_vary(compared, tmp_path):
    files, _, table = compared
    table[table["seed"] == 0].to_parquet(tmp_path / "once.parquet")
    once, inputs = SETTINGS | {"seeds": 1}, (files[0], [tmp_path / "once.parquet"], files[2], tmp_path / "once.csv")
    compare_rows(*inputs, once)
    found = pd.read_csv(inputs[-1], keep_default_na=False).query("comparison == 'good_against_bad'")
    assert (set(found["variance"]), set(found["decision"])) == ({"none"}, {"undecided"})
    assert (found["p"] == "").all()
    assert (found["low"].astype(float) > 0).any()  # over test samples only it would have been above 0
    assert found["reason"].str.contains("over test samples only").all()
    line = {"statistic": "spearman", "mean_square": 0.001, "degrees": 4, "shared": 0.9, "sampling": 0.03}
    more = {"trainings": 5, "n": 40, "measured_on": "x"}
    variance = tmp_path / "variance.csv"
    pd.DataFrame([{"family": family, **line, **more} for family in ("good", "bad")]).to_csv(variance, index=False)
    compare_rows(*inputs, once, [variance])
    found = pd.read_csv(inputs[-1]).query("comparison == 'good_against_bad'")
    assert set(found["variance"]) == {"file"}
    assert "left above right" in set(found["decision"])


S4AQA = REPORTED / "s4aqa" / "comparisons.yaml"


@pytest.fixture(scope="module")
def semi_supervised(tmp_path_factory):
    """S4AQA's comparisons on predictions of every member, and the scores of its tables."""
    folder = tmp_path_factory.mktemp("s4aqa")
    files = {dataset: write_s4aqa(folder, dataset) for dataset in ("mtl_aqa", "rhythmic_gymnastics")}
    settings = SETTINGS | {"scoring": {"bootstrap": 60, "confidence": 0.95}}
    predictions = [path for paths, _ in files.values() for path in paths]
    rows = [path for _, path in files.values()]
    compare_rows(S4AQA, predictions, rows, folder / "out.csv", settings)
    scores = []
    for table in ("mtl_aqa", "rhythmic_gymnastics", "ablation"):
        mine = [pair for dataset, pair in files.items() if table in ("ablation", dataset)]
        score_s4aqa(
            table,
            [path for pair in mine for path in pair[0]],
            [pair[1] for pair in mine],
            folder / "s.csv",
            S4AQA_SETTINGS,
        )
        scores.append(pd.read_csv(folder / "s.csv", keep_default_na=False).assign(table=table))
    return pd.read_csv(folder / "out.csv", keep_default_na=False, na_values={"holm_p": [""]}), pd.concat(scores), files


def test_s4aqas_sides_are_the_cells_of_its_tables_averages_too(semi_supervised):
    found, scores, _ = semi_supervised
    once = scores["protocol"].isin(["", "training_set"])
    value = {
        (line.table, f"{line.row} / {line.column}", line.protocol): line.value for line in scores[~once].itertuples()
    }
    for line in scores[once].itertuples():
        value |= {
            (line.table, f"{line.row} / {line.column}", protocol): line.value
            for protocol in ("last_iteration", "best_iteration_on_test")
        }
    kept = found
    assert len(kept) == 2 * (16 + 9 + 24 + 6 + 6 + 4 + 3 + 2)
    for line in kept.itertuples():
        left, right = (float(value[line.table, cell, line.protocol]) for cell in (line.left_cell, line.right_cell))
        assert float(line.left) == pytest.approx(left, abs=1e-9), line
        assert float(line.right) == pytest.approx(right, abs=1e-9), line
        assert float(line.difference) == pytest.approx(left - right, abs=1e-9), line
        assert not line.p or float(line.low) <= float(line.high)
        assert line.seeds in (2, "2", "2.0")
    average = kept[kept["left_cell"].str.endswith("Avg")]
    assert set(average["r12"]) == {""}
    assert (average["permutation_p"].astype(float) > 0).all()
    assert set(average["n"].astype(float)) == {80}


def test_holm_is_over_a_table_and_protocol_of_s4aqa(semi_supervised):
    found, _, _ = semi_supervised
    for _, group in found.groupby(["table", "protocol"]):
        p = pd.to_numeric(group["p"])
        assert group["holm_p"].to_numpy() == pytest.approx(holm(p.to_list()), nan_ok=True)


def test_a_missing_draw_of_labels_is_an_error(semi_supervised, tmp_path):
    _, _, files = semi_supervised
    table = pd.read_parquet(files["mtl_aqa"][0][0])
    table[(table["member"] != "svr/mtl_aqa/10") | (table["seed"] == 0)].to_parquet(tmp_path / "predictions.parquet")
    with pytest.raises(RescoreError, match=r"svr/mtl_aqa/10: 1 seeds \(0\), declared 2"):
        compare_rows(S4AQA, [tmp_path / "predictions.parquet"], [files["mtl_aqa"][1]], tmp_path / "out.csv", SETTINGS)


def test_an_average_of_one_set_is_the_set_and_of_two_fishers():
    rng = np.random.default_rng(3)
    target, left, right = rng.normal(size=(3, 2, 25))
    one = averaged_permutation_test([(target, left, right, None)], 300, np.random.default_rng(1))
    assert one == permutation_test(target, left, right, 300, np.random.default_rng(1))
    strong = [(target, target + 0.1 * left, right, None), (left, left + 0.1 * target, right, None)]
    found = averaged_permutation_test(strong, 300, np.random.default_rng(1))
    rho = [
        [np.mean([spearmanr(a, b).statistic for a, b in zip(part[0], part[side], strict=True)]) for part in strong]
        for side in (1, 2)
    ]
    assert found.statistic == pytest.approx(float(np.subtract(*np.tanh(np.mean(np.arctanh(rho), axis=1)))))
    assert found.p == pytest.approx(1 / 301)


DIVES = """
- id: all_against_one
  table: table4
  left: {rows: [All], columns: [C3D-AVG], member: c3d_avg/score_classes_caption/1059, action: diving}
  right: {rows: [One], columns: [C3D-AVG], member: c3d_avg/score/1059, action: diving}
- id: against_labels
  table: table4
  left: {rows: [All], columns: [C3D-AVG], member: c3d_avg/score_classes_caption/1059, action: diving}
  right: {rows: [Observer], columns: [C3D-AVG], member: observer/1059, action: diving}
"""


def write_dives(folder, separate):
    """Files of the two members that DIVES compares, with their twins; the samples' rows; and all their predictions."""
    settings = {"multitask": {"validation": {"separate": separate}}}
    rows = dives.make_dives()
    splits = dives.make_splits(rows, separate)
    named = [member for member in members(settings) if member.name.split("_validated")[0] in DIVES]
    tables = [
        dives.member_tables(member, seed, rows, splits, separate)["predictions"] for member in named for seed in (0, 1)
    ]
    table = pd.concat(tables, ignore_index=True)
    rows.to_parquet(folder / "rows.parquet")
    (folder / "dives.yaml").write_text(DIVES)
    return table


def compare_dives(folder, table):
    table.to_parquet(folder / "predictions.parquet")
    files = (folder / "dives.yaml", [folder / "predictions.parquet"], [folder / "rows.parquet"], folder / "out.csv")
    compare_rows(*files, SETTINGS)
    return pd.read_csv(folder / "out.csv", keep_default_na=False).set_index(["comparison", "protocol"])


@pytest.mark.parametrize(("separate", "twin"), [(False, ""), (True, "_validated")])
def test_the_epoch_chosen_on_validation_dives_is_that_of_the_tables(tmp_path, separate, twin):
    """The fixture is best on the test dives at epoch 2, on the validation dives at 3; 4 is the last."""
    table = write_dives(tmp_path, separate)
    found = compare_dives(tmp_path, table)
    wanted = {"last_iteration": (4, ""), "best_iteration_on_test": (2, ""), "best_on_validation": (3, twin)}
    assert {protocol for _, protocol in found.index} == set(wanted)
    for protocol, (epoch, ending) in wanted.items():
        for side, tasks in (("left", "score_classes_caption"), ("right", "score")):
            mine = table[(table["member"] == f"c3d_avg/{tasks}/1059{ending}") & (table["split"] == "test")]
            mine = mine[mine["iteration"] == epoch]
            rho = [spearmanr(part["target"], part["predicted"]).statistic for _, part in mine.groupby("seed")]
            assert float(found.loc[("all_against_one", protocol), side]) == pytest.approx(np.mean(rho), abs=1e-9)
        assert found.loc[("against_labels", protocol), "reason"] == "no predictions of observer/1059"


def test_what_validation_cannot_choose_says_why(tmp_path):
    table = write_dives(tmp_path, False)
    one = (table["member"] == "c3d_avg/score/1059") & (table["split"] == "validation")
    line = compare_dives(tmp_path, table[~one]).loc[("all_against_one", "best_on_validation")]
    assert line["reason"] == "c3d_avg/score/1059: no validation predictions: nothing to choose the iteration by"
    assert line["difference"] == ""
    found = compare_dives(tmp_path, table[table["split"] == "test"])
    assert {protocol for _, protocol in found.index} == {"last_iteration", "best_iteration_on_test"}


def test_a_system_without_iterations_stands_against_every_protocol(tmp_path):
    table = write_dives(tmp_path, False)
    source = table[(table["member"] == "c3d_avg/score/1059") & (table["iteration"] == 4) & (table["split"] == "test")]
    once = source[source["seed"] == 0]
    fixed = once.assign(member="observer/1059", iteration=0, predicted=once["target"])
    found = compare_dives(tmp_path, pd.concat([table, fixed])).loc["against_labels"]
    assert set(found.index) == {"last_iteration", "best_iteration_on_test", "best_on_validation"}
    assert (found["right"].astype(float) == 1).all()
