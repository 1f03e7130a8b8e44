"""The pools of the broadcasts: what an event looks like and how its camera follows the divers.

Unlike AQA-7's dives, which come from one camera place, MTL-AQA's events differ in everything but the sport (its Sec. 3), so
here wall, stands, tower, water, side, angle, zoom and the camera's habits are the event's own.
"""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from synthetic_athlete.body import Array
from synthetic_athlete.scenes import (
    PARTNER,
    Camera,
    Colour,
    Image,
    Scene,
    canvas,
    crowd,
    painter,
    row_of,
    vivid,
    water_tile,
)

FRAME_HEIGHTS = (3.4, 4.5)
"""Metres that a frame's height shows, one diver and two, before the event's zoom."""
WALLS = ("tiles", "panels", "windows", "banners")
Extent = tuple[float, float, float, float]


@functools.lru_cache(maxsize=2)
def make_pool(event: int, seed: int, metres: int, pair: bool, height: int) -> Scene:
    """The look and the camera placement of an event, for frames of `height` pixels; a pure function of its arguments.

    Args:
        metres: height of the board; pair: whether there is a second board.
    """
    generator = np.random.default_rng([seed, 7002, event])
    extent = (-6.0, 8.0, -2.5, 14.5 if metres == 10 else 8.0)
    zoom = float(generator.uniform(0.93, 1.12))
    yaw = float(generator.uniform(-0.35, 0.35))
    mirror = float(generator.choice([-1.0, 1.0]))
    roll, lag = float(generator.uniform(-0.03, 0.03)), float(generator.uniform(0.06, 0.14))
    pixels = height / FRAME_HEIGHTS[pair] * zoom
    backdrop = paint_pool(extent, pixels, metres, pair, generator)
    tint = hsv(int(generator.integers(88, 112)), int(generator.integers(130, 220)), int(generator.integers(110, 190)))
    water = water_tile(height, np.array(tint), generator)
    suit = vivid(generator)
    return Scene(backdrop, pixels, extent, water, (suit, suit), None, yaw, mirror, zoom, roll, lag)


def hsv(hue: int, saturation: int, value: int) -> Colour:
    """RGB of OpenCV's hue (0 to 179), saturation and value (0 to 255)."""
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return int(red), int(green), int(blue)


def paint_pool(extent: Extent, pixels: float, metres: int, pair: bool, generator: np.random.Generator) -> Image:
    """A wall with stands and one of WALLS, and the board or boards at the left; water is drawn by the renderer."""
    wall = np.array(
        hsv(int(generator.integers(180)), int(generator.integers(10, 90)), int(generator.integers(150, 225)))
    )
    image = canvas(extent, pixels, wall, 5, generator)
    low = float(generator.uniform(0.6, 1.8))
    high = low + float(generator.uniform(1.0, 2.2))
    crowd(image, row_of(extent, pixels, high), row_of(extent, pixels, low), generator)
    _decorate(image, extent, pixels, wall, high, str(generator.choice(WALLS)), generator)
    tower = np.array(
        hsv(int(generator.integers(180)), int(generator.integers(0, 140)), int(generator.integers(60, 130)))
    )
    _paint_tower(image, extent, pixels, metres, tower, generator)
    if pair:  # the partner's board, further off
        x, y, thick = PARTNER[0], metres + PARTNER[1], 0.06 if metres == 3 else 0.2
        painter(image, extent, pixels)(
            [(x - 0.75, y), (x + 0.12, y), (x + 0.12, y - thick), (x - 0.75, y - thick)], np.clip(tower + 18, 0, 255)
        )
    return image


