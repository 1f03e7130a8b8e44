from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from torch import nn

from rescore.clips.decode import normalise_length, read_frames
from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, read_table
from rescore.experiments.score_video import clip_places, describe, score_video
from rescore.features.extract import extract_dives
from rescore.models.backbones import convert_weights
from rescore.systems.common.repetition import backbone_weights
from rescore.systems.common.samples import PREDICTION_COLUMNS
from rescore.systems.frozen_features import c3d_lstm, c3d_lstm_incremental, c3d_lstm_svr, c3d_svr
from rescore.systems.frozen_features.dives import FeatureFiles
from tests.experiments.test_score_video import write_video

ROOT = Path(__file__).parents[2]
DIVES, CLIPS, WIDTH, SHIFT = 90, 3, 10, 1
TRAINED = {"1059": 60, "unlv_dive": 40}
"""Training dives; the next ten are validated on, the rest tested."""


def make_settings() -> dict[str, Any]:
    _, settings = parameters.load(ROOT / "params.yaml", scale="demo")
    settings["lstm"] |= {"width": 6, "learning_rate": 0.01}
    settings["frozen_features"]["lstm"] = {
        **{"iterations": 600, "anneal_every": 300},
        **{"evaluate_every": 300, "checkpoint_every": 300},
    }
    settings["multitask"]["seeds"] = 2
    settings["multitask"]["clips"] |= {"shift": SHIFT}
    settings["support_vector_regression"] = {
        "kernels": ["linear"],
        "c": [1.0],
        "epsilon": [0.1],
        "folds": 3,
        "max_iterations": 100000,
    }
    return settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Features that carry a quality in noise, two training sets, and what the four systems make of them."""
    folder = tmp_path_factory.mktemp("frozen")
    rng = np.random.default_rng(0)
    quality = rng.normal(size=DIVES)
    features = rng.normal(size=(2, DIVES, 2 * SHIFT + 1, CLIPS, WIDTH)).astype(np.float16)  # of two backbones
    features[..., :4] += quality[:, None, None, None].astype(np.float16)
    for number in (0, 1):
        np.save(folder / f"{number}.npy", features[number])
    rows = pd.DataFrame({"dataset": "dives", "sample": [f"01/{n:03d}" for n in range(DIVES)], "action": "diving"})
    rows = rows.assign(split="train", score=60 + 10 * quality)
    rows.to_parquet(folder / "rows.parquet")
    splits = [
        {"training_set": name, "sample": sample, "split": split}
        for name, count in TRAINED.items()
        for split, first, end in (("train", 0, count), ("validation", count, count + 10), ("test", count + 10, None))
        for sample in rows["sample"][first:end]
    ]
    pd.DataFrame(splits).to_parquet(folder / "splits.parquet")
    settings = make_settings()
    inputs = {"features": [folder / "0.npy", folder / "1.npy"]}
    inputs |= {"rows": folder / "rows.parquet", "splits": folder / "splits.parquet"}
    run_all(folder, inputs, settings)
    return {
        "folder": folder,
        "inputs": inputs,
        "settings": settings,
        "features": features,
        "rows": rows,
    }


def run_all(folder: Path, inputs: dict[str, Any], settings: dict[str, Any]) -> None:
    c3d_svr.run(
        FeatureFiles(**inputs), predictions=folder / "svr.parquet", chosen=folder / "svr.csv", settings=settings
    )
    lstm = folder / "lstm.safetensors"
    c3d_lstm.run(FeatureFiles(**inputs), predictions=folder / "lstm.parquet", members=lstm, settings=settings)
    c3d_lstm_svr.run(
        FeatureFiles(**inputs),
        members=lstm,
        predictions=folder / "lstm_svr.parquet",
        chosen=folder / "lstm_svr.csv",
        settings=settings,
    )
    c3d_lstm_incremental.run(
        FeatureFiles(**inputs),
        predictions=folder / "incremental.parquet",
        members=folder / "incremental.safetensors",
        increments=folder / "increments.parquet",
        settings=settings,
    )


def torch_lstm(path: Path, name: str, seed: int, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """States (n, T, H) and points (n, T) of a member by torch's own LSTM, and its unit in points."""
    arrays, header = load_arrays(path)
    index = [(entry["member"], entry["seed"]) for entry in header["members"]].index((name, seed))
    weights = {key: torch.from_numpy(np.array(value[index])) for key, value in arrays.items()}
    lstm = nn.LSTM(WIDTH, 6, batch_first=True)
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(weights["lstm.weight_ih"])
        lstm.weight_hh_l0.copy_(weights["lstm.weight_hh"])
        lstm.bias_ih_l0.copy_(weights["lstm.bias"])
        lstm.bias_hh_l0.zero_()
        states = lstm(torch.from_numpy(features.astype(np.float32)))[0]
        scores = states @ weights["fc.weight"] + weights["fc.bias"]
    sd = header["members"][index]["score_sd"]["diving"]
    return states.numpy(), scores.numpy().astype(np.float64) * sd, sd


