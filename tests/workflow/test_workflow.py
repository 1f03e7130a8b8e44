"""The whole workflow at smoke scale: complete, repeatable byte by byte, restartable, and exact about what it reruns."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from rescore.engine import parameters
from rescore.engine.measured import without_measured
from rescore.scoring.papers import read_papers
from rescore.systems import trainings
from tests.workflow.conftest import environment, make_clone, snakemake

pytestmark = pytest.mark.slow


def content(path: Path) -> bytes:
    """A file's bytes; of a page without the run times and devices that it shows."""
    return without_measured(path.read_text()).encode() if path.suffix == ".html" else path.read_bytes()


def results(clone: Path) -> dict[str, bytes]:
    """Every table, figure and page of a clone, by path."""
    return {
        str(path.relative_to(clone)): content(path) for path in sorted((clone / "results").rglob("*")) if path.is_file()
    }


def planned(clone: Path, *arguments: str) -> set[str]:
    """Rules that a dry run would run."""
    done = snakemake(clone, "-n", "--quiet", "progress", *arguments)
    assert done.returncode == 0, done.stdout[-4000:]
    return set(re.findall(r"^(?:local)?rule (\w+):", done.stdout, re.M)) - {"all"}


def test_every_table_and_figure_comes_out_and_says_synthetic(finished):
    tables = finished / "results/smoke/tables"
    shown = [paper for paper in read_papers().values() if not paper.real and not paper.optional]
    declared = [table for paper in shown for table in paper.tables.values()]
    assert len(declared) >= 18
    for paper, stem, name in ((table.paper, table.name, table.key) for table in declared):
        table = pd.read_csv(tables / f"{name}.csv", dtype=str)
        reported = pd.read_csv(f"papers/{paper}/tables/{stem}.csv", dtype=str)
        cells = set(zip(table["row"], table["column"], strict=True))
        assert set(zip(reported["row"], reported["column"], strict=True)) <= cells
        assert set(table["verdict"]) <= {"not comparable", "not run", "reported only"}
        assert (paper, stem) != ("s4aqa", "rhythmic_gymnastics") or set(table["verdict"]) == {"not comparable"}
        for suffix in ("md", "tex"):
            assert "synthetic" in (tables / f"{name}.{suffix}").read_text().lower()
    for name in ("figure1.png", "figure2.svg", "figure2.png", "figure3.svg", "figure3.png"):
        assert (finished / f"results/smoke/figures/aqa7_{name}").stat().st_size > 1000
    for name in (
        "figure1.png",
        "figure2.svg",
        "mscadc.svg",
        "table6_frames.png",
        "curves.svg",
        "table8_forest.svg",
        "table10_forest.svg",
    ):
        assert (finished / f"results/smoke/figures/mtl_aqa_{name}").stat().st_size > 1000
    for page in ("results/smoke/index.html", "results/index.html"):
        assert "synthetic" in (finished / page).read_text().lower()
        assert (finished / page).stat().st_size < 15_000_000


def test_a_second_run_does_nothing(edited):
    done = snakemake(edited)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


