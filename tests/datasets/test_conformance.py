"""Every data set that there is declares rules that can run; one that does not is said to."""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rescore.datasets import registry
from rescore.datasets.declaration import NONE, OFFICIAL, SYNTHETIC, Dataset, Step, Videos
from rescore.engine import parameters, provenance, steps
from rescore.engine.errors import RescoreError
from rescore.systems.declaration import settings_of

FOLDER = Path(registry.__file__).parent
SCALE, SETTINGS = parameters.load(scale="paper")
SETTINGS = {**SETTINGS, "scale": SCALE}


def of_kind(kind: str) -> dict:
    """Settings in which all sources are of a kind."""
    sources = {
        name: kind if value in (OFFICIAL, SYNTHETIC, NONE) else value for name, value in SETTINGS["sources"].items()
    }
    return {**SETTINGS, "sources": sources}


def step_problems(rule: str, step: Step) -> Iterator[str]:
    """What a rule gives a step that it does not take, or lacks."""
    try:
        module = importlib.import_module(provenance.module_of(step.function))
        function = getattr(module, step.function.rpartition(".")[2])
    except (ImportError, AttributeError) as error:
        yield f"{rule}: {error}"
        return
    known = {option: default for option, _, default in steps.options_of(function)}
    given = {*step.reads, *step.writes} - {"beside"}
    given |= {"settings"} if step.settings else set()
    given |= {"directory"} if step.directory else set()
    given |= {"workers"} & {*known} if step.workers else set()
    wanted = {option for option, default in known.items() if default is steps.inspect.Parameter.empty}
    yield from (f"{rule}: {step.function} takes no {option}" for option in sorted(given - {*known}))
    yield from (f"{rule}: {step.function} wants {option}" for option in sorted(wanted - given))
    try:
        settings_of(step.settings, SETTINGS)
    except (KeyError, TypeError) as error:
        yield f"{rule}: params.yaml has no {error}"


def problems(dataset: Dataset) -> Iterator[str]:
    """What of a data set is not as rules, papers and readers need it."""
    if not dataset.title:
        yield "no title"
    if not (FOLDER / dataset.name / "README.md").is_file():
        yield "no README.md"
    for kind in (OFFICIAL, SYNTHETIC) if not dataset.videos or dataset.videos.made else (OFFICIAL,):
        rules = dataset.steps(SCALE, of_kind(kind))
        for rule, step in rules.items():
            yield from step_problems(rule, step)
        written = [path for step in rules.values() for path in step.writes.values()]
        yield from (f"{path} is written twice" for path in {path for path in written if written.count(path) > 1})
        read = {path for step in rules.values() for path in step.reads.values() if path.startswith(f"data/{SCALE}/")}
        yield from (f"{path} is read and not written" for path in sorted(read - {*written}))
        if dataset.samples and dataset.samples.replace("data/", f"data/{SCALE}/") not in written:
            yield f"{dataset.samples} is not written"
        if dataset.videos and not any("manifest" in step.writes for step in rules.values()):
            yield f"no manifest of {kind} videos"


@pytest.mark.parametrize("name", registry.found())
def test_a_data_set_conforms(name):
    assert [*problems(registry.found()[name])] == []


def test_one_that_does_not_is_said_to_in_every_point():
    videos = Videos(
        Step("datasets.aqa7.official.write_manifest", ("clips", "clip"), {"list": "raw/aqa7-lists"}),
        Step("clips.store.write_clip", ("clips",)),
    )
    assert [*problems(Dataset("broken", "", videos, samples="data/clips/other.parquet"))] == [
        "no title",
        "no README.md",
        "broken_manifest: datasets.aqa7.official.write_manifest takes no list",
        "broken_manifest: datasets.aqa7.official.write_manifest wants lists",
        "broken_manifest: params.yaml has no 'clip'",
        "broken_clips: module 'rescore.clips.store' has no attribute 'write_clip'",
        "data/clips/other.parquet is not written",
    ]


@pytest.mark.parametrize("value", [None, "renamed"])
def test_a_declaration_that_is_none_is_one_sentence(value, monkeypatch):
    dataset = importlib.import_module("rescore.datasets.aqa7.dataset")
    monkeypatch.setattr(dataset, "DATASET", value and replace(dataset.DATASET, name=value))
    registry.found.cache_clear()
    with pytest.raises(RescoreError, match=r"aqa7/dataset.py: DATASET is no Dataset named aqa7"):
        registry.found()
    monkeypatch.undo()
    registry.found.cache_clear()


def test_where_it_is_not_among_the_sources_it_has_no_rule():
    assert registry.found()["rhythmic_gymnastics"].steps(SCALE, of_kind(NONE)) == {}


def test_official_features_that_may_be_missing_have_no_rule_where_they_are(tmp_path):
    gymnastics, settings = registry.found()["rhythmic_gymnastics"], of_kind(OFFICIAL)
    static = {**settings["action_net"]["static"], "directory": str(tmp_path / "static")}
    settings = {**settings, "action_net": {**settings["action_net"], "static": static}}
    assert [*gymnastics.steps(SCALE, settings)] == ["gymnastics_features"]
    (tmp_path / "static").mkdir()
    rules = gymnastics.steps(SCALE, settings)
    assert rules["gymnastics_static"].directory == str(tmp_path / "static")
    assert [*gymnastics.steps(SCALE, of_kind(SYNTHETIC))] == [*rules]
