"""params.yaml is checked before anything runs, and an error names the key and the nearest valid one."""

import copy
from pathlib import Path

import pytest
import yaml

from rescore import parameters
from rescore.errors import RescoreError

SCALES = ["demo", "smoke", "open", "paper"]


@pytest.fixture
def config():
    return yaml.safe_load(Path("params.yaml").read_text())


def resolve(config, scale="demo"):
    return parameters.from_config(config, scale, parameters.SCHEMA, "params.yaml")[1]


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_of_the_shipped_file_is_valid(scale):
    name, settings = parameters.load(scale=scale)
    assert name == scale
    assert "extends" not in settings
    assert settings["fine_tuning"]["test_samples"] >= 4


def test_paper_scale_has_the_papers_values(config):
    settings = resolve(config, "paper")
    assert settings == parameters.merge(config["defaults"], {})
    assert settings["lstm"] | {"checkpoint_every": 0, "evaluate_every": 0} == {
        "width": 256,
        "initial_sd": 0.1,
        "learning_rate": 0.001,
        "anneal_every": 3000,
        "anneal_factor": 0.5,
        "iterations": 20000,
        "batch": 15,
        "evaluate_every": 0,
        "checkpoint_every": 0,
    }


def test_a_scale_extends_another_and_overrides_key_by_key(config):
    demo, smoke = resolve(config, "demo"), resolve(config, "smoke")
    assert smoke["clips"] == demo["clips"]
    assert smoke["lstm"]["width"] == 16
    assert smoke["lstm"]["learning_rate"] == config["defaults"]["lstm"]["learning_rate"]


def test_resolving_leaves_the_file_as_it_was(config):
    before = copy.deepcopy(config)
    resolve(config, "smoke")["lstm"]["width"] = -1
    assert config == before


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("defaults", "lstm", "widht"), 3, "unknown key 'widht', did you mean 'width'"),
        (("scales", "demo", "lstm", "iteratons"), 3, "unknown key 'iteratons', did you mean 'iterations'"),
        (("sale",), "demo", "unknown key 'sale', did you mean 'scale'"),
        (("scale",), "dmeo", "is not one of"),
        (("defaults", "seeds"), "five", "defaults.seeds: 'five' is not of type 'integer'"),
        (("defaults", "clips", "on_bad_video"), "ignore", "is not one of"),
        (("scales", "smoke", "scoring", "bootstrap"), -1, "less than the minimum"),
        (("defaults", "lstm", "learning_rate"), float("nan"), "not a finite number"),
        (("defaults", "lstm", "learning_rate"), "1e-3", "not of type 'number'"),
        (("scales", "huge"), {"extends": "demo", "sedes": 4}, "unknown key 'sedes', did you mean 'seeds'"),
    ],
)
def test_a_wrong_key_or_value_is_one_clear_error(config, path, value, message):
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(RescoreError, match="params.yaml: wrong parameters") as caught:
        resolve(config)
    assert message in str(caught.value)


def test_all_wrong_keys_are_reported_together(config):
    config["defaults"]["lstm"]["widht"] = 1
    config["defaults"]["clips"]["crop"] = "big"
    config["scales"]["demo"]["sedes"] = 2
    with pytest.raises(RescoreError, match=r"wrong parameters \(3\)"):
        resolve(config)


def test_a_missing_key_is_an_error(config):
    del config["defaults"]["lstm"]["batch"]
    with pytest.raises(RescoreError, match="'batch' is a required property"):
        resolve(config)


def test_unknown_scale_names_the_nearest(config):
    with pytest.raises(RescoreError, match="did you mean 'paper'"):
        resolve(config, "papr")


def test_scales_in_a_circle(config):
    config["scales"]["demo"]["extends"] = "smoke"
    with pytest.raises(RescoreError, match="circle: demo > smoke > demo"):
        resolve(config)


def test_values_that_do_not_fit_together(config):
    config["scales"]["demo"]["clips"] = {"frames": 90, "resize": [40, 40], "crop": 56}
    config["scales"]["demo"]["fine_tuning"] = {"iterations": {"default": [1]}}
    with pytest.raises(RescoreError, match=r"do not fit at scale 'demo' \(3\)"):
        resolve(config)


def test_missing_or_broken_file(tmp_path):
    with pytest.raises(RescoreError, match="no such file"):
        parameters.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("scale: [demo")
    with pytest.raises(RescoreError, match="not YAML"):
        parameters.load(tmp_path / "params.yaml")


def test_a_section_may_be_part_of_one():
    settings = {"seed": 0, "multitask": {"clips": {"frames": 103}, "epochs": 8, "seeds": 1}}
    assert parameters.section(settings, "seed", "multitask.clips", "multitask.epochs") == {
        "seed": 0,
        "multitask": {"clips": {"frames": 103}, "epochs": 8},
    }


def test_folders_are_read_as_a_shell_reads_them(config, monkeypatch):
    monkeypatch.setenv("HOME", "/home/judge")
    monkeypatch.setenv("FILMS", "/big/all films")
    config["defaults"]["sources"] |= {
        "aqa7_directory": "~/it's here",
        "ucf101_directory": "$FILMS/ucf",
        "mtl_aqa_directory": "a $b",
    }
    config["defaults"]["action_net"]["static"]["directory"] = "${FILMS}/static"
    settings = resolve(config, "paper")
    assert settings["sources"]["aqa7_directory"] == "/home/judge/it's here"
    assert settings["sources"]["ucf101_directory"] == "/big/all films/ucf"
    assert settings["sources"]["mtl_aqa_directory"] == "a $b", "no such variable: a name like any other"
    assert settings["action_net"]["static"]["directory"] == "/big/all films/static"
    assert parameters.resolve(config, "paper") == settings
