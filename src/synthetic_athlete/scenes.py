"""Scenes and cameras: what an event looks like and how it is filmed.

An event fixes palette, structures, camera placement and zoom; a sample's camera follows its athletes by the event's habits.
View variation follows AQA-7's Table 1: negligible for dives, small for trampoline, large for vault and big air.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from synthetic_athlete.aerials import INRUN, KNUCKLE, RUNOUT, snow_height
from synthetic_athlete.body import Array

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

EVENTS = {
    "diving": 6,
    "gymvault": 8,
    "skiing": 6,
    "snowboard": 6,
    "sync_diving_3m": 3,
    "sync_diving_10m": 3,
    "trampoline": 4,
}
"""Events an action's samples come from."""
HEIGHTS = {
    "diving": 3.7,
    "gymvault": 4.0,
    "skiing": 4.6,
    "snowboard": 4.6,
    "sync_diving_3m": 4.3,
    "sync_diving_10m": 4.3,
    "trampoline": 4.1,
}
"""Metres that a frame's height shows, before the event's zoom."""
EXTENTS = {
    "diving": (-5.0, 7.0, -2.5, 14.5),
    "sync_diving_10m": (-6.0, 8.0, -2.5, 14.5),
    "sync_diving_3m": (-6.0, 8.0, -2.5, 9.0),
    "gymvault": (-22.0, 14.0, -3.0, 8.5),
    "skiing": (-40.0, 46.0, -12.0, 14.0),
    "snowboard": (-40.0, 46.0, -12.0, 14.0),
    "trampoline": (-6.0, 6.0, -4.0, 9.0),
}
"""World rectangle of the backdrop: left, right, bottom, top, metres."""
DIVES = ("diving", "sync_diving_3m", "sync_diving_10m")
PARTNER = (1.45, 0.12)
"""Where the second synchronised diver stands relative to the first, metres in the picture."""


@dataclass(frozen=True)
class Scene:
    backdrop: Image
    pixels_per_metre: float
    extent: tuple[float, float, float, float]
    water: Image | None
    suits: tuple[Colour, Colour]
    trousers: Colour | None
    yaw: float
    """Radians the camera stands away from a pure side view."""
    mirror: float
    """-1 films from the other side."""
    zoom: float
    roll: float
    lag: float
    """Seconds by which the camera smooths the athlete's path."""


@dataclass(frozen=True)
class Camera:
    """Arrays over frames: centre (frames, 2) metres, scale (frames,) pixels a metre, roll (frames,) radians; yaw, mirror."""

    centre: Array
    scale: Array
    roll: Array
    yaw: float
    mirror: float
    size: tuple[int, int]

    def project(self, points: Array) -> Array:
        """World (frames, ..., 3) metres to pixels (frames, ..., 2), column and row."""
        shape = (-1, *[1] * (points.ndim - 2))
        x = self.mirror * (
            np.cos(self.yaw) * (points[..., 0] - self.centre[:, 0].reshape(shape)) + np.sin(self.yaw) * points[..., 2]
        )
        y = -(points[..., 1] - self.centre[:, 1].reshape(shape))
        sine, cosine, scale = (v.reshape(shape) for v in (np.sin(self.roll), np.cos(self.roll), self.scale))
        column = scale * (cosine * x - sine * y) + self.size[0] / 2
        return np.stack([column, scale * (sine * x + cosine * y) + self.size[1] / 2], axis=-1)

    def project_at(self, frame: int, points: Array) -> Array:
        """World points (..., 3) in metres to pixels (..., 2) at one frame."""
        span = slice(frame, frame + 1)
        one = Camera(self.centre[span], self.scale[span], self.roll[span], self.yaw, self.mirror, self.size)
        return one.project(points[None])[0]

    def backdrop_matrix(self, frame: int, scene: Scene) -> Array:
        """The 2 x 3 affine map from backdrop pixels to the frame's."""
        left, _, _, top = scene.extent
        corner, right, down = self.project_at(
            frame, np.array([[left, top, 0.0], [left + 1, top, 0.0], [left, top - 1, 0.0]])
        )
        return np.stack(
            [(right - corner) / scene.pixels_per_metre, (down - corner) / scene.pixels_per_metre, corner], axis=1
        )


