"""Whatever was changed, and whichever tool is asked first: exactly the right jobs run, with the results of a run from scratch.

The real rules at smallest size, with Table 3 as the target: videos, clips, backbone, features, two experiments, scores, table.
An origin has two commits, each with its data in a DVC remote: `first`, and `second` after four edits (a parameter, a line of an
imported module, a rule's text, a reported number). Clones of it are changed in every way and have to heal.

Every change runs under one cache type and one order of the tools, rotating, so that each type and order heals several of them;
with RESCORE_MATRIX=full under every cache type (copy, hardlink, symlink) in both orders.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import environment, make_clone

pytestmark = pytest.mark.slow

LOCK = "workflow/provenance/smoke.lock.jsonl"
TABLE = "results/smoke/tables/aqa7_table3.csv"
CHECKPOINT = "runs/smoke/zero_shot/members.safetensors"
CACHES = ["copy", "hardlink", "symlink"]
TOOLS = ["snakemake", "dvc"]


def cases(cache: str, first: str) -> list[tuple[str, str]]:
    """Cache types with the tool that is asked first: the given pair, or all of them."""
    if os.environ.get("RESCORE_MATRIX") == "full":
        return [(cache, tool) for cache in CACHES for tool in TOOLS]
    return [(cache, first)]


AFTER_EDITS = {"scores", "table"}
AFTER_CHECKPOINT = {"zero_shot", "scores", "table"}


def call(folder: Path, *command: str, succeed: bool = True) -> str:
    """Run a command of this environment in a folder and return everything it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *command] if command[0] != "git" else command,
        cwd=folder,
        env=environment(folder, GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@example.org")
        | {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert not succeed or done.returncode == 0, f"{command}: {done.stdout[-5000:]}"
    return done.stdout


def rules(text: str) -> set[str]:
    """Rules whose jobs a run (or a dry run) names."""
    return set(re.findall(r"^(?:local)?rule (\w+):", text, re.M)) - {"all"}


def planned(folder: Path) -> set[str]:
    return rules(call(folder, "snakemake", "-n", "--quiet", "progress"))


def run(folder: Path, tool: str) -> set[str]:
    """Run the workflow by one of its two commands; the rules that ran."""
    return rules(call(folder, *(("snakemake", "--cores", "all") if tool == "snakemake" else ("dvc", "repro"))))


def other(tool: str) -> str:
    return TOOLS[1 - TOOLS.index(tool)]


def verified(folder: Path) -> str:
    return call(folder, "rescore", "verify", succeed=False)


def keeping_times(path: Path, content: bytes) -> None:
    """Write a file so that its times say nothing changed."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


def edit_parameter(folder: Path) -> set[str]:
    replace(folder / "params.yaml", "scoring: {bootstrap: 100}", "scoring: {bootstrap: 120}")
    return {"scores", "table"}


def edit_module(folder: Path) -> set[str]:
    path = folder / "src/rescore/scoring/correlation.py"
    path.write_text(path.read_text() + "\nA_LINE = 1\n")
    return {"scores", "table"}


def edit_rule(folder: Path) -> set[str]:
    step = "reporting.tables.make_table --table {params.table}"
    replace(folder / "workflow/rules/papers.smk", step, step.replace(" --table", "  --table"))
    return {"table"}


def edit_reported(folder: Path) -> set[str]:
    path = folder / "papers/aqa7/tables/table3.csv"
    first, row, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, row.replace("0.0590", "0.0591"), *rest]) + "\n")
    return {"table"}


EDITS = [edit_parameter, edit_module, edit_rule, edit_reported]


def apply_edits(folder: Path) -> None:
    for edit in EDITS:
        edit(folder)


def make_miniature(folder: Path) -> Path:
    """The working tree as a clone whose target is one table, at a size where the whole of it takes a minute."""
    make_clone(folder)
    shutil.rmtree(folder / "workflow/provenance", ignore_errors=True)
    (folder / "dvc.lock").unlink(missing_ok=True)
    for old, new in (("\nscale: demo\n", "\nscale: smoke\n"), ("motions_per_class: 6}", "motions_per_class: 3}")):
        replace(folder / "params.yaml", old, new)
    snakefile = folder / "Snakefile"
    targets = re.compile(r"(rule all:.*?input:\n).*?(        MISSING,\n)", re.S)
    text, count = targets.subn(r'\1        f"{RESULTS}/tables/aqa7_table3.csv",\n\2', snakefile.read_text())
    assert count == 1
    snakefile.write_text(text)
    for line in ("/results/*\n", "/workflow/provenance/smoke.lock.jsonl\n"):
        replace(folder / ".gitignore", line, "")
    call(folder, "rescore", "dvc-yaml")
    return folder


def commit(folder: Path, name: str) -> None:
    call(folder, "dvc", "repro")
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "--quiet", "-m", name)
    call(folder, "git", "tag", name)
    call(folder, "dvc", "push")


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    """A finished repository with two commits, its remote beside it."""
    folder = make_miniature(tmp_path_factory.mktemp("origin"))
    call(folder, "git", "init", "--quiet")
    call(folder, "dvc", "remote", "add", "--default", "store", str(tmp_path_factory.mktemp("remote")))
    assert "aqa7_videos" in run(folder, "snakemake")
    assert run(folder, "snakemake") == set()
    commit(folder, "first")
    apply_edits(folder)
    assert run(folder, "snakemake") == AFTER_EDITS
    commit(folder, "second")
    return folder


def at(origin: Path, revision: str, path: str) -> str:
    return call(origin, "git", "show", f"{revision}:{path}")


def assert_is(folder: Path, origin: Path, revision: str) -> None:
    """The folder holds what the revision holds, by the tools' word and by its bytes."""
    assert (folder / LOCK).read_text() == at(origin, revision, LOCK)
    assert (folder / TABLE).read_text() == at(origin, revision, TABLE)
    said = verified(folder)  # which asks `snakemake -n` and `dvc status` as well
    assert said.startswith("clean: "), said
    assert damaged_cache_objects(folder) == []


def damaged_cache_objects(folder: Path) -> list[str]:
    """Objects of DVC's cache that are not what their names say: something was written through a link."""
    objects = [path for path in (folder / ".dvc/cache/files/md5").glob("*/*") if path.is_file()]
    assert objects
    return [
        str(path)
        for path in objects
        if hashlib.md5(path.read_bytes()).hexdigest() != path.parent.name + path.name.removesuffix(".dir")
    ]


def clone(origin: Path, folder: Path, revision: str, cache: str, pull: bool = True) -> Path:
    call(origin, "git", "clone", "--quiet", "--branch", revision, str(origin), str(folder))
    call(folder, "dvc", "config", "--local", "cache.type", cache)
    if pull:
        call(folder, "dvc", "pull")
    return folder


def test_the_incremental_run_equals_one_from_scratch(origin, tmp_path):
    folder = make_miniature(tmp_path)
    apply_edits(folder)
    run(folder, "snakemake")
    assert (folder / LOCK).read_text() == at(origin, "second", LOCK)
    assert (folder / TABLE).read_text() == at(origin, "second", TABLE)


@pytest.mark.parametrize(
    ("cache", "first"),
    list(dict.fromkeys([*cases("copy", "dvc"), *cases("hardlink", "snakemake"), *cases("symlink", "dvc")])),
)
def test_after_clone_and_pull_nothing_runs(origin, tmp_path, cache, first):
    folder = clone(origin, tmp_path / "clone", "second", cache)
    assert run(folder, first) == set()
    assert run(folder, other(first)) == set()
    assert_is(folder, origin, "second")
    assert call(folder, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize(("cache", "first"), cases("hardlink", "dvc"))
def test_each_edit_reruns_what_it_touches(origin, tmp_path, cache, first):
    folder = clone(origin, tmp_path / "clone", "first", cache)
    for edit in EDITS:
        expected = edit(folder)
        for name in call(folder, "git", "diff", "--name-only").split():
            os.utime(folder / name, (1_600_000_000, 1_600_000_000))  # older than everything made from it
        assert planned(folder) == expected, edit.__name__
        call(folder, "git", "checkout", "--quiet", ".")
        assert planned(folder) == set(), f"{edit.__name__} taken back"
    apply_edits(folder)
    assert run(folder, first) == AFTER_EDITS
    assert run(folder, other(first)) == set()
    assert_is(folder, origin, "second")


@pytest.mark.parametrize(("cache", "first"), cases("symlink", "snakemake"))
def test_an_edit_before_the_pull_is_seen(origin, tmp_path, cache, first):
    folder = clone(origin, tmp_path / "clone", "first", cache, pull=False)
    apply_edits(folder)
    call(folder, "dvc", "pull")
    assert run(folder, first) == AFTER_EDITS
    assert run(folder, other(first)) == set()
    assert_is(folder, origin, "second")


def delete(path: Path) -> None:
    path.unlink()


def corrupt(path: Path) -> None:
    """Change one byte in the middle, in a file of its own (a link would damage DVC's cache as well)."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


def swap(path: Path) -> None:
    """Put another experiment's checkpoint there, with old times, as `cp -p` would."""
    source = path.parents[1] / "all_action/members.safetensors"
    path.unlink()
    shutil.copyfile(source, path)
    os.utime(path, (1_600_000_000, 1_600_000_000))


DAMAGES = [
    *((delete, *case) for case in cases("symlink", "dvc")),
    *((corrupt, *case) for case in cases("hardlink", "snakemake")),
    *((swap, *case) for case in cases("copy", "dvc")),
]


@pytest.mark.parametrize(("damage", "cache", "first"), DAMAGES)
def test_a_damaged_checkpoint_is_never_believed(origin, tmp_path, damage, cache, first):
    folder = clone(origin, tmp_path / "clone", "second", cache)
    damage(folder / CHECKPOINT)
    assert f"  - {CHECKPOINT}: " in verified(folder)
    assert run(folder, first) == {"zero_shot"}  # and nothing after it: the bytes are again the recorded ones
    assert run(folder, other(first)) == set()
    assert_is(folder, origin, "second")


def test_a_corrupted_byte_is_seen_though_size_and_times_are_the_same(origin, tmp_path):
    folder = clone(origin, tmp_path / "clone", "second", "copy")
    assert planned(folder) == set()
    content = bytearray((folder / CHECKPOINT).read_bytes())
    content[-1] ^= 1
    keeping_times(folder / CHECKPOINT, bytes(content))
    assert planned(folder) == AFTER_CHECKPOINT
    assert f"  - {CHECKPOINT}: not the recorded file" in verified(folder)


@pytest.mark.parametrize(("cache", "first"), cases("copy", "dvc"))
def test_an_old_commit_brings_its_results_back(origin, tmp_path, cache, first):
    folder = clone(origin, tmp_path / "clone", "second", cache)
    assert planned(folder) == set()
    call(folder, "git", "checkout", "--quiet", "first")
    assert run(folder, first) == AFTER_EDITS
    assert run(folder, other(first)) == set()
    assert_is(folder, origin, "first")
    call(folder, "git", "checkout", "--quiet", "--force", "second")
    call(folder, "dvc", "pull", "--force")
    assert_is(folder, origin, "second")


@pytest.mark.parametrize(("cache", "first"), cases("hardlink", "snakemake"))
def test_data_of_another_revision_is_not_taken_for_this_ones(origin, tmp_path, cache, first):
    folder = clone(origin, tmp_path / "clone", "second", cache)
    assert planned(folder) == set()
    call(folder, "git", "checkout", "--quiet", "first", "--", "dvc.lock")
    call(folder, "dvc", "pull", "--force")
    assert not verified(folder).startswith("clean")
    assert run(folder, first) == {"scores"}  # the table lies in git, and is this revision's
    assert run(folder, other(first)) == set()
    assert_is(folder, origin, "second")


def test_read_only_links_are_no_obstacle_and_the_cache_is_not_written_to(origin, tmp_path):
    folder = clone(origin, tmp_path / "clone", "first", "hardlink")
    assert not (folder / CHECKPOINT).stat().st_mode & 0o222
    apply_edits(folder)
    # Root may write read-only files; without these capabilities it may not, as other users.
    limits = ["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    user = ["setpriv", *limits] if os.getuid() == 0 else []
    command = [*user, sys.executable, "-m", "snakemake", "--cores", "all"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert rules(done.stdout + done.stderr) == AFTER_EDITS
    assert damaged_cache_objects(folder) == []


AFTER_VIDEOS = {"aqa7_videos", "aqa7_clips", "aqa7_features", "all_action", *AFTER_CHECKPOINT}


@pytest.mark.parametrize("cache", list(dict.fromkeys(cache for cache, _ in cases("hardlink", "snakemake"))))
def test_a_changed_byte_of_a_video_is_seen(origin, tmp_path, cache):
    folder = tmp_path / "copy"
    shutil.copytree(origin, folder, symlinks=True)
    call(folder, "dvc", "config", "--local", "cache.type", cache)
    call(folder, "dvc", "checkout", "--relink")
    assert planned(folder) == set()
    video = sorted((folder / "data/smoke/videos/aqa7").glob("*/*"))[3]
    content = bytearray(video.read_bytes())
    content[-10] ^= 1
    keeping_times(video, bytes(content))
    assert f"{video.relative_to(folder)} is not the file" in verified(folder)
    assert planned(folder) == AFTER_VIDEOS
    if cache == "hardlink":
        assert rules(call(folder, "dvc", "repro", "--force")) == {"aqa7_videos"}
        assert_is(folder, origin, "second")
