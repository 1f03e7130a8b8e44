import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.manifests.contract import read_manifest, select_actions, validate, write_manifest


@pytest.fixture
def manifest():
    return pd.DataFrame(
        {
            "dataset": "little",
            "sample": ["diving/001", "skiing/001", "trampoline/001"],
            "action": ["diving", "skiing", "trampoline"],
            "split": ["train", "test", "train"],
            "video": ["a.avi", "b.avi", "c.avi"],
            "start_frame": 0,
            "end_frame": [102, 131, 633],
            "score": [84.15, 40.0, 55.5],
            "difficulty": [3.3, np.nan, np.nan],
        }
    )


def test_a_manifest_comes_back_as_it_was_written(manifest, tmp_path):
    path = tmp_path / "m.parquet"
    write_manifest(path, manifest[list(reversed(manifest.columns))].assign(armstand=[True, False, False]))
    read = read_manifest(path)
    assert list(read.columns) == [*manifest.columns, "armstand"]
    pd.testing.assert_frame_equal(read[list(manifest.columns)], manifest, check_dtype=False)
    first = path.read_bytes()
    write_manifest(path, read)
    assert path.read_bytes() == first


def test_what_is_known_of_an_event_comes_back(manifest, tmp_path):
    known = manifest.assign(synchronised=[True, False, False], height=[3, None, 10], gender=["female", "male", None])
    write_manifest(tmp_path / "m.parquet", known)
    read = read_manifest(tmp_path / "m.parquet")
    assert read["synchronised"].tolist() == [True, False, False]
    assert read["height"].tolist() == [3, pd.NA, 10]
    assert read["gender"].isna().tolist() == [False, False, True]


def test_all_problems_are_named_together_with_their_rows(manifest, tmp_path):
    bad = manifest.assign(
        sample=["diving/001", "diving/001", "trampoline/001"],
        action=["diving", "chess", "trampoline"],
        split=["train", "test", "validation"],
        start_frame=[0, 500, 0],
        score=[np.nan, 40.0, 8415.0],
    )
    with pytest.raises(RescoreError) as caught:
        write_manifest(tmp_path / "m.parquet", bad)
    message = str(caught.value)
    assert "duplicate sample: row 0 (diving/001), row 1 (diving/001)" in message
    assert "unknown action: row 1" in message
    assert "split is not one of train, test: row 2" in message
    assert "start_frame is after end_frame: row 1" in message
    assert "score is not a number: row 0 (diving/001)" in message
    assert "score is outside 0..150 points: row 2 (trampoline/001)" in message
    assert "m.parquet" in message
    assert not (tmp_path / "m.parquet").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda table: table.drop(columns=["score", "video"]),
            r"column video is missing[\s\S]*column score is missing",
        ),
        (lambda table: table.assign(judge=1), "column judge is not part of the contract"),
        (lambda table: table.assign(score="high"), "column score holds"),
        (lambda table: table.iloc[:0], "no rows"),
        (lambda table: table.assign(video=""), "no video: row 0"),
        (lambda table: table.assign(start_frame=-1), "below 0"),
        (lambda table: table.assign(score=np.inf), "not a number"),
        (lambda table: table.assign(score=-1.0), "outside"),
        (lambda table: table.assign(position=["tuck", None, 2]), "position is not one of free, pike, tuck: row 2"),
        (lambda table: table.assign(rotation_type="back"), "rotation_type is not one of backward, "),
        (lambda table: table.assign(height=[3, 10, 5]), r"height is not one of 3, 10: row 2 \(trampoline/001\)"),
        (lambda table: table.assign(height="ten"), "column height holds"),
        (lambda table: table.assign(gender=["male", "m", None]), "gender is not one of female, male: row 1"),
    ],
)
def test_each_breach_is_an_error(change, words, manifest, tmp_path):
    with pytest.raises(RescoreError, match=words):
        validate(change(manifest), tmp_path / "m.parquet")


def test_a_pre_training_set_has_classes_and_no_scores(manifest, tmp_path):
    classes = manifest.assign(action="Archery", score=np.nan)
    write_manifest(tmp_path / "m.parquet", classes, scored=False)
    assert read_manifest(tmp_path / "m.parquet", scored=False)["score"].isna().all()
    with pytest.raises(RescoreError, match="unknown action"):
        read_manifest(tmp_path / "m.parquet")
    with pytest.raises(RescoreError, match="no class: row 1"):
        validate(classes.assign(action=["a", "", "b"]), tmp_path, scored=False)


def test_an_unknown_end_is_kept(manifest, tmp_path):
    write_manifest(tmp_path / "m.parquet", manifest.assign(end_frame=pd.array([102, None, 633], dtype="Int64")))
    assert read_manifest(tmp_path / "m.parquet")["end_frame"].isna().tolist() == [False, True, False]


def test_missing_and_damaged_files_are_errors(tmp_path):
    with pytest.raises(RescoreError, match="no such file"):
        read_manifest(tmp_path / "m.parquet")
    (tmp_path / "m.parquet").write_bytes(b"PAR1 but no table")
    with pytest.raises(RescoreError, match="not a readable table"):
        read_manifest(tmp_path / "m.parquet")


def test_actions_are_selected_in_the_manifests_order(manifest):
    assert select_actions(manifest, ["trampoline", "diving"])["sample"].tolist() == ["diving/001", "trampoline/001"]
    assert len(select_actions(manifest, None)) == 3
