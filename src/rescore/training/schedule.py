"""What happens at which iteration: step sizes, what is due, and which samples are read."""

import numpy as np


def annealed(initial: float, iteration: int, every: int, factor: float) -> float:
    """Step size of an iteration (counted from 0): `initial`, multiplied by `factor` after each `every` iterations.

    AQA-7, Sec. 5: 0.001, halved after every 3k iterations (LSTM); 0.001, a tenth after every 40k (C3D's pre-training).
    """
    return initial * factor ** (iteration // every)


def stops(total: int, every: int, at_start: bool = False) -> set[int]:
    """The iterations after which something is due: multiples of `every`, the last, and 0 where wanted."""
    return set(range(every, total + 1, every)) | {total} | ({0} if at_start else set())


def orders(generator: np.random.Generator, samples: int, iterations: int, batch: int) -> np.ndarray:
    """(iterations, batch) places from 0 to samples - 1: epochs in random orders, one after another without a gap."""
    wanted = iterations * batch
    if not wanted:
        return np.empty((iterations, 0), np.int64)
    drawn = [generator.permutation(samples) for _ in range(-(-wanted // samples))]
    return np.concatenate(drawn)[:wanted].reshape(iterations, batch)
