"""Dives and vaults: from a performance to motions in metres. Water and floor are at y = 0."""

from collections.abc import Callable

import numpy as np

from synthetic_athlete.animation import FEET, GRAVITY, HANDS, Motion, Phase, flight_seconds, standing_offset
from synthetic_athlete.body import Array, pose
from synthetic_athlete.dives import BACKWARD, FORWARD, FREE, PIKE, REVERSE, TUCK, DiveClass
from synthetic_athlete.judging import FALL, HAND_TOUCH, LARGEST, Elements, Trick

REACH = pose(shoulder=176)
STAND = pose(shoulder=8, toe=5)
STAND_REACH = pose(shoulder=170, toe=5)
CROUCH = pose(hip=75, knee=85, shoulder=-40, toe=25)
LANDED = pose(hip=18, knee=22, shoulder=120, toe=5, arms=20)
SHAPES = {  # position -> the pose of a tight one
    FREE: pose(hip=14, shoulder=55, elbow=115),
    PIKE: pose(hip=142, shoulder=112),
    TUCK: pose(hip=138, knee=138, shoulder=62, elbow=28),
}

STRAIGHT = pose(hip=4, shoulder=20, elbow=15)
"""Free without twists."""


def loosened(shape: Array, elements: Elements) -> Array:
    """A position with its faults: opened by `looseness` (a straight body bends instead), legs apart by `split`."""
    loose, faulty = elements["looseness"], shape.copy()
    hip, knee, shoulder, _, toe, split, spread, _ = range(8)
    faulty[hip] = shape[hip] - loose if shape[hip] > 60 else shape[hip] + 0.6 * loose
    faulty[knee] = shape[knee] - 0.9 * loose if shape[knee] > 60 else shape[knee] + 0.35 * loose
    faulty[shoulder] -= 0.4 * loose * (shape[hip] > 60)
    faulty[split] += elements.get("split", 0.0)
    faulty[spread] += 0.45 * elements.get("split", 0.0)
    faulty[toe] -= 0.6 * elements.get("split", 0.0)
    return faulty


def wobbling(elements: Elements, start: float, end: float, phase: float) -> Callable[[Array], Array]:
    """Swing of hips, arms and legs at 2.6 Hz between `start` and `end` seconds, by the `wobble` element."""

    def disturbance(times: Array) -> Array:
        inside = np.clip((times - start) / 0.15, 0, 1) * np.clip((end - times) / 0.15, 0, 1)
        swing = elements["wobble"] * inside * np.sin(2 * np.pi * 2.6 * (times - start) + phase)
        shares = pose(hip=1.5, knee=0.6, shoulder=-2.2, arms=1.2, toe=0)
        return swing[:, None] * shares

    return disturbance


def shape_keys(
    start: float, end: float, fractions: tuple[float, ...], poses: tuple[Array, ...]
) -> list[tuple[float, Array]]:
    """Key poses at fractions of a flight."""
    return [(start + (end - start) * fraction, angles) for fraction, angles in zip(fractions, poses, strict=True)]


def dive(
    dive_class: DiveClass,
    elements: Elements,
    takeoff: float,
    height: float,
    x: float,
    y: float,
    length: float,
    phase: float,
    drift: float,
) -> tuple[Motion, float]:
    """One diver.

    Args:
        takeoff: seconds at which feet (or hands) leave the board.
        height: the board's, metres above the water; `x`, `y` shift the diver.
        length: seconds of the whole video.
        phase: of the wobble, radians; drift: horizontal speed, m/s.

    Returns:
        The motion and the second of entry.
    """
    sense = 1.0 if dive_class.rotation_type in (FORWARD, BACKWARD) else -1.0
    facing = 0.0 if dive_class.rotation_type in (FORWARD, REVERSE) else np.pi
    start_tilt = np.pi if dive_class.armstand else 0.0
    error = np.radians(elements["rotation"])
    end_tilt = start_tilt + sense * (np.pi * dive_class.turning + error)
    anchor = HANDS if dive_class.armstand else FEET
    departure = pose(shoulder=178, toe=60) if dive_class.armstand else pose(shoulder=150, toe=70)
    leap = (0.75 if height > 5 else 1.3) - 0.45 * elements["lowness"]  # apex above take-off, metres
    leap = 0.35 - 0.15 * elements["lowness"] if dive_class.armstand else leap
    velocity = (drift, float(np.sqrt(2 * GRAVITY * leap)))
    start = np.array([x, height + y]) + standing_offset(departure, start_tilt, anchor, facing)
    reach = abs(standing_offset(REACH, end_tilt, HANDS)[1])
    entry = takeoff + flight_seconds(start, velocity, lambda _: np.array(y + reach))
    keys = [*_stance(dive_class, takeoff), (takeoff, departure), *_dive_shapes(dive_class, elements, takeoff, entry)]
    turn = facing + np.pi * dive_class.twists
    span = entry - takeoff
    twists = [(0.0, facing), (takeoff + 0.08 * span, facing), (takeoff + 0.62 * span, turn)]
    phases = (
        Phase("contact", takeoff, start_tilt, anchor),
        Phase("flight", entry, end_tilt, velocity=velocity),
        Phase("sink", length, end_tilt + 0.25 * sense * np.sign(error) * abs(error)),
    )
    return Motion(
        keys, twists, phases, (x, height + y), start_tilt, wobbling(elements, takeoff + 0.1, entry, phase)
    ), entry


