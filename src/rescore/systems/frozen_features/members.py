"""How often members are trained: `c3d_lstm/1059`. No framework is imported."""

from rescore.systems.common.repetition import Chosen, Repeats, Rests, Training

NETWORK = Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.BACKBONE)
TRAININGS = {
    "c3d_svr": Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "c3d_lstm": NETWORK,
    "c3d_lstm_svr": Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE),
    "c3d_lstm_incremental": NETWORK,
}
