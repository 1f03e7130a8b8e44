"""Big air and trampoline: from a performance to motions in metres."""

import numpy as np

from synthetic_athlete.animation import FEET, Motion, Phase, flight_seconds, standing_offset
from synthetic_athlete.body import Array, pose
from synthetic_athlete.choreography import SHAPES, STAND, loosened, shape_keys, wobbling
from synthetic_athlete.dives import PIKE, TUCK
from synthetic_athlete.judging import FALL, HAND_TOUCH, Elements, Trick, bounce_seconds

INRUN = ((-34.0, 9.0), (-12.0, 0.9), (-7.0, 0.0), (-3.5, 0.45), (0.0, 1.6))
"""Snow under the in-run and the kicker, metres; the lip is at x = 0."""
KNUCKLE, SLOPE, RUNOUT = 5.0, 0.42, 19.0
"""Where the landing slope begins, how steep it is, and where it ends, metres."""
SPEED = 10.5  # m/s


def snow_height(x: Array) -> Array:
    """Height of the snow behind the lip, metres."""
    return 1.0 - SLOPE * (np.clip(x, KNUCKLE, RUNOUT) - KNUCKLE)


def big_air(
    trick: Trick, elements: Elements, takeoff: float, length: float, phase: float, snowboard: bool
) -> tuple[Motion, float]:
    """One jump on skis or a snowboard; both are rigidly at the feet.

    Returns:
        The motion and the second of landing.
    """
    facing = np.pi / 2 if snowboard else 0.0
    stance = pose(hip=38, knee=45, shoulder=35, elbow=20, toe=8, arms=35, spread=17 if snowboard else 4)
    crouch = pose(hip=75, knee=85, shoulder=-15, toe=12, arms=25, spread=17 if snowboard else 4)
    push = pose(hip=8, knee=8, shoulder=120, toe=8, arms=45, spread=17 if snowboard else 4)
    velocity = (7.6, 8.6 - 2.8 * elements["lowness"])
    sense = -1.0 if trick.backward else 1.0
    slope = np.arctan(SLOPE)
    end = sense * np.pi * trick.somersaults + slope + np.radians(elements["rotation"])
    start = np.array([0.0, 1.6]) + standing_offset(push, -0.3, FEET, facing)
    stand = standing_offset(stance, slope, FEET, facing)[1]
    landing = takeoff + flight_seconds(start, velocity, lambda x: snow_height(x) + stand)
    grab = SHAPES[TUCK] if trick.position == 2 else pose(hip=105, knee=75, shoulder=95, elbow=5)
    grab = _geared(grab, snowboard)
    shape = loosened(grab, elements)
    keys = [(0.0, stance), (takeoff - 0.45, stance), (takeoff - 0.16, crouch), (takeoff, push)]
    keys = [key for key in keys if key[0] >= 0]
    opened = _geared(pose(hip=30, knee=30, shoulder=60, arms=50), snowboard)
    keys += shape_keys(takeoff, landing, (0.25, 0.72, 0.88, 1.0), (shape, shape, opened, stance))
    keys += _ride_out(landing, elements, stance)
    turns = facing + np.pi * trick.twists + 0.5 * np.radians(elements["rotation"])
    span = landing - takeoff
    ridden = facing + np.pi * trick.twists
    twists = [(0.0, facing), (takeoff, facing), (takeoff + 0.95 * span, turns), (landing + 0.35, ridden)]
    upright = sense * np.pi * trick.somersaults + slope
    slide = 0.35 if elements["landing"] > FALL else 0.85
    moves = _slide(landing, length, slide)
    fallen = upright - (1.45 if elements["landing"] > FALL else 0.25 * slope)  # down on the uphill side
    phases = (
        Phase("contact", takeoff, -0.3, FEET, _inrun(takeoff)),
        Phase("flight", landing, end, velocity=velocity),
        Phase("contact", landing + 0.4, 0.3 * end + 0.7 * fallen, FEET, moves),
        Phase(
            "contact",
            length,
            fallen,
            FEET,
            tuple(
                (t, x - moves_at(moves, landing + 0.4)[0], y - moves_at(moves, landing + 0.4)[1]) for t, x, y in moves
            ),
        ),
    )
    first = _inrun(takeoff)[0]
    return Motion(
        keys,
        twists,
        phases,
        (0.0, 1.6),
        np.arctan(0.37) if first[1] < -12 else 0.0,
        wobbling(elements, takeoff + 0.1, landing + 0.3, phase),
    ), landing


def _geared(angles: Array, snowboard: bool) -> Array:
    """Feet strapped to a board stand apart sideways and cannot point."""
    fixed = angles.copy()
    fixed[4], fixed[6] = 10.0, 15.0 if snowboard else 4.0
    return fixed


def _inrun(takeoff: float) -> tuple[tuple[float, float, float], ...]:
    """Displacements from the lip along the in-run at SPEED."""
    x, y = np.array(INRUN).T
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    seconds = np.linspace(0.0, takeoff, 60)
    places = np.maximum(arc[-1] - SPEED * (takeoff - seconds), 0.0)
    return tuple(
        zip(
            seconds.tolist(),
            np.interp(places, arc, x).tolist(),
            (np.interp(places, arc, y) - 1.6).tolist(),
            strict=True,
        )
    )


