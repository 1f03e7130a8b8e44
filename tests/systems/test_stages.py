"""S3D and Li et al. as steps: the contract of their files, the same bytes twice, weights that give the predictions back."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rescore.datasets.mtl_aqa.stages import write_stages
from rescore.engine.errors import RescoreError
from rescore.engine.steps import call_step
from rescore.engine.storage import load_arrays
from rescore.models.preprocess import preprocess
from rescore.systems.common.samples import PREDICTION_COLUMNS
from rescore.systems.li import training as li
from rescore.systems.li.network import clip_frames_of
from rescore.systems.s3d import training as s3d
from tests.systems.stage_files import stage_settings, write_files
from tests.training.dives import FRAMES, SHIFT


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_files(tmp_path_factory.mktemp("stage_files"))


def run(system: Any, files: dict[str, Path], directory: Path, **changes: Any) -> dict[str, Path]:
    torch.set_num_threads(1)
    suffixes = {"predictions": "parquet", "weights": "safetensors", "curve": "csv"}
    suffixes |= {"segmentation": "csv"} if system is s3d else {}
    written = {name: directory / f"{name}.{suffix}" for name, suffix in suffixes.items()}
    other = "backbone" if system is s3d else "stages"
    read = {name: path for name, path in files.items() if name != other}
    call_step(system.run, **read, **written, settings=stage_settings(**changes))
    return written


@pytest.fixture(scope="module", params=[s3d, li], ids=["s3d", "li"])
def made(request: Any, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Path]]:
    return request.param, run(request.param, files, tmp_path_factory.mktemp("made"))


def test_predictions_follow_the_contract(made: tuple[Any, dict[str, Path]], files: dict[str, Path]) -> None:
    system, written = made
    table, rows = pd.read_parquet(written["predictions"]), pd.read_parquet(files["rows"]).set_index("sample")
    assert tuple(table.columns) == PREDICTION_COLUMNS
    name = system.EXPERIMENT
    assert set(table["experiment"]) == {name}
    assert table.groupby(["member", "iteration", "split"]).size().to_dict() == {
        (f"{name}/{training_set}", epoch, split): 5
        for training_set in ("unlv_dive", "1059")
        for epoch in (1, 2)
        for split in ("test", "validation")
    }
    np.testing.assert_array_equal(table["target"], rows.loc[table["sample"], "score"])
    curve = pd.read_csv(written["curve"])
    assert curve["learning_rate"].tolist() == [0.002, 0.001] * 2
    for (member, epoch), found in table[table["split"] == "test"].groupby(["member", "iteration"]):
        line = curve[(curve["member"] == member) & (curve["epoch"] == epoch)]
        rho = found["predicted"].corr(found["target"], method="spearman")
        assert line["test_correlation"].item() == pytest.approx(rho)
    assert not list(written["weights"].parent.glob("*.restart.safetensors"))


def test_the_same_seed_gives_the_same_bytes(
    made: tuple[Any, dict[str, Path]], files: dict[str, Path], tmp_path: Path
) -> None:
    system, written = made
    again = run(system, files, tmp_path)
    assert {name: path.read_bytes() for name, path in again.items()} == {
        name: path.read_bytes() for name, path in written.items()
    }


def test_li_weights_give_the_last_predictions(files: dict[str, Path], tmp_path: Path) -> None:
    written = run(li, files, tmp_path, epochs=1)
    arrays, header = load_arrays(written["weights"])
    assert header["members"] == ["unlv_dive/0", "1059/0"]
    network = li.initial_network(
        0, header["parameters"], li.read_bodies(files["backbone"], header["parameters"])[0]
    ).eval()
    network.load_state_dict({name: torch.from_numpy(arrays[f"1059/0/{name}"]) for name in network.state_dict()})
    table = pd.read_parquet(written["predictions"])
    table = table[(table["member"] == "li/1059") & (table["split"] == "test")]
    place = {name: row for row, name in enumerate(pd.read_parquet(files["rows"])["sample"])}
    clips = np.load(files["clips"])[[place[name] for name in table["sample"]]]
    window = clip_frames_of(FRAMES, 3, 16) + SHIFT
    with torch.no_grad():
        found = network(preprocess(torch.from_numpy(clips[:, window]), "rgb_imagenet"))["score"]
    np.testing.assert_allclose(found.numpy() * 17, table["predicted"], rtol=1e-4)


def test_stages_are_found_better_than_by_their_usual_place(made: tuple[Any, dict[str, Path]]) -> None:
    system, written = made
    if system is not s3d:
        pytest.skip("Li et al. have no stages")
    found = pd.read_csv(written["segmentation"])
    assert found["training_set"].tolist() == ["unlv_dive", "1059"]
    assert (found["dives"] == 5).all()
    assert (found["frames"] == 5 * FRAMES).all()
    assert (found["segmented_accuracy"] > found["majority_accuracy"]).all()
    arrays, _ = load_arrays(written["weights"])
    assert any(name.startswith("segmentation/0/time.encoder") for name in arrays)


def test_labels_stand_at_the_frames_of_the_window(files: dict[str, Path]) -> None:
    clips = stage_settings()["multitask"]["clips"]
    table = pd.DataFrame({"sample": ["a", "b"], "start_frame": [100, 100], "end_frame": [139, 139]})
    stages = {"a": np.array([101, 110, 120, 130])}
    labels, labelled = s3d.window_labels(table, stages, clips)
    assert labelled.tolist() == [True, False]
    first = 139 - FRAMES - SHIFT + 1  # of the store
    expected = [(np.array([101, 110, 120, 130]) <= frame).sum() for frame in range(first, first + FRAMES + 2 * SHIFT)]
    np.testing.assert_array_equal(labels[0], expected)
    from_start, _ = s3d.window_labels(table, stages, clips | {"window": "start"})
    np.testing.assert_array_equal(from_start[0][:4], [0, 0, 0, 1])  # frames 98 to 101


def test_bad_inputs_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="does not fit the C3Ds"):
        run(li, files, tmp_path, width=0.125)
    with pytest.raises(RescoreError, match="0 files of weights are given"):
        run(li, {name: path for name, path in files.items() if name != "backbone"}, tmp_path)
    unlabelled = tmp_path / "stages.parquet"
    write_stages(unlabelled, {"99/001": np.array([1, 2, 3, 4])})
    with pytest.raises(RescoreError, match="no training dive of unlv_dive has stage labels"):
        run(s3d, files | {"stages": unlabelled}, tmp_path)
