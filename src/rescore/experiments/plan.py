"""What there is to run: every experiment, its members, what it needs, and what of it is done. No framework is imported."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from rescore.experiments import cost
from rescore.systems import registry
from rescore.systems.common import repetition
from rescore.systems.declaration import Experiment

Settings = Mapping[str, Any]


NOT_WRITTEN = (
    {
        "what": "Rhythmic Gymnastics on the real videos (S4AQA)",
        "why": "features of its videos, for ACTION-NET of single moments too, are not at hand; demo has a synthetic stand-in",
        "command": "put them there (docs/systems/semi_supervised.md) and set sources.rhythmic_gymnastics to official",
    },
)


def at_hand(source: str, mirror: Path | None, raw: Path = Path("data/raw")) -> bool:
    """Whether a source is fetched already or can be copied from the mirror."""
    return mirror is not None or (raw / source / "SOURCE.json").exists()


def missing_sources(experiment: Experiment, mirror: Path | None, done: Collection[str] = ()) -> list[str]:
    """Sources that an experiment still lacks; one whose results are here as recorded lacks none."""
    return [source for source in experiment.sources if experiment.name not in done and not at_hand(source, mirror)]


def complete(is_complete: Callable[[str], bool]) -> list[str]:
    """Names of the experiments on real data whose recorded results are all here, as `is_complete` says."""
    return [experiment.name for experiment in registry.on_real_data() if is_complete(experiment.name)]


def runnable(settings: Settings, mirror: Path | None, done: Collection[str] = ()) -> list[str]:
    """Names of the experiments on real data that run here: wanted by params.yaml, and done or their sources at hand."""
    wanted = registry.on_real_data() if settings["open"] == "auto" else ()
    return [experiment.name for experiment in wanted if not missing_sources(experiment, mirror, done)]


def missing_videos(settings: Settings) -> list[str]:
    """Folders of official videos that the scale reads and that are not there."""
    sources = settings["sources"]
    wanted = {
        "AQA-7": (sources["aqa7_videos"], sources["aqa7_directory"]),
        "UCF-101": (
            sources["pretraining_videos"] if settings["backbone"]["weights"] == "pretrained" else "none",
            sources["ucf101_directory"],
        ),
        "MTL-AQA": (sources["mtl_aqa_videos"], sources["mtl_aqa_directory"]),
    }
    return [
        f"{name} videos under {folder}"
        for name, (kind, folder) in wanted.items()
        if kind == "official" and not Path(folder).is_dir()
    ]


def not_run(scale: str, settings: Settings, mirror: Path | None, done: Collection[str] = ()) -> list[dict[str, str]]:
    """Everything that `snakemake --cores all` leaves out at this scale: what, why, and the command that brings it."""
    rows: list[dict[str, str]] = []
    for experiment in registry.on_real_data():
        absent = missing_sources(experiment, mirror, done)
        if settings["open"] == "never":
            rows.append(
                {
                    "what": experiment.source,
                    "why": "params.yaml says `open: never`",
                    "command": "snakemake --cores all --config scale=open",
                }
            )
        elif absent:
            command = f"rescore fetch {' '.join(absent)} && snakemake --cores all"
            rows.append({"what": experiment.source, "why": f"not fetched: {', '.join(absent)}", "command": command})
    if scale == "paper":
        rows += [
            {"what": "the papers' tables", "why": f"missing: {item}", "command": "see docs/data.md"}
            for item in missing_videos(settings)
        ]
    else:
        rows.append(
            {
                "what": "AQA-7 and MTL-AQA on the official videos (scale paper)",
                "why": "needs the official videos (docs/data.md) and a GPU",
                "command": "snakemake --cores all --config scale=paper",
            }
        )
    return rows + list(NOT_WRITTEN)


PUBLISHED_WEIGHTS = {
    "keypoint_rcnn": "keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    "r3d_18": "r3d_18-b3b3357e.pth",
    "mc3_18": "mc3_18-a90a0ba3.pth",
    "r2plus1d_18": "r2plus1d_18-91a641e6.pth",
}
"""Files of torchvision's, by network; models.keypoints and models.backbones read them (a test holds the names equal)."""


