"""What of params.yaml C3D-AVG and MSCADC read, with its defaults and what scales change."""

from typing import Annotated, Literal

from pydantic import Field

from rescore.systems.common.knobs import (
    Above,
    Count,
    Dropout,
    Knobs,
    NotNegative,
    Positive,
    Probability,
    Rate,
    Share,
    Size,
    Width,
)


class Clips(Knobs):
    frames: Annotated[int, Field(ge=16)] = Field(
        103, description="frames of a sample; the networks read the first 96 (C3D-AVG) or 16 spread ones (MSCADC)"
    )
    shift: Count = Field(
        3, description="temporal augmentation: whole frames, up to this many earlier or later, training only"
    )
    step: Positive = Field(1, description="C3D-AVG reads every n-th of them, in as many clips of 16 as there are")
    window: Literal["end", "start"] = Field(
        "end", description="end | start: the frames that end at end_frame (released code), or that begin at start_frame"
    )
    resize: Size = Field([171, 128], description="pixels, width x height; C3D-AVG")
    crop: Annotated[int, Field(ge=32)] = Field(112, description="pixels, centre; C3D-AVG")
    wide_resize: Size = Field([640, 360], description="pixels, width x height; MSCADC")
    wide_crop: Annotated[int, Field(ge=32)] = Field(180, description="pixels, centre; MSCADC")


class Weights(Knobs):
    """M, Eq. 4"""

    score: NotNegative = 1.0
    classes: NotNegative = 1.0
    caption: NotNegative = 0.01


class Validation(Knobs):
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="of the training dives, held out by a seeded draw for the selection rule best_on_validation"
    )
    separate: bool = Field(
        True,
        description="true: a second training without them; the papers' selection rules train on all. false: no training sees them",
    )


class Multitask(Knobs):
    """C3D-AVG and MSCADC (M, 4 and 5); docs/deviations.md: where paper and released code differ"""

    seeds: Positive = Field(3, description="independent repetitions of every member; the paper reports one (seed 0)")
    clips: Clips = Clips()
    training_sets: Literal["clean", "as_shipped"] = Field(
        "clean",
        description="clean | as_shipped: the released training sets without, or with, what they contradict (docs/data.md)",
    )
    vocabulary: Literal["train_and_test", "train"] = Field(
        "train_and_test", description="train_and_test (the papers') | train: captions whose words the captioner knows"
    )
    body_weights: Literal["backbone", "random"] = Field(
        "backbone", description="backbone (this workflow's own, M, 5: UCF-101) | random; C3D-AVG's body"
    )
    width: Width = Field(
        1.0, description="multiple of C3D-AVG's channels; the body must have the backbone's width to take its weights"
    )
    wide_width: Width = Field(1.0, description="multiple of the channels of MSCADC's body")
    wide_head_width: Width = Field(1.0, description="multiple of those of its heads")
    wide_dropout: Dropout = Field(0.5, description="after MSCADC's body, in training (released code)")
    caption_hidden: Positive = Field(512, description="M, 4.1")
    caption_embedding: Positive = 512
    caption_dropout: Dropout = Field(0.2, description="M, 5; the released code has 0.5")
    caption_tokens: Annotated[int, Field(ge=3)] = Field(100, description="<sos>, words and <eos> of a caption")
    score_scale: Above = Field(17, description="points a unit of training (released code)")
    initial_score: Literal["default", "mean"] = Field(
        "default",
        description="default (PyTorch's) | mean: where the score head's bias starts; mean: of the training scores",
    )
    weights: Weights = Weights()
    flip: Probability = Field(0.5, description="probability of a horizontal flip of a training video")
    epochs: Positive = Field(100, description="M, 5; C3D-AVG")
    wide_epochs: Positive = Field(100, description="M, 5; MSCADC")
    batch: Positive = Field(3, description="videos a step (M, 5)")
    evaluation_batch: Positive = Field(5, description="videos a forward pass; changes nothing but speed and memory")
    learning_rate: Rate = Field(0.0001, description="Adam (M, 5)")
    anneal_every: Count = Field(0, description="epochs after which C3D-AVG's rate falls; 0: never (M)")
    wide_anneal_every: Count = Field(0, description="likewise MSCADC's")
    anneal_factor: Share = 0.1
    validation: Validation = Validation()
    precision: Literal["bfloat16", "float32"] = Field(
        "bfloat16",
        description="bfloat16 | float32: arithmetic of forward and backward passes on a GPU; a CPU computes in float32",
    )
    compile: bool = Field(False, description="torch.compile")
    accumulate: Positive = Field(1, description="parts into which a batch is cut where memory is small")
    gpus: Count = Field(1, description="GPUs a training takes (several: distributed data parallel); 0: a CPU")
    tensorboard: bool = Field(False, description="learning curves for TensorBoard beside the checkpoints")


SETTINGS = {"multitask": Multitask}
SCALES = {
    "demo": {
        "multitask": {
            "seeds": 1,
            "clips": {
                "frames": 64,
                "step": 2,
                "resize": [86, 64],
                "crop": 40,
                "wide_resize": [86, 48],
                "wide_crop": 48,
            },
            "width": 0.125,
            "wide_width": 0.125,
            "wide_head_width": 0.125,
            "wide_dropout": 0.1,
            "initial_score": "mean",
            "caption_hidden": 64,
            "caption_embedding": 32,
            "caption_tokens": 40,
            "epochs": 12,
            "wide_epochs": 16,
            "batch": 6,
            "evaluation_batch": 8,
            "learning_rate": 0.0004,
            "anneal_every": 9,
            "wide_anneal_every": 12,
            "anneal_factor": 0.25,
            "validation": {"share": 0.15, "separate": False},
            "precision": "float32",
            "gpus": 0,
        }
    },
    "variance": {"multitask": {"seeds": 3}},
    "smoke": {"multitask": {"epochs": 2, "wide_epochs": 2, "caption_hidden": 16, "caption_embedding": 8}},
}
