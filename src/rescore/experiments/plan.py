"""What there is to run: every experiment, its members, what it needs, and what of it is done. No framework is imported."""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from rescore.actions import BY_NAME, EXPERIMENT_ACTIONS
from rescore.experiments import (
    cost,
    extensions_members,
    linear_probes,
    mtl_aqa_members,
    mtl_aqa_systems,
    repetition,
    trainings,
)

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Experiment:
    name: str
    """Its folder under runs/<scale>/ and its module under experiments/."""
    source: str
    """Paper, section and table."""
    members: Callable[[Settings], int]
    """How many fitted or trained models it consists of."""
    sources: tuple[str, ...] = ()
    """Real data that it reads (names of `rescore fetch`); empty for experiments on videos."""


def fine_tuning_cells(settings: Settings) -> int:
    sizes = settings["fine_tuning"]["training_samples"]
    return sum(len(sizes["synchronised" if BY_NAME[name].synchronised else "default"]) for name in EXPERIMENT_ACTIONS)


def regression_grid(settings: Settings) -> int:
    """Every candidate of the grid, the one chosen among them, the plain regression, and the authors' own stage scores."""
    grid = settings["support_vector_regression"]
    return len(grid["kernels"]) * len(grid["c"]) * len(grid["epsilon"]) + 3


def semi_supervised_members(settings: Settings) -> int:
    """Networks and regressions on draws of labels: thirteen systems on MTL-AQA, nine for each apparatus."""
    labels = settings["labels"]
    return settings["label_draws"] * (13 * len(labels["mtl_aqa"]) + 4 * 9 * len(labels["rhythmic_gymnastics"]))


def action_net_members(settings: Settings) -> int:
    """A network for each draw of labels and apparatus."""
    return 4 * settings["label_draws"] * len(settings["labels"]["rhythmic_gymnastics"])


def open_members(settings: Settings) -> int:
    """Eleven systems on UNLV-Dive; with every dive labelled the four that read no unlabelled one."""
    return settings["label_draws"] * sum(4 if percent == 100 else 11 for percent in settings["labels"]["unlv_dive"])


def titles_of(experiment: str) -> list[str]:
    """Rows of MTL-AQA's Table 7 that an experiment of another system fills."""
    return [system.title for system in mtl_aqa_systems.SYSTEMS.values() if system.experiment == experiment]


def systems_members(experiment: str) -> Callable[[Settings], int]:
    """How many models an experiment of another system consists of; rows on true joints exist for synthetic videos alone."""
    mine = [name for name, system in mtl_aqa_systems.SYSTEMS.items() if system.experiment == experiment]
    repeated = [name for name in mine if "true" not in mtl_aqa_systems.SYSTEMS[name].title]
    sets = len(mtl_aqa_systems.TRAINING_SETS)
    return lambda settings: sets * sum(len(trainings.trainings(name, settings)) for name in repeated)


ON_VIDEOS = (
    Experiment(
        "backbone",
        "AQA-7, 5: the frozen C3D, one a training",
        lambda settings: len(repetition.every_backbone(settings)),
    ),
    Experiment(
        "all_action",
        "AQA-7, 5.1, Table 2",
        lambda settings: 6 * len(trainings.trainings("svr", settings)) + 7 * settings["seeds"],
    ),
    Experiment("zero_shot", "AQA-7, 5.2, Table 3", lambda settings: 7 * settings["seeds"]),
    Experiment(
        "fine_tuning",
        "AQA-7, 5.3, Table 4, Figure 3",
        lambda settings: 2 * fine_tuning_cells(settings) * settings["seeds"],
    ),
    Experiment(
        "mtl_aqa",
        "MTL-AQA, 5 and 6: C3D-AVG and MSCADC, Tables 4-10",
        lambda settings: len(mtl_aqa_members.members(settings)) * settings["multitask"]["seeds"],
    ),
    Experiment("linear_probes", "MTL-AQA, 5.2: linear probes, Tables 9 and 10", linear_probes.regressions),
    Experiment(
        "s4aqa",
        "S4AQA and what it is held against: MTL-AQA at 10% and 40% labels, Rhythmic Gymnastics at 40%",
        lambda settings: semi_supervised_members(settings["semi_supervised"]),
    ),
    Experiment(
        "action_net",
        "S4AQA: ACTION-NET on Rhythmic Gymnastics at 40%",
        lambda settings: action_net_members(settings["semi_supervised"]),
    ),
    Experiment(
        "pose_aqa7",
        "AQA-7, Table 2: Pose+DCT, Pose+ApEn",
        lambda settings: 2 * len(EXPERIMENT_ACTIONS) * len(trainings.trainings("pose_dct", settings)),
    ),
    *(
        Experiment(name, f"MTL-AQA, Table 7: {', '.join(titles_of(name))}", systems_members(name))
        for name in dict.fromkeys(system.experiment for system in mtl_aqa_systems.SYSTEMS.values())
    ),
    Experiment(
        "extensions",
        "other aggregations, backbones and heads in C3D-AVG",
        lambda settings: (
            len(extensions_members.systems(settings))
            * len(extensions_members.training_sets(settings))
            * settings["multitask"]["seeds"]
        ),
    ),
    Experiment("mtl_aqa_baselines", "MTL-AQA: what the labels and the commentary alone give", lambda settings: 4 * 5),
)
ON_REAL_DATA = (
    Experiment(
        "unlv_dive_s3d",
        "S3D on UNLV-Dive (MTL-AQA, Table 7)",
        regression_grid,
        ("unlv-dive-s3d", "mtl-aqa-annotations"),
    ),
    Experiment("mtl_aqa_labels", "MTL-AQA without video", lambda settings: 6, ("mtl-aqa-annotations",)),
    Experiment("human_ceiling", "MTL-AQA, 6: judges against judges", lambda settings: 14, ("mtl-aqa-annotations",)),
    Experiment(
        "s4aqa",
        "S4AQA on UNLV-Dive's stage posteriors",
        lambda settings: open_members(settings["semi_supervised"]),
        ("unlv-dive-s3d",),
    ),
    Experiment(
        "real_dive", "AQA-7: one official video through C3D", lambda settings: 1, ("aqa7-dive-054", "aqa7-lists")
    ),
)
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
    return [experiment.name for experiment in ON_REAL_DATA if is_complete(experiment.name)]


