import dataclasses
import hashlib
import http.server
import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from rescore.errors import RescoreError
from rescore.sources.catalogue import BY_NAME, SOURCES, OriginFile, Source
from rescore.sources.fetch import describe, fetch, fetch_all, fetch_source, fetchable, find, locate

CONTENTS = {"one.txt": b"first\r\nline\n", "folder/two.bin": bytes(range(256)) * 400, "three.npy": b"\x93NUMPY" * 99}


def entry(name: str, content: bytes, **more) -> OriginFile:
    return OriginFile(name, len(content), hashlib.sha256(content).hexdigest(), **more)


def make_source(**more) -> Source:
    files = tuple(entry(name, content) for name, content in CONTENTS.items())
    return Source(name="little", note="A test.", licence="none", citation="@misc{x}", files=files, **more)


def write_all(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def assert_fetched(folder: Path) -> None:
    assert {name: (folder / name).read_bytes() for name in CONTENTS} == CONTENTS
    record = json.loads((folder / "SOURCE.json").read_text())
    assert [file["name"] for file in record["files"]] == list(CONTENTS)
    assert {"origin", "licence", "citation"} <= set(record)
    assert not list(folder.rglob("*.part"))


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
        assert "licence: no licence stated" in printed
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


@pytest.fixture
def repository(tmp_path):
    """A git repository with the files under data/, and one later commit that spoils them."""
    folder = tmp_path / "origin"
    write_all(folder / "data", CONTENTS)

    def git(*arguments: str) -> str:
        name = ["-c", "user.name=A", "-c", "user.email=a@b", "-c", "core.autocrlf=false"]
        return subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "files")
    commit = git("rev-parse", "HEAD").strip()
    write_all(folder / "data", {"one.txt": b"spoilt"})
    git("commit", "--quiet", "-a", "-m", "spoil")
    return folder.as_uri(), commit


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
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True).stdout
    local = dataclasses.replace(source, repository=folder.as_uri(), commit=commit.strip(), path="", url=None)
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


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENTS; `server.cut` bytes of folder/two.bin at most per answer, ranges honoured; records the requests."""

    def do_GET(self):
        name = self.path.removeprefix("/base/")
        content = self.server.contents.get(name)
        self.server.requests.append((name, self.headers.get("Range")))
        if content is None:
            self.send_error(404)
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-")) if self.server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + self.server.cut] if name == "folder/two.bin" else content[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.contents, running.requests, running.cut, running.ranges = dict(CONTENTS), [], 10**9, True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        running.url = f"http://127.0.0.1:{running.server_port}/base"
        yield running
        running.shutdown()


def test_files_come_over_http(tmp_path, server):
    assert_fetched(fetch_source(make_source(url=server.url), tmp_path / "raw"))


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
