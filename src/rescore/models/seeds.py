"""Seeds of independent random streams, without a framework."""

import zlib

import numpy as np


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A 64-bit seed that depends on all its arguments: `derived_seed(0, "dropout", iteration)`.

    Streams of different purposes are independent (numpy.random.SeedSequence), so adding one leaves the others as they were.
    """
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0])
