import numpy as np
import pytest
import scipy.io

from rescore.datasets.aqa7 import official as aqa7
from rescore.engine.errors import RescoreError
from rescore.manifests.contract import read_manifest
from rescore.manifests.videos import index_videos

FAIL, DROP = {"clips": {"on_bad_video": "fail"}}, {"clips": {"on_bad_video": "drop"}}


def test_the_official_lists_are_the_papers(mirror):
    lists = aqa7.read_lists(mirror / "aqa7")
    assert lists["split"].value_counts().to_dict() == {"train": 803, "test": 303}
    assert lists.iloc[0].to_dict() == {
        "action": "diving",
        "number": 54,
        "sample": "diving/054",
        "split": "train",
        "score": 84.15,
    }
    assert aqa7.count_differences(lists) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": [[9, 1, 5000]]}, "action is not one of 1..6"),
        ({"train": [[1, 1, np.nan]]}, "has NaN"),
        ({"train": [[1, 1.5, 5000]]}, "not a whole number"),
        ({"train": [[1, 1, -1]]}, "below 0"),
        ({"train": [[1, 1, 5000], [1, 1, 5000]]}, r"diving/001 is listed 2 times \(train\)"),
        ({"test": [[1, 1, 8415]]}, r"diving/001 is listed 2 times \(test and train\)"),
        ({"train": [[1, 1], [1, 2]]}, r"not numbers \(rows, 3\)"),
    ],
)
def test_wrong_lists_are_errors(changes, words, tmp_path, write_lists):
    with pytest.raises(RescoreError, match=words):
        aqa7.read_lists(write_lists(tmp_path / "lists", **changes))


def test_missing_and_damaged_lists_are_named_together(tmp_path, write_lists):
    lists = write_lists(tmp_path / "lists")
    train = lists / "consolidated_train_list.mat"
    train.write_bytes(train.read_bytes()[:150])
    (lists / "consolidated_test_list.mat").unlink()
    with pytest.raises(RescoreError, match=r"train_list\.mat: not a readable[\s\S]*test_list\.mat: missing"):
        aqa7.read_lists(lists)
    scipy.io.savemat(train, {"other": np.zeros((2, 3))})
    with pytest.raises(RescoreError, match="no matrix named consolidated_train_list"):
        aqa7.read_lists(lists)


def test_the_manifest_of_official_videos(videos, index, tmp_path, write_lists):
    aqa7.write_manifest(write_lists(tmp_path / "lists"), index, tmp_path / "m.parquet", FAIL)
    manifest = read_manifest(tmp_path / "m.parquet")
    expected = ["diving/001", "diving/002", "skiing/007", "sync_diving_10m/001", "diving/003", "gymvault/001"]
    assert manifest["sample"].tolist() == expected
    assert manifest["end_frame"].tolist() == [4, 5, 8, 9, 6, 7]
    assert manifest["score"].tolist() == [84.15, 50.0, 39.5, 99.36, 21.6, 16.87]
    assert manifest["video"][2] == (videos / "ski_big_air" / "007.avi").as_posix()
    assert manifest["difficulty"].isna().all()
    assert set(manifest["dataset"]) == {"aqa7"}


@pytest.mark.parametrize("name", ["1", "diving"])
def test_directories_may_have_the_lists_codes(name, tmp_path, write_lists, write_video):
    write_video(tmp_path / "videos" / name / "001.avi", 3)
    index_videos(tmp_path / "videos", tmp_path / "index.csv")
    lists = write_lists(tmp_path / "lists", [[1, 1, 5000]], [[1, 2, 5000]])
    aqa7.write_manifest(lists, tmp_path / "index.csv", tmp_path / "m.parquet", DROP)
    assert read_manifest(tmp_path / "m.parquet")["end_frame"].tolist()[0] == 2


def test_missing_and_broken_videos_are_reported_together_or_kept_for_dropping(videos, tmp_path, write_lists):
    (videos / "diving" / "001.avi").unlink()
    (videos / "gym_vault" / "001.avi").write_bytes(b"")
    content = (videos / "diving" / "003.avi").read_bytes()
    (videos / "diving" / "003.avi").write_bytes(content[: len(content) // 2])
    index_videos(videos, tmp_path / "index.csv")
    lists = write_lists(tmp_path / "lists")
    with pytest.raises(RescoreError) as caught:
        aqa7.write_manifest(lists, tmp_path / "index.csv", tmp_path / "m.parquet", FAIL)
    for words in ("diving/001.avi: missing", "gym_vault/001.avi: empty", "diving/003.avi: ", "truncated", "(3)"):
        assert words in str(caught.value)
    aqa7.write_manifest(lists, tmp_path / "index.csv", tmp_path / "m.parquet", DROP)
    manifest = read_manifest(tmp_path / "m.parquet")
    assert manifest.loc[manifest["end_frame"].isna(), "sample"].tolist() == ["diving/001", "diving/003", "gymvault/001"]


def test_an_unknown_action_directory_is_an_error_that_names_it(videos, tmp_path, write_lists):
    (videos / "ski_big_air").rename(videos / "ski")
    index_videos(videos, tmp_path / "index.csv")
    for settings in (FAIL, DROP):
        with pytest.raises(RescoreError, match=r"videos/ski: not the directory of an action"):
            aqa7.write_manifest(
                write_lists(tmp_path / "lists"), tmp_path / "index.csv", tmp_path / "m.parquet", settings
            )
    assert not (tmp_path / "m.parquet").exists()


def test_a_sample_with_two_videos_is_an_error(videos, tmp_path, write_lists, write_video):
    write_video(videos / "1" / "001.avi", 9)
    write_video(videos / "diving" / "2.avi", 9)
    index_videos(videos, tmp_path / "index.csv")
    with pytest.raises(RescoreError, match=r"diving/001: two videos[\s\S]*diving/002: two videos"):
        aqa7.write_manifest(write_lists(tmp_path / "lists"), tmp_path / "index.csv", tmp_path / "m.parquet", FAIL)
