"""Dive classes and their difficulty.

Codes are MTL-AQA's: position 0 free, 1 pike, 2 tuck; rotation 0 backward, 1 forward, 2 inward, 3 reverse; somersaults and
twists count halves, as the classification heads of that paper do.
"""

from dataclasses import dataclass

import numpy as np

from rescore.manifests.contract import POSITIONS

FREE, PIKE, TUCK = 0, 1, 2
BACKWARD, FORWARD, INWARD, REVERSE = 0, 1, 2, 3
SPOKEN = {BACKWARD: "back", FORWARD: "forward", INWARD: "inward", REVERSE: "reverse"}
"""Rotations as commentators name them."""


@dataclass(frozen=True)
class DiveClass:
    position: int
    armstand: int
    rotation_type: int
    somersaults: int
    """Half somersaults."""
    twists: int
    """Half twists."""

    @property
    def turning(self) -> int:
        """Half somersaults that the body makes. MTL-AQA writes a plain dive, head first from the feet, as none; it is a half."""
        return self.somersaults if self.armstand else max(1, self.somersaults)


# Groups that divers choose, with the half somersaults of each board: (rotation type, twists allowed) -> halves.
_PLATFORM = {FORWARD: (5, 7, 9), BACKWARD: (5, 7), REVERSE: (5, 7), INWARD: (5, 7)}
_SPRINGBOARD = {FORWARD: (5, 7), BACKWARD: (5, 7), REVERSE: (5, 7), INWARD: (5, 7)}


def draw_dive_class(generator: np.random.Generator, platform: bool, required: bool) -> DiveClass:
    """A dive of the 10 m platform or the 3 m springboard; `required` draws one of the simple dives of early rounds."""
    rotation = int(generator.integers(4))
    if required:
        return DiveClass(int(generator.choice([PIKE, TUCK])), 0, rotation, int(generator.choice([1, 3])), 0)
    if platform and generator.random() < 0.12:
        position = int(generator.choice([PIKE, TUCK]))
        return DiveClass(position, 1, BACKWARD, int(generator.choice([4, 6])), 0)
    if generator.random() < 0.25:
        halves = 5 if platform else int(generator.choice([3, 5]))
        twists = int(generator.choice([2, 4, 6] if rotation in (FORWARD, INWARD) else [1, 3, 5]))
        return DiveClass(
            int(generator.choice([FREE, PIKE])), 0, BACKWARD if rotation == INWARD else rotation, halves, twists
        )
    halves = int(generator.choice((_PLATFORM if platform else _SPRINGBOARD)[rotation]))
    position = TUCK if halves >= 9 else int(generator.choice([PIKE, TUCK]))
    return DiveClass(position, 0, rotation, halves, 0)


def difficulty(dive: DiveClass) -> float:
    """Degree of difficulty, to a tenth; linear in the class, close to the federation's table for common dives."""
    value = 1.0 + 0.30 * dive.turning + 0.125 * dive.twists
    value += {FREE: 0.2, PIKE: 0.3, TUCK: 0.0}[dive.position]
    value += {FORWARD: 0.0, BACKWARD: 0.2, INWARD: 0.2, REVERSE: 0.3}[dive.rotation_type]
    return round(value + 0.2 * dive.armstand, 1)


def dive_name(dive: DiveClass) -> str:
    """In words, as a commentator says it: `reverse two and a half somersaults with one twist in pike position`."""
    start = "armstand " if dive.armstand else ""
    twist = f" with {halves_name(dive.twists)} twist{'s' if dive.twists > 2 else ''}" if dive.twists else ""
    plural = "s" if dive.somersaults > 2 else ""
    turns = f"{halves_name(dive.somersaults)} somersault{plural}"
    return f"{start}{SPOKEN[dive.rotation_type]} {turns}{twist} in {POSITIONS[dive.position]} position"


def halves_name(halves: int) -> str:
    """`halves` / 2 in words: 5 gives `two and a half`."""
    words = ("zero", "one", "two", "three", "four", "five", "six")
    whole = words[halves // 2]
    if halves % 2 == 0:
        return whole
    return "half a" if halves == 1 else f"{whole} and a half"
