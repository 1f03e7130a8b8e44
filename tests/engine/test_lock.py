"""Records and the engine: what is restored, what is refused, on a small real workflow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rescore.engine import lock, verify
from rescore.engine.errors import RescoreError
from rescore.engine.storage import sha256_text

SNAKEFILE = """
import sys
from pathlib import Path
from rescore.engine import lock

def is_output(path):
    return any(pattern.match(path) for rule in workflow.rules for pattern in rule.output)

onsuccess:
    lock.seal(["demo"], is_output)

onerror:
    lock.keep(["demo"], is_output)

rule first:
    input: "reported/number.txt"
    output: "runs/demo/first.txt"
    params: setting=config.get("setting", 1)
    shell: "cat {input} > {output}; echo {params.setting} >> {output}"

rule last:
    input: "runs/demo/first.txt"
    output: "results/demo/last.txt", "runs/demo/side.txt"
    shell: "cp {input} {output[0]}; echo side > {output[1]}"

FOUND = lock.reconcile(["demo"], is_output)

rule all:
    default_target: True
    input: "results/demo/last.txt", lock.missing(FOUND)
"""


def snakemake(*arguments: str) -> set[str]:
    """Run the small workflow; the rules that ran."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--max-checksum-file-size", "1TB", *arguments]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    words = (line.split() for line in done.stdout.splitlines())
    return {line[1].rstrip(":") for line in words if line and line[0] in ("rule", "localrule")} - {"all"}


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A small workflow that has run."""
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(SNAKEFILE)
    Path("reported").mkdir()
    Path("reported/number.txt").write_text("0.5\n")
    assert snakemake() == {"first", "last"}
    return tmp_path


def as_clone() -> None:
    """What git and DVC would bring of it: everything but the engine's folder."""
    shutil.rmtree(".snakemake")


@pytest.mark.slow
def test_a_clone_knows_what_its_files_were_made_from(finished):
    text = Path("workflow/provenance/demo.lock.jsonl").read_text()
    assert [json.loads(line)["path"] for line in text.splitlines()] == [
        "results/demo/last.txt",
        "runs/demo/first.txt",
        "runs/demo/side.txt",
    ]
    as_clone()
    assert snakemake() == set()
    assert snakemake("-n", "--config", "setting=2") == {"first", "last"}
    assert snakemake("--forceall") == {"first", "last"}
    assert Path("workflow/provenance/demo.lock.jsonl").read_text() == text


@pytest.mark.slow
def test_a_file_that_no_record_describes_is_made_again(finished):
    as_clone()
    Path("runs/demo/first.txt").write_text("0.7\n1\n")
    assert snakemake() == {"first", "last"}
    assert Path("results/demo/last.txt").read_text() == "0.5\n1\n"
    shutil.rmtree("workflow/provenance")
    as_clone()
    assert snakemake() == {"first", "last"}


@pytest.mark.slow
def test_an_input_with_old_times_is_seen_and_taking_it_back_too(finished):
    path = Path("reported/number.txt")
    path.write_text("0.6\n")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert snakemake("-n") == {"first", "last"}
    path.write_text("0.5\n")
    assert snakemake("-n") == set()


@pytest.mark.slow
def test_a_missing_output_is_made_again_and_a_swapped_one_is_not_believed(finished):
    Path("runs/demo/side.txt").unlink()
    assert snakemake() == {"last"}
    Path("runs/demo/side.txt").write_bytes(Path("runs/demo/first.txt").read_bytes())
    assert snakemake() == {"last"}
    assert Path("runs/demo/side.txt").read_text() == "side\n"


@pytest.mark.slow
def test_a_result_changed_after_a_killed_run_is_not_believed(finished):
    Path(".snakemake/rescore.json").unlink()  # what a run that was killed at once leaves: metadata, no record
    shutil.rmtree("workflow/provenance")
    assert snakemake("-n") == set()
    Path(".snakemake/rescore.json").unlink()
    text = Path("runs/demo/first.txt").read_text()
    Path("runs/demo/first.txt").write_text(text.replace("0.5", "0.4"))
    assert snakemake("-n") == {"first", "last"}


def record(digest: str, **inputs: str) -> lock.Record:
    return dict.fromkeys(lock.KEYS) | {"sha256": digest, "input_checksums": inputs}


