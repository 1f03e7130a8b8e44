"""What of params.yaml ACTION-NET reads, with its defaults and what scales change."""

from pydantic import Field

from rescore.systems.common.knobs import Above, Dropout, Folder, Knobs, NotNegative, Positive, Probability, Rate, Share


class Static(Knobs):
    """features of single moments; width, share, noise and missed are the synthetic stand-in's"""

    directory: Folder = Field(
        "data/raw/rhythmic-gymnastics/static",
        description="<Video_Name>.npy (frames, width); read when sources.rhythmic_gymnastics is official",
    )
    moments: Positive = Field(80, description="of a routine")
    width: Positive = Field(256, description="numbers a moment")
    share: Probability = Field(0.3, description="correlation of a moment's posture with the routine's execution")
    noise: NotNegative = Field(2.0, description="standard deviation, beside features of about 0.6")
    missed: Dropout = Field(0.1, description="share of the moments in which nobody is found")


class ActionNet(Knobs):
    """ACTION-NET (Zeng et al. 2020) on Rhythmic Gymnastics: layers and rates of the authors' released code, conf.py and trainer.py"""

    static: Static = Static()
    highest: Above = Field(25.0, description="points that the sigmoid's 1 stands for")
    width: Positive = Field(256, description="of a stream's embedding and of its graph's two layers")
    attention_width: Positive = 128
    head_width: Positive = 128
    dropout: Dropout = Field(0.5, description="of the head's hidden layer")
    iterations: Positive = Field(
        3000, description="the neighbours' in the table; the release: 300 to 500 epochs of 200 routines, 2100 to 3500"
    )
    batch: Positive = 32
    learning_rate: Rate = Field(0.01, description="stochastic gradient descent")
    head_rate: Above = Field(5.0, description="multiple of it for the head")
    momentum: Dropout = 0.9
    weight_decay: NotNegative = 0.0001
    anneal_at: list[Share] = Field(
        [0.75, 0.875], description="shares of the iterations after which rates fall to a tenth"
    )
    evaluate_every: Positive = Field(
        250, description="iterations; the last counts, the best on test data stands beside it"
    )


SETTINGS = {"action_net": ActionNet}
SCALES = {
    "demo": {
        "action_net": {
            "static": {"moments": 20, "width": 64},
            "width": 32,
            "attention_width": 16,
            "head_width": 32,
            "iterations": 400,
            "batch": 16,
            "learning_rate": 0.2,
            "evaluate_every": 100,
        }
    },
    "smoke": {"action_net": {"iterations": 6, "evaluate_every": 3}},
}
