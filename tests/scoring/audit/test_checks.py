"""Each family of checks on small cases whose answer is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring.audit import aggregates, declared, differences, rule, splits, text, windows
from rescore.scoring.audit.counts import alike
from rescore.scoring.audit.findings import ERROR, NOTABLE, NOTE, Finding, as_table, listed, number
from rescore.scoring.audit.released import Released, Split

HEADER = "row,column,value,n\n"


def paper(folder: Path, table: str, cells: str, **files: str) -> declared.Paper:
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / f"{table}.csv").write_text(HEADER + cells)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    return declared.read_paper(folder)


def severities(findings):
    return {finding.id.rpartition("/")[2]: finding.severity for finding in findings}


AVERAGES = """
averages:
  - {id: mean, table: t, rows: all, columns: [a, b, c], into: Avg, stated: fisher_z}
"""


def test_each_averaging_rule_is_recognised(tmp_path):
    cells = [0.2, 0.5, 0.9]
    fisher = np.tanh(np.mean(np.arctanh(cells)))
    weighted = np.tanh(np.average(np.arctanh(cells), weights=[7, 17, 27]))
    rows = {"fisher": fisher, "mean": np.mean(cells), "weighted": weighted, "none": 0.1, "a": np.mean(cells[1:])}
    lines = "".join(
        "".join(
            f"{row},{column},{value:.4f},{n}\n" for column, value, n in zip("abc", cells, (10, 20, 30), strict=True)
        )
        + f"{row},Avg,{average:.4f},60\n"
        for row, average in rows.items()
    )
    found = {
        finding.id: finding for finding in aggregates.check(paper(tmp_path / "p", "t", lines, aggregates=AVERAGES))
    }
    assert "aggregates/p/mean_fisher" not in found
    assert "follows from arithmetic_mean" in found["aggregates/p/mean_mean"].found
    assert "fisher_z weighted by n - 3" in found["aggregates/p/mean_weighted"].found
    assert "no rule tried" in found["aggregates/p/mean_none"].found
    assert "arithmetic_mean, without the diagonal" in found["aggregates/p/mean_a"].found
    assert {finding.severity for name, finding in found.items() if name != "aggregates/p/mean"} == {ERROR}
    assert "1 of 5: fisher_z" in found["aggregates/p/mean"].found


def test_bounds_allow_for_rounding_and_no_more():
    parts = pd.DataFrame({"value": ["0.10", "0.31"], "n": ["", ""], "column": ["a", "b"]})
    limits = aggregates.bounds(aggregates.RULES["arithmetic_mean"], parts)
    assert limits == pytest.approx((0.2, 0.21))
    assert aggregates.meets(limits, "0.20")
    assert aggregates.meets(limits, "0.21")
    assert not aggregates.meets(limits, "0.22")
    assert not aggregates.meets(limits, "0.216")


def test_samples_repeats_and_shares(tmp_path):
    lines = "r,a,0.1,10\nr,b,0.1,10\nr,c,0.1,10\nr,Avg,0.1,31\ns,share,33.33,3\ns,wrong,33.40,3\ns,again,0.2,3\n"
    facts = AVERAGES + (
        "repeats:\n  - {id: same, cells: [[t, r, a], [t, r, b]]}\n  - {id: other, cells: [[t, r, a], [t, s, again]]}\n"
        "  - {id: absent, cells: [[t, r, a], [t, r, nothing]]}\n"
        "shares:\n  - {id: fine, table: t, rows: [s], columns: [share]}\n  - {id: bad, table: t, rows: [s], columns: [wrong]}\n"
    )
    found = severities(aggregates.check(paper(tmp_path / "p", "t", lines, aggregates=facts)))
    assert found["mean_r_samples"] == ERROR
    assert (found["repeat_same"], found["repeat_other"], found["repeat_absent"]) == (NOTE, ERROR, ERROR)
    assert (found["share_fine"], found["share_bad"]) == (NOTE, ERROR)


APPLES = "{table: t, rows: [r], columns: [a]}"
PEARS = "{table: data, rows: [r], columns: [pears]}"
FACTS = f"""
- {{id: hard, quote: "3 apples", section: "1", tables: [t], statement: {{
    arithmetic: {{operation: sum, operands: [{APPLES}], value: 3}}}}}}
- {{id: soft, quote: "few apples", section: "1", tables: [t], interpretation: "at most 1", statement: {{
    bound: {{cells: {APPLES}, relation: at_most, value: 1}}}}}}
- {{id: fine, quote: "2 apples", section: "1", tables: [t], statement: {{
    arithmetic: {{operation: sum, operands: [{APPLES}], value: 2}}}}}}
- {{id: waits, quote: "5 pears", section: "1", tables: [], statement: {{
    arithmetic: {{operation: sum, operands: [{PEARS}], value: 5}}}}}}