def test_lock_text_is_sorted_and_read_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = {"runs/demo/b": record("1"), "runs/demo/a": record("2", x="sha256:3")}
    lock.LOCKS.mkdir(parents=True)
    lock.lock_path("demo").write_text(lock.lock_text(records))
    assert lock.read_lock("demo") == records
    assert lock.lock_text(dict(reversed(records.items()))) == lock.lock_text(records)
    lock.lock_path("demo").write_text("<<<<<<< HEAD\n" + lock.lock_text(records))
    with pytest.raises(RescoreError, match=r"demo.lock.jsonl, line 1: not a record.*git checkout"):
        lock.read_lock("demo")


def test_a_checksum_is_read_again_when_only_the_times_were_put_back(tmp_path):
    path, files = tmp_path / "checkpoint", {}
    path.write_bytes(b"right")
    before = path.stat()
    files[path.as_posix()] = [*lock.signature(path), "known"]
    assert lock.checksum(path, files) == "known"
    path.write_bytes(b"wrong")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert lock.checksum(path, files) == sha256_text("wrong")


def test_metadata_is_found_under_the_engines_own_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for output in ("runs/demo/first.txt", f"runs/demo/{'long' * 200}.txt"):
        path = lock.metadata_path(output)
        assert lock.output_of(path) == output
        assert max(map(len, path.parts)) <= 255


def test_an_index_answers_for_its_videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = Path("data/demo/videos/aqa7.csv")
    index.parent.mkdir(parents=True)
    Path("data/demo/videos/1.avi").write_bytes(b"video")
    index.write_text(f"video,bytes,sha256\ndata/demo/videos/1.avi,5,{sha256_text('video')}\n")
    look = lambda path: lock.checksum(path, {})  # noqa: E731
    assert lock.listed_faults(index, look) == []
    Path("data/demo/videos/1.avi").write_bytes(b"vide0")
    assert lock.listed_faults(index, look) == [f"data/demo/videos/1.avi is not the file that {index} lists"]
    Path("data/demo/videos/1.avi").unlink()
    assert lock.listed_faults(index, look) == ["data/demo/videos/1.avi is missing"]
    index.write_text("video\nx\n")
    assert len(lock.listed_faults(index, look)) == 1


@pytest.mark.parametrize(("version", "record_format"), [("10.0.1", 6), ("8.30.0", 6), ("9.40.0", 7)])
def test_another_engine_is_refused(version, record_format):
    with pytest.raises(RescoreError, match="pip install -r requirements.lock"):
        lock.check_engine(version, record_format)


def test_the_installed_tools_are_accepted():
    import importlib.metadata

    from snakemake.persistence import RECORD_FORMAT_VERSION

    lock.check_engine(importlib.metadata.version("snakemake"), RECORD_FORMAT_VERSION)
    verify.check_dvc(importlib.metadata.version("dvc"))
    with pytest.raises(RescoreError, match="DVC 3"):
        verify.check_dvc("4.0.0")


def test_what_is_versioned():
    assert lock.is_versioned("runs/demo/all_action/members.safetensors")
    assert lock.is_versioned("data/demo/features/aqa7.npy")
    assert not lock.is_versioned("data/demo/clips/aqa7.npy")
    assert not lock.is_versioned("data/demo/videos/aqa7.csv")
    assert not lock.is_versioned("data/raw/aqa7-lists/SOURCE.json")
    assert not lock.is_versioned("papers/aqa7/tables/table1.csv")


def test_a_file_of_other_bytes_than_recorded_is_not_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    used = [Path("runs/demo/all_action/members.safetensors"), Path("runs/demo/backbone/0/weights.safetensors")]
    records = {}
    for path in used:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"weights")
        empty = dict.fromkeys(lock.KEYS) | {"input": [], "params": [], "input_checksums": {}}
        records[path.as_posix()] = {"sha256": lock.content_digest(path), **empty}
    lock.LOCKS.mkdir(parents=True)
    lock.lock_path("demo").write_text(lock.lock_text(records))
    unknown, absent = Path("runs/demo/all_action/other.safetensors"), Path("runs/demo/nowhere.safetensors")
    unknown.write_bytes(b"anything")
    lock.require_recorded([*used, unknown, absent], "demo")
    for path in used:
        path.write_bytes(b"weightt")
    with pytest.raises(RescoreError, match="not the recorded checkpoints") as caught:
        lock.require_recorded(used, "demo")
    assert all(str(path) in str(caught.value) for path in used)
