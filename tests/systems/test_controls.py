"""Worlds whose truth is known have it, and twins are told apart by a single bit."""

import numpy as np
import pandas as pd
import pytest

from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.engine.storage import save_arrays
from rescore.systems.controls import system, worlds
from rescore.systems.controls.twins import compare_twins
from rescore.systems.files import Files
from synthetic_athlete.generate import label

SETTINGS = {"seed": 3}


@pytest.fixture
def rows(tmp_path):
    names = [f"{action}/{number:03d}" for action in ("diving", "gymvault") for number in range(1, 31)]
    table = pd.DataFrame(
        {
            "sample": names,
            "action": [name.partition("/")[0] for name in names],
            "split": ["test" if number % 3 == 0 else "train" for number in range(60)],
            "score": np.arange(60) / 2 + 10,
            "difficulty": np.arange(60) / 20 + 1,
            "caption": [f"said of {name}" for name in names],
            "armstand": [number % 2 == 0 for number in range(60)],
        }
    )
    table.to_parquet(tmp_path / "rows.parquet")
    return table


def made(tmp_path, world, **more) -> pd.DataFrame:
    world(tmp_path / "rows.parquet", tmp_path / "world.parquet", settings=SETTINGS, **more)
    first = (tmp_path / "world.parquet").read_bytes()
    world(tmp_path / "rows.parquet", tmp_path / "world.parquet", settings=SETTINGS, **more)
    assert (tmp_path / "world.parquet").read_bytes() == first
    return pd.read_parquet(tmp_path / "world.parquet")


def test_shuffled_labels_stay_together_in_their_action_and_leave_test_samples_alone(tmp_path, rows):
    found, test = made(tmp_path, worlds.shuffle_labels, number=0), rows["split"] == "test"
    assert not found.equals(made(tmp_path, worlds.shuffle_labels, number=1)), "a training has a shuffle of its own"
    pd.testing.assert_frame_equal(found[test], rows[test])
    assert (found.loc[~test, "score"] == rows.loc[~test, "score"]).mean() < 0.2
    said = found["caption"].str.removeprefix("said of ")
    whose = rows.set_index("sample").loc[said]
    assert (whose["score"].to_numpy() == found["score"].to_numpy()).all()
    assert (whose["action"].to_numpy() == found["action"].to_numpy()).all()
    assert sorted(found["caption"]) == sorted(rows["caption"])


def test_noise_replaces_every_test_label_and_none_of_training(tmp_path, rows):
    found, test = made(tmp_path, worlds.replace_test_labels), rows["split"] == "test"
    pd.testing.assert_frame_equal(found[~test], rows[~test])
    known = rows.loc[~test, "score"]
    assert found.loc[test, "score"].between(known.min(), known.max()).all()
    assert not (found.loc[test, "score"] == rows.loc[test, "score"]).any()
    assert set(found.loc[test, "caption"]) <= set(rows.loc[~test, "caption"])


def test_disjoint_scores_follow_one_element_alone(tmp_path, rows):
    found = made(tmp_path, worlds.score_by_one_element)
    assert "difficulty" not in found
    for action, element in (("diving", "splash"), ("gymvault", "landing")):
        mine = found[found["action"] == action]
        faults = [label(action, int(name[-3:]), 3).athletes[0][element] for name in mine["sample"]]
        assert mine["score"].to_numpy() == pytest.approx(100 * (1 - np.array(faults)), abs=0.006)
    assert len(set(worlds.ELEMENTS.values())) == len(worlds.ELEMENTS)


