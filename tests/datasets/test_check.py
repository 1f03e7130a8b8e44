import shutil

import numpy as np
import pandas as pd
import pytest

from rescore.datasets import check
from rescore.datasets.aqa7 import official as aqa7

FAIL, DROP = {"clips": {"on_bad_video": "fail"}}, {"clips": {"on_bad_video": "drop"}}


def errors(findings: list[check.Finding]) -> list[str]:
    return [f"{finding.subject}: {finding.statement}" for finding in findings if finding.severity == check.ERROR]


def test_check_of_the_mirror_finds_no_error(mirror):
    findings = check.check(mirror)
    assert errors(findings) == []
    warned = {finding.dataset for finding in findings if finding.severity == check.WARNING}
    assert warned - {"odd_videos"} == {"mtl_aqa"}
    stated = "\n".join(finding.statement for finding in findings)
    for words in (
        "01/064: commentary without annotation",
        "the vocabulary has 5781 words, the paper 5779",
        "'diabolical' (4979), 'restart' (5163)",
        "smaller training set 450: 443 dives, 115 of them test dives of the official split",
        "UNLV_Dive_split_4: 23 of its test keys are training dives of the S3D authors",
        "UNLV_Dive_split_4 train: 01/064 has no annotation",
        "250 of 1412 captions are longer than 100 tokens",
        "15 events are released; the paper says 16",
        "sheet 04, row 191 (dive 49): judge 4: mark 45",
        "UNLV_Dive_split_4/train_split_0.pkl is a copy of size_280's",
    ):
        assert words in stated


def test_check_reports_everything_at_once(videos, index, tmp_path, write_lists, write_video):
    manifest = tmp_path / "aqa7.parquet"
    aqa7.write_manifest(write_lists(tmp_path / "lists"), index, manifest, FAIL)
    assert errors(check.check(videos, index, manifest)) == []
    (videos / "diving" / "002.avi").write_bytes(b"")
    write_video(videos / "diving" / "001.avi", 3)
    table = pd.read_parquet(manifest)
    table.loc[3, "score"] = np.nan
    table.to_parquet(manifest)
    lists = write_lists(tmp_path / "lists", train=[[1, 1, np.nan]])
    (tmp_path / "aqa7-lists").mkdir()
    (tmp_path / "aqa7-lists" / "consolidated_test_list.mat").write_bytes(b"?")
    places = [videos, index, manifest, lists, tmp_path / "aqa7-lists", tmp_path / "gone"]
    text = check.describe(check.check(*places), places)
    for words in (
        "diving/002.avi: empty",
        f"diving/001.avi: changed since {index}",
        "3 frames where the manifest's sample ends at frame 4",
        "score is not a number: row 3",
        "has NaN",
        "1 bytes instead of",
        "does not exist",
        "Table 1, Single Diving 10m platform, # Samples: the paper prints 370; the data give 3",
    ):
        assert words in text
    kinds = [line.split(":")[0] for line in text.splitlines()[:-1]]
    assert kinds == sorted(kinds, key=[check.ERROR, check.WARNING, check.NOTE].index)
    assert text.splitlines()[-1].startswith(f"{kinds.count('error')} errors, {kinds.count('warning')} warnings, ")
    assert len(set(text.splitlines())) == len(kinds) + 1
    assert "002.avi: " + str(videos) not in text  # a path is not said twice


def test_what_cannot_be_measured_is_one_note_a_reason(tmp_path, write_lists):
    notes = [f for f in check.check(write_lists(tmp_path / "lists")) if f.severity == check.NOTE]
    assert len([note for note in notes if "View Variation" in note.subject]) == 1
    assert len(notes) == 3
    text = check.describe(notes * 2, [tmp_path])
    assert len(text.splitlines()) == 4
    assert text.splitlines()[-1] == f"0 errors, 0 warnings, 3 notes in {tmp_path}"


