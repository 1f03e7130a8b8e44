"""The shots that a broadcast is cut from: a dive, its replay in slow motion, the empty pool.

Everything that is not the label (length, timing, camera, suits, light, gaps, which dives are replayed) comes from generators
of its own, drawn in the same order whatever the label is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from synthetic_athlete.animation import Motion, animate
from synthetic_athlete.judging import Performance
from synthetic_athlete.pools import follow, make_pool
from synthetic_athlete.programme import EVENTS, NUISANCES, generator, label
from synthetic_athlete.scenes import Camera, Scene, vivid
from synthetic_athlete.staging import FRAMES_PER_SECOND, Splash, Take, dives

LENGTH = (4.65, 0.10, 0.18)
"""Logarithm of MTL-AQA's lengths in frames: mean, standard deviation between events and within them."""
LONGEST = 200  # frames; of MTL-AQA's dives, 0.5 % are longer
SHORTEST = {3: 62, 10: 74}
"""Frames at `length` 1 that hold the flight from this height and half a second after it."""
REPLAYS = 2  # most replays an event
SLOW = 2.0  # times slower


@dataclass(frozen=True)
class Request:
    """One event's broadcast."""

    event: int
    dives: int
    seed: int
    size: tuple[int, int]
    """Frame width and height, pixels."""
    length: float
    """Multiple of MTL-AQA's lengths; the dive's seconds stay, the frame rate changes with it."""
    window: int
    """Frames that the clips take of a dive, the last of them its end_frame."""
    shift: int
    """Frames that a clip may begin earlier or later."""

    @property
    def rate(self) -> float:
        return FRAMES_PER_SECOND * self.length

    @property
    def scene(self) -> Scene:
        about = EVENTS[self.event]
        return make_pool(self.event, self.seed, about.height, about.synchronised, self.size[1])


@dataclass(frozen=True)
class Shot:
    take: Take
    dive: int = 0
    """The dive that it shows as a sample, from 1; 0 for what lies between."""
    start: int = 0
    """First and last frame of the sample within the shot."""
    end: int = 0
    motions: tuple[Motion, ...] = ()


def shots(request: Request) -> Iterator[Shot]:
    """A whole broadcast in order: the empty pool, then dive after dive with something between, the empty pool."""
    random = generator(request.seed, NUISANCES, request.event)
    habit = float(random.normal(0, LENGTH[1]))
    replayed = set(random.integers(1, request.dives + 1, int(random.integers(1, REPLAYS + 1))).tolist())
    yield empty_pool(request, int(random.integers(8, 20)), random)
    for dive in range(1, request.dives + 1):
        own = generator(request.seed, NUISANCES, request.event, dive)
        shot = film_dive(request, dive, label(request.event, dive, request.seed), habit, own)
        yield shot
        yield empty_pool(request, int(own.integers(4, 14)), own)
        if dive in replayed:
            yield replay(request, shot, own)
            yield empty_pool(request, int(own.integers(4, 14)), own)
    yield empty_pool(request, request.window + request.shift, random)


def dive_frames(height: int, habit: float, length: float, random: np.random.Generator) -> int:
    """Frames from start_frame to end_frame, both included."""
    drawn = np.exp(LENGTH[0] + habit + LENGTH[2] * random.standard_normal())
    return round(float(np.clip(drawn, SHORTEST[height], LONGEST)) * length)