def _stance(dive_class: DiveClass, takeoff: float) -> list[tuple[float, Array]]:
    if dive_class.armstand:
        return [
            (0.0, pose(shoulder=178)),
            (max(takeoff - 0.4, 0.01), pose(shoulder=178)),
            (max(takeoff - 0.2, 0.02), pose(shoulder=165, hip=12)),
        ]
    times = [takeoff - 1.2, takeoff - 0.8, takeoff - 0.55, takeoff - 0.28]
    poses = [STAND, STAND_REACH, STAND_REACH, CROUCH]
    kept = [(time, angles) for time, angles in zip(times, poses, strict=True) if time > 0.02]
    return [(0.0, STAND), *kept]


def _dive_shapes(dive_class: DiveClass, elements: Elements, takeoff: float, entry: float) -> list[tuple[float, Array]]:
    """Key poses in flight: into the position, twisting before it where there are twists, opening, and reaching for the water."""
    line = loosened(REACH, {**elements, "looseness": 0.45 * elements["looseness"]})
    straight = dive_class.position == FREE and not dive_class.twists
    position = PIKE if dive_class.position == FREE else dive_class.position
    shape = loosened(STRAIGHT if straight else SHAPES[position], elements)
    if dive_class.turning <= 1:
        return shape_keys(takeoff, entry, (0.2, 0.38, 0.52, 0.75, 1.0), (line, shape, shape, line, line))
    if dive_class.twists:
        twisting = loosened(SHAPES[FREE], elements)
        fractions = (0.12, 0.22, 0.48, 0.60, 0.72, 0.86, 1.0)
        return shape_keys(takeoff, entry, fractions, (REACH, twisting, twisting, shape, shape, line, line))
    return shape_keys(takeoff, entry, (0.10, 0.22, 0.70, 0.84, 1.0), (REACH, shape, shape, line, line))