def make_camera(
    action: str, scene: Scene, centre: Array, rate: float, size: tuple[int, int], generator: np.random.Generator
) -> Camera:
    """The camera of one sample.

    Args:
        centre: (frames, 2) mean centre of mass of the athletes, metres.
        size: frame width and height, pixels.
    """
    frames = len(centre)
    aside, above = generator.uniform(-0.25, 0.25), generator.uniform(-0.15, 0.15)
    base = size[1] / HEIGHTS[action] * scene.zoom
    smooth = gaussian_filter1d(centre, max(scene.lag * rate, 0.5), axis=0, mode="nearest")
    sway = gaussian_filter1d(generator.standard_normal((frames + 40, 3)), 10, axis=0)[20 : 20 + frames] * 4
    if action in DIVES:
        x = aside + (1.0 if action == "diving" else 1.3) + 0.02 * sway[:, 0]
        y = np.maximum(smooth[:, 1] + above, 0.85 + 0.5 * above) + 0.02 * sway[:, 1]
        scale, roll = np.full(frames, base), np.zeros(frames)
    elif action == "trampoline":
        x, y = 0.03 * sway[:, 0], np.maximum(smooth[:, 1], 0.9)
        scale, roll = base * (1 + 0.01 * sway[:, 2]), np.zeros(frames)
    else:
        x = smooth[:, 0] + aside + 0.07 * sway[:, 0]
        y = smooth[:, 1] + above + 0.07 * sway[:, 1] + (0.15 if action == "gymvault" else 0.0)
        first, last = generator.uniform(-0.08, 0.08, 2)
        drift = np.linspace(float(first), float(last), frames)
        scale, roll = base * (1 + drift + 0.01 * sway[:, 2]), scene.roll + 0.008 * sway[:, 2]
    return Camera(np.stack([x, y], axis=1), scale, roll, scene.yaw, scene.mirror, size)


@functools.lru_cache(maxsize=28)
def make_scene(action: str, event: int, seed: int, height: int) -> Scene:
    """The look and the camera placement of an event, for frames of `height` pixels; a pure function of its arguments."""
    generator = np.random.default_rng([seed, 7001, sorted(EVENTS).index(action), event])
    extent = EXTENTS[action]
    large = action in ("gymvault", "skiing", "snowboard")
    zoom = float(generator.uniform(0.92, 1.12) if large else generator.uniform(0.99, 1.01))
    yaw = float(generator.uniform(-0.5, 0.5) if large else 0.0)
    mirror = float(generator.choice([-1.0, 1.0]) if large else 1.0)
    roll = float(generator.uniform(-0.06, 0.06) if large else 0.0)
    lag = float(generator.uniform(0.1, 0.22) if large else 0.1)
    pixels = height / HEIGHTS[action] * zoom
    backdrop = PAINTERS[action](extent, pixels, generator)
    suits = [vivid(generator), vivid(generator)]
    trousers = vivid(generator) if action in ("skiing", "snowboard") else None
    if action in DIVES:
        suits[1] = suits[0]
    water = None
    if action in DIVES:
        water = water_tile(height, np.array([40, 110, 165]) + generator.integers(-20, 25, 3), generator)
    return Scene(backdrop, pixels, extent, water, (suits[0], suits[1]), trousers, yaw, mirror, zoom, roll, lag)


def vivid(generator: np.random.Generator) -> Colour:
    """A dark, saturated colour, so that athletes stand out from light backdrops."""
    hue = np.array([[[generator.integers(180), generator.integers(150, 230), generator.integers(60, 130)]]], np.uint8)
    red, green, blue = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return int(red), int(green), int(blue)


