"""What `rescore status` reads: the engine's log, the logs of steps, durations."""

import io
import os
from pathlib import Path

import pytest

from rescore.engine import status
from rescore.engine.errors import RescoreError

LOG = """host: x
Job stats:
job           count
----------  -------
train             2
scores            1
all               1
total             4

Select jobs to execute...
Finished jobid: 3 (Rule: train)
1 of 4 steps (25%) done
"""
DURATIONS = "scale,rule,jobs,seconds\ndemo,train,2,100\ndemo,scores,1,20\ndemo,whole run,1,110\nsmoke,whole run,1,9\n"
NOW = 1_800_000_000.0


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A checkout in which a run began 50 seconds before NOW."""
    monkeypatch.chdir(tmp_path)
    begun = status.time.strftime("%Y-%m-%dT%H%M%S", status.time.localtime(NOW - 50))
    write(f".snakemake/log/{begun}.123.snakemake.log", LOG, NOW)
    write(".snakemake/log/2001-01-01T000000.1.snakemake.log", LOG, NOW)
    write("workflow/durations.csv", DURATIONS, NOW)
    return tmp_path


def write(name, text, written):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (written, written))
    return path


def test_jobs_are_counted_and_the_table_of_a_part_before_is_forgotten(tree):
    run = status.newest_run()
    assert (dict(run.planned), dict(run.finished)) == ({"train": 2, "scores": 1, "all": 1}, {"train": 1})
    assert not run.ended
    run.log.write_text(f"Job stats:\njob count\nother 7\ntotal 7\n{LOG}Error in rule scores:\nComplete log(s): x\n")
    run = status.read_run(run.log)
    assert run.planned.total() == 4
    assert run.failed == ["scores"]
    assert run.ended


def test_what_is_left_follows_the_reference_and_then_this_run(tree):
    run, known = status.newest_run(), status.durations("demo")
    # 100 of 220 seconds of work took 50 on the clock: the 120 that are left take 60.
    assert status.seconds_left(run, known, NOW) == pytest.approx(60)
    run.finished.clear()
    assert status.seconds_left(run, known, NOW) == pytest.approx(110)  # as the reference
    assert status.seconds_left(run, None, NOW) is None
    assert status.durations("paper") is None


def test_steps_at_work_are_those_whose_record_is_older_than_their_log(tree):
    write("logs/demo/train/0.log", "x: epoch 1 of 9, loss 1\na warning\nx: epoch 2 of 9, loss 0.5, 00:07 left\n", NOW)
    write("logs/demo/train/1.log", "", NOW)
    write("runs/demo/records/train/1.json", "{}", NOW)
    write("logs/demo/before.log", "", NOW - 100)
    write("logs/fetch/mtl-aqa-annotations.log", "", NOW)
    assert status.at_work(status.newest_run()) == {
        Path("logs/demo/train/0.log"): "x: epoch 2 of 9, loss 0.5, 00:07 left"
    }
    assert status.scale_of(status.newest_run()) == "demo"


def test_the_report_of_a_run_that_was_stopped_and_of_none(tree, monkeypatch):
    write("logs/demo/train/0.log", "", NOW)
    said = list(status.report(NOW))
    assert said[0].startswith("scale demo, started 2027-")
    assert said[0].endswith("was stopped")
    assert said[1] == "1 of 4 steps"
    monkeypatch.chdir(tree / "workflow")
    with pytest.raises(RescoreError, match=r"Remedy: snakemake --cores all"):
        list(status.report(NOW))


def test_a_dry_run_is_no_run(tree):
    write(".snakemake/log/2099-01-01T000000.1.snakemake.log", f"{LOG}\nThis was a dry-run (flag -n).\n", NOW)
    assert status.newest_run().log.name.startswith("2027")


def test_a_run_says_what_it_will_do_and_each_minute_how_far_it_is(tree, monkeypatch):
    run, said = status.newest_run(), io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    monkeypatch.setattr(status.time, "time", lambda: NOW)
    monkeypatch.setattr(status.time, "sleep", lambda _: run.log.write_text(f"{LOG}Complete log(s): x\n"))
    status.follow(run.log, "demo")
    first, second = said.getvalue().splitlines()
    assert first == "rescore: 4 steps (train x 2, scores, all), about 01:00; `rescore status` says more"
    assert second == "rescore: 1 of 4 steps after 00:50, about 01:00 left"
