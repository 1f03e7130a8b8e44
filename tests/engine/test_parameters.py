"""params.yaml is checked before anything runs, and an error names the key and the nearest valid one."""

import copy
from pathlib import Path

import pytest
import yaml

from rescore.engine import parameters
from rescore.engine.errors import RescoreError

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


def test_a_scale_that_is_not_there_is_named_with_the_nearest(config):
    config["scale"] = "dmeo"
    with pytest.raises(RescoreError, match="unknown scale 'dmeo', did you mean 'demo'"):
        parameters.from_config(config, None, parameters.SCHEMA, "params.yaml")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("defaults", "lstm", "widht"), 3, "unknown key 'widht', did you mean 'width'"),
        (("scales", "demo", "lstm", "iteratons"), 3, "unknown key 'iteratons', did you mean 'iterations'"),
        (("sale",), "demo", "unknown key 'sale', did you mean 'scale'"),
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
    with pytest.raises(RescoreError, match="wrong parameters") as caught:
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


def write(tmp_path: Path, lines: str) -> Path:
    """The shipped file with one more scale, `trap`, of these lines."""
    text = Path("params.yaml").read_text(encoding="utf-8").rstrip("\n")
    indented = "".join(f"    {line}\n" for line in lines.split("\n"))
    path = tmp_path / "params.yaml"
    path.write_text(f"{text}\n\n  trap:\n    extends: demo\n{indented}", encoding="utf-8")
    return path


TRAPS = [
    ("seeds: 1.0", "scales.trap.seeds: 1.0 is not of type 'integer'; write 1"),
    ("seeds: 1e1", "YAML 1.1 takes this for text, write 10"),
    ("seeds: 1_0.0", "10.0 is not of type 'integer'; write 10"),
    ("seeds: 010", "is read as 8"),
    ("seeds: 1:30", "is read as 90"),
    ("seeds: yes", "True is not of type 'integer'; YAML 1.1 takes yes, no, on and off for true and false"),
    ("seeds: 3 000", "YAML 1.1 takes this for text, write 3000"),
    ("seeds: 1e400", "'1e400' is not of type 'integer'; no number of double precision"),
    ("lstm: {learning_rate: 1e-400}", "no number of double precision"),
    ("seeds: 99999999999999999999", "is greater than the maximum"),
    ("sources: {aqa7_directory: ''}", "scales.trap.sources.aqa7_directory: '' is not a folder's path"),
    ("sources: {ucf101_directory: '  '}", "'  ' is not a folder's path"),
    ("seeds:", "nothing stands behind its colon"),
    ("seeds: '3'", "YAML 1.1 takes this for text, write 3"),
    ("seeds: 3\nseeds: 4", "scales.trap: key 'seeds' stands twice (lines "),
    ("lstm: {width: 3, width: 4}", "scales.trap.lstm: key 'width' stands twice (lines "),
    ("on: 4", "key on (line "),
    ("5: 4", "is read as 5, not as text"),
    ("2016-08-20: 4", "is read as datetime.date(2016, 8, 20), not as text"),
    ("lstm: {learning_rate: .inf}", "scales.trap.lstm.learning_rate: not a finite number"),
    ("lstm: {learning_rate: 4e-4}", "YAML 1.1 takes this for text, write 0.0004"),
    ("lstm: {learning_rate: 1.0e4}", "YAML 1.1 takes this for text, write 10000"),
    ("lstm: {learning_rate: '0,0004'}", "YAML 1.1 takes this for text, write 0.0004"),
    ("ridge: {penalties: [0.1, 1e-2]}", "scales.trap.ridge.penalties.1: '1e-2' is not of type 'number'; YAML 1.1"),
    ("extends: paper", "scales.trap: key 'extends' stands twice"),
    ("clips: {on_bad_video: no}", "False is not"),
]


