"""Simple labelled motions: the backbone's pre-training set, in the role that UCF-101 plays for the paper.

The classes need pose and motion to be told apart (a single frame does not show the sense of a somersault or a lag), and they
carry no score. Every nuisance (scene, camera, size, speed, other faults) varies inside each class.
"""

import numpy as np

from synthetic_athlete.animation import GRAVITY, Motion, Phase, animate, standing_offset
from synthetic_athlete.body import Array, pose
from synthetic_athlete.choreography import (
    LANDED,
    REACH,
    SHAPES,
    landing_keys,
    loosened,
    settle,
    shape_keys,
    wobbling,
)
from synthetic_athlete.dives import FREE, PIKE, TUCK
from synthetic_athlete.judging import Elements
from synthetic_athlete.scenes import DIVES, EVENTS, make_camera, make_scene
from synthetic_athlete.staging import Splash, Take

CLASSES = (
    "somersault_tuck_forward",
    "somersault_tuck_backward",
    "somersault_pike",
    "somersault_straight",
    "twist",
    "legs_split",
    "pair_together",
    "pair_apart",
    "entry_small_splash",
    "entry_large_splash",
    "landing_still",
    "landing_stumble",
)
RATE = 25.0
PLACES = {
    "diving": (1.2, 5.0),
    "gymvault": (3.2, 1.6),
    "skiing": (4.0, 4.0),
    "sync_diving_10m": (0.5, 5.0),
    "trampoline": (0.0, 1.6),
}
"""Where a free flight begins in each scene, metres."""


def mild(generator: np.random.Generator) -> Elements:
    """Elements with small faults, so that no class is drawn by a perfect body."""
    scale = generator.uniform(0, 0.3, 4)
    return {
        "split": 30 * scale[0],
        "looseness": 40 * scale[1],
        "wobble": 10 * scale[2],
        "rotation": 30 * (scale[3] - 0.15),
        "landing": 0.1,
    }


def stage_motion(name: str, seed: int, frames: int, size: tuple[int, int], generator: np.random.Generator) -> Take:
    """One video of a class; a pure function of its arguments."""
    elements = mild(generator)
    pair, entry, landing = (name.startswith(kind) for kind in ("pair", "entry", "landing"))
    splashes: tuple[Splash, ...] = ()
    if entry:
        action, (motions, splashes) = "diving", _entries(name, elements, frames / RATE, generator)
    elif landing:
        action = str(generator.choice(["gymvault", "trampoline"]))
        motions = [_landing(name, elements, frames / RATE, PLACES[action][0], generator)]
    else:
        action = "sync_diving_10m" if pair else str(generator.choice(["diving", "gymvault", "skiing", "trampoline"]))
        motions = _turning(name, elements, frames / RATE, PLACES[action], generator)
    return _film(action, motions, splashes, seed, frames, size, generator)


def _film(
    action: str,
    motions: list[Motion],
    splashes: tuple[Splash, ...],
    seed: int,
    frames: int,
    size: tuple[int, int],
    generator: np.random.Generator,
) -> Take:
    parts = [animate(motion, frames, RATE) for motion in motions]
    joints, centres, airborne = (np.stack(values, axis=1) for values in zip(*parts, strict=True))
    scene = make_scene(action, int(generator.integers(EVENTS[action])), seed, size[1])
    camera = make_camera(action, scene, centres.mean(axis=1), RATE, size, generator)
    skins = tuple(generator.uniform(0, 1, len(motions)).tolist())
    brightness = float(generator.uniform(0.82, 1.06))
    return Take(joints, centres, airborne, splashes, scene, camera, RATE, "none", action in DIVES, brightness, skins)


def _turning(
    name: str, elements: Elements, seconds: float, place: tuple[float, float], generator: np.random.Generator
) -> list[Motion]:
    """One or two bodies that turn in free flight from before the first frame to after the last."""
    shape = {
        "somersault_tuck_forward": SHAPES[TUCK],
        "somersault_tuck_backward": SHAPES[TUCK],
        "somersault_pike": SHAPES[PIKE],
        "twist": SHAPES[FREE],
    }.get(name, REACH if generator.random() < 0.5 else pose(shoulder=15))
    if name.startswith("pair"):
        shape = SHAPES[int(generator.choice([PIKE, TUCK]))]
    if name == "legs_split":
        shape = SHAPES[int(generator.choice([PIKE, TUCK]))] if generator.random() < 0.5 else shape
        elements = {**elements, "split": float(generator.uniform(32, 60))}
    sense = {"somersault_tuck_forward": 1.0, "somersault_tuck_backward": -1.0}.get(
        name, float(generator.choice([-1, 1]))
    )
    facing = float(generator.choice([0.0, np.pi]))
    sense = sense * (1.0 if facing == 0.0 else -1.0)  # forward is towards the front
    turns = float(generator.uniform(0.3, 0.6) if name == "twist" else generator.uniform(0.9, 2.2))
    twists = float(generator.uniform(1.5, 3.0) * generator.choice([-1, 1])) if name == "twist" else 0.0
    lag = (
        float(generator.uniform(0.16, 0.35) * generator.choice([-1, 1]))
        if name == "pair_apart"
        else float(generator.uniform(-0.015, 0.015))
    )
    start = float(generator.uniform(0, 2 * np.pi))
    count = 2 if name.startswith("pair") else 1
    return [
        _flight(
            loosened(shape, elements),
            elements,
            seconds,
            start,
            sense * turns * 2 * np.pi,
            facing,
            twists * 2 * np.pi,
            number * lag,
            (place[0] + 1.5 * number, place[1] + 0.12 * number),
        )
        for number in range(count)
    ]


