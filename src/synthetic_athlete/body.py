"""The articulated body: pose angles to joints, centre of mass, moment of inertia.

Body coordinates are (long, front, lateral) in metres with the pelvis at the origin: `long` points to the head when the body
is straight, `front` where the athlete looks, `lateral` to the athlete's left. World coordinates are (x, y, z): x to the
right, y up, z towards the camera. Somersaults turn the body about the transverse axis (z), twists about its long axis.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PARAMETERS = ("hip", "knee", "shoulder", "elbow", "toe", "split", "spread", "arms")
"""Pose angles in degrees: hip and knee flexion; shoulder (0 arms down, 180 overhead) and elbow flexion; toe 0 flat, 90 pointed;
split: legs apart fore and aft; spread: legs apart sideways; arms: arms apart sideways."""

JOINTS = (
    "pelvis",
    "neck",
    "head",
    *(
        f"{side}_{name}"
        for side in ("left", "right")
        for name in ("shoulder", "elbow", "hand", "hip", "knee", "ankle", "toe")
    ),
)
INDEX = {name: index for index, name in enumerate(JOINTS)}

TRUNK, NECK, UPPER_ARM, FOREARM, THIGH, SHANK, FOOT = 0.52, 0.19, 0.29, 0.38, 0.43, 0.43, 0.18
"""Segment lengths in metres; the forearm carries the hand, the neck ends at the middle of the head."""
SHOULDER_HALF, HIP_HALF = 0.18, 0.09

# (from, to, share of the body's mass): adult averages, rounded.
SEGMENTS: tuple[tuple[str, str, float], ...] = (
    ("pelvis", "neck", 0.50),
    ("neck", "head", 0.08),
    *(
        (f"{side}_{start}", f"{side}_{end}", mass)
        for side in ("left", "right")
        for start, end, mass in (
            ("shoulder", "elbow", 0.027),
            ("elbow", "hand", 0.023),
            ("hip", "knee", 0.105),
            ("knee", "ankle", 0.043),
            ("ankle", "toe", 0.012),
        )
    ),
)
_STARTS = np.array([INDEX[start] for start, _, _ in SEGMENTS])
_ENDS = np.array([INDEX[end] for _, end, _ in SEGMENTS])
_MASSES = np.array([mass for _, _, mass in SEGMENTS]) / sum(mass for _, _, mass in SEGMENTS)


def pose(**angles: float) -> Array:
    """A pose vector (8,) in the order of PARAMETERS; unnamed angles are zero, toes are pointed."""
    return np.array([angles.get(name, 75.0 if name == "toe" else 0.0) for name in PARAMETERS])


def body_joints(poses: Array) -> Array:
    """Joints in body coordinates.

    Hip flexion is shared by trunk and legs, so that the reference axis of a pike or tuck is the bisector: closing the body
    then turns trunk and legs against each other, as it does in free flight.

    Args:
        poses: (frames, 8) degrees.

    Returns:
        (frames, 17, 3) metres.
    """
    hip, knee, shoulder, elbow, toe, split, spread, arms = np.radians(poses).T
    joints = np.zeros((len(poses), len(JOINTS), 3))
    trunk = np.stack([np.cos(hip / 2), np.sin(hip / 2), np.zeros_like(hip)], axis=1)
    joints[:, INDEX["neck"]] = TRUNK * trunk
    joints[:, INDEX["head"]] = (TRUNK + NECK) * trunk
    for side, sign in (("left", 1.0), ("right", -1.0)):
        lateral = np.array([0.0, 0.0, sign])
        upper = _direction(shoulder - hip / 2, arms * sign)
        lower = _direction(shoulder - hip / 2 + elbow, arms * sign)
        thigh = _direction(hip / 2 + sign * split / 2, spread * sign)
        shank = _direction(hip / 2 + sign * split / 2 - knee, spread * sign)
        foot = _direction(hip / 2 + sign * split / 2 - knee + np.pi / 2 - toe, spread * sign)
        chain = (
            ("shoulder", (TRUNK - 0.04) * trunk + SHOULDER_HALF * lateral),
            ("elbow", UPPER_ARM * upper),
            ("hand", FOREARM * lower),
        )
        legs = (
            ("hip", HIP_HALF * lateral + 0 * trunk),
            ("knee", THIGH * thigh),
            ("ankle", SHANK * shank),
            ("toe", FOOT * foot),
        )
        for parts in (chain, legs):
            position = np.zeros((len(poses), 3))
            for name, step in parts:
                position = position + step
                joints[:, INDEX[f"{side}_{name}"]] = position
    return joints


def _direction(angle: Array, sideways: Array) -> Array:
    """Unit vectors (frames, 3) that point to the feet at angle 0, to the front at 90 degrees, leaning `sideways`."""
    return np.stack([-np.cos(angle) * np.cos(sideways), np.sin(angle) * np.cos(sideways), np.sin(sideways)], axis=-1)


def centre_of_mass(joints: Array) -> Array:
    """Centre of mass (frames, dimensions) of joints (frames, 17, dimensions); linear, so it holds in any coordinates."""
    middles = (joints[:, _STARTS] + joints[:, _ENDS]) / 2
    return np.einsum("fsd,s->fd", middles, _MASSES)


def transverse_inertia(joints: Array) -> Array:
    """Moment of inertia per unit mass about the transverse axis through the centre of mass, (frames,) in m^2."""
    middles = (joints[:, _STARTS] + joints[:, _ENDS]) / 2
    offsets = (middles - centre_of_mass(joints)[:, None])[..., :2]
    lengths = np.square((joints[:, _ENDS] - joints[:, _STARTS])[..., :2]).sum(axis=-1) / 12  # rods
    return np.einsum("fs,s->f", np.square(offsets).sum(axis=-1) + lengths, _MASSES)


def orient(joints: Array, tilt: Array, twist: Array) -> Array:
    """Turn body coordinates into world directions.

    Args:
        joints: (frames, 17, 3) body coordinates.
        tilt: (frames,) radians; the long axis' angle from upright, clockwise (towards +x), so a forward somersault of an
            athlete who looks to +x is positive.
        twist: (frames,) radians about the long axis; 0 looks to +x, pi to -x.

    Returns:
        (frames, 17, 3) world directions, metres, the pelvis at the origin.
    """
    long, front, lateral = np.moveaxis(joints, -1, 0)
    across = front * np.cos(twist)[:, None] + lateral * np.sin(twist)[:, None]
    depth = lateral * np.cos(twist)[:, None] - front * np.sin(twist)[:, None]
    sine, cosine = np.sin(tilt)[:, None], np.cos(tilt)[:, None]
    return np.stack([long * sine + across * cosine, long * cosine - across * sine, depth], axis=-1)