def test_nothing_to_check_is_not_called_good(tmp_path):
    findings, places = check.check_all("demo", {"sources": {"aqa7_videos": "synthetic"}}, tmp_path, None)
    assert check.describe(findings, places).startswith("nothing to check yet")


def test_check_all_finds_what_is_there(tmp_path, mirror):
    settings = {"sources": {"aqa7_videos": "official", "aqa7_directory": str(tmp_path / "none")}}
    findings, places = check.check_all("paper", settings, tmp_path, mirror)
    assert errors(findings) == [f"{tmp_path}/none: does not exist; `rescore fetch aqa7-videos` says how to fill it"]
    assert tmp_path / "none" in places
    assert errors(check.check_all("open", settings, tmp_path, mirror)[0]) == []


@pytest.fixture
def official(videos, tmp_path, write_lists):
    """A data folder with (small) official lists, and the settings that choose the official videos."""
    write_lists(tmp_path / "data" / "raw" / "aqa7-lists")
    return tmp_path / "data", {"sources": {"aqa7_videos": "official", "aqa7_directory": str(videos)}}


def test_official_videos_are_held_against_the_lists(videos, official, write_video):
    (videos / "diving" / "003.avi").unlink()
    (videos / "ski_big_air").rename(videos / "ski")
    write_video(videos / "diving" / "1.avi", 5)
    found = "\n".join(errors(check.check_all("paper", official[1], official[0], None)[0]))
    for words in ("diving/003.avi: missing", "ski: not the directory", "diving/001: two videos", "007.avi: missing"):
        assert words in found


def test_without_the_lists_that_is_said(official):
    shutil.rmtree(official[0] / "raw")
    findings, _ = check.check_all("paper", official[1], official[0], None)
    assert [finding.severity for finding in findings] == [check.NOTE]
    assert "rescore fetch aqa7-lists" in findings[0].statement


def test_a_bad_video_that_will_be_dropped_is_a_warning(videos, index, tmp_path, write_lists):
    (videos / "diving" / "002.avi").write_bytes(b"")
    aqa7.write_manifest(write_lists(tmp_path / "lists"), index, tmp_path / "aqa7.parquet", DROP)
    about = [f for f in check.check(tmp_path / "aqa7.parquet") if f.subject.endswith("002.avi")]
    assert [finding.severity for finding in about] == [check.WARNING]


def test_a_damaged_index_or_manifest_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("name\n1\n")
    (tmp_path / "a.parquet").write_bytes(b"PAR1?")
    (tmp_path / "b.csv").write_text("video,bytes,sha256\n,1,a\n")
    found = "\n".join(errors(check.check(tmp_path / "a.csv", tmp_path / "a.parquet", tmp_path / "b.csv")))
    assert found.count("not an index of videos") == 2
    assert "not an index of videos" in found
    assert "not a readable table" in found


def test_links_that_lead_upwards_are_followed_once(tmp_path, write_video):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    write_video(folder / "1.avi", 3)
    for name in ("up", "again"):
        (folder / name).symlink_to("..")
    (tmp_path / "twice").symlink_to(folder)
    assert errors(check.check(tmp_path)) == []


def test_tables_beside_a_manifest_are_not_taken_for_manifests(tmp_path):
    tables = {
        "mtl_aqa_splits": ["training_set", "sample", "split"],
        "mtl_aqa_judges": ["sample", "panel", "mark_1"],
        "mtl_aqa_stages": ["sample", "jumping", "dropping", "entering", "ending"],
    }
    for name, columns in tables.items():
        pd.DataFrame({column: ["x"] for column in columns}).to_parquet(tmp_path / f"{name}.parquet")
    assert check.check(*sorted(tmp_path.iterdir())) == []
    pd.DataFrame({"sample": ["x"]}).to_parquet(tmp_path / "mtl_aqa_judges.parquet")
    assert errors(check.check(*sorted(tmp_path.iterdir()))) == [f"{tmp_path}/mtl_aqa_judges.parquet: no column 'panel'"]
