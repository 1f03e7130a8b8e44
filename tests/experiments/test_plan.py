"""The plan: members are counted from the settings, and what cannot run is listed with its reason and command."""

from pathlib import Path

import pytest

from rescore.engine import parameters
from rescore.experiments import plan
from rescore.systems import registry
from rescore.systems.multitask.system import full_trainings

ROOT = Path(__file__).parents[2]


def settings_of(scale):
    """A scale's settings, wherever the test has gone."""
    return parameters.load(ROOT / "params.yaml", scale, ROOT / parameters.SCHEMA)[1]


def test_members_of_the_papers_experiments():
    own = [experiment for experiment in registry.on_videos() if not experiment.name.startswith("controls/")]
    counts = {experiment.name: experiment.count(settings_of("paper")) for experiment in own}
    # MTL-AQA: 20 networks and 19 twins without the validation dives, 3 seeds; 4 predictors on 5 training sets.
    # Linear probes: five layers of 9 bodies on dives, and of 3 bodies on two draws of vaults a seed.
    # 5 seeds, each with its own backbone: 6 support vector regressions + 7 networks each; 7 each; 36 cells of Table 4 each
    assert counts == {"all_action": 65, "zero_shot": 35, "fine_tuning": 180} | {
        "mtl_aqa": 117,
        "linear_probes/dives": 5 * 9,
        "linear_probes/vaults": 5 * 2 * 3 * 3,
        "mtl_aqa_baselines": 20,
        # Two training sets of MTL-AQA each, 3 seeds where a system is trained; 10 extensions and their twins, 3 seeds.
        **{"pose_aqa7": 12, "pose_dct": 2, "pose_apen": 2, "c3d_svr": 6, "c3d_lstm": 6, "c3d_lstm_svr": 6},
        **{"c3d_lstm_incremental": 6, "s3d": 6, "li": 6, "extensions": 60},
        # 5 draws of 13 systems at 2 shares, and of 9 on each of 4 apparatus; ACTION-NET on these.
        **{
            "s4aqa/mtl_aqa": 100,
            "coreg/mtl_aqa": 30,
            "s4aqa/rhythmic_gymnastics": 140,
            "coreg/rhythmic_gymnastics": 40,
        },
        **{"action_net/rhythmic_gymnastics": 20, "gdlt/rhythmic_gymnastics": 20},
        "dae": 6,  # a twin without the validation dives, 3 seeds
    }


def test_what_is_not_fetched_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = plan.not_run("demo", settings_of("demo"), None)
    commands = [row["command"] for row in rows]
    assert "rescore fetch unlv-dive-s3d mtl-aqa-annotations && snakemake --cores all" in commands
    assert plan.runnable(settings_of("demo"), None) == []
    assert not [row for row in rows if "ACTION-NET" in row["what"]]  # it runs wherever its features are


def test_a_mirror_makes_every_open_experiment_runnable(tmp_path):
    names = [experiment.name for experiment in registry.on_real_data()]
    assert plan.runnable(settings_of("demo"), tmp_path) == names
    assert plan.runnable(settings_of("demo") | {"open": "never"}, tmp_path) == []


def test_paper_scale_without_videos_says_which_folders_are_missing(tmp_path, monkeypatch):
    settings = settings_of("paper")
    monkeypatch.chdir(tmp_path)
    text = plan.describe("paper", settings, None)
    assert "AQA-7 videos under data/raw/aqa7/videos" in text
    assert "UCF-101 videos under data/raw/ucf101/videos" in text
    assert "blocked" in text


def test_what_is_done_is_said_so(tmp_path, monkeypatch):
    settings = settings_of("demo")
    monkeypatch.chdir(tmp_path)
    before = plan.describe("demo", settings, None)
    (tmp_path / "runs/demo/zero_shot").mkdir(parents=True)
    (tmp_path / "runs/demo/zero_shot/predictions.parquet").touch()
    after = plan.describe("demo", settings, None)
    assert before.count(" done") == 0
    assert after.count(" done") == 1


def test_the_cost_names_every_step_and_what_must_be_fetched(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # nothing is fetched here
    text = plan.describe_cost(settings_of("paper"), None)
    for words in (
        "pretrain",
        "mtl_aqa_clips",
        "c3d_avg members",
        "GPU hours",
        "MTL-AQA videos under",
        "rescore fetch aqa7",
    ):
        assert words in text


def test_trainings_count_smaller_sets_by_their_share():
    found = full_trainings(settings_of("demo"))
    # five task sets on everything; single task and multitask on three smaller sets and on UNLV-Dive
    assert found["c3d_avg"] == pytest.approx(5 + 2 * (443 + 279 + 143 + 300) / 1059)


def test_weights_to_be_fetched_are_those_that_the_networks_read(tmp_path, monkeypatch):
    from rescore.models.backbones import BackboneWeights
    from rescore.models.keypoints import PUBLISHED

    published = [PUBLISHED, *(weights.value for weights in BackboneWeights)]
    names = {each.network: each.filename for each in published if each.directory is None}
    assert names == plan.PUBLISHED_WEIGHTS
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert len(plan.missing_weights(settings_of("paper"))) == 4
    assert plan.missing_weights(settings_of("demo")) == []
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    (tmp_path / "hub/checkpoints" / names["r3d_18"]).touch()
    assert len(plan.missing_weights(settings_of("paper"))) == 3