@pytest.mark.parametrize(
    ("file", "system", "seeds", "iterations"),
    [
        ("svr", "c3d_svr", [0, 1], [0]),
        ("lstm", "c3d_lstm", [0, 1], [300, 600]),
        ("lstm_svr", "c3d_lstm_svr", [0, 1], [0]),
        ("incremental", "c3d_lstm_incremental", [0, 1], [300, 600]),
    ],
)
def test_each_system_has_both_members_and_finds_the_planted_quality(
    made: dict[str, Any], file: str, system: str, seeds: list[int], iterations: list[int]
) -> None:
    table = read_table(made["folder"] / f"{file}.parquet")
    assert list(table.columns) == list(PREDICTION_COLUMNS)
    assert set(table["experiment"]) == {system}
    assert set(table["unit"]) == {"points"}
    score = made["rows"].set_index("sample")["score"]
    np.testing.assert_array_equal(table["target"], score.loc[table["sample"]])
    groups = table.groupby(["member", "seed", "iteration"])
    assert set(groups.groups) == {(f"{system}/{name}", s, i) for name in TRAINED for s in seeds for i in iterations}
    for (member, _, iteration), group in groups:
        count = TRAINED[member.partition("/")[2]]
        held_out = list(made["rows"]["sample"])[count:]
        assert list(group["sample"]) == held_out[10:] + held_out[:10]
        assert list(group["split"]) == ["test"] * (DIVES - count - 10) + ["validation"] * 10
        if iteration == iterations[-1]:
            test = group[group["split"] == "test"]
            assert spearmanr(test["target"], test["predicted"]).statistic > 0.7
            assert (test["target"] - test["predicted"]).abs().mean() < 7  # quality spreads by 10 points


def test_svr_is_sklearns_on_the_mean_of_the_unshifted_clips(made: dict[str, Any]) -> None:
    table = read_table(made["folder"] / "svr.parquet")
    score = made["rows"]["score"].to_numpy()
    for (name, count), seed in product(TRAINED.items(), (0, 1)):
        mean = made["features"][seed, :, SHIFT].astype(np.float64).mean(axis=1)
        sd = score[:count].std()
        model = make_pipeline(StandardScaler(), SVR(kernel="linear", C=1.0, epsilon=0.1)).fit(
            mean[:count], score[:count] / sd
        )
        found = table[(table["member"] == f"c3d_svr/{name}") & (table["seed"] == seed) & (table["split"] == "test")]
        np.testing.assert_allclose(found["predicted"], model.predict(mean[count + 10 :]) * sd, rtol=1e-9)
    chosen = read_table(made["folder"] / "svr.csv")
    assert list(chosen["member"]) == 2 * ["c3d_svr/1059"] + 2 * ["c3d_svr/unlv_dive"]
    assert (chosen["correlation"] > 0.5).all()


def test_lstm_svr_is_sklearns_on_torchs_last_state(made: dict[str, Any]) -> None:
    table = read_table(made["folder"] / "lstm_svr.parquet")
    score = made["rows"]["score"].to_numpy()
    path = made["folder"] / "lstm.safetensors"
    for name, count in TRAINED.items():
        states, points, sd = torch_lstm(path, f"c3d_lstm/{name}", 1, made["features"][1, :, SHIFT])
        assert sd == pytest.approx(score[:count].std())
        last = states[:, -1].astype(np.float64)
        model = make_pipeline(StandardScaler(), SVR(kernel="linear", C=1.0, epsilon=0.1)).fit(
            last[:count], score[:count] / sd
        )
        mine = (table["member"] == f"c3d_lstm_svr/{name}") & (table["seed"] == 1) & (table["split"] == "test")
        expected = model.predict(last[count + 10 :]) * sd
        np.testing.assert_allclose(table["predicted"][mine], expected, atol=0.05)  # states differ by rounding
        lstm = read_table(made["folder"] / "lstm.parquet").query(f"member == 'c3d_lstm/{name}' and seed == 1")
        lstm = lstm[(lstm["iteration"] == 600) & (lstm["split"] == "test")]
        np.testing.assert_allclose(lstm["predicted"], points[count + 10 :, -1], rtol=1e-4)


