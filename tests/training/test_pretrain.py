import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, sha256_file
from rescore.models.backbones import build_backbone
from rescore.training.pretrain import batch_positions, pretrain

CROP = 24


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from threads, and on a busy machine wait long for them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def settings(**pretraining: Any) -> dict[str, Any]:
    return {
        "seed": 0,
        "clips": {"crop": CROP},
        "backbone": {
            "network": "c3d",
            "weights": "pretrained",
            "convolutions": 8,
            "width": 0.0625,
            "colour": "rgb_imagenet",
            "clip_frames": 16,
            "batch": 16,
        },
        "pretraining": {
            "iterations": 12,
            "batch": 6,
            "learning_rate": 0.001,
            "anneal_every": 8,
            "anneal_factor": 0.1,
            "momentum": 0.9,
            "weight_decay": 0.0005,
            "optimiser": "adam",
            "fc_dropout": 0.5,
            "checkpoint_every": 3,
            "validate_every": 6,
            **pretraining,
        },
    }


def moving_squares(directory: Path, windows: int = 60) -> tuple[Path, Path]:
    """A bright square that moves right, moves down, or stands still: three classes that only motion tells apart."""
    generator = np.random.default_rng(0)
    clips = generator.integers(0, 40, (windows, 16, CROP, CROP, 3), np.uint8)
    names = np.array(["down", "right", "still"])[np.arange(windows) % 3]
    for window, name in enumerate(names):
        left, top = generator.integers(0, 4, 2)
        for frame in range(16):
            x, y = left + (name == "right") * frame * 0.9, top + (name == "down") * frame * 0.9
            clips[window, frame, int(y) : int(y) + 7, int(x) : int(x) + 7] = 230
    np.save(directory / "clips.npy", clips)
    rows = pd.DataFrame(
        {
            "sample": [f"window/{n}" for n in range(windows)],
            "action": names,
            "split": np.where(np.arange(windows) % 4 == 3, "test", "train"),
        }
    )
    rows.to_parquet(directory / "rows.parquet")
    return directory / "clips.npy", directory / "rows.parquet"


def run(directory: Path, name: str, wanted: dict[str, Any], training: int = 0) -> tuple[Path, Path]:
    weights, curve = directory / name / "weights.safetensors", directory / name / "curve.csv"
    pretrain(directory / "clips.npy", directory / "rows.parquet", weights, curve, wanted, training)
    return weights, curve


def test_learns_motion_and_writes_weights_that_the_backbone_reads(tmp_path: Path) -> None:
    clips, rows = moving_squares(tmp_path, 120)
    wanted = settings(iterations=80, batch=12, anneal_every=1000, validate_every=40, fc_dropout=0.1)
    weights, curve = run(tmp_path, "run", wanted)
    table = pd.read_csv(curve)
    assert list(table.columns) == ["iteration", "loss", "learning_rate", "train_accuracy", "test_accuracy"]
    assert list(table["iteration"]) == list(range(4, 81, 4))
    assert list(table.loc[table["test_accuracy"].notna(), "iteration"]) == [40, 80]
    assert table["test_accuracy"].iloc[-1] > 0.8  # chance is a third
    assert table["loss"].iloc[-1] < 0.5 * table["loss"].iloc[0]
    _, header = load_arrays(weights)
    assert header["classes"] == ["down", "right", "still"]
    assert header["data"] == {"clips": sha256_file(clips), "rows": sha256_file(rows)}
    assert header["test_accuracy"] == pytest.approx(table["test_accuracy"].iloc[-1])
    assert header["parameters"] == wanted
    assert header["training"] == 0
    assert build_backbone(wanted, weights)(torch.zeros(1, 3, 16, CROP, CROP)).shape == (1, 256)
    assert not list(weights.parent.glob("*restart*"))


