"""Released predictions: how they are paired with labels, and each thing that is wrong with them in one sentence."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring.released.arrays import read_predictions
from rescore.scoring.released.collect import LEFT_OUT, collect
from rescore.scoring.released.declared import predicted_of

SCORES = {"a": 60.0, "b": 70.0, "c": 55.5, "d": 81.0, "e": 42.0}
ARRAYS = {
    "source": "s",
    "file": "pred.npy",
    "target": "true.npy",
    "system": "S",
    "data": "D",
    "split": "test",
    "labels": {"source": "s", "file": "labels.pkl"},
    "listed": {"source": "s", "file": "list.pkl"},
}
NAMED = {
    "source": "s",
    "file": "epoch{epoch}.npy",
    "system": "S",
    "data": "D",
    "split": "test",
    "paths": ["fused", "tool"],
    "entry": r"(?P<sample>.+)_capture\d",
    "labels": {"source": "s", "file": "labels.pkl"},
}


def folder_with(path: Path, true=None, pred=None, labels=None) -> dict[str, Path]:
    labels = labels or SCORES
    (path / "labels.pkl").write_bytes(pickle.dumps(labels))
    (path / "list.pkl").write_bytes(pickle.dumps(list(labels)))
    scores = np.array(list(labels.values()))
    np.save(path / "true.npy", scores if true is None else np.array(true))
    np.save(path / "pred.npy", scores + 1 if pred is None else np.array(pred))
    return {"s": path}


def read(folders, fields=ARRAYS):
    return read_predictions(predicted_of("p", "n", fields, {}), 0, folders)


def test_an_array_in_the_lists_order_is_shown_to_be(tmp_path):
    table, notes = read(folder_with(tmp_path))
    assert dict(zip(table["sample"], table["target"], strict=True)) == SCORES
    assert (table["predicted"] - table["target"] == 1).all()
    assert notes == ["order established: all 5 true scores equal the labels of the list, one by one"]


def test_another_order_is_established_where_each_score_is_one_samples_alone(tmp_path):
    order = [3, 0, 4, 1, 2]
    scores = np.array(list(SCORES.values()))[order]
    table, notes = read(folder_with(tmp_path, true=scores, pred=scores + 1))
    assert dict(zip(table["sample"], table["target"], strict=True)) == SCORES
    assert (table["predicted"] - table["target"] == 1).all()
    assert notes == ["order established: each true score belongs to one sample of the list alone"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pred": [1.0, 2.0]}, r"2 predictions, but 5 in true\.npy"),
        ({"true": [60.0, 70.0, 55.5, 81.0], "pred": [1.0, 2, 3, 4]}, r"4 predictions, but 5 in list\.pkl"),
        ({"pred": [60.0, np.nan, 1, 2, np.inf]}, "predicted is NaN or infinite for b, e"),
        ({"true": [60.0, 70.0, 55.5, 81.0, 99.0]}, "1 of 5 true scores are none of the labels"),
        (
            {"labels": SCORES | {"e": 60.0}, "true": [70.0, 60.0, 55.5, 81.0, 60.0]},
            "another order than the list, and equal scores leave several orders open",
        ),
    ],
)
def test_predictions_that_cannot_be_held_against_labels_are_refused_in_one_sentence(tmp_path, more, said):
    with pytest.raises(RescoreError, match=said) as error:
        read(folder_with(tmp_path, **more))
    assert len(str(error.value).splitlines()) == 1


def save_entries(path: Path, entries) -> None:
    np.save(path, np.array(entries, dtype=object))


def test_named_entries_are_paired_by_name_and_cameras_share_a_sample(tmp_path):
    folders = folder_with(tmp_path)
    for epoch in (0, 25, 100):
        save_entries(
            tmp_path / f"epoch{epoch}.npy",
            {f"{name}_capture{k}": np.array([[1.0, 2.0]]) for name in "ba" for k in (1, 2)},
        )
    table, _ = read(folders, NAMED)
    assert sorted(table["epoch"].unique()) == [0, 25, 100]
    assert table.groupby(["epoch", "path"]).size().tolist() == [4] * 6
    assert set(table["sample"]) == {"a", "b"}
    assert set(table.loc[table["path"] == "tool", "predicted"]) == {2.0}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"z_capture1": [1.0, 2.0]}, "no label of 'z'"),
        ({"a_capture1": [1.0, 2.0, 3.0]}, "a_capture1 has 3 values, not 2"),
    ],
)
def test_named_entries_without_a_label_or_of_another_width_are_named(tmp_path, entries, said):
    folders = folder_with(tmp_path)
    save_entries(tmp_path / "epoch0.npy", entries)
    with pytest.raises(RescoreError, match=said):
        read(folders, NAMED)


def test_a_pickle_that_asks_for_code_runs_nothing(tmp_path):
    class Asks:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    folders = folder_with(tmp_path)
    save_entries(tmp_path / "epoch0.npy", {"a_capture1": Asks()})
    with pytest.raises(RescoreError, match=r"epoch0\.npy: the pickle asks for"):
        read(folders, NAMED)
    assert not (tmp_path / "ran").exists()


def test_a_table_is_read_by_its_columns_and_its_bad_lines_are_named(tmp_path):
    columns = {"sample": "video", "predicted": "p", "target": "y", "fold": "cv"}
    fields = {"source": "s", "file": "t.csv", "system": "S", "data": "D", "split": "test", "columns": columns}
    (tmp_path / "t.csv").write_text("video,p,y,cv\na,1,2,0\nb,3,4,1\n")
    table, _ = read({"s": tmp_path}, fields)
    assert table[["sample", "predicted", "target", "fold"]].values.tolist() == [["a", 1, 2, 0], ["b", 3, 4, 1]]
    for text, said in (
        ("video,p,y,cv\na,one,2,0\n", "line 2: predicted 'one' is no number"),
        ("video,p,y,cv\na,1,2,0\na,1,2,0\n", "line 3: a stands twice in one epoch"),
        ("video,p,cv\na,1,0\n", "no column y; it has video, p, cv"),
    ):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(RescoreError, match=said):
            read({"s": tmp_path}, fields)


DECLARED = """
predictions:
  good: {source: released-mcore, file: pred.npy, target: true.npy, system: S, data: D, split: test}
  bad: {source: released-mcore, file: short.npy, target: true.npy, system: S, data: D, split: test}
logs:
  absent:
    {source: released-vtpe, file: a.log, system: S, data: D, samples: [5], values: {rho: {pattern: "(?P<value>.)"}}}
"""


def test_a_record_that_cannot_be_read_is_left_out_with_its_reason_and_the_others_go_on(tmp_path):
    import pandas as pd

    source = tmp_path / "released-mcore"
    source.mkdir()
    folder_with(source)
    np.save(source / "short.npy", np.ones(2))
    (tmp_path / "papers" / "p").mkdir(parents=True)
    declared = tmp_path / "papers" / "p" / "released.yaml"
    declared.write_text(DECLARED)
    points, predictions, findings = (tmp_path / name for name in ("a.parquet", "b.parquet", "c.csv"))
    collect([declared], [source], points, predictions, findings)
    assert set(pd.read_parquet(predictions)["record"]) == {"p/good"}
    told = pd.read_csv(findings)
    lost = told[told["kind"] == LEFT_OUT].set_index("record")["finding"]
    assert "2 predictions, but 5 in true.npy" in lost["p/bad"]
    assert lost["p/absent"] == "released-vtpe: not fetched. Run `rescore fetch released-vtpe`."
