"""A rehearsal measures every training of a scale, survives those that do not fit, and says what to set for them."""

import json
import time

import pytest
import torch

from rescore import cli
from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.engine.parameters import merge
from rescore.experiments import rehearsal_measures, rehearse, states
from rescore.experiments.rehearse import Outcome

SETTINGS = merge(parameters.load(scale="smoke")[1], states.settings())
SETTINGS["extensions"]["systems"] = parameters.load(scale="smoke")[1]["extensions"]["systems"]
PAPER = parameters.load(scale="paper")[1]
NAMES = [one.name for one in rehearse.families(SETTINGS)]


def by_name(settings):
    return {one.name: one for one in rehearse.families(settings)}


def test_every_training_of_a_scale_is_listed():
    systems = {f"extensions/{system['name']}" for system in PAPER["extensions"]["systems"]}
    always = {
        "pretraining",
        "all_action",
        "zero_shot",
        "fine_tuning",
        "frozen_features",
        "c3d_avg",
        "mscadc",
        "s3d",
        "li",
        "dae",
    }
    # The estimator of poses is published there, and there is no Rhythmic Gymnastics.
    assert set(by_name(PAPER)) == always | systems | {"s4aqa"}
    assert set(NAMES) > {"pose_estimator", "s4aqa_gymnastics", "action_net", "extensions/core"}


@pytest.mark.parametrize("name", ["pretraining", "all_action", "s3d", "pose_estimator", "gdlt", "dae"])
def test_a_training_is_measured(name, tmp_path):
    (tmp_path / "data").mkdir()
    found = tmp_path / "found.json"
    rehearsal_measures.measure(name, tmp_path / "data", found, SETTINGS, 2, counts="tiny")
    measured = json.loads(found.read_text())
    assert measured["device"].startswith("CPU")
    assert measured["optimisers"]
    assert all(0 < clock < 60 and 0 < processor < 60 for _, clock, processor in measured["optimisers"])
    outcome = Outcome(name, True, optimisers=[(kind, clock) for kind, clock, _ in measured["optimisers"]])
    assert rehearse.hours(by_name(SETTINGS)[name], outcome, SETTINGS) > 0


def test_a_child_is_measured_and_the_table_adds_up():
    outcomes = rehearse.rehearse(SETTINGS, ["mscadc"], tell=lambda line: None, counts="tiny")
    (outcome,) = outcomes
    assert outcome.fits, outcome.said
    assert outcome.process_bytes > 50e6
    assert len(outcome.optimisers) == 1
    said = rehearse.describe("smoke", outcomes, SETTINGS)
    assert "CPU, 1 thread(s)" in said
    (line,) = [line for line in said.splitlines() if line.startswith("mscadc")]
    hours = rehearse.hours(by_name(SETTINGS)["mscadc"], outcome, SETTINGS)
    assert line.split()[1] == "fits"
    assert line.split()[-2] == f"{outcome.processor_seconds:.3g}"
    assert 0 < outcome.processor_seconds < 60
    assert line.split()[-1] == f"{hours:.3g}"
    assert f"Together {hours:.3g} hours" in said


def test_what_does_not_fit_is_tried_with_less_and_named():
    outcomes = rehearse.rehearse(SETTINGS, ["mscadc", "li"], memory=20e6, tell=lambda line: None, counts="tiny")
    assert [outcome.fits for outcome in outcomes] == [False, False]
    assert all(outcome.memory for outcome in outcomes)
    said = rehearse.describe("smoke", outcomes, SETTINGS)
    assert said.count("does not fit") == 2
    assert "also with multitask.accumulate: 2, multitask.evaluation_batch: 1" in said
    assert "also with stages.li.batch: 1, multitask.evaluation_batch: 1" in said


def test_what_takes_too_long_is_ended_and_the_next_one_runs():
    late, done = (
        rehearse.rehearse(SETTINGS, [name], minutes=minutes, tell=lambda line: None, counts="tiny")[0]
        for name, minutes in (("c3d_avg", 0.0), ("action_net", 20.0))
    )
    assert not late.fits
    assert late.said == "not done after 0 minutes"
    assert done.fits


def test_what_a_training_refuses_is_said_in_its_own_words():
    broken = merge(SETTINGS, {"multitask": {"clips": {"frames": 8}}})
    (outcome,) = rehearse.rehearse(broken, ["c3d_avg"], tell=lambda line: None, counts="tiny")
    assert not outcome.fits
    assert "make no clip of 16" in outcome.said
    assert "Traceback" not in rehearse.describe("smoke", [outcome], SETTINGS)


