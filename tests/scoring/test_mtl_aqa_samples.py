"""Table 6's dives are chosen by the stated rule, from real files, and say what the files say."""

import json

import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring.mtl_aqa_samples import MEMBER, choose_samples
from rescore.scoring.outputs import Files
from tests.mtl_aqa_files import SETTINGS, files_of, write_files
from tests.scoring.conftest import PAPERS

PAPER = PAPERS / "mtl_aqa" / "paper.yaml"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("members"))


def choose(written, folder, rows=None):
    parts = {kind: files_of(written, kind, MEMBER) for kind in ("predictions", "classes", "captions")}
    files = Files(rows=[rows or written.rows], splits=written.splits, **parts)
    choose_samples(PAPER, files, folder / "t.csv", folder / "s.json", SETTINGS)
    return json.loads((folder / "s.json").read_text()), pd.read_csv(folder / "t.csv", dtype=str, keep_default_na=False)


def test_the_middles_of_the_four_quarters_by_error(written, tmp_path):
    chosen, table = choose(written, tmp_path)
    path = next(path for path in written.predictions if f"{MEMBER}/0" in str(path))
    predictions = pd.read_parquet(path).query("split == 'test' and iteration == 4")
    errors = (predictions["predicted"] - predictions["target"]).abs()
    assert [dive["error"] for dive in chosen] == pytest.approx(sorted(errors)[2:20:5])
    assert [dive["rank"] for dive in chosen] == [3, 8, 13, 18]
    rows = pd.read_parquet(written.rows)
    for number, dive in enumerate(chosen, start=1):
        assert rows["sample"][dive["place"]] == dive["sample"]
        row = rows.iloc[dive["place"]]
        cells = table[table["row"] == f"Dive {number}, true"].set_index("column")["value"]
        assert cells["AQA score"] == f"{row['score']:.2f}"
        assert cells["Position"] == row["position"].capitalize()
        assert cells["Armstand"] == ("Yes" if row["armstand"] else "No")
        assert float(cells["# SS"]) == row["somersaults"]
        assert cells["Caption"] == row["caption"]
    assert table["row"].nunique() == 8
    assert set(table.loc[table["column"] == "Rotation type", "value"]) <= {"Backwards", "Forwards", "Inward", "Reverse"}


def test_bad_files_are_refused(written, tmp_path):
    path = next(path for path in written.predictions if f"{MEMBER}/0" in str(path))
    pd.read_parquet(path).assign(predicted=float("nan")).to_parquet(tmp_path / "bad.parquet")
    parts = {kind: files_of(written, kind, MEMBER) for kind in ("classes", "captions")}
    other = [path for path in written.predictions if f"{MEMBER}/1" in str(path)]
    files = Files([tmp_path / "bad.parquet", *other], [written.rows], written.splits, **parts)
    with pytest.raises(RescoreError, match="predicted values are NaN"):
        choose_samples(PAPER, files, tmp_path / "t", tmp_path / "s", SETTINGS)