def _decorate(
    image: Image,
    extent: Extent,
    pixels: float,
    wall: NDArray[np.int64],
    above: float,
    kind: str,
    generator: np.random.Generator,
) -> None:
    """Fill the wall above the stands."""
    fill = painter(image, extent, pixels)
    left, right, _, top = extent
    step = float(generator.uniform(0.9, 2.2))
    if kind == "tiles":
        for y in np.arange(0.0, top, step):
            row = row_of(extent, pixels, y)
            cv2.line(image, (0, row), (image.shape[1], row), tuple(int(v) for v in wall - 22), 1, cv2.LINE_AA)
    elif kind == "panels":
        for x in np.arange(left, right, 2 * step):
            fill([(x, above), (x + step, above), (x + step, top), (x, top)], np.clip(wall - 16, 0, 255))
    elif kind == "windows":
        for x in np.arange(left, right, 2.4):
            for y in np.arange(above + 0.6, top, 2.6):
                fill([(x, y), (x + 1.7, y), (x + 1.7, y + 1.6), (x, y + 1.6)], np.clip(wall + 25, 0, 245))
    else:
        for x in np.arange(left, right, 3.2):
            for y in np.arange(above + 0.3, top, 3.0):
                colour = hsv(int(generator.integers(180)), int(generator.integers(40, 130)), 205)
                fill([(x, y), (x + 2.5, y), (x + 2.5, y + 0.8), (x, y + 0.8)], colour)


def _paint_tower(
    image: Image,
    extent: Extent,
    pixels: float,
    metres: int,
    colour: NDArray[np.int64],
    generator: np.random.Generator,
) -> None:
    """The board that dives start from, what it rests on, the platforms below it and a railing."""
    fill = painter(image, extent, pixels)
    left = extent[0]
    edge, pillar = float(generator.uniform(-2.4, -1.2)), float(generator.uniform(0.6, 1.6))
    fill([(edge - pillar, metres), (edge, metres), (edge - 0.2, -2.5), (edge - pillar - 0.2, -2.5)], colour - 15)
    for y in (5.0, 7.5) if metres == 10 else (1.0,):
        reach = float(generator.uniform(-1.2, -0.5))
        fill([(left, y), (reach, y), (reach, y - 0.22), (left, y - 0.22)], np.clip(colour + 10, 0, 255))
    thick = 0.08 if metres == 3 else 0.28
    fill([(left, metres), (0.12, metres), (0.12, metres - thick), (left, metres - thick)], colour)
    for x in np.arange(left, -1.3, float(generator.uniform(0.5, 1.1))):
        fill([(x, metres), (x + 0.05, metres), (x + 0.05, metres + 0.95), (x, metres + 0.95)], colour + 40)
    fill([(left, metres + 0.95), (-1.3, metres + 0.95), (-1.3, metres + 0.88), (left, metres + 0.88)], colour + 40)


def follow(
    scene: Scene, centre: Array, rate: float, size: tuple[int, int], pair: bool, generator: np.random.Generator
) -> Camera:
    """The camera of one dive: near, and after the divers at every moment, but never below the water.

    Args:
        centre: (frames, 2) mean centre of mass of the divers, metres.
        size: frame width and height, pixels.
    """
    frames = len(centre)
    aside, above = generator.uniform(-0.2, 0.2), generator.uniform(-0.12, 0.12)
    first, last = generator.uniform(-0.04, 0.04, 2)
    sway = gaussian_filter1d(generator.standard_normal((frames + 40, 3)), 10, axis=0)[20 : 20 + frames] * 4
    smooth = gaussian_filter1d(centre, max(scene.lag * rate, 0.5), axis=0, mode="nearest")
    x = smooth[:, 0] + aside + 0.03 * sway[:, 0]
    y = np.maximum(smooth[:, 1] + above, 0.75 + 0.5 * above) + 0.02 * sway[:, 1]
    scale = size[1] / FRAME_HEIGHTS[pair] * scene.zoom * (1 + np.linspace(float(first), float(last), frames))
    roll = scene.roll + 0.004 * sway[:, 2]
    return Camera(np.stack([x, y], axis=1), scale, roll, scene.yaw, scene.mirror, size)
