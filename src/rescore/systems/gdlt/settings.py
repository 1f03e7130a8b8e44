"""What of params.yaml GDLT reads, with its defaults and what scales change."""

from pydantic import Field

from rescore.systems.common.knobs import Above, Dropout, Knobs, NotNegative, Percents, Positive, Rate


class Settings(Knobs):
    """GDLT (Xu et al. 2022) on Rhythmic Gymnastics: the authors' released code and the command of its README"""

    labels: Percents = Field([100], description="percent of the training routines with a score; theirs: all")
    grades: Positive = Field(4, description="learned queries, each a grade")
    width: Positive = 256
    heads: Positive = 1
    encoder_layers: Positive = 1
    decoder_layers: Positive = 2
    dropout: Dropout = 0.3
    triplet_weight: NotNegative = Field(
        1.0, description="of the loss that keeps grades apart, beside the squared error"
    )
    margin: NotNegative = Field(1.0, description="of that loss, in cosine distance")
    highest: Above = Field(25.0, description="points that 1 stands for")
    iterations: Positive = Field(
        3000, description="the release: 250, 400, 500 and 150 epochs of Ball, Clubs, Hoop and Ribbon, 1050 to 3500"
    )
    batch: Positive = 32
    learning_rate: Rate = Field(0.01, description="stochastic gradient descent, falling along a cosine")
    final_rate: Rate = Field(0.01, description="of it, at the last iteration")
    momentum: Dropout = 0.9
    weight_decay: NotNegative = 0.0001
    evaluate_every: Positive = Field(
        250, description="iterations; the last counts, the best on test data stands beside it"
    )


SETTINGS = {"gdlt": Settings}
SCALES = {
    "demo": {"gdlt": {"width": 32, "iterations": 300, "batch": 16, "evaluate_every": 100}},
    "smoke": {"gdlt": {"width": 8, "iterations": 6, "evaluate_every": 3}},
}
