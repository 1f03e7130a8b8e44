import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays
from rescore.models.c3d_avg import C3DAverage
from rescore.models.mscadc import MSCADC
from rescore.models.preprocess import preprocess
from rescore.training.batches import batches, draw_epoch, load, network_frames, place_clips
from rescore.training.place import Place, matrix_rate, my_parts
from rescore.training.watching import training_flops
from tests.training.dives import CROP, SHIFT, command, outputs, settings, train, write_dives

CPU = torch.device("cpu")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def small_network(name: str = "c3d_avg") -> C3DAverage | MSCADC:
    torch.manual_seed(0)
    if name == "c3d_avg":
        return C3DAverage(width=0.0625, crop=CROP, vocabulary=8, caption_hidden=8, caption_embedding=6)
    return MSCADC(width=0.0625, crop=CROP, vocabulary=8, caption_hidden=8, caption_embedding=6)


def test_learns_scores_and_classes_and_writes_curves(tmp_path: Path) -> None:
    data = write_dives(tmp_path, 40)
    written = train(tmp_path / "run", data, epochs=12)
    curve = pd.read_csv(written["curve"])
    assert list(curve["epoch"]) == list(range(1, 13))
    assert list(curve["iteration"]) == [6 * epoch for epoch in range(1, 13)]  # 24 training dives, 4 a step
    assert curve["test_correlation"].iloc[-5:].min() > 0.7
    assert curve["test_class_accuracy"].iloc[-1] > 0.85  # the commoner class everywhere: 0.725
    losses = curve["score_loss"] + curve["class_loss"] + 0.01 * curve["caption_loss"]
    np.testing.assert_allclose(curve["loss"], losses, rtol=1e-5)
    assert (
        curve[["score_loss", "class_loss", "caption_loss"]].iloc[-1]
        < curve[["score_loss", "class_loss", "caption_loss"]].iloc[0]
    ).all()
    speed = pd.read_csv(written["curve"].with_name("speed.csv"))
    assert list(speed["epoch"]) == list(curve["epoch"])
    assert set(speed["precision"]) == {"float32"}
    assert (speed["samples_per_second"] > 0).all()
    assert (speed["utilisation"] > 0).all()  # of what the machine could do beside other work: no bound from above
    assert not list((tmp_path / "run").glob("*restart*"))


