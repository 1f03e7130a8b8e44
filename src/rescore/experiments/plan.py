"""What there is to run: every experiment, its members, what it needs, and what of it is done. No framework is imported."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from rescore.actions import BY_NAME, EXPERIMENT_ACTIONS

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


ON_VIDEOS = (
    Experiment("backbone", "AQA-7, 5: the frozen C3D", lambda settings: 1),
    Experiment("all_action", "AQA-7, 5.1, Table 2", lambda settings: 6 + 7 * settings["seeds"]),
    Experiment("zero_shot", "AQA-7, 5.2, Table 3", lambda settings: 7 * settings["seeds"]),
    Experiment(
        "fine_tuning",
        "AQA-7, 5.3, Table 4, Figure 3",
        lambda settings: 2 * fine_tuning_cells(settings) * settings["seeds"],
    ),
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
        "real_dive", "AQA-7: one official video through C3D", lambda settings: 1, ("aqa7-dive-054", "aqa7-lists")
    ),
)
NOT_WRITTEN = (
    {
        "what": "Pose+DCT (AQA-7, Table 2)",
        "why": "the pose baseline is not part of this version",
        "command": "",
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
            {"what": "AQA-7, Tables 1-4", "why": f"missing: {item}", "command": "see docs/data.md"}
            for item in missing_videos(settings)
        ]
    else:
        rows.append(
            {
                "what": "AQA-7 on the official videos (scale paper)",
                "why": "needs the official videos (docs/data.md) and a GPU",
                "command": "snakemake --cores all --config scale=paper",
            }
        )
    return rows + list(NOT_WRITTEN)


def state(experiment: Experiment, folder: Path, blocked: str) -> str:
    if any(folder.joinpath(name).exists() for name in ("predictions.parquet", "weights.safetensors", "record.json")):
        return "done"
    return f"blocked: {blocked}" if blocked else "to run"


def describe(scale: str, settings: Settings, mirror: Path | None) -> str:
    """The plan as text: a row an experiment with its members, iterations and state, then what is not run and why."""
    rows = []
    videos = "; ".join(missing_videos(settings)) if scale != "open" else "scale open has no video experiments"
    for experiment in ON_VIDEOS if scale != "open" else ():
        blocked = f"no {videos}" if videos else ""
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
    table = tabulate(rows, headers=["experiment", "source", "members", "state"], tablefmt="simple")
    left_out = "\n".join(
        f"  {row['what']}: {row['why']}{' > ' + row['command'] if row['command'] else ''}"
        for row in not_run(scale, settings, mirror)
    )
    return f"scale {scale}, {settings['seeds']} seeds\n\n{table}\n\nNot run at this scale, and what it takes:\n{left_out}\n"
