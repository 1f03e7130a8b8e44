"""Physics of the body: rigid segments, ballistic flight, conserved angular momentum."""

from pathlib import Path

import numpy as np
import pytest

from rescore.actions import ACTIONS
from synthetic_athlete import body
from synthetic_athlete.animation import GRAVITY, Motion, Phase, animate
from synthetic_athlete.body import SEGMENTS, pose
from synthetic_athlete.generate import CODES, NUISANCES, Task, label, take_of
from synthetic_athlete.staging import MEAN_LENGTHS, Take, stage, video_frames

ALL = [action.name for action in ACTIONS]


def take(action: str, index: int, length: float = 1.0) -> Take:
    return take_of(Task(action, index, Path("unused"), 0, (160, 120), length))


@pytest.mark.parametrize("action", ALL)
def test_centre_of_mass_follows_a_parabola_in_flight(action: str) -> None:
    """Second differences of the centre of mass, recomputed from the joints, are gravity's in every frame of flight."""
    filmed = take(action, 2)
    for athlete in range(filmed.joints.shape[1]):
        centre = body.centre_of_mass(filmed.joints[:, athlete])[:, :2]
        acceleration = (centre[2:] - 2 * centre[1:-1] + centre[:-2]) * filmed.rate**2
        flying = filmed.airborne[:, athlete] == 1
        inside = flying[2:] & flying[1:-1] & flying[:-2]
        inside[:-1] &= flying[3:]  # a contact shorter than a frame ends some flights
        inside[1:] &= flying[:-3]
        assert inside.sum() > 15
        np.testing.assert_allclose(acceleration[inside][:, 0], 0, atol=1e-6)
        np.testing.assert_allclose(acceleration[inside][:, 1], -GRAVITY, atol=1e-6)


@pytest.mark.parametrize("action", ALL)
def test_segments_keep_their_length(action: str) -> None:
    joints = take(action, 1).joints[:, 0]
    for start, end, _ in SEGMENTS:
        length = np.linalg.norm(joints[:, body.INDEX[start]] - joints[:, body.INDEX[end]], axis=-1)
        np.testing.assert_allclose(length, length[0], atol=1e-9)


def test_tighter_bodies_turn_faster() -> None:
    """In flight the trunk turns slowly while the body is long and fast while it is tucked, as angular momentum stays."""
    keys = [(0.0, pose(shoulder=176)), (0.5, pose(hip=138, knee=138)), (1.0, pose(shoulder=176))]
    motion = Motion(
        keys, [(0.0, 0.0), (1.0, 0.0)], (Phase("flight", 1.0, 2 * np.pi, velocity=(0.0, 5.0)),), (0.0, 10.0)
    )
    joints, _, _ = animate(motion, 400, 400.0)
    hips = joints[:, body.INDEX["left_hip"]] + joints[:, body.INDEX["right_hip"]]
    neck = joints[:, body.INDEX["neck"]] - hips / 2
    trunk = np.unwrap(np.arctan2(neck[:, 0], neck[:, 1]))
    inertia = body.transverse_inertia(joints)
    total = trunk[-1] - trunk[0]
    assert total == pytest.approx(2 * np.pi, abs=0.1)
    assert inertia[200] < 0.4 * inertia[0]
    rate = np.gradient(trunk) * 400
    assert rate[190:210].mean() > 2.5 * rate[2:12].mean()


@pytest.mark.parametrize("action", ALL)
def test_lengths_vary_around_table_1(action: str) -> None:
    lengths = [video_frames(action, 1.0, np.random.default_rng([9, index])) for index in range(400)]
    assert np.mean(lengths) == pytest.approx(MEAN_LENGTHS[action], rel=0.01)
    assert np.std(lengths) > 0.02 * MEAN_LENGTHS[action]


@pytest.mark.parametrize("action", ["diving", "gymvault", "skiing", "snowboard", "sync_diving_3m", "sync_diving_10m"])
def test_the_action_ends_before_the_last_frames_and_stays_in_the_crop(action: str) -> None:
    """Landing at least 15 frames before the end; the pelvis in the middle 65 % x 87 % of the frame while in flight."""
    for index in range(1, 7):
        filmed = take(action, index)
        flying = np.flatnonzero(filmed.airborne.max(axis=1))
        assert flying[-1] <= len(filmed.joints) - 15
        assert flying[0] >= max(0, len(filmed.joints) - 103)
        hips = filmed.camera.project(filmed.joints)[flying, :, body.INDEX["pelvis"]]
        inside = (abs(hips[..., 0] - 80) < 52) & (abs(hips[..., 1] - 60) < 52)
        assert inside.mean() > 0.95


def test_nuisances_of_the_camera_do_not_depend_on_the_label() -> None:
    """The same sample number with other seeds of the label has the same length, event and camera habits."""
    filmed = []
    for other in (0, 1):
        generator = np.random.default_rng([0, NUISANCES, CODES["gymvault"], 5])
        filmed.append(stage(label("gymvault", 5, other), 3, 0, 1.0, (160, 120), generator))
    assert len(filmed[0].joints) == len(filmed[1].joints)
    assert filmed[0].skins == filmed[1].skins
    assert filmed[0].brightness == filmed[1].brightness
    np.testing.assert_array_equal(filmed[0].camera.scale, filmed[1].camera.scale)
