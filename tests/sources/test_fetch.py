import dataclasses
import os
import re
from pathlib import Path

import pytest

from rescore.engine.errors import RescoreError
from rescore.sources.catalogue import BY_NAME, SOURCES
from rescore.sources.fetch import configured_mirror, describe, fetch, fetch_all, fetch_source, fetchable, find, locate
from tests.sources.conftest import CONTENTS, assert_fetched, commit_all, entry, make_source, write_all


def test_the_catalogue_is_complete():
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    for source in SOURCES:
        assert source.licence
        assert source.citation.startswith("@")
        assert bool(source.files) != bool(source.manual)
        if source.files:
            assert source.repository
            assert re.fullmatch(r"[0-9a-f]{7,40}", source.commit)
            assert source.commit in source.url
        for file in source.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.size > 0
    assert "aqa7-lists" in fetchable()
    assert "aqa7-videos" not in fetchable()


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(RescoreError, match="did you mean aqa7-lists"):
        find("aqa7-list")


def test_every_source_comes_from_the_mirror(tmp_path, capsys):
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    mirror = Path(os.environ["RESCORE_MIRROR"])
    for name in fetchable():
        folder = fetch(name, tmp_path, mirror)
        assert folder == tmp_path / name
        assert all((folder / file.name).stat().st_size == file.size for file in find(name).files)
        printed = capsys.readouterr().out
        assert f"licence: {find(name).licence}" in printed
        assert "@" in printed
        assert locate(name, tmp_path) == folder
        assert locate(name, tmp_path / "elsewhere", mirror) == mirror / find(name).mirror


def test_a_second_fetch_does_nothing(tmp_path, capsys):
    write_all(tmp_path / "mirror" / "m", CONTENTS)
    source = make_source(mirror="m")
    folder = fetch_source(source, tmp_path / "raw", tmp_path / "mirror")
    assert_fetched(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    fetch_source(source, tmp_path / "raw")  # no mirror, no repository, no URL: nothing is asked of anyone
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times
    assert "already there" in capsys.readouterr().out


def test_wrong_and_missing_files_of_a_mirror_are_named_together_and_right_ones_kept(tmp_path):
    write_all(tmp_path / "mirror" / "m", {"one.txt": b"first\nline\n", "three.npy": CONTENTS["three.npy"]})
    with pytest.raises(RescoreError) as caught:
        fetch_source(make_source(mirror="m"), tmp_path / "raw", tmp_path / "mirror")
    assert "one.txt" in str(caught.value)
    assert "folder/two.bin" in str(caught.value)
    assert "three.npy" not in str(caught.value)
    folder = tmp_path / "raw" / "little"
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["three.npy"]
    write_all(tmp_path / "mirror" / "m", CONTENTS)
    assert_fetched(fetch_source(make_source(mirror="m"), tmp_path / "raw", tmp_path / "mirror"))


def test_a_fetched_file_that_was_changed_is_fetched_again(tmp_path):
    write_all(tmp_path / "mirror" / "m", CONTENTS)
    folder = fetch_source(make_source(mirror="m"), tmp_path / "raw", tmp_path / "mirror")
    (folder / "one.txt").write_bytes(b"first\r\nLINE\n")
    assert_fetched(fetch_source(make_source(mirror="m"), tmp_path / "raw", tmp_path / "mirror"))


def test_files_come_from_a_git_repository(tmp_path, repository):
    url, commit = repository
    assert_fetched(fetch_source(make_source(repository=url, commit=commit, path="data"), tmp_path / "full"))
    assert_fetched(fetch_source(make_source(repository=url, commit=commit[:7], path="data"), tmp_path / "short"))


def test_a_file_elsewhere_in_the_tree_is_found_by_name(tmp_path, repository):
    url, commit = repository
    assert_fetched(fetch_source(make_source(repository=url, commit=commit, path="moved"), tmp_path / "raw"))


def test_the_real_files_come_from_git_as_from_the_mirror(tmp_path):
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    source = find("ucf101-lists")  # holds files with both kinds of line ends
    fetch_source(source, tmp_path / "origin", Path(os.environ["RESCORE_MIRROR"]))
    folder = tmp_path / "origin" / source.name
    commit = commit_all(folder)
    local = dataclasses.replace(source, repository=folder.as_uri(), commit=commit, path="", url=None)
    fetched = fetch_source(local, tmp_path / "raw")
    assert all((fetched / file.name).read_bytes() == (folder / file.name).read_bytes() for file in source.files)


def test_a_commit_with_other_files_is_an_error(tmp_path, repository):
    url, _ = repository
    source = make_source(repository=url, commit="HEAD", path="data")
    with pytest.raises(RescoreError, match=r"one\.txt: file.* has 6 bytes instead of 12"):
        fetch_source(source, tmp_path / "raw")


def test_an_unknown_commit_or_repository_is_an_error(tmp_path, repository):
    url, _ = repository
    for changes in ({"repository": url, "commit": "0" * 40}, {"repository": f"{url}-gone", "commit": "HEAD"}):
        with pytest.raises(RescoreError, match="could not be fetched"):
            fetch_source(make_source(**changes), tmp_path / "raw")
    assert not (tmp_path / "raw" / "little" / "SOURCE.json").exists()


def test_files_come_over_http(tmp_path, server):
    assert_fetched(fetch_source(make_source(url=server.url), tmp_path / "raw"))


def test_a_name_with_spaces_comes_over_http(tmp_path, server):
    server.contents["CoRe%20Train%20MTL.log"] = b"[TEST] EPOCH: 0\n"
    source = dataclasses.replace(
        make_source(url=server.url), files=(entry("CoRe Train MTL.log", b"[TEST] EPOCH: 0\n"),)
    )
    assert (fetch_source(source, tmp_path / "raw") / "CoRe Train MTL.log").read_bytes() == b"[TEST] EPOCH: 0\n"


def test_http_takes_over_where_git_fails(tmp_path, server, capsys):
    source = make_source(url=server.url, repository=(tmp_path / "none").as_uri(), commit="0" * 40)
    assert_fetched(fetch_source(source, tmp_path / "raw"))
    assert "git failed" in capsys.readouterr().out


def test_a_truncated_transfer_is_resumed(tmp_path, server):
    server.cut = 40_000  # of 102400 bytes: three answers
    assert_fetched(fetch_source(make_source(url=server.url), tmp_path / "raw"))
    asked = [part for name, part in server.requests if name == "folder/two.bin"]
    assert asked == [None, "bytes=40000-", "bytes=80000-"]


def test_a_transfer_that_keeps_breaking_is_gone_on_with_next_time(tmp_path, server):
    server.cut = 20_000
    with pytest.raises(RescoreError, match="broke off 3 times"):
        fetch_source(make_source(url=server.url), tmp_path / "raw")
    assert (tmp_path / "raw" / "little" / "folder" / "two.bin.part").stat().st_size == 60_000
    server.requests.clear()
    assert_fetched(fetch_source(make_source(url=server.url), tmp_path / "raw"))
    assert server.requests[0] == ("folder/two.bin", "bytes=60000-")
    assert {name for name, _ in server.requests} == {"folder/two.bin"}  # finished files were kept


def test_a_server_without_ranges_starts_again(tmp_path, server):
    part = tmp_path / "raw" / "little" / "folder" / "two.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half of something else")
    server.ranges = False
    assert_fetched(fetch_source(make_source(url=server.url), tmp_path / "raw"))