def film_dive(request: Request, dive: int, performance: Performance, habit: float, random: np.random.Generator) -> Shot:
    """The live shot of a dive: long enough for every window that ends within `shift` frames of its end.

    Args:
        habit: how much longer the event's dives are, logarithm; random: of the dive's nuisances.
    """
    about, rate = EVENTS[request.event], request.rate
    frames = dive_frames(about.height, habit, request.length, random)
    spare = SHORTEST[about.height] / FRAMES_PER_SECOND
    after = float(random.uniform(0.65, min(1.15, 0.65 + max(0.0, frames / rate - spare))))
    before, behind = random.integers(0, 7, 2).tolist()
    lead = max(frames, request.window + request.shift) + before
    total = lead + request.shift + 1 + behind
    phase = float(random.uniform(0, 2 * np.pi))
    seconds, rest = total / rate, (total - lead) / rate
    motions, splashes = dives(performance, float(about.height), seconds, after + rest, phase)
    take = film(request, performance, motions, splashes, total, random)
    return Shot(take, dive, lead - frames, lead - 1, tuple(motions))


def film(
    request: Request,
    performance: Performance,
    motions: list[Motion],
    splashes: tuple[Splash, ...],
    frames: int,
    random: np.random.Generator,
) -> Take:
    joints, centres, airborne = animate_all(motions, frames, request.rate)
    scene = replace(request.scene, suits=(vivid(random),) * 2)
    camera = follow(scene, centres.mean(axis=1), request.rate, request.size, len(motions) == 2, random)
    tones = tuple(random.uniform(0, 1, 2).tolist())
    brightness = float(random.uniform(0.85, 1.06))
    girth = 0.94 if EVENTS[request.event].gender == "female" else 1.03
    return Take(
        joints, centres, airborne, splashes, scene, camera, request.rate, "none", True, brightness, tones, girth
    )


def animate_all(motions: list[Motion], frames: int, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints, centres of mass and flight of all divers; a partner stands further from the camera."""
    parts = [animate(motion, frames, rate) for motion in motions]
    joints, centres, airborne = (np.stack(values, axis=1) for values in zip(*parts, strict=True))
    if len(motions) == 2:
        joints[:, 1, :, 2] -= 0.5
    return joints, centres, airborne


def replay(request: Request, shot: Shot, random: np.random.Generator) -> Shot:
    """The dive again, slowly, from the other side and from nearer; from take-off until the water has fallen back."""
    take, rate = shot.take, SLOW * request.rate
    joints, centres, airborne = animate_all(list(shot.motions), round(SLOW * len(take.joints)), rate)
    flying = np.flatnonzero(airborne.max(axis=1))
    span = slice(max(0, int(flying[0] - 0.2 * rate)), int(flying[-1] + 0.5 * rate))
    begin = span.start / rate
    turn = float(random.uniform(0.3, 0.6))
    scene = replace(take.scene, mirror=-take.scene.mirror, yaw=turn, zoom=1.1 * take.scene.zoom)
    pair = joints.shape[1] == 2
    camera = follow(scene, centres[span].mean(axis=1), rate, request.size, pair, random)
    splashes = tuple(replace(splash, second=splash.second - begin) for splash in take.splashes)
    return Shot(
        replace(
            take,
            joints=joints[span],
            centres=centres[span],
            airborne=airborne[span],
            splashes=splashes,
            scene=scene,
            camera=camera,
            rate=rate,
        )
    )


def empty_pool(request: Request, frames: int, random: np.random.Generator) -> Shot:
    """Nobody: the camera drifts along the water or up at the board."""
    about, scene = EVENTS[request.event], request.scene
    x, drift = random.uniform(-1.5, 3.0), random.uniform(-1.0, 1.0)
    y = float(random.choice([0.9, 0.6 * about.height, about.height + 0.8]))
    centre = np.stack([np.linspace(x, x + drift, frames), np.full(frames, y)], axis=1)
    pixels = request.size[1] / random.uniform(4.0, 6.0) * np.ones(frames)
    camera = Camera(centre, pixels, np.full(frames, scene.roll), scene.yaw, scene.mirror, request.size)
    nobody = np.zeros((frames, 0, 17, 3))
    brightness = float(random.uniform(0.85, 1.06))
    return Shot(
        Take(
            nobody, nobody[..., 0, :2], nobody[..., 0, 0], (), scene, camera, request.rate, "none", True, brightness, ()
        )
    )