def _flight(
    shape: Array,
    elements: Elements,
    seconds: float,
    tilt: float,
    turn: float,
    facing: float,
    twist: float,
    lag: float,
    place: tuple[float, float],
) -> Motion:
    """Free flight over the whole video, rising then falling; `lag` seconds delay turn and opening."""
    opened = loosened(REACH, {**elements, "looseness": 0.0})
    keys = [
        (0.0, opened),
        (0.22 * seconds + lag, shape),
        (0.78 * seconds + lag, shape),
        (seconds + max(lag, 0.0), opened),
    ]
    rate = turn / seconds
    phases = (Phase("flight", seconds, tilt + turn - rate * lag, velocity=(0.0, GRAVITY / 2 * seconds * 0.9)),)
    twists = [(0.0, facing), (seconds, facing + twist)]
    return Motion(keys, twists, phases, place, tilt - rate * lag, wobbling(elements, 0.0, seconds, 1.0))


def _entries(
    name: str, elements: Elements, seconds: float, generator: np.random.Generator
) -> tuple[list[Motion], tuple[Splash, ...]]:
    """A body falls head first into the water."""
    entry = float(generator.uniform(0.25, 0.5)) * seconds
    fault = float(generator.uniform(0.0, 0.25) if name == "entry_small_splash" else generator.uniform(0.6, 1.0))
    sense, facing = float(generator.choice([-1, 1])), float(generator.choice([0.0, np.pi]))
    end = np.pi + sense * np.radians(generator.uniform(0, 25))
    start = end - sense * float(generator.uniform(0.6, 2.0))
    line = loosened(REACH, elements)
    height = abs(standing_offset(line, end, ("left_hand", "right_hand"))[1])
    speed = float(generator.uniform(6, 11))
    rise = height + speed * entry - GRAVITY / 2 * entry**2  # height at the first frame for `speed` at entry
    velocity = (0.8, -(speed - GRAVITY * entry))
    x = float(generator.uniform(0.3, 1.5))
    keys = [
        (0.0, loosened(SHAPES[int(generator.choice([PIKE, TUCK]))], elements)),
        (0.6 * entry, line),
        (seconds, line),
    ]
    phases = (Phase("flight", entry, end, velocity=velocity), Phase("sink", seconds, end))
    motion = Motion(
        keys, [(0.0, facing), (seconds, facing)], phases, (x, rise), start, wobbling(elements, 0.0, entry, 1.0)
    )
    return [motion], (Splash(entry + 0.05, x + 0.8 * entry + 0.1, 0.0, 0.2 + 1.7 * fault),)


def _landing(name: str, elements: Elements, seconds: float, x: float, generator: np.random.Generator) -> Motion:
    """A body comes down on its feet and stands still, or stumbles and falls."""
    landing = float(generator.uniform(0.3, 0.45)) * seconds
    fault = float(generator.uniform(0.0, 0.15) if name == "landing_still" else generator.uniform(0.5, 1.0))
    elements = {**elements, "landing": fault}
    sense = float(generator.choice([-1, 1]))
    facing = float(generator.choice([0.0, np.pi]))
    end = np.radians(sense * generator.uniform(0, 8 + 15 * fault))
    start = end - sense * float(generator.uniform(0.8, 2.5))
    shape = loosened(SHAPES[int(generator.choice([PIKE, TUCK]))], elements)
    height = standing_offset(LANDED, end, ("left_ankle", "right_ankle"), facing)[1] + 0.08
    velocity = (float(generator.uniform(-1, 1)), float(generator.uniform(-2.0, 1.0)))
    rise = height - velocity[1] * landing + GRAVITY / 2 * landing**2
    keys = shape_keys(0.0, landing, (0.0, 0.3, 1.0), (shape, shape, LANDED)) + landing_keys(landing, elements)
    phases = (
        Phase("flight", landing, end, velocity=velocity),
        Phase("contact", landing + 0.25, 0.4 * end),
        *settle(landing + 0.25, seconds, 0.0, elements, sense, 1.0 if facing == 0.0 else -1.0),
    )
    return Motion(keys, [(0.0, facing), (seconds, facing)], phases, (x, rise), start)
