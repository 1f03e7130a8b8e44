"""The .dvc files beside fetched files, held against DVC itself: what it writes, and what it says of them."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rescore.sources.fetch import fetch, fetch_source, find
from rescore.sources.records import record
from tests.sources.conftest import CONTENTS, assert_fetched, commit_all, git, make_source, write_all

ROOT = Path(__file__).parents[2]
CLEAN = "Data and pipelines are up to date"


def dvc(folder: Path, *arguments: str) -> str:
    """Standard output and error of a `dvc` command that succeeds."""
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def raw(tmp_path) -> Path:
    """data/raw of a project with this project's .gitignore, committed."""
    project = tmp_path / "project"
    (project / "data/raw").mkdir(parents=True)
    shutil.copy(ROOT / ".gitignore", project)
    for folder in (project, project / "data/raw"):
        write_all(folder, {".dvc/config": b"", ".dvc/.gitignore": b"/config.local\n/tmp\n/cache\n", ".dvcignore": b""})
    commit_all(project)
    return project / "data/raw"


def records(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("?*.dvc")}


def documents(folder: Path) -> dict[str, dict]:
    """Every .dvc file of a folder, read; without the branch or commit that was asked for, and the sum that covers it."""
    found = {path.relative_to(folder).as_posix(): yaml.safe_load(path.read_text()) for path in folder.rglob("?*.dvc")}
    for document in found.values():
        document.pop("md5")
        document["deps"][0].get("repo", {}).pop("rev", None)
    return found


def test_the_record_is_what_dvc_import_writes(tmp_path, raw, repository):
    url, commit = repository
    fetch_source(make_source(repository=url, commit=commit, path="data"), raw)
    imported = tmp_path / "project/imported"
    for name in CONTENTS:
        target = imported / name
        target.parent.mkdir(parents=True, exist_ok=True)
        dvc(target.parent, "import", "--rev", commit, url, f"data/{name}", "--out", target.name)
    assert documents(raw / "little") == documents(imported)
    assert CLEAN in dvc(raw, "status", "--no-updates")


def test_the_record_is_the_same_from_the_mirror_as_from_git(tmp_path, raw, repository):
    url, commit = repository
    source = make_source(
        repository=url, commit=commit[:7], path="data", mirror="data"
    )  # two of the catalogue's are short
    write_all(tmp_path / "mirror/data", CONTENTS)
    fetch_source(source, raw)
    from_git = records(raw)
    shutil.rmtree(raw / "little")
    assert_fetched(fetch_source(source, raw, tmp_path / "mirror"))
    assert records(raw) == from_git
    assert len(from_git) == len(CONTENTS)


def test_a_moved_origin_is_shown_and_followed_and_the_catalogue_put_back(raw, repository, capsys):
    url, commit = repository
    source = make_source(repository=url, commit=commit, path="data")
    fetch_source(source, raw)
    commit_all(raw.parents[1])
    assert "update available" in dvc(raw, "status", "little/one.txt.dvc")
    dvc(raw, "update", "little/one.txt.dvc")
    assert (raw / "little/one.txt").read_bytes() == b"spoilt"
    assert yaml.safe_load((raw / "little/one.txt.dvc").read_text())["deps"][0]["repo"]["rev_lock"] != commit
    assert git(raw, "status", "--porcelain") == "M data/raw/little/one.txt.dvc"  # and no .gitignore of DVC's own
    capsys.readouterr()
    assert_fetched(fetch_source(source, raw))
    assert "1 of 3 .dvc files written" in capsys.readouterr().out
    assert git(raw, "status", "--porcelain") == ""


def test_an_origin_that_stands_still_needs_no_update(raw, tmp_path):
    write_all(tmp_path / "still/data", CONTENTS)
    source = make_source(repository=(tmp_path / "still").as_uri(), commit=commit_all(tmp_path / "still"), path="data")
    fetch_source(source, raw)
    assert CLEAN in dvc(raw, "status")


@pytest.mark.slow
def test_dvc_brings_the_files_into_a_clone_from_their_origin_and_pushes_none(tmp_path, raw, repository):
    url, commit = repository
    fetch_source(make_source(repository=url, commit=commit[:7], path="data"), raw)
    dvc(raw, "remote", "add", "--default", "store", str(tmp_path / "store"))
    dvc(raw, "push")  # of files whose licence allows no copies
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    commit_all(raw.parents[1])
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(raw.parents[1]), str(clone))
    dvc(clone / "data/raw", "pull")
    assert {name: (clone / "data/raw/little" / name).read_bytes() for name in CONTENTS} == CONTENTS


@pytest.mark.slow
def test_the_results_project_asks_no_origin(raw, tmp_path, repository):
    url, commit = repository
    fetch_source(make_source(repository=url, commit=commit, path="data"), raw)
    (tmp_path / "origin").rename(tmp_path / "away")
    project = raw.parents[1]
    (project / "dvc.yaml").write_text("stages:\n  made:\n    cmd: echo made > made\n    outs: [made]\n")
    dvc(project, "repro")
    dvc(project, "remote", "add", "--default", "store", str(tmp_path / "store"))
    dvc(project, "push")
    assert CLEAN in dvc(project, "status")
    dvc(project, "pull")


def test_nothing_but_records_is_left_to_git(raw, repository):
    url, commit = repository
    fetch_source(make_source(repository=url, commit=commit, path="data"), raw)
    listed = git(raw, "ls-files", "--others", "--exclude-standard").splitlines()
    assert sorted(listed) == sorted(f"little/{name}.dvc" for name in CONTENTS)
    assert (raw / ".dvc/cache").is_dir()


