"""Every system that there is keeps the contracts, and a broken one is found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rescore import cli
from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, read_table, save_arrays, write_table
from rescore.experiments import states
from rescore.judging import conformance
from rescore.scoring.papers import read_papers
from rescore.systems import registry, settings
from rescore.systems.gdlt.training import rehearse
from rescore.systems.s4aqa.rehearsal import regressions

ROOT = Path(__file__).parents[2]
PAPERS = read_papers(ROOT / "papers")
TRIED = {
    title: family.load(registry.package_of(declaration))
    for declaration in registry.found().values()
    for title, family in getattr(declaration, "TRIED", {}).items()
}
EXPERIMENTS = {f"{one.name}{' (real)' if one.sources else ''}": one for one in registry.experiments()}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_declaration_fits(name):
    assert list(conformance.declared_problems(EXPERIMENTS[name], PAPERS)) == []


@pytest.mark.parametrize("title", TRIED)
def test_every_training_keeps_the_contracts(title):
    assert conformance.trained_problems(TRIED[title]) == []


def test_every_system_that_trains_is_tried_and_rehearsed():
    scale = parameters.load(ROOT / "params.yaml", "demo", ROOT / parameters.SCHEMA)[1]
    rehearsed = {package for package, _ in registry.rehearsed(scale)}
    for name, declaration in registry.found().items():
        own = [one for one in declaration.EXPERIMENTS if one.step.startswith(f"systems.{name}.")]
        trains = any(one.gpu and not one.sources for one in own)
        assert trains == (registry.package_of(declaration) in rehearsed) == hasattr(declaration, "TRIED"), name


def test_declarations_params_yaml_and_schema_agree():
    text = (ROOT / "params.yaml").read_text()
    assert settings.written(text) == text, "rescore settings"
    assert settings.schema_text() == (ROOT / parameters.DECLARED_SCHEMA).read_text(), "rescore settings"


def test_every_knob_that_is_read_somewhere_is_declared_once():
    for section, model in settings.declared().items():
        value = parameters.load(ROOT / "params.yaml", "paper", ROOT / parameters.SCHEMA)[1]
        for key in section.split("."):
            value = value[key]
        model(**value)


BROKEN = {
    "no step": {"step": "systems.gdlt.training.nothing"},
    "its step has no option": {"writes": {"predictions": "predictions.parquet", "members": "m", "more": "more.csv"}},
    "its step needs members": {"writes": {"predictions": "predictions.parquet"}},
    "writes neither": {"writes": {"predictions": "said.parquet", "members": "members.safetensors"}},
    "which params.yaml does not have": {"settings": ("gdtl",)},
    "no table of a paper names it": {"name": "gdlt/elsewhere"},
    "nothing says how often": {"jobs": lambda settings: [{"system": "unheard_of", "seed": "0"}]},
}


@pytest.mark.parametrize("said", BROKEN)
def test_a_broken_declaration_is_found(said):
    broken = replace(EXPERIMENTS["gdlt/rhythmic_gymnastics"], **BROKEN[said])
    assert any(said in problem for problem in conformance.declared_problems(broken, PAPERS))


def predictions_of(files):
    return next(path for path in files if path.suffix == ".parquet")


def rewritten(change):
    """A training whose predictions are changed after it."""

    def training(stage):
        files = regressions(stage)
        path = predictions_of(files)
        write_table(path, change(read_table(path)))
        return files

    return training


def nameless(stage):
    files = rehearse(stage)
    weights = next(path for path in files if path.suffix == ".safetensors")
    save_arrays(weights, load_arrays(weights)[0], {"code": "abc"})
    return files


def drawn_anew(stage):
    files = regressions(stage)
    path = predictions_of(files)
    table = read_table(path)
    write_table(path, table.assign(predicted=table["predicted"] + np.random.default_rng().normal(size=len(table))))
    return files


def left_behind(stage):
    files = rehearse(stage)
    (stage.folder / "made" / "members.restart").mkdir()
    return files


def starts_over_otherwise(stage):
    """Goes on from where it was killed with other numbers."""
    again = (stage.folder / "begun").exists()
    (stage.folder / "begun").touch()
    changed = replace(stage, settings=stage.settings | {"first_training": 0, "seed": int(again)})
    return rehearse(changed)


FAULTS = {
    "test samples of .* are missing": rewritten(lambda table: table.drop(index=0)),
    "duplicate rows": rewritten(lambda table: table.iloc[[0, *range(len(table))]]),
    "NaN or infinite": rewritten(lambda table: table.assign(predicted=np.nan)),
    "seeds .* declared": rewritten(lambda table: table.assign(seed=table["seed"] + 7)),
    "no predictions": lambda stage: rehearse(stage)[1:],
    "the header lacks its settings": nameless,
    "the header has the code": nameless,
    "ends with other bytes": drawn_anew,
    "left behind": left_behind,
}


@pytest.mark.parametrize("said", FAULTS)
def test_a_broken_training_is_found(said):
    with pytest.raises(AssertionError, match=said):
        assert not (problems := conformance.trained_problems(FAULTS[said])), "\n".join(problems)


def test_a_killed_run_that_goes_on_otherwise_is_found():
    assert any("other bytes" in problem for problem in conformance.trained_problems(starts_over_otherwise))


def test_the_command_tries_one_system(capsys):
    assert cli.main(["conform", "gdlt"]) == 0
    assert "all conform" in capsys.readouterr().out
    assert cli.main(["conform", "gtld"]) == 1
    assert "no system gtld: action_net | aqa7_lstm" in capsys.readouterr().err


def test_problems_are_listed(monkeypatch, capsys):
    monkeypatch.setattr(conformance, "trained_problems", lambda training: ["no predictions"])
    assert cli.main(["conform", "gdlt"]) == 1
    assert "GDLT: no predictions" in capsys.readouterr().out


def test_the_smallest_sizes_are_no_users():
    assert "scale" not in states.settings()
    with pytest.raises(RescoreError, match="no system"):
        conformance.try_systems(["nothing"])