def test_the_trainings_number_is_its_seed_and_the_datas_is_not(tmp_path: Path) -> None:
    moving_squares(tmp_path)
    wanted = settings(iterations=3)
    first, second = (run(tmp_path, str(number), wanted, number)[0] for number in (0, 1))
    same = run(tmp_path, "other data's seed", {**wanted, "seed": 5}, 0)[0]
    arrays = [load_arrays(path)[0]["conv1.weight"] for path in (first, second, same)]
    assert not np.array_equal(arrays[0], arrays[1])
    np.testing.assert_array_equal(arrays[0], arrays[2])
    assert load_arrays(second)[1]["training"] == 1


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_killed_run_resumes_and_ends_with_the_same_bytes(tmp_path: Path, optimiser: str) -> None:
    moving_squares(tmp_path)
    wanted = settings(iterations=30, optimiser=optimiser, anneal_every=10, validate_every=15)
    expected, expected_curve = run(tmp_path, "undisturbed", wanted)
    weights, curve = tmp_path / "killed" / "weights.safetensors", tmp_path / "killed" / "curve.csv"
    restart = weights.with_name("weights.restart.safetensors")
    # A real process, stopped for good by the kernel between two of its restart points.
    script = "import sys, json; from pathlib import Path; from rescore.training.pretrain import pretrain\n"
    script += "pretrain(*map(Path, sys.argv[1:5]), json.loads(sys.argv[5]), 0)"
    arguments = [tmp_path / "clips.npy", tmp_path / "rows.parquet", weights, curve]
    command = [sys.executable, "-c", script, *map(str, arguments), json.dumps(wanted)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while not restart.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not weights.exists()
    _, header = load_arrays(restart)
    assert 3 <= header["iteration"] < 30
    pretrain(*arguments, wanted, 0)
    assert weights.read_bytes() == expected.read_bytes()
    assert curve.read_bytes() == expected_curve.read_bytes()
    assert not restart.exists()


def test_restart_point_of_other_settings_is_not_continued(tmp_path: Path) -> None:
    moving_squares(tmp_path)
    wanted = settings()
    expected, _ = run(tmp_path, "undisturbed", wanted)
    directory = tmp_path / "stale"
    directory.mkdir()
    stale = directory / "weights.restart.safetensors"
    with pytest.raises(RescoreError, match="diverged"):
        run(tmp_path, "stale", settings(learning_rate=1e9, checkpoint_every=1, optimiser="sgd", validate_every=100))
    assert stale.exists()
    weights, _ = run(tmp_path, "stale", wanted)
    assert weights.read_bytes() == expected.read_bytes()


def test_damaged_restart_point_is_an_error_that_names_it(tmp_path: Path) -> None:
    moving_squares(tmp_path)
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "weights.restart.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(RescoreError, match=r"weights\.restart\.safetensors: not a readable"):
        run(tmp_path, "run", settings())


def test_loss_that_is_not_finite_names_the_remedy(tmp_path: Path) -> None:
    moving_squares(tmp_path)
    with pytest.raises(RescoreError, match=r"lower pretraining\.learning_rate"):
        run(tmp_path, "run", settings(learning_rate=1e9, optimiser="sgd"))
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_order_is_a_function_of_seed_and_iteration_and_every_epoch_sees_every_window() -> None:
    drawn = np.concatenate([batch_positions(0, iteration, 6, 20) for iteration in range(10)])
    for epoch in range(3):
        assert sorted(drawn[20 * epoch : 20 * (epoch + 1)]) == list(range(20))
    assert not np.array_equal(drawn[:20], drawn[20:40])
    np.testing.assert_array_equal(batch_positions(0, 7, 6, 20), drawn[42:48])
    assert not np.array_equal(batch_positions(1, 7, 6, 20), drawn[42:48])
    assert len(batch_positions(0, 0, 50, 20)) == 50


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no split", "no column split"),
        ("no test", "0 test windows"),
        ("fewer rows", "asks? for uint8|ask for uint8 of 59"),
        ("no clips", "no such clips"),
        ("no rows", "no such file"),
        ("network", "only c3d is pre-trained"),
        ("crop", "ask for uint8 of 60 x 16 x 32"),
        ("small", "poolings need 16 frames"),
    ],
)
def test_bad_inputs_are_named(tmp_path: Path, damage: str, message: str) -> None:
    clips, rows = moving_squares(tmp_path)
    table, wanted = pd.read_parquet(rows), settings()
    if damage == "no split":
        table.drop(columns="split").to_parquet(rows)
    elif damage == "no test":
        table.assign(split="train").to_parquet(rows)
    elif damage == "fewer rows":
        table.iloc[1:].to_parquet(rows)
    elif damage == "no clips":
        clips.unlink()
    elif damage == "no rows":
        rows.unlink()
    elif damage == "network":
        wanted["backbone"]["network"] = "r3d_18"
    elif damage == "crop":
        wanted["clips"]["crop"] = 32
    else:
        wanted["clips"]["crop"] = 8
        np.save(clips, np.load(clips)[:, :, :8, :8])
    with pytest.raises(RescoreError, match=message):
        run(tmp_path, "run", wanted)
