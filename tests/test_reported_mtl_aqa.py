"""The numbers read off the MTL-AQA paper and the notes on S4AQA: their count, digits and claims; the page on every paper's."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.scoring.claims import evaluate, read_claims, reported_numbers
from rescore.scoring.correlation import arithmetic_mean, fisher_z_average

ROOT = Path(__file__).parents[1]
REPORTED = ROOT / "papers" / "mtl_aqa"
S4AQA = ROOT / "papers" / "s4aqa"
PAGE = ROOT / "docs" / "reported.md"
TWO_DIGITS = r"-?\d{2}\.\d{2}"


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def cell(table: str, row: str, column: str) -> str:
    lines = read(REPORTED / "tables" / f"{table}.csv").set_index(["row", "column"])["value"]
    return str(lines.loc[(row, column)])


@pytest.mark.parametrize(
    ("path", "rows", "columns", "missing"),
    [
        (REPORTED / "tables" / "table1.csv", 3, 7, 0),
        (REPORTED / "tables" / "table2.csv", 1, 5, 0),
        (REPORTED / "tables" / "table3.csv", 9, 4, 10),  # 9 layers of the body, 6, 5 and 6 of the heads
        (REPORTED / "tables" / "table4.csv", 4, 2, 0),
        (
            REPORTED / "tables" / "table5.csv",
            7,
            10,
            70 - 5 * 3 - 2 * 7,
        ),  # a block of five rows by three, one of two rows by seven
        (REPORTED / "tables" / "table6.csv", 8, 6, 0),
        (REPORTED / "tables" / "table7.csv", 9, 2, 2 + 3),
        (REPORTED / "tables" / "table8.csv", 2, 4, 0),
        (REPORTED / "tables" / "table9.csv", 3, 5, 0),
        (REPORTED / "tables" / "table10.csv", 3, 10, 0),
        (S4AQA / "tables" / "mtl_aqa.csv", 9, 2, 0),
        (S4AQA / "tables" / "rhythmic_gymnastics.csv", 7, 5, 0),
        (S4AQA / "tables" / "ablation.csv", 4, 3, 0),
    ],
    ids=lambda value: "/".join(value.parts[-3:]) if isinstance(value, Path) else None,
)
def test_every_printed_cell_stands_once(path, rows, columns, missing):
    lines = read(path)
    assert list(lines.columns) == ["row", "column", "value", "n"]
    assert lines["row"].nunique() == rows
    assert lines["column"].nunique() == columns
    assert len(lines) == rows * columns - missing
    assert not lines.duplicated(["row", "column"]).any()
    assert (lines["value"] != "").all()


def test_no_table_is_left_uncounted():
    assert sorted(path.stem for path in (REPORTED / "tables").glob("*.csv")) == sorted(
        [*(f"table{number}" for number in range(1, 11)), "text"]
    )
    assert sorted(path.stem for path in (S4AQA / "tables").glob("*.csv")) == [
        "ablation",
        "mtl_aqa",
        "rhythmic_gymnastics",
    ]


@pytest.mark.parametrize("table", ["table4", "table7", "table8", "table9", "table10"])
def test_correlations_are_percent_with_the_printed_digits(table):
    assert read(REPORTED / "tables" / f"{table}.csv")["value"].str.fullmatch(TWO_DIGITS).all()


def test_table5_prints_accuracies_in_percent_and_caption_metrics_as_shares():
    lines = read(REPORTED / "tables" / "table5.csv")
    captions = lines["column"].isin(["B1", "B2", "B3", "B4", "M", "R", "C"])
    assert captions.sum() == 14
    assert lines.loc[captions, "value"].str.fullmatch(r"0\.\d{2}").all()
    assert lines.loc[~captions, "value"].str.fullmatch(TWO_DIGITS).all()


def test_table5_accuracies_are_shares_of_353_dives_and_of_no_other_number():
    lines = read(REPORTED / "tables" / "table5.csv")
    accuracies = lines.loc[lines["value"].str.fullmatch(TWO_DIGITS), "value"].to_numpy(dtype=float)
    sizes = [
        n for n in range(50, 706) if (np.abs(np.rint(accuracies * n / 100) / n * 100 - accuracies) <= 0.00501).all()
    ]
    assert sizes == [353]


def test_samples_behind_cells():
    for table in ("table4", "table5", "table8", "table9"):
        assert set(read(REPORTED / "tables" / f"{table}.csv")["n"]) == {"353"}, table
    assert 1412 - 1059 == 353
    table7 = read(REPORTED / "tables" / "table7.csv")
    assert table7.groupby("column")["n"].unique().map(list).to_dict() == {
        "Sp. Corr.": ["353"],
        "Sp. Corr., UNLV Dive": ["70"],
    }
    assert set(read(REPORTED / "tables" / "table10.csv")["n"]) == {"56"}
    assert {n for path in (S4AQA / "tables").glob("*.csv") for n in read(path)["n"]} == {""}


def test_missing_cells_stay_missing():
    lines = read(REPORTED / "tables" / "table7.csv")
    on_one = lines[~lines["row"].str.contains("-STL|-MTL")]
    assert dict(zip(on_one["row"], on_one["column"], strict=True)) == dict.fromkeys(
        ["Pose+DCT", "C3D-SVR", "C3D-LSTM"], "Sp. Corr."
    ) | dict.fromkeys(["S3D", "Li et al."], "Sp. Corr., UNLV Dive")


@pytest.mark.parametrize(
    ("network", "task", "method"),
    [
        ("C3D-AVG", "AQA", "C3D-AVG-STL"),
        ("MSCADC", "AQA", "MSCADC-STL"),
        ("C3D-AVG", "+ Cls + Caps", "C3D-AVG-MTL"),
        ("MSCADC", "+ Cls + Caps", "MSCADC-MTL"),
    ],
)
def test_tables_agree_where_they_print_the_same_result(network, task, method):
    value = cell("table4", task, network)
    assert cell("table7", method, "Sp. Corr.") == value
    if network == "C3D-AVG":
        assert cell("table8", method.removeprefix("C3D-AVG-"), "1059") == value


def test_running_text_agrees_with_the_tables():
    text = read(REPORTED / "tables" / "text.csv")
    assert list(text.columns) == ["row", "column", "value", "n"]
    assert not text.duplicated(["row", "column"]).any()
    said = text.groupby("column")["value"].unique().map(list).to_dict()
    assert said["C3D-AVG-MTL"] == [cell("table4", "+ Cls + Caps", "C3D-AVG")]
    assert said["# Samples"] == [cell("table1", "MTL-AQA", "# Samples")]
    assert said["# Events"] == [cell("table1", "MTL-AQA", "# Events")]
    assert said["Vocabulary"] == ["5779"]
    assert said["Human experts"] == ["96"]
    assert said["Epochs"] == ["100"]
    assert (said["Vault training samples"], said["Vault test samples"]) == (["125"], ["56"])


def test_table6_speaks_in_the_classes_of_table2():
    lines = read(REPORTED / "tables" / "table6.csv")
    for column in ("Position", "Armstand"):
        classes = set(cell("table2", "Dive", column).split(", "))
        assert set(lines.loc[lines["column"] == column, "value"]) <= classes
    rotations = lines.loc[lines["column"] == "Rotation type", "value"].str.removesuffix("s")  # printed with an s here
    assert set(rotations) <= set(cell("table2", "Dive", "Rotation type").split(", "))
    assert lines.loc[lines["column"] == "AQA score", "value"].str.fullmatch(TWO_DIGITS).all()


@pytest.mark.parametrize("table", ["mtl_aqa", "rhythmic_gymnastics", "ablation"])
def test_s4aqa_has_three_digits(table):
    assert read(S4AQA / "tables" / f"{table}.csv")["value"].str.fullmatch(r"\.\d{3}").all()


def test_s4aqa_averages_by_fishers_z():
    lines = read(S4AQA / "tables" / "rhythmic_gymnastics.csv")
    for name, group in lines.groupby("row", sort=False):
        *cells, printed = group["value"].to_numpy(dtype=float)
        assert round(float(fisher_z_average(np.array(cells))), 3) == printed, name
    svr = lines.loc[lines["row"] == "SVR", "value"].to_numpy(dtype=float)
    assert round(float(arithmetic_mean(svr[:-1])), 3) != svr[-1]


def test_s4aqa_tables_agree_on_the_whole_method():
    ablation = read(S4AQA / "tables" / "ablation.csv").set_index(["row", "column"])["value"]
    whole = read(S4AQA / "tables" / "mtl_aqa.csv").set_index(["row", "column"])["value"].loc["S4AQA"]
    gymnastics = read(S4AQA / "tables" / "rhythmic_gymnastics.csv").set_index(["row", "column"])["value"]
    assert list(ablation.loc["All"]) == [*whole, gymnastics.loc[("S4AQA", "Avg")]]


NUMBERS = reported_numbers(REPORTED)
CLAIMS = {claim["id"]: claim for claim in read_claims(REPORTED / "claims.yaml")}
CONTRADICTED = {
    "improved_as_tasks_were_added",
    "unseen_actions",
    "mtl_better_for_both_networks",
    "more_tasks_improve",
    "gap_widens",
    "performs_best_within",
    "drop_more_gracefully",
    "inherent_concept_of_quality",
}
UNDECIDED = {
    "l1_beside_l2",
    "clip_features_for_captions",
    "fewer_parameters",
    "vocabulary",
    "mscadc_fast",
    "svr_does_not_benefit",
    "vault_samples",
    "no_fine_tuning_of_hyperparameters",
}


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_on_the_reported_numbers(name):
    finding = evaluate(CLAIMS[name]["statement"], NUMBERS)
    expected = "does not hold" if name in CONTRADICTED else "undecided" if name in UNDECIDED else "holds"
    assert finding.result == expected, finding.found
    assert finding.found


def test_the_lists_above_name_claims():
    assert set(CLAIMS) >= CONTRADICTED | UNDECIDED


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mtl_better_for_both_networks", "greater in 5 of 6"),
        ("gap_widens", "(6.25 : 0.84, 2.46 : 6.25, 3.99 : 2.46)"),
        ("learns_from_fewer_samples", "(4.25 : 0.84)"),
        ("drop_more_gracefully_on_average", "(34.976 : 41.244)"),
        ("clearer_difference", "(3.76 : 2.32)"),
        ("works_for_vault", "rho 0.2956, n 56, p 0.027"),
        ("small_gap_to_experts", "difference is 5.56"),
    ],
)
def test_the_numbers_that_decide(name, found):
    assert found in evaluate(CLAIMS[name]["statement"], NUMBERS).found


def test_claims_name_the_tables_that_they_read():
    for name, claim in CLAIMS.items():
        read_tables = set(re.findall(r"'table': '(table\d+)'", str(claim["statement"])))
        assert read_tables == set(claim["tables"]), name


S4AQA_NUMBERS = reported_numbers(S4AQA)
S4AQA_CLAIMS = {claim["id"]: claim for claim in read_claims(S4AQA / "claims.yaml")}


@pytest.mark.parametrize("name", S4AQA_CLAIMS)
def test_each_claim_of_s4aqa_on_the_reported_numbers(name):
    finding = evaluate(S4AQA_CLAIMS[name]["statement"], S4AQA_NUMBERS)
    failing = name == "state_of_the_art_on_every_apparatus"
    assert finding.result == ("does not hold" if failing else "holds"), finding.found


def test_on_clubs_action_net_is_above_s4aqa():
    statement = S4AQA_CLAIMS["state_of_the_art_on_every_apparatus"]["statement"]
    assert "greater in 0 of 1 (0.388 : 0.403)" in evaluate(statement, S4AQA_NUMBERS).found
    clubs = (S4AQA_NUMBERS["row"] == "S4AQA") & (S4AQA_NUMBERS["column"] == "Clubs")
    edited = S4AQA_NUMBERS.assign(value=S4AQA_NUMBERS["value"].mask(clubs, ".404"))
    assert evaluate(statement, edited).result == "holds"
    assert evaluate(S4AQA_CLAIMS["action_net_is_above_on_clubs_alone"]["statement"], edited).result == "does not hold"


def test_claims_of_s4aqa_quote_the_abstract_or_say_which_table_they_are_read_off():
    for name, claim in S4AQA_CLAIMS.items():
        read_tables = set(re.findall(r"'table': '(\w+)'", str(claim["statement"])))
        assert read_tables == set(claim["tables"]), name
        assert (claim["section"] == "Abstract") == ("quote" in claim), name
        assert claim["section"].startswith(("Abstract", "table of ")), name
        assert claim["interpretation"], name


def claims_on_the_page(paper: str) -> str:
    """What docs/reported.md must say of a paper: counts, then each claim that its own numbers contradict or leave open."""
    directory = ROOT / "papers" / paper
    numbers = reported_numbers(directory)
    findings = [(claim, evaluate(claim["statement"], numbers)) for claim in read_claims(directory / "claims.yaml")]
    results = [finding.result for _, finding in findings]
    lines = [
        f"{len(results)} claims: {results.count('holds')} hold, {results.count('does not hold')} do not, "
        f"{results.count('undecided')} are undecided.\n\nDo not hold:\n"
    ]
    for claim, finding in findings:
        if finding.result == "does not hold":
            reading = f" Read as: {claim['interpretation']}." if "interpretation" in claim else ""
            place = f"Sec. {claim['section']}" if claim["section"][0].isdigit() else claim["section"]
            found = re.sub(r" \([^)]{60,}\)", "", finding.found)  # long lists of pairs stand in the table of claims
            said = f"“{claim['quote']}”.{reading}" if "quote" in claim else f"{claim['interpretation']}."
            lines.append(f"- `{claim['id']}` ({place}): {said} Found: {found}.")
    lines += ["\nUndecided:\n"] if "undecided" in results else []
    lines += [
        f"- `{claim['id']}`: {finding.found.rstrip('. ')}."
        for claim, finding in findings
        if finding.result == "undecided"
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("paper", ["aqa7", "mtl_aqa", "s4aqa"])
def test_the_page_lists_what_the_evaluator_finds(paper):
    """Where this fails, the assertion shows the text that belongs between the page's two marks."""
    stated = re.search(rf"<!-- claims {paper} -->\n(.*?)\n<!-- end -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert stated is not None
    assert stated.group(1) == claims_on_the_page(paper)
