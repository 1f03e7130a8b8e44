from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.datasets.mtl_aqa.judges import MARKS
from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays
from rescore.models.aggregation import ClipNetwork
from rescore.models.backbones import convert_weights
from rescore.systems.common.clip_members import Outputs
from rescore.systems.extensions import training as extensions
from rescore.systems.extensions.training import Files, load_resnet, train_member
from tests.training import dives

EXTENSIONS: dict[str, Any] = {
    "training": {"epochs": 2},
    "resnet_weights": "random",
    "resnet_width": 0.0625,
    "aggregation": {
        "attention_width": 4,
        "lstm_width": 6,
        "transformer": {"width": 8, "layers": 1, "heads": 2, "dropout": 0.1},
    },
    "score_distribution": {
        **{"bins": 101, "highest": 104.5, "deviation": 5, "judge_bins": 21, "judge_deviation": 5},
        **{"hidden": [8], "prediction": "expectation"},
    },
    "contrastive": {"depth": 3, "hidden": 8, "range": 30, "exemplars": 3, "epochs_share": 0.5},
}


def system(backbone: str = "c3d", aggregation: str = "mean", head: str = "regression") -> dict[str, str]:
    return {"name": "tried", "backbone": backbone, "aggregation": aggregation, "head": head}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The squares that fall, with a difficulty, and judges for all but one training dive."""
    directory = tmp_path_factory.mktemp("dives")
    files = dives.write_dives(directory)
    rows = pd.read_parquet(files["rows"])
    rows["difficulty"] = np.where(np.arange(len(rows)) % 2, 3.0, 2.6)
    rows.to_parquet(files["rows"])
    marks = np.repeat((rows["score"] / rows["difficulty"] / 3).to_numpy()[:, None], 7, axis=1).clip(0, 10)
    judges = pd.DataFrame(marks, columns=list(MARKS)).assign(sample=rows["sample"], panel=7)
    files["judges"] = directory / "judges.parquet"
    judges.drop(index=1).to_parquet(files["judges"])
    return files


def train(directory: Path, data: dict[str, Path], wanted: dict[str, str], **changes: Any) -> dict[str, Path]:
    written = {
        name: directory / f"{name}.{suffix}"
        for name, suffix in dives.SUFFIXES.items()
        if name in ("predictions", "weights", "curve")
    }
    settings = {**dives.settings(**changes), "extensions": EXTENSIONS}
    settings["multitask"] = {  # what the workflow hands over: neither MSCADC's sizes nor the captioner's
        name: value for name, value in settings["multitask"].items() if not name.startswith(("wide", "caption"))
    }
    inputs = {name: path for name, path in data.items() if name in ("clips", "rows", "splits", "judges")}
    backbone = data["backbone"] if wanted["backbone"] == "c3d" else None
    train_member(Files(**inputs, backbone=backbone), Outputs(**written), wanted, "1059", 0, settings)
    return written


def test_c3d_mean_and_regression_is_the_member_of_table_4(tmp_path: Path, data: dict[str, Path]) -> None:
    """Bit for bit: the row to beat is the same experiment, whichever way it is trained."""
    ours = train(tmp_path / "ours", data, system())
    theirs = dives.train(
        tmp_path / "theirs", {name: path for name, path in data.items() if name != "judges"}, tasks="score", epochs=2
    )
    found, expected = (pd.read_parquet(files["predictions"]) for files in (ours, theirs))
    assert list(found.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(
        found.drop(columns=["experiment", "member"]), expected.drop(columns=["experiment", "member"])
    )
    assert (found["member"] == "tried/1059").all()


@pytest.mark.parametrize(
    "wanted",
    [
        system("r2plus1d_18"),
        system(aggregation="transformer"),
        system(aggregation="lstm", head="usdl"),
        system(aggregation="attention", head="musdl"),
        system(head="core"),
    ],
    ids=lambda wanted: "_".join(list(wanted.values())[1:]),
)
def test_every_part_trains_and_predicts_all_dives_after_every_epoch(
    tmp_path: Path, data: dict[str, Path], wanted: dict[str, str]
) -> None:
    written = train(tmp_path, data, wanted)
    predictions = pd.read_parquet(written["predictions"])
    epochs = [1] if wanted["head"] == "core" else [1, 2]  # CoRe: half of them
    assert sorted(predictions["iteration"].unique()) == epochs
    assert set(predictions.groupby(["iteration", "split"]).size()) == {5}
    assert np.isfinite(predictions["predicted"]).all()
    assert predictions["predicted"].nunique() > len(epochs) * 5  # dives are told apart
    if wanted["head"] in ("usdl", "musdl"):  # means of distributions on the scale
        assert predictions["predicted"].between(10, 95).all()  # points, not units of training
    arrays, header = load_arrays(written["weights"])
    assert header["system"] == wanted
    initial = extensions.build_system(wanted, {**dives.settings(), "extensions": EXTENSIONS}).state_dict()
    assert set(arrays) == set(initial)
    if wanted["head"] == "musdl":
        assert header["training dives without marks"] == 1
    assert not list(tmp_path.glob("*restart*"))


def test_a_repeated_training_gives_the_same_bytes(tmp_path: Path, data: dict[str, Path]) -> None:
    first, second = (train(tmp_path / name, data, system(head="core")) for name in ("first", "second"))
    assert first["predictions"].read_bytes() == second["predictions"].read_bytes()


def test_kinetics_weights_load_at_full_width(tmp_path: Path) -> None:
    """As the workflow hands them over: converted to safetensors, here from random ones."""
    path = tmp_path / "r3d_18.safetensors"
    backbone = {**dives.BACKBONE, "network": "r3d_18", "weights": "random"}
    convert_weights(path, {"backbone": backbone, "clips": {"crop": 32}, "seed": 0})
    network = ClipNetwork("r3d_18", "mean", 1.0, 32, 1, EXTENSIONS)
    load_resnet(network, path)
    arrays, _ = load_arrays(path)
    np.testing.assert_array_equal(network.body.stem[0].weight.detach(), arrays["stem.0.weight"])
    assert all(torch.isfinite(value).all() for value in network.body.state_dict().values())
    with pytest.raises(RescoreError, match=r"set extensions\.resnet_width to 1\.0"):
        load_resnet(ClipNetwork("r3d_18", "mean", 0.5, 32, 1, EXTENSIONS), path)


def test_dives_without_difficulty_are_named_together(tmp_path: Path, data: dict[str, Path]) -> None:
    rows = pd.read_parquet(data["rows"])
    rows.loc[[3, 8], "difficulty"] = [0.0, np.nan]
    rows.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(RescoreError) as caught:
        train(tmp_path, {**data, "rows": tmp_path / "rows.parquet"}, system(head="core"))
    assert "row 3 (01/003): difficulty 0" in str(caught.value)
    assert "row 8 (01/008): difficulty nan" in str(caught.value)


def test_musdl_needs_judges(tmp_path: Path, data: dict[str, Path]) -> None:
    without = {name: path for name, path in data.items() if name != "judges"}
    with pytest.raises(RescoreError, match="MUSDL learns from judges' marks"):
        train(tmp_path, without, system(head="musdl"))
