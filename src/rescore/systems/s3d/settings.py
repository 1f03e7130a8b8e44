"""What of params.yaml S3D reads, with its defaults and what scales change."""

from typing import Annotated, Literal

from pydantic import Field

from rescore.systems.common.knobs import Dropout, Knobs, NotNegative, Positive, Rate, Share, Width


class Segmentation(Knobs):
    """ED-TCN (S3D's released code), trained on UNLV-Dive's stage labels"""

    frame_channels: Annotated[list[Positive], Field(min_length=1)] = Field(
        [32, 64, 128, 256], description="of the frames' network; ours, in place of a ResNet's features"
    )
    frame_width: Positive = Field(2048, description="values a frame (released code)")
    filters: Annotated[list[Positive], Field(min_length=1)] = Field([256, 512], description="released code")
    kernel: Positive = Field(10, description="steps (released code)")
    dropout: Dropout = Field(0.3, description="of whole channels (released code)")
    pool: Positive = Field(1, description="pixels, height and width, averaged into one before the network")
    epochs: Positive = Field(30, description="released code")
    batch: Positive = Field(8, description="dives a step; the sources say nothing")
    learning_rate: Rate = Field(0.001, description="RMSprop (released code)")


class S3d(Knobs):
    layers: Annotated[list[Positive], Field(min_length=4, max_length=4)] = Field(
        [3, 8, 36, 3], description="P3D-199 (Xiang et al.); [3, 4, 6, 3] is P3D-63"
    )
    width: Width = Field(1.0, description="multiple of all channels")
    frames: Annotated[int, Field(ge=16)] = Field(16, description="of each stage")
    fusion: Literal["mean", "concatenation"] = Field(
        "mean", description="mean (the released features') | concatenation"
    )
    stage_loss: NotNegative = Field(
        1.0, description="weight of the stages' own scores; the authors train each stage by itself"
    )
    dropout: Dropout = Field(0.5, description="P3D's own")
    pool: Positive = 1
    epochs: Positive = Field(90, description="released code, as are the six below")
    batch: Positive = Field(2, description="videos a step")
    optimiser: Literal["sgd", "adam"] = Field("sgd", description="sgd | adam")
    learning_rate: Rate = 0.001
    anneal_every: Positive = Field(30, description="epochs")
    anneal_factor: Share = 0.1
    momentum: Dropout = 0.9
    weight_decay: NotNegative = 0.0005


SETTINGS = {"stages.segmentation": Segmentation, "stages.s3d": S3d}
SCALES = {
    "demo": {
        "stages": {
            "segmentation": {
                "frame_channels": [8, 16, 32],
                "frame_width": 64,
                "filters": [32, 64],
                "kernel": 10,
                "pool": 2,
                "epochs": 6,
                "batch": 4,
            },
            "s3d": {
                "layers": [1, 1, 1, 1],
                "width": 0.25,
                "epochs": 4,
                "batch": 6,
                "optimiser": "adam",
                "anneal_every": 3,
            },
        }
    },
    "smoke": {"stages": {"segmentation": {"epochs": 2}, "s3d": {"epochs": 2}}},
}
