"""ACTION-NET's experiment on small files: what is written, what may be known, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rescore.datasets.rhythmic_gymnastics.moments import write_static_features
from rescore.datasets.rhythmic_gymnastics.segments import APPARATUS, write_features
from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays
from rescore.systems.action_net import training as action_net
from rescore.systems.common.label_draws import GYMNASTICS, read_videos, tasks
from rescore.systems.s4aqa import networks as s4aqa
from tests.systems.semi_supervised_files import SETTINGS


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("features", "rows", "static")}
    found = {name: path.with_suffix(".parquet" if name == "rows" else ".npy") for name, path in found.items()}
    write_features(found["features"], found["rows"], SETTINGS)
    write_static_features(found["rows"], found["static"], SETTINGS)
    return found


def run(files: dict[str, Path], folder: Path, settings: dict[str, Any] = SETTINGS) -> pd.DataFrame:
    action_net.run(**files, predictions=folder / "p.parquet", members=folder / "m.safetensors", settings=settings)
    return pd.read_parquet(folder / "p.parquet")


def test_every_draw_predicts_the_test_routines_as_its_neighbours_do(files: dict[str, Path], tmp_path: Path) -> None:
    table = run(files, tmp_path)
    assert set(table["member"]) == {f"action_net/rhythmic_gymnastics/40/{name}" for name in APPARATUS}
    assert set(table["experiment"]) == {"action_net"}
    assert set(table["iteration"]) == {2, 4}
    assert table["predicted"].between(0, 25).all()  # points
    s4aqa.run(
        GYMNASTICS, [files["features"]], files["rows"], tmp_path / "n.parquet", tmp_path / "n.safetensors", SETTINGS
    )
    theirs = pd.read_parquet(tmp_path / "n.parquet")
    theirs = theirs[theirs["member"].str.startswith("aa/")].reset_index(drop=True)
    same = ["seed", "iteration", "dataset", "sample", "action", "split", "target", "unit"]
    assert list(table.columns) == list(theirs.columns)
    by = ["member", "seed", "iteration", "sample"]
    pd.testing.assert_frame_equal(
        *(each.sort_values(by, ignore_index=True)[same] for each in (table, theirs)), check_like=True
    )
    arrays, header = load_arrays(tmp_path / "m.safetensors")
    assert arrays["static.graph.0.weight"].shape == (8, 4, 4)
    assert len(header["members"]) == 8
    assert len(header["static_sha256"]) == 64


def test_the_same_seed_gives_the_same_bytes(files: dict[str, Path], tmp_path: Path) -> None:
    run(files, tmp_path)
    before = [(tmp_path / name).read_bytes() for name in ("p.parquet", "m.safetensors")]
    run(files, tmp_path)
    assert before == [(tmp_path / name).read_bytes() for name in ("p.parquet", "m.safetensors")]


def test_both_streams_and_no_score_but_the_labelled_are_read(files: dict[str, Path], tmp_path: Path) -> None:
    before = run(files, tmp_path)
    every = tasks(read_videos(GYMNASTICS, [files["features"]], files["rows"], SETTINGS), SETTINGS)
    labelled = {row for task in every for row in task.labelled}
    rows = pd.read_parquet(files["rows"])
    changed = rows.copy()
    changed.loc[[row for row in range(len(rows)) if row not in labelled], "score"] = 1.0
    changed.to_parquet(files["rows"])
    after = run(files, tmp_path)
    np.testing.assert_array_equal(before["predicted"], after["predicted"])
    assert not np.array_equal(before["target"], after["target"])
    rows.to_parquet(files["rows"])
    for stream in ("features", "static"):
        values = np.load(files[stream])
        np.save(files[stream], values[..., ::2])
        assert not np.array_equal(run(files, tmp_path)["predicted"], before["predicted"])
        np.save(files[stream], values)


def test_moments_are_standardised_by_each_pools_training_routines(files: dict[str, Path]) -> None:
    videos = read_videos(GYMNASTICS, [files["features"]], files["rows"], SETTINGS)
    moments, raw = action_net.read_moments(files["static"], videos), np.load(files["static"])[:, 0]
    np.testing.assert_array_equal(np.isnan(moments), np.isnan(raw))
    for pool in videos.pools:
        np.testing.assert_allclose(np.nanmean(moments[pool.train], (0, 1)), 0, atol=1e-5)
        np.testing.assert_allclose(np.nanstd(moments[pool.train], (0, 1)), 1, atol=1e-5)


def test_bad_input_is_refused_by_name(files: dict[str, Path], tmp_path: Path) -> None:
    good = np.load(files["static"])
    bad = good.copy()
    bad[3], bad[5, 0, :, 1] = np.nan, np.inf
    np.save(files["static"], bad)
    with pytest.raises(RescoreError, match=r"(?s)static.npy.*\(2\).*ball/004.*ball/006"):
        run(files, tmp_path)
    np.save(files["static"], good[1:])
    with pytest.raises(RescoreError, match=r"static.npy: shape .* for 80 videos"):
        run(files, tmp_path)
    files["static"].write_bytes(b"nothing")
    with pytest.raises(RescoreError, match=r"static.npy: not a readable"):
        run(files, tmp_path)
    files["static"].unlink()
    with pytest.raises(RescoreError, match=r"static.npy: no such file"):
        run(files, tmp_path)
    np.save(files["static"], good)
    low = {**SETTINGS, "action_net": SETTINGS["action_net"] | {"highest": 12.0}}
    with pytest.raises(RescoreError, match=r"(?s)scores outside 0 to 12.*ball/.*raise action_net.highest"):
        run(files, tmp_path, low)
    assert not (tmp_path / "p.parquet").exists()
