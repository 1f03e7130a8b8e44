"""The networks against the authors' own numbers, and what the comparison does with bad fixtures."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from rescore.engine.errors import RescoreError
from rescore.models.c3d_avg import C3DAverage
from rescore.models.mscadc import MSCADC
from rescore.models.parity import (
    CASES,
    INSTRUCTIONS,
    LIMIT,
    Case,
    Row,
    compare_under,
    describe,
    different_words,
    failures,
    fill,
    fixture_shapes,
    parameter_names,
    parity,
    read_fixture,
    relative_error,
)


@pytest.fixture
def directory() -> Path:
    mirror = os.environ.get("RESCORE_MIRROR")
    if not mirror:
        pytest.skip("RESCORE_MIRROR is not set; the fixtures lie in the folder `parity` beside it")
    directory = Path(mirror).parent / "parity"
    if not directory.is_dir():
        pytest.skip(f"no fixtures: {directory} is not there")
    return directory


@pytest.fixture
def forged(tmp_path: Path) -> Path:
    """A fixture of MSCADC that is right in form; its numbers are none of any network."""
    case = CASES[1]
    names = parameter_names(case)
    arrays = {key: np.ones(allowed[0], np.float32) for key, allowed in fixture_shapes(case, names).items()}
    whole = [key for key in arrays if key.startswith("label_") or key in ("tokens", "caption_greedy")]
    arrays |= {key: arrays[key].astype(np.int64) for key in whole}
    arrays["grad_norm_names"] = np.array(names)
    path = tmp_path / "mscadc.npz"
    np.savez(path, **arrays)
    return path


def change(path: Path, **arrays: np.ndarray | None) -> None:
    with np.load(path) as stored:
        changed = dict(stored) | arrays
    np.savez(path, **{key: array for key, array in changed.items() if array is not None})


def read(path: Path) -> dict[str, np.ndarray]:
    return read_fixture(path, CASES[1], parameter_names(CASES[1]))


@pytest.mark.slow
def test_both_networks_equal_the_authors(directory: Path) -> None:
    rows = parity(directory)
    assert failures(rows) == [], describe(rows)
    assert sum(row.quantity.startswith("gradient norm") for row in rows) == 49 + 155
    for network in ("c3d_avg", "mscadc"):
        quantities = {row.quantity for row in rows if row.network == network}
        assert {"score", "logits_twists", "caption_log_probs_slice", "caption_greedy", "loss_total"} <= quantities


@pytest.mark.slow
def test_another_salt_is_another_network(directory: Path) -> None:
    case = CASES[1]
    fixture = read_fixture(directory / "mscadc.npz", case, parameter_names(case))
    rows = compare_under(INSTRUCTIONS[0], case, fixture, "salt")
    failed = {row.quantity for row in failures(rows)}
    assert {"score", "body_slice", "caption_greedy", "loss_total"} <= failed
    assert not {"mask", "body_shape"} & failed


def test_rule() -> None:
    """Every kind of entry, written out from the fixtures' README."""
    network = MSCADC(("score", "classes"))
    fill(network, "salt/")

    def n(name: str, *shape: int) -> torch.Tensor:
        generator = np.random.default_rng(zlib.crc32(f"salt/{name}".encode()))
        return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))

    state = network.state_dict()
    expected = {
        "body.bn3a.running_var": 1 + 0.1 * n("model_CNN.bn3a.running_var", 128).abs(),
        "body.bn3a.running_mean": 0.1 * n("model_CNN.bn3a.running_mean", 128),
        "body.bn3a.weight": 1 + 0.1 * n("model_CNN.bn3a.weight", 128),
        "body.bn3a.bias": 0.1 * n("model_CNN.bn3a.bias", 128),
        "body.conv1.weight": n("model_CNN.conv1.weight", 32, 3, 3, 3, 3) * (2 / 81) ** 0.5,
        "score_head.cntxt_bn2.weight": 1 + 0.1 * n("model_score_regressor.cntxt_bn2.weight", 24),
        "class_head.head_conv3.rotation_type.bias": 0.1 * n("model_classifier.head_conv3_rot_type.bias", 4),
    }
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value, msg=name)
    assert state["body.bn3a.num_batches_tracked"] == 0


