"""Drawing: a take to RGB frames. Anti-aliased OpenCV polygons with 1/16 pixel positions over the event's moving backdrop."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from synthetic_athlete.body import INDEX, Array
from synthetic_athlete.scenes import Colour, Image
from synthetic_athlete.staging import Splash, Take

SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates
FIXED = 1 << SHIFT
DROPS = 64  # most drops of a splash

# (part, from, to, half widths at both ends in metres)
LIMBS: tuple[tuple[str, str, str, float, float], ...] = (
    ("trunk", "pelvis", "neck", 0.125, 0.15),
    *(
        (f"{side}_{part}", f"{side}_{start}", f"{side}_{end}", wide, narrow)
        for side in ("left", "right")
        for part, start, end, wide, narrow in (
            ("arm", "shoulder", "elbow", 0.058, 0.048),
            ("arm", "elbow", "hand", 0.048, 0.036),
            ("leg", "hip", "knee", 0.092, 0.066),
            ("leg", "knee", "ankle", 0.066, 0.046),
            ("leg", "ankle", "toe", 0.044, 0.03),
        )
    ),
)
_FROM = np.array([INDEX[limb[1]] for limb in LIMBS])
_TO = np.array([INDEX[limb[2]] for limb in LIMBS])
_WIDTHS = np.array([limb[3:] for limb in LIMBS], dtype=float)
_ARC = np.linspace(-np.pi / 2, np.pi / 2, 5)


def capsules(starts: Array, ends: Array, half_widths: Array) -> NDArray[np.int32]:
    """Outlines of tapered segments with round ends.

    Args:
        starts, ends: (..., 2) pixels; half_widths: (..., 2) pixels at start and end.

    Returns:
        (..., 10, 2) fixed-point pixels for OpenCV's `shift`.
    """
    delta = ends - starts
    angle = np.arctan2(delta[..., 1], delta[..., 0])[..., None]
    front = np.stack([np.cos(angle + _ARC), np.sin(angle + _ARC)], axis=-1) * half_widths[..., 1, None, None]
    back = (
        np.stack([np.cos(angle + np.pi + _ARC), np.sin(angle + np.pi + _ARC)], axis=-1)
        * half_widths[..., 0, None, None]
    )
    outline = np.concatenate([ends[..., None, :] + front, starts[..., None, :] + back], axis=-2)
    return np.asarray(np.clip(np.round(outline * FIXED), -(2**20), 2**20), np.int32)


def pixel_joints(take: Take) -> Array:
    """True joint positions (frames, athletes, 17, 2) in pixels, column and row."""
    return take.camera.project(take.joints)


def render(take: Take, generator: np.random.Generator) -> Iterator[Image]:
    """Yield the take's RGB frames (height, width, 3).

    Args:
        generator: for drops, waves and sensor noise.
    """
    width, height = take.camera.size
    pixels = pixel_joints(take)
    scale = take.camera.scale[:, None, None, None]
    outlines = capsules(pixels[:, :, _FROM], pixels[:, :, _TO], _WIDTHS * take.girth * scale)
    heads = np.round(pixels[:, :, INDEX["head"]] * FIXED).astype(np.int32)
    near = take.joints[:, :, INDEX["left_hip"], 2] >= take.joints[:, :, INDEX["right_hip"], 2]
    palettes = [_palette(take, athlete) for athlete in range(take.joints.shape[1])]
    gear = _gear(take, pixels)
    noise = np.asarray(np.clip(generator.normal(8, 2.2, (height + 32, width + 32, 3)), 0, 16), np.uint8)
    offsets = generator.integers(0, 32, (len(pixels), 2))
    drops = [_drops(splash, generator) for splash in take.splashes]
    slide = generator.integers(0, height, 2)
    exposure = take.brightness + 0.05 * gaussian_filter1d(generator.standard_normal(len(pixels)), 3)
    glitter = generator.uniform(0, 1, (len(pixels), int(generator.integers(2, 26)), 3))
    frame = np.empty((height, width, 3), np.uint8)
    for t in range(len(pixels)):
        matrix = take.camera.backdrop_matrix(t, take.scene)
        cv2.warpAffine(
            take.scene.backdrop,
            matrix,
            (width, height),
            dst=frame,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for athlete in reversed(range(len(palettes))):
            if gear is not None:
                for outline in gear[t]:
                    cv2.fillConvexPoly(frame, outline, (25, 25, 35), cv2.LINE_AA, SHIFT)
            radius = int(0.125 * take.camera.scale[t] * FIXED)
            _draw_body(
                frame, outlines[t, athlete], heads[t, athlete], radius, bool(near[t, athlete]), palettes[athlete]
            )
        if take.water:
            _draw_water(frame, take, t, slide, glitter[t])
        for splash, drop in zip(take.splashes, drops, strict=True):
            _draw_splash(frame, take, t, splash, drop)
        row, column = offsets[t]
        grain = noise[row : row + height, column : column + width]
        yield np.asarray(cv2.addWeighted(frame, float(exposure[t]), grain, 1.0, -8.0), np.uint8)


def _palette(take: Take, athlete: int) -> dict[str, tuple[Colour, Colour]]:
    """Colour of each part when near and when on the far side (darker)."""
    tone = take.skins[athlete]
    skin = tuple(int(v) for v in np.array([236, 190, 160]) * (1 - tone) + np.array([120, 80, 58]) * tone)
    suit = take.scene.suits[athlete]
    legs = take.scene.trousers or skin
    arms = suit if take.scene.trousers else skin
    colours = {"trunk": suit, "head": skin, "arm": arms, "leg": legs}
    return {part: (colour, tuple(int(0.68 * v) for v in colour)) for part, colour in colours.items()}  # type: ignore[misc]


def _draw_body(
    frame: Image,
    outlines: NDArray[np.int32],
    head: NDArray[np.int32],
    radius: int,
    left_near: bool,
    palette: dict[str, tuple[Colour, Colour]],
) -> None:
    """Far limbs, trunk, head, near limbs: LIMBS holds the trunk, then five left and five right segments."""
    left, right = range(1, 6), range(6, 11)
    far, close = (right, left) if left_near else (left, right)
    for number in far:
        cv2.fillConvexPoly(
            frame, outlines[number], palette["arm" if (number - 1) % 5 < 2 else "leg"][1], cv2.LINE_AA, SHIFT
        )
    cv2.fillConvexPoly(frame, outlines[0], palette["trunk"][0], cv2.LINE_AA, SHIFT)
    cv2.circle(frame, (int(head[0]), int(head[1])), radius, palette["head"][0], -1, cv2.LINE_AA, SHIFT)
    for number in (*close[2:], *close[:2]):
        cv2.fillConvexPoly(
            frame, outlines[number], palette["arm" if (number - 1) % 5 < 2 else "leg"][0], cv2.LINE_AA, SHIFT
        )


def _gear(take: Take, pixels: Array) -> NDArray[np.int32] | None:
    """Outlines (frames, pieces, 10, 2) of skis along each foot, or of one board under both."""
    if take.gear == "none":
        return None
    joint = {
        name: pixels[:, 0, INDEX[name]]
        for name in ("left_ankle", "right_ankle", "left_toe", "right_toe", "left_knee", "right_knee")
    }
    scale = take.camera.scale[:, None]
    pieces = []
    if take.gear == "board":
        along = _unit(joint["left_ankle"] - joint["right_ankle"], scale)
        down = _unit((joint["left_ankle"] + joint["right_ankle"]) - (joint["left_knee"] + joint["right_knee"]), scale)
        middle = (joint["left_ankle"] + joint["right_ankle"]) / 2 + down * 0.07 * scale
        pieces.append((middle - along * 0.75 * scale, middle + along * 0.75 * scale))
    else:
        for side in ("left", "right"):
            along = _unit(joint[f"{side}_toe"] - joint[f"{side}_ankle"], scale)
            down = _unit(joint[f"{side}_ankle"] - joint[f"{side}_knee"], scale)
            middle = joint[f"{side}_ankle"] + down * 0.06 * scale
            pieces.append((middle - along * 0.72 * scale, middle + along * 0.85 * scale))
    starts, ends = (np.stack(points, axis=1) for points in zip(*pieces, strict=True))
    return capsules(starts, ends, np.full((*starts.shape[:2], 2), 0.045) * scale[..., None])


def _unit(vector: Array, scale: Array) -> Array:
    """Direction in the picture; shorter than one where it points towards the camera."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.maximum(length, 0.18 * scale)


