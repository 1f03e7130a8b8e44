"""Labels alone, judges against the rest, and the splits of 2017: by hand, without names, and each bad file in one error."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from rescore.engine.errors import RescoreError
from rescore.scoring.released import ceilings, labels, splits

SETTINGS = {"seed": 0, "scoring": {"bootstrap": 100, "confidence": 0.95}}


def skating_folders(path, tes):
    (path / "v/data").mkdir(parents=True)
    (path / "e/src/elements_preprocessing").mkdir(parents=True)
    lines = "".join(f"{video} {score} {20 + video} 0\n" for video, score in enumerate(tes, 1))
    (path / "v/data/test_dataset.txt").write_text(lines)
    (path / "v/data/train_dataset.txt").write_text("99 30 30 0\n")
    lists = {str(video): [{"base_value": video, "goe": -2.5 * (video == 6)}] for video in range(1, len(tes) + 1)}
    (path / "e/src/elements_preprocessing/vid_id_to_element_list.json").write_text(json.dumps(lists))
    return path / "v", path / "e"


def test_sums_of_elements_rank_the_scores_that_they_make(tmp_path):
    video, element = skating_folders(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0, 3.5])
    rows = labels.skating_rows(labels.read_fis_v(video), labels.read_elements(element), SETTINGS)
    value = {(row["row"], row["column"]): row["value"] for row in rows}
    assert value["Base values and grades of execution", "TES"] == pytest.approx(1)
    assert value["Base values", "TES"] < 1
    assert value["Base values", "PCS"] == pytest.approx(1)


def test_bad_lists_and_elements_are_one_error_each(tmp_path):
    video, element = skating_folders(tmp_path, [1.0, 2.0])
    (video / "data/train_dataset.txt").write_text("1 30 30 0\n")
    with pytest.raises(RescoreError, match="programme 1 is listed twice"):
        labels.read_fis_v(video)
    (video / "data/train_dataset.txt").write_text("1 thirty 30 0\n")
    with pytest.raises(RescoreError, match=r"train_dataset\.txt: not a list of Fis-V"):
        labels.read_fis_v(video)
    (element / "src/elements_preprocessing/vid_id_to_element_list.json").write_text('{"1": [{"goe": 1}]}')
    with pytest.raises(RescoreError, match="not the elements of programmes"):
        labels.read_elements(element)


def write_marks(folder, marks, countries="ABCDEFG"):
    (folder / "data").mkdir(parents=True, exist_ok=True)
    rows = [
        ("M3mSB", "Final", "Nobody", "A", 1, dive, 2.0, mark, "Judge", country)
        for dive, panel in enumerate(marks)
        for mark, country in zip(panel, countries, strict=True)
    ]
    names = ["Event", "Round", "Diver", "Country", "Rank", "DiveNo", "Difficulty", "JScore", "Judge", "JCountry"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "data/Diving2000.csv", index=False)


def test_judges_who_agree_are_a_ceiling_of_one_and_own_country_marks_stand_apart(tmp_path):
    marks = [[mark + 1.0, *[mark] * 6] for mark in (3.0, 4.0, 5.0, 6.0, 7.0, 8.0)]  # the first seat favours its country
    write_marks(tmp_path, marks)
    rows = list(ceilings.diving_rows(ceilings.read_marks(tmp_path), SETTINGS))
    value = {(row["row"], row["column"]): row["value"] for row in rows}
    assert value["Dives of 2000", ceilings.EVERY] == pytest.approx(1)
    assert value["Dives of 2000", ceilings.BIAS] == pytest.approx(1)
    assert value["Dives of 2000", ceilings.BIAS_OTHERS] == pytest.approx(-1 / 6)
    assert "Nobody" not in str(rows)


def test_a_panel_that_is_not_of_seven_is_named(tmp_path):
    write_marks(tmp_path, [[5.0] * 6], "ABCDEF")
    with pytest.raises(RescoreError, match="dive 0000: 6 marks"):
        ceilings.read_marks(tmp_path)


def test_a_split_with_a_dive_twice_or_a_damaged_list_is_refused(tmp_path):
    for folder in splits.FOLDERS.values():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        savemat(tmp_path / folder / "training_idx.mat", {"training_idx": np.array([[1, 2, 3]])})
        savemat(tmp_path / folder / "testing_idx.mat", {"testing_idx": np.array([[3, 371]])})
    with pytest.raises(RescoreError) as error:
        splits.write_splits(tmp_path, tmp_path, tmp_path / "a.csv", tmp_path / "b.csv")
    assert "300_70: 1 dives stand twice" in str(error.value)
    assert "100_59_6: no dives [371]" in str(error.value)
    (tmp_path / splits.BIG / "testing_idx.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(RescoreError, match=r"testing_idx\.mat: not a list of dives"):
        splits.write_splits(tmp_path, tmp_path, tmp_path / "a.csv", tmp_path / "b.csv")
