"""What a data set says of itself: the workflow's rules of it follow from that.

    datasets/<name>/dataset.py   DATASET   how its videos come, and what is made of them: a rule each
                    README.md              what it is and where it comes from

Nothing of a framework is imported here or there: functions that compute are named, not imported.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

OFFICIAL, SYNTHETIC, NONE = "official", "synthetic", "none"
FILMED = ("seed", "synthetic.frame_size")
"""What all videos of the synthetic athlete are made from. Beside it a data set names what its own are made from: another number
of one renders that one again and nothing else."""


@dataclass(frozen=True)
class Step:
    """A rule. Paths lack the scale (`data/manifests/aqa7.parquet`); `raw/aqa7-lists` is a fetched source (`rescore fetch`), and
    `raw/mine/scores.csv` a file that somebody put below data/raw.
    """

    function: str
    """`<layer>.<modules>.<function>`."""
    settings: Sequence[str] = ()
    """What of params.yaml it reads: what reruns it when changed."""
    reads: Mapping[str, str] = field(default_factory=dict)
    """By option of the function; `beside` is read without one. What every data set has is added (`Dataset.steps`)."""
    writes: Mapping[str, str] = field(default_factory=dict)
    """Likewise."""
    directory: str = ""
    """The folder of files that no rule makes, its option `--directory`; in a declaration the key of params.yaml that names it."""
    workers: bool = False
    """Whether it starts processes, as many as there are cores."""
    computes: bool = False
    """Whether with the framework."""

    @property
    def numbers(self) -> list[str]:
        """Wildcards in its paths: of the trainings that it rests on."""
        return list(dict.fromkeys(re.findall(r"{(\w+)}", " ".join(self.writes.values()))))

    def adding(self, reads: Mapping[str, str], writes: Mapping[str, str], **more: Any) -> "Step":
        """With files in front of its own, and other fields."""
        return replace(self, reads={**reads, **self.reads}, writes={**writes, **self.writes}, **more)

    def at(self, scale: str) -> "Step":
        """With whole paths."""
        reads, writes = (
            {option: place(path, scale) for option, path in files.items()} for files in (self.reads, self.writes)
        )
        return replace(self, reads=reads, writes=writes)


@dataclass(frozen=True)
class Videos:
    """A data set that is cut from videos: made, or official ones with their manifest; either way the same files."""

    manifest: Step
    """Of official videos; `index` and `manifest` are added."""
    clips: Step
    """`manifest`, `clips`, `rows` and `dropped` are added."""
    made: Step | None = None
    """The synthetic athlete's; `index` and `manifest` are added. None: they are always official."""
    index: str = "manifests.videos.index_videos"
    """The function that lists official videos."""
    directory: str = ""
    """Key of params.yaml that says where these lie; empty: `data/raw/<name>/videos`."""
    tables: Mapping[str, Mapping[str, Step]] = field(default_factory=dict)
    """Further ones of its samples by name, each by OFFICIAL and SYNTHETIC; `manifest` and the table, by its name, are added."""
    features: Mapping[str, Step] = field(default_factory=dict)
    """What a frozen backbone says of its clips, by the name of their folder; what they read and write is added."""
    joints: Step | None = None
    """True joints of the athlete in synthetic videos; what it writes is added."""


@dataclass(frozen=True)
class Dataset:
    """One; `videos`, or features that are `given`."""

    name: str
    """Of its folder and in the names of its files."""
    title: str
    videos: Videos | None = None
    given: Mapping[str, Step] = field(default_factory=dict)
    """Rules that make up features, or read official ones in their `directory`. All but the first are left out where an official
    one is not there."""
    samples: str = ""
    """The table of the samples that papers' tables are held against; empty: none."""

    def kind(self, settings: Mapping[str, Any]) -> str:
        """OFFICIAL, SYNTHETIC or NONE, as params.yaml says under `sources`."""
        return str(settings["sources"].get(f"{self.name}_videos" if self.videos else self.name, OFFICIAL))

    def steps(self, scale: str, settings: Mapping[str, Any]) -> dict[str, Step]:
        """Its rules by name, with all files and whole paths; empty where it is not among the sources.

        Args:
            settings: the scale's, whole.
        """
        listed = self.of_videos(self.videos, scale, settings) if self.videos else self.of_features(settings)
        return {rule: step.at(scale) for rule, step in listed.items()}

    def of_features(self, settings: Mapping[str, Any]) -> dict[str, Step]:
        """Rules of features that rest on no video."""
        listed, kind = {}, self.kind(settings)
        for number, (rule, step) in enumerate(self.given.items() if kind != NONE else ()):
            folder = value_at(settings, step.directory) if kind == OFFICIAL else ""
            if kind == SYNTHETIC or number == 0 or Path(folder).is_dir():
                listed[rule] = replace(step, directory=folder)
        return listed

    def of_videos(self, videos: Videos, scale: str, settings: Mapping[str, Any]) -> dict[str, Step]:
        """Rules from videos to features."""
        name, kind = self.name, self.kind(settings)
        index, manifest = {"index": f"data/videos/{name}.csv"}, {"manifest": f"data/manifests/{name}.parquet"}
        clips = store(f"clips/{name}", "clips", "rows")
        made, listed = {**manifest, "beside": index["index"]}, {}
        if videos.made and kind == SYNTHETIC:
            folder = f"data/{scale}/videos/{name}"
            listed["videos"] = videos.made.adding({}, index | manifest, directory=folder, workers=True)
        else:
            folder = value_at(settings, videos.directory) if videos.directory else f"data/raw/{name}/videos"
            listed["videos"] = Step(videos.index, writes=index, directory=folder, workers=True)
            listed["manifest"] = videos.manifest.adding({**videos.manifest.reads, **index}, manifest)
        listed["clips"] = videos.clips.adding(made, clips | {"dropped": f"data/clips/{name}.dropped.csv"}, workers=True)
        for table, by_kind in videos.tables.items():
            listed[table] = by_kind[kind].adding(manifest, {table: f"data/manifests/{name}_{table}.parquet"})
        if videos.joints:
            listed["joints"] = videos.joints.adding({}, store(f"joints/{name}", "joints", "table"), workers=True)
        rules = {f"{name}_{rule}": step for rule, step in listed.items()}
        reads = clips | {"weights": "runs/backbone/{backbone}/weights.safetensors"}
        for features, step in videos.features.items():
            writes = store(f"features/{features}/{{backbone}}", "features", "features_rows")
            rules[f"{features}_features"] = step.adding(reads, writes, computes=True)
        return rules


def value_at(settings: Mapping[str, Any], key: str) -> Any:
    """What params.yaml says under a dotted key."""
    return functools.reduce(lambda part, name: part[name], key.split("."), settings)


def store(name: str, array: str, table: str) -> dict[str, str]:
    """An array and its table, by their options."""
    return {array: f"data/{name}.npy", table: f"data/{name}.parquet"}


def place(path: str, scale: str) -> str:
    """A declared path with its scale; of a source the record, whose folder a step is handed."""
    room, _, rest = path.partition("/")
    if room == "raw":
        return f"data/raw/{rest}" if "/" in rest else f"data/raw/{rest}/SOURCE.json"
    return f"{room}/{scale}/{rest}"
