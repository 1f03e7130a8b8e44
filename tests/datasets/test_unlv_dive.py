"""UNLV-Dive with S3D's features: the real files, and files that contradict each other."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescore.datasets.mtl_aqa.release import OFFICIAL, read_annotations, read_unlv_split
from rescore.datasets.mtl_aqa.unlv_dive import (
    corresponding_dives,
    read_stage_posteriors,
    read_unlv_dive,
    split_findings,
)
from rescore.engine.errors import RescoreError
from rescore.sources.pickles import load_object_array

MIRROR = os.environ.get("RESCORE_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
USED = (
    "all_test_v2.npy",
    "all_train_v2.npy",
    "difficulty_level.npy",
    "jump_drop_water_label.txt",
    "overall_scores.npy",
    "testing_idx.npy",
    "training_idx.npy",
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    if not MIRROR:
        pytest.skip("RESCORE_MIRROR is not set")
    for name in USED:
        shutil.copyfile(Path(MIRROR) / "unlv_dive_s3d" / name, tmp_path / name)
    return tmp_path


def change(path: Path, edit: Callable[[np.ndarray], Any]) -> None:
    array = np.load(path)
    edit(array)
    np.save(path, array)


def test_the_real_files_are_370_dives_in_the_order_of_the_split(files: Path) -> None:
    dives = read_unlv_dive(files)
    assert dives.table["split"].value_counts().to_dict() == {"train": 300, "test": 70}
    assert dives.features.shape == (370, 2048)
    assert dives.stage_scores.shape == (370, 4)
    assert sorted(dives.table["sample"]) == [f"{number:03d}" for number in range(1, 371)]
    # The index files count from 1: the first training dive is number 2, with 72.00 points.
    assert (dives.table.iloc[0]["sample"], dives.table.iloc[0]["score"]) == ("002", 72.0)
    assert [finding.split(":")[0] for finding in dives.findings] == ["dive 133", "dive 345", "dive 32", "dive 95"]


@needs_mirror
def test_mtl_aqas_copy_of_the_split_names_other_dives() -> None:
    mirror = Path(str(MIRROR))
    dives = read_unlv_dive(mirror / "unlv_dive_s3d")
    annotations = read_annotations(mirror / "mtl_aqa" / OFFICIAL / "final_annotations_dict.pkl")
    found = corresponding_dives(dives, annotations)
    assert len(found) == len(set(found.values())) == 370
    scores = dives.table.set_index(dives.table["sample"].astype(int))["score"]
    misprints = [
        number for number, key in found.items() if abs(scores[number] - annotations[key]["final_score"]) > 0.005
    ]
    assert misprints == [73, 345]
    findings = split_findings(dives, annotations, read_unlv_split(mirror / "mtl_aqa"))
    assert any("test: 23 of 70 keys are not dives" in finding for finding in findings)
    assert any("23 of its test keys are training dives" in finding for finding in findings)
    assert any("01/064 has no annotation" in finding for finding in findings)


@pytest.mark.parametrize(
    ("name", "edit", "text"),
    [
        ("overall_scores.npy", lambda array: array.__setitem__((0, 1), 71.0), "score 72, but dive 2 has 71"),
        ("overall_scores.npy", lambda array: array.__setitem__((0, 5), np.nan), "not finite"),
        ("training_idx.npy", lambda array: array.__setitem__((0, 0), 3), "not the dives 1 to 370"),
        ("testing_idx.npy", lambda array: np.subtract(array, 1, out=array), "not the dives 1 to 370"),
    ],
)
def test_contradictions_are_raised(files: Path, name: str, edit: Callable[[np.ndarray], Any], text: str) -> None:
    change(files / name, edit)
    with pytest.raises(RescoreError, match=text):
        read_unlv_dive(files)


def test_an_exchanged_feature_file_is_refused(files: Path) -> None:
    shutil.copyfile(files / "all_test_v2.npy", files / "all_train_v2.npy")
    with pytest.raises(RescoreError, match="70 feature rows for 300 dives"):
        read_unlv_dive(files)


def test_features_that_are_not_finite_are_named(files: Path) -> None:
    content = load_object_array(files / "all_test_v2.npy")
    content[0, 4] = np.full(2048, np.nan, np.float32)
    np.save(files / "all_test_v2.npy", content, allow_pickle=True)
    with pytest.raises(RescoreError, match="test row 4: a value is not finite"):
        read_unlv_dive(files)


def test_features_of_another_width_are_refused(files: Path) -> None:
    content = load_object_array(files / "all_test_v2.npy")
    for row in range(70):
        content[0, row] = content[0, row][:10]
    np.save(files / "all_test_v2.npy", content, allow_pickle=True)
    with pytest.raises(RescoreError, match="2048"):
        read_unlv_dive(files)


@pytest.mark.parametrize("name", USED)
def test_a_missing_file_is_named(files: Path, name: str) -> None:
    (files / name).unlink()
    with pytest.raises(RescoreError, match=name):
        read_unlv_dive(files)


@pytest.mark.parametrize("name", USED)
def test_a_damaged_file_is_named(files: Path, name: str) -> None:
    (files / name).write_bytes(b"\x80\x04damaged")
    with pytest.raises(RescoreError, match=name):
        read_unlv_dive(files)


@needs_mirror
def test_stage_posteriors_stand_in_the_tables_order(files: Path) -> None:
    shutil.copyfile(Path(str(MIRROR)) / "unlv_dive_s3d" / "tcn_output2.npy", files / "tcn_output2.npy")
    dives, whole = read_unlv_dive(files), np.load(files / "tcn_output2.npy")
    found = read_stage_posteriors(files, dives)
    assert found.shape == (370, 160, 5)
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-3)
    for row in (0, 299, 300, 369):
        np.testing.assert_array_equal(found[row], whole[int(dives.table["sample"][row]) - 1])
    whole[4, 3, 2] = np.nan
    np.save(files / "tcn_output2.npy", whole)
    with pytest.raises(RescoreError, match="dive 5: values that are no probabilities"):
        read_stage_posteriors(files, dives)
    np.save(files / "tcn_output2.npy", whole[:7])
    with pytest.raises(RescoreError, match="not posteriors of 370 dives"):
        read_stage_posteriors(files, dives)
