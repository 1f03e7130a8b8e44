"""Regression on the S3D authors' real features: figures, protocol, and that the test set has no say in the choice."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.engine.errors import RescoreError
from rescore.sources.pickles import load_object_array
from rescore.systems.unlv_dive_s3d import regression as unlv_dive_s3d

MIRROR = os.environ.get("RESCORE_MIRROR")
pytestmark = pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "support_vector_regression": {
        "kernels": ["linear"],
        "c": [0.1],
        "epsilon": [0.1, 0.5],
        "folds": 3,
        "max_iterations": 100000,
    },
}
OUTPUTS = ("predictions.parquet", "choice.json", "findings.csv")


def run(directory: Path, out: Path, mtl_aqa: Path | None = None) -> pd.DataFrame:
    predictions, choice, findings = (out / name for name in OUTPUTS)
    unlv_dive_s3d.run(directory, predictions, choice, findings, SETTINGS, mtl_aqa)
    return pd.read_parquet(predictions)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("s3d")
    run(Path(str(MIRROR)) / "unlv_dive_s3d", out, Path(str(MIRROR)) / "mtl_aqa")
    return out


def test_the_plain_machine_gives_the_known_figure(finished: Path) -> None:
    table = pd.read_parquet(finished / "predictions.parquet")
    plain = table[table["member"] == "plain/linear/100/8"]
    assert len(plain) == 70
    assert spearmanr(plain["target"], plain["predicted"])[0] == pytest.approx(0.846, abs=0.002)


def test_members_keep_the_contract(finished: Path) -> None:
    table = pd.read_parquet(finished / "predictions.parquet")
    assert set(table["member"]) == {
        "chosen",
        "grid/linear/0.1/0.1",
        "grid/linear/0.1/0.5",
        "plain/linear/100/8",
        "authors/stage_mean",
    }
    assert set(table["split"]) == {"test"}
    assert set(table["unit"]) == {"points"}
    assert not table.duplicated(["member", "sample"]).any()
    chosen = json.loads((finished / "choice.json").read_text())["chosen"]
    grid = table[table["member"] == f"grid/{chosen['kernel']}/{chosen['c']:g}/{chosen['epsilon']:g}"]
    assert np.array_equal(grid["predicted"], table.loc[table["member"] == "chosen", "predicted"])


def test_contradictions_in_the_data_are_stated(finished: Path) -> None:
    findings = pd.read_csv(finished / "findings.csv")["finding"].str.cat(sep="\n")
    assert "dive 133: score 84.15 is no multiple" in findings
    assert "23 of 70 keys" in findings


def test_other_test_features_change_no_choice(finished: Path, tmp_path: Path) -> None:
    changed = tmp_path / "files"
    shutil.copytree(Path(str(MIRROR)) / "unlv_dive_s3d", changed, copy_function=shutil.copyfile)
    changed.chmod(0o755)
    content = load_object_array(changed / "all_test_v2.npy")
    generator = np.random.default_rng(0)
    for row in range(content.shape[1]):
        content[0, row] = generator.random(2048, np.float32)
    np.save(changed / "all_test_v2.npy", content, allow_pickle=True)
    run(changed, tmp_path)
    assert (tmp_path / "choice.json").read_bytes() == (finished / "choice.json").read_bytes()


def test_a_second_run_gives_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    run(Path(str(MIRROR)) / "unlv_dive_s3d", tmp_path, Path(str(MIRROR)) / "mtl_aqa")
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_a_missing_folder_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match=r"overall_scores\.npy"):
        run(tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()