def vault(
    trick: Trick, elements: Elements, board: float, length: float, speed: float, phase: float
) -> tuple[Motion, float]:
    """One vault: run, springboard, hands on the table at x = 0, second flight, landing.

    Args:
        board: seconds at which the springboard is hit; speed: of the run, m/s.

    Returns:
        The motion and the second of landing.
    """
    leave, first, push = board + 0.14, board + 0.14 + 0.26, board + 0.14 + 0.26 + 0.16
    hit, stretch, press = pose(hip=25, knee=35, shoulder=60, toe=30), pose(shoulder=150, toe=60), pose(shoulder=172)
    pelvis = np.array([-2.05, 0.88])
    feet = pelvis + standing_offset(hit, 0.1, ("pelvis",)) - standing_offset(hit, 0.1)
    start = feet + standing_offset(stretch, 0.3)
    onto = np.array([-0.1, 1.25]) + standing_offset(press, 0.66 * np.pi, HANDS)
    approach = (onto - start) / (first - leave) + np.array([0.0, GRAVITY / 2 * (first - leave)])
    lift = 4.7 - 1.2 * elements["lowness"] + (0.5 if trick.somersaults > 2 else 0.0)
    velocity = (3.0, lift)
    upright = (2 + trick.somersaults) * np.pi
    tilt = upright + np.radians(elements["rotation"])
    landing_pose = pose(hip=25, knee=20, shoulder=110, toe=10, arms=25, spread=4)
    arrival = standing_offset(landing_pose, tilt)[1] + 0.08
    off = np.array([-0.1, 1.25]) + standing_offset(press, 0.95 * np.pi, HANDS)
    landing = push + flight_seconds(off, velocity, lambda _: np.array(arrival))
    keys = [*_run(board, speed), (board, hit), (leave, stretch), (first, press), (push, press)]
    position = {0: pose(hip=6, shoulder=40, elbow=100), 1: SHAPES[PIKE], 2: SHAPES[TUCK]}[trick.position]
    shape, opened = (
        loosened(position, elements),
        loosened(pose(hip=10, shoulder=70, arms=20), {**elements, "looseness": 0}),
    )
    keys += shape_keys(push, landing, (0.22, 0.68, 0.86, 1.0), (shape, shape, opened, landing_pose))
    keys += landing_keys(landing, elements)
    span = landing - push
    twists = [(0.0, 0.0), (push + 0.08 * span, 0.0), (push + 0.8 * span, np.pi * trick.twists)]
    phases = (
        Phase("contact", board, 0.1, ("pelvis",), ((0.0, -speed * board, 0.0), (board, 0.0, 0.0))),
        Phase("contact", leave, 0.3),
        Phase("flight", first, 0.66 * np.pi, velocity=(float(approach[0]), float(approach[1]))),
        Phase("contact", push, 0.95 * np.pi, HANDS),
        Phase("flight", landing, tilt, velocity=velocity),
        Phase("contact", landing + 0.3, upright + 0.4 * (tilt - upright), FEET),
        *settle(
            landing + 0.3,
            length,
            upright,
            elements,
            np.sign(elements["rotation"]) or 1.0,
            1.0 - 2.0 * (trick.twists % 2),
        ),
    )
    origin = (float(pelvis[0]), float(pelvis[1]))
    return Motion(keys, twists, phases, origin, 0.1, wobbling(elements, push + 0.1, landing, phase)), landing


def _run(board: float, speed: float) -> list[tuple[float, Array]]:
    """A running cycle of 0.15 s a step until the springboard."""
    count = int(board / 0.15)
    steps = []
    for step in range(count):
        sign = 1 if step % 2 else -1
        angles = pose(hip=18, knee=48, shoulder=25 * sign, elbow=75, toe=30, split=75 * sign)
        steps.append((board - 0.15 * (count - step), angles))
    return steps if steps and steps[0][0] <= 0.02 else [(0.0, STAND), *steps]


def landing_keys(landing: float, elements: Elements) -> list[tuple[float, Array]]:
    """Poses after touch-down: the worse the landing, the deeper the knees; hands to the ground; down on the seat."""
    fault = elements["landing"]
    depth = 30 + 75 * fault
    absorb = pose(hip=depth * 0.9, knee=depth, shoulder=80, toe=15, arms=30 * fault + 10)
    if fault > HAND_TOUCH:
        absorb = pose(hip=105, knee=95, shoulder=70, toe=15)
    if fault > FALL:
        seat = pose(hip=95, knee=60, shoulder=-30, toe=40)
        return [(landing + 0.22, absorb), (landing + 0.5, seat), (landing + 3, seat)]
    stride = pose(hip=12, knee=18, shoulder=60, toe=5, arms=50 * fault, split=55 * min(1.0, 1.6 * fault))
    return [
        (landing + 0.2, absorb),
        (landing + 0.42, stride),
        (landing + 0.6, pose(hip=5, shoulder=90, toe=5, split=8)),
        (landing + 0.85, STAND_REACH),
    ]


def settle(
    start: float, length: float, upright: float, elements: Elements, sense: float, facing: float
) -> tuple[Phase, ...]:
    """The last contact: steps in proportion to the landing fault; after a fall the athlete sits.

    Args:
        sense: direction of the steps, 1 to +x; facing: 1 looks to +x, -1 to -x, so that a fall goes backwards.
    """
    fault = elements["landing"]
    if fault > FALL:
        return (
            Phase("contact", start + 0.25, upright - 1.1 * facing),
            Phase("contact", length, upright - 1.2 * facing),
        )
    travel = 1.1 * sense * fault
    moves = ((start, 0.0, 0.0), (start + 0.18, 0.7 * travel, 0.0), (start + 0.45, travel, 0.0))
    return (Phase("contact", max(length, start + 0.1), upright, FEET, moves),)


def splash_height(elements: Elements) -> float:
    """Metres that the water is thrown up: 0.2 when ripped, 1.9 at worst."""
    return 0.2 + 1.7 * elements["splash"] / LARGEST["splash"]
