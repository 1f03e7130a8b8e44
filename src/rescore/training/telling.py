"""A line in a step's log wherever a training has something to say: how far it is, what it measures, how long it will take.

    C3D-LSTM, 21 members: iteration 4000 of 20000, loss 0.4132, 61.3 iterations a second, 04:21 left

`rescore status` reads these lines.
"""

import time

from tqdm import tqdm


class Clock:
    """Tells the log how far a training is.

    Args:
        what: trains.
        unit: of its progress: `epoch`, `iteration`.
        total: units that the whole training has.
        done: of them before this process began, where it goes on from a restart point.
    """

    def __init__(self, what: str, unit: str, total: int, done: int = 0) -> None:
        self.what, self.unit, self.total, self.first = what, unit, total, done
        self.begun = time.monotonic()

    def say(self, done: int, **measures: float | None) -> None:
        """Print how far it is, with what was measured; None is not said."""
        spent, units = time.monotonic() - self.begun, done - self.first
        said = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in measures.items() if value is not None]
        if units and spent:
            said += [f"{units / spent:.3g} {self.unit}s a second"] if units > spent else []
            said += [f"{tqdm.format_interval(spent / units * (self.total - done))} left"]
        print(", ".join([f"{self.what}: {self.unit} {done} of {self.total}", *said]), flush=True)