def test_a_painted_bar_is_as_high_as_the_score_and_alike_from_both_sides(tmp_path, rows):
    clips = np.random.default_rng(0).integers(0, 256, (60, 2, 20, 24, 3), dtype=np.uint8)
    np.save(tmp_path / "clips.npy", clips)
    worlds.paint_scores(tmp_path / "clips.npy", tmp_path / "rows.parquet", tmp_path / "painted.npy")
    found = np.load(tmp_path / "painted.npy")
    assert (found[:, :, :, :8] == clips[:, :, :, :8]).all()
    middle = found[:, :, :, 8:16]
    assert (middle == middle[:, :, :, ::-1]).all()
    shown = (middle[:, 0, :, 0, 0] == 255).sum(axis=1)
    assert shown == pytest.approx(20 * rows["score"] / rows["score"].max(), abs=0.51)


def test_a_table_without_labels_or_of_other_clips_is_refused(tmp_path, rows):
    rows.drop(columns="split").to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(RescoreError, match=r"rows\.parquet: columns are missing(.|\n)*split"):
        worlds.shuffle_labels(tmp_path / "rows.parquet", tmp_path / "world.parquet", 0, SETTINGS)
    rows.assign(split="test").to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(RescoreError, match="no training sample"):
        worlds.replace_test_labels(tmp_path / "rows.parquet", tmp_path / "world.parquet", SETTINGS)
    np.save(tmp_path / "clips.npy", np.zeros((59, 2, 4, 6, 3), np.uint8))
    with pytest.raises(RescoreError, match=r"clips\.npy"):
        worlds.paint_scores(tmp_path / "clips.npy", tmp_path / "rows.parquet", tmp_path / "painted.npy")


def training(folder, weight: float, predicted: float):
    """Files of a training: its weights, and what it predicts at two iterations."""
    folder.mkdir()
    lines = [("all", 0, iteration, "a", value) for iteration, value in ((1, 7.0), (2, predicted))]
    lines.append(("observer/1059", 0, 0, "a", float(len(folder.name))))  # made of the test sample's labels
    columns = ["member", "seed", "iteration", "sample", "predicted"]
    pd.DataFrame(lines, columns=columns).to_parquet(folder / "predictions.parquet")
    save_arrays(folder / "weights.safetensors", {"w": np.array([weight], np.float32)}, {"rows": folder.name})
    return [folder / "predictions.parquet", folder / "weights.safetensors"]


def test_one_bit_of_weights_or_last_predictions_tells_twins_apart(tmp_path):
    original = training(tmp_path / "original", 1.0, 2.0)
    weight, last = np.nextafter(np.float32(1), np.float32(2)), np.nextafter(2.0, 3.0)
    twins = {"same": (1.0, 2.0, [1]), "weight": (weight, 2.0, [0]), "last": (1.0, last, [0])}
    for name, (weight, last, wanted) in twins.items():
        compare_twins(original, training(tmp_path / name, weight, last), tmp_path / "twins.csv")
        assert pd.read_csv(tmp_path / "twins.csv")["value"].to_list() == wanted, name
    with pytest.raises(RescoreError, match="1 of their twins"):
        compare_twins(original, original[:1], tmp_path / "twins.csv")


def test_trainings_read_their_world_and_run_on_synthetic_videos_alone():
    _, settings = parameters.load(scale="demo")
    files = Files("demo", settings)
    for experiment in system.EXPERIMENTS:
        world = experiment.name.split("/")[1]
        jobs = experiment.jobs(settings) if experiment.jobs else [{}]
        tables = [experiment.reads(files, job) for job in jobs]
        for read in tables:
            changed = [option for option, path in read.items() if f"controls/{world}/" in str(path)]
            assert changed == ["clips" if world == "painted" else "rows"]
        if world == "shuffled":
            assert len({read["rows"] for read in tables}) == len(jobs) == 3
            assert [experiment.changed(settings, job)["first_training"] for job in jobs] == [0, 1, 2]
        assert experiment.runs(settings)
        official = {**settings, "sources": {**settings["sources"], "aqa7_videos": "official"}}
        assert not experiment.runs(official)
    assert system.fewer_epochs(settings)["multitask"]["epochs"] < settings["multitask"]["epochs"]