def canvas(
    extent: tuple[float, float, float, float],
    pixels: float,
    colour: ArrayLike,
    grain: float,
    generator: np.random.Generator,
) -> Image:
    """A backdrop of one colour with soft, coarse texture and a vertical gradient."""
    width, height = (int(np.ceil(v * pixels)) for v in (extent[1] - extent[0], extent[3] - extent[2]))
    coarse = generator.normal(0, grain, (max(2, height // 12), max(2, width // 12), 1)).astype(np.float32)
    texture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    gradient = np.linspace(12, -12, height, dtype=np.float32)[:, None, None]
    return np.asarray(np.clip(np.asarray(colour, np.float32) + gradient + texture, 0, 255), np.uint8)


def painter(image: Image, extent: tuple[float, float, float, float], pixels: float) -> Callable[..., None]:
    """A function that fills a polygon of world points (metres) with a colour."""

    def fill(points: object, colour: object) -> None:
        world = np.asarray(points, float)
        place = np.stack([(world[:, 0] - extent[0]) * pixels, (extent[3] - world[:, 1]) * pixels], axis=1)
        cv2.fillPoly(
            image, [np.round(place * 16).astype(np.int32)], tuple(float(v) for v in np.asarray(colour)), cv2.LINE_AA, 4
        )

    return fill


def crowd(image: Image, top: int, bottom: int, generator: np.random.Generator) -> None:
    """Spectators: speckle of muted colours between two rows."""
    rows, columns = max(1, (bottom - top) // 3), max(1, image.shape[1] // 3)
    people = generator.integers(90, 180, (rows, columns, 3)).astype(np.uint8)
    band = cv2.resize(people, (image.shape[1], max(1, bottom - top)), interpolation=cv2.INTER_LINEAR)
    image[top:bottom] = cv2.addWeighted(image[top:bottom], 0.7, band, 0.3, 0)


def row_of(extent: tuple[float, float, float, float], pixels: float, y: float) -> int:
    """The canvas row of a height in metres."""
    return int((extent[3] - y) * pixels)


def _paint_pool(extent: tuple[float, float, float, float], pixels: float, generator: np.random.Generator) -> Image:
    """A wall of tiles, stands, and the board or boards (left); water is drawn by the renderer."""
    colour = np.array([165, 185, 200]) + generator.integers(-25, 25, 3)
    image = canvas(extent, pixels, colour, 5, generator)
    row = functools.partial(row_of, extent, pixels)
    crowd(image, row(3.2), row(1.6), generator)
    for y in np.arange(0.0, extent[3], 1.1):
        cv2.line(image, (0, row(y)), (image.shape[1], row(y)), tuple(int(v) for v in colour - 22), 1, cv2.LINE_AA)
    fill = painter(image, extent, pixels)
    height = 3.0 if extent[3] < 10 else 10.0
    thick = 0.08 if height == 3.0 else 0.28
    slab = generator.integers(70, 130, 3)
    fill([(-5, height), (0.12, height), (0.12, height - thick), (-5, height - thick)], slab)
    fill([(-5, height), (-1.6, height), (-1.9, -2.5), (-5, -2.5)], slab - 20)
    if extent[0] == -6.0:  # the partner's board, further off
        x, y = PARTNER[0], height + PARTNER[1]
        fill([(x - 0.75, y), (x + 0.12, y), (x + 0.12, y - 0.7 * thick), (x - 0.75, y - 0.7 * thick)], slab + 15)
    return image


def _paint_gym(extent: tuple[float, float, float, float], pixels: float, generator: np.random.Generator) -> Image:
    """A hall: crowd, banners, runway, springboard, table (x = 0), landing mat."""
    image = canvas(extent, pixels, generator.integers(140, 215, 3), 6, generator)
    row = functools.partial(row_of, extent, pixels)
    crowd(image, row(6.5), row(2.2), generator)
    fill = painter(image, extent, pixels)
    for x in np.arange(extent[0], extent[1], 3.0):
        fill([(x, 2.1), (x + 2.6, 2.1), (x + 2.6, 1.2), (x, 1.2)], generator.integers(150, 225, 3))
    fill([(-22, 0), (14, 0), (14, -3), (-22, -3)], generator.integers(130, 200, 3))
    fill([(-22, 0), (-1.2, 0), (-1.2, -0.25), (-22, -0.25)], generator.integers(90, 150, 3))
    fill([(-2.5, 0.0), (-1.4, 0.22), (-1.4, 0.0)], (210, 190, 150))
    table = generator.integers(60, 120, 3)
    fill([(-0.5, 1.15), (0.45, 1.28), (0.5, 1.05), (0.15, 0.9), (0.15, 0), (-0.15, 0), (-0.15, 0.9)], table)
    fill([(1.0, 0.1), (9.0, 0.1), (9.0, -0.3), (1.0, -0.3)], generator.integers(80, 200, 3))
    return image


def _paint_snow(extent: tuple[float, float, float, float], pixels: float, generator: np.random.Generator) -> Image:
    """Sky, distant hills, in-run, kicker and landing slope; flags along the slope."""
    image = canvas(extent, pixels, np.array([130, 165, 205]) + generator.integers(-35, 25, 3), 5, generator)
    fill = painter(image, extent, pixels)
    x = np.linspace(extent[0], extent[1], 40)
    ridge = 0.25 * x * 0 - 0.1 * x + generator.uniform(-1.5, 2.0, 40)
    fill([*zip(x, ridge, strict=True), (extent[1], extent[2]), (extent[0], extent[2])], generator.integers(150, 190, 3))
    for place in generator.uniform(extent[0], extent[1], 60):
        y = np.interp(place, x, ridge)
        fill([(place - 0.5, y - 0.5), (place + 0.5, y - 0.5), (place, y + 1.6)], generator.integers(60, 110, 3))
    snow = np.array([232, 236, 242]) - generator.integers(0, 18, 3)
    slope = np.linspace(0.05, extent[1], 60)
    ground = [
        *INRUN,
        (0.05, 0.2),
        *zip(slope[2:], snow_height(slope)[2:], strict=True),
        (extent[1], extent[2]),
        (extent[0], extent[2]),
    ]
    fill(ground, snow)
    for place in np.arange(KNUCKLE, RUNOUT + 8, 2.0):
        y = float(snow_height(np.array(place)))
        fill(
            [(place, y - 0.1), (place + 0.12, y - 0.1), (place + 0.12, y - 0.6), (place, y - 0.6)],
            generator.integers(40, 160, 3),
        )
    fill([(-2.5, 0.55), (0.0, 1.5), (0.0, 1.0), (-2.5, 0.2)], generator.integers(60, 170, 3))
    return image


def _paint_trampoline(
    extent: tuple[float, float, float, float], pixels: float, generator: np.random.Generator
) -> Image:
    """A hall with wall stripes that show height, the frame and the legs of the trampoline."""
    colour = generator.integers(150, 215, 3)
    image = canvas(extent, pixels, colour, 5, generator)
    row = functools.partial(row_of, extent, pixels)
    crowd(image, row(2.6), row(0.6), generator)
    fill = painter(image, extent, pixels)
    for y in np.arange(3.2, extent[3], 1.3):
        fill([(-6, y), (6, y), (6, y - 0.25), (-6, y - 0.25)], colour - 30)
    fill([(-6, -1.2), (6, -1.2), (6, -4), (-6, -4)], generator.integers(90, 150, 3))
    fill([(-2.6, 0.02), (2.6, 0.02), (2.6, -0.16), (-2.6, -0.16)], generator.integers(40, 90, 3))
    for x in (-2.3, 2.2):
        fill([(x, 0), (x + 0.12, 0), (x + 0.12, -1.3), (x, -1.3)], (70, 70, 80))
    return image


def water_tile(height: int, colour: NDArray[np.int64], generator: np.random.Generator) -> Image:
    """A tile of rippled water, four frames wide, that the renderer slides to make waves."""
    coarse = generator.normal(0, 16, (height // 4, height // 2, 1)).astype(np.float32)
    ripples = cv2.resize(coarse, (height * 4, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.asarray(np.clip(colour.astype(np.float32) + ripples, 0, 255), np.uint8)


PAINTERS: dict[str, Callable[[tuple[float, float, float, float], float, np.random.Generator], Image]] = {
    **dict.fromkeys(DIVES, _paint_pool),
    "gymvault": _paint_gym,
    "skiing": _paint_snow,
    "snowboard": _paint_snow,
    "trampoline": _paint_trampoline,
}
