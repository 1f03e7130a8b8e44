"""Small settings that every test of the synthetic athlete starts from."""

from typing import Any

import pytest


@pytest.fixture
def settings() -> dict[str, Any]:
    """The smallest set: four samples a split, quarter-size videos at a quarter of the frame rate."""
    return {
        "seed": 3,
        "synthetic": {
            "samples": 0.001,
            "frame_size": [64, 48],
            "length": 0.25,
            "trampoline_samples": 0.001,
            "motions_per_class": 2,
            "motion_frames": 16,
        },
    }
