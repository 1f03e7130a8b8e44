"""What of params.yaml AQA-7's LSTMs read, with its defaults and what scales change."""

from typing import Annotated

from pydantic import Field

from rescore.systems.common.knobs import Above, ByKind, Knobs, Positive, Rate, Share


class Lstm(Knobs):
    """C3D-LSTM (A, 4 and 5)"""

    width: Positive = 256
    initial_sd: Above = Field(0.1, description="gaussian initialisation")
    learning_rate: Rate = Field(0.001, description="Adam")
    anneal_every: Positive = Field(3000, description="iterations")
    anneal_factor: Share = 0.5
    iterations: Positive = 20000
    batch: Positive = Field(15, description='videos: "90 clips (15 full video samples)"')
    evaluate_every: Positive = Field(
        1000, description="iterations; the paper prints best iterations, so predictions of these are kept"
    )
    checkpoint_every: Positive = Field(2000, description="iterations between restart points")


class FineTuning(Knobs):
    """A, 5.3"""

    training_samples: ByKind = {"default": [25, 75, 125], "synchronised": [15, 25, 35]}
    iterations: ByKind = Field(
        {"default": [500, 1200, 2000], "synchronised": [300, 500, 700]},
        description='The paper scales iterations and step size with the training set: 500, 1200, 2000 and 100, 300, 500 for 25, 75, 125.\nFor 15 and 35 it says "similar scaling": 20 iterations and 4 step iterations a sample, the 25-sample ratio.',
    )
    anneal_every: ByKind = {"default": [100, 300, 500], "synchronised": [60, 100, 140]}
    test_samples: Annotated[int, Field(ge=4)] = 50
    evaluate_every: Positive = Field(100, description="iterations (A, Figure 3)")


SETTINGS = {"lstm": Lstm, "fine_tuning": FineTuning}
SCALES = {
    "demo": {
        "lstm": {"width": 64, "iterations": 2000, "anneal_every": 800, "evaluate_every": 100, "checkpoint_every": 1000}
    },
    "smoke": {
        "lstm": {"width": 16, "iterations": 40, "anneal_every": 20, "evaluate_every": 20, "checkpoint_every": 20},
        "fine_tuning": {
            "training_samples": {"default": [3, 4, 5], "synchronised": [3, 4, 5]},
            "iterations": {"default": [20, 20, 40], "synchronised": [20, 20, 40]},
            "anneal_every": {"default": [10, 10, 10], "synchronised": [10, 10, 10]},
            "test_samples": 4,
            "evaluate_every": 20,
        },
    },
}