def runnable(settings: Settings, mirror: Path | None, done: Collection[str] = ()) -> list[str]:
    """Names of the experiments on real data that run here: wanted by params.yaml, and done or their sources at hand."""
    wanted = ON_REAL_DATA if settings["open"] == "auto" else ()
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
    for experiment in ON_REAL_DATA:
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
    systems = extensions_members.systems(settings)
    networks = {system.backbone for system in systems if settings["extensions"]["resnet_weights"] == "kinetics400"}
    networks |= {settings["poses"]["estimator"], settings["backbone"]["network"]}
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "torch")
    cache = Path(home, "hub", "checkpoints")
    return [
        f"https://download.pytorch.org/models/{name} to {cache}"
        for network, name in PUBLISHED_WEIGHTS.items()
        if network in networks and not (cache / name).is_file()
    ]


def network_trainings(settings: Settings) -> dict[str, float]:
    """What the end-to-end members amount to, by network: jobs (`<network> jobs`) and trainings on the whole of MTL-AQA."""
    found = dict.fromkeys([f"{name}{part}" for name in mtl_aqa_members.NETWORKS for part in ("", " jobs")], 0.0)
    for member in mtl_aqa_members.members(settings):
        size, _ = mtl_aqa_members.split_training_set(member.training_set)
        share = cost.TRAINING_DIVES[size] / cost.TRAINING_DIVES[mtl_aqa_members.WHOLE]
        found[member.network] += share * settings["multitask"]["seeds"]
        found[f"{member.network} jobs"] += settings["multitask"]["seeds"]
    return found


def describe_cost(settings: Settings, mirror: Path | None) -> str:
    """What the scale of the official videos takes, step by step, and what must be fetched first."""
    sources = ["aqa7-lists", "ucf101-lists", "mtl-aqa-annotations", "unlv-dive-s3d"]
    absent = [name for name in sources if not at_hand(name, mirror)]
    first = [f"rescore fetch {' '.join(absent)}"] if absent else []
    first += [f"{item} (docs/data.md)" for item in missing_videos(settings)]
    first += [f"{item} (docs/systems)" for item in missing_weights(settings)]
    needed = "\n".join(f"  {item}" for item in first) or "  nothing: all is there"
    return f"{cost.describe(cost.steps(settings, network_trainings(settings)))}\n\nTo be fetched first:\n{needed}\n"


def state(experiment: Experiment, folder: Path, blocked: str) -> str:
    if any(folder.joinpath(name).exists() for name in ("predictions.parquet", "record.json")):
        return "done"
    if list(folder.glob("*/predictions.parquet")):  # of an experiment with a folder a data set
        return "done"
    if backbones := len(list(folder.glob("*/weights.safetensors"))):  # a folder each
        return f"{backbones} trained"
    trained = len(list(folder.glob("*/*/*/*/weights.safetensors")))  # of end-to-end members, one a job
    if trained:
        return f"{trained} trained"
    return f"blocked: {blocked}" if blocked else "to run"


def describe(scale: str, settings: Settings, mirror: Path | None) -> str:
    """The plan as text: a row an experiment with its members, iterations and state, then what is not run and why."""
    rows = []
    videos = "; ".join(missing_videos(settings)) if scale != "open" else "scale open has no video experiments"
    for experiment in ON_VIDEOS if scale != "open" else ():
        blocked = "videos are missing, see below" if videos else ""
        rows.append(
            [
                experiment.name,
                experiment.source,
                experiment.members(settings),
                state(experiment, Path("runs", scale, experiment.name), blocked),
            ]
        )
    for experiment in ON_REAL_DATA:
        absent = missing_sources(experiment, mirror)
        blocked = f"rescore fetch {' '.join(absent)}" if absent else ""
        rows.append(
            [
                experiment.name,
                experiment.source,
                experiment.members(settings),
                state(experiment, Path("runs", "open", experiment.name), blocked),
            ]
        )
    takes = f"\n{describe_cost(settings, mirror)}" if scale == "paper" else ""
    table = tabulate(rows, headers=["experiment", "source", "members", "state"], tablefmt="simple")
    left_out = "\n".join(
        f"  {row['what']}: {row['why']}{' > ' + row['command'] if row['command'] else ''}"
        for row in not_run(scale, settings, mirror)
    )
    title = f"scale {scale}, {settings['seeds']} seeds ({settings['multitask']['seeds']} of MTL-AQA's networks)"
    return f"{title}\n\n{table}\n\nNot run at this scale, and what it takes:\n{left_out}\n{takes}"