"""


def test_statements_are_held_against_tables_and_data(tmp_path):
    facts = paper(tmp_path / "p", "t", "r,a,2,\n", facts=FACTS)
    found = list(text.check(facts, pd.DataFrame()))
    assert severities(found) == {"hard": ERROR, "soft": NOTABLE, "p": NOTE}
    assert "1 hold, 2 do not, 1 undecided" in found[-1].found
    data = pd.DataFrame([("data", "r", "pears", "6", "")], columns=["table", "row", "column", "value", "n"])
    assert severities(text.check(facts, data))["waits"] == ERROR


COMPARISONS = """
- {id: pair, table: t, scale: 100, left: {rows: [new], columns: [a, b]}, right: {rows: [old], columns: [a, b]}}
- {id: unknown, table: t, left: {rows: [new], columns: [c]}, right: {rows: [old], columns: [c]}}
"""


def test_differences_against_their_sampling_error(tmp_path):
    lines = "new,a,90.00,353\nold,a,60.00,353\nnew,b,60.10,28\nold,b,60.00,28\nnew,c,0.5,\nold,c,0.4,\n"
    found = {
        f.id.rpartition("/")[2]: f
        for f in differences.check(paper(tmp_path / "p", "t", lines, comparisons=COMPARISONS))
    }
    assert "1 of 2 with independent errors, 1 of 2 with r12 0.95" in found["pair"].found
    assert found["pair"].severity == NOTABLE
    assert found["pair"].stated.startswith("above in 2 of 2")
    assert found["unknown"].severity == NOTE
    assert "no pair with one known number" in found["unknown"].found


def dives(*rows):
    columns = ["sample", "event", "start_frame", "end_frame", "score", "difficulty", *rule.CLASS]
    return pd.DataFrame([(*row, "tuck", False, "forward", 2.5, 0.0) for row in rows], columns=columns)


def test_windows():
    table = dives(
        ("01/001", "01", 100, 250, 60, 3.0),
        ("01/002", "01", 240, 300, 60, 3.0),
        ("01/003", "01", 900, 960, 60, 3.0),
        ("01/004", "01", 900, 960, 60, 3.0),
        ("01/005", "01", 50, 60, 60, 3.0),
        ("02/001", "02", 100, 250, 60, 3.0),
        ("02/002", "02", 500, 500, 60, 3.0),
    )
    found = {finding.id.rpartition("/")[2]: finding for finding in windows.check(Released(dives=table))}
    assert found["empty"].evidence == "02/002"
    assert set(found["overlaps"].evidence.split("; ")) == {"01/002", "01/004"}
    assert found["duplicates"].evidence == "01/003; 01/004"
    assert found["order"].evidence == "01/005"
    assert found["cut_at_the_start"].found.startswith("2 of 7")
    assert found["before_the_broadcast"].evidence == "01/005"
    assert "01/002" in found["into_another_dive"].evidence


def test_rule():
    table = dives(
        ("01/001", "01", 1, 9, 60, 3.0), ("01/002", "01", 10, 19, 60.2, 3.0), ("01/003", "01", 20, 29, 62, 3.1)
    )
    found = {finding.id.rpartition("/")[2]: finding for finding in rule.check(Released(dives=table))}
    assert found["possible_scores"].evidence == "01/002 60.2 at 3"
    assert found["class_difficulty"].found == "1 have several"
    assert "01/003" in found["class_difficulty"].evidence
    routines = pd.DataFrame(
        {
            "Video_Name": ["a", "b", "c"],
            "Difficulty_Score": 5.0,
            "Execution_Score": 6.0,
            "Total_Score": [11, 11.01, 11.1],
        }
    ).assign(Penalty=0.0)
    assert rule.check_sums(routines).evidence == "c 11.1 for 11"
    assert rule.check_sums(routines[:2]).severity == NOTE


def test_splits():
    same = {name: name for name in ("01/001", "01/002", "02/001", "02/002")}
    official = Split("MTL-AQA", "official", ("01/001", "01/001", "02/001"), ("01/002", "02/001"), same)
    other = Split("AQA-7", "aqa7", ("diving/002",), ("diving/001",), {"diving/001": "01/001", "diving/002": "01/002"})
    found = {finding.id.rpartition("/")[2]: finding for finding in splits.check(Released(splits=(official, other)))}
    assert found["mtl_aqa_official_overlap"].evidence == "02/001"
    assert "50%" in found["mtl_aqa_official_overlap"].found
    assert found["mtl_aqa_official_twice"].evidence == "01/001"
    assert found["mtl_aqa_official_events"].evidence == "events 01; 02"
    assert found["mtl_aqa_official_trains_on_aqa_7"].evidence.endswith("01/001")
    assert found["aqa_7_trains_on_mtl_aqa_official"].found == "1 of 2 are"
    assert found["aqa_7_overlap"].severity == NOTE


def test_identical_files_of_different_folders():
    digests = {"a/x": "1", "a/y": "2", "b/x": "1", "b/y": "3", "readme": "1"}
    found = list(splits.check_copies(Released(digests=digests)))
    assert [finding.evidence for finding in found] == ["x"]


def test_printed_and_counted_values_are_compared_as_what_they_are():
    assert alike("1412", "1412")
    assert alike("0.50", "0.5")
    assert alike("Free, Tuck", "Tuck, Free")
    assert not alike("8 - 50", "8 - 51")


def test_findings_are_sorted_and_named_once():
    def finding(name, severity):
        return Finding(name, "", "", "", "", severity, "", "")

    table = as_table([finding("b", NOTE), finding("c", ERROR), finding("a", NOTE), finding("d", NOTABLE)])
    assert table["id"].tolist() == ["c", "d", "a", "b"]
    with pytest.raises(ValueError, match="share an id: a"):
        as_table([finding("a", NOTE), finding("a", ERROR)])
    assert (number(0.50004), number(3), number(float("nan"))) == ("0.5", "3", "undefined")
    assert listed("abc", 2) == "a; b; and 1 more"


def test_bad_declarations_are_named(tmp_path):
    with pytest.raises(RescoreError, match="no paper"):
        declared.read_papers(tmp_path)
    with pytest.raises(RescoreError, match=r"averages\.0"):
        paper(tmp_path / "p", "t", "r,a,1,\n", aggregates="averages:\n  - {id: x}\n")
    with pytest.raises(RescoreError, match="not a readable YAML"):
        paper(tmp_path / "q", "t", "r,a,1,\n", aggregates="averages: [\n")
