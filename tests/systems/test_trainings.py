"""What every system repeats: declared once, by exact names; numbers that shift trainings and nothing of the data."""

from pathlib import Path

import pytest

from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.systems import trainings
from rescore.systems.common import repetition
from rescore.systems.common.repetition import Chosen, Rests
from rescore.systems.extensions import members as extensions_members
from rescore.systems.multitask import members as mtl_aqa_members
from rescore.systems.trainings import declared
from rescore.training import semi_supervised

ROOT = Path(__file__).parents[2]


def settings_of(scale: str = "smoke", **changes: int) -> dict:
    return parameters.load(ROOT / "params.yaml", scale=scale)[1] | changes


def test_every_member_that_is_listed_is_declared():
    """Those of the papers' tables: tests/scoring/test_papers.py."""
    settings = settings_of("demo")
    members = [member.name for member in mtl_aqa_members.members(settings)]
    members += [f"{system.name}/1059" for system in extensions_members.systems(settings)]
    members += [f"{system}/unlv_dive/40" for system in semi_supervised.SYSTEMS]
    assert all(trainings.trainings(member, settings) for member in members)


def test_an_undeclared_system_is_refused_with_the_place_to_declare_it():
    for member in ("svr_of_mine/diving", "sv", "pose_", "single_action/diving", ""):
        with pytest.raises(RescoreError, match=r"TRAININGS of the system.py"):
            trainings.trainings(member, settings_of())


def test_systems_of_one_name_are_repeated_as_their_data_set_is():
    settings = settings_of("demo", seeds=4)
    settings["multitask"]["seeds"], settings["semi_supervised"]["label_draws"] = 2, 3
    for member, count in (
        ("svr/diving", 4),
        ("svr/mtl_aqa/10", 3),
        ("usdl/1059", 2),
        ("usdl/mtl_aqa/40", 3),
        ("label_only/1059", 1),
        ("label_only/unlv_dive", 1),
        ("label_only/mtl_aqa/10", 3),
        ("backbone/dives/c1", 2),
        ("c3d_avg/score/1059_validated", 2),
        ("action_net/rhythmic_gymnastics/40/ball", 3),
        ("pose_dct/diving", 2),
        ("pose_dct_true/diving", 1),
    ):
        assert len(trainings.trainings(member, settings)) == count, member


def test_another_first_training_shifts_what_is_repeated_and_nothing_that_is_done_once():
    settings = settings_of("demo", first_training=7)
    assert trainings.trainings("all", settings) == [7, 8, 9]
    assert repetition.backbones([7, 8, 9], settings) == [7, 8, 9]
    assert trainings.trainings("observer/1059", settings) == trainings.trainings("pose_dct_true/1059", settings) == [0]


def test_what_is_given_is_one_and_a_regression_on_it_has_nothing_to_repeat():
    settings = settings_of("demo", first_training=7)
    settings["backbone"]["weights"], settings["poses"]["estimator"] = "sports1m", "keypoint_rcnn"
    assert repetition.backbones([7, 8], settings) == repetition.every_backbone(settings) == [0]
    for member in ("svr/diving", "c3d_svr/1059", "backbone/dives/c2", "pose_dct/1059"):
        assert trainings.trainings(member, settings) == [0], member
    assert trainings.trainings("backbone/within/c2", settings) == [7]  # its draw of vaults is repeated
    assert trainings.trainings("svr/mtl_aqa/10", settings) == [7, 8, 9]  # and so are draws of labels


def test_what_is_chosen_and_what_a_training_rests_on_stand_beside_it():
    assert declared("s3d/1059").rests is Rests.SEGMENTER
    assert declared("s4aqa/mtl_aqa/10").rests is Rests.BACKBONE
    assert declared("s4aqa/rhythmic_gymnastics/40/ball").rests is Rests.NOTHING
    assert declared("c3d_lstm_svr/1059").chosen is Chosen.INSIDE_TRAINING
    assert declared("coreg/mtl_aqa/10").chosen is Chosen.NOTHING
    assert declared("mscadc/score/1059").chosen is Chosen.ITERATION
