"""DAE on MTL-AQA's dives: the score is drawn from a distribution that a video is encoded into (Zhang et al. 2022).

rescore step systems.dae.training.train_member --training-set 1059 --seed 0 ...

    C3D ─► mean over clips ─► trunk ─► 256 ─► 128 ─► mean, log variance ─► score = mean + deviation x noise

From the authors' released code (Luciferbobo/DAE-AQA, models.py and util.py), whose text is not copied; its I3D is C3D here.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rescore.models.aggregation import CLIP_FRAMES, ClipNetwork
from rescore.models.device import derived_seed
from rescore.systems.common import made_up
from rescore.systems.common.bodies import body_colour
from rescore.systems.common.clip_members import Member, Outputs, seed_layers, start_c3d, train_and_write
from rescore.systems.common.dives import BodyFiles, read_dives
from rescore.systems.common.rehearsal import Stage, chosen, clip_files, network_outputs
from rescore.systems.common.training_sets import WHOLE

EXPERIMENT = "dae"


class DistributionAutoEncoder(ClipNetwork):
    """C3D-AVG with DAE's encoder above its trunk; scores are in units of training."""

    def add_head(self, channels: int, settings: Mapping[str, Any]) -> None:
        self.knobs = settings["dae"]
        sizes = [channels, *self.knobs["hidden"]]
        layers = [part for pair in itertools.pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
        self.hidden = nn.Sequential(*layers)
        self.score_head = nn.Linear(sizes[-1], 1)
        self.log_variance = nn.Linear(sizes[-1], 1)

    def heads(self, clip_features: Tensor, given: Tensor | None = None) -> dict[str, Tensor]:
        """Clip features (N, C, F) -> `mean`, `log_variance` and, drawn from them, `sampled`, (N,) each."""
        hidden = self.hidden(self.video_features(clip_features))
        mean, log_variance = self.score_head(hidden).squeeze(1), self.log_variance(hidden).squeeze(1)
        noise = torch.randn_like(mean)
        return {"mean": mean, "log_variance": log_variance, "sampled": mean + (log_variance / 2).exp() * noise}

    def losses(
        self, outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """Squared error of the drawn scores, or the Gaussian's negative log-likelihood without its constant; batch means."""
        score = wanted["score"]
        if self.knobs["objective"] == "likelihood":
            spread = outputs["log_variance"]
            loss = 0.5 * (spread + (score - outputs["mean"]).square() * (-spread).exp()).mean()
        else:
            loss = (outputs["sampled"] - score).square().mean()
        return {"score": loss, "total": weights["score"] * loss}

    def predict(self, clip_features: Tensor, told: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`score` (N,) in units of training: the mean of each distribution, or a draw from it."""
        return {"score": self.heads(clip_features)[self.knobs["prediction"]]}


def train_member(files: BodyFiles, outputs: Outputs, training_set: str, seed: int, settings: dict[str, Any]) -> None:
    """Train on a training set and write what is predicted after every epoch. A killed run goes on from its last epoch.

    Args:
        files: MTL-AQA's dives, and C3D's weights.
        outputs: written.
        training_set: of the splits; with `_validated` without the validation dives.
        seed: of the member.
        settings: sections `multitask`, `backbone`, `extensions` and `dae` of params.yaml.

    Raises:
        RescoreError: data that do not fit together or cannot be learned (all of them at once), weights that do not fit, or a
            loss that is not finite.
    """
    section = {**settings["multitask"], **settings["extensions"]["training"]}
    table, dives = read_dives(files, section["clips"]["crop"], ("score",), training_set, [], section)
    seed_layers(seed)
    network = build(settings)
    start_c3d(network, seed, settings, files.backbone, float(dives.targets["score"][dives.train].mean()))
    torch.manual_seed(derived_seed(seed, "dae draws"))
    header = {"experiment": EXPERIMENT, "training_set": training_set, "seed": seed, "parameters": settings}
    read = {name: path for name, path in vars(files).items() if name != "dropped"}
    member = Member(EXPERIMENT, EXPERIMENT, training_set, seed, section, body_colour(settings), __name__)
    train_and_write(member, network, table, dives, header, read, outputs)


def build(settings: Mapping[str, Any]) -> DistributionAutoEncoder:
    """The network of the sizes that the settings ask for; its weights are PyTorch's defaults."""
    multitask = settings["multitask"]
    shape = multitask["clips"]
    clips = len(range(0, shape["frames"], shape["step"])) // CLIP_FRAMES
    above = {**settings["extensions"], "dae": settings["dae"]}
    return DistributionAutoEncoder(
        "c3d", "mean", multitask["width"], shape["crop"], clips, above, multitask["score_scale"]
    )


def rehearse(stage: Stage) -> list[Path]:
    """A few steps on made-up clips (systems.common.rehearsal)."""
    settings = stage.changed({"extensions": {"training": {"epochs": 1}}})
    batch = {**settings["multitask"], **settings["extensions"]["training"]}["batch"]
    files, made = clip_files(stage, batch), network_outputs(stage)
    body = made_up.write_backbone(stage.folder / "backbone.safetensors", settings)
    given = BodyFiles(**chosen(files, "clips", "rows", "splits"), backbone=body)
    train_member(given, Outputs(**made), WHOLE, 0, settings)
    return [made["weights"], made["predictions"]]
