"""Types of settings that systems declare, with the bounds that params.yaml is held to."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Above = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Percents = Annotated[
    list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1, json_schema_extra={"uniqueItems": True})
]
Folds = Annotated[int, Field(ge=2)]
Grid = Annotated[list[Above], Field(min_length=1)]
Size = Annotated[list[Annotated[int, Field(ge=16)]], Field(min_length=2, max_length=2)]
Width = Annotated[float, Field(gt=0, le=4)]
Folder = Annotated[str, Field(pattern=r"^[^\s\x00][^\x00]*$")]


class Knobs(BaseModel):
    """A section of params.yaml: a field a key, its description the comment beside it, the docstring the section's."""

    model_config = ConfigDict(extra="forbid")


class ByKind(Knobs):
    """of single athletes, and of pairs"""

    default: Annotated[list[Positive], Field(min_length=1)]
    synchronised: Annotated[list[Positive], Field(min_length=1)]
