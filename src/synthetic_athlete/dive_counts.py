"""How often each dive is done in MTL-AQA: the joint counts of the 58 dive classes among its 1412 annotated dives.

Counted from final_annotations_dict.pkl of the data set's release (github.com/ParitoshParmar/MTL-AQA at bf7dcb2); somersaults
and twists in halves, as there. The release does not say who dives from where: events 17, 18 and 22 hold no armstand dive and
speak of springboards, so their 289 dives are counted as dives from 3 m and the 1123 others as dives from 10 m. A plain dive,
which is half a somersault, is written there as none (but for one).
"""

import functools

import numpy as np
from numpy.typing import NDArray

from synthetic_athlete.dives import (
    BACKWARD,
    FORWARD,
    FREE,
    INWARD,
    PIKE,
    REVERSE,
    TUCK,
    DiveClass,
    difficulty,
)

# Dive class -> dives from 10 m, from 3 m.
COUNTS: dict[DiveClass, tuple[int, int]] = {
    DiveClass(FREE, 0, BACKWARD, 0, 0): (5, 0),
    DiveClass(FREE, 0, BACKWARD, 3, 1): (5, 0),
    DiveClass(FREE, 0, BACKWARD, 3, 3): (0, 3),
    DiveClass(FREE, 0, BACKWARD, 3, 5): (6, 0),
    DiveClass(FREE, 0, BACKWARD, 3, 7): (2, 0),
    DiveClass(FREE, 0, BACKWARD, 5, 1): (1, 0),
    DiveClass(FREE, 0, BACKWARD, 5, 5): (1, 0),
    DiveClass(FREE, 0, FORWARD, 3, 2): (6, 0),
    DiveClass(FREE, 0, REVERSE, 0, 0): (11, 0),
    DiveClass(FREE, 0, REVERSE, 3, 1): (2, 0),
    DiveClass(FREE, 0, REVERSE, 3, 5): (1, 1),
    DiveClass(FREE, 0, REVERSE, 3, 7): (0, 3),
    DiveClass(FREE, 1, BACKWARD, 4, 1): (2, 0),
    DiveClass(FREE, 1, BACKWARD, 4, 3): (65, 0),
    DiveClass(FREE, 1, BACKWARD, 4, 5): (24, 0),
    DiveClass(FREE, 1, BACKWARD, 6, 0): (1, 0),
    DiveClass(FREE, 1, FORWARD, 2, 0): (2, 0),
    DiveClass(FREE, 1, FORWARD, 4, 0): (1, 0),
    DiveClass(FREE, 1, FORWARD, 4, 2): (10, 0),
    DiveClass(PIKE, 0, BACKWARD, 0, 0): (2, 0),
    DiveClass(PIKE, 0, BACKWARD, 1, 0): (1, 0),
    DiveClass(PIKE, 0, BACKWARD, 5, 0): (49, 36),
    DiveClass(PIKE, 0, BACKWARD, 5, 1): (6, 0),
    DiveClass(PIKE, 0, BACKWARD, 5, 3): (109, 2),
    DiveClass(PIKE, 0, BACKWARD, 5, 5): (51, 0),
    DiveClass(PIKE, 0, BACKWARD, 7, 0): (34, 0),
    DiveClass(PIKE, 0, FORWARD, 0, 0): (1, 0),
    DiveClass(PIKE, 0, FORWARD, 2, 0): (1, 0),
    DiveClass(PIKE, 0, FORWARD, 3, 0): (20, 0),
    DiveClass(PIKE, 0, FORWARD, 5, 0): (2, 5),
    DiveClass(PIKE, 0, FORWARD, 5, 2): (20, 6),
    DiveClass(PIKE, 0, FORWARD, 5, 4): (1, 37),
    DiveClass(PIKE, 0, FORWARD, 5, 6): (5, 6),
    DiveClass(PIKE, 0, FORWARD, 7, 0): (136, 24),
    DiveClass(PIKE, 0, INWARD, 3, 0): (21, 0),
    DiveClass(PIKE, 0, INWARD, 5, 0): (33, 12),
    DiveClass(PIKE, 0, INWARD, 7, 0): (1, 0),
    DiveClass(PIKE, 0, REVERSE, 0, 0): (8, 0),
    DiveClass(PIKE, 0, REVERSE, 5, 0): (19, 9),
    DiveClass(PIKE, 0, REVERSE, 5, 3): (0, 21),
    DiveClass(PIKE, 0, REVERSE, 5, 5): (0, 3),
    DiveClass(PIKE, 1, BACKWARD, 4, 1): (3, 0),
    DiveClass(PIKE, 1, BACKWARD, 6, 0): (13, 0),
    DiveClass(PIKE, 1, FORWARD, 2, 0): (3, 0),
    DiveClass(PIKE, 1, FORWARD, 4, 0): (2, 0),
    DiveClass(TUCK, 0, BACKWARD, 5, 0): (2, 11),
    DiveClass(TUCK, 0, BACKWARD, 7, 0): (89, 6),
    DiveClass(TUCK, 0, FORWARD, 7, 0): (7, 4),
    DiveClass(TUCK, 0, FORWARD, 9, 0): (41, 19),
    DiveClass(TUCK, 0, INWARD, 5, 0): (5, 9),
    DiveClass(TUCK, 0, INWARD, 7, 0): (145, 34),
    DiveClass(TUCK, 0, INWARD, 9, 0): (6, 0),
    DiveClass(TUCK, 0, REVERSE, 5, 0): (25, 6),
    DiveClass(TUCK, 0, REVERSE, 7, 0): (77, 32),
    DiveClass(TUCK, 1, BACKWARD, 4, 1): (1, 0),
    DiveClass(TUCK, 1, BACKWARD, 6, 0): (32, 0),
    DiveClass(TUCK, 1, BACKWARD, 7, 0): (1, 0),
    DiveClass(TUCK, 1, REVERSE, 6, 0): (6, 0),
}


@functools.cache
def shares(height: int) -> NDArray[np.float64]:
    """The share of each class of COUNTS, in its order, among the dives from `height` metres."""
    counts = np.array([pair[height == 3] for pair in COUNTS.values()], float)
    return counts / counts.sum()


def draw_counted_class(height: int, synchronised: bool, generator: np.random.Generator) -> DiveClass:
    """A dive class in MTL-AQA's proportions for this height; a pair does the easier of two such dives, as pairs do."""
    classes = list(COUNTS)
    first, second = (classes[number] for number in generator.choice(len(classes), size=2, p=shares(height)))
    return min(first, second, key=difficulty) if synchronised else first
