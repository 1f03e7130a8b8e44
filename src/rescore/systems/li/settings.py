"""What of params.yaml Li et al. read, with its defaults and what scales change."""

from typing import Annotated, Literal

from pydantic import Field

from rescore.systems.common.knobs import Dropout, Knobs, NotNegative, Positive, Rate, Share, Width


class Li(Knobs):
    clips: Positive = Field(9, description="M, 2")
    clip_frames: Annotated[int, Field(ge=16)] = Field(16, description="C3D's")
    width: Width = Field(1.0, description="multiple of all channels")
    body_weights: Literal["backbone", "random"] = Field(
        "backbone", description="backbone (this workflow's own, in all nine C3Ds) | random"
    )
    ranking_weight: NotNegative = Field(
        1.0, description="of the ranking loss beside the squared error; M says nothing, as of all below"
    )
    ranking_margin: NotNegative = Field(0.1, description="in units of training (multitask.score_scale points)")
    dropout: Dropout = 0.5
    pool: Positive = 1
    epochs: Positive = 100
    batch: Positive = Field(6, description="videos a step; the ranking loss compares them")
    optimiser: Literal["sgd", "adam"] = Field("adam", description="sgd | adam")
    learning_rate: Rate = 0.0001
    anneal_every: Positive = Field(100, description="epochs")
    anneal_factor: Share = 0.1
    momentum: Dropout = Field(0.9, description="of sgd")
    weight_decay: NotNegative = 0.0


SETTINGS = {"stages.li": Li}
SCALES = {
    "demo": {"stages": {"li": {"width": 0.125, "pool": 2, "epochs": 4, "learning_rate": 0.0005, "anneal_every": 3}}},
    "smoke": {"stages": {"li": {"epochs": 2}}},
}