def _draw_water(frame: Image, take: Take, t: int, slide: NDArray[np.int64], glitter: Array) -> None:
    """Rippled water below y = 0: two copies of the event's tile slide over what is beneath; light glitters."""
    water = take.scene.water
    assert water is not None
    height, width = frame.shape[:2]
    surface = height / 2 + take.camera.centre[t, 1] * take.camera.scale[t]
    top = int(np.ceil(surface))
    if top >= height:
        return
    travel = height * t / (5 * take.rate)
    columns = [
        int(slide[0] + travel) % (water.shape[1] - width),
        int(slide[1] - 0.7 * travel) % (water.shape[1] - width),
    ]
    rows = slice(0, height - top)
    waves = cv2.addWeighted(
        water[rows, columns[0] : columns[0] + width], 0.5, water[rows, columns[1] : columns[1] + width], 0.5, 0
    )
    frame[top:] = cv2.addWeighted(frame[top:], 0.14, waves, 0.86, 0)
    unit = take.camera.scale[t] * FIXED
    for across, down, size in glitter.tolist():
        place = (int(across * width * FIXED), int((surface + down**2 * 0.6 * height) * FIXED))
        cv2.ellipse(
            frame,
            place,
            (int((0.03 + 0.12 * size) * unit), int(0.02 * unit)),
            0,
            0,
            360,
            (225, 235, 242),
            -1,
            cv2.LINE_AA,
            SHIFT,
        )


