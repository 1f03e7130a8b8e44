"""How often members are trained: `svr/diving`, `all`, `fine_tuned/diving/25/random`. No framework is imported."""

from rescore.systems.common.repetition import Chosen, Repeats, Rests, Training

LSTM = Training(Repeats.SEEDS, Chosen.ITERATION, Rests.BACKBONE)
TRAININGS = {
    "svr": Training(Repeats.SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "single": LSTM,
    "all": LSTM,
    "without": LSTM,
    "random": Training(Repeats.SEEDS, Chosen.NOTHING, Rests.BACKBONE),
    "fine_tuned": LSTM,
}