def test_wrong_checksums_and_missing_files_are_named_together(tmp_path, server):
    server.contents["one.txt"] = b"FIRST\r\nline\n"
    del server.contents["three.npy"]
    with pytest.raises(RescoreError) as caught:
        fetch_source(make_source(url=server.url), tmp_path / "raw")
    assert "one.txt" in str(caught.value)
    assert "SHA-256" in str(caught.value)
    assert "three.npy" in str(caught.value)
    assert "404" in str(caught.value)
    folder = tmp_path / "raw" / "little"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["two.bin"]


def test_an_answer_that_is_too_long_is_an_error(tmp_path, server):
    server.contents["one.txt"] += b"more" * 1000
    with pytest.raises(RescoreError, match=r"more than the 12 bytes"):
        fetch_source(make_source(url=server.url), tmp_path / "raw")
    assert not list((tmp_path / "raw").rglob("*.part"))


def test_a_server_that_is_not_there_is_an_error(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(RescoreError, match="broke off"):
        fetch_source(make_source(url=server.url), tmp_path / "raw")


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no /dev/full")
def test_a_full_disk_stops_a_transfer_at_once(tmp_path, server):
    part = tmp_path / "raw" / "little" / "one.txt.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(RescoreError, match=r"one\.txt: the disk of .* is full"):
        fetch_source(make_source(url=server.url), tmp_path / "raw")
    assert [name for name, _ in server.requests].count("one.txt") == 1  # trying again would help nobody


def test_a_source_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    write_all(tmp_path / "mirror" / "good", CONTENTS)
    for name in ("bad", "worse", "good"):
        monkeypatch.setitem(BY_NAME, name, dataclasses.replace(make_source(mirror=name), name=name))
    with pytest.raises(RescoreError, match=r"bad: files that could[\s\S]*worse: files that could"):
        fetch_all(["bad", "worse", "good"], tmp_path / "raw", tmp_path / "mirror")
    assert_fetched(tmp_path / "raw" / "good")


def test_an_unknown_name_stops_before_anything_is_fetched(tmp_path):
    with pytest.raises(RescoreError, match="aqa7-list: no such source"):
        fetch_all(["aqa7-videos", "aqa7-list"], tmp_path)


def test_a_manual_source_says_what_to_do(tmp_path, capsys):
    assert fetch("aqa7-videos", tmp_path) == tmp_path / "aqa7-videos"
    printed = capsys.readouterr().out
    assert "data/raw/aqa7/videos" in printed
    assert "by hand" in printed
    assert not list(tmp_path.iterdir())


def test_describe_lists_every_source(tmp_path):
    text = describe(tmp_path)
    assert all(source.name in text for source in SOURCES)
    assert "0 of 2 files" in text


def test_a_mirror_may_lie_at_home_and_an_empty_one_is_none(tmp_path, monkeypatch):
    (tmp_path / "copies").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RESCORE_MIRROR", "~/copies")
    assert configured_mirror() == tmp_path / "copies"
    for nothing in ("", " "):
        monkeypatch.setenv("RESCORE_MIRROR", nothing)
        assert configured_mirror() is None


def test_an_unknown_source_is_a_sentence():
    with pytest.raises(RescoreError, match=r"nix: no such source\. Known: "):
        find("nix")