@pytest.mark.parametrize(("lines", "message"), TRAPS, ids=[lines for lines, _ in TRAPS])
def test_what_yaml_reads_otherwise_than_it_looks_is_said(lines, message, tmp_path):
    with pytest.raises(RescoreError, match="wrong parameters") as caught:
        parameters.load(write(tmp_path, lines), "trap")
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["../up", "a/b", ".", "raw", "Demo", "1st", "-x"])
def test_a_scale_has_a_name_that_can_be_a_folder_s(name, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(Path("params.yaml").read_text().rstrip("\n") + f"\n\n  '{name}': {{extends: demo}}\n")
    with pytest.raises(RescoreError, match="is not a name of a scale"):
        parameters.load(path, name)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("clips: {crop: 90}", "clips.crop 90 is larger than clips.resize"),
        ("multitask: {clips: {crop: 90}}", "multitask.clips.crop 90 is larger than multitask.clips.resize"),
        (
            "multitask: {clips: {wide_crop: 90}}",
            "multitask.clips.wide_crop 90 is larger than multitask.clips.wide_resize",
        ),
        ("backbone: {network: r3d_18}", "backbone.weights pretrained are not of backbone.network r3d_18"),
        ("extensions: {aggregation: {transformer: {heads: 3}}}", "width 32 is no multiple of its heads, 3"),
        ("extensions: {resnet_weights: kinetics400}", "extensions.resnet_width 0.0625 with resnet_weights kinetics400"),
    ],
)
def test_values_that_do_not_fit_one_another(lines, message, tmp_path):
    with pytest.raises(RescoreError, match="values that do not fit at scale 'trap'") as caught:
        parameters.load(write(tmp_path, lines), "trap")
    assert message in str(caught.value)


def test_what_the_command_line_lays_over_the_file_is_mended_there(tmp_path):
    path = write(tmp_path, "seeds: 3")
    config = yaml.safe_load(path.read_text()) | {"seeds": 3}
    with pytest.raises(
        RescoreError, match=r"(?s)--config seeds: wrong parameters .*Remedy: change it on the command line"
    ):
        parameters.from_config(config, "trap", parameters.SCHEMA, str(path))


def test_the_workflow_s_own_reading_finds_them_too(tmp_path):
    """The engine hands over what it has read, in which a key that stood twice is there once."""
    path = write(tmp_path, "seeds: 3\nseeds: 4")
    config = yaml.safe_load(path.read_text())
    with pytest.raises(RescoreError, match="'seeds' stands twice"):
        parameters.from_config(config, "trap", parameters.SCHEMA, str(path))


def test_all_traps_are_named_together(tmp_path):
    path = write(tmp_path, "seeds: 2.0\nseeds: 3.0\nlstm: {learning_rate: 4e-4, width: 010}")
    with pytest.raises(RescoreError, match=r"wrong parameters \(4\)"):
        parameters.load(path, "trap")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"scale: demo\n\tseeds: 3\n  \tdives: 2\n", "lines indented with tabs: 2, 3"),
        ("scale: demo # für alle\n".encode("latin1"), "not in UTF-8"),
        (b"", "empty. It has the keys scale, defaults and scales"),
        (b"- scale: demo\n", "no mapping of names to values"),
        (b"scale:\tdemo: x\n", "line 1, column"),
        (b"scale: 2024-02-30\n", "a value that YAML takes for a date"),
        (b"scale: !!int abc\n", "a value that YAML takes for a date, a number or a tag"),
        (b"scale: &a [*a]\n", "an anchor (&) holds an alias (*) of itself"),
        (b"scale: demo\n---\nscale: paper\n", "not YAML"),
        (b"scale: @demo\n", "not YAML"),
    ],
)
def test_files_that_are_none_are_one_sentence(content, message, tmp_path):
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(RescoreError) as caught:
        parameters.load(tmp_path / "params.yaml")
    assert message in str(caught.value)


def test_a_byte_order_mark_and_anchors_are_no_matter(tmp_path):
    path = write(tmp_path, "seeds: &three 30\nscoring: {bootstrap: *three}")
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-8-sig"))
    settings = parameters.load(path, "trap")[1]
    assert (settings["seeds"], settings["scoring"]["bootstrap"]) == (30, 30)


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
