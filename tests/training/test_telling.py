"""What a training says of itself in its log."""

import re

import pytest

from rescore.training.telling import Clock


def test_a_line_says_how_far_it_is_what_it_measures_and_what_is_left(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr("rescore.training.telling.time.monotonic", lambda: now[0])
    clock = Clock("3 members", "iteration", 2000, 500)
    now[0] += 10
    clock.say(1000, mean_loss=0.51234, accuracy=None)
    assert (
        capsys.readouterr().out
        == "3 members: iteration 1000 of 2000, mean loss 0.5123, 50 iterations a second, 00:20 left\n"
    )


def test_where_nothing_was_done_yet_no_time_is_guessed(capsys):
    Clock("x", "epoch", 4).say(0)
    assert capsys.readouterr().out == "x: epoch 0 of 4\n"


@pytest.mark.parametrize("done", [1, 4])
def test_slow_epochs_have_no_rate(done, monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("rescore.training.telling.time.monotonic", lambda: now[0])
    clock = Clock("x", "epoch", 4)
    now[0] = 60.0 * done
    clock.say(done, loss=1)
    assert re.fullmatch(rf"x: epoch {done} of 4, loss 1, 0{4 - done}:00 left\n", capsys.readouterr().out)
