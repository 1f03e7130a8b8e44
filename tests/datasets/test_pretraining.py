import pandas as pd
import pytest

from rescore.datasets.pretraining import official as ucf101
from rescore.engine.errors import RescoreError
from rescore.manifests.contract import read_manifest
from rescore.manifests.videos import index_videos

FAIL = {"clips": {"on_bad_video": "fail"}}


def test_ucf101_lists_with_and_without_test_labels(tmp_path, write_ucf_lists):
    plain = ucf101.read_lists(write_ucf_lists(tmp_path / "plain"))
    labelled = ucf101.read_lists(write_ucf_lists(tmp_path / "labelled", testlist01="Archery/v_Archery_g01_c01.avi 1\n"))
    pd.testing.assert_frame_equal(plain, labelled)
    assert plain["split"].tolist() == ["train", "train", "test"]
    assert plain["sample"][2] == "Archery/v_Archery_g01_c01"


def test_the_official_ucf101_lists(mirror):
    lists = ucf101.read_lists(mirror / "ucf101")
    assert lists["split"].value_counts().to_dict() == {"train": 9537, "test": 3783}
    assert lists["action"].nunique() == 101


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trainlist01": "Archery/v_Archery_g08_c01.avi 2\n"}, "the class index says 1"),
        ({"trainlist01": "Archery/v_Archery_g08_c01.avi\n"}, "no label"),
        ({"trainlist01": "Chess/v_Chess_g08_c01.avi 1\n"}, "class index does not know"),
        ({"trainlist01": "<html>404</html>\n"}, "line 1"),
        ({"testlist01": ""}, "empty"),
        ({"testlist01": "Archery/v_Archery_g08_c01.avi\n"}, "listed more than once"),
        ({"classInd": "1 Archery\n1 Diving\n"}, "repeats"),
        ({"classInd": "Archery 1\n"}, "not `number ClassName`"),
    ],
)
def test_wrong_ucf101_lists_are_errors(changes, words, tmp_path, write_ucf_lists):
    with pytest.raises(RescoreError, match=words):
        ucf101.read_lists(write_ucf_lists(tmp_path / "lists", **changes))


def test_missing_ucf101_lists_are_errors(tmp_path, write_ucf_lists):
    lists = write_ucf_lists(tmp_path / "lists")
    (lists / "trainlist01.txt").unlink()
    with pytest.raises(RescoreError, match=r"trainlist01\.txt: missing"):
        ucf101.read_lists(lists)
    (lists / "classInd.txt").unlink()
    with pytest.raises(RescoreError, match=r"classInd\.txt: missing"):
        ucf101.read_lists(lists)


def test_the_manifest_of_ucf101(tmp_path, write_video, write_ucf_lists):
    for name in ("Archery/v_Archery_g08_c01", "Diving/v_Diving_g08_c01"):
        write_video(tmp_path / "videos" / f"{name}.avi", 20)
    index_videos(tmp_path / "videos", tmp_path / "index.csv")
    lists, path = write_ucf_lists(tmp_path / "lists"), tmp_path / "m.parquet"
    with pytest.raises(RescoreError, match=r"v_Archery_g01_c01\.avi: missing"):
        ucf101.write_manifest(lists, tmp_path / "index.csv", path, FAIL)
    write_video(tmp_path / "videos" / "Archery" / "v_Archery_g01_c01.avi", 30)
    index_videos(tmp_path / "videos", tmp_path / "index.csv")
    ucf101.write_manifest(lists, tmp_path / "index.csv", path, FAIL)
    manifest = read_manifest(path, scored=False)
    assert manifest["action"].tolist() == ["Archery", "Diving", "Archery"]
    assert manifest["end_frame"].tolist() == [19, 19, 29]


def test_an_unknown_class_directory_is_an_error(tmp_path, write_video, write_ucf_lists):
    for name in ("Archery/v_Archery_g08_c01", "Chess/v_Chess_g08_c01"):
        write_video(tmp_path / "videos" / f"{name}.avi", 20)
    index_videos(tmp_path / "videos", tmp_path / "index.csv")
    lists = write_ucf_lists(tmp_path / "lists")
    with pytest.raises(RescoreError, match=r"videos/Chess: not the directory of an action or class"):
        ucf101.write_manifest(lists, tmp_path / "index.csv", tmp_path / "m.parquet", FAIL)


def test_broken_videos_are_reported_together_or_kept_for_dropping(tmp_path, write_video, write_ucf_lists):
    whole = write_video(tmp_path / "videos" / "Archery" / "v_Archery_g08_c01.avi", 20)
    write_video(tmp_path / "videos" / "Diving" / "v_Diving_g08_c01.avi", 20).write_bytes(b"")
    whole.write_bytes(whole.read_bytes()[:-900])
    index_videos(tmp_path / "videos", tmp_path / "index.csv")
    lists, path = write_ucf_lists(tmp_path / "lists"), tmp_path / "m.parquet"
    with pytest.raises(RescoreError, match=r"\(3\):[\s\S]*truncated[\s\S]*empty file[\s\S]*missing"):
        ucf101.write_manifest(lists, tmp_path / "index.csv", path, FAIL)
    ucf101.write_manifest(lists, tmp_path / "index.csv", path, {"clips": {"on_bad_video": "drop"}})
    assert read_manifest(path, scored=False)["end_frame"].isna().all()
