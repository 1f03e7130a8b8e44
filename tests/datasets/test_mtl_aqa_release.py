"""MTL-AQA's adapter on the real release, and on releases that are damaged, contradictory or malicious."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rescore.datasets.mtl_aqa.release import (
    OFFICIAL,
    read_manifest,
    read_smaller_training_set,
    read_unlv_split,
    read_vocabulary,
    summarise,
)
from rescore.engine.errors import RescoreError
from rescore.manifests import contract

MIRROR = os.environ.get("RESCORE_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="RESCORE_MIRROR is not set")
VIDEOS = Path("data/raw/mtl_aqa/videos")
REPORTED = Path(__file__).parents[2] / "papers" / "open" / "tables" / "mtl_aqa.csv"


def annotation(**changes: Any) -> dict[str, Any]:
    return {
        "primary_view": 0,
        "start_frame": 100,
        "end_frame": 190,
        "position": 2,
        "difficulty": 3.2,
        "armstand": 0,
        "rotation_type": 2,
        "ss_no": 7,
        "tw_no": 1,
        "final_score": 88.0,
        **changes,
    }


def write_release(directory: Path, **changes: Any) -> Path:
    """A release of three dives with the given files replaced."""
    words = ["<eos>", "<sos>", "nice", "entry"]
    keys = [(1, 1), (1, 2), (4, 7)]
    content: dict[str, Any] = {
        "final_annotations_dict": {key: annotation() for key in keys},
        "final_captions_dict": {(np.int64(event), dive): ["<sos>", "nice", "entry", "<eos>"] for event, dive in keys},
        "train_split_0": keys[:2],
        "test_split_0": keys[2:],
        **changes,
    }
    folder = directory / OFFICIAL
    folder.mkdir(parents=True)
    for name, value in content.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(value))
    vocabulary = {
        "ix_to_word": {str(index): word for index, word in enumerate(words)},
        "word_to_ix": {word: index for index, word in enumerate(words)},
    }
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    return directory


def test_a_dive_becomes_a_manifest_row(tmp_path: Path) -> None:
    table, findings = read_manifest(write_release(tmp_path), VIDEOS)
    row = table.iloc[0]
    assert list(table["sample"]) == ["01/001", "01/002", "04/007"]
    assert list(table["split"]) == ["train", "train", "test"]
    assert (row["somersaults"], row["twists"], row["position"], row["rotation_type"]) == (3.5, 0.5, "tuck", "inward")
    assert row["caption"] == "nice entry"
    assert row["video"] == "data/raw/mtl_aqa/videos/01.mp4"
    assert (row["event"], bool(row["armstand"])) == ("01", False)
    assert findings == []
    assert contract.find_problems(table) == []


@needs_mirror
def test_the_real_release_gives_the_official_split_and_states_its_oddities() -> None:
    table, findings = read_manifest(Path(str(MIRROR)) / "mtl_aqa", VIDEOS)
    assert table["split"].value_counts().to_dict() == {"train": 1059, "test": 353}
    assert table["event"].nunique() == 15
    assert table["somersaults"].max() == 4.5
    assert table["twists"].max() == 3.5
    assert (table["caption"] != "").all()
    assert not table["caption"].str.contains("<eos>|<sos>").any()
    assert findings == [
        f"{sample}: commentary without annotation" for sample in ("01/064", "17/072", "17/149", "26/092")
    ]


@needs_mirror
def test_the_real_release_is_what_the_paper_prints_but_for_one_event() -> None:
    table, _ = read_manifest(Path(str(MIRROR)) / "mtl_aqa", VIDEOS)
    measured = summarise(table).astype(str).set_index(["row", "column"])["value"]
    reported = pd.read_csv(REPORTED, dtype=str).set_index(["row", "column"])["value"]
    both = reported.to_frame("reported").join(measured.rename("measured"))
    differing = both[both["reported"] != both["measured"]]
    assert differing.to_dict("index") == {("MTL-AQA", "# Events"): {"reported": "16", "measured": "15"}}


@needs_mirror
def test_vocabulary_smaller_sets_and_unlv_split_of_the_real_release() -> None:
    directory = Path(str(MIRROR)) / "mtl_aqa"
    vocabulary = read_vocabulary(directory)
    assert vocabulary[:2] == ["<eos>", "<sos>"]
    assert len(vocabulary) == 5781
    sizes = {size: read_smaller_training_set(directory, size) for size in (140, 280, 450)}
    assert {size: len(samples) for size, samples in sizes.items()} == {140: 143, 280: 279, 450: 443}
    split = read_unlv_split(directory)
    assert (len(split["train"]), len(split["test"])) == (300, 70)
    assert all(isinstance(part, int) for key in split["train"] for part in key)


def test_caption_without_annotation_and_the_reverse_are_stated(tmp_path: Path) -> None:
    captions = {(1, 1): ["<sos>", "splash", "<eos>"], (1, 2): ["<sos>", "<eos>"], (9, 9): ["<sos>", "<eos>"]}
    table, findings = read_manifest(write_release(tmp_path, final_captions_dict=captions), VIDEOS)
    assert findings[0] == "09/009: commentary without annotation"
    assert findings[1] == "04/007: annotation without commentary"
    assert findings[2] == "01/002: empty commentary"
    assert "1 words of the commentary are not in the vocabulary, such as 'splash'" in findings[3]
    assert table.set_index("sample").loc["04/007", "caption"] == ""


def test_impossible_values_are_reported_together(tmp_path: Path) -> None:
    bad = {
        (1, 1): annotation(final_score=float("nan")),
        (1, 2): annotation(position=3, end_frame=90, final_score=150.5),
        (4, 7): annotation(difficulty=0.0, tw_no=None),
    }
    with pytest.raises(RescoreError) as error:
        read_manifest(write_release(tmp_path, final_annotations_dict=bad), VIDEOS)
    for text in (
        "(6)",
        "01/001: final_score nan is not a score from 0 to 150",
        "01/002: final_score 150.5 is not a score from 0 to 150",
        "01/002: position 3",
        "01/002: frames",
        "04/007: difficulty",
        "tw_no",
    ):
        assert text in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("end_frame", None, "frames 100 to None"),
        ("end_frame", "100", "frames 100 to '100'"),
        ("end_frame", float("inf"), "frames 100 to inf"),
        ("start_frame", 99.5, "frames 99.5 to"),
        ("position", 1.0, "position 1.0 is not a code"),
        ("rotation_type", [1, 2], "rotation_type [1, 2] is not a code"),
    ],
)
def test_values_of_a_wrong_kind_are_named(tmp_path: Path, field: str, value: Any, text: str) -> None:
    bad = {(1, 1): annotation(), (1, 2): annotation(**{field: value}), (4, 7): annotation()}
    with pytest.raises(RescoreError) as error:
        read_manifest(write_release(tmp_path, final_annotations_dict=bad), VIDEOS)
    assert f"01/002: {text}" in str(error.value)


@pytest.mark.parametrize("content", [b"\xe4\xf6", b"[]", b"{", b'{"ix_to_word": [1], "word_to_ix": {}}'])
def test_a_vocabulary_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (write_release(tmp_path) / OFFICIAL / "vocab.json").write_bytes(content)
    with pytest.raises(RescoreError, match=r"vocab\.json: not a vocabulary"):
        read_manifest(tmp_path, VIDEOS)


def test_splits_that_do_not_fit_are_reported_together(tmp_path: Path) -> None:
    release = write_release(tmp_path, train_split_0=[(1, 1), (1, 1), (8, 8)], test_split_0=[(4, 7), (1, 1)])
    with pytest.raises(RescoreError) as error:
        read_manifest(release, VIDEOS)
    for text in (
        "01/001: 2 times in train",
        "08/008: in train without",
        "01/001: in train and test",
        "01/002: in no split",
    ):
        assert text in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("final_annotations_dict", [1, 2], "not a dictionary"),
        ("final_annotations_dict", {(1, 1): {"final_score": 3.0}}, "start_frame"),
        ("final_captions_dict", {(1, 1): "words"}, "lists of words"),
        ("train_split_0", {"a": 1}, "not a list"),
        ("test_split_0", [(1, 2, 3)], "not a pair"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, name: str, value: Any, text: str) -> None:
    with pytest.raises(RescoreError, match=text) as error:
        read_manifest(write_release(tmp_path, **{name: value}), VIDEOS)
    assert name in str(error.value)


class Payload:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("owned"),)


def test_a_malicious_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RescoreError, match="nothing of it was run"):
        read_manifest(write_release(tmp_path, final_annotations_dict=Payload()), VIDEOS)
    assert not (tmp_path / "owned").exists()


def test_a_truncated_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = write_release(tmp_path) / OFFICIAL / "test_split_0.pkl"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RescoreError, match=r"test_split_0\.pkl"):
        read_manifest(tmp_path, VIDEOS)
    path.unlink()
    with pytest.raises(RescoreError, match=r"test_split_0\.pkl: no such file"):
        read_manifest(tmp_path, VIDEOS)


def test_a_vocabulary_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = write_release(tmp_path) / OFFICIAL / "vocab.json"
    content = json.loads(path.read_text())
    content["word_to_ix"]["nice"] = 3
    path.write_text(json.dumps(content))
    with pytest.raises(RescoreError, match="contradict"):
        read_manifest(tmp_path, VIDEOS)


def test_an_unknown_size_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(RescoreError, match="140, 280, 450"):
        read_smaller_training_set(tmp_path, 141)
