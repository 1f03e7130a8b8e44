"""What of params.yaml the linear probes read, with its defaults and what scales change."""

from typing import Annotated, Literal

from pydantic import Field

from rescore.systems.common.knobs import Folds, Grid, Knobs, Positive


class LinearProbes(Knobs):
    """ridge regression on the activations of C3D's five groups of convolutions (M, 5.2; docs/systems/linear_probes.md)"""

    width: Positive = Field(
        10000, description="values a layer is pooled to, at most (Zhang et al. 2016, whose scheme M follows)"
    )
    time: Positive = Field(2, description="time steps of them; a clip's conv5 has two")
    pooling: Literal["average", "maximum"] = Field("average", description="average | maximum")
    penalties: Grid = Field(
        [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0],
        description="multiples of the number of columns; chosen by cross-validation inside the training set",
    )
    folds: Folds = 5
    training_samples: Annotated[int, Field(ge=4)] = Field(
        125, description="vaults (M, 5.2), or as many as AQA-7's 176 leave"
    )
    test_samples: Annotated[int, Field(ge=4)] = Field(56, description="vaults (M, 5.2)")


SETTINGS = {"linear_probes": LinearProbes}
SCALES = {
    "demo": {"linear_probes": {"width": 2000}},
    "smoke": {
        "linear_probes": {"width": 500, "penalties": [0.01, 1.0], "folds": 2, "training_samples": 12, "test_samples": 6}
    },
}
