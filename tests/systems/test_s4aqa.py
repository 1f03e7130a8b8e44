"""The networks' experiment on small files: what is written, what may be known, and going on after a kill."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rescore.datasets.rhythmic_gymnastics.segments import write_features
from rescore.engine.storage import load_arrays
from rescore.systems.common.label_draws import MTL_AQA, UNLV_DIVE
from rescore.systems.s4aqa import networks as s4aqa
from rescore.systems.s4aqa import regressions as coreg
from rescore.training import semi_supervised
from rescore.training.semi_supervised import SYSTEMS
from tests.systems.semi_supervised_files import SETTINGS, write_dives

MIRROR = os.environ.get("RESCORE_MIRROR")


def run(folder: Path, files: dict[str, Path], settings: dict[str, Any] = SETTINGS) -> bytes:
    outputs = folder / "predictions.parquet", folder / "members.safetensors"
    s4aqa.run(MTL_AQA, files["features"], files["rows"], *outputs, settings, files["splits"])
    return outputs[0].read_bytes() + outputs[1].read_bytes()


def test_every_system_predicts_the_test_dives_of_every_draw(tmp_path: Path) -> None:
    run(tmp_path, write_dives(tmp_path))
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["member"]) == {f"{system}/mtl_aqa/{percent}" for system in SYSTEMS for percent in (20, 40)}
    assert (table.groupby(["member", "seed", "iteration"]).size() == 11).all()
    assert set(table["iteration"]) == {2, 4}
    assert set(table["seed"]) == {0, 1}
    assert set(table["split"]) == {"test"}
    assert np.isfinite(table["predicted"]).all()
    assert table["predicted"].between(0, 120).all()  # points
    arrays, header = load_arrays(tmp_path / "members.safetensors")
    assert arrays["s4aqa/encoder.shared.weight"].shape == (4, 6, 4)
    assert len(header["members"]) == len(SYSTEMS) * 4
    assert not (tmp_path / "members.restart").exists()


def test_scores_of_unlabelled_and_test_dives_are_not_read(tmp_path: Path) -> None:
    files = write_dives(tmp_path)
    run(tmp_path, files)
    before = pd.read_parquet(tmp_path / "predictions.parquet")
    videos = s4aqa.read_videos(MTL_AQA, **files, settings=SETTINGS)
    labelled = {row for task in s4aqa.tasks(videos, SETTINGS) for row in task.labelled}
    rows = pd.read_parquet(files["rows"])
    hidden = [row for row in range(len(rows)) if row not in labelled]
    rows.loc[hidden, "score"] = 1.0
    rows.to_parquet(files["rows"])
    run(tmp_path, files)
    after = pd.read_parquet(tmp_path / "predictions.parquet")
    np.testing.assert_array_equal(before["predicted"], after["predicted"])
    assert not np.array_equal(before["target"], after["target"])


def test_a_draw_reads_the_segments_of_its_own_backbone_and_of_no_other(tmp_path: Path) -> None:
    files = write_dives(tmp_path)
    tables = []
    for _ in range(2):
        run(tmp_path, files)
        regressions = tmp_path / "regressions.parquet"
        coreg.run(MTL_AQA, files["features"], files["rows"], regressions, SETTINGS, files["splits"])
        found = [pd.read_parquet(path) for path in (tmp_path / "predictions.parquet", regressions)]
        tables.append(pd.concat(found, ignore_index=True))
        np.save(files["features"][1], np.load(files["features"][1]) ** 3)  # another backbone 1
    before, after = tables
    changed = (before["predicted"] != after["predicted"]).groupby([before["member"], before["seed"]]).any().unstack()
    assert not changed[0].any()
    assert set(changed.index[changed[1] == 0]) <= {"label_only/mtl_aqa/20", "label_only/mtl_aqa/40", "observer/mtl_aqa"}


def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_dives(tmp_path)
    wanted = run(tmp_path, files)
    asked: list[str] = []

    def killed(system: str, *rest: Any) -> semi_supervised.Trained:
        asked.append(system)
        if system == "vat" and asked.count("vat") == 1:
            raise KeyboardInterrupt
        return semi_supervised.train_system(system, *rest)

    monkeypatch.setattr(s4aqa, "train_system", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, files)
    assert run(tmp_path, files) == wanted
    assert asked.count("aa") == 1
    assert asked.count("vat") == 2


def test_gymnastics_is_a_training_an_apparatus(tmp_path: Path) -> None:
    files = [tmp_path / "f.npy", tmp_path / "r.parquet"]
    write_features(*files, SETTINGS)
    s4aqa.run("rhythmic_gymnastics", files[:1], files[1], tmp_path / "p.parquet", tmp_path / "m.safetensors", SETTINGS)
    table = pd.read_parquet(tmp_path / "p.parquet")
    assert {tuple(member.split("/")[1:]) for member in table["member"]} == {
        ("rhythmic_gymnastics", "40", apparatus) for apparatus in ("ball", "clubs", "hoop", "ribbon")
    }
    assert (table["action"] == table["member"].str.split("/").str[3]).all()
    assert not {"usdl", "c3d_avg_mtl"} & set(table["member"].str.split("/").str[0])


@pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
def test_real_posteriors_at_every_share(tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("p.parquet", "m.safetensors", "f.csv")]
    s4aqa.run_open(Path(str(MIRROR)) / "unlv_dive_s3d", *outputs, SETTINGS)
    table = pd.read_parquet(outputs[0])
    assert (table.groupby(["member", "seed", "iteration"]).size() == 70).all()
    whole = {member.split("/")[0] for member in table["member"] if member.endswith("/100")}
    assert whole == {"svr", "aa", "usdl", "c3d_avg_stl"}
    assert set(s4aqa.systems_of(UNLV_DIVE)) | {"svr", "coreg"} == set(table["member"].str.split("/").str[0])
    assert "c3d_avg_mtl" not in s4aqa.systems_of(UNLV_DIVE)
