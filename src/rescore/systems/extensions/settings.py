"""What of params.yaml the extensions read, with its defaults and what scales change."""

from typing import Annotated, Literal

from pydantic import Field

from rescore.systems.common.knobs import Above, Count, Dropout, Knobs, Positive, Rate, Share, Width


class System(Knobs):
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    row: Annotated[str, Field(min_length=1)]
    backbone: Literal["c3d", "r3d_18", "mc3_18", "r2plus1d_18"]
    aggregation: Literal["mean", "fully_connected", "attention", "lstm", "transformer"]
    head: Literal["regression", "usdl", "musdl", "core"]


class Training(Knobs):
    """over `multitask`, for all systems and the row to beat: epochs, batch, learning_rate, anneal_every; {}: as C3D-AVG-STL"""

    epochs: Positive | None = None
    batch: Positive | None = None
    learning_rate: Rate | None = None
    anneal_every: Count | None = None


class Transformer(Knobs):
    """Vaswani et al. 2017, shrunk to six clips; our choice"""

    width: Positive = 512
    layers: Positive = 2
    heads: Positive = 8
    dropout: Dropout = 0.1


class Aggregation(Knobs):
    attention_width: Positive = Field(128, description="hidden units of the attention (Ilse et al. 2018); our choice")
    lstm_width: Positive = Field(256, description="as AQA-7's C3D-LSTM")
    transformer: Transformer = Transformer()


class ScoreDistribution(Knobs):
    """USDL and MUSDL (released code)"""

    bins: Annotated[int, Field(ge=2)] = Field(101, description="scores that USDL tells apart")
    highest: Above = Field(104.5, description="points, the last of them")
    deviation: Above = Field(5, description="bins, of the Gaussian about a score")
    judge_bins: Annotated[int, Field(ge=2)] = Field(21, description="marks 0, 0.5, .. 10 of a judge (MUSDL)")
    judge_deviation: Above = Field(5, description="bins")
    hidden: list[Positive] = Field([256, 128], description="fully connected layers of a head")
    prediction: Literal["argmax", "expectation"] = Field(
        "argmax", description="argmax (Tang et al.) | expectation: of the distribution"
    )


class Contrastive(Knobs):
    """CoRe (released code)"""

    depth: Annotated[int, Field(ge=2, le=10)] = Field(
        5, description="levels of the regression tree; 2^(depth - 1) leaves"
    )
    hidden: Positive = Field(256, description="features of each node")
    range: Above = Field(30, description="points of execution (score / difficulty), the largest difference")
    exemplars: Positive = Field(10, description="training dives that each test dive is compared with")
    epochs_share: Share = Field(1.0, description="of the others' epochs; a step reads two videos for each of theirs")


class Extensions(Knobs):
    """docs/systems/extensions.md: what is asked of C3D-AVG, and what came after it"""

    systems: list[System] = Field(
        [
            {
                "name": "fully_connected",
                "row": "C3D + fully connected",
                "backbone": "c3d",
                "aggregation": "fully_connected",
                "head": "regression",
            },
            {
                "name": "attention",
                "row": "C3D + attention",
                "backbone": "c3d",
                "aggregation": "attention",
                "head": "regression",
            },
            {"name": "lstm", "row": "C3D + LSTM", "backbone": "c3d", "aggregation": "lstm", "head": "regression"},
            {
                "name": "transformer",
                "row": "C3D + Transformer",
                "backbone": "c3d",
                "aggregation": "transformer",
                "head": "regression",
            },
            {"name": "r3d_18", "row": "R3D-18", "backbone": "r3d_18", "aggregation": "mean", "head": "regression"},
            {"name": "mc3_18", "row": "MC3-18", "backbone": "mc3_18", "aggregation": "mean", "head": "regression"},
            {
                "name": "r2plus1d_18",
                "row": "R(2+1)D-18",
                "backbone": "r2plus1d_18",
                "aggregation": "mean",
                "head": "regression",
            },
            {"name": "usdl", "row": "USDL", "backbone": "c3d", "aggregation": "mean", "head": "usdl"},
            {"name": "musdl", "row": "MUSDL", "backbone": "c3d", "aggregation": "mean", "head": "musdl"},
            {"name": "core", "row": "CoRe", "backbone": "c3d", "aggregation": "mean", "head": "core"},
        ],
        description="A further system is a further line: any backbone with any aggregation and any head.",
    )
    training: Training = Training()
    resnet_weights: Literal["kinetics400", "random"] = Field(
        "kinetics400", description="kinetics400 (torchvision's) | random; of r3d_18, mc3_18, r2plus1d_18"
    )
    resnet_width: Width = Field(
        1.0, description="multiple of their channels and of the trunk above them; kinetics400 has 1.0"
    )
    aggregation: Aggregation = Aggregation()
    score_distribution: ScoreDistribution = ScoreDistribution()
    contrastive: Contrastive = Contrastive()


SETTINGS = {"extensions": Extensions}
SCALES = {
    "demo": {
        "extensions": {
            "training": {"epochs": 4, "learning_rate": 0.0005, "anneal_every": 3},
            "resnet_weights": "random",
            "resnet_width": 0.0625,
            "aggregation": {
                "attention_width": 16,
                "lstm_width": 64,
                "transformer": {"width": 32, "layers": 1, "heads": 4, "dropout": 0.1},
            },
            "score_distribution": {"hidden": [64, 32], "prediction": "expectation"},
            "contrastive": {"hidden": 32, "epochs_share": 0.75},
        }
    },
    "variance": {
        "extensions": {
            "systems": [
                {
                    "name": "attention",
                    "row": "C3D + attention",
                    "backbone": "c3d",
                    "aggregation": "attention",
                    "head": "regression",
                },
                {"name": "usdl", "row": "USDL", "backbone": "c3d", "aggregation": "mean", "head": "usdl"},
                {"name": "musdl", "row": "MUSDL", "backbone": "c3d", "aggregation": "mean", "head": "musdl"},
                {"name": "core", "row": "CoRe", "backbone": "c3d", "aggregation": "mean", "head": "core"},
            ]
        }
    },
    "smoke": {
        "extensions": {
            "systems": [
                {
                    "name": "attention",
                    "row": "C3D + attention",
                    "backbone": "c3d",
                    "aggregation": "attention",
                    "head": "regression",
                },
                {
                    "name": "r2plus1d_18",
                    "row": "R(2+1)D-18",
                    "backbone": "r2plus1d_18",
                    "aggregation": "mean",
                    "head": "regression",
                },
                {"name": "musdl", "row": "MUSDL", "backbone": "c3d", "aggregation": "mean", "head": "musdl"},
                {"name": "core", "row": "CoRe", "backbone": "c3d", "aggregation": "mean", "head": "core"},
            ],
            "training": {"epochs": 2},
        }
    },
}