def _drops(splash: Splash, generator: np.random.Generator) -> Array:
    """Drops (drops, 4): start velocities x, y in m/s, delay in seconds, radius in metres.

    How high they rise is the splash's size; how many they are and how large is chance, as light and camera make it.
    """
    count, size = int(generator.integers(DROPS // 4, DROPS + 1)), generator.uniform(0.65, 1.35)
    speed = np.sqrt(2 * 9.81 * splash.height) * generator.uniform(0.35, 1.0, count) ** 0.7
    lean = generator.uniform(-1, 1, count) * splash.spread
    delay = generator.uniform(0, 0.14, count)
    radius = generator.uniform(0.03, 0.075, count) * size
    return np.stack([speed * lean, speed, delay, radius], axis=1)


def _draw_splash(frame: Image, take: Take, t: int, splash: Splash, drops: Array) -> None:
    """Drops in free fall and a patch of foam that widens and fades."""
    age = t / take.rate - splash.second
    if not 0 <= age < 1.6:
        return
    seconds = age - drops[:, 2]
    rise = drops[:, 1] * seconds - 4.905 * seconds**2
    visible = (seconds > 0) & (rise > -0.05)
    place = np.stack([splash.x + drops[:, 0] * seconds, splash.y + rise, np.zeros(len(drops))], axis=1)[visible]
    scale = take.camera.scale[t]
    centre = np.array([[splash.x, splash.y - 0.05, 0.0]])
    pixels = take.camera.project_at(t, np.concatenate([centre, place]))
    foam = (0.3 + 0.2 * splash.height) * min(1.0, 0.35 + 2.0 * age)
    if age < 1.2:
        corner = np.round(pixels[0] * FIXED).astype(int)
        axes = (int(foam * scale * FIXED), int((0.05 + 0.05 * splash.height) * scale * FIXED))
        cv2.ellipse(frame, (int(corner[0]), int(corner[1])), axes, 0, 0, 360, (225, 238, 245), -1, cv2.LINE_AA, SHIFT)
    for (column, row), radius in zip(
        np.round(pixels[1:] * FIXED).astype(int).tolist(),
        (drops[visible, 3] * scale * FIXED).astype(int).tolist(),
        strict=True,
    ):
        cv2.circle(frame, (column, row), radius, (235, 244, 250), -1, cv2.LINE_AA, SHIFT)
