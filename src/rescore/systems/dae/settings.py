"""What of params.yaml DAE reads, with its defaults and what scales change."""

from typing import Literal

from pydantic import Field

from rescore.systems.common.knobs import Knobs, Positive


class Settings(Knobs):
    """DAE (Zhang et al. 2022), a head of C3D-AVG; trained as the extensions are (docs: src/rescore/systems/dae/README.md)"""

    hidden: list[Positive] = Field([256, 128], description="fully connected layers of the encoder (released code)")
    objective: Literal["sampled", "likelihood"] = Field(
        "sampled",
        description="sampled: squared error of the drawn score (released code) | likelihood: of the distribution",
    )
    prediction: Literal["mean", "sampled"] = Field(
        "mean", description="mean of the distribution | sampled: a draw, as the released code tests"
    )


SETTINGS = {"dae": Settings}
SCALES = {"demo": {"dae": {"hidden": [64, 32]}}}
