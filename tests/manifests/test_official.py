from pathlib import Path

import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.manifests.official import expected_videos, match_videos, read_index


def sample_of(path: Path) -> str | None:
    return f"{path.parent.name}/{path.stem}" if path.stem.isdecimal() else None


def test_files_are_matched_with_samples_and_every_odd_one_is_named():
    paths = [Path("v") / name for name in ("a/1.avi", "a/1.mp4", "a/cover.avi", "b/2.avi", "c/3.avi", "d/4.avi")]
    found, problems = match_videos(paths, ["a", "b"], sample_of)
    assert found == {"a/1": paths[0], "b/2": paths[3]}
    assert [problem.split(":")[0] for problem in problems] == ["v/c", "v/d", "a/1"]


def test_a_missing_video_is_expected_beside_the_others():
    found = {"diving/001": Path("v/1/001.avi")}
    expected = expected_videos(["diving/001", "diving/002", "gymvault/003"], found, lambda action: f"big_{action}")
    assert [path.as_posix() for path in expected] == ["v/1/001.avi", "v/1/002.avi", "v/big_gymvault/003.avi"]
    assert expected_videos(["diving/001"], {}, str) == [Path("diving/001.avi")]


def test_an_index_is_read_in_its_order(tmp_path):
    pd.DataFrame({"video": ["b.avi", "a.avi"]}).to_csv(tmp_path / "index.csv")
    assert read_index(tmp_path / "index.csv") == [Path("b.avi"), Path("a.avi")]
    with pytest.raises(RescoreError, match="no such file"):
        read_index(tmp_path / "none.csv")
