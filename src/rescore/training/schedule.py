"""Step sizes over the iterations."""


def annealed(initial: float, iteration: int, every: int, factor: float) -> float:
    """Step size of an iteration (counted from 0): `initial`, multiplied by `factor` after each `every` iterations.

    AQA-7, Sec. 5: 0.001, halved after every 3k iterations (LSTM); 0.001, a tenth after every 40k (C3D's pre-training).
    """
    return initial * factor ** (iteration // every)