def missing_weights(settings: Settings) -> list[str]:
    """Published weights that the scale's systems start from and that are not in torch's cache."""
    networks = {name for experiment in registry.on_videos() for name in experiment.published(settings)}
    networks |= {settings["poses"]["estimator"], settings["backbone"]["network"]}
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "torch")
    cache = Path(home, "hub", "checkpoints")
    return [
        f"https://download.pytorch.org/models/{name} to {cache}"
        for network, name in PUBLISHED_WEIGHTS.items()
        if network in networks and not (cache / name).is_file()
    ]


def describe_cost(settings: Settings, mirror: Path | None) -> str:
    """What the scale of the official videos takes, step by step, and what must be fetched first."""
    sources = ["aqa7-lists", "ucf101-lists", "mtl-aqa-annotations", "unlv-dive-s3d"]
    absent = [name for name in sources if not at_hand(name, mirror)]
    first = [f"rescore fetch {' '.join(absent)}"] if absent else []
    first += [f"{item} (docs/data.md)" for item in missing_videos(settings)]
    first += [f"{item} (docs/systems)" for item in missing_weights(settings)]
    needed = "\n".join(f"  {item}" for item in first) or "  nothing: all is there"
    return f"{cost.describe(cost.steps(settings))}\n\nTo be fetched first:\n{needed}\n"


def state(experiment: Experiment, runs: Path, settings: Settings, blocked: str) -> str:
    """What there is of an experiment below runs/<scale>."""
    members = experiment.members(settings)
    folders = [experiment.name] if members is None else [folder for mine in members.values() for folder in mine]
    result = next(iter(experiment.writes.values()))
    done = sum((runs / folder / result).exists() for folder in folders)
    if done == len(folders):
        return "done"
    if done:
        return f"{done} of {len(folders)} trained"
    return f"blocked: {blocked}" if blocked else "to run"


def backbones_row(scale: str, settings: Settings, blocked: str) -> list[Any]:
    """The line of what all features rest on: one a training."""
    numbers = repetition.every_backbone(settings)
    trained = sum(repetition.backbone_weights(Path("runs", scale), number).exists() for number in numbers)
    said = "done" if trained == len(numbers) else f"{trained} trained" if trained else ""
    blocked = f"blocked: {blocked}" if blocked else "to run"
    return ["backbone", "AQA-7, 5: the frozen C3D, one a training", len(numbers), said or blocked]


def describe(scale: str, settings: Settings, mirror: Path | None) -> str:
    """The plan as text: a row an experiment with its members, iterations and state, then what is not run and why."""
    rows = []
    blocked = "videos are missing, see below" if missing_videos(settings) else ""
    if scale != "open":
        rows.append(backbones_row(scale, settings, blocked))
    for experiment in registry.on_videos() if scale != "open" else ():
        if experiment.runs(settings):
            now = state(experiment, Path("runs", scale), settings, blocked)
            rows.append([experiment.name, experiment.source, experiment.count(settings), now])
    for experiment in registry.on_real_data():
        absent = missing_sources(experiment, mirror)
        now = state(experiment, Path("runs/open"), settings, f"rescore fetch {' '.join(absent)}" if absent else "")
        rows.append([experiment.name, experiment.source, experiment.count(settings), now])
    takes = f"\n{describe_cost(settings, mirror)}" if scale == "paper" else ""
    table = tabulate(rows, headers=["experiment", "source", "members", "state"], tablefmt="simple")
    left_out = "\n".join(
        f"  {row['what']}: {row['why']}{' > ' + row['command'] if row['command'] else ''}"
        for row in not_run(scale, settings, mirror)
    )
    title = f"scale {scale}, {settings['seeds']} seeds ({settings['multitask']['seeds']} of MTL-AQA's networks)"
    return f"{title}\n\n{table}\n\nNot run at this scale, and what it takes:\n{left_out}\n{takes}"