def test_kill_9_again_and_again_ends_with_the_same_bytes(finished, tmp_path):
    """Killed while videos are written, and again while a training has a restart point."""
    clone = make_clone(tmp_path)
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--config", "scale=smoke"]
    for moment in ("data/smoke/videos/**/*.avi", "runs/smoke/**/*.restart.safetensors"):
        run = subprocess.Popen(
            command, cwd=clone, env=environment(clone), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not any(clone.glob(moment)) and run.poll() is None:
                time.sleep(0.2)
        finally:
            run.send_signal(signal.SIGKILL)
            run.wait()
        assert run.returncode == -signal.SIGKILL, f"it ended before there was {moment}"
    done = snakemake(clone)
    assert done.returncode == 0, done.stdout[-6000:]
    assert results(clone) == results(finished)


def test_every_member_that_is_written_is_declared_with_its_trainings(finished):
    _, settings = parameters.load(finished / "params.yaml", scale="smoke")
    found: dict[str, set[int]] = {}
    for path in (finished / "runs/smoke").rglob("*.parquet"):
        table = pd.read_parquet(path)
        for member, seeds in table.groupby("member")["seed"] if {"member", "seed"} <= set(table) else ():
            found.setdefault(member, set()).update(map(int, seeds))
    assert len(found) > 100
    for member, seeds in found.items():
        assert sorted(seeds) == trainings.trainings(member, settings), member


@pytest.mark.parametrize(
    ("section", "old", "new", "reruns", "keeps"),
    [
        (
            "scoring",
            "scoring: {bootstrap: 100}",
            "scoring: {bootstrap: 120}",
            {"scores"},
            {"all_action", "aqa7_features"},
        ),
        (
            "lstm",
            "lstm: {width: 16",
            "lstm: {width: 12",
            {"all_action", "zero_shot", "fine_tuning"},
            {"pretrain", "aqa7_features", "aqa7_clips"},
        ),
        (
            "multitask",
            "multitask: {epochs: 2,",
            "multitask: {epochs: 3,",
            {"mtl_aqa"},
            {"mtl_aqa_clips", "pretrain", "all_action"},
        ),
        ("clips", "crop: 56", "crop: 48", {"aqa7_clips", "pretrain", "aqa7_features"}, {"aqa7_videos"}),
        (
            "motions",
            "motions_per_class: 6}",
            "motions_per_class: 7}",
            {"pretraining_videos", "pretrain", "aqa7_features"},
            {"aqa7_videos", "aqa7_joints", "aqa7_clips", "mtl_aqa_videos", "mtl_aqa_joints", "mtl_aqa_stages"},
        ),
        (
            "dives",
            "dives: 0.03, motions",
            "dives: 0.04, motions",
            {"mtl_aqa_videos", "mtl_aqa_joints", "mtl_aqa_judges", "mtl_aqa"},
            {"aqa7_videos", "aqa7_clips", "all_action", "pretraining_videos", "pretrain"},
        ),
        (
            "first_training",
            "first_training: 0",
            "first_training: 7",
            {"pretrain", "keypoints", "all_action", "mtl_aqa", "extensions", "s4aqa_mtl_aqa", "s3d"},
            {"aqa7_videos", "aqa7_clips", "mtl_aqa_videos", "mtl_aqa_clips", "mtl_aqa_joints", "mtl_aqa_judges"}
            | {"pretraining_clips", "gymnastics_features", "mtl_aqa_stages", "true_poses"},
        ),
    ],
)
def test_a_changed_parameter_reruns_what_it_touches(edited, section, old, new, reruns, keeps):
    text = (edited / "params.yaml").read_text()
    assert text.count(old) == 1, section
    (edited / "params.yaml").write_text(text.replace(old, new))
    rules = planned(edited)
    assert reruns <= rules
    assert not keeps & rules


@pytest.mark.parametrize(
    ("module", "reruns", "keeps"),
    [
        (
            "reporting/figures.py",
            {"aqa7_figure2", "score_curves", "forest"},
            {"scores", "all_action", "aqa7_clips"},
        ),
        ("training/members.py", {"all_action", "zero_shot", "fine_tuning"}, {"pretrain", "aqa7_features"}),
        ("training/end_to_end.py", {"mtl_aqa"}, {"pretrain", "all_action", "mtl_aqa_clips"}),
        ("scoring/correlation.py", {"scores"}, {"all_action", "pretrain"}),
    ],
)
def test_a_changed_line_reruns_what_can_reach_it(edited, module, reruns, keeps):
    path = edited / "src/rescore" / module
    before = path.stat()
    path.write_text(path.read_text() + "\nA_LINE = 1\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the clock says nothing changed
    rules = planned(edited)
    assert reruns <= rules
    assert not keeps & rules


def test_no_step_sees_a_gpu_where_none_is_granted(finished):
    done = snakemake(finished, "--dry-run", "--forceall", "--printshellcmds", "--quiet", "progress")
    granted = re.findall(r"^Shell command: .* step --gpus (\d+) --rule", done.stdout, re.M)
    assert len(granted) > 40
    assert set(granted) == {"0"}


def test_a_comment_reruns_nothing(edited):
    for module in ("engine/storage.py", "engine/processes.py", "models/device.py", "reporting/figures.py"):
        path = edited / "src/rescore" / module
        path.write_text(path.read_text() + "\n# a line\n")
    assert not planned(edited) & {
        "pretrain",
        "all_action",
        "mtl_aqa",
        "aqa7_clips",
        "scores",
        "forest",
    }


def test_a_wrong_parameter_stops_before_anything_runs(tmp_path):
    clone = make_clone(tmp_path)
    text = (clone / "params.yaml").read_text()
    assert "    iterations: 20000\n" in text
    (clone / "params.yaml").write_text(text.replace("    iterations: 20000\n", "    iteratons: 20000\n"))
    done = snakemake(clone)
    assert done.returncode != 0
    assert "unknown key 'iteratons', did you mean 'iterations'?" in done.stdout
    assert not (clone / "data/smoke").exists()
    assert "Traceback" not in done.stdout


def test_two_runs_at_once_the_second_is_refused(tmp_path):
    clone = make_clone(tmp_path)
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--config", "scale=smoke"]
    first = subprocess.Popen(
        command, cwd=clone, env=environment(clone), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        lock = clone / ".snakemake/rescore.lock"
        while not lock.exists() and first.poll() is None:
            time.sleep(0.2)
        time.sleep(1)
        second = snakemake(clone)
        assert second.returncode != 0
        assert "another run is at work in this directory" in second.stdout
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()


def test_without_real_data_the_page_says_how_to_get_it(tmp_path):
    clone = make_clone(tmp_path)
    done = snakemake(clone, "--config", "scale=open")
    assert done.returncode == 0, done.stdout[-4000:]
    assert not list((clone / "data/raw").rglob("SOURCE.json"))
    page = (clone / "results/open/index.html").read_text()
    assert "rescore fetch unlv-dive-s3d mtl-aqa-annotations" in page
    demo = snakemake(clone, "-n", "--quiet", "progress")
    assert demo.returncode == 0, demo.stdout[-4000:]
    assert "unlv_dive_s3d" not in demo.stdout
