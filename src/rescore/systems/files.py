"""Where what a system reads lies, by what it is: what declarations of systems ask, and the workflow's rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rescore.systems.common import repetition

CLIPS, ROWS = "clips", "rows"


@dataclass(frozen=True)
class Files:
    """Of a scale."""

    scale: str
    settings: Mapping[str, Any]
    """Whole, resolved."""

    def data(self, name: str) -> str:
        """Something below data/<scale>."""
        return f"data/{self.scale}/{name}"

    def run(self, name: str) -> str:
        """Something below runs/<scale>: what another experiment wrote."""
        return f"runs/{self.scale}/{name}"

    @staticmethod
    def source(name: str) -> str:
        """A fetched source; a step is handed its folder."""
        return f"data/raw/{name}/SOURCE.json"

    def clips(self, dataset: str) -> dict[str, str]:
        """`clips` and `rows`: a clip store and its table."""
        return {CLIPS: self.data(f"clips/{dataset}.npy"), ROWS: self.data(f"clips/{dataset}.parquet")}

    @property
    def splits(self) -> str:
        """The table of MTL-AQA's training sets."""
        return self.data("manifests/mtl_aqa_splits.parquet")

    @property
    def dropped(self) -> str:
        """MTL-AQA's dives without a readable video."""
        return self.data("clips/mtl_aqa.dropped.csv")

    def dives(self, store: str = "mtl_aqa") -> dict[str, str]:
        """`clips`, `rows`, `dropped`, `splits`: what trains on MTL-AQA's clips."""
        return {**self.clips(store), "dropped": self.dropped, "splits": self.splits}

    def features(self, name: str, trainings: Iterable[int]) -> dict[str, Any]:
        """`features` that some trainings read, one a backbone, and `rows`, their tables being all alike."""
        numbers = repetition.backbones(trainings, self.settings)
        return {
            "features": [self.data(f"features/{name}/{number}.npy") for number in numbers],
            ROWS: self.data(f"features/{name}/{numbers[0]}.parquet"),
        }

    def given_features(self, name: str) -> dict[str, Any]:
        """`features` and `rows` that rest on nothing that is trained here."""
        return {"features": [self.data(f"features/{name}.npy")], ROWS: self.data(f"features/{name}.parquet")}

    def backbone(self, training: int | str) -> str:
        """Weights of the backbone that a training rests on."""
        number = repetition.backbone_of(int(training), self.settings)
        return repetition.backbone_weights(Path(self.run("")), number).as_posix()

    def backbones(self, trainings: Iterable[int]) -> list[str]:
        """Weights of the backbones that some trainings rest on, once each."""
        return list(dict.fromkeys(map(self.backbone, trainings)))

    def poses(self, dataset: str, trainings: Iterable[int]) -> dict[str, Any]:
        """`poses`, one file an estimator, and `rows`; where videos are synthetic `true_poses` and `true_rows` besides."""
        numbers = repetition.estimators(trainings, self.settings)
        found: dict[str, Any] = {
            "poses": [self.data(f"poses/{dataset}/{number}.npy") for number in numbers],
            ROWS: self.data(f"poses/{dataset}/{numbers[0]}.parquet"),
        }
        if self.settings["sources"][f"{dataset}_videos"] == "synthetic":
            found |= {
                "true_poses": self.data(f"poses/{dataset}_true.npy"),
                "true_rows": self.data(f"poses/{dataset}_true.parquet"),
            }
        return found
