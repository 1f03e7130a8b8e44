"""A performance on its stage: timing, motions of all athletes, splashes, scene and camera of one sample.

Nuisances (length, event, camera, timing, suits) are drawn from generators of their own, so none of them can know the score.
"""

from dataclasses import dataclass

import numpy as np

from synthetic_athlete.aerials import CONTACT, big_air, trampoline
from synthetic_athlete.animation import Motion, animate
from synthetic_athlete.body import INDEX, Array
from synthetic_athlete.choreography import dive, splash_height, vault
from synthetic_athlete.judging import FALL, Performance, bounce_seconds
from synthetic_athlete.scenes import DIVES, PARTNER, Camera, Scene, make_camera, make_scene

FRAMES_PER_SECOND = 25.0
MEAN_LENGTHS = {
    "diving": 97,
    "gymvault": 87,
    "skiing": 132,
    "snowboard": 122,
    "sync_diving_3m": 156,
    "sync_diving_10m": 105,
    "trampoline": 634,
}
"""AQA-7, Table 1: mean sequence lengths in frames."""
PREPARATION = 4.9
"""Seconds of the trampolinist's jumps before and after the routine."""
AFTER = {"gymvault": (0.85, 1.15), "skiing": (0.95, 1.25), "snowboard": (0.95, 1.25), "trampoline": (0.9, 1.6)}
"""Seconds filmed after landing, least and most; dives: 0.75 to 1.25 after entry."""


@dataclass(frozen=True)
class Splash:
    second: float
    x: float
    y: float
    height: float
    """Metres that the highest drops rise."""
    spread: float = 0.45
    """Tangent of the outermost drops' angle."""


@dataclass(frozen=True)
class Take:
    """All that the renderer needs. Arrays over (frames, athletes, ...)."""

    joints: Array
    """(frames, athletes, 17, 3) metres."""
    centres: Array
    """(frames, athletes, 2) centres of mass, metres."""
    airborne: Array
    """(frames, athletes) 1 in flight."""
    splashes: tuple[Splash, ...]
    scene: Scene
    camera: Camera
    rate: float
    gear: str
    """none, skis or board."""
    water: bool
    brightness: float
    skins: tuple[float, ...]
    """Skin tone of each athlete, 0 light to 1 dark."""
    girth: float = 1.0
    """Multiple of the limbs' half widths."""


def video_frames(action: str, length: float, generator: np.random.Generator) -> int:
    """Frames of a sample: Table 1's mean, times `length`, give or take 6 %."""
    return max(16, round(MEAN_LENGTHS[action] * length * generator.uniform(0.94, 1.06)))


def stage(
    performance: Performance,
    event: int,
    seed: int,
    length: float,
    size: tuple[int, int],
    generator: np.random.Generator,
) -> Take:
    """Set a performance in scene.

    Args:
        event: index of the event, see scenes.EVENTS.
        length: multiple of Table 1's lengths; the action's seconds stay, the frame rate changes with it.
        size: frame width and height, pixels.
        generator: for the nuisances of this sample.
    """
    action = performance.action
    rate = FRAMES_PER_SECOND * length
    frames = video_frames(action, length, generator)
    after = generator.uniform(*AFTER.get(action, (0.75, 1.25)))
    phase = float(generator.uniform(0, 2 * np.pi))
    motions, splashes = _motions(performance, frames / rate, after, phase)
    parts = [animate(motion, frames, rate) for motion in motions]
    joints, centres, airborne = (np.stack(values, axis=1) for values in zip(*parts, strict=True))
    if len(motions) == 2:
        joints[:, 1, :, 2] -= 0.5
    scene = make_scene(action, event, seed, size[1])
    camera = make_camera(action, scene, centres.mean(axis=1), rate, size, generator)
    gear = {"skiing": "skis", "snowboard": "board"}.get(action, "none")
    skins = tuple(generator.uniform(0, 1, len(motions)).tolist())
    brightness = float(generator.uniform(0.82, 1.06))
    return Take(joints, centres, airborne, splashes, scene, camera, rate, gear, action in DIVES, brightness, skins)


def _motions(
    performance: Performance, seconds: float, after: float, phase: float
) -> tuple[list[Motion], tuple[Splash, ...]]:
    """Motions of all athletes, timed so that the last landing comes `after` seconds before the end."""
    action, elements = performance.action, performance.athletes[0]
    if action in DIVES:
        return dives(performance, 3.0 if action == "sync_diving_3m" else 10.0, seconds, after, phase)
    if action == "gymvault":
        trick = performance.tricks[0]
        _, landing = vault(trick, elements, 1.0, seconds, 7.0, phase)
        motion, _ = vault(trick, elements, max(0.1, seconds - after - landing + 1.0), seconds, 7.0, phase)
        return [motion], ()
    if action == "trampoline":
        routine = sum(bounce_seconds(skill["lowness"]) + CONTACT for skill in performance.skills)
        begin = min(max(0.6, seconds - after - routine - PREPARATION), 5.0)  # who breaks off early stands and waits
        return [trampoline(performance.tricks, performance.skills, begin, seconds, phase)[0]], ()
    trick, board = performance.tricks[0], action == "snowboard"
    _, landing = big_air(trick, elements, 1.0, seconds, phase, board)
    takeoff = max(0.5, seconds - after - landing + 1.0)
    motion, landing = big_air(trick, elements, takeoff, seconds, phase, board)
    x, y = landing_place(motion, landing, seconds)
    height = 0.25 + 0.9 * elements["landing"] + 0.6 * (elements["landing"] > FALL)
    return [motion], (Splash(landing, x, y, height, 0.8),)


def landing_place(motion: Motion, landing: float, seconds: float) -> tuple[float, float]:
    """Where the feet touch down, metres."""
    joints, _, _ = animate(motion, int(seconds * 25), 25.0)
    frame = min(int(landing * 25) + 1, len(joints) - 1)
    x, y = joints[frame, [INDEX["left_ankle"], INDEX["right_ankle"]], :2].min(axis=0)
    return float(x), float(y)


def dives(
    performance: Performance, height: float, seconds: float, after: float, phase: float
) -> tuple[list[Motion], tuple[Splash, ...]]:
    """One diver's motion, or two divers', from a board at `height` metres; the first enters `after` seconds before the end."""
    drift = 1.05 if performance.action == "diving" else 0.6
    assert performance.dive is not None
    motions, splashes = [], []
    for number, elements in enumerate(performance.athletes):
        x, y = (-0.02, 0.0) if number == 0 else (PARTNER[0] - 0.02, PARTNER[1])
        lag = elements.get("lag", 0.0)
        _, entry = dive(performance.dive, elements, 1.0, height, x, y, seconds, phase, drift)
        if number == 0:
            takeoff = max(0.3, seconds - after - entry + 1.0)
        motion, entry = dive(performance.dive, elements, takeoff + lag, height, x, y, seconds, phase + number, drift)
        motions.append(motion)
        splashes.append(Splash(entry + 0.05, x + drift * (entry - takeoff - lag) + 0.1, y, splash_height(elements)))
    return motions, tuple(splashes)
