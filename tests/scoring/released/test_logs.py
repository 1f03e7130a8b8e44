"""Logs as they are found: cut off, run twice into one file, restarted, damaged; each says so once and reads what can be read."""

import math
from pathlib import Path

import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring.released.declared import log_of
from rescore.scoring.released.logs import read_log, records_in

VALUES = {
    "rho": {"pattern": r"^test correlation: (?P<value>\S+)"},
    "training_rho": {"pattern": r"^train correlation: (?P<value>\S+)"},
}


def a_log(**more):
    fields = {"source": "s", "file": "a.log", "system": "S", "data": "D", "samples": [9], "values": VALUES}
    return log_of("p", "n", fields | {"epoch": r"^Epoch: (?P<epoch>\d+)"} | more, {})


def read(folder: Path, text: str, **more):
    (folder / "a.log").write_text(text, encoding="utf-8")
    return read_log(a_log(**more), 0, folder)


def epoch(number: int, rho: object, training: object = 0.9) -> str:
    return f"Epoch: {number}\ntrain correlation: {training}\ntest correlation: {rho}\n"


def test_epochs_with_the_lines_that_they_stand_in(tmp_path):
    reading = read(tmp_path, epoch(0, 0.5) + epoch(1, "nan"))
    points = [(point.epoch, point.line) for point in reading.points if point.statistic == "rho"]
    assert points == [(0, 3), (1, 6)]
    assert reading.points[0].value == 0.9
    assert math.isnan(reading.points[-1].value)
    assert reading.notes == ()


def test_a_log_that_ends_within_an_epoch_is_read_up_to_it_and_says_so(tmp_path):
    reading = read(tmp_path, epoch(0, 0.5) + epoch(1, 0.6) + "Epoch: 2\ntrain correlation: 0.99\n")
    assert {point.epoch for point in reading.points} == {0, 1}
    assert reading.notes == ("ends in epoch 2, before its rho: that epoch is left out",)


def test_two_runs_in_one_file_are_refused_unless_a_line_begins_each(tmp_path):
    twice = "--exp1--\n" + epoch(0, 0.5) + epoch(1, 0.6) + "--exp2--\n" + epoch(0, 0.7) + epoch(1, 0.8)
    with pytest.raises(
        RescoreError, match=r"a\.log, line 9: epochs begin again at 0, so two runs are in one file\. Declare"
    ):
        read(tmp_path, twice)
    told = read(tmp_path, twice, run="^--exp")
    assert [(point.run, point.epoch, point.value) for point in told.points if point.statistic == "rho"] == [
        (0, 0, 0.5),
        (0, 1, 0.6),
        (1, 0, 0.7),
        (1, 1, 0.8),
    ]


def test_epochs_repeated_after_a_restart_count_once_the_later_ones(tmp_path):
    reading = read(tmp_path, epoch(0, 0.1) + epoch(1, 0.2) + epoch(2, 0.3) + epoch(1, 0.4) + epoch(2, 0.5))
    assert [point.value for point in reading.points if point.statistic == "rho"] == [0.1, 0.4, 0.5]
    assert "goes back to epoch 1 at line 10 (a restart): of 2 repeated epochs the later ones count" in reading.notes


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        (epoch(0, 0.5).replace("test", "validation"), {}, "no test correlation"),
        ("", {}, "no test correlation"),
        (epoch(0, "0.5.1"), {}, r"line 3: '0\.5\.1' is no number"),
        (epoch(0, 95.4), {}, r"line 3: 95\.4 is no correlation\. Declare a `factor`"),
        (epoch(0, "inf"), {}, "is no correlation"),
    ],
)
def test_what_cannot_be_read_is_one_error_with_a_remedy(tmp_path, text, more, said):
    with pytest.raises(RescoreError, match=said) as error:
        read(tmp_path, text, **more)
    assert len(str(error.value).splitlines()) == 1
    assert "a.log" in str(error.value)


def test_a_file_that_is_missing_names_the_command_that_brings_it(tmp_path):
    with pytest.raises(RescoreError, match="no such file. Run `rescore fetch s`"):
        read_log(a_log(), 0, tmp_path)


def test_correlations_without_epochs_are_counted_and_bytes_that_are_no_text_pass(tmp_path):
    (tmp_path / "a.log").write_bytes(b"\xff\xfe\nCorrelation: 0.1\nCorrelation: 0.2\n")
    log = log_of(
        "p",
        "n",
        {
            "source": "s",
            "file": "a.log",
            "system": "S",
            "data": "D",
            "samples": [9],
            "values": {"rho": {"pattern": r"^Correlation: (?P<value>\S+)"}},
        },
        {},
    )
    assert [(point.epoch, point.value) for point in read_log(log, 0, tmp_path).points] == [(0, 0.1), (1, 0.2)]


def write_events(folder: Path, steps: int) -> Path:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for step in range(steps):
        value = Summary.Value(tag="Test_coef", simple_value=step / 10)
        writer.add_event(Event(wall_time=float(step), step=step, summary=Summary(value=[value])))
    writer.close()
    return next(folder.glob("events.*"))


def events_log(path: Path, tag: str = "Test_coef"):
    return a_log(file=path.name, kind="events", values={"rho": {"tag": tag}})


def test_an_event_file_is_read_and_one_cut_short_or_damaged_says_how_far(tmp_path):
    path = write_events(tmp_path, 8)
    whole = read_log(events_log(path), 0, tmp_path)
    assert [(point.epoch, round(point.value, 6)) for point in whole.points] == [(step, step / 10) for step in range(8)]
    assert (whole.notes, records_in(path)[1]) == ((), True)
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    cut = read_log(events_log(path), 0, tmp_path)
    assert len(cut.points) == 7
    assert cut.notes[0].startswith("cut short or damaged: 8 records can be read")
    path.write_bytes(content[:200] + b"\xff\xff" + content[202:])
    damaged = read_log(events_log(path), 0, tmp_path)
    assert len(damaged.points) < 7
    assert damaged.notes[0].startswith("cut short or damaged")


def test_what_is_no_event_file_or_has_other_tags_is_one_error(tmp_path):
    path = write_events(tmp_path, 2)
    with pytest.raises(RescoreError, match=r"no tag Test_rho; it has Test_coef\. Correct"):
        read_log(events_log(path, "Test_rho"), 0, tmp_path)
    for content in (b"", b"plain text, no records at all"):
        path.write_bytes(content)
        with pytest.raises(RescoreError, match="not an event file of TensorBoard"):
            read_log(events_log(path), 0, tmp_path)
