import pandas as pd

from rescore.datasets import check
from rescore.datasets.aqa7 import official as aqa7
from rescore.manifests import summary


def test_table_1_of_the_official_lists_is_the_printed_one_where_it_can_be_measured(mirror):
    measured = summary.summarise(aqa7.read_lists(mirror / "aqa7"))
    reported = pd.read_csv(check.TABLE_1, dtype=str)
    differing = summary.compare(measured, reported)
    assert len(measured) == 6 * 5
    assert differing["measured"].isna().all()
    official = differing[differing["row"] != "Trampoline"]
    assert set(official["column"]) == {"Avg. Seq. Len.", "View Variation"}
    assert set(differing[differing["row"] == "Trampoline"]["reason"]) == {"no samples of this action"}


def test_the_summary_is_written_as_the_paper_prints_it():
    samples = pd.DataFrame(
        {
            "action": ["skiing", "skiing", "sync_diving_3m"],
            "score": [8.0, 50.0, 46.2],
            "start_frame": [0, 10, 0],
            "end_frame": [130, 142, 155],
        }
    )
    table = summary.summarise(samples).set_index(["row", "column"])["value"]
    assert table["Big Air Skiing", "Avg. Seq. Len."] == "132"
    assert table["Big Air Skiing", "Score Range"] == "8 - 50"
    assert table["Sync. Diving 3m springboard", "Score Range"] == "46.20 - 46.20"
    assert table["Sync. Diving 3m springboard", "# Participants"] == "2"
    assert pd.isna(table["Big Air Skiing", "View Variation"])
    assert list(summary.TITLES) == list(aqa7.DIRECTORIES)


def test_differences_from_the_printed_table_are_found():
    samples = pd.DataFrame({"action": ["skiing"] * 2, "score": [8.0, 49.0]})
    reported = pd.DataFrame(
        [
            ["Big Air Skiing", "# Samples", "2"],
            ["Big Air Skiing", "Score Range", "8 - 50"],
            ["Trampoline", "# Samples", "83"],
        ],
        columns=["row", "column", "value"],
    )
    differing = summary.compare(summary.summarise(samples), reported)
    assert differing[["column", "reported"]].to_numpy().tolist() == [["Score Range", "8 - 50"], ["# Samples", "83"]]
    assert differing["measured"].tolist()[0] == "8 - 49"
    assert differing["reason"].tolist() == ["differs from the printed value", "no samples of this action"]
