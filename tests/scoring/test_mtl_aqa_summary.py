"""Tables 1 to 3 of MTL-AQA and the counts of its text, from a manifest."""

import json
from pathlib import Path

import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.manifests.summary import REPORTED_ONLY
from rescore.scoring.mtl_aqa_summary import (
    layer_lines,
    summarise_data,
    summarise_table1,
    summarise_table2,
    summarise_table3,
)
from tests.mtl_aqa_files import WORDS, make_dives, make_splits

ROOT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path):
    dives = make_dives().assign(synchronised=False, height=10, gender="male")
    dives.loc[:20, ["synchronised", "height", "gender"]] = [True, 3, "female"]
    dives.to_parquet(tmp_path / "manifest.parquet")
    make_splits(dives).to_parquet(tmp_path / "splits.parquet")
    (tmp_path / "vocabulary.json").write_text(json.dumps(["<eos>", "<sos>", *WORDS]))
    return tmp_path


def read(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False).set_index(["row", "column"])


def test_table1(paths):
    summarise_table1(paths / "manifest.parquet", paths / "splits.parquet", paths / "t.csv")
    found = read(paths / "t.csv")
    assert found.loc[("MTL-AQA", "Events"), "value"] == "Individual, Synchronous"
    assert found.loc[("MTL-AQA", "Height"), "value"] == "3m Springboard, 10m Platform"
    assert found.loc[("MTL-AQA", "Genders"), "value"] == "Male, Female"
    assert found.loc[("MTL-AQA", "# Samples"), "value"] == "70"
    assert found.loc[("MTL-AQA", "# Events"), "value"] == "4"
    assert found.loc[("MTL-AQA", "Labels"), "value"] == "AQA score, Action class, Commentary"
    assert "names no measure" in found.loc[("MTL-AQA", "View Variation/Background"), "reason"]
    assert found.loc[("UNLV Dive", "# Samples"), "value"] == "32"  # 20 for training, 12 for testing
    assert found.loc[("UNLV Dive", "Height"), ["value", "reason"]].tolist() == [
        "",
        "reported only: UNLV-Dive is at hand as a split of dives alone",
    ]
    absent = found.loc["MIT Dive"]
    assert absent["reason"].str.startswith(REPORTED_ONLY).all()
    printed = pd.read_csv(ROOT / "papers/mtl_aqa/tables/table1.csv")
    assert set(absent.index) == set(printed["column"])


def test_what_the_manifest_does_not_say_is_not_guessed(paths):
    dives = pd.read_parquet(paths / "manifest.parquet").drop(columns=["synchronised"]).assign(caption="")
    dives.loc[3, "gender"] = None
    dives.to_parquet(paths / "manifest.parquet")
    summarise_table1(paths / "manifest.parquet", paths / "splits.parquet", paths / "t.csv")
    found = read(paths / "t.csv")
    for column in ("Events", "Genders"):
        assert found.loc[("MTL-AQA", column), "value"] == ""
        assert "do not say it" in found.loc[("MTL-AQA", column), "reason"]
    assert found.loc[("MTL-AQA", "Labels"), "value"] == "AQA score, Action class"


def test_table2(paths):
    summarise_table2(paths / "manifest.parquet", paths / "t.csv")
    values = read(paths / "t.csv")["value"]
    assert values[("Dive", "Position")] == "Free, Tuck, Pike"
    assert values[("Dive", "Armstand")] == "No, Yes"
    assert values[("Dive", "Rotation type")] == "Inward, Reverse, Backward, Forward"
    assert values[("Dive", "# SS")] == "2.5 to 3.5"
    assert values[("Dive", "# TW")] == "0 to 1.5"


def test_equal_layers_side_by_side_are_one_line():
    notations = ["C3(32); BN", "MP(1,2,2)", "C3(8); BN", "C3(8); BN", "", "MP(1,2,2)"]
    layers = [{"part": "Body", "notation": notation} for notation in notations] + [
        {"part": "Head", "notation": "C1(12)"}
    ]
    assert [(row, part, value) for row, part, value, _, _ in layer_lines(layers)] == [
        ("1", "Body", "C3(32); BN"),
        ("2", "Body", "MP(1,2,2)"),
        ("3", "Body", "{C3(8); BN} x2"),
        ("4", "Body", "MP(1,2,2)"),
        ("1", "Head", "C1(12)"),
    ]


def test_a_damaged_description_is_named(tmp_path):
    (tmp_path / "network.json").write_text('{"layers": [{"notation": "C1(1)"}]}')
    with pytest.raises(RescoreError, match="not a description of MSCADC"):
        summarise_table3(tmp_path / "network.json", tmp_path / "t.csv")


def test_counts_of_the_text(paths):
    vaults = pd.DataFrame({"action": ["gymvault"] * 5 + ["diving"]})
    vaults.to_parquet(paths / "aqa7.parquet")
    files = [paths / name for name in ("manifest.parquet", "splits.parquet", "vocabulary.json", "data.csv")]
    summarise_data(*files, vaults=paths / "aqa7.parquet")
    found = read(paths / "data.csv")["reproduced"]
    assert found[("MTL-AQA", "Vocabulary")] == str(2 + len(WORDS))
    assert found[("MTL-AQA", "Training samples of 1059")] == "26"  # 40 without the 14 for validation
    assert found[("Gymnastic vault", "# Samples")] == "5"