def test_increments_grow_to_the_prediction_and_stand_beside_the_mean_training_dive(made: dict[str, Any]) -> None:
    increments = read_table(made["folder"] / "increments.parquet")
    assert list(increments.columns) == list(c3d_lstm_incremental.INCREMENT_COLUMNS)
    predictions = read_table(made["folder"] / "incremental.parquet")
    last = predictions[predictions["iteration"] == 600].reset_index(drop=True)
    final = increments[increments["clip"] == CLIPS].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        final[["member", "seed", "sample", "split"]], last[["member", "seed", "sample", "split"]]
    )
    np.testing.assert_allclose(final["predicted"], last["predicted"], rtol=1e-4)
    assert len(increments) == CLIPS * len(final)
    for name, count in TRAINED.items():
        member = f"c3d_lstm_incremental/{name}"
        path = made["folder"] / "incremental.safetensors"
        _, points, _ = torch_lstm(path, member, 0, made["features"][0, :, SHIFT])
        mine = increments[(increments["member"] == member) & (increments["seed"] == 0)]
        by_dive = mine.pivot(index="sample", columns="clip", values="predicted")
        held_out = list(by_dive.index.str[3:].astype(int))
        np.testing.assert_allclose(by_dive, points[held_out], rtol=1e-4)
        expected = mine.groupby("clip")["expected"].unique()
        np.testing.assert_allclose(np.concatenate(expected.to_list()), points[:count].mean(axis=0), rtol=1e-4)
        # The labels were 1/3, 2/3 and all of the score.
        score = made["rows"]["score"][:count].mean()
        np.testing.assert_allclose(points[:count].mean(axis=0), score * np.array([1, 2, 3]) / 3, atol=4)


def test_equal_runs_give_equal_bytes(made: dict[str, Any], tmp_path: Path) -> None:
    lstm = {**made["settings"]["frozen_features"]["lstm"], "iterations": 20}
    settings = {**made["settings"], "frozen_features": {**made["settings"]["frozen_features"], "lstm": lstm}}
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        run_all(folder, made["inputs"], settings)
    assert len(list(first.iterdir())) == 9  # and no restart points
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_bad_dives_are_named_together(made: dict[str, Any], tmp_path: Path) -> None:
    def run(**changed: Any) -> None:
        outputs = {"predictions": tmp_path / "p.parquet", "chosen": tmp_path / "c.csv"}
        c3d_svr.run(FeatureFiles(**{**made["inputs"], **changed}), **outputs, settings=made["settings"])

    rows, splits = made["rows"], pd.read_parquet(made["inputs"]["splits"])
    lost = tmp_path / "rows.parquet"
    rows.assign(score=rows["score"].where(rows.index > 1)).to_parquet(lost)
    with pytest.raises(RescoreError, match=r"(?s)rows.parquet: .* \(2\).*row 0 \(01/000\).*row 1 \(01/001\)"):
        run(rows=lost)
    rows.iloc[:-2].to_parquet(lost)
    with pytest.raises(RescoreError, match=r"(?s)1059: 01/088 \(test\) is not among the clips.*unlv_dive: 01/089"):
        run(rows=lost)
    dropped = tmp_path / "dropped.csv"
    pd.DataFrame({"sample": ["01/088", "01/089"]}).to_csv(dropped, index=False)
    with pytest.raises(RescoreError, match="shape .* for 88 rows"):
        run(rows=lost, dropped=dropped)
    splits[splits["training_set"] == "1059"].to_parquet(tmp_path / "splits.parquet")
    with pytest.raises(RescoreError, match="unlv_dive: no train samples"):
        run(splits=tmp_path / "splits.parquet")
    np.save(tmp_path / "features.npy", made["features"][0, :, :2])
    with pytest.raises(RescoreError, match="2 temporal offsets for a shift of 1"):
        run(features=2 * [tmp_path / "features.npy"])
    assert not (tmp_path / "p.parquet").exists()


