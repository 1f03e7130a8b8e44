"""Baselines without video: what they are fitted on, what they may see, and their files."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.scoring.predictions import COLUMNS
from rescore.systems.common.label_regression import DIVE_CLASS
from rescore.systems.mtl_aqa_baselines.predict import run
from tests.mtl_aqa_files import SETTINGS, make_dives, make_splits


def write(folder, dives=None, splits=None, settings=SETTINGS):
    dives = make_dives() if dives is None else dives
    inputs = [folder / "manifest.parquet", folder / "splits.parquet"]
    dives.to_parquet(inputs[0])
    (make_splits(dives) if splits is None else splits).to_parquet(inputs[1])
    outputs = [folder / f"{name}.parquet" for name in ("predictions", "classes", "captions")]
    run(*inputs, *outputs, settings)
    return [pd.read_parquet(path) for path in outputs]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write(tmp_path_factory.mktemp("baselines"))


def test_every_training_set_has_every_baseline_on_its_test_dives(tables):
    predictions, classes, captions = tables
    splits = make_splits(make_dives())
    sets = list(splits["training_set"].unique())
    assert set(COLUMNS) == set(predictions.columns)
    expected = {f"{name}/{part}" for name in ("label_only", "commentary_only", "observer") for part in sets}
    assert set(predictions["member"]) == expected
    assert set(classes["member"]) == {f"majority/{name}" for name in sets}
    drawn = ("random_caption", "caption_elsewhere")
    assert set(captions["member"]) == {f"{member}/{name}" for member in drawn for name in sets}
    for table in tables:
        assert set(table["iteration"]) == {0}
        assert set(table["split"]) == {"test"}
        for member, group in table.groupby("member"):
            tested = splits[(splits["training_set"] == member.rpartition("/")[2]) & (splits["split"] == "test")]
            assert set(group["sample"]) == set(tested["sample"])


def test_regressions_learn_what_their_inputs_tell_and_no_more(tables):
    rho = {
        member: spearmanr(group["target"], group["predicted"]).statistic
        for member, group in tables[0].groupby("member")
    }
    assert rho["commentary_only/1059"] > 0.4  # "nice entry" or "big splash" tells good from bad
    assert rho["observer/1059"] > 0.9
    dives = make_dives()
    commentary = tables[0][tables[0]["member"] == "commentary_only/1059"].merge(
        dives[["sample", "caption"]], on="sample"
    )
    first = commentary["caption"].str.startswith("nice entry")
    assert commentary.loc[first, "predicted"].mean() > commentary.loc[~first, "predicted"].mean()


def test_majority_is_that_of_the_training_dives_alone(tmp_path):
    dives = make_dives().assign(position="tuck")
    tested = set(make_splits(dives).query("split == 'test'")["sample"])
    dives.loc[dives["sample"].isin(tested), "position"] = "pike"
    classes = write(tmp_path, dives)[1]
    position = classes[classes["subaction"] == "position"]
    assert set(position["predicted"]) == {"tuck"}
    assert set(position["target"]) == {"pike"}
    armstand = classes[(classes["subaction"] == "armstand") & (classes["member"] == "majority/1059")]
    assert set(armstand["predicted"]) == {"no"}
    assert set(armstand["target"]) <= {"yes", "no"}
    assert set(classes.loc[classes["subaction"] == "somersaults", "target"]) == {"2.5", "3.5"}


def test_random_captions_are_of_a_training_dive_of_the_same_class(tables):
    dives, splits = make_dives(), make_splits(make_dives())
    train = dives[dives["sample"].isin(splits.query("training_set == '1059' and split == 'train'")["sample"])]
    test = dives.set_index("sample")
    captions = tables[2][tables[2]["member"] == "random_caption/1059"]
    assert set(captions["seed"]) == {0, 1}
    same = 0
    for row in captions.itertuples():
        alike = (train[list(DIVE_CLASS)] == test.loc[row.sample, list(DIVE_CLASS)]).all(axis=1)
        assert row.predicted in set(train.loc[alike, "caption"] if alike.any() else train["caption"])
        assert row.target == test.loc[row.sample, "caption"]
        same += bool(alike.any())
    assert same > 5
    assert captions.groupby("sample")["predicted"].nunique().max() == 2  # seeds draw for themselves


def test_captions_from_elsewhere_are_of_a_training_dive_of_another_class(tmp_path):
    marked = make_dives().assign(caption=lambda dives: dives[list(DIVE_CLASS)].astype(str).agg(" ".join, axis=1))
    captions = write(tmp_path, marked)[2].set_index("member")
    elsewhere, alike = captions.loc["caption_elsewhere/1059"], captions.loc["random_caption/1059"]
    assert (elsewhere["predicted"] != elsewhere["target"]).all()
    assert (alike["predicted"] == alike["target"]).mean() > 0.3


def test_equal_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    for name in ("predictions", "classes", "captions"):
        first, second = (tmp_path / folder / f"{name}.parquet" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


def test_what_a_data_set_does_not_tell_is_left_out(tmp_path):
    predictions, _, captions = write(tmp_path, make_dives().drop(columns="observer").assign(caption=""))
    assert {member.split("/")[0] for member in predictions["member"]} == {"label_only"}
    assert captions.empty
    assert list(captions.columns)[-2:] == ["target", "predicted"]


def test_training_sets_smaller_than_the_folds_are_fitted_with_fewer(tmp_path):
    dives = make_dives()
    splits = make_splits(dives)
    few = splits[(splits["split"] == "test") | splits.groupby(["training_set", "split"]).cumcount().lt(3)]
    predictions = write(tmp_path, dives, few, SETTINGS | {"ridge": {"penalties": [1.0], "folds": 5}})[0]
    assert np.isfinite(predictions["predicted"]).all()


def test_splits_that_do_not_fit_are_named_together(tmp_path):
    dives = make_dives()
    splits = make_splits(dives)
    splits = splits[~((splits["training_set"] == "280") & (splits["split"] == "train"))]
    splits.loc[splits.index[0], "sample"] = "99/999"
    with pytest.raises(RescoreError) as error:
        write(tmp_path, dives, splits)
    assert "99/999: not in the manifest" in str(error.value)
    assert "280: no train dives" in str(error.value)
