"""What of params.yaml S4AQA and its neighbours read, with its defaults and what scales change."""

from typing import Annotated, Literal

from pydantic import Field

from rescore.systems.common.knobs import Above, Dropout, Knobs, NotNegative, Percents, Positive, Rate, Share


class Labels(Knobs):
    """percent of the training videos with a score"""

    mtl_aqa: Percents = [10, 40]
    rhythmic_gymnastics: Percents = [40]
    unlv_dive: Percents = Field([10, 40, 100], description="ours (scale open)")


class Segments(Knobs):
    """of a dive: evenly spread clips of 16 frames, every n-th read"""

    count: Annotated[int, Field(ge=2, le=100)] = 6
    step: Positive = 1


class Gymnastics(Knobs):
    """Rhythmic Gymnastics; routines, width and noise are the synthetic stand-in's"""

    routines: Share = Field(1.0, description="share of the real 200 + 50 of each apparatus, at least 8 a split")
    segments: Annotated[int, Field(ge=2)] = Field(10, description="of a routine")
    width: Positive = Field(128, description="numbers a segment")
    noise: NotNegative = Field(2.0, description="standard deviation, beside features of about 0.6")


class Encoder(Knobs):
    """E: a layer that segments share, and one over all of them"""

    segment_width: Positive = 256
    width: Positive = 256


class PseudoLabels(Knobs):
    """share of the iterations, iterations, weight of L_reg on them"""

    warm_up: Dropout = 0.3
    renew_every: Positive = 100
    weight: NotNegative = 0.5


class Vat(Knobs):
    """lengths as root mean squares in standard deviations"""

    epsilon: Above = 0.1
    xi: Above = 0.01
    power_iterations: Positive = 1
    weight: NotNegative = 1.0


class S4l(Knobs):
    """orders of the segments to tell apart, weight of their cross-entropy"""

    orders: Annotated[int, Field(ge=2)] = 24
    weight: NotNegative = 0.5


class Usdl(Knobs):
    """bins over 6 standard deviations; the Gaussian's, in bins; hidden layers"""

    bins: Annotated[int, Field(ge=3)] = 101
    sd: Above = 5
    widths: list[Positive] = [256, 128]


class C3dAvg(Knobs):
    """trunk of USDL and C3D-AVG (M, 4.1); weight of Eq. 2"""

    width: Positive = 4096
    class_weight: NotNegative = 1.0


class Coreg(Knobs):
    """Zhou and Li 2005, Sec. 4: k, both metrics' p, |U'|, T"""

    neighbours: Positive = 3
    orders: Annotated[list[Annotated[float, Field(ge=1)]], Field(min_length=2, max_length=2)] = [2, 5]
    pool: Positive = 100
    rounds: Positive = 100


class SemiSupervised(Knobs):
    """S4AQA (Zhang et al. 2022) and its neighbours; what has no source was chosen here: docs/systems/semi_supervised.md"""

    labels: Labels = Labels()
    label_draws: Positive = Field(
        5, description="random choices of the labelled videos, each with its own start of the networks"
    )
    segments: Segments = Segments()
    posterior_segments: Annotated[int, Field(ge=2, le=160)] = Field(
        16, description="of a dive's 160 frames of stage posteriors (scale open)"
    )
    gymnastics: Gymnastics = Gymnastics()
    encoder: Encoder = Encoder()
    masked_slot: Literal["zero", "mean_of_others"] = Field(
        "zero", description="zero (the training mean) | mean_of_others: what the encoder sees in the place of v_k"
    )
    decoder_width: Positive = Field(512, description="PHI: two fully connected layers with ReLU")
    discriminator_width: Positive = Field(128, description="D: two fully connected layers")
    recovery_weight: NotNegative = Field(
        8.0, description="lambda1; the paper sweeps about 1 to 60, this is the middle of it on a logarithmic scale"
    )
    alignment_weight: NotNegative = Field(0.1, description="lambda2; the paper sweeps .01 to 1, likewise")
    reversal: NotNegative = Field(1.0, description="coefficient of the reversed gradient")
    iterations: Positive = 3000
    labelled_batch: Positive = Field(32, description="videos an iteration")
    unlabelled_batch: Positive = 32
    learning_rate: Rate = Field(0.0003, description="AdamW")
    weight_decay: NotNegative = 0.01
    evaluate_every: Positive = Field(
        250, description="iterations; the last counts, the best on test data stands beside it"
    )
    pseudo_labels: PseudoLabels = PseudoLabels()
    vat: Vat = Vat()
    s4l: S4l = S4l()
    usdl: Usdl = Usdl()
    c3d_avg: C3dAvg = C3dAvg()
    coreg: Coreg = Coreg()


SETTINGS = {"semi_supervised": SemiSupervised}
SCALES = {
    "open": {
        "semi_supervised": {
            "label_draws": 3,
            "encoder": {"segment_width": 32, "width": 64},
            "decoder_width": 128,
            "discriminator_width": 32,
            "iterations": 400,
            "labelled_batch": 16,
            "unlabelled_batch": 16,
            "learning_rate": 0.001,
            "evaluate_every": 200,
            "usdl": {"widths": [64, 64]},
            "c3d_avg": {"width": 128},
        }
    },
    "demo": {
        "semi_supervised": {
            "label_draws": 3,
            "gymnastics": {"width": 64},
            "encoder": {"segment_width": 32, "width": 64},
            "decoder_width": 128,
            "discriminator_width": 32,
            "iterations": 400,
            "labelled_batch": 16,
            "unlabelled_batch": 16,
            "learning_rate": 0.001,
            "evaluate_every": 100,
            "usdl": {"widths": [64, 64]},
            "c3d_avg": {"width": 128},
        }
    },
    "smoke": {
        "semi_supervised": {
            "label_draws": 2,
            "gymnastics": {"routines": 0.05},
            "iterations": 6,
            "evaluate_every": 3,
            "pseudo_labels": {"renew_every": 2},
            "coreg": {"pool": 5, "rounds": 3},
        }
    },
}
