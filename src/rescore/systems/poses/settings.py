"""What of params.yaml the pose systems read, with its defaults and what scales change."""

from typing import Annotated, Literal

from pydantic import Field

from rescore.systems.common.knobs import Above, Folds, Grid, Knobs, Positive, Probability, Rate


class Entropy(Knobs):
    """Pose+ApEn"""

    block: Positive = Field(2, description="m: values that are compared at once")
    tolerance: Above = Field(0.2, description="r, standard deviations of the series (Pincus 1991: 0.1 to 0.25)")
    cross: bool = Field(True, description="cross-approximate entropy of every ordered pair of coordinates as well")


class Regression(Knobs):
    """chosen by cross-validation inside the training set"""

    kernels: Annotated[list[Literal["linear", "rbf"]], Field(min_length=1)] = ["linear", "rbf"]
    c: Grid = [0.01, 0.1, 1.0, 10.0, 100.0]
    epsilon: Grid = Field([0.01, 0.1, 0.5], description="in standard deviations of the training scores")
    folds: Folds = 5
    max_iterations: Positive = Field(1000000, description="libsvm's steps")


class Training(Knobs):
    """of the heat_map network"""

    channels: Positive = 16
    iterations: Positive = 600
    batch: Positive = Field(32, description="pictures a step")
    learning_rate: Rate = Field(0.005, description="Adam, one cycle")


class Poses(Knobs):
    """Pose+DCT and Pose+ApEn (A, Table 2; M, Table 7); docs/systems/poses.md"""

    estimator: Literal["keypoint_rcnn", "heat_map"] = Field(
        "keypoint_rcnn",
        description="The papers compare with divers' poses by an estimator tuned to diving (flexible mixtures of parts), which is not published.\nkeypoint_rcnn (torchvision, COCO) | heat_map (own small network, synthetic videos only)",
    )
    every: Positive = Field(1, description="every n-th frame of the clips is looked at")
    least_confidence: Probability = Field(
        0.5, description="probability of a person (keypoint_rcnn) or of a joint (heat_map), below which none is there"
    )
    batch: Positive = Field(16, description="pictures a forward pass; changes nothing but speed and memory")
    scale: Literal["body", "none"] = Field(
        "body", description="body | none: divide a sample's joints by the athlete's size in it"
    )
    frequencies: Positive = Field(50, description="lowest frequencies kept of each joint's coordinate (Pose+DCT)")
    entropy: Entropy = Entropy()
    regression: Regression = Regression()
    training: Training = Training()


SETTINGS = {"poses": Poses}
SCALES = {
    "demo": {
        "poses": {
            "estimator": "heat_map",
            "every": 4,
            "batch": 64,
            "frequencies": 12,
            "regression": {"kernels": ["rbf"]},
        }
    },
    "smoke": {
        "poses": {
            "every": 8,
            "frequencies": 4,
            "regression": {"c": [1.0], "epsilon": [0.1], "folds": 2},
            "training": {"channels": 8, "iterations": 20},
        }
    },
}