def _slide(landing: float, length: float, share: float) -> tuple[tuple[float, float, float], ...]:
    """Displacements down the landing slope after touch-down."""
    seconds = np.linspace(landing, max(length, landing + 0.1), 40)
    x = share * SPEED * (1 - np.exp(-(seconds - landing) / 1.4)) * 1.4 * np.cos(np.arctan(SLOPE))
    return tuple(zip(seconds.tolist(), x.tolist(), (-SLOPE * x).tolist(), strict=True))


def moves_at(moves: tuple[tuple[float, float, float], ...], second: float) -> tuple[float, float]:
    seconds, x, y = np.array(moves).T
    return float(np.interp(second, seconds, x)), float(np.interp(second, seconds, y))


def _ride_out(landing: float, elements: Elements, stance: Array) -> list[tuple[float, Array]]:
    """Poses after touch-down: knees bend with the landing fault, a hand drags, or the rider goes down."""
    fault = elements["landing"]
    absorb, shaky = stance.copy(), stance.copy()
    absorb[:2] += 75 * fault + np.array([5.0, 10.0])
    if fault > HAND_TOUCH:
        absorb[0], absorb[2] = 125, 70
    shaky[7] += 45 * fault
    if fault > FALL:
        seat = stance.copy()
        seat[:3] = (45, 25, -20)
        return [(landing + 0.2, absorb), (landing + 0.5, seat), (landing + 4, seat)]
    return [(landing + 0.22, absorb), (landing + 0.42, absorb), (landing + 0.75, shaky), (landing + 1.2, stance)]


CONTACT = 0.32
"""Seconds on the trampoline's bed between two jumps."""


def trampoline(
    tricks: tuple[Trick, ...], skills: tuple[Elements, ...], begin: float, length: float, phase: float
) -> tuple[Motion, list[float]]:
    """Two jumps to gain height, the routine, and an out-bounce; the bed is at y = 0.

    Args:
        begin: seconds at which the first preparatory jump leaves the bed.

    Returns:
        The motion and the seconds of the routine's landings.
    """
    keys: list[tuple[float, Array]] = [
        (0.0, STAND),
        (max(begin - 0.5, 0.01), STAND),
        (max(begin - 0.25, 0.02), pose(hip=25, knee=35, shoulder=20, toe=20)),
    ]
    twists, phases, landings = [(0.0, 0.0)], [], []
    arms_up = pose(shoulder=168, toe=50)
    second, tilt, facing = begin, 0.0, 0.0
    phases.append(
        Phase(
            "contact",
            begin,
            0.0,
            FEET,
            ((0.0, 0, 0), (max(begin - 0.3, 0.01), 0, 0), (begin - 0.14, 0, -0.45), (begin, 0, 0)),
        )
    )
    keys.append((begin, arms_up))
    plan: list[tuple[Trick | None, Elements]] = [
        (None, {"lowness": 0.9}),
        (None, {"lowness": 0.5}),
        *zip(tricks, skills, strict=True),
        (None, {"lowness": 1.6}),
    ]
    for trick, elements in plan:
        end = second + bounce_seconds(elements["lowness"])
        error = 0.0
        if trick is not None:
            sense = -1.0 if trick.backward else 1.0
            tilt += sense * np.pi * trick.somersaults
            error = np.radians(0.55 * elements["rotation"])
            keys += _skill_keys(trick, elements, second, end)
            twists += [(second + 0.1, facing), (second + 0.75 * (end - second), facing + np.pi * trick.twists)]
            facing += np.pi * trick.twists
            landings.append(end)
        velocity = (0.0, 9.81 * (end - second) / 2)
        phases.append(Phase("flight", end, tilt + error, velocity=velocity))
        keys.append((end, arms_up))
        second = end + CONTACT
        bend = pose(hip=20, knee=25, shoulder=70, toe=20)
        keys += [(end + CONTACT / 2, bend), (second, arms_up)]
        phases.append(Phase("contact", second, tilt, FEET, ((end, 0, 0), (end + CONTACT / 2, 0, -0.6), (second, 0, 0))))
    keys += [(second + 0.4, STAND)]
    phases.append(Phase("contact", max(length, second + 0.1), tilt, FEET))
    disturbance = wobbling(skills[0] if skills else {"wobble": 0.0}, begin + 2.0, second, phase)
    return Motion(keys, twists, phases, (0.0, 0.0), 0.0, disturbance), landings


def _skill_keys(trick: Trick, elements: Elements, start: float, end: float) -> list[tuple[float, Array]]:
    position = {0: pose(hip=4, shoulder=15, elbow=40), 1: SHAPES[PIKE], 2: SHAPES[TUCK]}[trick.position]
    shape = loosened(position, elements)
    opened = loosened(pose(shoulder=25), {**elements, "looseness": 0.0})
    return shape_keys(start, end, (0.2, 0.66, 0.84), (shape, shape, opened))
