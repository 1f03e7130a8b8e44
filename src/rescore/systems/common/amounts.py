"""How much there is of the official data, and what C3D takes of operations: what costs are counted from.

    operations = forward operations of a sample x samples x (3 while training: forward, and twice that backward)

Forward operations are counted on the real modules at full size (a test counts them again); other widths and crops are taken in
proportion.
"""

C3D_CLIP, C3D_AVG = 77.095e9, 466.576e9
"""Additions and multiplications of C3D on a clip of 16 frames, and of C3D-AVG (six clips, all three tasks) on a video."""
DIVES, TRAINING, VAULTS = 1412, 1059, 176
"""MTL-AQA's dives and its training dives; AQA-7's vaults."""
ACTION_SAMPLES, UCF101_VIDEOS = 1106, 13320
"""AQA-7's six actions; UCF-101."""
TRAINING_DIVES = {"1059": 1059, "450": 443, "280": 279, "140": 143, "unlv_dive": 300}
"""Of each training set as released; clean ones are smaller."""
EVALUATED = 10 / 9
"""An epoch's training and its evaluation, a third as many forward passes without backward ones, in trainings' time."""


def frames_bytes(samples: float, frames: int, crop: int) -> float:
    """Bytes of a clip store."""
    return float(samples) * frames * crop * crop * 3


def epoch_operations(dives: float, forward: float) -> float:
    """Of an epoch on so many training dives; the test set is a third of their number."""
    return dives * forward * (3 + 1 / 3)