@pytest.fixture(scope="module")
def dive(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A video, a narrow backbone, and a checkpoint that was trained on the features of such videos."""
    folder = tmp_path_factory.mktemp("dive")
    settings = make_settings()
    settings["backbone"] |= {"width": 0.03125, "weights": "random"}
    clips = settings["multitask"]["clips"]
    weights = backbone_weights(folder, 0)
    convert_weights(weights, settings)
    video = write_video(folder / "dive.avi", 50)
    frames, padding = normalise_length(
        read_frames(video, tuple(clips["resize"]), clips["crop"]), clips["frames"], "last"
    )
    assert padding == 14
    rng = np.random.default_rng(0)
    store = rng.integers(0, 256, (12, clips["frames"] + 2 * SHIFT, clips["crop"], clips["crop"], 3), np.uint8)
    store[0, SHIFT:-SHIFT] = frames
    np.save(folder / "clips.npy", store)
    names = [f"01/{n:03d}" for n in range(12)]
    rows = pd.DataFrame({"dataset": "dives", "sample": names, "action": "diving", "split": "train"})
    rows.assign(score=np.linspace(30, 90, 12)).to_parquet(folder / "clips.parquet")
    splits = [
        {"training_set": name, "sample": sample, "split": "test" if number == 0 else "train"}
        for name in TRAINED
        for number, sample in enumerate(names)
    ]
    pd.DataFrame(splits).to_parquet(folder / "splits.parquet")
    stores = (folder / "clips.npy", folder / "clips.parquet", weights)
    extract_dives(*stores, folder / "features.npy", folder / "features.parquet", settings)
    c3d_lstm_incremental.run(
        FeatureFiles([folder / "features.npy"], folder / "features.parquet", folder / "splits.parquet"),
        *(folder / name for name in ("predictions.parquet", "members.safetensors", "increments.parquet")),
        settings=settings,
        backbone=[weights],
    )
    return {"folder": folder, "video": video, "settings": settings}


def test_a_dives_video_is_scored_as_the_workflow_scores_it_and_says_where_points_are_lost(
    dive: dict[str, Any], tmp_path: Path
) -> None:
    folder, settings = dive["folder"], dive["settings"]
    files = (dive["video"], folder / "members.safetensors", folder, settings)
    result = score_video(*files, plot=tmp_path / "plot.png")
    assert (result.member, result.action, result.seeds) == ("c3d_lstm_incremental/1059", "diving", (0, 1))
    table = read_table(folder / "increments.parquet")
    mine = table[(table["member"] == result.member) & (table["sample"] == "01/000")]
    np.testing.assert_allclose(result.steps, mine["predicted"].to_numpy().reshape(2, 2), atol=0.05)
    np.testing.assert_allclose(result.expected, mine["expected"].to_numpy().reshape(2, 2), atol=1e-9)
    lost = (mine["expected"] - mine["predicted"]).to_numpy().reshape(2, 2).mean(axis=0)
    np.testing.assert_allclose(result.lost(), [lost[0], lost[1] - lost[0]], atol=0.05)
    # 50 frames are padded to 64, of which two clips read every second: the first ends with frame 17.
    assert (result.clip_starts, result.clip_length) == ((-14, 18), 32)
    assert "points of each clip against the mean training dive:" in describe(result)
    assert ("frames 0 to 17" if lost[0] > lost[1] - lost[0] else "frames 18 to 49") in describe(result)
    assert (tmp_path / "plot.png").stat().st_size > 5000
    other = score_video(*files, member="c3d_lstm_incremental/unlv_dive")
    assert other.member == "c3d_lstm_incremental/unlv_dive"


def test_clip_settings_changed_since_training_are_refused(dive: dict[str, Any]) -> None:
    folder, settings = dive["folder"], dive["settings"]
    changed = {
        **settings,
        "multitask": {**settings["multitask"], "clips": {**settings["multitask"]["clips"], "step": 1}},
    }
    with pytest.raises(RescoreError, match=r"multitask.clips.step: 1 in params.yaml, 2 in training"):
        score_video(dive["video"], folder / "members.safetensors", folder, changed)


def test_places_of_clips_in_a_video() -> None:
    _, settings = parameters.load(ROOT / "params.yaml", scale="paper")
    assert clip_places(150, settings, True) == ((47, 63, 79, 95, 111, 127), 16)
    assert clip_places(90, settings, False) == ((-13, 3, 19, 35, 51, 67), 16)
    settings["clips"]["long_videos"] = "first"
    assert clip_places(150, settings, False)[0][0] == 0
