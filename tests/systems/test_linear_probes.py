"""Which samples each probe learns from and is tested on, and what its files hold."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.scoring.predictions import COLUMNS
from rescore.systems.linear_probes.probes import (
    LAYERS,
    draw_vaults,
    folders,
    probe_dives,
    probe_vaults,
    regressions,
    split_by_event,
)
from tests.linear_probe_files import SETTINGS, make_vaults, with_others, write_activations
from tests.mtl_aqa_files import make_dives, make_splits

PROBES = SETTINGS["linear_probes"]


def run(folder: Path, vaults=None, dives=None, settings=SETTINGS) -> tuple[pd.DataFrame, pd.DataFrame]:
    vaults, dives = make_vaults() if vaults is None else vaults, make_dives() if dives is None else dives
    paths = write_activations(folder / "activations", dives, vaults)
    dives.to_parquet(folder / "dives_rows.parquet")
    make_splits(dives).to_parquet(folder / "splits.parquet")
    with_others(vaults).to_parquet(folder / "vault_rows.parquet")
    outputs = {
        name: (folder / name / "predictions.parquet", folder / name / "choice.json") for name in ("dives", "vaults")
    }
    probe_dives(paths, folder / "dives_rows.parquet", folder / "splits.parquet", *outputs["dives"], settings)
    probe_vaults(paths, folder / "vault_rows.parquet", *outputs["vaults"], settings)
    return pd.read_parquet(outputs["dives"][0]), pd.read_parquet(outputs["vaults"][0])


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, pd.DataFrame, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("probes")
    return folder, *run(folder)


def test_dives_are_those_of_the_whole_training_set(written):
    _, dives, _ = written
    assert tuple(dives.columns) == COLUMNS
    splits = make_splits(make_dives())
    tested = splits[(splits["training_set"] == "1059") & (splits["split"] == "test")]["sample"]
    for _, part in dives.groupby(["member", "seed"]):
        assert set(part["sample"]) == set(tested)
    assert dives.groupby("member")["seed"].nunique().to_dict() == {
        f"{body}/dives/{layer}": seeds
        for body, seeds in (("backbone", 2), ("classes", 2), ("score_classes_caption", 2))
        for layer in LAYERS
    }


def test_layers_that_know_more_say_more(written):
    _, dives, vaults = written
    for table in (dives, vaults):
        rho = {
            key: spearmanr(part["target"], part["predicted"]).statistic
            for key, part in table.groupby(["member", "seed"])
        }
        best = [value for (member, _), value in rho.items() if member.endswith("/c4")]
        none = [value for (member, _), value in rho.items() if member.endswith("/c5")]
        assert min(best) > 0.9 > max(none)


def test_every_body_has_the_same_vaults_of_a_seed(written):
    _, _, vaults = written
    assert set(vaults["member"].str.split("/").str[1]) == {"within", "outside"}
    evaluation = vaults["member"].str.split("/").str[1]
    sets = vaults.groupby([evaluation, "seed", "member"])["sample"].agg(frozenset)
    assert sets.groupby(level=[0, 1]).nunique().eq(1).all()
    assert sets.groupby(level=0).nunique().eq(2).all()  # a draw a seed
    assert sets.map(len).eq(12).all()
    assert set(vaults["split"]) == {"test"}


def test_vaults_out_of_the_data_set_come_from_other_competitions():
    vaults = make_vaults()
    for seed in range(5):
        draws = draw_vaults(vaults, PROBES, 0, seed)
        assert len({len(draw.train) for draw in draws.values()}) == 1
        for draw in draws.values():
            assert len(set(draw.train) | set(draw.test)) == len(draw.train) + 12
        outside = draws["outside"]
        events = [set(vaults["event"][rows]) for rows in (outside.train, outside.test)]
        assert not events[0] & events[1]
    # 44 vaults of six competitions: 25 of the 32 others, or of the 28 to 30 in four competitions
    assert len(draws["within"].train) == 25
    assert len(draw_vaults(vaults, PROBES | {"training_samples": 125}, 0, 0)["within"].train) in (28, 29, 30)


def test_competitions_are_taken_until_they_hold_enough():
    events = np.array(list("aaaabbbbcccc"))
    for tested, competitions in ((4, 1), (5, 2), (8, 2)):
        test, train = split_by_event(events, tested, np.random.default_rng(0))
        assert len(test) == tested
        assert len(set(events[test])) == competitions
        assert len(train) == 4 * (3 - competitions)


def test_without_competitions_there_is_no_evaluation_out_of_the_data_set(tmp_path):
    _, vaults = run(tmp_path, make_vaults().assign(event=None))
    assert set(vaults["member"].str.split("/").str[1]) == {"within"}
    _, vaults = run(tmp_path, make_vaults().drop(columns="event"))
    assert set(vaults["member"].str.split("/").str[1]) == {"within"}


def test_choices_are_kept_and_runs_repeat(written, tmp_path):
    folder, dives, vaults = written
    choice = json.loads((folder / "vaults" / "choice.json").read_text())
    assert set(choice["members"]) == {
        f"{member}, seed {seed}" for member, seed in zip(vaults["member"], vaults["seed"], strict=True)
    }
    assert len(choice["members"]) + dives.groupby(["member", "seed"]).ngroups == regressions(SETTINGS)
    first = choice["members"]["classes/within/c4, seed 1"]
    assert first["penalty"] in PROBES["penalties"]
    assert (first["training_samples"], first["test_samples"], first["values"]) == (25, 12, 20)
    run(tmp_path)
    for name in ("dives", "vaults"):
        for file in ("predictions.parquet", "choice.json"):
            assert (folder / name / file).read_bytes() == (tmp_path / name / file).read_bytes()


def test_files_that_do_not_fit_are_named_together(written, tmp_path):
    folder, _, _ = written
    paths = sorted((folder / "activations").rglob("*.safetensors"))
    other = make_vaults().iloc[::-1].reset_index(drop=True)
    with_others(other).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(RescoreError) as error:
        probe_vaults(
            [path for path in paths if "classes/1059/1" not in str(path)],
            *(tmp_path / name for name in ("rows.parquet", "p.parquet", "c.json")),
            SETTINGS,
        )
    assert "its vaults are not those of the data set" in str(error.value)
    assert "no activations of classes, seed 1" in str(error.value)
    with pytest.raises(RescoreError, match="too few for 3 folds"):
        draw_vaults(make_vaults(15), PROBES, 0, 0)


def test_the_workflow_reads_the_bodies_without_a_framework():
    assert folders(SETTINGS)[:3] == ["backbone/0", "backbone/1", "c3d_avg/classes/1059/0"]
    given = {**SETTINGS, "backbone": {"weights": "sports1m"}, "first_training": 4}
    assert folders(given)[:2] == ["backbone/0", "c3d_avg/classes/1059/4"]
    code = "import sys, rescore.systems.linear_probes.probes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