def test_rule_fills_the_captioner_and_the_linear_layers() -> None:
    network = C3DAverage(width=1 / 16, crop=32, vocabulary=7, caption_hidden=4, caption_embedding=4)
    fill(network)

    def n(name: str, *shape: int) -> torch.Tensor:
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))

    state = network.state_dict()
    torch.testing.assert_close(
        state["captioner.word_gru.weight_hh_l1"], n("model_caption.rnn2.weight_hh_l1", 12, 4) * 0.5**0.5
    )
    torch.testing.assert_close(
        state["captioner.embedding.weight"], n("model_caption.embedding.weight", 7, 4) * 0.5**0.5
    )
    torch.testing.assert_close(state["trunk.bias"], 0.1 * n("model_my_fc6.fc.bias", 256))


def test_relative_error() -> None:
    assert relative_error(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0
    assert relative_error(np.array([1.0, 2.02]), np.array([1.0, 2.0])) == pytest.approx(0.01)
    assert relative_error(np.array(0.5), np.array(0.0)) == 0.5
    for bad in (np.array([np.nan, 2]), np.array([np.inf, 2]), np.array([1.0])):
        assert relative_error(bad, np.array([1.0, 2.0])) == float("inf")


def test_captions_are_compared_up_to_their_end() -> None:
    assert different_words(np.array([[4, 5, 0, 0]]), np.array([[4, 5, 0, 9]])) == 0
    assert different_words(np.array([[4, 5, 6, 0]]), np.array([[4, 5, 7, 0]])) == 0.25


def test_describe_marks_what_fails() -> None:
    rows = [Row("mscadc", "score", 1e-6, "AVX2"), Row("mscadc", "loss_total", 2e-4, "AVX2")]
    lines = describe(rows).splitlines()
    assert len(lines) == 3
    assert "above" not in lines[0]
    assert "above 0.0001" in lines[1]
    assert lines[2].startswith("1 of 2 within 0.0001")
    assert failures(rows) == rows[1:]
    assert failures([Row("mscadc", "score", float("nan"))]), "not a number is not agreement"
    assert LIMIT == 1e-4


def test_a_fixture_of_the_right_form_is_read(forged: Path) -> None:
    assert read(forged)["tokens"].shape == (2, 20)


def test_missing_fixture(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match=r"c3d_avg.npz: no such fixture"):
        parity(tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04cut"])
def test_corrupt_fixture(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mscadc.npz"
    path.write_bytes(content)
    with pytest.raises(RescoreError, match=r"mscadc.npz: not a readable .npz"):
        read(path)


def test_truncated_and_flipped_fixture(forged: Path) -> None:
    whole = forged.read_bytes()
    forged.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RescoreError, match="not a readable"):
        read(forged)
    middle = whole.index(b"\x93NUMPY") + 200
    forged.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(RescoreError, match="not a readable"):
        read(forged)


def test_pickle_in_a_fixture_is_refused(forged: Path) -> None:
    change(forged, y=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(RescoreError, match="not a readable"):
        read(forged)


def test_unknown_missing_and_mis_shaped_keys_are_named_together(forged: Path) -> None:
    change(forged, colour=np.zeros(3), loss_total=None, score=np.zeros((2, 5)))
    with pytest.raises(RescoreError) as error:
        read(forged)
    for part in ("colour is unknown", "loss_total is missing", "score has shape (2, 5), not (2,) or (2, 1)"):
        assert part in str(error.value)


def test_values_out_of_range(forged: Path) -> None:
    tokens = np.ones((2, 20), np.int64)
    tokens[0, 3] = 5779
    names = np.array([*parameter_names(CASES[1])[:-1], "model_CNN.conv9.weight"])
    change(forged, tokens=tokens, label_position=np.array([0.5, 1]), y=np.array([np.nan, 1]), grad_norm_names=names)
    with pytest.raises(RescoreError) as error:
        read(forged)
    for part in (
        "tokens must be whole numbers from 0 to 5778",
        "label_position must be whole",
        "y must be finite",
        "grad_norm_names lacks model_caption",
        "grad_norm_names has model_CNN.conv9.weight",
    ):
        assert part in str(error.value)


def dies() -> MSCADC:
    os.kill(os.getpid(), 9)
    raise AssertionError


def test_a_killed_process_is_reported(forged: Path) -> None:
    fixture = read(forged)
    case = Case("mscadc", dies, "frames", CASES[1].shape, CASES[1].features)
    with pytest.raises(RescoreError, match=r"mscadc: the process was killed.*memory"):
        compare_under("DEFAULT", case, fixture, "")
