"""How often members are trained: `pose_dct/1059`, `pose_dct_true/diving`. No framework is imported."""

from rescore.systems.common.repetition import REGRESSION, Chosen, Repeats, Rests, Training

POSES = Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.ESTIMATOR, random=False)
TRAININGS = {"pose_dct": POSES, "pose_apen": POSES, "pose_dct_true": REGRESSION, "pose_apen_true": REGRESSION}
