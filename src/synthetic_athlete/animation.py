"""From key poses and phases of contact and flight to joints in metres.

The motion is evaluated on a grid finer than the video (SUBSTEPS a frame). In flight the centre of mass follows a parabola
under gravity and the body turns with constant angular momentum: tilt rate ~ 1 / moment of inertia, so that a tighter tuck
turns faster, as it must.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from synthetic_athlete import body
from synthetic_athlete.body import Array

GRAVITY = 9.81  # m/s^2
SUBSTEPS = 6  # grid points a video frame
FEET = ("left_ankle", "right_ankle")
HANDS = ("left_hand", "right_hand")


@dataclass(frozen=True)
class Phase:
    kind: str
    """contact: `anchor` joints stay put, plus `moves`; flight: ballistic; sink: slowed by water."""
    end: float
    """Seconds from the start of the video."""
    tilt: float = 0.0
    """Tilt at the end, radians; see body.orient."""
    anchor: tuple[str, ...] = FEET
    moves: tuple[tuple[float, float, float], ...] = ()
    """Key displacements of the anchor: (seconds from the video's start, x, y) in metres, linear between keys."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """Of the centre of mass at the start of a flight, m/s."""


@dataclass(frozen=True)
class Motion:
    """One athlete's whole motion."""

    keys: Sequence[tuple[float, Array]]
    """(seconds, pose) with rising seconds; eased in between."""
    twists: Sequence[tuple[float, float]]
    """(seconds, radians); eased in between."""
    phases: Sequence[Phase]
    origin: tuple[float, float]
    """Where the first phase's anchor starts, or the centre of mass where that phase is a flight, metres."""
    tilt: float = 0.0
    """Tilt at the start, radians."""
    wobble: Callable[[Array], Array] | None = field(default=None)
    """Optional pose disturbance, (times,) -> (times, 8) degrees."""


def ease(times: Array, knots: Sequence[float], values: Array) -> Array:
    """Interpolate (knots, ...) values at `times` with zero velocity at each knot (3 u^2 - 2 u^3); constant outside."""
    knots_array, values = np.asarray(knots, float), np.asarray(values, float)
    right = np.clip(np.searchsorted(knots_array, times, side="right"), 1, len(knots_array) - 1)
    span = np.maximum(knots_array[right] - knots_array[right - 1], 1e-9)
    u = np.clip((times - knots_array[right - 1]) / span, 0, 1)
    weight = (u * u * (3 - 2 * u)).reshape(-1, *[1] * (values.ndim - 1))
    return values[right - 1] * (1 - weight) + values[right] * weight


def animate(motion: Motion, frames: int, rate: float) -> tuple[Array, Array, Array]:
    """Evaluate a motion at the video's frames.

    Args:
        frames, rate: number of frames, frames a second.

    Returns:
        joints (frames, 17, 3) and centre of mass (frames, 2) in metres; airborne (frames,) 1 in flight, else 0.
    """
    times = np.arange(frames * SUBSTEPS) / (rate * SUBSTEPS)
    poses = ease(times, [second for second, _ in motion.keys], np.array([angles for _, angles in motion.keys]))
    if motion.wobble is not None:
        poses = poses + motion.wobble(times)
    shape = body.body_joints(poses)
    ends = [min(round(phase.end * rate * SUBSTEPS), len(times) - 1) for phase in motion.phases]
    ends[-1] = len(times) - 1
    tilt = _tilts(shape, motion, ends)
    twist = ease(times, [second for second, _ in motion.twists], np.array([angle for _, angle in motion.twists]))
    turned = body.orient(shape, tilt, twist)
    joints, airborne = _place(turned, times, motion, ends)
    return joints[::SUBSTEPS], body.centre_of_mass(joints)[::SUBSTEPS, :2], airborne[::SUBSTEPS]


def _tilts(shape: Array, motion: Motion, ends: Sequence[int]) -> Array:
    """Tilt on the grid: eased in contact, constant angular momentum in flight."""
    tilt, start, angle = np.empty(len(shape)), 0, motion.tilt
    speed = 1 / body.transverse_inertia(shape)
    for phase, end in zip(motion.phases, ends, strict=True):
        if end > start:
            if phase.kind == "flight":
                path = np.concatenate([[0.0], np.cumsum((speed[start:end] + speed[start + 1 : end + 1]) / 2)])
                path = path / path[-1]
            else:
                u = np.linspace(0, 1, end - start + 1)
                path = u * u * (3 - 2 * u)
            tilt[start : end + 1] = angle + (phase.tilt - angle) * path
        start, angle = end, phase.tilt
    tilt[start:] = angle
    return tilt


def _place(turned: Array, times: Array, motion: Motion, ends: Sequence[int]) -> tuple[Array, Array]:
    """Move the turned body phase by phase, each beginning where the one before ended."""
    joints, airborne = turned.copy(), np.zeros(len(turned))
    centre = body.centre_of_mass(turned)[:, :2]
    start, shift = 0, np.asarray(motion.origin) - centre[0]
    velocity = np.zeros(2)
    for number, (phase, end) in enumerate(zip(motion.phases, ends, strict=True)):
        if end < start or (end == start and number):
            continue
        span = slice(start, end + 1)
        seconds = (times[span] - times[start])[:, None]
        if phase.kind == "contact":
            anchor = turned[span][:, [body.INDEX[name] for name in phase.anchor], :2].mean(axis=1)
            origin = np.asarray(motion.origin) if number == 0 else anchor[0] + shift
            offset = origin + _displacement(times[span], phase) - anchor
        elif phase.kind == "flight":
            airborne[span] = 1
            velocity = np.asarray(phase.velocity)
            fall = np.array([0.0, -GRAVITY / 2])
            offset = centre[start] + shift + velocity * seconds + fall * seconds**2 - centre[span]
            velocity = velocity + 2 * fall * seconds[-1]
        else:  # exponential slowing with a time constant of 0.35 s
            offset = centre[start] + shift + velocity * 0.35 * (1 - np.exp(-seconds / 0.35)) - centre[span]
        joints[span, :, :2] = turned[span, :, :2] + offset[:, None]
        start, shift = end, offset[-1]
    return joints, airborne


def _displacement(times: Array, phase: Phase) -> Array:
    """(times, 2) metres, from the phase's keys."""
    if not phase.moves:
        return np.zeros((len(times), 2))
    seconds, x, y = np.array(phase.moves).T
    return np.stack([np.interp(times, seconds, x), np.interp(times, seconds, y)], axis=1)


def standing_offset(angles: Array, tilt: float, anchor: tuple[str, ...] = FEET, twist: float = 0.0) -> Array:
    """Vector (2,) from the anchor's middle to the centre of mass of a body in this pose and tilt, metres."""
    turned = body.orient(body.body_joints(angles[None]), np.array([tilt]), np.array([twist]))
    middle = turned[0, [body.INDEX[name] for name in anchor], :2].mean(axis=0)
    return np.asarray(body.centre_of_mass(turned)[0, :2] - middle)


def flight_seconds(start: Array, velocity: tuple[float, float], arrival: Callable[[Array], Array]) -> float:
    """Seconds until a centre of mass that starts at `start` (2,) falls to the height `arrival(x)`, after its apex."""
    seconds = np.arange(0, 6, 0.002)
    x = start[0] + velocity[0] * seconds
    y = start[1] + velocity[1] * seconds - GRAVITY / 2 * seconds**2
    down = seconds * GRAVITY > velocity[1]
    return float(seconds[np.argmax(down & (y <= arrival(x)))])