@pytest.mark.parametrize("network", ["c3d_avg", "mscadc"])
def test_a_killed_run_resumes_and_ends_with_the_same_bytes(tmp_path: Path, network: str) -> None:
    data = write_dives(tmp_path)
    wanted = settings(epochs=5)
    expected = train(tmp_path / "undisturbed", data, network, epochs=5)
    written = outputs(tmp_path / "killed")
    words = command(data, written, network, "score_classes_caption", wanted)
    restart = written["weights"].with_name("weights.restart.safetensors")
    # A real process, stopped for good by the kernel in the middle of its second or a later epoch.
    process = subprocess.Popen([sys.executable, "-m", "rescore", *words], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not restart.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not written["weights"].exists()
    done = len(load_arrays(restart)[1]["curve"])
    assert 1 <= done < 5
    train(tmp_path / "killed", data, network, epochs=5)
    for name, path in written.items():
        assert path.read_bytes() == expected[name].read_bytes(), name
    assert not restart.exists()


def test_a_restart_point_of_other_settings_is_not_continued(tmp_path: Path) -> None:
    data = write_dives(tmp_path)
    expected = train(tmp_path / "undisturbed", data)
    with pytest.raises(
        RescoreError, match=r"training diverged: the mean losses of epoch \d .* Lower learning_rate in the section"
    ):
        train(tmp_path / "run", data, epochs=20, learning_rate=1e18, batch=20)
    found = train(tmp_path / "run", data)
    assert found["weights"].read_bytes() == expected["weights"].read_bytes()


def test_a_damaged_restart_point_is_an_error_that_names_it(tmp_path: Path) -> None:
    data = write_dives(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "weights.restart.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(RescoreError, match=r"weights\.restart\.safetensors: not a readable"):
        train(tmp_path / "run", data)


def test_two_processes_and_accumulated_gradients_follow_the_curve_of_one(tmp_path: Path) -> None:
    """15 training dives, 4 a step: the last step has 3, which two processes and two parts share unevenly."""
    data = write_dives(tmp_path)
    same = {"caption_dropout": 0.0, "epochs": 3}  # each process would draw masks of its own
    alone = train(tmp_path / "alone", data, **same)
    in_parts = train(tmp_path / "parts", data, accumulate=3, **same)
    together = outputs(tmp_path / "together")
    words = command(data, together, "c3d_avg", "score_classes_caption", settings(gpus=2, **same))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "rescore"]
    done = subprocess.run(
        [sys.executable, *launch, *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    curve = pd.read_csv(alone["curve"])
    predicted = pd.read_parquet(alone["predictions"])["predicted"]
    for other in (in_parts, together):
        np.testing.assert_allclose(pd.read_csv(other["curve"]), curve, rtol=2e-3)
        np.testing.assert_allclose(pd.read_parquet(other["predictions"])["predicted"], predicted, rtol=2e-3)
    first = pd.read_csv(together["curve"])["loss"].iloc[0]
    assert first == pytest.approx(curve["loss"].iloc[0], rel=1e-5)


def test_processes_and_gpus_must_agree(tmp_path: Path) -> None:
    with pytest.raises(
        RescoreError, match=r"gpus is 2, but 1 processes train.*torchrun --standalone --nproc-per-node 2"
    ):
        train(tmp_path / "run", write_dives(tmp_path), gpus=2)


def test_every_sample_of_a_batch_is_in_one_part_of_one_process() -> None:
    for first, size, world, accumulate in (
        (0, 3, 2, 1),
        (6, 1, 2, 1),
        (4, 7, 3, 2),
        (0, 3, 1, 3),
        (8, 5, 4, 2),
        (0, 2, 1, 9),
    ):
        everyones = [my_parts(first, size, Place(rank, world, CPU, False), accumulate) for rank in range(world)]
        assert len({len(parts) for parts in everyones}) == 1  # as many exchanges of gradients everywhere
        assert len(everyones[0]) <= accumulate
        counted = [
            position
            for parts in everyones
            for where, share in parts
            if share
            for position in range(first + size)[where]
        ]
        assert sorted(counted) == list(range(first, first + size))
        assert math.isclose(sum(share for parts in everyones for _, share in parts), 1)
        for where, share in (part for parts in everyones for part in parts):
            assert len(range(first + size)[where]) == (round(share * size) or 1)


def test_frames_of_the_networks() -> None:
    np.testing.assert_array_equal(network_frames(small_network(), 103, 1), np.arange(96))
    np.testing.assert_array_equal(network_frames(small_network(), 103, 2), np.arange(0, 96, 2))
    np.testing.assert_array_equal(network_frames(small_network(), 103, 3), np.arange(0, 96, 3))
    with pytest.raises(RescoreError, match="make no clip of 16"):
        network_frames(small_network(), 103, 7)
    expected = [0, 6, 13, 19, 26, 32, 39, 45, 52, 58, 65, 71, 78, 84, 91, 97]  # int(6.5 k)
    np.testing.assert_array_equal(network_frames(small_network("mscadc"), 103, 2), expected)


@pytest.mark.parametrize("network", ["c3d_avg", "mscadc"])
def test_input_is_the_shifted_and_flipped_slice_of_the_store(network: str) -> None:
    wanted = settings()["multitask"]
    clips = np.random.default_rng(0).integers(0, 256, (5, 34 + 2 * SHIFT, CROP, CROP, 3), np.uint8)
    source = place_clips(clips, small_network(network), wanted, "rgb_imagenet", CPU)
    x = load(source, torch.tensor([3, 0]), torch.tensor([-2, 1]), torch.tensor([False, True]))
    chosen = network_frames(small_network(network), 34, 1)
    first = clips[3, SHIFT - 2 : SHIFT - 2 + 34][chosen]
    second = clips[0, SHIFT + 1 : SHIFT + 1 + 34][chosen][:, :, ::-1]
    expected = preprocess(torch.from_numpy(np.stack([first, second])), "rgb_imagenet")
    torch.testing.assert_close(x, expected, rtol=0, atol=0)
    assert x.is_contiguous(memory_format=torch.channels_last_3d)


def test_a_network_may_read_other_frames_of_each_dive_and_pooled_pictures() -> None:
    clips = np.random.default_rng(0).integers(0, 256, (3, 34 + 2 * SHIFT, CROP, CROP, 3), np.uint8)
    frames = np.random.default_rng(1).integers(SHIFT, 34, (3, 6))
    rows, shift, still = torch.tensor([2, 0]), torch.tensor([1, -2]), torch.zeros(2, dtype=torch.bool)
    sections = [settings(pool=pool)["multitask"] for pool in (1, 2)]
    sources = [place_clips(clips, small_network(), section, "rgb_imagenet", CPU, frames) for section in sections]
    whole, pooled = (load(source, rows, shift, still) for source in sources)
    expected = np.stack([clips[2, frames[2] + 1], clips[0, frames[0] - 2]])
    torch.testing.assert_close(whole, preprocess(torch.from_numpy(expected), "rgb_imagenet"), rtol=0, atol=0)
    torch.testing.assert_close(pooled, whole.unflatten(4, (-1, 2)).unflatten(3, (-1, 2)).mean((4, 6)))
    assert pooled.is_contiguous(memory_format=torch.channels_last_3d)


def test_no_batch_has_fewer_samples_than_a_network_needs() -> None:
    sizes = {n: [part.stop - part.start for part in batches(n, 4, least=2)] for n in (3, 8, 9, 10)}
    assert sizes == {3: [3], 8: [4, 4], 9: [4, 5], 10: [4, 4, 2]}
    assert [number for part in batches(9, 4, least=2) for number in range(9)[part]] == list(range(9))
    assert [part.stop - part.start for part in batches(9, 4)] == [4, 4, 1]


def test_an_epoch_draws_every_sample_once_and_all_shifts() -> None:
    wanted = settings()["multitask"]
    train_rows = np.arange(100, 400)
    order, shifts, flips = draw_epoch(train_rows, wanted, 0, 0)
    np.testing.assert_array_equal(np.sort(order), train_rows)
    assert set(shifts) == {-2, -1, 0, 1, 2}
    assert 0.4 < flips.mean() < 0.6
    again, later, other = (
        draw_epoch(train_rows, wanted, 0, 0),
        draw_epoch(train_rows, wanted, 0, 1),
        draw_epoch(train_rows, wanted, 1, 0),
    )
    for drawn, same in zip((order, shifts, flips), again, strict=True):
        np.testing.assert_array_equal(drawn, same)
    for different in (later, other):
        assert not np.array_equal(order, different[0])
        assert not np.array_equal(shifts, different[1])
    assert not draw_epoch(train_rows, {**wanted, "flip": 0.0}, 0, 0)[2].any()


def test_operations_are_those_of_forward_and_backward() -> None:
    """Twice each multiply-add; the backward pass has two products a layer, one where the input needs no gradient."""
    network = C3DAverage(("score",), width=0.0625, crop=CROP)
    wanted = settings()["multitask"]
    source = place_clips(np.zeros((1, 38, CROP, CROP, 3), np.uint8), network, wanted, "rgb_imagenet", CPU)
    voxels = {"conv1": 16 * 32 * 32, "conv2": 16 * 16 * 16, "conv3a": 8 * 8 * 8, "conv3b": 8 * 8 * 8}
    voxels |= {"conv4a": 4 * 4 * 4, "conv4b": 4 * 4 * 4, "conv5a": 2 * 2 * 2, "conv5b": 2 * 2 * 2}
    body = {
        name: 2 * 2 * network.body.get_parameter(f"{name}.weight").numel() * count for name, count in voxels.items()
    }
    heads = 2 * (network.trunk.weight.numel() + network.score_head.weight.numel())
    expected = 3 * (sum(body.values()) + heads) - body["conv1"]
    assert training_flops(network, source, np.zeros(1)) == expected


def test_the_rate_of_a_matrix_product_is_plausible() -> None:
    assert 1e8 < matrix_rate(Place(0, 1, CPU, False)) < 1e13


def test_tensorboard_gets_the_curve(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    written = train(tmp_path / "run", write_dives(tmp_path), tasks="score", tensorboard=True, epochs=2)
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard" / "weights")).Reload()
    curve = pd.read_csv(written["curve"])
    assert [event.step for event in events.Scalars("loss")] == [1, 2]
    np.testing.assert_allclose([event.value for event in events.Scalars("loss")], curve["loss"], rtol=1e-6)
    assert "utilisation" in events.Tags()["scalars"]


def test_tensorboard_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # what Python does for a module that is not there
    with pytest.raises(RescoreError, match=r"TensorBoard cannot be imported .*pip install tensorboard"):
        train(tmp_path / "run", write_dives(tmp_path), tasks="score", tensorboard=True)


@pytest.mark.slow  # the compiler takes a minute
def test_compiled_training_follows_the_same_curve(tmp_path: Path) -> None:
    data = write_dives(tmp_path, 15)
    plain, compiled = (train(tmp_path / str(way), data, tasks="score", epochs=1, compile=way) for way in (False, True))
    np.testing.assert_allclose(pd.read_csv(compiled["curve"])["loss"], pd.read_csv(plain["curve"])["loss"], rtol=1e-4)