def test_an_unchanged_record_keeps_its_time_and_a_spoilt_one_is_written_again(raw, repository, capsys):
    url, commit = repository
    source = make_source(repository=url, commit=commit, path="data")
    fetch_source(source, raw)
    good = records(raw)
    times = {path: path.stat().st_mtime_ns for path in good}
    fetch_source(source, raw)
    assert {path: path.stat().st_mtime_ns for path in good} == times
    for path, text in zip(good, (b"", b"deps: [1]\nouts: 3\n", b"\xff{"), strict=True):
        path.write_bytes(text)
    fetch_source(source, raw)
    assert records(raw) == good


def test_files_over_http_are_recorded_with_their_mark(raw, server, tmp_path, capsys):
    source = make_source(url=server.url, mirror="m")
    fetch_source(source, raw)
    document = yaml.safe_load((raw / "little/one.txt.dvc").read_text())
    assert document["deps"][0]["path"] == f"{server.url}/one.txt"
    assert document["deps"][0]["checksum"].strip('"')
    imported = tmp_path / "project/imported"
    imported.mkdir()
    dvc(imported, "import-url", f"{server.url}/one.txt")
    assert documents(raw / "little")["one.txt.dvc"] == documents(imported)["one.txt.dvc"]

    server.requests.clear()
    fetch_source(source, raw)
    assert server.requests == []
    server.contents["one.txt"] = b"another"
    dvc(raw, "update", "little/one.txt.dvc")
    assert (raw / "little/one.txt").read_bytes() == b"another"

    write_all(tmp_path / "mirror/m", CONTENTS)
    capsys.readouterr()
    assert_fetched(fetch_source(source, raw, tmp_path / "mirror"))
    assert "unset RESCORE_MIRROR" in capsys.readouterr().out


def test_without_dvc_the_files_come_all_the_same_and_it_is_said(tmp_path, repository, capsys):
    url, commit = repository
    assert_fetched(fetch_source(make_source(repository=url, commit=commit, path="data"), tmp_path / "raw"))
    assert f"not recorded by DVC, because {tmp_path / 'raw'} is no DVC project" in capsys.readouterr().out
    assert records(tmp_path) == {}


def test_a_record_that_cannot_be_written_is_said_and_the_files_are_kept(raw, repository, capsys):
    url, commit = repository
    (raw / "little/one.txt.dvc").mkdir(parents=True)
    assert_fetched(fetch_source(make_source(repository=url, commit=commit, path="data"), raw))
    assert "not recorded by DVC (" in capsys.readouterr().out


def test_without_git_the_files_come_over_http_and_are_recorded(raw, server, repository, monkeypatch, capsys):
    url, commit = repository
    shutil.rmtree(raw.parents[1] / ".git")  # an unpacked archive, on a machine without git
    monkeypatch.setenv("PATH", str(raw))
    source = make_source(repository=url, commit=commit, path="data", url=server.url)
    server.contents.update({f"data/{name}": content for name, content in CONTENTS.items()})
    assert_fetched(fetch_source(source, raw))
    printed = capsys.readouterr().out
    assert "git failed (git is not installed)" in printed
    assert "3 of 3 .dvc files written" in printed
    assert documents(raw / "little")["one.txt.dvc"]["deps"][0]["repo"] == {"url": url, "rev_lock": commit}


def test_every_source_of_the_catalogue_is_recorded_from_the_mirror(raw):
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    mirror = Path(os.environ["RESCORE_MIRROR"])
    for name in ("mtl-aqa-annotations", "unlv-dive-s3d"):
        fetch(name, raw, mirror)
        source = find(name)
        assert len(documents(raw / name)) == len(source.files)
        origins = [document["deps"][0]["repo"] for document in documents(raw / name).values()]
        assert origins == [{"url": source.repository, "rev_lock": source.commit}] * len(source.files)
    assert CLEAN in dvc(raw, "status", "--no-updates")


@pytest.mark.slow
def test_the_real_release_through_git_is_recorded_at_its_commit(tmp_path, raw):
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    source = find("mtl-aqa-annotations")
    origin = tmp_path / "origin"
    shutil.copytree(Path(os.environ["RESCORE_MIRROR"]) / source.mirror, origin / source.path)
    commit = commit_all(origin)
    local = dataclasses.replace(source, repository=origin.as_uri(), commit=commit, url=None)
    fetch_source(local, raw)
    video_list = f"{source.name}/Video_List.xlsx.dvc"
    assert CLEAN in dvc(raw, "status", video_list)
    (origin / "README.md").write_text("moved on\n")
    moved = commit_all(origin)
    assert "update available" in dvc(raw, "status", video_list)
    dvc(raw, "update", video_list)
    assert yaml.safe_load((raw / video_list).read_text())["deps"][0]["repo"]["rev_lock"] == moved
    assert CLEAN in dvc(raw, "status", video_list)


def test_a_source_of_hundreds_of_files_has_no_pointer_beside_each(tmp_path):
    (tmp_path / "raw" / ".dvc").mkdir(parents=True)
    source = dataclasses.replace(make_source(mirror="m"), pointers=False)
    assert "not recorded by DVC, file by file" in record(source, tmp_path / "raw", {}, mirrored=True)
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [".dvc"]
