"""What of params.yaml the systems on frozen features read, with its defaults and what scales change."""

from pydantic import Field

from rescore.systems.common.knobs import Knobs, Positive, Width


class Lstm(Knobs):
    """laid over the section `lstm`: M does not say how its C3D-LSTM trains, so it trains as A's"""

    iterations: Positive = 20000
    anneal_every: Positive = Field(3000, description="iterations")
    evaluate_every: Positive = Field(1000, description="iterations; predictions of these are kept")
    checkpoint_every: Positive = Field(2000, description="iterations between restart points")


class FrozenFeatures(Knobs):
    """C3D-SVR, C3D-LSTM, C3D-LSTM-SVR and incremental labels on MTL-AQA (M, Table 7; Parmar and Morris 2017)"""

    lstm: Lstm = Lstm()
    label_power: Width = Field(
        1.0,
        description="incremental label after clip k of n: (k / n) ^ power of the score; 1: even growth (the label lists released in 2017)",
    )


SETTINGS = {"frozen_features": FrozenFeatures}
SCALES = {
    "demo": {
        "frozen_features": {
            "lstm": {"iterations": 2000, "anneal_every": 800, "evaluate_every": 100, "checkpoint_every": 1000},
        }
    },
    "smoke": {
        "frozen_features": {
            "lstm": {"iterations": 40, "anneal_every": 20, "evaluate_every": 20, "checkpoint_every": 20}
        }
    },
}