@pytest.mark.parametrize(
    "words", ["CUDA out of memory. Tried", "DefaultCPUAllocator: can't allocate memory: you tried"]
)
def test_running_out_of_memory_is_no_error(words, tmp_path, monkeypatch):
    def full(stage):
        raise RuntimeError(words)

    monkeypatch.setattr(rehearsal_measures, "family", lambda name, settings: full)
    rehearsal_measures.measure("c3d_avg", tmp_path, tmp_path / "found.json", SETTINGS, 2)
    assert json.loads((tmp_path / "found.json").read_text()) == {"memory": words}
    words = "shapes do not fit"
    with pytest.raises(RuntimeError, match="shapes"):
        rehearsal_measures.measure("c3d_avg", tmp_path, tmp_path / "found.json", SETTINGS, 2)


def test_a_step_that_waits_is_no_work_of_the_processor():
    clock, optimiser = rehearsal_measures.Clock(), torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    with clock.running():
        for _ in range(3):
            optimiser.step()
            time.sleep(0.2)
    ((name, by_clock, by_processor),) = clock.seconds()
    assert name == "SGD"
    assert by_clock > 0.2 > by_processor


def test_each_outcome_is_said_when_it_is_known(monkeypatch):
    found = {
        "li": Outcome("li", True, "", False, "CPU", 2.5e9, 0, [("Adam", 3.0), ("SGD", 4.0)], 3.5),
        "mscadc": Outcome("mscadc", False, "not done after 1 minutes"),
    }
    monkeypatch.setattr(rehearse, "rehearse_one", lambda name, *_, **__: found[name])
    told: list[str] = []
    rehearse.rehearse(SETTINGS, list(found), tell=told.append)
    assert told.index("  fits: 2.5 GB, 4 s a step, 3.5 s of a processor") == told.index("li ...") + 1
    assert told.index("  failed: not done after 1 minutes") == told.index("mscadc ...") + 1


def test_names_are_those_of_the_scale():
    assert {one.name for one in rehearse.chosen(PAPER, ["li", "c3d_avg"])} == {"c3d_avg", "li"}
    assert len(rehearse.chosen(PAPER, ["extensions"])) == len(PAPER["extensions"]["systems"])
    with pytest.raises(RescoreError, match=r"no training pose_estimator, tsn at this scale: pretraining \| "):
        rehearse.chosen(PAPER, ["pose_estimator", "tsn", "li"])


def test_hours_count_all_trainings_of_a_kind():
    known = by_name(PAPER)
    assert known["pretraining"].steps(PAPER) == {"": 5 * 100_000}
    stack = Outcome("all_action", True, optimisers=[("Adam", 0.1), ("Adam", 0.2)])
    assert rehearse.hours(known["all_action"], stack, PAPER) == pytest.approx(20_000 * 0.3 / 3600)
    dives = Outcome("s3d", True, optimisers=[("RMSprop", 2.0), ("SGD", 1.0), ("SGD", 3.0)])
    segmented, scored = 3 * 30 * 38, 3 * 90 * (530 + 150) * 10 / 9
    assert rehearse.hours(known["s3d"], dives, PAPER) == pytest.approx((segmented * 2 + scored * 2) / 3600)
    assert known["extensions/core"].steps(PAPER)[""] == known["extensions/usdl"].steps(PAPER)[""]


def test_the_command_says_what_fits(capsys, monkeypatch):
    monkeypatch.setattr(
        rehearse, "rehearse", lambda *_: [Outcome("li", False, "memory: more", True, with_settings="a: 1")]
    )
    assert cli.main(["rehearse", "--scale", "paper", "--only", "li"]) == 1
    assert "li: memory: more; also with a: 1. It needs more memory." in capsys.readouterr().out
    assert cli.main(["rehearse", "--scale", "open"]) == 1
    assert "nothing to rehearse" in capsys.readouterr().err


@pytest.mark.slow
def test_a_network_at_full_size():
    (outcome,) = rehearse.rehearse(PAPER, ["mscadc"], minutes=30, tell=lambda line: None)
    assert outcome.fits, outcome.said
    assert 1e9 < outcome.process_bytes < 9e9
    assert rehearse.hours(by_name(PAPER)["mscadc"], outcome, PAPER) > 0.5
