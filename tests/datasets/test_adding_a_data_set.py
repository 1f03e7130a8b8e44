"""docs/data.md, done as it says: a data set is added by its folder, in the tree or outside of it."""

import importlib.util
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.manifests.contract import read_manifest
from tests.workflow.conftest import make_clone, snakemake

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"^`src/rescore/(datasets/my_dives/\S+)`[^`]*?\n```python\n(.*?)^```", re.M | re.S)
FILES = dict(FILE.findall((ROOT / "docs/data.md").read_text(encoding="utf-8")))
CLIPS, TARGET = {"clips": {"on_bad_video": "fail"}}, "data/smoke/clips/my_dives.npy"


def write(folder: Path) -> None:
    """The page's files, and what it need not print."""
    assert [Path(name).name for name in FILES] == ["dataset.py", "official.py"]
    for name, content in {**FILES, "datasets/my_dives/README.md": "# My dives\n"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


@pytest.fixture
def build(tmp_path) -> Callable[..., None]:
    write(tmp_path)
    spec = importlib.util.spec_from_file_location("my_dives", tmp_path / "datasets/my_dives/official.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build


@pytest.fixture
def scores(tmp_path, write_video) -> Path:
    folder = tmp_path / "raw"
    for number, frames in ((1, 9), (2, 15)):
        write_video(folder / "videos/diving" / f"{number:03d}.avi", frames)
    table = pd.DataFrame({"video": ["001.avi", "002.avi"], "split": ["train", "test"], "score": [84.15, 50.0]})
    table.to_csv(folder / "scores.csv", index=False)
    return folder / "scores.csv"


@pytest.fixture
def clone(tmp_path, scores) -> Path:
    """A clone with the files of the data set, and without the data set."""
    clone = make_clone(tmp_path / "clone")
    shutil.copytree(scores.parent, clone / "data/raw/my_dives")
    return clone


@pytest.mark.slow
def test_its_clips_are_made(clone):
    write(clone / "src/rescore")
    done = snakemake(clone, TARGET)
    assert done.returncode == 0, done.stdout[-3000:]
    manifest = read_manifest(clone / "data/smoke/manifests/my_dives.parquet")
    assert manifest["sample"].tolist() == ["diving/001", "diving/002"]
    assert manifest["end_frame"].tolist() == [8, 14]
    assert np.load(clone / TARGET).shape == (2, 103, 56, 56, 3)
    assert "my_dives_features" in snakemake(clone, "-n", "data/smoke/features/my_dives/0.npy").stdout


def test_outside_of_the_tree_it_is_planned_as_in_it(clone, tmp_path):
    write(tmp_path / "lab")
    params = clone / "params.yaml"
    params.write_text(
        params.read_text().replace("outside:\n", f"outside:\n  datasets: [{tmp_path / 'lab/datasets'}]\n")
    )
    done = snakemake(clone, "-n", "-p", TARGET)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "datasets.my_dives.official.build --scores data/raw/my_dives/scores.csv" in done.stdout
    (tmp_path / "lab/datasets/my_dives/dataset.py").write_text("import no_such_library\n")
    said = snakemake(clone, "-n", TARGET).stdout
    assert "dataset.py, line 1: ModuleNotFoundError" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("84.15", "", "line 2: score is empty"),
        ("002.avi", "001.avi", "duplicate sample: row 0 .*row 1"),
        ("002.avi", "003.avi", "diving/003: .*003.avi: missing"),
        ("test", "validation", "split is not one of train, test: row 1"),
    ],
)
def test_bad_tables_are_errors_that_name_the_row(old, new, words, build, scores, tmp_path):
    scores.write_text(scores.read_text().replace(old, new))
    with pytest.raises(RescoreError, match=words):
        build(scores, tmp_path / "index.csv", tmp_path / "m.parquet", CLIPS)
    assert not (tmp_path / "m.parquet").exists()
