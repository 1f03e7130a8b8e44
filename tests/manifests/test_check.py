import numpy as np
import pandas as pd

from rescore.manifests import aqa7, check

FAIL = {"clips": {"on_bad_video": "fail"}}


def test_check_of_the_mirror_finds_no_error(mirror):
    findings = check.check(mirror)
    assert {finding.severity for finding in findings} == {check.NOTE}  # what Table 1 needs the videos for


def test_check_reports_everything_at_once(videos, index, tmp_path, mirror, write_lists, write_video):
    manifest = tmp_path / "aqa7.parquet"
    aqa7.write_manifest(write_lists(tmp_path / "lists"), index, manifest, FAIL)
    assert [f for f in check.check(videos, manifest, reported=tmp_path / "none.csv") if f.severity == check.ERROR] == []
    (videos / "diving" / "002.avi").write_bytes(b"")
    write_video(videos / "diving" / "001.avi", 3)
    table = pd.read_parquet(manifest)
    table.loc[3, "score"] = np.nan
    table.to_parquet(manifest)
    lists = write_lists(tmp_path / "lists", train=[[1, 1, np.nan]])
    (tmp_path / "aqa7-lists").mkdir()
    (tmp_path / "aqa7-lists" / "consolidated_test_list.mat").write_bytes(b"?")
    findings = check.check(videos, manifest, lists, tmp_path / "aqa7-lists", tmp_path / "gone")
    text = check.describe(findings)
    for words in (
        "diving/002.avi: empty",
        "3 frames where the manifest's sample ends at frame 4",
        "score is not a number: row 3",
        "has NaN",
        "1 bytes instead of",
        "does not exist",
        "Table 1, Single Diving 10m platform, # Samples: the paper prints 370; the data give 3",
    ):
        assert words in text
    assert text.splitlines()[0].startswith("error")
    assert check.describe([]) == "no problems found"


def test_check_all_finds_what_is_there(tmp_path, mirror):
    settings = {"sources": {"aqa7_videos": "official", "aqa7_directory": str(tmp_path / "none")}}
    assert "does not exist" in check.describe(check.check_all("paper", settings, tmp_path, mirror))
    errors = [f for f in check.check_all("open", settings, tmp_path, mirror) if f.severity == check.ERROR]
    assert errors == []
